"""The embedded suite's generator: ten languages, the same bytes everywhere, what each row promises."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest

from mlflow_xfer.data import mini
from mlflow_xfer.data.mini.examples import NLI
from mlflow_xfer.data.mini.grammar import rules
from mlflow_xfer.data.mini.lexicon import concepts, kind
from mlflow_xfer.data.mini.world import CONCEPT_SPLITS, FAMILIES, truth, world
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks import mini as entries

GENERATED = {task.sources["mini"][0].name: task for task in entries.TASKS}
DIGEST = """
import hashlib, json
from mlflow_xfer.data import mini
digest = hashlib.sha256()
for name in sorted(mini.EXAMPLES):
    for split in mini.EXAMPLES[name].sizes:
        digest.update(json.dumps(mini.rows(name, split, "tr", concept_split=3)).encode())
digest.update(json.dumps(mini.text("af")).encode())
digest.update(json.dumps(mini.text("sw")[:200]).encode())
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def corpus():
    """The pre-training text of every language."""
    return {language: mini.text(language) for language in mini.languages()}


def test_languages_cover_the_types_and_match_the_entries():
    assert mini.languages() == entries.LANGUAGES and len(entries.LANGUAGES) >= 10
    assert mini.low_resource() == entries.LOW_RESOURCE and len(entries.LOW_RESOURCE) == 3
    assert {rule["morphology"] for rule in rules().values()} == {"isolating", "agglutinative", "fusional"}
    assert all(rule["source"] and rule["reviewed"] is False for rule in rules().values())


def test_every_concept_is_said_in_every_language():
    for concept in concepts().values():
        for language, cell in concept.cells.items():
            assert cell.strip() and cell == cell.strip(), (concept.name, language)


def test_words_stand_for_one_concept_within_a_language():
    """Few homonyms: a word with two meanings would blur both."""
    for language in mini.languages():
        cells = [c.cells[language] for c in concepts().values() if c.group in ("agent", *FAMILIES)]
        twice = {cell for cell in cells if cells.count(cell) > 1}
        assert not twice, (language, twice)


def test_same_bytes_in_every_process():
    runs = [
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] and len(runs[0].strip()) == 64


def test_a_version_stands_for_its_bytes(corpus):
    """Rows are identified by ``VERSION``: whoever changes a row raises it and enters the new digest here."""
    digest = hashlib.sha256()
    for name, entry in mini.EXAMPLES.items():
        for split in entry.sizes:
            for language in ("en", "eu"):
                digest.update(
                    json.dumps(mini.rows(name, split, language, concept_split=1), ensure_ascii=False).encode()
                )
    for language in ("de", "ht"):
        digest.update(json.dumps(corpus[language], ensure_ascii=False).encode())
    assert (mini.VERSION, digest.hexdigest()[:16]) == (4, "cad85e6651e5ac66"), (
        "raise mini.VERSION and enter the new digest"
    )


@pytest.mark.parametrize("name", mini.EXAMPLES)
def test_rows_have_the_columns_of_their_kind(name):
    task, seen = GENERATED[name], 0
    for split, size in mini.EXAMPLES[name].sizes.items():
        for language in task.languages:
            rows = mini.rows(name, split, language)
            assert len(rows) == size and len({row["id"] for row in rows}) == size
            for row in rows:
                _check_row(task, row)
            seen += size
    assert seen


def _check_row(task, row):
    if task.kind == "classification":
        assert row["label"] in task.labels and row["text_a"]
    elif task.kind == "tagging":
        assert len(row["words"]) == len(row["tags"]) > 0 and set(row["tags"]) <= set(task.labels)
        assert all(word and " " not in word for word in row["words"])
    elif task.kind == "multiple_choice":
        assert 0 <= row["label"] < len(row["choices"]) and len(set(row["choices"])) == len(row["choices"])
        assert row["context"] and row["question"]
    elif task.kind == "span_qa":
        (answer,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
        assert answer and row["context"][start : start + len(answer)] == answer
        assert (start == 0 or row["context"][start - 1] == " ") and row["context"][start + len(answer) :][
            :1
        ] in ("", " ")
    else:
        assert row["source"] and row["target"]


def test_rows_mean_the_same_in_every_language():
    for name, task in GENERATED.items():
        column = {"classification": "label", "multiple_choice": "label"}.get(task.kind)
        if column:
            english = [row[column] for row in mini.rows(name, "train", "en")]
            assert [row[column] for row in mini.rows(name, "train", "vi")] == english


def test_every_tag_of_a_task_occurs_in_training():
    for name in ("roles", "roles_null", "types", "position", "pos"):
        tags = {tag for row in mini.rows(name, "train", "en") for tag in row["tags"]}
        assert tags == set(GENERATED[name].labels)


def test_nli_labels_follow_from_the_sentences():
    for row in mini.rows("nli", "test", "en"):
        negated = ["not" in row[side].split() for side in ("text_a", "text_b")]
        same_thing = row["text_b"].split()[-1] in row["text_a"].split()
        expected = NLI[1] if not same_thing else NLI[0] if negated[0] == negated[1] else NLI[2]
        assert row["label"] == expected, row


@pytest.mark.parametrize("concept_split", range(CONCEPT_SPLITS))
def test_targets_test_concepts_that_training_and_dev_never_show(concept_split):
    of_word = {
        cell.rpartition(":")[2]: name
        for name, concept in concepts().items()
        for cell in [concept.cells["en"]]
    }
    for name, column in (
        ("holds", "text_a"),
        ("mood", "text_a"),
        ("choice", "choices"),
        ("choice_both", "choices"),
        ("bio_choice", "choices"),
        ("legal_choice", "choices"),
        ("effect", "choices"),
        ("qa", "context"),
    ):
        shown = {}
        for split in ("train", "validation", "test"):
            asked = {
                "holds": "thing",
                "qa": "thing",
                "choice": "thing",
                "choice_both": "thing",
                "bio_choice": "bio",
                "legal_choice": "legal",
                "mood": "verb",
                "effect": "adjective",
            }[name]
            words = " ".join(
                " ".join(row[column]) if column == "choices" else row[column]
                for row in mini.rows(name, split, "en", concept_split=concept_split)
            ).split()
            found = {
                of_word[form]
                for word in words
                for form in (word, word.removesuffix("s"), word.removesuffix("es"))
                if form in of_word
            }
            shown[split] = {
                c for c in found if concepts()[c].group == asked and (asked != "verb" or kind(c) != "neutral")
            }
        assert all(shown.values())
        assert not shown["test"] & (shown["train"] | shown["validation"]), name
        assert not shown["train"] & shown["validation"], name


def test_attributes_are_balanced_and_say_nothing_of_each_other():
    known = truth().attributes
    for concept_split in range(CONCEPT_SPLITS):
        drawn = world(concept_split)
        for family in FAMILIES:
            for fold in drawn.folds[family].values():
                cells = [(known["a"][c], known["b"][c]) for c in fold]
                assert {cells.count(cell) for cell in ((0, 0), (0, 1), (1, 0), (1, 1))} == {len(fold) // 4}
            things = [c for fold in drawn.folds[family].values() for c in fold]
            agreed = sum(known["a"][c] == drawn.attributes["null"][c] for c in things)
            assert agreed == len(things) / 2, "the null agrees with the attribute as often as chance"
        assert all(drawn.results["null"][verb] != state for verb, state in drawn.results["true"].items())


def test_concept_splits_differ_and_turn_the_asked_value():
    one, other = world(0), world(1)
    assert one.folds != other.folds
    assert all(one.attributes["a"][c] != other.attributes["a"][c] for c in one.attributes["a"])


def test_the_concept_split_follows_from_the_seed_where_rows_depend_on_it():
    assert mini.parameters("choice", 13) == mini.parameters("attribute", 3) == {"concept_split": 3}
    assert mini.parameters("pos", 13) == {"concept_split": 0}
    assert mini.rows("pos", "test", "de", concept_split=4) == mini.rows("pos", "test", "de")
    assert mini.rows("choice", "test", "de", concept_split=4) != mini.rows("choice", "test", "de")


def test_nulls_have_the_format_and_size_of_their_task():
    for name in ("attribute", "polarity", "coherence", "roles"):
        assert mini.EXAMPLES[name].sizes == mini.EXAMPLES[f"{name}_null"].sizes
        assert GENERATED[name].kind == GENERATED[f"{name}_null"].kind
        assert "+" not in entries.EXPECTED[f"{name}_null"].values()


def test_every_pair_is_declared():
    intermediates = [task for task in entries.TASKS if "intermediate" in task.uses]
    assert len(intermediates) >= 12
    assert {task.kind for task in intermediates} == {
        "classification",
        "tagging",
        "multiple_choice",
        "span_qa",
    }
    for task in intermediates:
        assert set(entries.EXPECTED[task.name]) == set(entries.TARGETS) and set(
            entries.EXPECTED[task.name].values()
        ) <= {"+", "-", "0"}
    signs = {sign for task in intermediates for sign in entries.EXPECTED[task.name].values()}
    assert signs == {"+", "-", "0"}
    assert {task.name for task in entries.TASKS if "target" in task.uses} == set(entries.TARGETS)


def test_low_resource_languages_have_little_text_and_no_dictionary(corpus):
    sizes = {language: sum(len(d["text"]) for d in documents) for language, documents in corpus.items()}
    total = sum(sizes.values())
    for language in mini.languages():
        kinds = {document["kind"] for document in corpus[language]}
        low = language in mini.low_resource()
        assert ("dictionary" in kinds or "phrase" in kinds) != low
        assert (sizes[language] < 0.01 * total) == low
        assert all(
            (d["text_b"] is None) <= (d["kind"] in ("monolingual", "codeswitched")) for d in corpus[language]
        )
    english = [d["text_b"] for language in ("de", "tr") for d in corpus[language] if d["kind"] == "parallel"]
    assert all(english)


def test_text_shows_attributes(corpus):
    """What is done to a thing follows its attribute: in 17 of 20 statements whose verb has a side."""
    known, verbs = truth(), {}
    for side in (0, 1):
        for verb in known.halves["thing"]["verb"][side]:
            verbs[concepts()[verb].cells["id"]] = side
    things = {
        c.cells["id"]: known.attributes["a"][c.name]
        for c in concepts().values()
        if c.group == "thing" and " " not in c.cells["id"]
    }
    agree = []
    for document in corpus["id"]:
        if document["kind"] == "monolingual":
            words = document["text"].split()
            sides = [verbs[w] for w in words if w in verbs]
            shown = [things[w] for w in words if w in things]
            if len(sides) == len(shown) == 1:
                agree.append(sides == shown)
    assert len(agree) > 200 and 0.85 < sum(agree) / len(agree) < 0.95


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mini.rows("atribute", "train", "en"), "attribute"),
        (lambda: mini.rows("choice", "dev", "en"), "validation"),
        (lambda: mini.rows("retrieval", "train", "de"), "test"),
        (lambda: mini.rows("choice", "train", "xx"), "language of mini"),
        (lambda: mini.rows("choice", "train", "en", concept_split=99), "0 to 9"),
        (lambda: mini.text("klingon"), "language of mini"),
        (lambda: mini.parameters("chioce", 0), "choice"),
    ],
)
def test_bad_parameters_are_refused_with_what_is_accepted(call, message):
    with pytest.raises(XferError) as refused:
        call()
    assert message in str(refused.value)


def test_no_heavy_import():
    code = (
        "import sys, mlflow_xfer.data.mini, mlflow_xfer.tasks.mini; print([m for m in ('torch', 'datasets', "
        "'pandas', 'mlflow', 'numpy') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"
