"""What is wrong with a study's declaration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

from mlflow_xfer.errors import Problems
from mlflow_xfer.registry import unknown
from mlflow_xfer.stats.estimate import LIKE_THESE, THESE
from mlflow_xfer.stats.sets import FEWEST
from mlflow_xfer.studies.study import KINDS, SECTIONS, SIZE, Contrast, Curve, Study

OF_CURVES = ("curve", "shots", "contributions", "morphology")
"""Sections that are about a study's curves."""


def check(study: Study, targets: tuple[str, ...] = ()) -> None:
    """Refuse a declaration that contradicts itself.

    Args:
        targets: those that were given in place of the study's.

    Raises:
        XferError: everything that is wrong with it, at once.
    """
    problems, names = Problems(), [arm.name for arm in study.arms]
    where = f"Study {study.name}"
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        problems.add(
            f"{where}: {names.count(name)} arms are named {name!r}.", "Every arm needs its own name."
        )
    if len(names) < 2:
        problems.add(f"{where} has {len(names)} arms.", "A study compares at least two.")
    for arm in study.arms:
        if arm.against and arm.against not in names:
            problems.add(unknown(f"arm of {where}, with which {arm.name!r} is compared:", arm.against, names))
    if not study.margin > 0:
        problems.add(
            f"{where}: margin={study.margin} is not positive.", "Give the smallest difference that matters."
        )
    if study.population not in (THESE, LIKE_THESE):
        problems.add(f"{where}: unknown population {study.population!r}.", f"Accepted: {THESE}, {LIKE_THESE}")
    if study.looks < 1:
        problems.add(f"{where}: {study.looks} looks cannot be planned.", "Plan at least one.")
    for name in study.sections:
        if name not in SECTIONS:
            problems.add(unknown(f"section ({where})", name, SECTIONS))
    _check_curves(study, problems)
    titles = [one.name for one in study.contrasts]
    for name in dict.fromkeys(name for name in titles if titles.count(name) > 1):
        problems.add(
            f"{where}: {titles.count(name)} contrasts are named {name!r}.", "Give each its own name."
        )
    for one in study.contrasts:
        _check_contrast(study, one, names, targets, problems)
    problems.raise_if_any()


def _check_curves(study: Study, problems: Problems) -> None:
    where, facts = f"Study {study.name}", {arm.name: arm.facts for arm in study.arms}
    for one in study.curves:
        lacking = [name for name in one.arms if one.axis not in facts.get(name, {})]
        if lacking:
            problems.add(
                f"{where}, curve {one.name!r}: {', '.join(lacking)} have no {one.axis!r}.",
                f"Name arms of the study whose `facts` say it: {', '.join(facts)}",
            )
            continue
        places = _places(one, facts)
        if len(places) < 2 or any(after <= before for before, after in pairwise(places)):
            said = ", ".join(f"{name} {place:g}" for name, place in zip(one.arms, places, strict=True))
            problems.add(
                f"{where}, curve {one.name!r}: {one.axis} does not rise from arm to arm: {said}.",
                f"Name at least two arms in the order of their {one.axis}.",
            )
    wanting = [name for name in study.sections if name in OF_CURVES]
    if not wanting or problems:
        return
    if not study.curves or "contributions" in wanting and not any(one.random for one in study.curves):
        problems.add(
            f"{where}: the sections {', '.join(wanting)} are about curves, and none is declared.",
            "Declare `curves` (contributions: some with random: true), or leave the sections out.",
        )
        return
    axes = dict.fromkeys(one.axis for one in study.curves)
    if len(axes) > 1:
        problems.add(
            f"{where}: its curves lie along {', '.join(axes)}, and {', '.join(wanting)} show them over one.",
            "Give all curves the same axis.",
        )
    elif "shots" in wanting and len({tuple(_places(one, facts)) for one in study.curves}) > 1:
        problems.add(
            f"{where}: its curves have arms at different {next(iter(axes))}; the section shots compares them "
            "place by place.",
            "Give every curve arms at the same places.",
        )


def _places(one: Curve, facts: Mapping[str, Mapping[str, float]]) -> list[float]:
    return [facts[name][one.axis] for name in one.arms]


def _check_contrast(
    study: Study, one: Contrast, names: list[str], targets: tuple[str, ...], problems: Problems
) -> None:
    where = f"Study {study.name}, contrast {one.name!r}"
    if one.kind not in KINDS:
        problems.add(unknown(f"kind of contrast ({where})", one.kind, KINDS))
        return
    for name in one.weights:
        if name not in names:
            problems.add(unknown(f"arm ({where})", name, names))
    signs = [weight > 0 for weight in one.weights.values()]
    if not (any(signs) and not all(signs)) or abs(sum(one.weights.values())) > 1e-9 and one.kind != "best":
        problems.add(
            f"{where}: its weights {dict(one.weights)} do not add up to 0.",
            "Give the arms on one side positive weights and those on the other negative ones.",
        )
    if one.kind == "best" and signs.count(False) != 1:
        problems.add(
            f"{where}: {signs.count(False)} arms have a negative weight.", "The best is compared with one."
        )
    if one.margin is not None and not 0 < one.margin < (1 if one.kind == "spread" else math.inf):
        problems.add(
            f"{where}: margin={one.margin:g}.",
            "Points are above 0; the ratio of two spreads is between 0 and 1.",
        )
    if one.kind == "sizes":
        sized = [
            name for name in one.weights if SIZE not in {a.name: a.facts for a in study.arms}.get(name, {})
        ]
        if sized:
            problems.add(f"{where}: {', '.join(sized)} have no {SIZE!r}.", "Say it in the arms' `facts`.")
        elif not _alike_at_each_size(study, one):
            problems.add(
                f"{where}: its weights are not the same at every {SIZE!r}.",
                "At each size those on one side add up to as much, and those on the other to minus that; of "
                "several models of one size give each its share.",
            )
    if one.kind == "order":
        curves = {curve.name for curve in study.curves}
        if one.measure not in curves:
            problems.add(unknown(f"curve ({where})", one.measure, curves))
        if not any(curve.random for curve in study.curves):
            problems.add(f"{where}: no curve is random.", "An order is compared with random ones.")
    if one.kind == "sets" and min(signs.count(True), signs.count(False)) < FEWEST:
        problems.add(
            f"{where}: {signs.count(True)} sets against {signs.count(False)}.",
            f"A sample of sets has at least {FEWEST} a side; kind=effect is about these sets.",
        )
    if one.kind == "spread" and len(one.weights) != 2:
        problems.add(f"{where}: {len(one.weights)} arms.", "A ratio of spreads compares two.")
    if one.less and len(one.less) != len(one.targets):
        problems.add(
            f"{where}: {len(one.targets)} targets less {len(one.less)}.",
            "Name as many in `less` as in `targets`.",
        )
    known = targets or study.targets()
    for name in (*one.targets, *one.less):
        if known and name not in known:
            problems.add(unknown(f"target ({where})", name, known))


def _alike_at_each_size(study: Study, one: Contrast) -> bool:
    """Whether the weighted sums of all sizes are the same sums."""
    sizes = {arm.name: arm.facts[SIZE] for arm in study.arms if arm.name in one.weights}
    sums = {
        size: [
            sum(
                sign * weight
                for name, weight in one.weights.items()
                if sizes[name] == size and sign * weight > 0
            )
            for sign in (1, -1)
        ]
        for size in sizes.values()
    }
    first = next(iter(sums.values()))[0]
    return all(math.isclose(side, first, abs_tol=1e-9) for sides in sums.values() for side in sides)
