"""The lexicon of mini: concepts and how each language says them (``lexicon.csv``).

Marks inside a cell (a language's rules in ``grammar.yaml`` say how they are used):
``m:`` ``f:`` ``n:`` or a number in front is the gender or noun class; ``a/b`` gives a second form (German
accusative, Turkish or Basque stem before a vowel, Turkish negated verb, predicate form of an adjective);
``a=b`` an irregular object case; ``a:b`` an adjective's stem before a suffix; ``<a`` an adjective before
its noun; ``a|b|c|d`` the forms of a Swahili adjective in classes 1/3/11, 5, 7 and 9.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

NAMES = ("Anna", "Maria", "Omar", "Lena", "Tomas", "Sara", "David", "Nina", "Adam", "Emma", "Daniel", "Marta")
"""Names of persons, written alike in every language: the anchors that real corpora have too."""


@dataclass(frozen=True)
class Concept:
    """One meaning: ``group`` is its word class in the grammar (agent,
    thing, verb …), ``kind`` its natural class.
    """

    name: str
    group: str
    kind: str
    cells: Mapping[str, str]


@lru_cache(maxsize=1)
def concepts() -> Mapping[str, Concept]:
    """All concepts by name, in the file's order; names are concepts of the group ``name``."""
    text = (files("mlflow_xfer.data.mini") / "lexicon.csv").read_text(encoding="utf-8")
    lines = list(csv.DictReader(io.StringIO(text)))
    by_name = {}
    for line in lines:
        name, group, kind = line.pop("concept"), line.pop("class"), line.pop("kind")
        if name in by_name:
            raise ValueError(f"lexicon.csv: concept {name!r} stands twice")
        by_name[name] = Concept(name, group, kind, line)
    languages = next(iter(by_name.values())).cells
    return by_name | {name: Concept(name, "name", "person", dict.fromkeys(languages, name)) for name in NAMES}


@lru_cache(maxsize=64)
def group(*names: str) -> tuple[str, ...]:
    """Names of the concepts of these groups, in the file's order."""
    return tuple(concept.name for concept in concepts().values() if concept.group in names)


def kind(concept: str) -> str:
    return concepts()[concept].kind
