"""The embedded suite `mini`: generated tasks that train in seconds on one CPU thread.

Tasks are made of latent skills (``skills``); a target has too few rows to learn its skill from, and tests
concepts that its training rows never show. ``EXPECTED`` declares, before any training, what each intermediate
task does to each target: ``+`` helps, ``-`` harms, ``0`` neither. ``data/mini/README.md`` says what the world
is and is not.
"""

from __future__ import annotations

from typing import Any

from mlflow_xfer.kinds.kind import KINDS
from mlflow_xfer.params.settings import Recipe
from mlflow_xfer.tasks.task import Generated, Suite, Task

LANGUAGES = ("en", "de", "es", "tr", "sw", "id", "vi", "af", "ht", "eu")
LOW_RESOURCE = ("af", "ht", "eu")  # a tiny share of the pre-training text, no dictionary

TARGETS = (
    "holds",
    "choice",
    "choice_both",
    "bio_choice",
    "legal_choice",
    "mood",
    "effect",
    "qa",
    "pos",
    "retrieval",
    "retrieval_centred",
)

TYPES = ("ANIMAL", "CLOTHING", "FOOD", "O", "OBJECT", "PERSON", "TOOL", "VEHICLE")
UPOS = ("ADJ", "ADP", "ADV", "AUX", "DET", "NOUN", "PART", "PROPN", "VERB")

PRETRAIN = Recipe(
    learning_rate=2.5e-3, num_train_epochs=1.0, train_batch_size=8, max_seq_length=64, warmup_ratio=0.06
)
"""Language modelling from random weights on ``text=mini``: one pass, the dictionary first."""

MLM_PROBABILITY = 0.45
"""Of that recipe: pairs of texts say everything twice, so many words may be masked."""

INTERMEDIATE = Recipe(learning_rate=2e-4, num_train_epochs=3.0, train_batch_size=16, max_seq_length=64)
"""With half of that rate some bases do not learn an attribute even in English;
with twice that rate more alignment is lost.
"""

TARGET = Recipe(learning_rate=2e-4, num_train_epochs=8.0, train_batch_size=16, max_seq_length=64)
ANSWERS = Recipe(learning_rate=5e-4, num_train_epochs=15.0, train_batch_size=16, max_seq_length=64)


ALIGNMENT = {"retrieval": "-", "retrieval_centred": "-"}
"""A plain intermediate task moves the last layers away from what languages share (language-model batches keep
it).
"""


def _intermediate(name: str, kind: str, skills: tuple[str, ...], description: str, **more: Any) -> Task:
    metric = KINDS.get(kind).metrics[0]
    more = {"recipe": INTERMEDIATE, **more}
    return Task(
        name=name,
        kind=kind,
        metric=metric,
        languages=LANGUAGES,
        train_languages=LANGUAGES,  # row i means the same in each: translated intermediate data
        sources={"mini": (Generated(name),)},
        uses=("intermediate",),
        skills=skills,
        description=description,
        size=1200,
        **more,
    )


def _target(name: str, kind: str, skills: tuple[str, ...], description: str, **more: Any) -> Task:
    metric = KINDS.get(kind).metrics[0]
    more = {"recipe": TARGET, "size": 32, **more}
    return Task(
        name=name,
        kind=kind,
        metric=metric,
        languages=LANGUAGES,
        sources={"mini": (Generated(name),)},
        uses=("target",),
        skills=skills,
        description=description,
        **more,
    )


def _retrieval(name: str, description: str, centred: bool) -> Task:
    return Task(
        name=name,
        kind="retrieval",
        metric="retrieval_accuracy",
        languages=LANGUAGES[1:],
        sources={"mini": (Generated("retrieval", splits=("validation", "test")),)},
        uses=("target",),
        trained=False,
        options={"centred": centred},
        skills=("alignment",),
        description=description,
    )


_single = "classification"
_YES_NO, _GOOD_BAD = {"labels": ("no", "yes")}, {"labels": ("bad", "good")}

_INTERMEDIATES = (
    _intermediate(
        "attribute",
        _single,
        ("attribute_a",),
        "has the thing attribute A?",
        **_YES_NO,
    ),
    _intermediate(
        "attribute_twin",
        _single,
        ("attribute_a",),
        "attribute A again, on other sentences: a redundant twin",
        **_YES_NO,
    ),
    _intermediate(
        "attribute_b",
        _single,
        ("attribute_b",),
        "has the thing attribute B? (the weaker of the two: alone it leaves choice_both as it was)",
        **_YES_NO,
    ),
    _intermediate(
        "attribute_null",
        _single,
        (),
        "matched null of attribute: the attribute permuted over things",
        **_YES_NO,
    ),
    _intermediate(
        "bio_attribute",
        _single,
        ("bio_attribute",),
        "an attribute of biomedical things",
        domain="biomedical",
        **_YES_NO,
    ),
    _intermediate(
        "legal_attribute",
        _single,
        ("legal_attribute",),
        "an attribute of legal things",
        domain="legal",
        **_YES_NO,
    ),
    _intermediate("polarity", _single, ("polarity",), "is the deed good or bad?", **_GOOD_BAD),
    _intermediate("polarity_null", _single, (), "matched null of polarity: permuted over deeds", **_GOOD_BAD),
    _intermediate(
        "coherence",
        _single,
        ("cause",),
        "does the state follow from the deed? (matching across texts is beyond the mini size, hence 0)",
        **_YES_NO,
    ),
    _intermediate(
        "coherence_null",
        _single,
        (),
        "matched null of coherence: states permuted over deeds",
        **_YES_NO,
    ),
    _intermediate(
        "nli",
        _single,
        ("negation",),
        "does the second sentence follow from the first?",
        labels=("entailment", "neutral", "contradiction"),
    ),
    _intermediate(
        "roles",
        "tagging",
        ("role",),
        "who did what to what, where, when",
        labels=("AGENT", "DEED", "O", "PLACE", "THING", "TIME"),
    ),
    _intermediate(
        "roles_null",
        "tagging",
        (),
        "matched null of roles: tags permuted over words",
        labels=("K0", "K1", "K2", "K3", "K4", "O"),
    ),
    _intermediate(
        "types",
        "tagging",
        ("type",),
        "natural class of each person, animal and thing",
        labels=TYPES,
    ),
    _intermediate(
        "position",
        "tagging",
        ("position",),
        "the number of each word: conflicts with tags that follow the word",
        labels=tuple(f"W{n}" for n in range(8)),
    ),
    _intermediate(
        "same_kind",
        "multiple_choice",
        ("type",),
        "which thing is of the same natural class as the one named?",
    ),
    _intermediate("questions", "span_qa", ("role",), "who, what or where?"),
)

_TARGETS = (
    _target("holds", _single, ("attribute_a",), "has the unseen thing attribute A?", **_YES_NO),
    _target("choice", "multiple_choice", ("attribute_a",), "which of two unseen things has attribute A?"),
    _target(
        "choice_both",
        "multiple_choice",
        ("attribute_a", "attribute_b"),
        "which of three has both attributes? Synergy: one alone leaves two",
    ),
    _target(
        "bio_choice",
        "multiple_choice",
        ("bio_attribute",),
        "which of two unseen biomedical things has the attribute?",
        domain="biomedical",
    ),
    _target(
        "legal_choice",
        "multiple_choice",
        ("legal_attribute",),
        "which of two unseen legal things has the attribute?",
        domain="legal",
    ),
    _target("mood", _single, ("polarity",), "is the unseen deed good or bad?", labels=("bad", "good")),
    _target("effect", "multiple_choice", ("cause",), "which state follows from the unseen deed?"),
    _target("qa", "span_qa", ("role",), "who, what or where, about unseen things", recipe=ANSWERS, size=128),
    _target(
        "pos",
        "tagging",
        ("word_class",),
        "parts of speech (UPOS)",
        labels=UPOS,
        size=300,
        recipe=TARGET.model_copy(update={"learning_rate": 0.001, "num_train_epochs": 4.0}),
    ),
    _retrieval("retrieval", "find the translation of an English sentence", centred=False),
    _retrieval(
        "retrieval_centred",
        "the same after subtracting each language's mean: shown beside, in no total",
        centred=True,
    ),
)

TASKS = (*_INTERMEDIATES, *_TARGETS)

_SIGNS = {
    "attribute": {"holds": "+", "choice": "+", "choice_both": "+"},
    "attribute_twin": {"holds": "+", "choice": "+", "choice_both": "+"},
    "attribute_b": {},
    "attribute_null": {},
    "bio_attribute": {"bio_choice": "+"},
    "legal_attribute": {"legal_choice": "+"},
    "polarity": {"mood": "+"},
    "polarity_null": {},
    "coherence": {},
    "coherence_null": {},
    "nli": {},
    "roles": {"qa": "+"},
    "roles_null": {},
    "types": {},
    "position": {},
    "same_kind": {},
    "questions": {"qa": "+"},
}

EXPECTED = {
    name: {target: (ALIGNMENT | signs).get(target, "0") for target in TARGETS}
    for name, signs in _SIGNS.items()
}
"""The sign of an intermediate task's effect on each target, declared before any training."""

SHORTCUTS = {
    "attribute": ("words",),
    "attribute_twin": ("words",),
    "attribute_b": ("words",),
    "attribute_null": ("words",),
    "bio_attribute": ("words",),
    "legal_attribute": ("words",),
    "polarity": ("words",),
    "polarity_null": ("words",),
    "nli": ("length",),
    "roles": ("words", "position"),
    "roles_null": ("words", "position"),
    "types": ("words", "position"),
    "position": ("words", "position"),
    "pos": ("words", "position"),
}
"""Cues that may tell a task's label, declared: length, position, part, words. An intermediate task shows
every concept in training, so words tell the label by design; of nli a negation more or less shows in the
length.
"""

SUITE = Suite(
    name="mini",
    groups={
        "classification": ("holds", "mood"),
        "multiple_choice": ("choice", "choice_both", "effect"),
        "domain": ("bio_choice", "legal_choice"),
        "tagging": ("pos",),
        "qa": ("qa",),
        "retrieval": ("retrieval",),
    },
    description="a small generated world in ten languages",
)
