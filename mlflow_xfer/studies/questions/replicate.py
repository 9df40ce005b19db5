"""The table of the paper under study: intermediate tasks one by one and all together, with and without
language modelling beside them, against none; and the best of each target.

mini has six tasks of four formats in place of the paper's nine; the translated arms train on the same rows in
one other language. ``small`` and ``full`` have the paper's own tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlflow_xfer.studies.study import Arm, Contrast, Scale, Study

MLM, TRANSLATED = " + MLM", " translated"
MINI = {
    "attribute": "attribute",
    "polarity": "polarity",
    "inference": "nli",
    "questions": "questions",
    "same kind": "same_kind",
    "roles": "roles",
}
NINE = {
    "ANLI+": "anli-plus",
    "MNLI": "mnli",
    "QQP": "qqp",
    "SQuAD v2": "squad2",
    "SQuAD v1": "squad",
    "HellaSwag": "hellaswag",
    "CCG": "ccg-substitute",
    "CosmosQA": "cosmosqa",
    "CSQA": "commonsenseqa",
}
"""The paper's nine; CCG is licensed, for which a free stand-in."""
SMALL = {"MNLI": "mnli", "CosmosQA": "cosmosqa", "RTE": "rte", "POS": "udpos"}


INTO = "de"
"""The language of translated intermediate data."""


def translated(name: str, task: str) -> Arm:
    return Arm(name + TRANSLATED, {"intermediate": task, "intermediate_language": INTO}, "none")


def arms(
    tasks: Mapping[str, str], everything: str, more: Sequence[Arm] = (), share: str = "0.5"
) -> tuple[Arm, ...]:
    """None; each task alone and all of them, plain and with a share of language-model batches, whose size in
    the paper is not known."""
    plain = {**tasks, everything: ",".join(tasks.values())}
    return (
        Arm("none", {"intermediate": "none"}),
        *(Arm(name, {"intermediate": said}, "none") for name, said in plain.items()),
        *(
            Arm(name + MLM, {"intermediate": said, "mlm_share": share}, "none")
            for name, said in plain.items()
        ),
        *more,
    )


def contrasts(tasks: Mapping[str, str], everything: str, with_mlm: bool = True) -> tuple[Contrast, ...]:
    every = [*tasks, everything]
    share = 1 / len(every)
    found = [
        Contrast("best of each", {**dict.fromkeys(every, 1.0), "none": -1.0}, "best", primary=True),
        *(Contrast(f"{name} against none", {name: 1.0, "none": -1.0}) for name in every),
        *(Contrast(f"{everything} against {name}", {everything: 1.0, name: -1.0}) for name in tasks),
    ]
    if with_mlm:
        sides = dict.fromkeys(every, share) | {name + MLM: -share for name in every}
        found.append(Contrast("plain against + MLM", sides))
    return tuple(found)


NULLS = (
    Arm("null (labels)", {"intermediate": "attribute_null"}, "none"),
    Arm("null (tags)", {"intermediate": "roles_null"}, "none"),
)
INTO_OTHERS = (
    translated("MNLI", "xnli-translate-train"),
    translated("SQuAD v1", "mlqa-translate-train"),
)

REPLICATE = Study(
    name="replicate",
    question="What do intermediate tasks, alone and together, with and without MLM, do to zero-shot targets?",
    shared={"target": "choice,qa,pos,retrieval", "seeds": "0,1,2,3,4,5"},
    arms=arms(MINI, "all six", (translated("attribute", "attribute"), *NULLS), share="0.2"),
    contrasts=(
        *contrasts(MINI, "all six"),
        Contrast("English against translated", {"attribute": 1.0, "attribute translated": -1.0}),
        Contrast("attribute over its null", {"attribute": 1.0, "null (labels)": -1.0}),
        Contrast("roles over their null", {"roles": 1.0, "null (tags)": -1.0}),
    ),
    sections=("arms by targets",),
    seeds={"registered": ",".join(map(str, range(12)))},
    sd=3.0,
    minutes={"quick": 14.7},
    limits=(
        "Four targets of mini, of which retrieval is trained by no target phase: see the average without it.",
        "Translated data are the English rows in one other language (German), not in all of the targets'.",
        "Seeds share one base checkpoint; give base_seeds for more.",
    ),
    scales={
        "small": Scale(
            {"target": "panx,tatoeba", "seeds": "0,1,2,3,4,5", "max_train_examples": "5000"},
            tuple(arm for arm in arms(SMALL, "all four") if MLM not in arm.name),
            contrasts(SMALL, "all four", with_mlm=False),
            "data=FOLDER with PAN-X and Tatoeba, model=FOLDER of a small real encoder",
            limits=("Tatoeba is trained by no target phase: see PAN-X without it.", "5,000 rows a task."),
        ),
        "full": Scale(
            {
                "model": "xlm-roberta-large",
                "data": "hub",
                "text": "wikipedia",
                "suite": "xtreme",
                "target": "xnli,pawsx,udpos,panx,xquad,mlqa,tydiqa,bucc2018,tatoeba",
                "seeds": "0,1,2,3,4",
            },
            arms(NINE, "all nine", INTO_OTHERS),
            (
                *contrasts(NINE, "all nine"),
                Contrast(
                    "English against translated",
                    {"MNLI": 0.5, "SQuAD v1": 0.5, "MNLI translated": -0.5, "SQuAD v1 translated": -0.5},
                ),
            ),
            "one GPU of 80 GiB, the hub's data: mlflow-xfer plan study --study replicate --scale full "
            "--gpu H100",
            limits=(
                "BUCC and Tatoeba are trained by no target phase: see the average without them.",
                "Seeds share one base checkpoint; give base_seeds for more.",
            ),
        ),
    },
)
