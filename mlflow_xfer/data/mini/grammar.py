"""From a meaning to words: one :class:`Grammar` per language, driven by ``grammar.yaml`` and the lexicon."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

from mlflow_xfer.data.mini.lexicon import Concept, concepts
from mlflow_xfer.registry import unknown

VOWELS = "aeıioöuü"
HARMONY = {"a": "ı", "ı": "ı", "e": "i", "i": "i", "o": "u", "u": "u", "ö": "ü", "ü": "ü"}


class Token(NamedTuple):
    """A word with its part of speech (UPOS),
    the slot it fills ("" for literals) and its concept ("" likewise).
    """

    word: str
    pos: str
    slot: str = ""
    concept: str = ""


class Meaning(NamedTuple):
    """Who does what to what, where and when. Every field but ``agent`` may be empty.
    (A tuple: hundreds of thousands are made.)
    """

    agent: str
    verb: str = ""
    object: str = ""
    adjective: str = ""  # of the object
    place: str = ""
    time: str = ""
    negated: bool = False


SLOTS = {
    "S": ("agent", None),
    "V": ("verb", None),
    "V-": ("verb", None),
    "O": ("object", "adjective"),
    "B": ("object", None),
    "X": ("adjective", "object"),
    "P": ("place", None),
    "T": ("time", None),
}
"""By slot of a template: the field of a meaning that it says, and the one that its form depends on too: an
object's adjective, and what a predicate is said of."""


class Step(NamedTuple):
    """An item of a template, compiled: a literal,
    or a slot with the places of its fields and the words known for their values.
    """

    literal: Token | None
    slot: str
    field: int
    beside: int | None
    known: dict[Any, tuple[Token, ...]]


@lru_cache(maxsize=1)
def rules() -> dict[str, dict[str, Any]]:
    """``grammar.yaml`` by language, English first."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(  # nosec B506
        (files("mlflow_xfer.data.mini") / "grammar.yaml").read_text(encoding="utf-8"), Loader=loader
    )


@lru_cache(maxsize=32)
def grammar(language: str) -> Grammar:
    """The grammar of ``language``; raises :class:`XferError` if mini has none."""
    if language not in rules():
        raise unknown("language of mini", language, rules())
    return Grammar(language, rules()[language])


class Grammar:
    """Renders meanings in one language. Noun phrases are cached: there are few, and sentences are many."""

    def __init__(self, language: str, rule: dict[str, Any]):
        self.language, self.rule = language, rule
        self._phrases: dict[tuple[str, ...], tuple[Token, ...]] = {}
        self._templates: dict[str, tuple[Token, ...]] = {}
        self._steps: dict[str, tuple[Step, ...]] = {}

    def say(self, meaning: Meaning) -> list[Token]:
        """A statement."""
        return self._fill("negated" if meaning.negated else "statement", meaning)

    def ask(self, word: str, meaning: Meaning) -> list[Token]:
        """A question for ``what`` (the object), ``who`` (the agent) or ``where`` (the place)."""
        return self._fill(word, meaning)

    def describe(self, noun: str, adjective: str) -> list[Token]:
        """``noun`` is ``adjective``."""
        return self._fill("predicate", Meaning("", object=noun, adjective=adjective))

    def conclude(self, noun: str, adjective: str) -> list[Token]:
        """And then ``noun`` is ``adjective``."""
        meaning = Meaning("", object=noun, adjective=adjective)
        if "consequence" in self.rule:
            return self._fill("consequence", meaning)
        return self._fill("then", meaning) + self._fill("predicate", meaning)

    def phrase(self, noun: str, adjective: str = "", case: str = "bare", slot: str = "") -> tuple[Token, ...]:
        """A noun phrase in a case: ``subject``, ``object``, or ``bare`` as it is cited."""
        key = (noun, adjective, case)
        if key not in self._phrases:
            self._phrases[key] = self._noun_phrase(concepts()[noun], adjective, case)
        return (
            tuple(token._replace(slot=slot) for token in self._phrases[key]) if slot else self._phrases[key]
        )

    def adverbial(self, concept: str, slot: str = "") -> tuple[Token, ...]:
        """A place or time as it stands in the lexicon."""
        words = concepts()[concept].cells[self.language].split()
        plain = "ADV" if concepts()[concept].group == "time" and len(words) == 1 else "NOUN"
        return tuple(Token(word, self.rule["words"].get(word, plain), slot, concept) for word in words)

    def verb(self, concept: str, form: str = "present", slot: str = "") -> tuple[Token, ...]:
        """A verb's ``present`` or ``negative`` form."""
        cell, pattern = concepts()[concept].cells[self.language], self.rule["verb"][form]
        if "/" in cell:
            words = pattern.format(*cell.split("/")).split()
        else:
            first, *rest = cell.split()
            words = [pattern.format(first, s=_third_person(first), i=re.sub("a$", "i", first)), *rest]
        return tuple(Token(word, self.rule["words"].get(word, "VERB"), slot, concept) for word in words)

    def predicate(self, adjective: str, noun: str) -> tuple[Token, ...]:
        """An adjective as predicate of ``noun``."""
        cell, gender = concepts()[adjective].cells[self.language], self._gender(concepts()[noun])
        agree = self.rule.get("adjective", {}).get("agree")
        form = cell.rpartition("/")[2].partition(":")[0].lstrip("<")
        if agree == "gender":
            form = _feminine(form) if gender == "f" else form
        elif agree == "class":
            form = self._by_class(cell, gender)
        return tuple(Token(word, "ADJ", "X", adjective) for word in form.split())

    def _fill(self, name: str, meaning: Meaning) -> list[Token]:
        tokens: list[Token] = []
        for literal, slot, field, beside, known in self._steps.get(name) or self._compiled(name):
            if literal is not None:
                if (
                    not tokens or tokens[-1] != literal
                ):  # Afrikaans: nie … nie, but one where nothing stands between
                    tokens.append(literal)
            elif concept := meaning[field]:
                key = concept if beside is None else (concept, meaning[beside])
                words = known.get(key)
                if words is None:
                    words = known[key] = self._slot(
                        slot, str(concept), "" if beside is None else str(meaning[beside])
                    )
                tokens += words
        return tokens

    def _compiled(self, name: str) -> tuple[Step, ...]:
        """The template ``name``, its fields looked up once: sentences are hundreds of thousands."""
        place, steps = Meaning._fields.index, []
        for item in self._template(name):
            if item.pos:
                steps.append(Step(item, "", 0, None, {}))
            else:
                field, beside = SLOTS[item.word]
                steps.append(Step(None, item.word, place(field), place(beside) if beside else None, {}))
        return self._steps.setdefault(name, tuple(steps))

    def _slot(self, slot: str, concept: str, other: str) -> tuple[Token, ...]:
        """A slot's words; ``other`` is an object's adjective, or what a predicate is said of."""
        if slot == "S":
            return self.phrase(concept, "", "subject", "S")
        if slot == "O":
            return self.phrase(concept, other, "object", "O")
        if slot == "B":
            return self.phrase(concept, "", "bare", "B")
        if slot == "X":
            return self.predicate(concept, other)
        if slot in ("V", "V-"):
            return self.verb(concept, "negative" if slot == "V-" else "present", "V")
        return self.adverbial(concept, slot)

    def _template(self, name: str) -> tuple[Token, ...]:
        if name not in self._templates:
            pairs = (item.partition("/") for item in self.rule[name].split())
            self._templates[name] = tuple(Token(word, pos) for word, _, pos in pairs)
        return self._templates[name]

    def _noun_phrase(self, noun: Concept, adjective: str, case: str) -> tuple[Token, ...]:
        if noun.group == "name":
            return (
                Token(
                    _suffixed(noun.name, noun.name, self.rule.get("name", {}).get(case, "")),
                    "PROPN",
                    "",
                    noun.name,
                ),
            )
        gender, host = self._gender(noun), self.rule.get("adjective", {}).get("agree") == "host"
        words = self._noun(noun, "" if host and adjective else case).split()
        tokens: list[Token] = []
        for number, item in enumerate(self._template("np")):
            if item.pos:
                tokens.append(Token(item.word, item.pos, "", noun.name))
            elif item.word == "N":
                tokens.extend(Token(word, "NOUN", "", noun.name) for word in words)
            elif item.word == "D":
                tokens.append(Token(self._determiner(tokens, gender, case), "DET", "", noun.name))
            elif adjective and self._stands_here(adjective, number):
                tokens.extend(
                    Token(word, "ADJ", "", adjective)
                    for word in self._attribute(adjective, gender, case).split()
                )
        return tuple(tokens)

    def _stands_here(self, adjective: str, number: int) -> bool:
        """Where the phrase has two places for adjectives, only those marked ``<`` take the first."""
        if self.rule["np"].split().count("A") < 2:
            return True
        return (number == 0) == concepts()[adjective].cells[self.language].startswith("<")

    def _gender(self, noun: Concept) -> str:
        return noun.cells[self.language].rpartition(":")[0]

    def _noun(self, noun: Concept, case: str) -> str:
        cell = noun.cells[self.language].rpartition(":")[2]
        regular, _, irregular = cell.partition("=")
        stem, _, alternative = regular.partition("/")
        pattern = self.rule.get("noun", {}).get(case, "")
        if pattern == "alt":
            return alternative or stem
        if pattern and irregular:
            return irregular
        return _suffixed(stem, alternative or stem, pattern)

    def _determiner(self, before: list[Token], gender: str, case: str) -> str:
        table = self.rule["determiner"]
        if "ending" in table:
            return next(form for ending, form in table["ending"] if re.search(ending, before[-1].word))
        return table["object" if case == "object" else "subject"][gender]

    def _attribute(self, adjective: str, gender: str, case: str) -> str:
        cell, rule = concepts()[adjective].cells[self.language], self.rule.get("adjective", {})
        stem, _, before_suffix = cell.partition("/")[0].lstrip("<").partition(":")
        agree = rule.get("agree")
        if agree == "case":
            return (before_suffix or stem) + rule["object" if case == "object" else "subject"][gender]
        if agree == "gender":
            return _feminine(stem) if gender == "f" else stem
        if agree == "class":
            return self._by_class(cell, gender)
        if agree == "host":
            return _suffixed(stem, before_suffix or stem, self.rule["noun"].get(case, ""))
        return stem

    def _by_class(self, cell: str, noun_class: str) -> str:
        forms = cell.split("|")
        return forms[self.rule["adjective"]["order"][noun_class] % len(forms)]


def _third_person(verb: str) -> str:
    if re.search("[^aeiou]y$", verb):
        return verb[:-1] + "ies"
    return verb + ("es" if re.search("(s|x|z|ch|sh|o)$", verb) else "s")


def _feminine(adjective: str) -> str:
    return adjective[:-1] + "a" if adjective.endswith("o") else adjective


def _suffixed(stem: str, before_vowel: str, pattern: str) -> str:
    """``stem`` with a suffix as ``grammar.yaml`` writes it, such as ``+(y)I`` or ``+ak``."""
    if not pattern:
        return stem
    suffix, ends_in_vowel = pattern[1:], stem[-1] in VOWELS
    suffix = re.sub(r"\((\w)\)", r"\1" if ends_in_vowel else "", suffix)
    suffix = re.sub(r"\[(\w)\]", "" if ends_in_vowel else r"\1", suffix)
    if "I" in suffix:
        suffix = suffix.replace("I", HARMONY[next(letter for letter in reversed(stem) if letter in HARMONY)])
    if stem[-1] == "a" and suffix[0] == "a":
        return stem + suffix[1:]
    return (before_vowel if suffix[0] in VOWELS else stem) + suffix
