"""Does intermediate training on inference make the scores of other tasks more alike across languages?

mini has one inference task and one like it (``coherence``: does a state follow from a deed?), where the
real question has MNLI, SNLI and ANLI; ``attribute_null`` is their matched null: the same format and size,
nothing to learn. The task that is not inference is of the same size and teaches none of the targets
(``polarity`` would teach ``mood``).
"""

from __future__ import annotations

from mlflow_xfer.studies.study import Arm, Contrast, Scale, Study

REAL = (
    Arm("none", {"intermediate": "none"}),
    Arm("MNLI", {"intermediate": "mnli"}, "none"),
    Arm("SICK+RTE", {"intermediate": "sick,rte"}, "none"),
    Arm("CosmosQA", {"intermediate": "cosmosqa"}, "none"),
    Arm("POS", {"intermediate": "udpos"}, "none"),
)
LARGE = (
    Arm("none", {"intermediate": "none"}),
    Arm("MNLI", {"intermediate": "mnli"}, "none"),
    Arm("SNLI", {"intermediate": "snli"}, "none"),
    Arm("ANLI", {"intermediate": "anli"}, "none"),
    Arm("all NLI", {"intermediate": "anli-plus"}, "none"),
    Arm("QQP", {"intermediate": "qqp"}, "none"),
    Arm("SQuAD", {"intermediate": "squad"}, "none"),
    Arm("HellaSwag", {"intermediate": "hellaswag"}, "none"),
)


def contrasts(inference: str, other: str) -> tuple[Contrast, ...]:
    return (
        Contrast("inference against none", {inference: 1, "none": -1}, "spread", primary=True),
        Contrast("inference against as much of another task", {inference: 1, other: -1}, "spread"),
        Contrast("the other task against none", {other: 1, "none": -1}, "spread"),
        Contrast("mean: inference against none", {inference: 1, "none": -1}),
        Contrast("mean: the other task against none", {other: 1, "none": -1}),
    )


def of_sets(inference: tuple[str, ...], others: tuple[str, ...]) -> tuple[Contrast, ...]:
    """Each set of inference against none, which is registered, and against each other task; the other tasks
    against none; and what each does to the mean."""
    every = (*inference, *others)
    return (
        *(
            Contrast(f"{name} against none", {name: 1, "none": -1}, "spread", primary=name in inference)
            for name in every
        ),
        *(
            Contrast(f"{name} against {other}", {name: 1, other: -1}, "spread")
            for name in inference
            for other in others
        ),
        *(Contrast(f"mean: {name} against none", {name: 1, "none": -1}) for name in every),
    )


GIVEN = "Given these models: the permutation test swaps arms within languages and says nothing of new seeds."

NLI_VARIANCE = Study(
    name="nli-variance",
    question="Does training on inference make scores of other tasks more alike across languages?",
    shared={"target": "choice,mood,pos", "seeds": "0,1,2,3,4,5"},
    arms=(
        Arm("none", {"intermediate": "none"}),
        Arm("inference", {"intermediate": "nli"}, "none"),
        Arm("both inference tasks", {"intermediate": "nli,coherence"}, "none"),
        Arm("no inference", {"intermediate": "questions"}, "none"),
        Arm("null", {"intermediate": "attribute_null"}, "none"),
    ),
    contrasts=(
        *contrasts("inference", "no inference"),
        Contrast("both inference tasks against none", {"both inference tasks": 1, "none": -1}, "spread"),
        Contrast("the null against none", {"null": 1, "none": -1}, "spread"),
    ),
    sections=("spread",),
    seeds={"registered": ",".join(map(str, range(20)))},
    sd=6.0,
    minutes={"quick": 10.3},
    limits=(
        "Nine languages besides English: a ratio of .8 is found in fewer than 1 of 6 cases.",
        "A model of a million parameters learns little of inference: its effect is that of a format.",
        GIVEN,
    ),
    scales={
        "small": Scale(
            {"target": "panx,tatoeba", "seeds": "0,1,2,3,4,5", "max_train_examples": "5000"},
            REAL,
            of_sets(("MNLI", "SICK+RTE"), ("CosmosQA", "POS")),
            "data=FOLDER with PAN-X and Tatoeba, model=FOLDER of a small real encoder, a task file with sick",
            limits=(
                "Two inference sets beside two others, each with 5,000 rows: about these sets.",
                GIVEN,
            ),
        ),
        "full": Scale(
            {
                "model": "xlm-roberta-large",
                "data": "hub",
                "suite": "xtreme-r",
                "target": "udpos,panx,xcopa,xquad,mlqa,tydiqa,tatoeba",
                "seeds": "0,1,2,3,4",
                "intermediate.max_train_examples": "100000",
            },
            LARGE,
            contrasts("all NLI", "QQP"),
            "one GPU of 80 GiB, the hub's data: mlflow-xfer plan study --scale full --gpu H100",
            limits=(GIVEN,),
        ),
    },
)
