"""Retrieval splits: what is a query, a candidate, right; pairs to train on; sentences cut from paragraphs."""

from __future__ import annotations

import json

import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_xfer.data import sources
from mlflow_xfer.data.encode import encode
from mlflow_xfer.data.retrieval import candidates, few_queries, golds, pairs, queries, with_distractors
from mlflow_xfer.data.sentences import sentence_at, sentence_breaks
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.task import POOL, Task
from tests.conftest import MANY


def split(*rows):
    """Rows from (id, source, target, gold) or (id, source, target, gold, context)."""
    names = ("id", "source", "target", "gold", "context")
    return Dataset.from_list([dict(zip(names, [*row, None], strict=False)) for row in rows])


MIXED = split(
    ("q1", "who", None, ["c1", "c2"]),
    ("q2", "when", None, ["c2"]),
    ("c1", None, "one", []),
    ("c2", None, "two", []),
    ("c3", None, "three", []),
)
PAIRS = split(("a", "x", "same", ["a"]), ("b", "y", "other", ["b"]), ("c", "z", "same", ["c"]))


def test_queries_candidates_and_what_is_right():
    assert queries(MIXED) == [0, 1] and candidates(MIXED) == [2, 3, 4]
    assert golds({"en": MIXED}, False)["en"] == [["c1", "c2"], ["c2"], None, None, None]
    assert candidates(PAIRS) == [0, 1] and golds({"en": PAIRS}, False)["en"] == [["a"], ["b"], ["a"]]


def test_in_a_common_pool_an_answer_in_any_language_is_right():
    german = split(("q1", "wer", None, ["d1"]), ("d1", None, "eins", []))
    found = golds({"en": MIXED, "de": german}, True)
    assert found["en"][0] == found["de"][0] == ["c1", "c2", "d1"] and found["en"][1] == ["c2"]


def test_pairs_to_train_on():
    found = pairs(MIXED, None, "t")
    assert [(r["source"], r["target"]) for r in found] == [("who", "one"), ("who", "two"), ("when", "two")]
    assert pairs(PAIRS, None, "t") is PAIRS
    pool = split(("p", None, "from the pool", [], "its context"))
    [row] = pairs(split(("q", "where", None, ["p"])), pool, "t")
    assert (row["target"], row["context"]) == ("from the pool", "its context")
    with pytest.raises(XferError, match="names the candidate 'c9'"):
        pairs(split(("q", "where", None, ["c9"])), pool, "t")
    with pytest.raises(XferError, match="no query has a right candidate"):
        pairs(split(("c", None, "where", [])), None, "t")


def test_few_queries_keep_all_candidates():
    cut = few_queries(MIXED, 1, 0)
    assert len(queries(cut)) == 1 and candidates(cut) == [1, 2, 3] and len(few_queries(PAIRS, 2, 0)) == 2
    assert few_queries(MIXED, None, 0) is MIXED and len(few_queries(MIXED, 2, 0)) == 5


def test_dev_is_ranked_among_what_is_right_and_some_others():
    pool = split(*((f"c{n}", None, f"text {n}", []) for n in range(30)))
    dev = with_distractors(split(("q", "?", None, ["c7"])), pool, limit=5)
    assert len(dev) == 7 and "c7" in dev["id"][:] and with_distractors(dev, None) is dev


def test_both_sides_are_encoded_as_texts_of_their_own(tmp_path, monkeypatch):
    tokenizer = train_tokenizer(["who was it when the one in this context and two"] * 3, 120, "xlm-roberta")
    task = Task(name="r", kind="retrieval", metric="map_at_20", languages=("en",), sources={})
    rows = split(
        ("a", "who was it", "the one", ["a"], "the one in this context"),
        ("b", None, "two", []),
        ("c", "who was it", "two", ["c"]),
    )
    got = encode(rows, task, tokenizer, 64)
    second, inner = got.columns["second"], got.columns["inner"]
    assert got.row(0)[: second[0]].tolist() == tokenizer("who was it")["input_ids"]
    assert got.row(0)[second[0] :].tolist() == tokenizer("the one", "the one in this context")["input_ids"]
    assert (
        got.row(0)[second[0] + inner[0] :].tolist()[:-1]
        == tokenizer("the one in this context", add_special_tokens=False)["input_ids"]
    )
    assert got.row(1).tolist() == tokenizer("two")["input_ids"] and second[1] == 0
    assert got.columns["query"].tolist() == [0, -1, 0] and got.columns["positive"].tolist() == [0, 1, 1]
    assert got.counts["examples"] == 3


# -- sentences -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Dr. J. Smith met U.S. President Obama. He left. Why? Nobody knows", 4),
        ('"It was 3.5 km!" he said. Then: nothing', 2),
        ("泰河位于苏格兰。它长193公里，是那里最长的河流。", 2),
        ("टे नदी स्कॉटलैंड में है। यह लंबी है।", 2),
        ("هل هذا صحيح؟ نعم.", 2),
        ("แม่น้ำเทย์อยู่ในสกอตแลนด์ ยาว193กิโลเมตร", 1),
        ("one\n\ntwo", 2),
    ],
)
def test_sentences_of_many_scripts(text, sentences):
    assert len(sentence_breaks(text)) == sentences


@settings(deadline=None, max_examples=80 * MANY)
@given(st.text(alphabet="aB .!?。\n\"'।x1", max_size=40))
def test_sentences_cover_the_text(text):
    breaks = sentence_breaks(text)
    assert "".join(text[b:e] for b, e in breaks) == text and all(b < e for b, e in breaks)
    assert all(sentence_at(text, n) in text for n in range(len(text)))


# -- the benchmarks' files -----------------------------------------------------------------------------------
CONTEXT = "The Tay is a river. It is 193 km long. Perth lies on it."


def squad(questions):
    return json.dumps(
        {
            "data": [
                {
                    "paragraphs": [
                        {
                            "context": CONTEXT,
                            "qas": [
                                {
                                    "id": f"q{n}",
                                    "question": q,
                                    "answers": [{"text": a, "answer_start": CONTEXT.index(a)}],
                                }
                                for n, (q, a) in enumerate(questions)
                            ],
                        }
                    ]
                }
            ]
        }
    )


def read(name, part, language, folder):
    task = TASKS.get(name)
    return sources.read(task, sources.locate(task, part, language, folder)).to_list()


def test_lareqa_trains_on_the_sentence_that_holds_the_answer_in_its_paragraph(put, folder):
    put(
        "squad/train-v1.1.json",
        squad([(f"how long {n}?", "193 km") for n in range(120)] + [("where?", "Perth")]),
    )
    rows = read("lareqa", "train", "en", folder)  # one paragraph: on one side of the cut
    assert {(row["target"], row["context"]) for row in rows} == {
        ("It is 193 km long.", CONTEXT),
        ("Perth lies on it.", CONTEXT),
    }


def test_mewslix_marks_the_mention_and_trains_on_english_pairs(put, folder):
    context = {
        "language": "en",
        "text": "Rain. The Tay rose. Sun.",
        "sentence_spans": [[0, 6], [6, 20], [20, 24]],
    }
    mention = {"example_id": "m1", "entity_id": "Q1", "mention_span": {"start": 10, "end": 13, "text": "Tay"}}
    pair = {
        "contextual_mention": {"context": context, "mention": mention},
        "entity": {"entity_id": "Q1", "description": "a river"},
    }
    for name in ("train", "dev"):
        put(f"mewslix/wikipedia_pairs-{name}.jsonl", json.dumps(pair) + "\n")
    put(
        "mewslix/wikinews_mentions-test.jsonl", json.dumps({"context": context, "mentions": [mention]}) + "\n"
    )
    put(
        "mewslix/candidate_set_entities.jsonl",
        json.dumps({"entity_id": "Q1", "description": "a river"}) + "\n",
    )
    [train], [dev], [test], [pool] = (
        read("mewslix", part, "en", folder) for part in ("train", "validation", "test", POOL)
    )
    assert (
        train["source"] == test["source"] == "Tay: The { Tay } rose."
        and train["target"] == dev["target"] == pool["target"] == "a river"
    )
    assert test["gold"] == ["Q1"] and pool["id"] == "Q1" and test["target"] is None
