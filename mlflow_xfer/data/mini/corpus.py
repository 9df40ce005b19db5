"""The pre-training text of mini: monolingual, code-switched and parallel documents, phrases and a dictionary.

It depends on nothing but the generator's version, not on concept splits or seeds. What is done to a thing,
where and when follows its latent attributes (``world.py``): with uniform slots text would say nothing about
what a word means. The dictionary is read first (``stage``). Low-resource languages have a small share of
sentences and no dictionary or phrase.
"""

from __future__ import annotations

import random
from functools import lru_cache

from mlflow_xfer.data.mini.examples import statement, text
from mlflow_xfer.data.mini.grammar import Grammar, Meaning, Token, grammar, rules
from mlflow_xfer.data.mini.lexicon import concepts, group, kind
from mlflow_xfer.data.mini.world import truth

NOUNS = group("thing", "bio", "legal")
PREFERENCE = 0.9
SWITCHED = 0.8  # of a code-switched sentence's phrases
ENTRIES = 3  # of the dictionary, in one document: with six, pairs are found four times as late
SIZES = {"dictionary": 6000, "phrase": 1200, "parallel": 4400, "codeswitched": 3400, "monolingual": 1600}
MORE = 6000
"""Sentences of each language in the further text."""

AVERAGE = {0: (5.6, 12.9), 1: (7.0, 9.0)}
"""About how many words and tokens a document of the corpus and of the further text has: words of its first
text, tokens of both and of what is set between."""

LOW_SIZES = {"dictionary": 0, "phrase": 0, "parallel": 60, "codeswitched": 0, "monolingual": 120}


def low_resource(language: str) -> bool:
    return bool(rules()[language].get("low_resource"))


def rich_languages() -> tuple[str, ...]:
    """Languages with a dictionary, English first."""
    return tuple(language for language in rules() if not low_resource(language))


def size(language: str, more: int) -> int:
    """How many documents there are."""
    return MORE if more else sum((LOW_SIZES if low_resource(language) else SIZES).values())


def documents(language: str) -> list[dict]:
    """The corpus of one language: ``id``, ``text``, ``text_b`` (a translation, or None), ``kind``."""
    rng = random.Random(f"corpus/{language}")
    own, sizes = grammar(language), LOW_SIZES if low_resource(language) else SIZES
    others = [grammar(code) for code in rich_languages() if code != language]
    texts: list[tuple[str, str, str | None]] = []
    texts += [("dictionary", *_entries(rng, own, others)) for _ in range(sizes["dictionary"])]
    texts += [("phrase", *_phrase(rng, own, _other(rng, others))) for _ in range(sizes["phrase"])]
    for _ in range(sizes["parallel"]):
        meaning = preferred(rng)
        texts.append(("parallel", text(told(meaning, own)), text(told(meaning, _other(rng, others)))))
    for _ in range(sizes["codeswitched"]):
        texts.append(("codeswitched", *_switched(rng, own, others)))
    for _ in range(sizes["monolingual"]):
        texts.append(("monolingual", text(told(preferred(rng), own)), None))
    return [
        {
            "id": f"{language}-{number}",
            "text": first,
            "text_b": second,
            "kind": sort,
            "stage": str(int(sort != "dictionary")),
        }
        for number, (sort, first, second) in enumerate(texts)
    ]


def more(language: str) -> list[dict]:
    """Further monolingual text, as many sentences in every language; columns of :func:`documents`."""
    rng, own = random.Random(f"corpus/more/{language}"), grammar(language)
    return [
        {
            "id": f"{language}-more-{number}",
            "text": text(told(preferred(rng), own)),
            "text_b": None,
            "kind": "monolingual",
            "stage": "1",
        }
        for number in range(MORE)
    ]


def _other(rng: random.Random, others: list[Grammar]) -> Grammar:
    """English nine times of ten: the pivot of most real parallel text."""
    return others[0] if rng.random() < 0.9 else rng.choice(others)


def preferred(rng: random.Random) -> Meaning:
    """A statement as this world makes them: what goes with a thing follows its attributes nine times of ten.

    One in ten has no thing, one in ten tells of a deed that changes a thing's state, one in ten is negated.
    """
    thing, sort = rng.choice(NOUNS), rng.random()
    said, negated = statement(rng, thing=thing), rng.random() < 0.1
    if sort < 0.1:
        return said._replace(verb=rng.choice(group("act")), object="", adjective="", negated=negated)
    known = truth()
    a, b, halves = (
        known.attributes["a"][thing],
        known.attributes["b"][thing],
        known.halves[concepts()[thing].group],
    )

    def like(sides: tuple[tuple[str, ...], ...], value: int) -> str:
        return rng.choice(sides[value if rng.random() < PREFERENCE else 1 - value])

    verb = like(halves["verb"], a) if sort < 0.9 else rng.choice(group("cause"))
    deed = kind(verb)
    return Meaning(
        agent=like(known.agents, int(deed == "good")) if deed in ("good", "bad") else said.agent,
        verb=verb,
        object=thing,
        adjective=said.adjective and like(halves["adjective"], a),
        place=said.place and like(halves["place"], b),
        time=said.time and like(halves["time"], b),
        negated=negated,
    )


def told(meaning: Meaning, own: Grammar) -> list[Token]:
    """A statement; a deed that changes a thing's state is followed by that state."""
    if not meaning.negated and meaning.object and concepts()[meaning.verb].group == "cause":
        return own.say(meaning) + own.conclude(meaning.object, kind(meaning.verb))
    return own.say(meaning)


def _entries(rng: random.Random, own: Grammar, others: list[Grammar]) -> tuple[str, str]:
    """Some concepts, and the same in the same order, each in any other language that has a dictionary.

    Where the language of a masked word cannot be told, its translations are the answer alike: their (tied)
    embeddings grow together, which whole sentences do slowly.
    """
    entries = [
        (rng.choice(NOUNS if rng.random() < 0.6 else _cited_concepts()), rng.choice(("bare", "object")))
        for _ in range(ENTRIES)
    ]
    return " ".join([_cited(own, *e) for e in entries]), " ".join(
        [_cited(_other(rng, others), *e) for e in entries]
    )


@lru_cache(maxsize=1)
def _cited_concepts() -> tuple[str, ...]:
    return tuple(concept.name for concept in concepts().values() if concept.group != "name")


@lru_cache(maxsize=16384)
def _cited(grammar: Grammar, concept: str, case: str) -> str:
    """A concept as a dictionary lists it: without articles and prepositions, nouns in one of their cases."""
    sort = concepts()[concept].group
    if sort in ("verb", "cause", "act"):
        return text(grammar.verb(concept))
    if sort == "adjective":
        return text(grammar.predicate(concept, "book"))
    words = grammar.adverbial(concept) if sort in ("place", "time") else grammar.phrase(concept, case=case)
    return text([token for token in words if token.pos not in ("DET", "ADP")])


def _phrase(rng: random.Random, own: Grammar, other: Grammar) -> tuple[str, str]:
    """A noun phrase, a verb with its object, a predicate or a question, and its translation."""
    thing, sort = rng.choice(NOUNS), rng.randrange(6)
    meaning = preferred(rng)._replace(object=thing)
    say = {
        0: lambda g: g.phrase(thing, meaning.adjective or "big", "object"),
        1: lambda g: g.phrase(meaning.agent, "", "subject"),
        2: lambda g: g.verb(meaning.verb) + g.phrase(thing, "", "object"),
        3: lambda g: g.describe(thing, rng_state),
        4: lambda g: g.ask(asked, meaning),
        5: lambda g: g.ask("then", meaning),
    }[sort]
    asked, rng_state = rng.choice(("who", "what", "where")), kind(rng.choice(group("cause")))
    meaning = (
        meaning._replace(
            **{"who": {"agent": ""}, "what": {"object": "", "adjective": ""}, "where": {"place": ""}}[asked]
        )
        if sort == 4
        else meaning
    )
    return text(say(own)), text(say(other))


def _switched(rng: random.Random, own: Grammar, others: list[Grammar]) -> tuple[str, str | None]:
    """A sentence in the order of ``own``, most phrases in whatever language;
    half of the time beside the English original.

    What stands around a masked word does not tell its language then: words of all languages come to lie
    together, not in a region of each language's own, and what is fine-tuned on English words holds for the
    others.
    """
    meaning, languages = preferred(rng), [own, *others]
    said = {own.language: told(meaning, own)}
    words: list[str] = []
    tokens, start = said[own.language], 0
    while start < len(tokens):
        stop = start + 1
        while stop < len(tokens) and tokens[start].slot and tokens[stop].slot == tokens[start].slot:
            stop += 1
        segment = tokens[start:stop]
        if tokens[start].slot and rng.random() < SWITCHED:
            other = rng.choice(languages)
            if other.language not in said:
                said[other.language] = told(meaning, other)
            segment = [token for token in said[other.language] if token.slot == tokens[start].slot]
        words.append(text(segment))
        start = stop
    return " ".join(words), text(told(meaning, grammar("en"))) if rng.random() < 0.5 else None
