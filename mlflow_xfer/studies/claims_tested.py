"""What each claim asks of the arms of `replicate`: contrasts that test it, and what is missing for others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlflow_xfer.reporting.verdict import BETTER, EQUIVALENT
from mlflow_xfer.studies.questions.replicate import MLM, TRANSLATED
from mlflow_xfer.studies.study import Contrast, Study
from mlflow_xfer.studies.tables import NULL
from mlflow_xfer.tasks.catalogue import TASKS

BASELINE, TABLES = "none", "tables"

STAND_INS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "mini": {
        "squad, mnli, hellaswag": ("questions", "inference", "same kind"),
        "all": ("all six",),
        "without labels": ("retrieval",),
        "questions": ("qa",),
    },
    "small": {
        "squad, mnli, hellaswag": ("MNLI",),
        "all": ("all four",),
        "without labels": ("tatoeba",),
    },
    "tables": {
        "squad, mnli, hellaswag": ("mnli-5k",),
        "all": ("sick+rte-2490+cosmosqa-500+pos-3k+mnli-2k",),
        "without labels": ("tatoeba",),
        "questions": ("xquad-1000",),
        "inference": ("xnli-300",),
    },
    "full": {
        "squad, mnli, hellaswag": ("SQuAD v1", "MNLI", "HellaSwag"),
        "all": ("all nine",),
        "without labels": ("bucc2018", "tatoeba"),
        "questions": ("tydiqa",),
        "inference": ("xnli",),
    },
}
"""By scale of `replicate` (``tables``: those of ``benchmarks/real_models.py``), the arms and targets that
stand for what a claim speaks of."""


Roles = Mapping[str, Sequence[str]]


Asked = tuple[list[tuple[Contrast, str]], list[str]]
"""Contrasts with the verdict that the claim expects of each; and what is missing for others."""


def _against_none(arm: str, targets: Sequence[str] = (), kind: Any = "effect") -> Contrast:
    where = f" on {','.join(targets)}" if targets else ""
    return Contrast(f"{arm}{where}", {arm: 1.0, BASELINE: -1.0}, kind, targets=tuple(targets))


def _singles(study: Study) -> list[str]:
    """The arms with one task and nothing beside it."""
    return [
        arm.name
        for arm in study.arms
        if arm.against == BASELINE
        and MLM not in arm.name
        and "," not in str(arm.params.get("intermediate", ""))
        and not arm.name.startswith("null")
        and not arm.name.endswith(NULL)
        and not arm.name.endswith(TRANSLATED)
    ]


def _large_gains(study: Study, roles: Roles) -> Asked:
    arms = roles.get("squad, mnli, hellaswag", ())
    lacking = 3 - len(arms)
    return [(_against_none(arm), BETTER) for arm in arms], (
        [f"{lacking} of the three tasks are in no arm"] if lacking else []
    )


def _all_are_best(study: Study, roles: Roles) -> Asked:
    if "all" not in roles:
        return [], [f"no arm with all tasks {_where(study)}"]
    (every,) = roles["all"]
    return [(Contrast(f"{every} − {name}", {every: 1.0, name: -1.0}), BETTER) for name in _singles(study)], []


def _retrieval_gains(study: Study, roles: Roles) -> Asked:
    if "without labels" not in roles:
        return [], [f"no target without training data {_where(study)}"]
    return [(_against_none(arm, roles["without labels"]), BETTER) for arm in _singles(study)], []


def _questions_gain_inference_does_not(study: Study, roles: Roles) -> Asked:
    asked: list[tuple[Contrast, str]] = []
    missing = []
    for role, wanted, kind in (("questions", BETTER, "effect"), ("inference", EQUIVALENT, "equivalence")):
        if role in roles:
            asked += [(_against_none(arm, roles[role], kind), wanted) for arm in _singles(study)]
        else:
            missing.append(f"no target of {role} {_where(study)}")
    return asked, missing


def _best_of_each(study: Study, roles: Roles) -> Asked:
    (declared,) = [one for one in study.contrasts if one.kind == "best"]
    return [(declared, BETTER)], []


def _plain_is_best(study: Study, roles: Roles) -> Asked:
    asked: list[tuple[Contrast, str]] = []
    missing = []
    with_mlm = [arm.name for arm in study.arms if arm.name.endswith(MLM)]
    if with_mlm:
        share = 1 / len(with_mlm)
        sides = {name.removesuffix(MLM): share for name in with_mlm} | dict.fromkeys(with_mlm, -share)
        asked.append((Contrast("plain − MLM beside", sides), BETTER))
    else:
        missing.append(f"no arm with language modelling {_where(study)}")
    translated = [arm.name for arm in study.arms if arm.name.endswith(TRANSLATED)]
    if translated:
        share = 1 / len(translated)
        sides = {name.removesuffix(TRANSLATED): share for name in translated} | dict.fromkeys(
            translated, -share
        )
        asked.append((Contrast("English − translated", sides), BETTER))
    else:
        missing.append(f"no translated data {_where(study)}")
    return asked, missing


TESTS: Mapping[str, Callable[[Study, Roles], Asked]] = {
    "C1": _large_gains,
    "C2": _all_are_best,
    "C3": _retrieval_gains,
    "C4": _questions_gain_inference_does_not,
    "C5": _best_of_each,
    "C6": _plain_is_best,
}


def roles_of(study: Study) -> Roles:
    """By role the arms and targets that this study has; of what it has none, no role."""
    there = {*study.targets(), *(arm.name for arm in study.arms)}
    roles = {role: [name for name in of if name in there] for role, of in STAND_INS[study.scale].items()}
    return {role: of for role, of in roles.items() if of}


def _where(study: Study) -> str:
    return "in these tables" if study.scale == TABLES else f"at scale {study.scale}"


def without_each_format(study: Study) -> tuple[Contrast, ...]:
    """The mean gain of the single tasks, and that of those that are left without the tasks of one format."""
    singles = {arm.name: str(arm.params["intermediate"]) for arm in study.arms if arm.name in _singles(study)}
    formats = {name: TASKS.get(task).kind if task in TASKS else "" for name, task in singles.items()}
    kinds = sorted({kind for kind in formats.values() if kind})
    if len(kinds) < 2:
        return ()
    every = [name for name, kind in formats.items() if kind]
    left = {f"without {kind}": [name for name in every if formats[name] != kind] for kind in kinds}
    return tuple(
        Contrast(title, dict.fromkeys(of, 1 / len(of)) | {BASELINE: -1.0})
        for title, of in {"all formats": every, **left}.items()
    )
