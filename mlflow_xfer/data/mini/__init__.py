"""The embedded suite `mini`: meanings of a small world, rendered in several real languages.

Everything is a pure function of its arguments and ``VERSION``: the same bytes in every process.
"""

from __future__ import annotations

import random
from functools import lru_cache

from mlflow_xfer.registry import unknown

VERSION = 0

_PEOPLE = {
    "en": "teacher farmer doctor child singer pilot".split(),
    "de": "Lehrer Bauer Arzt Junge Sänger Pilot".split(),
    "es": "maestro granjero médico niño cantante piloto".split(),
    "id": "guru petani dokter anak penyanyi pilot".split(),
}
_THINGS = {
    "en": "apple chair book bread lamp boat car shirt".split(),
    "de": "Apfel Stuhl Buch Brot Lampe Boot Auto Hemd".split(),
    "es": "manzana silla libro pan lámpara barco coche camisa".split(),
    "id": "apel kursi buku roti lampu perahu mobil kemeja".split(),
}
_VERBS = {
    "en": "sees buys brings sells".split(),
    "de": "sieht kauft bringt verkauft".split(),
    "es": "ve compra trae vende".split(),
    "id": "melihat membeli membawa menjual".split(),
}
_TIMES = {
    "en": "today now often".split(),
    "de": "heute jetzt oft".split(),
    "es": "hoy ahora mucho".split(),
    "id": "hari-ini sekarang sering".split(),
}
_TAGS = ("NOUN", "VERB", "NOUN", "ADV")
_SIZES = {"train": 600, "validation": 100, "test": 100}


def languages() -> tuple[str, ...]:
    """Codes of the languages, English first."""
    return tuple(_PEOPLE)


def _words(meaning: tuple[int, ...], language: str) -> list[str]:
    return [table[language][index] for table, index in zip((_PEOPLE, _VERBS, _THINGS, _TIMES), meaning, strict=True)]


def _meaning(draw: random.Random) -> tuple[int, ...]:
    return tuple(draw.randrange(len(table["en"])) for table in (_PEOPLE, _VERBS, _THINGS, _TIMES))


@lru_cache(maxsize=256)
def rows(name: str, split: str, language: str, *, concept_split: int = 0) -> list[dict]:
    """Rows of the generated task ``name`` in the canonical columns of its kind.

    Raises:
        XferError: unknown name, split or language.
    """
    for what, value, known in (("generated task", name, _MAKERS), ("split", split, _SIZES), ("language of mini", language, languages())):
        if value not in known:
            raise unknown(what, value, known)
    draw = random.Random(f"{VERSION}/{name}/{split}/{concept_split}")
    return [{"id": f"{name}-{split}-{number}"} | _MAKERS[name](draw, language, number) for number in range(_SIZES[split])]


def _nli(draw: random.Random, language: str, number: int) -> dict:
    meaning, label = _meaning(draw), number % 3
    other = list(meaning)
    if label == 1:
        other[3] = draw.randrange(3)
    elif label == 2:
        other[2] = (meaning[2] + 1 + draw.randrange(7)) % 8
    hypothesis = _words(tuple(other), language)[: 3 if label != 1 else 4]
    return {
        "text_a": " ".join(_words(meaning, language)),
        "text_b": " ".join(hypothesis),
        "label": ("entailment", "neutral", "contradiction")[label],
    }


def _pos(draw: random.Random, language: str, number: int) -> dict:
    return {"words": _words(_meaning(draw), language), "tags": list(_TAGS)}


def _retrieval(draw: random.Random, language: str, number: int) -> dict:
    meaning = _meaning(draw)
    return {"source": " ".join(_words(meaning, language)), "target": " ".join(_words(meaning, "en"))}


_MAKERS = {"nli": _nli, "pos": _pos, "retrieval": _retrieval}


@lru_cache(maxsize=16)
def text(language: str) -> list[dict]:
    """The pre-training corpus of one language: ``id``, ``text``, and ``text_b`` (its translation) or None, ``kind``."""
    if language not in languages():
        raise unknown("language of mini", language, languages())
    draw = random.Random(f"{VERSION}/text/{language}")
    documents = []
    for number in range(500):
        meaning = _meaning(draw)
        parallel = language != "en" and number % 2 == 0
        documents.append(
            {
                "id": f"{language}-{number}",
                "text": " ".join(_words(meaning, language)),
                "text_b": " ".join(_words(meaning, "en")) if parallel else None,
                "kind": "parallel" if parallel else "monolingual",
            }
        )
    return documents
