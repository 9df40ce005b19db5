"""What is true in the world of mini: which concepts a split shows, and which latent attributes they have.

Attributes are arbitrary (no text says them), so that a target task on unseen concepts cannot be learnt from its
own rows. A concept split redraws attributes and folds; it is one factor of a replicate's seed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mlflow_xfer.data.mini.lexicon import group, kind

CONCEPT_SPLITS = 10
SHARES = {"train": 1 / 3, "validation": 1 / 6, "test": 1 / 2}  # of a family's concepts, in a target's splits
FAMILIES = ("thing", "bio", "legal")


@dataclass(frozen=True)
class World:
    """One concept split.

    ``folds[family][split]`` are the concepts that a concept-disjoint target shows in a split;
    ``attributes[name][concept]`` is 0 or 1, balanced in every fold and, pairwise with ``a``, in every cell.
    """

    folds: Mapping[str, Mapping[str, tuple[str, ...]]]
    attributes: Mapping[str, Mapping[str, int]]
    results: Mapping[str, Mapping[str, str]]  # verb -> the state it causes: "true", and "null" with states permuted


@lru_cache(maxsize=CONCEPT_SPLITS)
def world(concept_split: int) -> World:
    """The world of a concept split."""
    rng = random.Random(f"world/{concept_split}")
    folds, attributes = {}, {name: {} for name in ("a", "b", "null", "good", "good_null")}
    for family in FAMILIES:
        folds[family] = _folds(group(family), rng)
        for concepts in folds[family].values():
            for first, concept in enumerate(concepts):
                attributes["a"][concept] = first % 2
            for name in ("b", "null"):
                _cross(attributes["a"], concepts, attributes[name], rng)
    polar = [verb for verb in group("verb") if kind(verb) != "neutral"]
    folds["polar"] = _stratified(polar, rng)
    for concepts in folds["polar"].values():
        for verb in concepts:
            attributes["good"][verb] = int(kind(verb) == "good")
    _cross(attributes["good"], polar, attributes["good_null"], rng)
    folds["cause"] = _folds(group("cause"), rng)
    true = {verb: kind(verb) for verb in group("cause")}
    return World(folds, attributes, {"true": true, "null": _deranged(true, rng)})


def _folds(concepts: Sequence[str], rng: random.Random) -> dict[str, tuple[str, ...]]:
    order, found, start = rng.sample(concepts, len(concepts)), {}, 0
    for split, share in SHARES.items():
        stop = start + round(share * len(concepts))
        found[split] = tuple(order[start:stop])
        start = stop
    return found


def _stratified(verbs: Sequence[str], rng: random.Random) -> dict[str, tuple[str, ...]]:
    """Folds with as many good as bad verbs."""
    halves = [_folds([verb for verb in verbs if kind(verb) == value], rng) for value in ("good", "bad")]
    return {split: halves[0][split] + halves[1][split] for split in SHARES}


def _cross(given: Mapping[str, int], concepts: Sequence[str], into: dict[str, int], rng: random.Random) -> None:
    """Give ``concepts`` a second attribute that says nothing about the given one."""
    for value in (0, 1):
        cell = [concept for concept in concepts if given[concept] == value]
        for number, concept in enumerate(rng.sample(cell, len(cell))):
            into[concept] = number % 2


def _deranged(mapping: Mapping[str, str], rng: random.Random) -> dict[str, str]:
    """The same values on other keys, none in its place."""
    order = rng.sample(sorted(mapping), len(mapping))
    return {verb: mapping[order[number - 1]] for number, verb in enumerate(order)}
