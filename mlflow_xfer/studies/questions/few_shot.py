"""How many labelled rows of each language is an intermediate task worth?

Few-shot curves: the same fine-tuning with 0, 4 and 16 labelled rows of each evaluated language added, with
and without intermediate task. Where the curve without reaches what the task gives for nothing, so many rows
are what it is worth.
"""

from __future__ import annotations

from mlflow_xfer.studies.study import Arm, Contrast, Curve, Scale, Study

AXIS = "rows"
NONE, HELPED = "none", "intermediate"


def arms(task: str, shots: tuple[int, ...]) -> tuple[Arm, ...]:
    """With and without ``task``, at each number of rows."""
    return tuple(
        Arm(
            f"{name}, {n} rows",
            {"intermediate": "none" if name == NONE else task, "target_shots": str(n)},
            f"{NONE}, {n} rows" if name == HELPED else "" if n == shots[0] else f"{NONE}, {shots[0]} rows",
            {AXIS: n},
        )
        for name in (NONE, HELPED)
        for n in shots
    )


def curves(shots: tuple[int, ...]) -> tuple[Curve, ...]:
    return tuple(Curve(name, tuple(f"{name}, {n} rows" for n in shots), AXIS) for name in (NONE, HELPED))


def contrasts(shots: tuple[int, ...]) -> tuple[Contrast, ...]:
    first, last = shots[0], shots[-1]
    gain = {f"{HELPED}, {first} rows": 1.0, f"{NONE}, {first} rows": -1.0}
    later = {f"{HELPED}, {last} rows": 1.0, f"{NONE}, {last} rows": -1.0}
    return (
        Contrast("the task without labelled rows", gain, primary=True),
        Contrast(
            f"what it adds falls from {first} to {last} rows",
            gain | {name: -weight for name, weight in later.items()},
            primary=True,
        ),
        Contrast(f"the task with {last} rows", later),
        Contrast(
            f"{last} rows instead of the task", {f"{NONE}, {last} rows": 1, f"{HELPED}, {first} rows": -1}
        ),
    )


MINI = (0, 4, 16)
REAL = (0, 10, 50, 100)  # XCOPA has a hundred rows of each language

FEW_SHOT = Study(
    name="few-shot",
    question="How many labelled rows of each language is an intermediate task worth?",
    shared={"target": "choice,mood,pos", "seeds": "0,1,2"},
    arms=arms("attribute,polarity", MINI),
    contrasts=contrasts(MINI),
    curves=curves(MINI),
    sections=("shots",),
    seeds={"registered": ",".join(map(str, range(10)))},
    minutes={"quick": 7},  # by its phases: nli-variance has five thirds as many and takes 10.3
    limits=(
        "Not zero-shot: rows of the evaluated languages are trained on, from their training or dev sets.",
        "Rows of all languages are added at once: what a language gains from its own cannot be told apart.",
    ),
    scales={
        "full": Scale(
            {
                "model": "xlm-roberta-large",
                "data": "hub",
                "suite": "xtreme-r",
                "target": "udpos,xcopa,panx",
                "seeds": "0,1,2,3,4",
            },
            arms("mnli", REAL),
            contrasts(REAL),
            "data=hub, a large encoder and a GPU",
            curves=curves(REAL),
        )
    },
)
