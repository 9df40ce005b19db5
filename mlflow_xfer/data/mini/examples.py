"""The generated tasks: what a row of each means (``draw``) and how it reads in a language (``render``).

A row's meaning never depends on the language: row i says the same in all of them, so every split has its
translations. No cue but the skill tells the label: frames, agents, places and adjectives are drawn without
regard to it, and choices differ in the concept asked for only.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from mlflow_xfer.data.mini.grammar import Grammar, Meaning, Token
from mlflow_xfer.data.mini.lexicon import NAMES, group, kind
from mlflow_xfer.data.mini.world import World

Draw = Callable[[random.Random, str, World, int], Any]


@dataclass(frozen=True)
class Examples:
    """A generated task: ``sizes`` are rows by split;
    ``splits_concepts`` tells whether the concept split matters.
    """

    draw: Draw  # (random, split, world, number of the row) -> the row's meaning
    render: Callable[[Grammar, Any], dict[str, Any]]
    sizes: Mapping[str, int]
    splits_concepts: bool = True


WORD = itemgetter(Token._fields.index("word"))  # by place: hundreds of thousands of sentences are joined


def text(tokens: list[Token] | tuple[Token, ...]) -> str:
    return " ".join(map(WORD, tokens))


def statement(rng: random.Random, *, verb: str = "", thing: str = "", tail: float = 0.7) -> Meaning:
    """A random statement about a thing; ``tail`` is the chance of a place,
    and of a time, and of an adjective.
    """
    return Meaning(
        agent=rng.choice(AGENTS),
        verb=verb or rng.choice(VERBS),
        object=thing or rng.choice(THINGS),
        adjective=rng.choice(ADJECTIVES) if rng.random() < tail / 2 else "",
        place=rng.choice(PLACES) if rng.random() < tail else "",
        time=rng.choice(TIMES) if rng.random() < tail / 2 else "",
    )


AGENTS = (*group("agent"), *NAMES)
VERBS, THINGS = group("verb"), group("thing")
ADJECTIVES, PLACES, TIMES = group("adjective"), group("place"), group("time")


# -- classification ------------------------------------------------------------------------------------------
def attribute(name: str, family: str = "thing", unseen: bool = False) -> Draw:
    """Does the thing have the attribute? With ``unseen`` each split shows its own things,
    else all of the family.
    """

    def draw(rng: random.Random, split: str, world: World, number: int) -> Any:
        concepts = world.folds[family][split] if unseen else group(family)
        concept = _balanced(rng, concepts, world.attributes[name], number % 2)
        return statement(rng, thing=concept), ("no", "yes")[number % 2]

    return draw


def polarity(name: str, unseen: bool = False) -> Draw:
    """Is the deed good? With ``unseen`` each split shows its own verbs."""

    def draw(rng: random.Random, split: str, world: World, number: int) -> Any:
        verbs = world.folds["polar"][split] if unseen else tuple(world.attributes[name])
        verb = _balanced(rng, verbs, world.attributes[name], number % 2)
        return statement(rng, verb=verb), ("bad", "good")[number % 2]

    return draw


def _balanced(rng: random.Random, concepts: tuple[str, ...], values: Mapping[str, int], value: int) -> str:
    return rng.choice([concept for concept in concepts if values[concept] == value])


def single(grammar: Grammar, item: Any) -> dict[str, Any]:
    return {"text_a": text(grammar.say(item[0])), "text_b": None, "label": item[1]}


# -- pairs ---------------------------------------------------------------------------------------------------
def consequence(name: str) -> Draw:
    """Does the state follow from the deed? Each state is as often right as wrong."""

    def draw(rng: random.Random, split: str, world: World, number: int) -> Any:
        results, verbs = world.results[name], group("cause")
        verb = verbs[(number // 2) % len(verbs)]
        cause = statement(rng, verb=verb)._replace(adjective="")
        state = results[verb]
        if number % 2:
            state = rng.choice([other for other in results.values() if other != state])
        return cause, state, ("yes", "no")[number % 2]

    return draw


def coherence(grammar: Grammar, item: Any) -> dict[str, Any]:
    cause, state, label = item
    return {
        "text_a": text(grammar.say(cause)),
        "text_b": text(grammar.describe(cause.object, state)),
        "label": label,
    }


NLI = ("entailment", "neutral", "contradiction")


def inference(rng: random.Random, split: str, world: World, number: int) -> Any:
    """Entailed: the same said with less. Contradicted: negated. Neutral: of another thing, negated or not."""
    label, negated = NLI[number % 3], bool((number // 3) % 2)
    premise = statement(rng)._replace(adjective="")
    hypothesis = Meaning(premise.agent, premise.verb, premise.object, negated=negated)
    premise = premise._replace(negated=negated != (label == "contradiction"))
    if label == "neutral":
        hypothesis = hypothesis._replace(
            object=rng.choice([thing for thing in THINGS if thing != premise.object])
        )
        premise = premise._replace(negated=rng.random() < 0.5)
    return premise, hypothesis, label


def pair(grammar: Grammar, item: Any) -> dict[str, Any]:
    return {"text_a": text(grammar.say(item[0])), "text_b": text(grammar.say(item[1])), "label": item[2]}


# -- tagging -------------------------------------------------------------------------------------------------
ROLES = {"S": "AGENT", "V": "DEED", "O": "THING", "P": "PLACE", "T": "TIME"}
NULL_TAGS = ("K0", "K1", "K2", "K3", "K4")
POSITIONS = tuple(f"W{number}" for number in range(8))


def scene(rng: random.Random, split: str, world: World, number: int) -> Meaning:
    return statement(rng, tail=0.8)._replace(negated=rng.random() < 0.2)


def deed(rng: random.Random, split: str, world: World, number: int) -> Meaning:
    """Statements, a fifth of them without an object."""
    meaning = scene(rng, split, world, number)
    return (
        meaning._replace(verb=rng.choice(group("act")), object="", adjective="")
        if rng.random() < 0.2
        else meaning
    )


def tagged(tag: Callable[[int, Token], str]) -> Callable[[Grammar, Meaning], dict[str, Any]]:
    def render(grammar: Grammar, meaning: Meaning) -> dict[str, Any]:
        tokens = grammar.say(meaning)
        return {
            "words": [token.word for token in tokens],
            "tags": [tag(place, token) for place, token in enumerate(tokens)],
        }

    return render


def _concept_tag(place: int, token: Token) -> str:
    """An arbitrary tag of the concept: a permuted mapping has nothing to say about roles."""
    return NULL_TAGS[sum(token.concept.encode()) % len(NULL_TAGS)] if token.concept else "O"


def _type_tag(place: int, token: Token) -> str:
    return kind(token.concept).upper() if token.pos in ("NOUN", "PROPN") and token.slot in ("S", "O") else "O"


# -- multiple choice -----------------------------------------------------------------------------------------
def choice(family: str, *names: str) -> Draw:
    """Which thing has the attribute (all the attributes)? Each split shows its own concepts.

    With two attributes each wrong choice lacks one of them: one skill alone does not tell.
    """

    def draw(rng: random.Random, split: str, world: World, number: int) -> Any:
        concepts, values = world.folds[family][split], [world.attributes[name] for name in names]
        wanted = [(1,) * len(names)] + [
            tuple(int(i != miss) for i in range(len(names))) for miss in range(len(names))
        ]
        options = [
            rng.choice([c for c in concepts if tuple(value[c] for value in values) == cell])
            for cell in wanted
        ]
        return _asked(rng, number, options)

    return draw


def _asked(rng: random.Random, number: int, options: list[str]) -> Any:
    """Options (the first is right) in an order that rotates, under a scene that tells nothing."""
    label = number % len(options)
    right, *wrong = options
    wrong = rng.sample(wrong, len(wrong))
    asked = Meaning(rng.choice(AGENTS), rng.choice(VERBS))
    return asked, rng.choice(group("act")), (*wrong[:label], right, *wrong[label:]), label


def same_kind(rng: random.Random, split: str, world: World, number: int) -> Any:
    """Which is of the same natural class as the thing in the context?"""
    shown = rng.choice(THINGS)
    right = rng.choice([thing for thing in THINGS if kind(thing) == kind(shown) and thing != shown])
    wrong = rng.choice([thing for thing in THINGS if kind(thing) != kind(shown)])
    asked, _, choices, label = _asked(rng, number, [right, wrong])
    return asked._replace(object=shown), asked.verb, choices, label


def which(grammar: Grammar, item: Any) -> dict[str, Any]:
    asked, act, choices, label = item
    scene = asked._replace(verb=act)
    return {
        "context": text(grammar.say(scene)),
        "question": text(grammar.ask("what", asked._replace(object=""))),
        "choices": [text(grammar.phrase(concept)) for concept in choices],
        "label": label,
    }


def effect(rng: random.Random, split: str, world: World, number: int) -> Any:
    """What state follows from the deed? Each split shows its own deeds;
    the wrong state follows from another of them.
    """
    verbs = world.folds["cause"][split]
    verb = verbs[(number // 2) % len(verbs)]
    right, wrong = kind(verb), kind(rng.choice([other for other in verbs if other != verb]))
    return (
        statement(rng, verb=verb)._replace(adjective=""),
        (right, wrong) if number % 2 else (wrong, right),
        1 - number % 2,
    )


def outcome(grammar: Grammar, item: Any) -> dict[str, Any]:
    cause, states, label = item
    return {
        "context": text(grammar.say(cause)),
        "question": text(grammar.ask("then", cause)),
        "choices": [text(grammar.describe(cause.object, state)) for state in states],
        "label": label,
    }


# -- span QA -------------------------------------------------------------------------------------------------
ASKED = (("who", "agent", "S"), ("what", "object", "O"), ("where", "place", "P"))


def question(unseen: bool) -> Draw:
    """Who, what or where? With ``unseen`` each split asks about its own things."""

    def draw(rng: random.Random, split: str, world: World, number: int) -> Any:
        thing = rng.choice(world.folds["thing"][split] if unseen else THINGS)
        told = statement(rng, thing=thing, tail=0.8)._replace(place=rng.choice(PLACES))
        return told, ASKED[number % len(ASKED)]

    return draw


def answer(grammar: Grammar, item: Any) -> dict[str, Any]:
    told, (word, field, slot) = item
    tokens = grammar.say(told)
    wanted = [place for place, token in enumerate(tokens) if token.slot == slot]
    start = len(text(tokens[: wanted[0]])) + (wanted[0] > 0)
    return {
        "context": text(tokens),
        "question": text(grammar.ask(word, told._replace(time="", **{field: ""}))),
        "answers": {"text": [text(tokens[wanted[0] : wanted[-1] + 1])], "answer_start": [start]},
    }


# -- retrieval -----------------------------------------------------------------------------------------------
def sentence(rng: random.Random, split: str, world: World, number: int) -> Meaning:
    return statement(rng, tail=1.0)


def bitext(english: Grammar) -> Callable[[Grammar, Meaning], dict[str, Any]]:
    return lambda grammar, meaning: {
        "source": text(grammar.say(meaning)),
        "target": text(english.say(meaning)),
    }
