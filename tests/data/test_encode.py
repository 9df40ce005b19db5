"""Encoding: labels sit on the right subwords, nothing is lost, the cache tells inputs apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from datasets import Dataset

from mlflow_xfer.data.encode import encode, fingerprint
from mlflow_xfer.data.encoded import IGNORED, Rows, from_cache, join
from mlflow_xfer.data.subwords import windows, words
from mlflow_xfer.data.words import words as count
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.task import Task

TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "ein schneller brauner Fuchs",
    "एक तेज़ लोमड़ी",
    "敏捷的狐狸",
]
PAIR = Task(
    name="pair",
    kind="classification",
    metric="accuracy",
    languages=("en",),
    sources={},
    labels=("no", "yes"),
)
TAGS = Task(name="tags", kind="tagging", metric="tag_f1", languages=("en",), sources={}, labels=("A", "B"))
LM = Task(name="lm", kind="language_model", metric="loss", languages=(), sources={})


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS * 3, 160, "xlm-roberta")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XFER_HOME", str(tmp_path))
    return tmp_path


def pairs(*rows):
    return Dataset.from_list(
        [{"id": str(i), "text_a": a, "text_b": b, "label": label} for i, (a, b, label) in enumerate(rows)]
    )


def sentences(*rows):
    return Dataset.from_list(
        [{"id": str(i), "words": list(w), "tags": list(t)} for i, (w, t) in enumerate(rows)]
    )


def test_pairs_and_single_texts_have_the_tokenizers_specials(tokenizer):
    got = encode(pairs((TEXTS[0], TEXTS[1], "yes"), (TEXTS[2], None, "no")), PAIR, tokenizer, 128)
    assert got.row(0).tolist() == tokenizer(TEXTS[0], TEXTS[1])["input_ids"]
    assert got.row(1).tolist() == tokenizer(TEXTS[2])["input_ids"]
    assert got.columns["label"].tolist() == [1, 0]
    second = got.columns["second"][0]
    assert got.row(0)[second:].tolist() == tokenizer(TEXTS[1], add_special_tokens=False)["input_ids"] + [2]
    assert got.counts == {"examples": 2, "truncated": 0, "words": 16, "subwords": len(got.tokens) - 4 - 2}


def test_what_is_too_long_is_cut_and_counted(tokenizer):
    got = encode(pairs((TEXTS[0] * 5, TEXTS[1], "yes"), (TEXTS[1], None, "no")), PAIR, tokenizer, 40)
    assert got.lengths.max() == 40 and got.truncation_rate == 0.5
    whole = encode(pairs((TEXTS[0] * 5, TEXTS[1], "yes"), (TEXTS[1], None, "no")), PAIR, tokenizer, 512)
    assert whole.counts == got.counts | {"truncated": 0}  # what is cut off is counted all the same


def test_words_in_scripts_without_blanks():
    assert len(count("Das ist gut.")) == 3 and count("") == count(" ") == []
    assert count("这是，好 GDP 增长") == ["这", "是", "好", "GDP", "增", "长"]
    assert count("สวัสดี") == list("สวสด")  # vowel signs above and below are no letters


def test_fertility_does_not_depend_on_the_length_limit(tokenizer):
    """Subwords and words of whole texts, each once:
    neither windows nor cuts nor the number of choices change it.
    """
    text = " ".join(TEXTS)
    question = [
        {"id": "q", "context": text * 4, "question": TEXTS[0], "answers": {"text": [], "answer_start": []}}
    ]
    choice = [
        {"id": "c", "context": text * 4, "question": "", "choices": ["one", "two", "three"], "label": 0}
    ]
    search = [{"id": "r", "source": TEXTS[0], "target": text * 4, "context": text * 4, "gold": ["r"]}]
    for task, rows in (("qa", question), ("choice", choice), ("retrieval", search)):
        short, long = (
            encode(Dataset.from_list(rows), TASKS.get(task), tokenizer, limit) for limit in (64, 4096)
        )
        assert (short.counts["truncated"], long.counts["truncated"]) == (
            1,
            0,
        ) and short.counts == long.counts | {"truncated": 1}
        assert short.truncation_rate == 1
    assert encode(Dataset.from_list(question), TASKS.get("qa"), tokenizer, 4096).counts["subwords"] == sum(
        len(tokenizer(part, add_special_tokens=False)["input_ids"]) for part in (text * 4, TEXTS[0])
    )


def test_an_undeclared_label_is_named(tokenizer):
    with pytest.raises(XferError, match="'maybe' is none of no, yes"):
        encode(pairs(("a", "b", "maybe")), PAIR, tokenizer, 32)


@pytest.mark.parametrize("decoder", [False, True])
def test_a_tag_is_read_at_the_first_subword_or_for_decoders_the_last(tokenizer, decoder):
    given = ["quick", "unseenword", "fox"]
    got = encode(sentences((given, "ABA")), TAGS, tokenizer, 64, decoder=decoder)
    pieces = words(tokenizer, given, 64)
    assert len(pieces["unseenword"]) > 1
    word = got.columns["token_word"]
    begin = np.cumsum([1, *(len(pieces[w]) for w in given)])
    wanted = begin[1:] - 1 if decoder else begin[:-1]
    assert [int(np.flatnonzero(word == n)[0]) for n in range(3)] == wanted.tolist()
    labels = got.columns["token_label"]
    assert labels[wanted].tolist() == [0, 1, 0] and (np.delete(labels, wanted) == IGNORED).all()


def test_words_read_as_in_running_text(tokenizer):
    given = TEXTS[0].split()
    pieces = words(tokenizer, given, 64)
    assert [p for w in given for p in pieces[w]] == tokenizer(TEXTS[0], add_special_tokens=False)["input_ids"]


def test_a_word_without_subwords_becomes_the_unknown_token(tokenizer):
    empty = "\u200b" if not words(tokenizer, ["\u200b"], 64)["\u200b"] else " "
    got = encode(sentences((["fox", empty, "dog"], "ABA")), TAGS, tokenizer, 64)
    assert sorted(got.columns["token_word"][got.columns["token_word"] >= 0]) == [0, 1, 2]
    assert words(tokenizer, [" "], 64)[" "] == [tokenizer.unk_token_id]


@pytest.mark.parametrize("n", [1, 3, 50, 400])
def test_past_the_length_limit_every_word_is_read_exactly_once(tokenizer, n):
    given = (TEXTS[0].split() * n)[: 2 * n]
    got = encode(sentences((given, "AB" * n), (["dog"], "A")), TAGS, tokenizer, 32)
    assert got.lengths.max() <= 32
    word = got.columns["token_word"]
    of = np.repeat(got.columns["example"], got.lengths)
    assert sorted(word[(word >= 0) & (of == 0)].tolist()) == list(range(2 * n))
    assert got.counts["examples"] == 2 and got.counts["truncated"] == (len(got) > 2)


def test_one_word_longer_than_the_limit_is_still_read(tokenizer):
    got = encode(sentences((["dog", "x" * 500, "fox"], "ABA")), TAGS, tokenizer, 16)
    word = got.columns["token_word"]
    assert sorted(word[word >= 0].tolist()) == [0, 1, 2] and got.lengths.max() <= 16


def test_windows_overlap_and_cover():
    lengths = [3, 1, 4, 1, 5, 2, 6, 5, 3, 5]
    spans = windows(lengths, 10)
    assert [n for *_, first, last in spans for n in range(first, last)] == list(range(10))
    assert all(sum(lengths[b:e]) <= 10 and b <= first <= last <= e for b, e, first, last in spans)
    assert any(before[1] > after[0] for before, after in zip(spans, spans[1:], strict=False))


def test_language_model_texts_lose_nothing(tokenizer):
    long = " ".join(TEXTS * 9)
    got = encode(
        Dataset.from_list([{"id": "0", "text": long}, {"id": "1", "text": TEXTS[1]}]), LM, tokenizer, 32
    )
    kept = [t for r in range(len(got)) for t in got.row(r).tolist() if t > 2]
    assert kept == [t for text in (long, TEXTS[1]) for t in tokenizer(text)["input_ids"] if t > 2]
    assert got.columns["example"].tolist()[-1] == 1 and got.lengths.max() == 32


def test_the_cache_is_read_and_tells_inputs_apart(tokenizer, home, monkeypatch):
    data = pairs((TEXTS[0], TEXTS[1], "yes"))
    first = encode(data, PAIR, tokenizer, 64)
    calls = []
    reads = kind.data(PAIR.kind)
    original = reads.encode
    monkeypatch.setattr(reads, "encode", lambda *a: calls.append(1) or original(*a), raising=False)
    again = encode(pairs((TEXTS[0], TEXTS[1], "yes")), PAIR, tokenizer, 64)
    assert not calls and (again.tokens == first.tokens).all() and again.counts == first.counts
    encode(data, PAIR, tokenizer, 32)
    encode(pairs((TEXTS[0], TEXTS[1], "no")), PAIR, tokenizer, 64)
    encode(data, replace(PAIR, labels=("yes", "no")), tokenizer, 64)
    encode(data, PAIR, train_tokenizer(TEXTS, 90, "xlm-roberta"), 64)
    assert len(calls) == 4
    assert not list(home.rglob("*.partial"))


def test_a_damaged_cache_entry_is_made_again(tokenizer, home):
    data = pairs((TEXTS[0], TEXTS[1], "yes"))
    first = encode(data, PAIR, tokenizer, 64)
    file = next(home.rglob("tokens.npy"))
    whole = np.array(first.tokens)
    file.write_bytes(file.read_bytes()[:-8])
    assert (encode(data, PAIR, tokenizer, 64).tokens == whole).all()


def test_a_fingerprint_is_of_the_rows():
    data = pairs(*((f"text {i}", None, "yes") for i in range(20)))
    assert fingerprint(data.select(range(5, 10))) == fingerprint(
        pairs(*((f"text {i}", None, "yes") for i in range(20))).select(range(5, 10))
    )
    assert fingerprint(data.select([1, 0])) != fingerprint(data.select([0, 1]))
    assert fingerprint(data.remove_columns("label")) != fingerprint(data)


def test_columns_of_numbers_keep_their_fractions(home):
    rows = Rows(row_columns=("example", "label", "other"))
    for n, label in enumerate([1, 2.75, np.float32(0.5)]):
        rows.add([5, 6], example=n, label=label, other=n)
    read = [from_cache("0" * 64, rows.done) for _ in range(2)]
    for encoded in [rows.done(), *read, join(read)]:
        assert encoded.columns["label"][:3].tolist() == [1.0, 2.75, 0.5]
        assert encoded.columns["label"].dtype == np.float64 and encoded.columns["other"].dtype == np.int64
    assert Rows(row_columns=("label",)).done().columns["label"].dtype == np.int64, "of no row"


def test_joined_splits_go_on_counting(tokenizer):
    one = encode(sentences((["fox"], "A"), (TEXTS[0].split() * 4, "A" * 36)), TAGS, tokenizer, 32)
    both = join([one, one])
    assert len(both) == 2 * len(one) and both.counts["examples"] == 4
    assert both.row(len(one)).tolist() == one.row(0).tolist() and both.columns["example"].max() == 3
