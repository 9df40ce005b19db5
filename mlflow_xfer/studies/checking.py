"""What is wrong with a study's declaration."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, get_args

from mlflow_xfer.errors import Problems, XferError, few
from mlflow_xfer.params.chain import PLACED, Transfer
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.reading import read
from mlflow_xfer.params.studies import EFFORTS, ScaleName
from mlflow_xfer.params.values import typed
from mlflow_xfer.registry import unknown
from mlflow_xfer.stats.estimate import LIKE_THESE, THESE
from mlflow_xfer.studies.checking_contrasts import check_contrast
from mlflow_xfer.studies.study import SECTIONS, Curve, Study

OF_CURVES = ("curve", "shots", "contributions", "morphology")
"""Sections that are about a study's curves."""
MOST_LOOKS = 20
OF_COMMAND = (*PLACED, "output", "verbose")
"""Parameters that a command is given, and no study says."""
REPLICATES = ("seeds", "base_seeds")


def check(study: Study, targets: tuple[str, ...] = ()) -> None:
    """Refuse a declaration that contradicts itself.

    Args:
        targets: those that were given in place of the study's.

    Raises:
        XferError: everything that is wrong with it, at once.
    """
    problems, where = Problems(), f"Study {study.name}"
    _check_arms(study, problems)
    _check_numbers(study, problems)
    _check_designs(study, problems)
    if study.population not in (THESE, LIKE_THESE):
        problems.add(f"{where}: unknown population {study.population!r}.", f"Accepted: {THESE}, {LIKE_THESE}")
    for name in study.sections:
        if name not in SECTIONS:
            problems.add(unknown(f"section ({where})", name, SECTIONS))
    _check_names(where, "curve", (one.name for one in study.curves), problems)
    _check_curves(study, problems)
    _check_names(where, "contrast", (one.name for one in study.contrasts), problems)
    for one in study.contrasts:
        check_contrast(study, one, targets, problems)
    _check_parameters(study, problems)
    problems.raise_if_any()


def _check_names(where: str, what: str, names: Iterable[str], problems: Problems) -> None:
    for name, count in Counter(names).items():
        if not name.strip():
            problems.add(f"{where}: {what} {name!r} has no name.", f"Give every {what} a `name`.")
        elif count > 1:
            problems.add(f"{where}: {count} {what}s are named {name!r}.", f"Every {what} needs its own name.")


def _check_arms(study: Study, problems: Problems) -> None:
    where, names = f"Study {study.name}", [arm.name for arm in study.arms]
    _check_names(where, "arm", names, problems)
    if len(names) < 2:
        problems.add(
            f"{where} has {len(names)} arm{'s' * (len(names) != 1)}.", "A study compares at least two."
        )
    for arm in study.arms:
        if arm.against and arm.against not in names:
            problems.add(unknown(f"arm of {where}, with which {arm.name!r} is compared:", arm.against, names))
        elif arm.against and arm.against == arm.name:
            others = few(name for name in names if name != arm.name)
            problems.add(
                f"{where}: arm {arm.name!r} is compared with itself.",
                f"Name another arm in `against`: {others}",
            )
        for fact, value in arm.facts.items():
            if not math.isfinite(value):
                problems.add(f"{where}, arm {arm.name!r}: {fact} is {value:g}.", "Facts are numbers.")


def _check_numbers(study: Study, problems: Problems) -> None:
    where = f"Study {study.name}"
    if not 0 < study.margin < math.inf:
        problems.add(
            f"{where}: margin={study.margin} is not positive and finite.",
            "Give the smallest difference that matters, in points.",
        )
    if study.sd is not None and not 0 < study.sd < math.inf:
        problems.add(
            f"{where}: sd={study.sd:g} is not positive and finite.",
            "Give what a contrast is expected to vary by between seeds, in points, or leave it out.",
        )
    if not 1 <= study.looks <= MOST_LOOKS:
        problems.add(
            f"{where}: {study.looks} looks cannot be planned.", f"Plan at least one and at most {MOST_LOOKS}."
        )
    for effort, minutes in study.minutes.items():
        if not 0 < minutes < math.inf:
            problems.add(
                f"{where}: minutes of {effort} are {minutes:g}.", "Give a positive number, or leave it out."
            )


def _check_designs(study: Study, problems: Problems) -> None:
    """Refuse seeds, minutes, scales and efforts under names that no command can ask for."""
    where = f"Study {study.name}"
    scales = tuple(name for name in get_args(ScaleName) if name != "mini")
    asked: list[tuple[str, Iterable[str], tuple[str, ...]]] = [
        ("effort (seeds", study.seeds, EFFORTS),
        ("effort (minutes", study.minutes, EFFORTS),
        ("effort (efforts", study.efforts, EFFORTS),
        ("scale (scales", study.scales, scales),
    ]
    for kind, there in (("scales", study.scales), ("efforts", study.efforts)):
        asked += [(f"effort ({kind}.{name}.seeds", one.seeds, EFFORTS) for name, one in there.items()]
    for what, names, known in asked:
        for name in names:
            if name not in known:
                problems.add(unknown(f"{what} of {where})", name, known))


def _check_parameters(study: Study, problems: Problems) -> None:
    """Refuse parameters that no transfer takes, and those that one arm cannot have for itself: all arms are
    run by one command, on the same seeds."""
    where = f"Study {study.name}"
    try:
        shared = read(Transfer, study.shared)
    except XferError as error:
        problems.add(f"{where}, shared: {error.what}", error.hint)
        return
    known = parameters(Transfer)
    for name in OF_COMMAND:
        if name in _names(study.shared):
            problems.add(
                f"{where}, shared: {name} is no part of a study.", f"Give it to the command: --{name}"
            )
    for arm in study.arms:
        try:
            own = read(Transfer, {**study.shared, **arm.params})
        except XferError as error:
            problems.add(f"{where}, arm {arm.name!r}: {error.what}", error.hint)
            continue
        for name in _names(arm.params) & known.keys():
            alike = known[name].effect == "runtime" or name in ("reuse", *OF_COMMAND, *REPLICATES)
            if alike and getattr(own, name) != getattr(shared, name):
                reason = "pair by seed" if name in REPLICATES else "are run by one command"
                problems.add(
                    f"{where}, arm {arm.name!r}: {name}={typed(getattr(own, name))} is not what the other "
                    "arms have.",
                    f"Arms {reason}: say {name} once, in `shared` or with the command.",
                )


def _names(params: Mapping[str, Any]) -> set[str]:
    return {name.replace("-", "_") for name in params}


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
