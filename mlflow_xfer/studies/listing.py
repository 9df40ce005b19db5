"""What ``mlflow-xfer studies`` prints: all studies, a line each, or everything that one of them says."""

from __future__ import annotations

from mlflow_xfer.params.values import typed
from mlflow_xfer.reporting.columns import aligned
from mlflow_xfer.studies.found import studies, study
from mlflow_xfer.studies.study import Arm, Contrast, Study, seeds_of


def listed() -> str:
    rows = [
        [
            one.name,
            str(len(one.arms)),
            ",".join(one.targets()) or "suite",
            str(len(seeds_of(one))),
            _minutes(one),
            ",".join(("mini", *one.scales)),
            one.question,
        ]
        for one in studies().values()
    ]
    head = ["study", "arms", "targets", "seeds", "quick", "scales", "question"]
    return aligned(head, rows) + f"\n{len(rows)} studies; all that one says: mlflow-xfer studies NAME"


def explained(name: str) -> str:
    one = study(name)
    quick = f", {_minutes(one)} on two idle cores" if one.minutes else ""
    lines = [
        one.name,
        one.question,
        "",
        f"margin        {one.margin:g} point{'s' * (one.margin != 1)}",
        f"about         {one.population}",
        f"looks         {one.looks}, as seeds are added; each has its share of the 5 %",
        f"quick         {len(seeds_of(one))} seeds{quick}",
        f"registered    {len(seeds_of(one.at(effort='registered')))} seeds",
        f"what it costs: mlflow-xfer plan study --study {name}",
    ]
    for scale in ("mini", *one.scales):
        there = one.at(scale)
        shared = " ".join(f"{key}={typed(value)}" for key, value in there.shared.items())
        lines += ["", f"scale {scale}: needs {there.needs}", f"  shared: {shared}"]
        lines += [f"  arm {_arm(arm)}" for arm in there.arms]
        lines += [f"  contrast {_contrast(contrast)}" for contrast in there.contrasts]
    return "\n".join(
        [*lines, *(["", "Limits", *(f"  {limit}" for limit in one.limits)] if one.limits else [])]
    )


def _minutes(one: Study) -> str:
    quick = one.minutes.get("quick")
    return f"about {quick:g} min" if quick else "see plan"


def _arm(arm: Arm) -> str:
    said = " ".join(f"{key}={typed(value)}" for key, value in arm.params.items())
    return f"{arm.name}: {said}{f' (against {arm.against})' if arm.against else ''}"


def _contrast(one: Contrast) -> str:
    sides = " ".join(f"{weight:+.3g}·{name}" for name, weight in one.weights.items())
    where = f" on {','.join(one.targets)}" if one.targets else ""
    where += f" in {','.join(one.languages)}" if one.languages else ""
    less = f", less the same on {','.join(one.less)}" if one.less else ""
    return f"{one.name} ({one.kind}{', registered' if one.primary else ''}): {sides}{where}{less}"
