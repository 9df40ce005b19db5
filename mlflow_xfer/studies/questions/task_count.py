"""How many intermediate tasks, taken in the order of English benchmark accuracy; and does it depend on how
far a language's morphology is from English?

"In the order of English benchmark accuracy" has three readings, each of which orders the pool:

- *own*: the task's own score on its English dev set. This is the order called English;
- *above chance*: the same above chance, ``(s - c) / (100 - c)``: formats with few choices lose their start;
- *of the target*: English dev of the targets after that one task.

The order is compared with random ones, of which 19 are needed for an exact p of .05; fewer are a
demonstration. All orders start from no task and end with all of them, on the same base checkpoints. Scores
that order mini's pool were taken once, with base seed 0 and seed 9, which the study does not use.

The budget grows with the tasks (each is seen as often as alone), or is fixed (all of them share the steps of
one): then a task's dose falls as tasks are added, which the report takes apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from mlflow_xfer import languages
from mlflow_xfer.studies.orders import against_random
from mlflow_xfer.studies.study import Arm, Contrast, Curve, Scale, Study

MEASURE = "corpus_morphology"  # fixed before: known for all of mini's languages, and between any two
ENGLISH = {
    "attribute": (100.0, 50.0, 99.8),
    "attribute_b": (100.0, 50.0, 83.5),
    "polarity": (100.0, 50.0, 80.0),
    "position": (100.0, 12.5, 78.5),
    "roles": (99.8, 16.7, 89.5),
    "questions": (98.2, 0.0, 85.0),
    "types": (95.0, 12.5, 75.8),
    "nli": (60.0, 33.3, 80.0),
    "coherence": (53.3, 50.0, 77.2),
    "same_kind": (49.3, 50.0, 73.8),
}
"""Of mini's pool: own English dev score, chance, English dev of the targets after it."""

ROWS = 3600  # of each of mini's tasks alone: 1,200 rows, three times
FIXED = "fixed budget"
STEPS = 225  # that is so many steps

WORDS = {
    "questions": 16.1,
    "nli": 14.0,
    "same_kind": 13.3,
    "coherence": 11.3,
    "position": 8.6,
    "types": 8.5,
    "roles": 8.4,
    "attribute": 7.8,
    "attribute_b": 7.7,
    "polarity": 7.7,
}
"""Words in a row of mini's tasks, for the order by size: all of them have 1,200 rows."""

REAL = ("udpos", "tydiqa", "sick-pairs", "pawsx", "mnli", "rte-pairs", "copa", "cosmosqa-stories")
"""Small real sets from the one that is easiest in English to the hardest, by published figures."""

HOURS = {
    "intermediate.max_train_examples": "400",
    "intermediate.num_train_epochs": "1",
    "target.max_train_examples": "600",
    "num_train_epochs": "3",
    "learning_rate": "5e-5",
    "train_batch_size": "16",
    "max_seq_length": "96",
    "max_dev_examples": "200",
    "max_eval_examples": "200",
    "precision": "bf16",
}
"""Limits with which a small real encoder needs hours, not days."""

LARGE = {
    "squad": (94.6, 87_599),
    "scitail": (94.5, 23_596),
    "qqp": (92.2, 363_846),
    "snli": (92.0, 549_367),
    "ccg-substitute": (91.0, 12_544),
    "paws": (94.0, 49_401),
    "mnli": (90.2, 392_702),
    "squad2": (89.4, 130_319),
    "boolq": (86.9, 9_427),
    "rte": (86.6, 2_490),
    "hellaswag": (85.2, 39_905),
    "cosmosqa": (81.7, 25_262),
    "socialiqa": (76.7, 33_410),
    "commonsenseqa": (72.1, 9_741),
    "anli": (54.0, 162_865),
}
"""English dev scores of a large English encoder, about as published (remembered, not looked up), and rows."""


MEASURED = ",".join(
    code
    for code, one in languages.table().items()
    if "xtreme-r" in one.benchmarks and languages.distance(code, "en", MEASURE) is not None
)
"""XTREME-R's languages whose distance is known: not Chinese, Japanese, Thai and Burmese."""


def by(scores: Mapping[str, float]) -> tuple[str, ...]:
    """Names from the highest score to the lowest."""
    return tuple(sorted(scores, key=lambda name: (-scores[name], name)))


def random_orders(pool: Sequence[str], count: int) -> dict[str, tuple[str, ...]]:
    """Orders drawn at random, the first ones the same however many there are."""
    return {
        f"random {n}": tuple(Random(f"task-count/{n}").sample(sorted(pool), len(pool)))
        for n in range(1, count + 1)
    }


def grid(
    named: Mapping[str, Sequence[str]],
    random: Mapping[str, Sequence[str]],
    ks: Sequence[int],
    rows: float,
    fixed: int = 0,
) -> tuple[tuple[Arm, ...], tuple[Curve, ...]]:
    """Arms and curves of orders: a set of tasks is one arm, whoever comes upon it.

    Args:
        named: orders; the first one is the question's.
        ks: how many of each order's tasks, from none.
        rows: that a task gives where it is alone.
        fixed: steps of a second curve of the first order whose budget does not grow; 0: none.
    """
    arms: dict[tuple[str, ...], Arm] = {}
    curves = []
    for name, order in {**named, **random}.items():
        sets = [tuple(sorted(order[:k])) for k in ks]
        for tasks in sets:
            if tasks not in arms:
                arms[tasks] = _arm(tasks, len(order), name, rows)
        curves.append(Curve(name, tuple(arms[tasks].name for tasks in sets), random=name in random))
    every = list(arms.values())
    if fixed:
        first = next(iter(named.values()))
        alone = curves[0].arms[:2]
        more = [
            Arm(
                f"fixed {k}",
                {"intermediate": ",".join(sorted(first[:k])), "intermediate.max_steps": str(fixed)},
                "none",
                {"tasks": k, "rows a task": rows / k},
            )
            for k in ks
            if k > 1
        ]
        every += more
        curves.insert(len(named), Curve(FIXED, (*alone, *(arm.name for arm in more))))
    return tuple(every), tuple(curves)


def _arm(tasks: tuple[str, ...], pool: int, order: str, rows: float) -> Arm:
    if not tasks:
        return Arm("none", {"intermediate": "none"}, facts={"tasks": 0})
    name = "all" if len(tasks) == pool else tasks[0] if len(tasks) == 1 else f"{order} {len(tasks)}"
    return Arm(name, {"intermediate": ",".join(tasks)}, "none", {"tasks": len(tasks), "rows a task": rows})


def contrasts(arms: Sequence[Arm], curves: Sequence[Curve]) -> tuple[Contrast, ...]:
    """The order among random ones (registered), the most tasks against none, and the trend of the number of
    tasks over distance."""
    first = curves[0]
    last = first.arms[-1]
    facts = {arm.name: arm.facts["tasks"] for arm in arms}
    centre = sum(facts[name] for name in first.arms) / len(first.arms)
    spread = sum((facts[name] - centre) ** 2 for name in first.arms)
    trend = {name: facts[last] * (facts[name] - centre) / spread for name in first.arms}
    others = [curve for curve in curves[1:] if not curve.random and curve.arms[-1] == last]
    found = [
        Contrast(
            "the English order among random ones",
            against_random(first, curves, arms),
            "order",
            measure=first.name,
            primary=True,
        ),
        *(
            Contrast(
                f"{other.name} among random ones",
                against_random(other, curves, arms),
                "order",
                measure=other.name,
            )
            for other in others
        ),
        Contrast("most tasks against none", {last: 1.0, "none": -1.0}),
        Contrast("most tasks against one", {last: 1.0, first.arms[1]: -1.0}),
        Contrast("tasks × morphological distance", trend, "slope", measure=MEASURE),
    ]
    fixed = [curve.arms[-1] for curve in curves if curve.name == FIXED]
    found += [Contrast("growing against fixed budget", {last: 1.0, name: -1.0}) for name in fixed]
    return tuple(found)


def declared(
    shared: Mapping[str, str],
    named: Mapping[str, Sequence[str]],
    random: int,
    ks: Sequence[int],
    *,
    rows: float,
    fixed: int = 0,
    needs: str = "",
    limits: Sequence[str] = (),
) -> Scale:
    """The study with these orders, so many random ones beside them, and these numbers of tasks."""
    pool = next(iter(named.values()))
    arms, curves = grid(named, random_orders(pool, random), ks, rows, fixed)
    return Scale(shared, arms, contrasts(arms, curves), needs, curves=curves, limits=tuple(limits))


ORDERS = {
    "English": by({name: own for name, (own, _, _) in ENGLISH.items()}),
    "reverse": by({name: own for name, (own, _, _) in ENGLISH.items()})[::-1],
    "above chance": by({name: (own - c) / (100 - c) for name, (own, c, _) in ENGLISH.items()}),
    "of the target": by({name: target for name, (_, _, target) in ENGLISH.items()}),
    "size": by(WORDS),
}
MINI = {"target": "choice,qa", "base_seeds": "0,1,2", "seeds": "0"}
QUICK = declared(MINI, {name: ORDERS[name] for name in ("English", "reverse")}, 7, (0, 1, 4, 10), rows=ROWS)
REGISTERED = declared(MINI, ORDERS, 19, range(11), rows=ROWS, fixed=STEPS)
SMALL = declared(
    {"target": "panx,tatoeba", "languages": MEASURED, "seeds": "0,1", **HOURS},
    {"English": REAL, "reverse": REAL[::-1]},
    2,
    (0, 1, 2, 4, 6),
    rows=int(HOURS["intermediate.max_train_examples"]),
    needs="data=FOLDER in XTREME's layout, model=FOLDER of a small real encoder, and a task file with "
    "sick-pairs, rte-pairs and cosmosqa-stories (benchmarks/real_models_tasks.yaml, {data} replaced)",
    limits=(
        "Four orders of eight tasks, two of them random: a demonstration.",
        "A small encoder and 400 rows a task: what helps a large one with all its rows may not help here.",
        "The English order is of published figures, as remembered.",
    ),
)
FULL = declared(
    {
        "model": "xlm-roberta-large",
        "data": "hub",
        "suite": "xtreme-r",
        "target": "panx,xcopa,tydiqa,tatoeba",  # none of them is a task of the pool, or made of its rows
        "languages": MEASURED,
        "seeds": "0,1,2",
        "intermediate.max_train_examples": "20000",
    },
    {
        "English": by({name: score for name, (score, _) in LARGE.items()}),
        "reverse": by({name: score for name, (score, _) in LARGE.items()})[::-1],
        "size": by({name: rows for name, (_, rows) in LARGE.items()}),
    },
    19,
    (0, 1, 2, 3, 4, 6, 8, 10, len(LARGE)),
    rows=60_000,
    needs="one GPU of 80 GiB, the hub's data: mlflow-xfer plan study --study task-count --scale full "
    "--gpu H100",
    limits=(
        "The order comes from published figures of an English model, as remembered: measure yours before you "
        "register.",
        "20,000 rows a task: sets that are larger than that lose what makes them large.",
    ),
)

TASK_COUNT = Study(
    name="task-count",
    question="How many intermediate tasks, in the order of English accuracy, help languages of other "
    "morphology most?",
    shared=MINI,
    arms=QUICK.arms,
    contrasts=QUICK.contrasts,
    curves=QUICK.curves,
    sections=("curve", "contributions", "dose", "morphology"),
    looks=1,
    sd=5.0,
    minutes={"quick": 11.2},
    limits=(
        "Mini's tasks have few distinct English dev scores: the own reading has ties, broken by name.",
        "Base checkpoints are the replicates: three of them, with one seed each.",
        "Nine languages besides English: an interaction with distance is found only if it is large.",
    ),
    scales={"small": SMALL, "full": FULL},
    efforts={"registered": REGISTERED},
)
