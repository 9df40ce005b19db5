"""What a live search costs against the same trials run naively,
counted by the trainers' own counters in the runs.

    python benchmarks/live_search.py --base DIR --work WORK [--trials 40] [--checks 3]
    python benchmarks/live_search.py --count --work WORK    # only count what an interrupted one has tried
    python benchmarks/live_search.py --write                # benchmarks/live_search.md from what was measured

DIR is a checkpoint that ``make demo`` pre-trains. Nine tasks of the embedded suite, three targets, one seed.

``pruned``: the search, with pruner and reuse. What it spent is the sum of ``train/optimizer_steps`` and
``train/tokens`` over the phases under its trials. ``naive``: for each of its trials and targets one
intermediate and one target training at full budget. Those of trials that came to their end are read from the
runs; of pruned ones the steps follow from the recipe and the tokens from the tokens of a step of the same
mixture, and ``--checks`` of all subsets are in fact trained naively, in a store of their own, to see that
they cost that. ``whole``: the same trials without pruner, in the pruned search's store, so that only what is
missing is trained: the answer that the naive search would give, confirmed on the same fresh seeds.
Pre-training and confirmation are counted on no side. Interrupted, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "live_search.json", HERE / "live_search.md"
POOL = (
    "attribute",
    "attribute_b",
    "attribute_null",
    "attribute_twin",
    "polarity",
    "position",
    "questions",
    "roles",
    "types",
)
TARGETS = ("choice", "choice_both", "mood")
COUNTERS = ("optimizer_steps", "tokens")
MARGIN = 1.0
PRUNER = {"pruner": "asha", "reduction_factor": "5"}


def searched(base: Path, trials: int, max_tasks: str) -> dict[str, str]:
    """The parameters of the search."""
    return {
        "max_tasks": max_tasks,
        "model": str(base),
        "text": "none",
        "pool": ",".join(POOL),
        "target": ",".join(TARGETS),
        "n_trials": str(trials),
        "seeds": "0",
        "workers": "1",
        "confirm_top": "3",
        "confirm_seeds": "5",
        "margin": f"{MARGIN:g}",
    }


def move(folder: Path) -> None:
    """Work in a store and home of its own from now on."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ |= {"XFER_HOME": str(folder / "home"), "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    os.chdir(folder)


def study_of(name: str):
    from mlflow_xfer.searching.storage.place import place
    from mlflow_xfer.searching.storage.studies import known_study

    return known_study(place("auto", name), name)


def counted(search: str, tried: list | None = None) -> dict[str, float]:
    """What the phases under the trials of a search counted (``tried``: only under these)."""
    from mlflow import MlflowClient

    client = MlflowClient()
    experiment = [client.get_run(search).info.experiment_id]
    numbers = {str(trial.number) for trial in tried} if tried is not None else None
    trials = [
        run.info.run_id
        for run in client.search_runs(
            experiment, f"tags.xfer.kind = 'trial' and tags.mlflow.parentRunId = '{search}'", max_results=5000
        )
        if numbers is None or run.data.tags["xfer.trial"] in numbers
    ]
    found = dict.fromkeys(COUNTERS, 0.0)
    for run in client.search_runs(experiment, "tags.xfer.kind = 'phase'", max_results=5000):
        if run.data.tags.get("mlflow.parentRunId") in trials:
            for name in COUNTERS:
                found[name] += run.data.metrics.get(f"train/{name}", 0.0)
    return found


def naive_of(trial) -> dict[str, float]:
    """What the trial would have cost with an own chain for each target."""
    attrs = trial.user_attrs
    return attrs.get("xfer.naive") or {
        name: attrs["xfer.cost"][name] + attrs["xfer.saved"][name] for name in attrs["xfer.cost"]
    }


def answer(search: str) -> dict:
    """The confirmed answer of a search, its scores by fresh seed, and the baseline's."""
    import pandas as pd
    from mlflow import MlflowClient

    client = MlflowClient()
    confirmed = pd.DataFrame(
        **json.loads(Path(client.download_artifacts(search, "results/confirmed.json")).read_text("utf-8"))
    ).to_dict("records")
    best = confirmed[0]
    scores = {}
    for run_id in client.get_run(best["run_id"]).data.tags["xfer.input_run_ids"].split(","):
        run = client.get_run(run_id)
        scores[run.data.tags["xfer.seed"]] = run.data.metrics["selected/avg"]
    return {
        "named": best["candidate"],
        "verdict": best["verdict"],
        "selected": best["selected_dev"],
        "estimated": best["estimated_dev"],
        "confirmed": best["confirmed_test"],
        "low": best["low"],
        "high": best["high"],
        "scores": scores,
        "others": [row["candidate"] for row in confirmed[1:]],
    }


def whole(given: dict[str, str], candidates: list) -> str:
    """The same candidates without pruner: the run of that search."""
    import mlflow_xfer
    from mlflow_xfer import params
    from mlflow_xfer.phases.references import References
    from mlflow_xfer.searching import command as commands
    from mlflow_xfer.searching.storage.place import place
    from mlflow_xfer.searching.storage.studies import open_study
    from mlflow_xfer.tracking.store import Store

    typed = given | {"study_name": "whole", "rank_by": "none"}
    store = Store.open(probe=False)
    command = commands.read(params.parse("search", typed), References(lambda: store, fetch=True), {})
    study = open_study(place("auto", "whole"), "whole", command.identity, store.uri)
    store.close()
    if not study.get_trials(deepcopy=False):
        for candidate in candidates:
            study.enqueue_trial(command.space.params(candidate))
    return mlflow_xfer.search(**typed).run_id


def check(base: Path, candidates: list, work: Path) -> list[dict[str, float]]:
    """Train each candidate naively, target by target, taking nothing that exists; what the runs counted."""
    from mlflow import MlflowClient

    import mlflow_xfer

    found = []
    for n, candidate in enumerate(candidates):
        spent = dict.fromkeys(COUNTERS, 0.0)
        for target in TARGETS:
            folder = work / f"check-{n}-{target}"
            move(folder)
            mlflow_xfer.transfer(
                model=str(base),
                text="none",
                intermediate=",".join(candidate.tasks) or "none",
                target=target,
                seeds="0",
                languages="en",
                max_eval_examples=10,
            )
            client = MlflowClient()
            for run in client.search_runs(
                [e.experiment_id for e in client.search_experiments()], "tags.xfer.kind = 'phase'"
            ):
                for name in COUNTERS:
                    spent[name] += run.data.metrics.get(f"train/{name}", 0.0)
            os.chdir(work)
            shutil.rmtree(folder)
        found.append(spent)
    return found


def count(max_tasks: str) -> tuple[dict, list]:
    """What the pruned search of the current store has spent and saved, and its trials that ended."""
    from mlflow_xfer.searching.showing.accounting import account
    from mlflow_xfer.searching.storage.history import History

    study = study_of("pruned")
    tried = [trial for trial in History.of(study).counted if trial.state.is_finished()]
    of = account(study)
    naive = {name: sum(naive_of(trial)[name] for trial in tried) for name in COUNTERS}
    return {
        "max_tasks": max_tasks,
        "trials": dict(of.trials),
        "spent": counted(study.user_attrs["xfer.run_id"], tried),
        "account": {name: dict(getattr(of, name)) for name in ("spent", "sharing", "duplicates", "pruning")},
        "naive": naive,
    }, tried


def measure(given: dict[str, str], work: Path, checks: int) -> dict:
    import mlflow_xfer
    from mlflow_xfer.searching.storage.history import candidate_of
    from mlflow_xfer.searching.storage.studies import space_of

    move(work)
    pruned = given | PRUNER | {"study_name": "pruned"}
    pruned_run = mlflow_xfer.search(**pruned | {"confirm_top": "0"}).run_id
    costs, tried = count(given["max_tasks"])
    candidates = [candidate_of(trial, space_of(study_of("pruned"))) for trial in tried]
    print(json.dumps(costs), file=sys.stderr, flush=True)
    mlflow_xfer.search(**pruned)
    whole_run = whole(given, candidates)
    order = sorted(range(len(tried)), key=lambda i: (len(candidates[i].tasks), i))
    chosen = [order[round(share * (len(order) - 1))] for share in ([0.3, 0.6, 0.9][:checks])]
    trained = check(Path(given["model"]), [candidates[i] for i in chosen], work)
    move(work)
    one, other = answer(pruned_run), answer(whole_run)
    return {
        **costs,
        "whole": counted(whole_run),
        "checks": [
            {
                "candidate": candidates[i].label,
                "state": tried[i].state.name.lower(),
                "claimed": {name: naive_of(tried[i])[name] for name in COUNTERS},
                "trained": cost,
            }
            for i, cost in zip(chosen, trained, strict=True)
        ],
        "pruned": one,
        "complete": other,
        "same": one["named"] == other["named"],
    }


def difference(found: dict) -> tuple[float, float, float]:
    """The pruned search's answer minus the complete one's on the fresh seeds: mean and 95 % t interval."""
    from mlflow_xfer.conditions.comparison import mean_interval

    pairs = [
        found["pruned"]["scores"][seed] - found["complete"]["scores"][seed]
        for seed in found["pruned"]["scores"]
    ]
    return statistics.fmean(pairs), *(mean_interval(pairs) if any(pairs) else (0.0, 0.0))


def page(found: dict) -> str:
    spent, naive, of = found["spent"], found["naive"], found["account"]
    limit = "" if found["max_tasks"] == "auto" else f", at most {found['max_tasks']} tasks"
    trials = ", ".join(f"{n} {state}" for state, n in found["trials"].items() if n)
    lines = [
        "# A live search against the same trials run naively",
        "",
        (
            f"Made by `benchmarks/live_search.py` (protocol: its docstring). Pool {', '.join(POOL)}; targets "
            f"{', '.join(TARGETS)}; one seed; "
            f"{', '.join(f'`{name}={value}`' for name, value in PRUNER.items())}{limit}. Trials: {trials}."
        ),
        "",
        "| counted by the trainers | search | naive | times cheaper |",
        "|---|---|---|---|",
        *(
            (
                f"| {name.replace('_', ' ')} | {spent[name]:,.0f} | {naive[name]:,.0f} | "
                f"{naive[name] / spent[name]:.2f} |"
            )
            for name in COUNTERS
        ),
        "",
        "Of what was saved, in tokens and as a share of naive:",
        "",
        "| by | tokens | share |",
        "|---|---|---|",
        *(
            f"| {name} | {of[name]['tokens']:,.0f} | {of[name]['tokens'] / naive['tokens']:.1%} |"
            for name in ("sharing", "pruning", "duplicates")
        ),
        "",
        (
            f"Sharing alone would make it "
            f"{naive['tokens'] / (naive['tokens'] - of['sharing']['tokens']):.2f} times cheaper. Short "
            f"chains are counted against pruning. Duplicates are told the known value and are no trials: "
            f"naive counts none."
        ),
        "",
    ]
    return "\n".join(
        [
            *lines,
            *(
                answers(found)
                if "pruned" in found
                else ["Not confirmed: the search was interrupted, or only counted.", ""]
            ),
            *found.get("notes", []),
        ]
    )


def answers(found: dict) -> list[str]:
    """What naive trainings really cost, and whether both answers are equal."""
    mean, low, high = difference(found)
    equal = low >= -MARGIN and high <= MARGIN
    return [
        "Subsets trained naively in stores of their own:",
        "",
        "| subset | in the search | steps claimed | trained | tokens claimed | trained |",
        "|---|---|---|---|---|---|",
        *(
            (
                f"| {one['candidate']} | {one['state']} | {one['claimed']['optimizer_steps']:,.0f} | "
                f"{one['trained']['optimizer_steps']:,.0f} | {one['claimed']['tokens']:,.0f} | "
                f"{one['trained']['tokens']:,.0f} |"
            )
            for one in found["checks"]
        ),
        "",
        "| answer of | named | verdict | selected (dev) | confirmed (test) | 95 % interval |",
        "|---|---|---|---|---|---|",
        *(
            "| {} | {named} | {verdict} | {selected:+.1f} | {confirmed:+.1f} "
            "| {low:+.1f} … {high:+.1f} |".format(name, **found[which])
            for name, which in (("the search", "pruned"), ("the same trials without pruner", "complete"))
        ),
        "",
        (
            f"Their difference on the fresh seeds: {mean:+.2f} points ({low:+.2f} … {high:+.2f}): "
            f"{'equal' if equal else 'not shown to be equal'} within "
            f"{MARGIN:g}{' (the same subset)' if found['same'] else ''}."
        ),
        "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=Path, help="a pre-trained checkpoint of the size mini")
    parser.add_argument("--work", type=Path, default=Path("live_search"))
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--max_tasks", default="auto", help="of a subset")
    parser.add_argument("--checks", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--count", action="store_true", help="only count what the search in WORK has tried")
    parser.add_argument("--write", action="store_true", help="only write the page from what was measured")
    arguments = parser.parse_args()
    out = arguments.out.absolute()
    if arguments.count:
        move(arguments.work.absolute())
        out.write_text(json.dumps(count(arguments.max_tasks)[0], indent=1) + "\n", "utf-8")
    elif not arguments.write:
        out.write_text(
            json.dumps(
                measure(
                    searched(arguments.base.absolute(), arguments.trials, arguments.max_tasks),
                    arguments.work.absolute(),
                    arguments.checks,
                ),
                indent=1,
            )
            + "\n",
            "utf-8",
        )
    PAGE.write_text(page(json.loads(out.read_text("utf-8"))), "utf-8")


if __name__ == "__main__":
    main()
