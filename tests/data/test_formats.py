"""File formats of single benchmarks."""

from __future__ import annotations

import json

import pytest

from mlflow_xfer.data import sources
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.task import POOL


def read(name: str, split: str, language: str, folder: str) -> list[dict]:
    task = TASKS.get(name)
    return sources.read(task, sources.locate(task, split, language, folder)).to_list()


def lines(*rows: dict) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_xcopa_takes_its_question_from_copa(put, folder):
    copa = {"premise": "p", "choice1": "a", "choice2": "b", "label": 1}
    put(
        "xcopa/test-en.jsonl",
        lines(copa | {"idx": 7, "question": "cause"}, copa | {"idx": 8, "question": "effect"}),
    )
    put(
        "xcopa/test-th.jsonl",
        lines(
            {
                "premise": "ท",
                "choice1": "ก",
                "choice2": "ข",
                "label": 0,
                "idx": 7,
                "question": "effect",
                "changed": False,
            }
        ),
    )
    assert read("xcopa", "test", "th", folder) == [
        {"id": "7", "context": "ท", "question": "What was the cause?", "choices": ["ก", "ข"], "label": 0}
    ]
    put("xcopa/test-tr.jsonl", lines(copa | {"idx": 9, "question": "cause"}))
    with pytest.raises(XferError, match="test-tr.jsonl:1: test-en.jsonl has no row with idx 9"):
        read("xcopa", "test", "tr", folder)


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ({"idx": 0, "question": "effect"}, "test-en.jsonl:2: idx 0 stands here a second time"),
        ({"idx": "0", "question": "cause"}, "test-en.jsonl:2: idx 0 stands here a second time"),
        (
            {"idx": 1, "question": "Cause"},
            "test-en.jsonl:2: has the question 'Cause'.\n  Accepted: cause, eff",
        ),
        ({"idx": 1, "question": ["cause"]}, "test-en.jsonl:2: has the question"),
    ],
)
@pytest.mark.parametrize("language", ["en", "th"])
def test_what_copa_asks_for_is_clear(put, folder, second, says, language):
    row = {"premise": "p", "choice1": "a", "choice2": "b", "label": 1}
    put("xcopa/test-en.jsonl", lines(row | {"idx": 0, "question": "cause"}, row | second))
    put("xcopa/test-th.jsonl", lines(row | {"idx": 0, "question": "effect"}))
    with pytest.raises(XferError) as error:
        read("xcopa", "test", language, folder)
    assert says in str(error.value)


def test_xcopa_finds_its_question_by_equal_ids(put, folder):
    rows = [{"premise": "p", "choice1": "a", "choice2": "b", "label": n, "question": "cause"} for n in (0, 1)]
    put("xcopa/test-en.jsonl", lines(*(row | {"idx": n} for n, row in enumerate(rows))))
    for write in (str, float):
        put("xcopa/test-qu.jsonl", lines(*(row | {"idx": write(n)} for n, row in enumerate(rows))))
        assert [row["id"] for row in read("xcopa", "test", "qu", folder)] == ["0", "1"]


def test_xcopa_without_copa_is_not_there(put, folder):
    put(
        "xcopa/test-th.jsonl",
        lines({"premise": "p", "choice1": "a", "choice2": "b", "label": 0, "idx": 7, "question": "effect"}),
    )
    assert "th" not in sources.available(TASKS.get("xcopa"), "test", folder)


def test_xcopa_placeholders_are_unscored(put, folder):
    rows = [
        {"premise": "p", "choice1": "a", "choice2": "b", "label": 0, "idx": n, "question": "cause"}
        for n in range(20)
    ]
    put("xcopa/test-en.jsonl", lines(*rows))
    put("xcopa/test-id.jsonl", lines(*rows))
    with pytest.raises(sources.Unscored, match="all 20 rows have the label 0"):
        read("xcopa", "test", "id", folder)


def test_bucc_is_all_sentences_with_gold_pairs(put, folder):
    put("bucc2018/de-en.test.de", "de-1\teins\nde-2\tzwei\nde-3\teins\nde-4\tdrei\n")
    put("bucc2018/de-en.test.en", "en-1\ttwo\nen-2\tone\n")
    put("bucc2018/de-en.test.gold", "de-3\ten-2\nde-2\ten-1\n")
    found = read("bucc2018", "test", "de", folder)
    assert [(r["id"], r["source"], r["target"], r["gold"]) for r in found] == [
        ("de-1", "eins", None, []),
        ("de-2", "zwei", None, ["en-1"]),
        ("de-3", "eins", None, ["en-2"]),
        ("de-4", "drei", None, []),
        ("en-1", None, "two", []),
        ("en-2", None, "one", []),
    ]


def test_bucc_gold_of_unknown_ids_is_named(put, folder):
    put("bucc2018/de-en.test.de", "de-1\teins\n")
    put("bucc2018/de-en.test.en", "en-1\tone\n")
    put("bucc2018/de-en.test.gold", "de-1\ten-9\n")
    with pytest.raises(XferError, match="gold:1: de-1 or en-9 is not an id"):
        read("bucc2018", "test", "de", folder)


def test_lareqa_candidates_are_sentences_with_their_paragraph(put, folder):
    paragraph = {
        "context": "One. Two 20.",
        "sentence_breaks": [[0, 4], [5, 12]],
        "qas": [{"id": "q1", "question": "how many", "answers": [{"text": "20", "answer_start": 9}]}],
    }
    put("lareqa/xquad-r/en.json", json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    found = read("lareqa", "test", "en", folder)
    assert found[0] == {
        "id": "en:1.0",
        "source": None,
        "target": "One.",
        "context": "One. Two 20.",
        "gold": [],
    }
    assert found[2] == {"id": "q1", "source": "how many", "target": None, "context": None, "gold": ["en:1.1"]}
    put("lareqa/xquad-r/de.json", json.dumps({"data": [{"paragraphs": [{"context": "x", "qas": []}]}]}))
    with pytest.raises(XferError, match="paragraph 1 is not in LAReQA's format"):
        read("lareqa", "test", "de", folder)


def test_lareqa_answers_stand_where_they_are_said_to(put, folder):
    """Places in UTF-16 units would choose the sentence before."""
    paragraph = {
        "context": "😀😀 a. b",
        "sentence_breaks": [[0, 5], [5, 7]],
        "qas": [{"id": "q", "question": "?", "answers": [{"text": "b", "answer_start": 6}]}],
    }
    put("lareqa/xquad-r/th.json", json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    assert read("lareqa", "test", "th", folder)[-1]["gold"] == ["th:1.1"]
    paragraph["qas"][0]["answers"][0]["answer_start"] = 8
    put("lareqa/xquad-r/th.json", json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    with pytest.raises(XferError, match="'b' does not stand at character 8"):
        read("lareqa", "test", "th", folder)


SPANS = [(0, 8), (8, 27), (27, 35)]


@pytest.mark.parametrize(
    "spans",
    [
        [{"start": begin, "end": end} for begin, end in SPANS],
        SPANS,
        {"start": [begin for begin, _ in SPANS], "end": [end for _, end in SPANS]},
    ],
    ids=["as released", "pairs", "inside out"],
)
def test_mewsli_marks_mentions_and_has_one_pool(put, folder, spans):
    context = {
        "language": "de",
        "text": "Vorher. In Ulm und um Ulm. Nachher.",
        "sentence_spans": spans,
    }
    mention = {
        "example_id": "m1",
        "entity_id": "Q3012",
        "mention_span": {"start": 11, "end": 14, "text": "Ulm"},
    }
    put(
        "mewslix/wikinews_mentions-test.jsonl",
        lines(
            {"context": context, "mentions": [mention]},
            {"context": context | {"language": "en"}, "mentions": [mention]},
        ),
    )
    put(
        "mewslix/candidate_set_entities.jsonl",
        lines({"entity_id": "Q3012", "title": "Ulm", "description": "Ulm is a city."}),
    )
    put(
        "mewslix/wikipedia_pairs-train.jsonl",
        lines(
            {
                "contextual_mention": {"context": context, "mention": mention},
                "entity": {"entity_id": "Q3012", "description": "Ulm is a city."},
            }
        ),
    )
    [query] = read("mewslix", "test", "de", folder)
    assert query == {
        "id": "m1",
        "source": "Ulm: In { Ulm } und um Ulm.",
        "target": None,
        "context": None,
        "gold": ["Q3012"],
    }
    assert read("mewslix", POOL, "de", folder) == [
        {"id": "Q3012", "source": None, "target": "Ulm is a city.", "context": None, "gold": []}
    ]
    assert read("mewslix", "train", "en", folder)[0]["target"] == "Ulm is a city."
    said = {"text": "{x}\n水戸は街。", "sentence_spans": [{"start": 0, "end": 9}]}
    there = mention | {"mention_span": {"start": 4, "end": 6, "text": "水戸"}}
    put("mewslix/wikinews_mentions-test.jsonl", lines({"context": context | said, "mentions": [there]}))
    assert read("mewslix", "test", "de", folder)[0]["source"] == "水戸: (x) { 水戸 } は街。"
    ulm = {"entity_id": "Q1", "description": "One.\n\n[1] Two.", "sentence_spans": [{"start": 0, "end": 4}]}
    put("mewslix/candidate_set_entities.jsonl", lines(ulm))
    assert read("mewslix", POOL, "de", folder)[0]["target"] == "One."
    put(
        "mewslix/wikinews_mentions-test.jsonl",
        lines({"context": context | {"text": ""}, "mentions": [mention]}),
    )
    with pytest.raises(XferError, match="run the data set's script"):
        read("mewslix", "test", "de", folder)


def test_ccg_words_tags_and_label_file(put, folder):
    put("ccg/train.tsv", "She sings\tNP S\\NP\n")
    put("ccg/tags_to_id.json", '{"NP": 0, "S\\\\NP": 1}')
    task = sources.with_labels(TASKS.get("ccg"), folder)
    assert task.labels == ("NP", "S\\NP")
    assert sources.read(task, sources.locate(task, "train", "en", folder))[0] == {
        "id": "0",
        "words": ["She", "sings"],
        "tags": ["NP", "S\\NP"],
    }
    put("ccg/dev.tsv", "She sings\tNP\n")
    [problem] = sources.check(task, sources.locate(task, "validation", "en", folder))
    assert "dev.tsv:1: has 2 words and 1 tags" in problem.what


def squad(*questions: tuple[str, str]) -> str:
    return json.dumps(
        {
            "data": [
                {
                    "paragraphs": [
                        {
                            "context": context,
                            "qas": [
                                {
                                    "id": name,
                                    "question": "q",
                                    "answers": [{"text": context[:1], "answer_start": 0}],
                                }
                            ],
                        }
                    ]
                }
                for name, context in questions
            ]
        }
    )


@pytest.mark.parametrize(
    "names", [("english", "arabic", "swahili"), ("English", "Arabic", "Swahili"), ("en", "ar", "sw")]
)
def test_questions_of_other_languages_do_not_train_tydiqa(put, folder, names):
    """jiant's downloader writes the questions of all languages into each language's file."""
    for code in ("en", "ar"):
        put(
            f"tydiqa/tydiqa-goldp-v1.1-train/tydiqa.{code}.train.json",
            squad(*[(f"{names[n % 3]}-{n}-1", f"context {n}") for n in range(150)]),
        )
    for code, name in zip(("en", "ar"), names, strict=False):
        ids = [
            row["original_id"]
            for split in ("train", "validation")
            for row in read("tydiqa", split, code, folder)
        ]
        assert len(ids) == 50 and all(one.startswith(f"{name}-") for one in ids)


@pytest.mark.parametrize("name", ["tydiqa.goldp", "tydiqa"])
def test_tydiqa_under_both_names_never_selects_on_its_test_set(put, folder, name):
    put(
        f"tydiqa/tydiqa-goldp-v1.1-train/{name}.en.train.json",
        squad(*[(str(n % 7), f"context {n}") for n in range(100)]),
    )
    put(f"tydiqa/tydiqa-goldp-v1.1-dev/{name}.en.dev.json", squad(("a", "test")))
    train, dev, test = (read("tydiqa", split, "en", folder) for split in ("train", "validation", "test"))
    assert len(train) + len(dev) == 100 and 3 <= len(dev) <= 20 and len(test) == 1
    assert len({row["id"] for row in train}) == len(train) and {row["original_id"] for row in train} == set(
        "0123456"
    )
    assert not {row["context"] for row in train} & {row["context"] for row in dev}


def test_xquad_and_mlqa_validate_on_paragraphs_of_squads_training_set(put, folder):
    put("squad/train-v1.1.json", squad(*[(str(n), f"context {n}") for n in range(500)]))
    put("squad/dev-v1.1.json", squad(("d", "dev")))
    found = {
        name: [{r["id"] for r in read(name, split, "en", folder)} for split in ("train", "validation")]
        for name in ("xquad", "mlqa")
    }
    assert found["xquad"] == found["mlqa"] and not found["xquad"][0] & found["xquad"][1]
    assert len(found["xquad"][0] | found["xquad"][1]) == 500 and found["xquad"][1]
    assert (
        len(read("squad", "train", "en", folder)) == 500
        and len(read("squad", "validation", "en", folder)) == 1
    )
