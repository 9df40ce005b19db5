"""What Phang et al. (2020) are said to have found, as claims that runs can support or contradict.

The wording, the marks and the confidence are those of texts that report on the paper, and were made by
themselves; they are shown beside the verdicts and never count. Reported figures are never bounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from mlflow_xfer.reporting.columns import Table, points
from mlflow_xfer.reporting.verdict import EQUIVALENT, UNDECIDED
from mlflow_xfer.studies.claims_shown import METHODS
from mlflow_xfer.studies.claims_tested import TABLES, TESTS, roles_of, without_each_format
from mlflow_xfer.studies.contrasts import Found, compute
from mlflow_xfer.studies.study import Contrast, Study

SUPPORTED, CONTRADICTED, PARTLY = "supported", "contradicted", "supported in part"
SHOWN, NOT_RUN, UNTESTABLE = "shown", "not run", "untestable here"
FORMATS = "C10"
EQUIVALENCE = 2.0  # points within which a target does not gain


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
        frame: the scores of its arms; of the scale ``tables`` they may have gaps.
        dev: English dev scores, see :func:`mlflow_xfer.studies.run.dev_of`.
    """
    return [_judged(claim, study, frame, dev) for claim in CLAIMS]


def _judged(
    claim: Claim, study: Study | None, frame: pd.DataFrame | None, dev: pd.DataFrame | None
) -> Judged:
    if claim.kind == "method":
        return _shown(claim, study, frame)
    if study is None or frame is None:
        return Judged(claim, NOT_RUN, "run: mlflow-xfer study --study replicate")
    asked, missing = TESTS[claim.id](study, roles_of(study))
    if not asked:
        return Judged(claim, UNTESTABLE, f"missing: {'; '.join(missing)}")
    contrasts = tuple(replace(one, margin=claim.margin) for one, _ in asked)
    found = compute(replace(study, contrasts=contrasts), frame, dev=dev, gaps=study.scale == TABLES)
    if on_dev := _on_dev(study, asked, dev):  # what does not gain must not do so on dev either, shown apart
        found, asked = [*found, *on_dev], [*asked, *((one.contrast, EQUIVALENT) for one in on_dev)]
    there = [n for n, one in enumerate(found) if not math.isnan(one.estimate.estimate)]
    gaps = [one for one in found if math.isnan(one.estimate.estimate)]
    if gaps and study.scale == TABLES:
        missing = [*missing, f"not run: {', '.join(one.contrast.name for one in gaps)}"]
    elif gaps:  # all of a run's arms were run: something else is in the way
        missing = [*missing, *(note.rstrip(".") for one in gaps for note in one.estimate.notes)]
    if not there:
        return Judged(claim, UNTESTABLE, f"missing: {'; '.join(missing)}")
    found, asked = [found[n] for n in there], [asked[n] for n in there]
    agree = [_agrees(one, wanted) for one, (_, wanted) in zip(found, asked, strict=True)]
    verdict = _verdict(claim, [wanted for _, wanted in asked], agree, not missing)
    said = [f"{one.contrast.name} {_estimate(one)}" for one in found]
    return Judged(
        claim, verdict, "; ".join([*said, *(f"untestable here: {what}" for what in missing)]), found
    )


def _on_dev(study: Study, asked: Sequence[tuple[Contrast, str]], dev: pd.DataFrame | None) -> list[Found]:
    """The equivalences again, on English dev scores."""
    wanted = [
        replace(one, name=f"{one.name} (English dev)", margin=EQUIVALENCE)
        for one, wanted in asked
        if wanted == EQUIVALENT
    ]
    if dev is None or dev.empty or not wanted:
        return []
    english = dev.assign(language="en")
    return compute(replace(study, contrasts=tuple(wanted)), english, gaps=study.scale == TABLES)


def _shown(claim: Claim, study: Study | None, frame: pd.DataFrame | None) -> Judged:
    """What the product does; of formats also what the gain is without each of them, where that was run."""
    shown = METHODS[claim.id]()
    if claim.id != FORMATS or study is None or frame is None:
        return Judged(claim, SHOWN, shown)
    contrasts = without_each_format(study)
    found = compute(replace(study, contrasts=contrasts), frame, gaps=study.scale == TABLES)
    said = [f"{one.contrast.name} {_estimate(one)}" for one in found]
    return Judged(claim, SHOWN, "; ".join([shown, *said]), found)


def _agrees(one: Found, wanted: str) -> bool | None:
    """Whether a contrast came out as the claim says; None: it cannot be told."""
    if one.verdict == UNDECIDED:
        return None
    return one.verdict == wanted


def _together(agree: Sequence[bool | None]) -> str:
    if all(one is True for one in agree):
        return SUPPORTED
    if any(one is False for one in agree):
        return PARTLY if any(one is True for one in agree) else CONTRADICTED
    return PARTLY if any(one is True for one in agree) else UNDECIDED


def _most(agree: Sequence[bool | None]) -> str:
    """Of a claim that says "most": more than half of those that were asked."""
    for verdict, wanted in ((SUPPORTED, True), (CONTRADICTED, False)):
        if sum(one is wanted for one in agree) > len(agree) / 2:
            return verdict
    return UNDECIDED


def _verdict(claim: Claim, wanted: Sequence[str], agree: Sequence[bool | None], whole: bool) -> str:
    """The verdict on a claim from what each contrast says of it; one that could not be asked ``whole`` is
    supported in part at best."""
    if claim.id == "C4":  # two halves: gains with most tasks on one target, with none on the other
        gains = [said for said, of in zip(agree, wanted, strict=True) if of != EQUIVALENT]
        none = [said for said, of in zip(agree, wanted, strict=True) if of == EQUIVALENT]
        halves = [*([_most(gains)] if gains else []), *([_together(none)] if none else [])]
        verdict = halves[0] if len(set(halves)) == 1 else _of_halves(halves)
    elif claim.id == "C2" and False in agree:  # what any other one equals or beats is not the best
        verdict = CONTRADICTED
    else:
        verdict = _together(agree)
    return PARTLY if verdict == SUPPORTED and not whole else verdict


def _of_halves(halves: Sequence[str]) -> str:
    """The verdict on a claim whose halves came out differently."""
    if CONTRADICTED in halves and not {SUPPORTED, PARTLY} & {*halves}:
        return CONTRADICTED
    return PARTLY


def _estimate(one: Found) -> str:
    found = one.estimate
    if not math.isfinite(found.low):
        return points(found.estimate, True)
    return f"{points(found.estimate, True)} [{points(found.low, True)}, {points(found.high, True)}]"


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
