"""What is true in the world of mini, what its text shows of that, and which concepts a split shows.

Things have latent attributes. No text names them, but text shows them: what is done to a thing, where, and
which adjectives it takes depend on them (``halves``), as edible things are found in kitchens. So a
pre-trained model represents them, a target task with few rows does not tell which of a thing's many
properties is asked for, and an intermediate task that teaches the attribute does. Truths and text are the
same in every concept split; folds, the asked value and the permuted nulls are redrawn: a concept split is one
factor of a replicate's seed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mlflow_xfer.data.mini.lexicon import NAMES, group, kind

CONCEPT_SPLITS = 10
FAMILIES = ("thing", "bio", "legal")
SHOWN = {"thing": (4, 20), "bio": (4, 4), "legal": (4, 4), "polar": (4, 6), "cause": (4, 4)}
"""Concepts in a target's training rows, and in dev; the rest is tested. With four concepts dev asks the same
two questions again and again and says 0 or 100: where there are enough concepts, dev has more.
``<family>_pair`` has the same folds, but shows only two of the four in training, one that has attribute ``a``
and one that has not, alike in ``b``: four tell so much of what is asked for that little is left for an
intermediate task to teach."""


@dataclass(frozen=True)
class Truth:
    """What holds in every concept split.

    ``attributes`` gives each thing ``a`` and ``b`` (0 or 1; independent, and independent of its natural
    kind); ``halves[family][field][value]`` are the concepts that go with the family's things whose attribute
    has that value: ``verb`` and ``adjective`` follow ``a``, ``place`` and ``time`` follow ``b``; each family
    has halves of its own, so that what is learnt of one says nothing of another. ``agents`` follow the verb's
    polarity.
    """

    attributes: Mapping[str, Mapping[str, int]]
    halves: Mapping[str, Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]]
    agents: tuple[tuple[str, ...], tuple[str, ...]]


@lru_cache(maxsize=1)
def truth() -> Truth:
    rng = random.Random("truth")
    attributes: dict[str, dict[str, int]] = {"a": {}, "b": {}}
    for family in FAMILIES:
        # Dealt kind by kind: each kind has as many of every pair of values as its size allows.
        things = [
            thing
            for value in dict.fromkeys(map(kind, group(family)))
            for thing in _shuffled([t for t in group(family) if kind(t) == value], rng)
        ]
        for number, thing in enumerate(things):
            attributes["a"][thing], attributes["b"][thing] = number % 2, number // 2 % 2
    halves = {family: _halves(rng) for family in FAMILIES}
    return Truth(attributes, halves, _halved((*group("agent"), *NAMES), rng))


def _halves(rng: random.Random) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Halves of the deeds (as many good, bad and neutral in each), adjectives, places and times."""
    deeds = [
        deed
        for value in ("good", "bad", "neutral")
        for deed in _shuffled([v for v in group("verb") if kind(v) == value], rng)
    ]
    return {"verb": (tuple(deeds[::2]), tuple(deeds[1::2]))} | {
        field: _halved(group(field), rng) for field in ("adjective", "place", "time")
    }


@dataclass(frozen=True)
class World:
    """One concept split.

    ``folds[family][split]`` are the concepts that a concept-disjoint target shows in a split, balanced in
    what it asks; ``attributes[name][concept]`` is 0 or 1; ``results[name][verb]`` the state that a deed
    causes.
    """

    folds: Mapping[str, Mapping[str, tuple[str, ...]]]
    attributes: Mapping[str, Mapping[str, int]]
    results: Mapping[str, Mapping[str, str]]


@lru_cache(maxsize=CONCEPT_SPLITS)
def world(concept_split: int) -> World:
    """The world of a concept split. In odd ones the other value of every attribute is asked for."""
    rng, flipped = random.Random(f"world/{concept_split}"), concept_split % 2
    known = truth().attributes
    attributes: dict[str, dict[str, int]] = {
        name: {thing: value ^ flipped for thing, value in known[name].items()} for name in ("a", "b")
    }
    folds = {
        family: _folds(
            [_cell(group(family), known, cell) for cell in ((0, 0), (0, 1), (1, 0), (1, 1))],
            *SHOWN[family],
            rng,
        )
        for family in FAMILIES
    }
    folds |= {
        f"{family}_pair": _pair(folds[family], known["b"], random.Random(f"pair/{family}/{concept_split}"))
        for family in FAMILIES
    }
    polar = {verb: int(kind(verb) == "good") for verb in group("verb") if kind(verb) != "neutral"}
    attributes["good"] = polar
    folds["polar"] = _folds(
        [[verb for verb, value in polar.items() if value == side] for side in (0, 1)], *SHOWN["polar"], rng
    )
    attributes["null"], attributes["good_null"] = {}, {}
    for family in FAMILIES:
        _cross(known["a"], group(family), attributes["null"], rng)
    _cross(polar, tuple(polar), attributes["good_null"], rng)
    folds["cause"] = _folds([list(group("cause"))], *SHOWN["cause"], rng)
    true = {verb: kind(verb) for verb in group("cause")}
    return World(folds, attributes, {"true": true, "null": _deranged(true, rng)})


def _shuffled(concepts: Sequence[str], rng: random.Random) -> list[str]:
    return rng.sample(concepts, len(concepts))


def _halved(concepts: Sequence[str], rng: random.Random) -> tuple[tuple[str, ...], tuple[str, ...]]:
    order = _shuffled(concepts, rng)
    return tuple(order[::2]), tuple(order[1::2])


def _cell(
    concepts: Sequence[str], attributes: Mapping[str, Mapping[str, int]], values: tuple[int, int]
) -> list[str]:
    return [concept for concept in concepts if (attributes["a"][concept], attributes["b"][concept]) == values]


def _folds(
    cells: Sequence[Sequence[str]], trained: int, chosen: int, rng: random.Random
) -> dict[str, tuple[str, ...]]:
    """Concepts by split, as many of each cell:
    ``trained`` to train on, ``chosen`` to choose by, the rest to test.
    """
    first, second = trained // len(cells), (trained + chosen) // len(cells)
    folds: dict[str, tuple[str, ...]] = {"train": (), "validation": (), "test": ()}
    for cell in cells:
        order = _shuffled(cell, rng)
        for split, part in zip(folds, (order[:first], order[first:second], order[second:]), strict=True):
            folds[split] += tuple(part)
    return folds


def _pair(
    folds: Mapping[str, tuple[str, ...]], b: Mapping[str, int], rng: random.Random
) -> dict[str, tuple[str, ...]]:
    """The same folds with two concepts to train on: those that have the same value of ``b``."""
    value = rng.randrange(2)
    return {**folds, "train": tuple(concept for concept in folds["train"] if b[concept] == value)}


def _cross(
    given: Mapping[str, int], concepts: Sequence[str], into: dict[str, int], rng: random.Random
) -> None:
    """Give ``concepts`` a second attribute that says nothing about the given one."""
    for value in (0, 1):
        for number, concept in enumerate(
            _shuffled([concept for concept in concepts if given[concept] == value], rng)
        ):
            into[concept] = number % 2


def _deranged(mapping: Mapping[str, str], rng: random.Random) -> dict[str, str]:
    """The same values on other keys, none in its place."""
    order = _shuffled(sorted(mapping), rng)
    return {verb: mapping[order[number - 1]] for number, verb in enumerate(order)}
