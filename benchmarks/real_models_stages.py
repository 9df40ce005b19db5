"""The stages of ``real_models.py``: conditions, targets, settings, seeds, and what is registered."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from real_models_shapes import BASELINE, MATCHED, Condition, Piece, Registered, Stage, Target

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
POOL = ("sick", "rte-2490", "cosmosqa-500", "pos-3k", "pawsx-1k")
"""Candidates of stage G, before XNLI with 300 rows: there sets matter (stage E), while with 600 rows of
PAWS-X most seeds learn nothing whatever came before (stage B). MNLI is none of them: its rows are XNLI's
own."""


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
        "V",
        "Does training on inference make scores more alike across all languages?",
        (
            NONE,
            replace(MNLI, name="MNLI"),
            Condition("SICK+RTE", ("sick", "rte-2490")),
            Condition("CosmosQA", ("cosmosqa-500",)),
            replace(POS, name="POS"),
        ),
        (Target("panx", 1000), Target("tatoeba", tested=500)),
        (0, 1, 2),
        study="nli-variance",
    ),
    Stage(
        "G",
        "How good are the answers of the search and of proxies, where every subset is known?",
        subsets(POOL),
        (Target("xnli", 300),),
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
