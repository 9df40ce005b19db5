"""From parameters to phases: which phases a command needs, each once, in an order in which they can run.

Pure but for looking at which files exist. All faults are collected, so that one call shows them all. A
transfer is one replicate of the chain; replicates differ from ``intermediate`` on and share the base, unless
``base_seeds`` crosses them with several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.params import places
from mlflow_xfer.params.chain import as_transfer
from mlflow_xfer.params.declare import Shape, parameters
from mlflow_xfer.params.reading import given
from mlflow_xfer.phases.compose import Composer, check_languages
from mlflow_xfer.phases.phase import BaseModel, FinishedRun, Phase, StartModel, digest
from mlflow_xfer.phases.plan_checks import check_bases, check_shots
from mlflow_xfer.registry import unknown
from mlflow_xfer.tasks.task import Task


@dataclass(frozen=True, eq=False)
class Transfer:
    """One replicate: the phases before the targets,
    and for each target its fine-tune (if trained) and evaluation.

    Attributes:
        seed, base_seed: of the replicate and of the base under it.
        before: pretrain and intermediate phases in order.
        targets: target task -> its phases; the last is the evaluation.
    """

    seed: int
    base_seed: int
    before: tuple[Phase, ...]
    targets: Mapping[str, tuple[Phase, ...]]

    def __repr__(self) -> str:
        tasks = "+".join(self.intermediates) or "no intermediate task"
        return f"<Transfer {tasks} to {', '.join(self.targets)} s{self.seed} {self.plan_hash[:8]}>"

    @property
    def phases(self) -> list[Phase]:
        return unique([*self.before, *(phase for phases in self.targets.values() for phase in phases)])

    @property
    def evaluations(self) -> Mapping[str, Phase]:
        return {name: phases[-1] for name, phases in self.targets.items()}

    @property
    def intermediates(self) -> tuple[str, ...]:
        return self.before[-1].intermediates if self.before else ()

    @property
    def combine(self) -> str:
        """How its intermediate tasks are combined; empty for fewer than two."""
        return self.before[-1].combine if self.before else ""

    @cached_property
    def plan_hash(self) -> str:
        hashes = sorted(phase.spec_hash for phase in self.phases)
        depends = any(phase.seed is not None and not phase.is_base for phase in self.phases)
        return digest(hashes if depends else [*hashes, self.seed])  # else other seeds would be this one


@dataclass(frozen=True, eq=False)
class Plan:
    """What a command will run.

    Attributes:
        verb: the command.
        requested: the phases that the command names; the others are there because these need them.
        transfers: the replicates of a ``transfer``; empty for the verbs of single phases.
        suite: the benchmark whose totals are reported.
        missing: target task -> known languages without test data.
        asked: the parameters that were given, as typed; places on this machine absolute, runs by their ids.
    """

    verb: str
    requested: tuple[Phase, ...]
    transfers: tuple[Transfer, ...] = ()
    suite: str = ""
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)

    def asked_of(self, transfer: Transfer) -> dict[str, str]:
        """The parameters that ask for this replicate alone."""
        return {**self.asked, "seeds": str(transfer.seed), "base_seeds": str(transfer.base_seed)}

    def lacking(self) -> list[str]:
        """What is missing, in words, a task a line."""
        return [f"missing: {task} has no data in {' '.join(codes)}" for task, codes in self.missing.items()]

    @cached_property
    def phases(self) -> list[Phase]:
        """Every phase once, each after its inputs."""
        return unique([ready for phase in self.requested for ready in phase.chain()])

    def __repr__(self) -> str:
        return f"<Plan of {self.verb}: {len(self.phases)} phases {self.plan_hash[:8]}>"

    @cached_property
    def plan_hash(self) -> str:
        if len(self.transfers) == 1:
            return self.transfers[0].plan_hash
        return digest(
            sorted(part.plan_hash for part in self.transfers)
            or sorted(phase.spec_hash for phase in self.requested)
        )


def unique(phases: Iterable[Phase]) -> list[Phase]:
    """Phases in order, each at its first place; the same spec is the same phase."""
    by_hash: dict[str, Phase] = {}
    for phase in phases:
        by_hash.setdefault(phase.spec_hash, phase)
    return list(by_hash.values())


def make_plan(
    verb: str,
    params: Shape,
    find_base: Callable[[str, str | None, str], BaseModel | FinishedRun],
    extra: Mapping[str, Task] | None = None,
    *,
    online: bool = False,
    alone: bool = True,
) -> Plan:
    """The plan of ``verb``.

    Args:
        find_base, extra, online: see :class:`Composer`.
        alone: whether its base seeds are for it alone, and not for other arms of a study, too.

    Raises:
        XferError: everything that is wrong with names, languages and files, at once; base seeds that make
            nothing, shots that no training takes.
    """
    if verb not in _PLANS:
        raise unknown("command to plan", verb, _PLANS)
    chain = as_transfer(params)
    if chain.intermediate == "auto":
        chain = chain.model_copy(update={"intermediate": ("nli",) if chain.data == "mini" else ()})
    composer = Composer(chain, find_base, dict(extra or {}), online)
    check_languages(chain, composer.problems)
    plan = composer.attempt(lambda: _PLANS[verb](composer), Plan(verb, ()))
    composer.problems.raise_if_any()
    check_shots(plan, chain.target_shots)
    if alone:
        check_bases([plan])
    return replace(plan, asked=_asked(params, plan))


def _asked(params: Shape, plan: Plan) -> dict[str, str]:
    """The parameters that were given, as :attr:`Plan.asked` says."""
    asked = given(params)
    for name, one in parameters(type(params)).items():
        if name in asked and one.is_place:
            asked[name] = places.absolute(asked[name])
    root = plan.requested[0].root() if plan.requested else None
    if isinstance(root, FinishedRun):
        asked["model"] = root.run_id
    return asked


def _pretrain(composer: Composer) -> Plan:
    params, seed = composer.params, composer.params.seeds[0]
    if params.text is None:
        raise XferError(
            "text=none leaves nothing to pre-train on.", "Give text=mini or a folder of <language>.txt."
        )
    phase = composer.pretrain(composer.start(0), params.training("pretrain"), params.text, seed)
    return Plan("pretrain", (phase,))


def _intermediate(composer: Composer) -> Plan:
    params, seed = composer.params, composer.params.seeds[0]
    if not params.intermediate:
        raise XferError(
            "intermediate=none leaves nothing to train.",
            "Name intermediate tasks; the baseline is a transfer with intermediate=none.",
        )
    phases = composer.intermediates(composer.start(0), seed)
    return Plan("intermediate", tuple(phases[-1:]))


def _target(composer: Composer) -> Plan:
    seed = composer.params.seeds[0]
    start = composer.start(0)
    phases = [
        phase
        for name in composer.target_names()
        if (task := composer.task(name, "target"))
        for phase in composer.tune(task, start, seed)
    ]
    if not phases and not composer.problems:
        raise XferError(
            f"target={','.join(composer.target_names())} is scored straight from the backbone: there is "
            "nothing to train.",
            "Use evaluate, or name a trained target.",
        )
    return Plan("target", tuple(unique(phases)))


def _evaluate(composer: Composer) -> Plan:
    params, seed = composer.params, composer.params.seeds[0]
    start = composer.start(0)
    names = (
        list(start.tasks)
        if params.target == "auto" and isinstance(start, FinishedRun) and start.phase == "target"
        else composer.target_names()
    )
    tasks = [task for name in names if (task := composer.task(name, "target"))]
    if params.target == "auto" and (not isinstance(start, FinishedRun) or start.phase != "target"):
        tasks = [task for task in tasks if not task.trained]
    for task in tasks:
        if not kind.data(task.kind).needs_head(composer.adapted(task)):
            continue  # scored by the language model, trained on the task or not
        if task.trained and isinstance(start, Phase):
            composer.problems.add(
                f"model={params.model} has no head for {task.name!r}: it was not trained on it.",
                f"Train it first (mlflow-xfer target --target {task.name}), then evaluate that run; or run "
                f"the chain: mlflow-xfer transfer --target {task.name}",
            )
        if task.trained and isinstance(start, FinishedRun) and start.phase != "target":
            composer.problems.add(
                f"Run {start.run_id} is a {start.phase} run without a head for {task.name!r}.",
                "Evaluate a run of phase target, or name an untrained target.",
            )
    if not tasks and not composer.problems:
        raise XferError(
            f"model={params.model} has no head, and the suite has no target that needs none.",
            "Name the target run as model, or target=<retrieval task>.",
        )
    phases = tuple(composer.evaluation(task, start, seed) for task in tasks)
    if isinstance(start, FinishedRun) and start.seed is not None:
        phases = tuple(replace(phase, replicate=start.seed) for phase in phases)
    return Plan("evaluate", phases, suite=composer.suite().name, missing=dict(composer.missing))


def _transfer(composer: Composer) -> Plan:
    params = composer.params
    names = composer.target_names()
    transfers = [
        _replicate(composer, names, base_seed, seed)
        for base_seed in params.base_seeds
        for seed in params.seeds
    ]
    requested = [phase for transfer in transfers for phase in transfer.evaluations.values()]
    return Plan(
        "transfer",
        tuple(unique(requested)) if not composer.problems else (),
        tuple(transfers),
        composer.suite().name,
        dict(composer.missing),
    )


def _replicate(composer: Composer, names: list[str], base_seed: int, seed: int) -> Transfer:
    params = composer.params
    start, before = beginning(composer, base_seed)
    if params.intermediate:
        phases = composer.intermediates(start, seed)
        before += phases
        start = phases[-1] if phases else start
    targets = {name: phases for name in names if (phases := composer.target(name, start, seed))}
    return Transfer(seed, base_seed, tuple(before), targets)


def beginning(composer: Composer, base_seed: int) -> tuple[StartModel, list[Phase]]:
    """What intermediate and target phases start from, and the phases that make it."""
    params = composer.params
    start: StartModel = composer.start(base_seed)
    before = [start] if isinstance(start, Phase) else []
    if params.text is not None and not (params.model == "mini" and params.text == "mini"):
        start = composer.pretrain(start, params.training("pretrain"), params.text, base_seed)
        before.append(start)
    elif (
        isinstance(start, BaseModel) and start.identity.startswith("scratch:") and params.control != "random"
    ):
        composer.problems.add(
            f"model={params.model} has random weights and no text to learn from.",
            "Give text=mini or a folder of <language>.txt; for a random baseline use control=random.",
        )
    return start, before


_PLANS = {
    "pretrain": _pretrain,
    "intermediate": _intermediate,
    "target": _target,
    "evaluate": _evaluate,
    "transfer": _transfer,
}
