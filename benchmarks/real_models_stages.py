"""What ``real_models.py`` runs: stages, their conditions, targets, settings and seeds; what is registered.

A stage asks one question. It is run in pieces, one for each seed (a search has several), so that a piece is a
whole comparison. What a stage declares has a hash, which its rows carry: a stage that is changed after its
first row is no longer registered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

TASKS = Path(__file__).with_name("real_models_tasks.yaml")
BASELINE = "none"
MATCHED = "none, as many steps"


@dataclass(frozen=True)
class Cut:
    """English training rows of a task: so many, drawn by the seed; ``permuted``: each with the label of
    another of them, which is the matched null."""

    task: str
    rows: int
    permuted: bool = False


CUTS: Mapping[str, Cut] = {
    "mnli-5k": Cut("mnli-pairs", 5000),
    "mnli-5k-permuted": Cut("mnli-pairs", 5000, permuted=True),
    "mnli-2k": Cut("mnli-pairs", 2000),
    "sick": Cut("sick-pairs", 4500),
    "sick-permuted": Cut("sick-pairs", 4500, permuted=True),
    "rte-2490": Cut("rte-pairs", 2490),
    "cosmosqa-500": Cut("cosmosqa-stories", 500),
    "pos-3k": Cut("udpos", 3000),
}


@dataclass(frozen=True)
class Condition:
    """What comes before the target. ``steps_of``: no intermediate task, but as many steps on the target as
    that condition makes altogether."""

    name: str
    intermediate: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    steps_of: str = ""
    targets: tuple[str, ...] = ()
    """Those that it concerns; empty: all of the stage."""


@dataclass(frozen=True)
class Target:
    """A target task: ``rows`` of its English training rows (0: all), scored on ``tested`` rows of each of at
    most ``languages`` of the languages that the folder has (0: all)."""

    task: str
    rows: int = 0
    tested: int = 200
    languages: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.task}-{self.rows}" if self.rows else self.task


@dataclass(frozen=True)
class Registered:
    """A contrast that was fixed before the first run, and the direction that was expected."""

    condition: str
    against: str
    target: str
    expected: str


@dataclass(frozen=True)
class Stage:
    name: str
    question: str
    conditions: tuple[Condition, ...]
    targets: tuple[Target, ...]
    seeds: tuple[int, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    registered: tuple[Registered, ...] = ()
    margin: float = 1.0
    parts: int = 1
    """Pieces of each seed."""
    pool: tuple[str, ...] = ()
    """Candidates of a search; their subsets are the conditions."""

    @property
    def hash(self) -> str:
        """Of all that is declared of it, the tasks' files included."""
        cuts = {name: asdict(cut) for name, cut in CUTS.items() if name in self.cuts}
        said = [asdict(self), cuts, SHARED, TASKS.read_text("utf-8")]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def cuts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for one in self.conditions for name in one.intermediate))

    def cells(self) -> list[tuple[Condition, Target]]:
        """What is run for one seed, in order."""
        return [
            (condition, target)
            for condition in self.conditions
            for target in self.targets
            if not condition.targets or target.name in condition.targets
        ]


@dataclass(frozen=True)
class Piece:
    """What one command runs. ``answers``: what a search and proxies say, once all subsets are scored."""

    stage: Stage
    seed: int
    part: int = 0
    answers: bool = False

    @property
    def name(self) -> str:
        part = "-answers" if self.answers else f"-{self.part + 1}" if self.stage.parts > 1 else ""
        return f"{self.stage.name}-{self.seed}{part}"

    def cells(self) -> list[tuple[Condition, Target]]:
        return [] if self.answers else self.stage.cells()[self.part :: self.stage.parts]


SHARED = {
    "learning_rate": 5e-5,
    "train_batch_size": 16,
    "max_seq_length": 96,
    "num_train_epochs": 3,
    "intermediate.num_train_epochs": 1,
    "max_dev_examples": 200,
    "precision": "bf16",
}
"""Settings of all stages; one process on the CPU. In bfloat16 a training takes 0.6 of the time where the
processor has instructions for it (training.md); evaluations are in float32."""
SHORT = {"intermediate.max_seq_length": 64}

NONE, MNLI, POS = (
    Condition(BASELINE),
    Condition("mnli-5k", ("mnli-5k",), SHORT),
    Condition("pos-3k", ("pos-3k",)),
)
SICK = Condition("sick", ("sick",))
SICK_NULL = Condition("sick-permuted", ("sick-permuted",))
PAWSX = Target("pawsx")
TATOEBA = Target("tatoeba", tested=500, languages=8)
POOL = ("sick", "rte-2490", "cosmosqa-500", "pos-3k", "mnli-2k")


def subsets(pool: tuple[str, ...]) -> tuple[Condition, ...]:
    """No task, then every subset of ``pool``, the single tasks first: their weights are what is merged."""
    found = [of for size in range(1, len(pool) + 1) for of in combinations(pool, size)]
    return (NONE, *(Condition("+".join(of), of) for of in found))


STAGES = (
    Stage(
        "A",
        "Does MNLI help PAWS-X beyond a matched null and beyond as many steps, and does it harm retrieval?",
        (
            NONE,
            MNLI,
            Condition("mnli-5k-permuted", ("mnli-5k-permuted",), SHORT),
            Condition(MATCHED, steps_of="mnli-5k", targets=("pawsx",)),
        ),
        (PAWSX, TATOEBA),
        (0, 1, 2, 3, 4, 5),
        registered=(
            Registered("mnli-5k", "mnli-5k-permuted", "pawsx", "better"),
            Registered("mnli-5k", MATCHED, "pawsx", "better"),
            Registered("mnli-5k", BASELINE, "tatoeba", "worse"),
        ),
    ),
    Stage(
        "L",
        "Is the gain of MNLI before PAWS-X the same with LoRA?",
        (NONE, MNLI),
        (PAWSX,),
        (0, 1, 2),
        {"trainable": "lora", "lora_rank": 16, "learning_rate": 5e-4},
    ),
    Stage(
        "F",
        "Does MNLI help a random encoder?",
        (NONE, MNLI),
        (PAWSX, TATOEBA),
        (0, 1, 2),
        {"control": "random"},
    ),
    Stage(
        "C",
        "How many rows of PAWS-X make MNLI superfluous?",
        (NONE, MNLI),
        tuple(Target("pawsx", rows) for rows in (100, 300, 1000)),
        (0, 1, 2),
    ),
    Stage(
        "E",
        "Do smaller sets of entailment help XNLI with 300 rows?",
        (NONE, SICK, Condition("rte-2490", ("rte-2490",)), SICK_NULL),
        (Target("xnli", 300),),
        (0, 1, 2, 3, 4),
    ),
    Stage(
        "D",
        "Do MNLI and tagging help questions in four languages?",
        (NONE, MNLI, POS),
        (
            Target(
                "xquad",
                1000,
                languages=4,
                settings={"train_on": "tydiqa", "target.num_train_epochs": 2, "target.max_seq_length": 192},
            ),
        ),
        (0, 1, 2),
    ),
    Stage(
        "B",
        "Which intermediate task helps which target?",
        (NONE, SICK, Condition("cosmosqa-500", ("cosmosqa-500",)), POS, SICK_NULL),
        (Target("pawsx", 600), Target("xcopa"), Target("panx", 1000), TATOEBA),
        (0, 1, 2),
        parts=2,
    ),
    Stage(
        "G",
        "How good are the answers of the search and of proxies, where every subset is known?",
        subsets(POOL),
        (Target("pawsx", 600),),
        (0, 1),
        {"combine": "merge"},
        parts=4,
        pool=POOL,
    ),
)


TINY = replace(STAGES[0], name="tiny", seeds=(0,), settings={"max_steps": 2})
"""Stage A at its shortest, with which the tests show that nothing is trained twice."""


def pieces(stages: tuple[Stage, ...] = STAGES) -> list[Piece]:
    """All pieces in the order in which they are numbered."""
    return [
        piece
        for stage in stages
        for seed in stage.seeds
        for piece in (
            *(Piece(stage, seed, part) for part in range(stage.parts)),
            *([Piece(stage, seed, answers=True)] if stage.pool else []),
        )
    ]
