"""The pre-training text of mini: monolingual, code-switched and parallel documents, phrases and a dictionary.

It depends on nothing but the generator's version: not on concept splits, attributes or seeds. Things have verbs,
places and adjectives that they prefer: with uniform slots the text of one language would say nothing about what
a word means. Low-resource languages have a small share of sentences and no dictionary or phrase.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from mlflow_xfer.data.mini.examples import ADJECTIVES, PLACES, VERBS, statement, text
from mlflow_xfer.data.mini.grammar import Grammar, Meaning, Token, grammar, rules
from mlflow_xfer.data.mini.lexicon import concepts, group, kind

NOUNS = group("thing", "bio", "legal")
PREFERENCE = 0.85
SIZES = {"dictionary": 1, "phrase": 900, "parallel": 1200, "codeswitched": 1500, "monolingual": 600}
LOW_SIZES = {"parallel": 60, "codeswitched": 0, "monolingual": 120}


def low_resource(language: str) -> bool:
    return bool(rules()[language].get("low_resource"))


def rich_languages() -> tuple[str, ...]:
    """Languages with a dictionary, English first."""
    return tuple(language for language in rules() if not low_resource(language))


def documents(language: str) -> list[dict]:
    """The corpus of one language: ``id``, ``text``, ``text_b`` (a translation, or None), ``kind``."""
    rng = random.Random(f"corpus/{language}")
    own, sizes = grammar(language), LOW_SIZES if low_resource(language) else SIZES
    others = [grammar(code) for code in rich_languages() if code != language]
    found: list[tuple[str, str, str | None]] = []
    if "dictionary" in sizes:
        found += [("dictionary", *pair) for pair in _dictionary(own, others)]
        found += [("phrase", *_phrase(rng, own, _other(rng, others))) for _ in range(sizes["phrase"])]
    for _ in range(sizes["parallel"]):
        meaning = preferred(rng)
        found.append(("parallel", text(own.say(meaning)), text(_other(rng, others).say(meaning))))
    for _ in range(sizes["codeswitched"]):
        found.append(("codeswitched", _switched(rng, own, others), None))
    for _ in range(sizes["monolingual"]):
        found.append(("monolingual", text(own.say(preferred(rng))), None))
    return [
        {"id": f"{language}-{number}", "text": first, "text_b": second, "kind": sort}
        for number, (sort, first, second) in enumerate(found)
    ]


def _other(rng: random.Random, others: list[Grammar]) -> Grammar:
    """English half of the time: the pivot of most real parallel text."""
    return others[0] if rng.random() < 0.5 else rng.choice(others)


@lru_cache(maxsize=1)
def _preferences() -> dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]]:
    """Three verbs, two places and two adjectives for each thing."""
    rng = random.Random("preferences")
    verbs = VERBS + group("cause")
    return {noun: (tuple(rng.sample(verbs, 3)), tuple(rng.sample(PLACES, 2)), tuple(rng.sample(ADJECTIVES, 2))) for noun in NOUNS}


def preferred(rng: random.Random) -> Meaning:
    """A statement about what its thing prefers; one in ten has no thing, one in ten is negated."""
    thing = rng.choice(NOUNS)
    meaning = statement(rng, thing=thing)
    if rng.random() < 0.1:
        return replace(meaning, verb=rng.choice(group("act")), object="", adjective="")
    verbs, places, adjectives = _preferences()[thing]
    chosen = {"verb": rng.choice(verbs if rng.random() < PREFERENCE else VERBS + group("cause")), "negated": rng.random() < 0.1}
    if meaning.place and rng.random() < PREFERENCE:
        chosen["place"] = rng.choice(places)
    if meaning.adjective and rng.random() < PREFERENCE:
        chosen["adjective"] = rng.choice(adjectives)
    return replace(meaning, **chosen)


def _dictionary(own: Grammar, others: list[Grammar]) -> Iterator[tuple[str, str]]:
    """Every concept with its translation into every other language that has a dictionary."""
    for concept in concepts().values():
        if concept.group == "name":
            continue
        for other in others:
            yield text(_cited(own, concept.name)), text(_cited(other, concept.name))


def _cited(grammar: Grammar, concept: str) -> tuple[Token, ...]:
    sort = concepts()[concept].group
    if sort in ("verb", "cause", "act"):
        return grammar.verb(concept)
    if sort in ("place", "time"):
        return grammar.adverbial(concept)
    if sort == "adjective":
        return grammar.predicate(concept, "book")
    return grammar.phrase(concept)


def _phrase(rng: random.Random, own: Grammar, other: Grammar) -> tuple[str, str]:
    """A noun phrase, a verb with its object, a predicate or a question, and its translation."""
    thing, sort = rng.choice(NOUNS), rng.randrange(6)
    meaning = replace(preferred(rng), object=thing)
    say = {
        0: lambda g: g.phrase(thing, meaning.adjective or "big", "object"),
        1: lambda g: g.phrase(meaning.agent, "", "subject"),
        2: lambda g: g.verb(meaning.verb) + g.phrase(thing, "", "object"),
        3: lambda g: g.describe(thing, rng_state),
        4: lambda g: g.ask(asked, meaning),
        5: lambda g: g.ask("then", meaning),
    }[sort]
    asked, rng_state = rng.choice(("who", "what", "where")), kind(rng.choice(group("cause")))
    meaning = replace(meaning, **{"who": {"agent": ""}, "what": {"object": "", "adjective": ""}, "where": {"place": ""}}[asked]) if sort == 4 else meaning
    return text(say(own)), text(say(other))


def _switched(rng: random.Random, own: Grammar, others: list[Grammar]) -> str:
    """A sentence some of whose phrases stand in another language."""
    meaning = preferred(rng)
    said = {"": own.say(meaning)}
    words: list[str] = []
    tokens, start = said[""], 0
    while start < len(tokens):
        stop = start + 1
        while stop < len(tokens) and tokens[start].slot and tokens[stop].slot == tokens[start].slot:
            stop += 1
        segment = tokens[start:stop]
        if tokens[start].slot and rng.random() < 0.5:
            other = rng.choice(others)
            if other.language not in said:
                said[other.language] = other.say(meaning)
            segment = [token for token in said[other.language] if token.slot == tokens[start].slot]
        words.append(text(segment))
        start = stop
    return " ".join(words)
