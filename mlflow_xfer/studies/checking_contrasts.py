"""What is wrong with a contrast of a study."""

from __future__ import annotations

import math
from collections import Counter

from mlflow_xfer.errors import Problems, few
from mlflow_xfer.registry import unknown
from mlflow_xfer.stats.sets import FEWEST
from mlflow_xfer.studies.study import KINDS, SIZE, Contrast, Study

BY_SIDE = ("spread", "best", "sets")
"""Kinds that take arms by the sign of their weight."""
WITH_LESS = ("effect", "equivalence", "sets")
"""Kinds that can be differences of differences between targets."""


def check_contrast(study: Study, one: Contrast, targets: tuple[str, ...], problems: Problems) -> None:
    """Add what is wrong with a contrast of ``study``, which is about ``targets`` where these were given."""
    where = f"Study {study.name}, contrast {one.name!r}"
    if one.kind not in KINDS:
        problems.add(unknown(f"kind of contrast ({where})", one.kind, KINDS))
        return
    _check_weights(where, study, one, problems)
    _check_kind(where, study, one, problems)
    _check_targets(where, one, targets or study.targets(), problems)


def _check_weights(where: str, study: Study, one: Contrast, problems: Problems) -> None:
    names = [arm.name for arm in study.arms]
    for name in one.weights:
        if name not in names:
            problems.add(unknown(f"arm ({where})", name, names))
    for name, weight in one.weights.items():
        if not math.isfinite(weight) or not weight and one.kind in BY_SIDE:
            problems.add(
                f"{where}: the weight of {name} is {weight:g}.",
                "Give those on one side positive numbers and those on the other negative ones.",
            )
            return
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


def _check_kind(where: str, study: Study, one: Contrast, problems: Problems) -> None:
    """What each kind asks for besides."""
    signs = [weight > 0 for weight in one.weights.values()]
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


def _check_targets(where: str, one: Contrast, known: tuple[str, ...], problems: Problems) -> None:
    if one.less and one.kind not in WITH_LESS:
        problems.add(
            f"{where}: kind={one.kind} takes no `less`.", f"It belongs to the kinds {', '.join(WITH_LESS)}."
        )
    if one.less and len(one.less) != len(one.targets):
        problems.add(
            f"{where}: {len(one.targets)} targets less {len(one.less)}.",
            "Name as many in `less` as in `targets`.",
        )
    pairs = list(zip(one.targets, one.less, strict=False)) if one.less else list(one.targets)
    if twice := [pair for pair, count in Counter(pairs).items() if count > 1]:
        named = [pair if isinstance(pair, str) else " less ".join(pair) for pair in twice]
        problems.add(f"{where}: its targets name {few(named)} twice.", "Name each once.")
    if same := [target for target, less in zip(one.targets, one.less, strict=False) if target == less]:
        problems.add(
            f"{where}: {few(same)} less {few(same)} is 0 whatever comes out.",
            "Name in `less` other targets than in `targets`.",
        )
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
