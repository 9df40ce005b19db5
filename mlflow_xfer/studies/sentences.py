"""A study's answer in sentences: what was found with its interval, what could have been, how it was made."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mlflow_xfer.reporting.columns import points
from mlflow_xfer.reporting.verdict import BETTER, EQUIVALENT, REGISTERED, UNDECIDED, WORSE, optimistic, p_text
from mlflow_xfer.stats.power import equivalence_interval
from mlflow_xfer.studies.contrasts import LESS, MORE, Found, primary
from mlflow_xfer.studies.registration import Registration
from mlflow_xfer.studies.study import Study

UNITS = {"slope": " points per sd of distance", "sizes": " points per tenfold size"}
DEMONSTRATION = "A demonstration: what it can find is larger than what matters."


def headline(found: Sequence[Found]) -> str:
    """The primary verdicts in one line, without a full stop."""
    return "; ".join(f"{one.contrast.name}: {_verdict(one)} ({_interval(one)})" for one in primary(found))


def short(found: Sequence[Found]) -> str:
    """For places that show one line."""
    return "; ".join(
        f"{'undecided: ' if one.verdict == UNDECIDED else ''}{one.contrast.name} {_interval(one)}"
        for one in primary(found)
    )


def answer(found: Sequence[Found]) -> list[str]:
    """Two sentences for each primary contrast, and whether they are a demonstration."""
    both = [sentence for one in primary(found) for sentence in (_first(one), _second(one))]
    said = [sentence for sentence in both if sentence]
    return [*said, *([DEMONSTRATION] if any(one.demonstration for one in primary(found)) else [])]


def _first(one: Found) -> str:
    found, n = one.estimate, one.estimate.n
    kind = "pre-registered" if one.status == REGISTERED else "exploratory"
    if not math.isfinite(found.estimate):
        return f"{one.contrast.name}: nothing can be said ({'; '.join(found.notes).rstrip('.')})."
    counted = ("sets", *(["bases"] if n.get("bases", 1) > 1 else []), "seeds", "tasks", "languages")
    where = ", ".join(_count(n[what], what) for what in counted if what in n)
    p = p_text(one.p_decisive)
    name = "corrected p of equivalence" if one.verdict == EQUIVALENT else "corrected p"
    corrected = f"{name} {'' if p.startswith('<') else '= '}{p}"
    return f"{one.contrast.name}: {_verdict(one)} ({_interval(one)}, {corrected}; {where}; {kind})."


def _second(one: Found) -> str:
    if not math.isfinite(one.estimate.estimate) or one.alike:
        return ""
    if one.contrast.kind == "spread":
        reach = (
            f"a ratio of {one.detectable:.1f} in 8 of 10 cases"
            if one.detectable
            else "no ratio in 8 of 10 cases"
        )
        return f"Such a design finds {reach}, and one of {one.margin:g} in {_share(one.power)} (simulated)."
    known = math.isfinite(one.detectable) and one.detectable > 0
    reach = (
        f"{points(one.detectable)} points" if known else "nothing" if not one.power else "no known difference"
    )
    return (
        f"Such a design finds {reach} in 8 of 10 cases, and the margin of {one.margin:g} in "
        f"{_share(one.power)}{optimistic(one.estimate.n)}."
    )


def _count(n: int, what: str) -> str:
    return f"{n} {what if n != 1 else what[:-1]}"


def _share(power: float) -> str:
    return f"{100 * power:.0f} of 100" if math.isfinite(power) else "an unknown share of them"


def _verdict(one: Found) -> str:
    slope = one.contrast.kind == "slope"
    return {
        BETTER: "rises with distance" if slope else "a gain",
        WORSE: "falls with distance" if slope else "a loss",
        EQUIVALENT: f"no difference beyond {one.margin:g}",
        LESS: "less unequal across languages",
        MORE: "more unequal across languages",
    }.get(one.verdict, f"cannot be told: {one.untold}")


def _interval(one: Found) -> str:
    found = one.estimate
    if not math.isfinite(found.estimate):
        return "no estimate"
    if one.contrast.kind == "spread":
        ends = f"[{found.low:.2f}, {found.high:.2f}]" if math.isfinite(found.low) else "(no interval)"
        return f"ratio {found.estimate:.2f} {ends}{_level(found.level)}"
    unit = UNITS.get(one.contrast.kind, " points")
    if not math.isfinite(found.low):
        return f"{points(found.estimate, True)}{unit}, no interval"
    low, high, level = found.low, found.high, found.level
    if one.verdict == EQUIVALENT:  # the interval that decides
        low, high = equivalence_interval(found, 1 - level)
        level = 2 * level - 1
    return f"{points(found.estimate, True)}{unit} [{points(low, True)}, {points(high, True)}]{_level(level)}"


def _level(level: float) -> str:
    """The level of an interval where it is not the usual one."""
    return "" if level == 0.95 else f", {100 * level:.3g}% interval"


def methods(study: Study, found: Sequence[Found], registered: Registration, facts: dict[str, str]) -> str:
    """A paragraph for a paper."""
    kinds = {one.contrast.kind for one in found}
    ways = {
        "effect": "Contrasts are weighted sums of arms taken within seeds, with Student's t over seeds.",
        "equivalence": (
            "“No difference” is claimed where two one-sided tests place the difference within the margin: "
            "the 90% interval lies in it."
        ),
        "spread": (
            "Spread across languages without English is τ, the standard deviation of logit scores with the "
            "sampling variance removed; its ratio is tested by swapping arms within languages, all tasks at "
            "once, and pooled over tasks by random effects."
        ),
        "sizes": "A slope over model sizes has the model as its unit.",
        "order": (
            "An order's height is the area under its curve by its length; its p is its rank among random "
            "orders, exact if order has nothing to do with scores."
        ),
        "sets": (
            "Sets are taken as a sample of such sets: Welch's t over sets, or Student's over seeds where "
            "that is wider."
        ),
        "slope": "Slopes over distance take seeds and languages as random.",
        "best": (
            "The best arm of each target was chosen on English dev with the first half of the seeds and "
            "scored on test with the other half."
        ),
    }
    said = [
        f"We trained {len(study.arms)} conditions on {facts['seeds']} seeds from {facts['model']} and scored "
        f"them zero-shot on {facts['targets']} in {facts['languages']} languages.",
        "Conditions share heads, order and data of a seed, so that differences pair.",
        *(text for kind, text in ways.items() if kind in kinds),
        "p-values are corrected by Holm's method, those of registered contrasts apart from the others; the "
        f"smallest difference that matters is {study.margin:g} point{'s' * (study.margin != 1)}.",
        registered.said(study),
        f"Statements are about {study.population} and {facts['base']}.",
    ]
    return " ".join(said)
