"""The verbs as functions. Each takes the parameters of :mod:`mlflow_xfer.params` by name and returns a
:class:`Result`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mlflow_xfer import params as parameters
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.phases import overlaps, record, replicates
from mlflow_xfer.phases.estimate import Past, said, total
from mlflow_xfer.phases.execute import Executor, validate
from mlflow_xfer.phases.plan import Plan, make_plan
from mlflow_xfer.phases.preview import Preview
from mlflow_xfer.phases.references import References, task_file_tasks
from mlflow_xfer.scoring.submission import score_folder
from mlflow_xfer.scoring.validation import Finding
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.tracking import lineage as tree
from mlflow_xfer.tracking.names import redact
from mlflow_xfer.tracking.references import RUN_ID, run_of
from mlflow_xfer.tracking.results import results as read_results
from mlflow_xfer.tracking.store import Store, run_of_environment
from mlflow_xfer.tracking.sync import sync as deliver

if TYPE_CHECKING:
    import pandas as pd

    from mlflow_xfer.searching.preview import SearchPreview
    from mlflow_xfer.searching.ranked import Ranking

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reported:
    """A report, the run that holds it, and where to see it."""

    run_id: str
    report: Any
    link: str = ""


@dataclass(frozen=True)
class Result:
    """What a verb brought about.

    Attributes:
        run_id: the run that holds the result (an earlier one, if nothing had to be run).
        metrics: its metrics.
        made: runs that this call trained or evaluated.
        reused: runs that it took.
        link: where to see it.
    """

    run_id: str
    metrics: Mapping[str, float]
    made: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()
    link: str = field(default="", repr=False)


def pretrain(**params: Any) -> Result:
    """Language modelling on raw text, from a checkpoint or from nothing."""
    return _run("pretrain", params)


def intermediate(**params: Any) -> Result:
    """One intermediate task or a mixture."""
    return _run("intermediate", params)


def target(**params: Any) -> Result:
    """Fine-tuning on a target task's training set, with a fresh head."""
    return _run("target", params)


def evaluate(**params: Any) -> Result:
    """Zero-shot evaluation of a checkpoint in every language."""
    return _run("evaluate", params)


def transfer(**params: Any) -> Result:
    """The chain: pretrain (optional), intermediate, target, evaluate; one replicate for each seed.

    With neither ``intermediate`` nor ``target`` the demo, a study on the embedded suite.
    """
    typed: Any = parameters.parse("transfer", params)
    return _run_demo(params, typed) if _asks_for_demo(typed) else _run("transfer", params)


def search(**params: Any) -> Result:
    """Which intermediate tasks help the targets:
    searches subsets and settings, and confirms the best on fresh seeds.

    The same call continues the search. With ``dry_run`` nothing runs: the plan is logged.
    """
    from mlflow_xfer.searching.verb import run_search

    typed: Any = parameters.parse("search", params)
    if typed.dry_run:
        store = Store.open(probe=False)
        try:
            logger.info("%s", _search_plan(typed, store).text())
        finally:
            store.close()
        return Result("", {})
    os.environ["XFER_VERB"] = "search"
    with _store() as store:
        run_id = run_search(typed, store, run_of_environment(), task_file_tasks(typed))
        store.flush()
        result = Result(run_id, store.get(run_id).metrics, link=store.link(run_id))
    logger.info("%s", result.link)
    return result


def worker(**params: Any) -> Result:
    """Works for a search that was begun elsewhere, until it ends; the result is the search's run."""
    from mlflow_xfer.searching.joining import join_search

    typed: Any = parameters.parse("worker", params)
    os.environ["XFER_VERB"] = "worker"
    with _store() as store:
        run_id = join_search(typed, store)
        result = Result(run_id, store.get(run_id).metrics, link=store.link(run_id))
    logger.info("%s", result.link)
    return result


def _asks_for_demo(typed: Any) -> bool:
    return typed.intermediate == "auto" and typed.target == "auto" and typed.data == "mini"


def _overrides(params: Mapping[str, Any]) -> dict[str, Any]:
    """What the user says of the demo's transfers."""
    return {
        name: value for name, value in params.items() if name not in ("intermediate", "target", "workers")
    }


def _run_demo(params: Mapping[str, Any], typed: Any) -> Result:
    from mlflow_xfer.studies.demo import DEMO
    from mlflow_xfer.studies.study import run_study

    os.environ["XFER_VERB"] = "transfer"
    cores = os.cpu_count() or 1
    workers = max(cores // 2, min(cores, 2)) if typed.workers == "auto" else typed.workers
    with _store() as store:
        run_id = run_study(DEMO, _overrides(params), store, run_of_environment(), workers)
        store.flush()
        result = Result(run_id, store.get(run_id).metrics, link=store.link(run_id))
    logger.info("%s", result.link)
    return result


@contextmanager
def _report_run(store: Store, named: Sequence[str], opened: str | None) -> Iterator[str]:
    """Where a report goes: the run that ``mlflow run`` opened,
    the one run it is about, or a run of its own.
    """
    if opened is None and len(named) == 1 and RUN_ID.fullmatch(named[0]):
        yield named[0]
        return
    run_id = store.start(
        "study", "report", tags={"xfer.study": "report", "xfer.input_run_ids": ",".join(named)}, run_id=opened
    )
    with record.ending(store, run_id):
        yield run_id


def _run(verb: str, typed: Mapping[str, Any]) -> Result:
    params: Any = parameters.parse(verb, typed)
    os.environ["XFER_VERB"] = verb  # what MLflow's run context plugin tags runs with
    opened = run_of_environment()
    with _store() as store:
        references = References(lambda: store, fetch=True)
        extra = task_file_tasks(params)
        plan = make_plan(verb, params, references, extra, online=True)
        executor = Executor(store, params.reuse, plan.suite)
        new = [phase for phase in plan.phases if not executor.existing(phase)]
        validate(new)
        for found in overlaps.of_plan(new):
            logger.log(logging.WARNING if found.status == "found" else logging.INFO, "overlap: %s", found)
        run_id = _execute(executor, plan, opened, lambda: _baselines(plan, params, references, extra))
        store.flush()
        result = _result(executor, run_id)
    logger.info("%s", result.link)
    return result


def _execute(executor: Executor, plan: Plan, opened: str | None, baselines: Any) -> str:
    """Run the plan; the verb decides what the run opened by ``mlflow run`` is,
    never what happened to exist.
    """
    if plan.transfers:
        return replicates.run_plan(executor, plan, opened, baselines())
    if len(plan.requested) == 1:
        return executor.ensure(plan.requested[0], attach=opened).run_id
    return replicates.run_phases(executor, plan, opened)


def _baselines(plan: Plan, params: Any, references: References, extra: Mapping[str, Task]) -> dict[int, str]:
    """Plan hashes of the same transfers without intermediate task."""
    if len(plan.transfers) < 2 or not params.intermediate:
        return {}
    bare = make_plan(
        "transfer", params.model_copy(update={"intermediate": ()}), references, extra, online=True
    )
    return {n: transfer.plan_hash for n, transfer in enumerate(bare.transfers)}


def _result(executor: Executor, run_id: str) -> Result:
    done = executor.done.values()
    made = tuple(d.run_id for d in done if d.how != "reused")
    reused = tuple(d.run_id for d in done if d.how == "reused")
    return Result(run_id, executor.store.get(run_id).metrics, made, reused, executor.store.link(run_id))


@contextmanager
def _store(probe: bool = True) -> Iterator[Store]:
    """An open store; what could not be delivered at the end is an error, and stays on disk."""
    store = Store.open(probe=probe)
    try:
        yield store
    except BaseException:
        store.close()
        raise
    left = store.close()
    if left:
        raise XferError(
            f"{left} tracking records are not delivered: the tracking server is away.",
            "They are kept; send them with: mlflow-xfer sync",
            exit_code=TRY_AGAIN,
        )


def plan(verb: str = "transfer", overlap: bool = False, **params: Any) -> Preview | SearchPreview:
    """What ``verb`` would run with these parameters, and which of it exists. Trains nothing, needs no torch.

    Args:
        overlap: compare training with test rows now; otherwise what is declared or was measured before is
            shown.
    """
    typed: Any = parameters.parse(verb, params)
    store = Store.open(probe=False)
    try:
        if verb == "search":
            return _search_plan(typed, store)
        made = (
            _demo_plan(params, store)
            if verb == "transfer" and _asks_for_demo(typed)
            else make_plan(verb, typed, References(lambda: store), task_file_tasks(typed))
        )
        executor = Executor(store, typed.reuse)
        existing = {phase.spec_hash: run for phase in made.phases if (run := executor.existing(phase))}
        past = Past.of(store)
        return Preview(
            made,
            existing,
            redact(store.uri),
            overlaps.of_plan(made.phases, overlap),
            said(total([p for p in made.phases if p.spec_hash not in existing], past), past),
        )
    finally:
        store.close()


def _search_plan(typed: Any, store: Store) -> SearchPreview:
    from mlflow_xfer.searching import command
    from mlflow_xfer.searching.preview import preview

    references, extra = References(lambda: store), task_file_tasks(typed)
    return preview(command.read(typed, references, extra), store, redact(store.uri), references, extra)


def _demo_plan(params: Mapping[str, Any], store: Store) -> Plan:
    from mlflow_xfer.phases.plan import unique
    from mlflow_xfer.studies.demo import DEMO
    from mlflow_xfer.studies.study import plans_of

    plans = list(plans_of(DEMO, _overrides(params), store).values())
    requested = unique(phase for one in plans for phase in one.requested)
    return Plan(
        "study",
        tuple(requested),
        tuple(t for one in plans for t in one.transfers),
        plans[0].suite,
        plans[0].missing,
    )


def lineage(run: str) -> str:
    """What a run was made from, back to its base model, as an indented tree."""
    with _store(probe=False) as store:
        return tree.text(tree.lineage(store, run_of(store, run)))


def results(runs: str | Sequence[str] = (), filter: str = "") -> pd.DataFrame:
    """Per-language scores behind runs (none:
    all of the experiment), one row per condition, task, language and seed.
    """
    names = [name for name in runs.split(",") if name] if isinstance(runs, str) else list(runs)
    with _store(probe=False) as store:
        return read_results(store, names, filter=filter)


def report(**params: Any) -> Reported:
    """One page about any set of finished runs, logged into the run that stands for them."""
    from mlflow_xfer.reporting.verb import report_runs
    from mlflow_xfer.stats.typology import PRIMARY

    typed: Any = parameters.parse("report", params)
    options = {
        "baseline": typed.baseline,
        "margin": typed.margin,
        "missing": typed.missing,
        "measure": PRIMARY if typed.measure == "auto" else typed.measure,
    }
    with _store() as store, TemporaryDirectory() as folder:
        imports = [typed.imported] if typed.imported else ()
        with _report_run(store, typed.runs, run_of_environment()) as run_id:
            made = report_runs(
                store,
                typed.runs,
                typed.out or folder,
                question=typed.question,
                imports=imports,
                run_id=run_id,
                **options,
            )
        store.flush()
        link = store.link(run_id)
    logger.info("%s\n%s", made.description, link)
    return Reported(run_id, made, link)


def rank(**params: Any) -> Ranking:
    """Orders candidate tasks by cheap scores;
    see :mod:`mlflow_xfer.searching.cheap` for what each needs and costs.
    """
    from mlflow_xfer.searching.material import Budget
    from mlflow_xfer.searching.ranking import rank as ranked
    from mlflow_xfer.searching.ranking import transfer_of

    typed: Any = parameters.parse("rank", params)
    os.environ["XFER_VERB"] = "rank"
    options = {
        "pool": typed.pool,
        "methods": typed.method,
        "checkpoints": typed.checkpoints,
        "seed": typed.seed,
    }
    with _store(probe=typed.track or typed.checkpoints == "train" or typed.model == "mini") as store:
        executor = Executor(store, typed.reuse)
        found = ranked(
            transfer_of(typed),
            executor,
            References(lambda: store, fetch=True),
            task_file_tasks(typed),
            budget=Budget(typed.max_examples, typed.shots, typed.steps),
            **options,
        )
        if typed.track:
            run_id = store.start(
                "study",
                "rank",
                tags={
                    "xfer.study": "rank",
                    "xfer.target": ",".join(found.targets),
                    "xfer.base_model": typed.model,
                },
                params={
                    name: parameters.typed(getattr(typed, name)) for name in ("method", "checkpoints", "seed")
                },
                run_id=run_of_environment(),
            )
            with record.ending(store, run_id):
                store.metrics(run_id, {f"rank/{name}": value for name, value in found.ranks().items()})
                store.dict_artifact(run_id, found.as_dict(), "results/ranking.json")
                store.tags(run_id, {"mlflow.note.content": f"```\n{found.text()}\n```"})
            store.flush()
            logger.info("%s", store.link(run_id))
    return found


def score(predictions: str, labels: str, suite: str = "xtreme", track: bool = False) -> dict[str, Any]:
    """Score a folder of predictions against a folder of labels by the suite's own rules.

    Returns ``{suite, avg|None, groups, tasks: {name: {score, components, languages}}, missing, …}``. With
    ``track`` the figures become a run of the tracking store.
    """
    found = score_folder(predictions, labels, suite, warn=logger.warning)
    if track:
        with _store() as store:
            run_id = store.start(
                "request", f"score {suite}", tags={"xfer.suite": suite, "xfer.predictions": str(predictions)}
            )
            named = (
                {f"{suite}/{name}": task["score"] for name, task in found["tasks"].items()}
                | {f"{suite}/{name}": value for name, value in found["groups"].items()}
                | {f"{suite}/{name}": found[name] for name in ("avg", "avg_trained", "gap", "std")}
            )
            store.metrics(run_id, {name: value for name, value in named.items() if value is not None})
            store.dict_artifact(run_id, found, "results/scores.json")
            store.finish(run_id)
    return found


def predict(model: str, file: str | Path, task: str | None = None) -> list[dict[str, Any]]:
    """What a trained ``model`` says of a user's own examples:
    one row for each, its columns and ``prediction``.

    Args:
        model: run (also of a transfer or condition), ``runs:/…``, ``models:/…``, directory or hub id.
        file: ``.txt``, ``.tsv``, ``.csv`` or ``.jsonl``; :mod:`mlflow_xfer.data.unlabelled` lists the
            columns.
        task: which target or head, where there are several.
    """
    from mlflow_xfer.phases.prediction import predict_file

    with ExitStack() as opened:
        return predict_file(model, file, task, lambda: opened.enter_context(_store(probe=False)))


def submission(
    runs: str | Sequence[str], out: str, suite: str = "xtreme"
) -> tuple[dict[str, str], list[Finding]]:
    """Gather the predictions of runs in XTREME's format,
    of each target the best run by dev, and validate them.
    """
    from mlflow_xfer.phases.submit import submission as gather

    names = runs.split(",") if isinstance(runs, str) else list(runs)
    with _store(probe=False) as store:
        return gather(store, [run_of(store, name) for name in names], Path(out), suite)


def sync() -> str:
    """Deliver what earlier processes could not log."""
    replayed = deliver()
    lines = [
        f"{r.uri}: {r.delivered} records delivered, {r.left} left{f' ({r.reason})' if r.reason else ''}"
        for r in replayed
    ]
    if any(r.left for r in replayed):
        raise XferError(
            "\n".join(lines), "Start the tracking server and repeat: mlflow-xfer sync", exit_code=TRY_AGAIN
        )
    return "\n".join(lines) or "Nothing is waiting to be delivered."


def doctor() -> str:
    """Versions beside the tested ones, the store, the caches, and runs that a dead process left open."""
    from mlflow_xfer.doctor import report

    return report()
