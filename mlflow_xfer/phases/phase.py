"""A phase: everything that decides its result, and the hash of that.

Pure: building a phase touches no store, no network and no tensor, so that a plan can be printed on a laptop.
The identity follows allenai/tango's ``Step``: the hash of the inputs, where an input that is a phase counts
with its own hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import cached_property
from typing import Any

from mlflow_xfer.data.sources import Rows
from mlflow_xfer.params.settings import EvaluationSettings, MergeSettings, TrainingSettings
from mlflow_xfer.tasks.task import POOL, Files, Task

Settings = TrainingSettings | MergeSettings | EvaluationSettings


@dataclass(frozen=True)
class BaseModel:
    """What a chain starts from, if no phase made it.

    Attributes:
        reference: as the user named it.
        identity: what the hash sees: a digest of the directory's weights, ``hub:id@commit``, or
            ``scratch:<architecture>:<size>``.
        path: where it lies (directory or hub id); not part of the identity.
        longest: the most tokens of a row that it reads, where that is known; not part of the identity.
        seen: what its makers trained it on besides raw text; not part of the identity.
    """

    reference: str
    identity: str
    path: str = ""
    longest: int | None = None
    seen: tuple[str, ...] = ()

    @property
    def resolved(self) -> bool:
        return not self.identity.startswith("unresolved")


@dataclass(frozen=True)
class FinishedRun:
    """The checkpoint of a finished run, named by the user; counts with that run's own hashes.
    ``longest``: as of a :class:`BaseModel`. ``seed``: of the replicate that the run belongs to."""

    reference: str
    run_id: str
    spec_hash: str
    code_hash: str
    phase: str
    tasks: tuple[str, ...] = ()
    marks: Mapping[str, str] = field(default_factory=dict, hash=False)  # tags that say how its chain was made
    longest: int | None = None
    seed: int | None = None

    @property
    def trained_on(self) -> tuple[str, ...]:
        """The intermediate tasks behind it, its own included."""
        return tuple(filter(None, self.marks.get("xfer.tasks", "").split(",")))


@dataclass(frozen=True, eq=False)
class Phase:
    """One training or evaluation.

    Attributes:
        kind: pretrain, intermediate, target or evaluate.
        settings: resolved parameters that affect the result.
        seed: of heads, order, dropout, masks and subsets; None for an evaluation, unless it makes random
            weights.
        tasks: the tasks trained, merged or evaluated; empty for pretrain.
        rows: all rows read, in a fixed order.
        inputs: what it starts from. A merge has several: what its models began as, where that is needed, then
            the models.
        excludes: test rows, with their tasks; training rows that (nearly) equal one are left out.
        selection: dev rows of the evaluated languages, with their task; they only select the checkpoint.

    What follows does not decide the result and is no part of the identity:
        note: what tells it apart, in its name.
        is_base: made because ``model=mini`` stands for it: its run has no parent.
        target: the target task that a target phase is for.
        train_on: the training task that was given in the target's place.
        split: the split that an evaluation reads, where that is not the test split.
        oracle: the labels of evaluated languages were read to select.
        missing: languages asked for in which an evaluation finds no rows.
        replicate: the seed of the replicate that an evaluation belongs to; of a finished run's checkpoint
            that run's, whatever seed the command has.
    """

    kind: str
    settings: Settings
    seed: int | None
    tasks: tuple[Task, ...]
    rows: tuple[Rows, ...]
    inputs: tuple[Phase | BaseModel | FinishedRun, ...]
    excludes: tuple[tuple[Task, Rows], ...] = ()
    selection: tuple[tuple[Task, Rows], ...] = ()
    note: str = ""
    is_base: bool = False
    target: str = ""
    train_on: str = ""
    split: str = ""
    oracle: bool = False
    missing: tuple[str, ...] = ()
    replicate: int | None = None

    def spec(self) -> dict[str, Any]:
        """The canonical, JSON-able form of all that affects the result.

        Settings, options and fields of tasks are left out at their neutral values: a new one leaves what is
        finished as it is.
        """
        return {
            "kind": self.kind,
            "settings": self.settings.stated(),
            "seed": self.seed,
            "tasks": [
                canonical(task, {rows.provider for rows in self.rows if rows.task == task.name})
                for task in self.tasks
            ],
            "rows": [rows.spec() for rows in self.rows],
            "inputs": [identity(source) for source in self.inputs],
            **{
                name: [rows.spec() | {"by": canonical(task, {rows.provider})} for task, rows in named]
                for name, named in (("excludes", self.excludes), ("selection", self.selection))
                if named
            },
        }

    @cached_property
    def spec_hash(self) -> str:
        return digest(self.spec())

    @property
    def resolved(self) -> bool:
        """Whether all data and inputs have a known identity; only then may a finished run be reused."""
        mine = all(
            rows.resolved for rows in (*self.rows, *(rows for _, rows in (*self.excludes, *self.selection)))
        )
        return mine and all(getattr(source, "resolved", True) for source in self.inputs)

    @property
    def procedure(self) -> str:
        """What makes it: training or evaluation of its kind, or ``merge``."""
        return "merge" if isinstance(self.settings, MergeSettings) else self.kind

    @property
    def training(self) -> TrainingSettings:
        """The settings of a phase that trains."""
        assert isinstance(self.settings, TrainingSettings), f"{self.kind} trains nothing"
        return self.settings

    @property
    def evaluation(self) -> EvaluationSettings:
        """The settings of an evaluation."""
        assert isinstance(self.settings, EvaluationSettings), f"{self.kind} evaluates nothing"
        return self.settings

    @property
    def shot_rows(self) -> tuple[Rows, ...]:
        """With ``target_shots``, the rows of further languages that labelled examples are taken from."""
        source = next((rows.language for rows in self.rows if rows.split == "train"), "")
        others = tuple(rows for rows in self.rows if rows.language != source and rows.split != POOL)
        return others if self.kind == "target" and self.training.target_shots else ()

    @property
    def selects_by(self) -> str:
        """How the checkpoint of a training was selected; empty for other phases."""
        return self.settings.select_by if isinstance(self.settings, TrainingSettings) else ""

    def __repr__(self) -> str:
        return f"<Phase {self.label} {self.spec_hash[:8]}>"

    @property
    def label(self) -> str:
        """A short readable name: ``intermediate mnli+squad s1``."""
        languages = "+".join(rows.language for rows in self.rows)[:40]
        names = "+".join(task.name for task in self.tasks) or languages
        marks = [self.note] if self.note else []
        return " ".join([self.kind, names, *marks, *([f"s{self.seed}"] if self.seed is not None else [])])

    @property
    def title(self) -> str:
        """What it is and what is behind it: ``target choice · attribute+mlm · s1``; the name of its run."""
        head = self.label.removesuffix(f" s{self.seed}")
        seed = self.replicate if self.seed is None else self.seed
        behind = [self.behind] if self.kind in ("target", "evaluate") else []
        return " · ".join([head, *behind, *([] if seed is None else [f"s{seed}"])])

    @property
    def behind(self) -> str:
        """The intermediate tasks behind it in short; ``baseline`` without."""
        trained = [phase.settings for phase in self.ancestors() if phase.kind == "intermediate"]
        mlm = any(isinstance(one, TrainingSettings) and one.mlm_share for one in trained)
        how = f" ({self.combine})" if self.combine in ("sequential", "merge") else ""
        control = ["random encoder"] if self.controlled else []
        return ", ".join(
            [*control, "+".join([*self.intermediates, *(["mlm"] if mlm else [])]) + how or "baseline"]
        )

    @property
    def controlled(self) -> bool:
        """Whether the weights that it, or what it is made from, started with were replaced by random ones."""
        root = self.root()
        marked = isinstance(root, FinishedRun) and bool(root.marks.get("xfer.control"))
        return marked or any(phase.settings.control != "none" for phase in (self, *self.ancestors()))

    def chain(self) -> list[Phase]:
        """The phases up to this one, each after its inputs; shared ones may come again."""
        return [
            *(before for source in self.inputs if isinstance(source, Phase) for before in source.chain()),
            self,
        ]

    def ancestors(self) -> list[Phase]:
        """The phases before this one, nearest first."""
        phases: list[Phase] = []
        for source in self.inputs:
            if isinstance(source, Phase):
                phases += [source, *source.ancestors()]
        return phases

    @property
    def intermediates(self) -> tuple[str, ...]:
        """The intermediate tasks behind it, its own included, first trained first;
        those of a merge in its own order.
        """
        if self.procedure == "merge":
            return tuple(task.name for task in self.tasks)
        source = self.inputs[0]
        before = (
            source.intermediates
            if isinstance(source, Phase)
            else source.trained_on
            if isinstance(source, FinishedRun)
            else ()
        )
        return before + (tuple(task.name for task in self.tasks) if self.kind == "intermediate" else ())

    @property
    def combine(self) -> str:
        """How several intermediate tasks behind it were combined:
        ``joint``, ``sequential``, ``merge``; else empty.
        """
        before = [p for p in (self, *self.ancestors()) if p.kind == "intermediate"]
        if len(self.intermediates) < 2:
            return ""
        root = self.root()
        marks = root.marks if isinstance(root, FinishedRun) else {}
        earlier = bool(marks.get("xfer.tasks"))
        if earlier and not before:
            return marks.get("xfer.combine", "joint")
        if before[0].procedure == "merge":
            return "merge"
        return "sequential" if len(before) + earlier > 1 else "joint"

    def root(self) -> BaseModel | FinishedRun:
        """What the chain starts from."""
        source = self.inputs[0]
        return source.root() if isinstance(source, Phase) else source


StartModel = Phase | BaseModel | FinishedRun


def identity(source: StartModel) -> str:
    """What the hash of a phase sees of one of its inputs."""
    return source.identity if isinstance(source, BaseModel) else source.spec_hash


def canonical(task: Task, providers: set[str]) -> dict[str, Any]:
    """The part of a task's declaration that affects a result; paths are left to the rows' digests."""
    sources = [source for provider in sorted(providers) for source in task.sources.get(provider, ())]
    return _stated(task) | {
        "sources": [
            {"type": type(source).__name__} | _stated(source, {"splits"} if isinstance(source, Files) else ())
            for source in sources
        ]
    }


def _stated(entry: Any, without: Container[str] = ()) -> dict[str, Any]:
    """The fields of a declaration that differ from their defaults, which are neutral; without what only
    describes it to people, to the plan and to reports."""
    return {
        one.name: _plain(value)
        for one in fields(entry)
        if one.name not in without
        and not one.metadata.get("descriptive")
        and (value := getattr(entry, one.name)) != _neutral(one)
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return _stated(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def _neutral(one: Field[Any]) -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()


def digest(value: Any) -> str:
    """sha256 of canonical JSON (sorted keys, no blanks, UTF-8)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
