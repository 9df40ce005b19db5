"""What the user asked a search to do, checked as a whole before anything runs,
and in a form that any process can read again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlflow_xfer.data.overlap import declared
from mlflow_xfer.errors import Problems
from mlflow_xfer.params import places
from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.questions import Search
from mlflow_xfer.params.reading import read as read_parameters
from mlflow_xfer.params.values import typed
from mlflow_xfer.phases.compose import Composer
from mlflow_xfer.phases.phase import digest
from mlflow_xfer.phases.plan import Plan, make_plan
from mlflow_xfer.phases.same_task import SPLITS, SameTask, find
from mlflow_xfer.ranking.pool import pool_of
from mlflow_xfer.ranking.rank import check_untrained
from mlflow_xfer.searching.proposing import methods
from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.space.parsing import read_space
from mlflow_xfer.searching.space.space import Space
from mlflow_xfer.searching.trying import measures
from mlflow_xfer.tasks.task import Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Command:
    """A search, checked.

    Args:
        params: as typed, of the shape ``Search``.
        space: what may be tried.
        targets: names.
        shared: the parameters of ``transfer`` that all trials share, as a user types them; local paths are
            absolute.
        first: the plan of the baseline and of every single task, for the first seed.
    """

    params: Search
    space: Space
    targets: tuple[str, ...]
    shared: Mapping[str, str]
    first: Mapping[Candidate, Plan]

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What makes this search this search; equal for the command that goes on with it."""
        p = self.params
        return {
            "space": self.space.spec(),
            "objective": list(p.objective),
            "targets": list(self.targets),
            "seeds": list(p.seeds),
            "settings": {
                name: value
                for name, value in sorted(self.shared.items())
                if name != "target" and _identifies(name)
            },
        }

    @property
    def study_name(self) -> str:
        if self.params.study_name != "auto":
            return self.params.study_name
        return f"search-{'+'.join(self.targets)[:40]}-{digest(self.identity)[:8]}"

    def confirmed(self, candidate: Candidate, seeds: Sequence[int]) -> dict[str, Any]:
        """As :meth:`transfer`, combined as the confirmation asks:
        what was searched on merges is trained jointly.
        """
        how = self.params.confirm_combine
        own = {"combine": "joint" if how == "auto" else how} if self.params.combine == "merge" else {}
        return {**self.transfer(candidate, seeds), **own}

    def transfer(self, candidate: Candidate, seeds: Sequence[int]) -> dict[str, Any]:
        """The parameters of a candidate's transfer, as a user types them."""
        return {**self.shared, **candidate.overrides(), "seeds": typed(tuple(seeds))}


def read(params: Search, references: Any, extra: Mapping[str, Task]) -> Command:
    """Check a search and everything that it may run.

    Raises:
        XferError: all that is wrong with pool, targets, space, objective, sampler and data, at once.
    """
    problems = Problems()
    shared = shared_of(params)
    transfer = read_parameters(Transfer, {**shared, "intermediate": "none", "seeds": params.seeds[:1]})
    composer = Composer(transfer, references, dict(extra))
    targets = composer.attempt(composer.target_names, [])
    pool = _without_leaks(composer, pool_of(composer, params.pool, targets), targets, params)
    problems = composer.problems
    _budget(params, problems)
    check_untrained(params.rank_by, problems)
    limit = None if params.max_tasks == "auto" else params.max_tasks
    space = (
        composer.attempt(
            lambda: read_space(
                params.space,
                pool,
                max_tasks=limit,
                combine=params.combine,
                given=given_of(params),
                mixing=params.mixing,
            ),
            None,
        )
        if pool
        else None
    )
    if space is not None:
        methods.check(
            space,
            sampler=params.sampler,
            pruner=params.pruner,
            objectives=len(params.objective),
            seeds=len(params.seeds),
            n_trials=params.n_trials,
            problems=problems,
        )
    first: dict[Candidate, Plan] = {}
    if space is not None and not problems:
        for tasks in [(), *((name,) for name in space.pool)]:
            candidate = space.neutral(tasks)
            plan = composer.attempt(
                lambda c=candidate: plan_of(
                    {**shared, **c.overrides(), "seeds": params.seeds[:1]}, references, extra
                ),
                None,
            )
            if plan is not None:
                first[candidate] = plan
        if first:
            measures.check(params.objective, next(iter(first.values())).transfers[0], transfer, problems)
    problems.raise_if_any()
    assert space is not None, "a space that cannot be read is a problem"
    return Command(params, space, tuple(targets), shared, first)


def _identifies(name: str) -> bool:
    """Whether a parameter of ``transfer``, or of one phase of it, makes another search."""
    return parameters(Transfer)[name.rpartition(".")[2]].effect == "identity"


def plan_of(
    typed_params: Mapping[str, Any], references: Any, extra: Mapping[str, Task], online: bool = False
) -> Plan:
    return make_plan("transfer", read_parameters(Transfer, typed_params), references, extra, online=online)


def shared_of(params: Search) -> dict[str, str]:
    """The parameters of ``transfer`` that the user gave, and the target, as typed."""
    shared = {
        name: typed(getattr(params, name))
        for name in params.model_fields_set | {"target"}
        if name in Transfer.model_fields and name not in ("scoped", "seeds")
    }
    for phase, own in params.scoped.items():
        shared |= {f"{phase}.{name}": typed(getattr(own, name)) for name in own.model_fields_set}
    if measures.LABEL_FREE in params.objective:
        shared.setdefault("select_by", measures.LABEL_FREE)
    for name in [name for name in shared if "." not in name and parameters(Transfer)[name].is_place]:
        shared[name] = places.absolute(shared[name])
    return shared


def given_of(params: Search) -> dict[str, Any]:
    """What the command sets of the parameters that a space may vary."""
    names = {name for name, one in parameters(Search).items() if one.facts.varies}
    given = {name: getattr(params, name) for name in params.model_fields_set & names}
    for phase, own in params.scoped.items():
        given |= {f"{phase}.{name}": getattr(own, name) for name in own.model_fields_set}
    return given


def _without_leaks(
    composer: Composer, pool: Sequence[str], targets: Sequence[str], params: Search
) -> list[str]:
    """The pool; leaks in a pool that the user named are faults, from the default pool they are dropped."""
    kept = []
    for name in pool:
        leaks = [leak for target in targets if (leak := _leak(composer, name, target, params))]
        if leaks and params.pool == "auto":
            logger.info("%s is left out of the default pool: %s", name, leaks[0])
            continue
        kept.append(name)
        for leak in leaks:
            composer.problems.add(
                leak,
                f"Leave {name!r} out of the pool, or the target out of target=…; with exclude_overlap=true "
                "the training rows that stand in a test set are dropped and the pair is allowed.",
            )
    return kept


def _leak(composer: Composer, name: str, target: str, params: Search) -> str:
    """How training on ``name`` would give away what ``target`` tests;
    empty if it does not, or if such rows are left out.

    Phang et al. train on MNLI and SQuAD before XNLI and XQuAD too: with ``exclude_overlap=true`` these pairs
    are candidates like any other.
    """
    mine, theirs = (composer.extra.get(one) or _declared(one) for one in (name, target))
    if mine is None or theirs is None or name == target or params.exclude_overlap:
        return ""
    if name == params.train_on:
        return f"Task {name!r} is in the pool and is what target {target!r} is trained on."
    if known := declared(mine, theirs):
        return f"Task {name!r} leaks into target {target!r}. {known}"
    return str(_same_task(composer, mine, theirs, params) or "")


def _same_task(composer: Composer, task: Task, target: Task, params: Search) -> SameTask | None:
    """How a candidate is the target's own task; rows are compared where they are files here."""
    trained = composer.task(params.train_on, "intermediate") if params.train_on else target
    if trained is None:
        return None
    language = "en" if "en" in task.train_languages else next(iter(task.train_languages), "en")
    located = [composer.located(task, "train", language, params.seeds[0])]
    located += [composer.located(trained, part, params.source_language, params.seeds[0]) for part in SPLITS]
    rows, *own = ([one] if one and one.provider in ("folder", "file") else [] for one in located)
    return find(task, rows, target.name, trained, sum(own, []))


def _declared(name: str) -> Task | None:
    from mlflow_xfer.tasks.catalogue import TASKS

    return TASKS.get(name) if name in TASKS else None


def _budget(params: Search, problems: Problems) -> None:
    if params.n_trials is None and params.timeout is None and params.gpu_hours is None:
        problems.add(
            "n_trials=none without timeout or gpu_hours: the search would have no end.",
            "Give one of the three.",
        )
    if params.register and (set(params.register) & set("/:") or not params.register.strip()):
        problems.add(
            f"register={params.register!r} is no name of a registered model.",
            "Accepted: a name without / and :",
        )
    if params.register and not params.confirm_top:
        problems.add(
            f"register={params.register} with confirm_top=0: nothing is confirmed, so nothing would be "
            "registered.",
            "Give confirm_top=1 or more.",
        )
