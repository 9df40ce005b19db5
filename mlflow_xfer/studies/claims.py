"""What Phang et al. (2020) are said to have found, as claims that runs can support or contradict.

The wording, the marks and the confidence are those of texts that report on the paper, and were made by
themselves; they are shown beside the verdicts and never count. Reported figures are never bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from mlflow_xfer.kinds.kind import KINDS
from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.reading import read
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.reporting.columns import Table, points
from mlflow_xfer.reporting.verdict import BETTER, EQUIVALENT, UNDECIDED
from mlflow_xfer.studies.contrasts import Found, compute
from mlflow_xfer.studies.questions.replicate import MLM, NINE, TRANSLATED
from mlflow_xfer.studies.study import Contrast, Study
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tracking.store import Store

SUPPORTED, CONTRADICTED, PARTLY = "supported", "contradicted", "supported in part"
SHOWN, NOT_RUN, UNTESTABLE = "shown", "not run", "untestable here"
BASELINE = "none"
EQUIVALENCE = 2.0  # points within which a target does not gain

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
    "full": {
        "squad, mnli, hellaswag": ("SQuAD v1", "MNLI", "HellaSwag"),
        "all": ("all nine",),
        "without labels": ("bucc2018", "tatoeba"),
        "questions": ("tydiqa",),
        "inference": ("xnli",),
    },
}
"""By scale of `replicate`, the arms and targets that stand for what a claim speaks of."""


@dataclass(frozen=True)
class Claim:
    """Attributes:
    margin: the smallest difference that matters, in points; None: of a method there is none.
    mark, confidence: what the texts say of it themselves.
    reported: their figures, and what of them is verified.
    """

    id: str
    text: str
    kind: str
    margin: float | None
    mark: str
    confidence: str
    reported: str


CLAIMS = (
    Claim(
        "C1", "SQuAD, MNLI and HellaSwag, one alone, give large gains on the average over targets", "effect",
        1.0, "✓", ".25-.27",
        "+8.2, +7.5, +7.0 (dev average); abstract: these three achieve the best overall results",
    ),
    Claim(
        "C2", "joint training on all nine tasks is best", "ordering", 1.0, "✓", ".25",
        "+8.7; abstract: multi-task brings small additional improvements",
    ),
    Claim(
        "C3", "the retrieval targets, which have no training data, gain", "effect", 1.0, "✓", ".29-.30",
        "abstract: large; a base that was trained by contrasts loses",
    ),
    Claim(
        "C4", "TyDiQA gains with most tasks, XNLI with none", "effect and equivalence", EQUIVALENCE, "✓",
        ".17-.18", "on dev; on test XNLI +1.2 (80.4 against 79.2, verified)",
    ),
    Claim(
        "C5", "the best task of each target raises the average", "effect", 1.0, "✓", ".32-.33",
        "+5.4 (abstract), of which POS, BUCC and Tatoeba carry about 71 %",
    ),
    Claim(
        "C6", "plain English training beats language modelling beside it, and translated data", "ordering",
        1.0, "✓", ".32-.33", "abstract, weaker: neither consistently outperforms",
    ),
    Claim("C7", "start from XLM-R Large", "method", None, "✓", ".29-.32", "–"),
    Claim("C8", "three phases: public MLM, intermediate, target", "method", None, "✓", ".42", "–"),
    Claim("C9", "nine English intermediate tasks", "method", None, "✓", ".28", "CCG is licensed: stand-in"),
    Claim(
        "C10", "the nine were chosen to cover several formats", "method", None, "×", ".15",
        "not verified by the texts",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """A claim with what runs say of it."""

    claim: Claim
    verdict: str
    evidence: str
    found: Sequence[Found] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        one = self.claim
        return {
            "id": one.id,
            "claim": one.text,
            "kind": one.kind,
            "margin": one.margin,
            "verdict": self.verdict,
            "evidence": self.evidence,
            "contrasts": [found.as_dict() for found in self.found],
            "texts": {"mark": one.mark, "confidence": one.confidence, "reported": one.reported},
        }


def judge(study: Study | None, frame: pd.DataFrame | None, dev: pd.DataFrame | None = None) -> list[Judged]:
    """Every claim on the scores of a run of `replicate`; without one only what is shown by the product.

    Args:
        study: the study as it was run, at its scale.
        frame: the scores of its arms.
        dev: English dev scores, see :func:`mlflow_xfer.studies.run.dev_of`.
    """
    return [_judged(claim, study, frame, dev) for claim in CLAIMS]


def _judged(
    claim: Claim, study: Study | None, frame: pd.DataFrame | None, dev: pd.DataFrame | None
) -> Judged:
    if claim.kind == "method":
        return Judged(claim, SHOWN, METHODS[claim.id]())
    if study is None or frame is None:
        return Judged(claim, NOT_RUN, "run: mlflow-xfer study --study replicate")
    asked, missing = TESTS[claim.id](study, STAND_INS[study.scale])
    if not asked:
        return Judged(claim, UNTESTABLE, f"missing: {'; '.join(missing)}")
    contrasts = tuple(replace(one, margin=claim.margin) for one, _ in asked)
    found = compute(replace(study, contrasts=contrasts), frame, dev=dev)
    if on_dev := _on_dev(study, asked, dev):  # what does not gain must not do so on dev either, shown apart
        found, asked = [*found, *on_dev], [*asked, *((one.contrast, EQUIVALENT) for one in on_dev)]
    agree = [_agrees(one, wanted) for one, (_, wanted) in zip(found, asked, strict=True)]
    verdict = _together(agree, claim)
    said = [f"{one.contrast.name} {_estimate(one)}" for one in found]
    return Judged(
        claim, verdict, "; ".join([*said, *(f"untestable here: {what}" for what in missing)]), found
    )


def _on_dev(study: Study, asked: Sequence[tuple[Contrast, str]], dev: pd.DataFrame | None) -> list[Found]:
    """The equivalences again, on English dev scores."""
    if dev is None or dev.empty:
        return []
    wanted = [
        replace(one, name=f"{one.name} (English dev)", margin=EQUIVALENCE)
        for one, wanted in asked
        if wanted == EQUIVALENT
    ]
    return compute(replace(study, contrasts=tuple(wanted)), dev.assign(language="en"))


def _agrees(one: Found, wanted: str) -> bool | None:
    """Whether a contrast came out as the claim says; None: it cannot be told."""
    if one.verdict == UNDECIDED:
        return None
    return one.verdict == wanted


def _together(agree: Sequence[bool | None], claim: Claim) -> str:
    if claim.id == "C4" and sum(one is True for one in agree) > len(agree) / 2:  # with most
        return SUPPORTED
    if all(one is True for one in agree):
        return SUPPORTED
    if any(one is False for one in agree):
        return PARTLY if any(one is True for one in agree) else CONTRADICTED
    return PARTLY if any(one is True for one in agree) else UNDECIDED


def _estimate(one: Found) -> str:
    found = one.estimate
    if not math.isfinite(found.low):
        return points(found.estimate, True)
    return f"{points(found.estimate, True)} [{points(found.low, True)}, {points(found.high, True)}]"


Asked = tuple[list[tuple[Contrast, str]], list[str]]
"""Contrasts with the verdict that the claim expects of each; and what is missing for others."""
Roles = Mapping[str, Sequence[str]]


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
        and not arm.name.endswith(TRANSLATED)
    ]


def _large_gains(study: Study, roles: Roles) -> Asked:
    arms = roles["squad, mnli, hellaswag"]
    lacking = 3 - len(arms)
    return [(_against_none(arm), BETTER) for arm in arms], (
        [f"{lacking} of the three tasks are in no arm"] if lacking else []
    )


def _all_are_best(study: Study, roles: Roles) -> Asked:
    (every,) = roles["all"]
    return [(Contrast(f"{every} − {name}", {every: 1.0, name: -1.0}), BETTER) for name in _singles(study)], []


def _retrieval_gains(study: Study, roles: Roles) -> Asked:
    return [(_against_none(arm, roles["without labels"]), BETTER) for arm in _singles(study)], []


def _questions_gain_inference_does_not(study: Study, roles: Roles) -> Asked:
    asked: list[tuple[Contrast, str]] = []
    missing = []
    for role, wanted, kind in (("questions", BETTER, "effect"), ("inference", EQUIVALENT, "equivalence")):
        if role in roles:
            asked += [(_against_none(arm, roles[role], kind), wanted) for arm in _singles(study)]
        else:
            missing.append(f"no target of {role} at scale {study.scale}")
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
        missing.append(f"no arm with language modelling at scale {study.scale}")
    translated = [arm.name for arm in study.arms if arm.name.endswith(TRANSLATED)]
    if translated:
        share = 1 / len(translated)
        sides = {name.removesuffix(TRANSLATED): share for name in translated} | dict.fromkeys(
            translated, -share
        )
        asked.append((Contrast("English − translated", sides), BETTER))
    else:
        missing.append(f"no translated data at scale {study.scale}")
    return asked, missing


TESTS: Mapping[str, Callable[[Study, Roles], Asked]] = {
    "C1": _large_gains,
    "C2": _all_are_best,
    "C3": _retrieval_gains,
    "C4": _questions_gain_inference_does_not,
    "C5": _best_of_each,
    "C6": _plain_is_best,
}


# -- what the product does -----------------------------------------------------------------------------------


def _chain() -> Any:
    """The plan of one of the paper's rows."""
    asked = {"model": "xlm-roberta-large", "data": "hub", "intermediate": "mnli", "target": "panx"}

    def no_store() -> Store:
        raise AssertionError("a model of the hub is looked up in no store")

    return make_plan("transfer", read(Transfer, {**asked, "languages": "de"}), References(no_store))


def _starts_from_large() -> str:
    (first, *_) = _chain().phases
    return f"model=xlm-roberta-large: {first.label} starts from {first.root().reference}"


def _three_phases() -> str:
    kinds = [phase.kind for phase in _chain().phases]
    return f"public MLM (xlm-roberta-large) → {' → '.join(kinds)}"


def _nine_tasks() -> str:
    english = [name for name in NINE.values() if "en" in TASKS.get(name).train_languages]
    return f"{len(english)} in the catalogue: {', '.join(english)}"


def _formats() -> str:
    kinds: dict[str, list[str]] = {}
    for name in NINE.values():
        kinds.setdefault(KINDS.get(TASKS.get(name).kind).name, []).append(name)
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items())


METHODS: Mapping[str, Callable[[], str]] = {
    "C7": _starts_from_large,
    "C8": _three_phases,
    "C9": _nine_tasks,
    "C10": _formats,
}


# -- as text -------------------------------------------------------------------------------------------------


def text(judged: Sequence[Judged], about: str) -> str:
    """What the command prints: verdicts, then what they rest on."""
    rows = [
        [
            one.claim.id,
            one.claim.text,
            one.claim.kind,
            "–" if one.claim.margin is None else f"{one.claim.margin:g}",
            one.verdict,
            one.claim.mark,
            one.claim.confidence,
        ]
        for one in judged
    ]
    head = ["", "claim", "kind", "margin", "verdict", "texts", "confidence"]
    lines = [Table(f"Claims on {about}", head, rows).plain(), ""]
    lines += [f"{one.claim.id}: {one.evidence} (reported: {one.claim.reported})" for one in judged]
    return "\n".join(
        [*lines, "", "texts, confidence, reported: what texts about the paper say; shown, never evidence."]
    )
