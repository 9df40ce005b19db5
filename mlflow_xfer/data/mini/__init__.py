"""The embedded suite `mini`: meanings of a small world,
rendered in ten real languages. README.md says what it is.

Everything is a pure function of the arguments and ``VERSION``: the same bytes in every process. ``VERSION``
is raised whenever a row or document changes (the golden file's test sees that); it is part of data
identities.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from mlflow_xfer.data.mini import corpus, examples
from mlflow_xfer.data.mini.examples import Examples
from mlflow_xfer.data.mini.grammar import grammar, rules
from mlflow_xfer.data.mini.world import CONCEPT_SPLITS, world
from mlflow_xfer.errors import XferError
from mlflow_xfer.registry import unknown

VERSION = 4

LARGE = {"train": 1200, "validation": 150, "test": 150}
FEW = {"train": 32, "validation": 100, "test": 200}  # targets: too few rows to learn the skill from

EXAMPLES: Mapping[str, Examples] = {
    "attribute": Examples(examples.attribute("a"), examples.single, LARGE),
    "attribute_twin": Examples(examples.attribute("a"), examples.single, LARGE),
    "attribute_null": Examples(examples.attribute("null"), examples.single, LARGE),
    "attribute_b": Examples(examples.attribute("b"), examples.single, LARGE),
    "bio_attribute": Examples(examples.attribute("a", "bio"), examples.single, LARGE),
    "legal_attribute": Examples(examples.attribute("a", "legal"), examples.single, LARGE),
    "polarity": Examples(examples.polarity("good"), examples.single, LARGE),
    "polarity_null": Examples(examples.polarity("good_null"), examples.single, LARGE),
    "coherence": Examples(examples.consequence("true"), examples.coherence, LARGE),
    "coherence_null": Examples(examples.consequence("null"), examples.coherence, LARGE),
    "nli": Examples(examples.inference, examples.pair, LARGE, False),
    "roles": Examples(
        examples.scene, examples.tagged(lambda _, token: examples.ROLES.get(token.slot, "O")), LARGE, False
    ),
    "roles_null": Examples(examples.scene, examples.tagged(examples._concept_tag), LARGE, False),
    "types": Examples(examples.scene, examples.tagged(examples._type_tag), LARGE, False),
    "position": Examples(
        examples.scene, examples.tagged(lambda place, _: examples.POSITIONS[min(place, 7)]), LARGE, False
    ),
    "same_kind": Examples(examples.same_kind, examples.which, LARGE, False),
    "questions": Examples(examples.question(False), examples.answer, LARGE, False),
    "holds": Examples(examples.attribute("a", unseen=True), examples.single, FEW),
    "choice": Examples(examples.choice("thing_pair", "a"), examples.which, FEW),
    "choice_both": Examples(examples.choice("thing", "a", "b"), examples.which, FEW),
    "bio_choice": Examples(examples.choice("bio_pair", "a"), examples.which, FEW),
    "legal_choice": Examples(examples.choice("legal_pair", "a"), examples.which, FEW),
    "mood": Examples(examples.polarity("good", unseen=True), examples.single, FEW),
    "effect": Examples(examples.effect, examples.outcome, FEW),
    "qa": Examples(examples.question(True), examples.answer, FEW | {"train": 128}),
    "pos": Examples(examples.deed, examples.tagged(lambda _, token: token.pos), FEW | {"train": 300}, False),
    "retrieval": Examples(
        examples.sentence, examples.bitext(grammar("en")), {"validation": 100, "test": 200}, False
    ),
}


def languages() -> tuple[str, ...]:
    """Codes of the languages, English first, the low-resource ones last."""
    return tuple(rules())


def low_resource() -> tuple[str, ...]:
    """Languages with a tiny share of the pre-training text and no dictionary."""
    return tuple(language for language in rules() if corpus.low_resource(language))


def parameters(name: str, seed: int) -> dict[str, int]:
    """The generator's parameters for a replicate: ``concept_split`` where the task's rows depend on it."""
    if name not in EXAMPLES:
        raise unknown("generated task", name, EXAMPLES)
    return {"concept_split": seed % CONCEPT_SPLITS if EXAMPLES[name].splits_concepts else 0}


def rows(name: str, split: str, language: str, *, concept_split: int = 0) -> list[dict[str, Any]]:
    """Rows of the generated task ``name``, in the canonical columns of its kind.

    Row i means the same in every language.

    Raises:
        XferError: unknown name, split or language, or a concept split that does not exist.
    """
    if name not in EXAMPLES:
        raise unknown("generated task", name, EXAMPLES)
    if split not in EXAMPLES[name].sizes:
        raise unknown(f"split of {name}", split, EXAMPLES[name].sizes)
    if concept_split not in range(CONCEPT_SPLITS):
        raise XferError(f"Unknown concept split {concept_split!r}.", f"Accepted: 0 to {CONCEPT_SPLITS - 1}")
    spoken, render = grammar(language), EXAMPLES[name].render
    return [
        {"id": f"{name}-{split}-{number}"} | render(spoken, item)
        for number, item in enumerate(_items(name, split, concept_split))
    ]


@lru_cache(maxsize=128)
def _items(name: str, split: str, concept_split: int) -> tuple[Any, ...]:
    """What the rows mean, in no language yet."""
    if not EXAMPLES[name].splits_concepts:
        concept_split = 0
    rng, entry = random.Random(f"{name}/{split}/{concept_split}"), EXAMPLES[name]
    return tuple(entry.draw(rng, split, world(concept_split), number) for number in range(entry.sizes[split]))


def text(language: str, more: int = 0) -> list[dict[str, Any]]:
    """The pre-training corpus of one language: ``id``, ``text``, ``text_b`` (its translation) or None,
    ``kind``; with ``more`` further text that the base has not read, as much in every language.

    Raises:
        XferError: mini does not have the language.
    """
    grammar(language)
    return corpus.more(language) if more else corpus.documents(language)


def text_size(language: str, more: int = 0) -> tuple[int, float, float]:
    """What :func:`text` has, without making it: documents, and about how many words and tokens in each."""
    return corpus.size(language, more), *corpus.AVERAGE[more]
