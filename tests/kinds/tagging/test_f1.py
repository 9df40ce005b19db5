"""Chunking rules against a second, literal statement of seqeval 0.0.12's and against the installed
seqeval.
"""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_xfer.scoring.score import score

UPOS = [
    "ADJ",
    "ADP",
    "ADV",
    "AUX",
    "CCONJ",
    "DET",
    "INTJ",
    "NOUN",
    "NUM",
    "PART",
    "PRON",
    "PROPN",
    "PUNCT",
    "SCONJ",
    "SYM",
    "VERB",
    "X",
    "O",
]
BIO = [f"{p}-{t}" for p in "BI" for t in ("LOC", "ORG", "PER")] + ["O", "O"]
ODD = [
    "B",
    "I",
    "E",
    "S",
    "S-X",
    "E-X",
    "B-X",
    "I-X",
    "X-O",
    "B-O",
    ".",
    ".-X",
    "-",
    "a-b-c",
    "B-a-b",
    "é-ü",
    "O-LOC",
]


def entities_0_0_12(sentences: list[list[str]]) -> set[tuple[str, int, int]]:
    """The rules one by one, over the sentences joined with O."""
    tags = [tag for sentence in sentences for tag in [*sentence, "O"]] + ["O"]
    found, previous, previous_type, begin = set(), "O", "", 0
    for i, tag in enumerate(tags):
        letter, kind = tag[0], tag.split("-")[-1]
        end = previous in ("E", "S")
        for pair in ("BB", "BS", "BO", "IB", "IS", "IO"):
            end = end or previous + letter == pair
        end = end or (previous not in ("O", ".") and previous_type != kind)
        start = letter in ("B", "S")
        for pair in ("EE", "EI", "SE", "SI", "OE", "OI"):
            start = start or previous + letter == pair
        start = start or (letter not in ("O", ".") and previous_type != kind)
        if end:
            found.add((previous_type, begin, i - 1))
        if start:
            begin = i
        previous, previous_type = letter, kind
    return found


def f1_of(gold: set, predicted: set) -> float:
    both = len(gold & predicted)
    p, r = both / len(predicted) if predicted else 0, both / len(gold) if gold else 0
    return 100 * 2 * p * r / (p + r) if p + r else 0.0


def tagged(tags: list[str]):
    pair = st.tuples(st.sampled_from(tags), st.sampled_from(tags))
    return st.lists(st.lists(pair, min_size=0, max_size=7), min_size=1, max_size=5)


@settings(deadline=None, max_examples=150)
@pytest.mark.parametrize("tags", [UPOS, BIO, ODD], ids=["upos", "bio", "odd"])
@given(data=st.data())
def test_xtreme_f1(tags, data):
    pairs = data.draw(tagged(tags))
    predicted, gold = [[p for p, _ in s] for s in pairs], [[g for _, g in s] for s in pairs]
    expected = f1_of(entities_0_0_12(gold), entities_0_0_12(predicted))
    assert score("tag_f1", predicted, gold, "xx").value == pytest.approx(expected, abs=1e-9)
    assert score("entity_f1", predicted, gold, "xx").components["f1"] == pytest.approx(expected, abs=1e-9)


@settings(deadline=None, max_examples=100)
@pytest.mark.parametrize("tags", [UPOS, BIO, ODD], ids=["upos", "bio", "odd"])
@given(data=st.data())
def test_current_f1_is_the_installed_seqevals(tags, data):
    from seqeval.metrics import f1_score

    pairs = data.draw(tagged(tags))
    predicted, gold = [[p for p, _ in s] for s in pairs], [[g for _, g in s] for s in pairs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = 100 * f1_score(gold, predicted)
    got = score("tag_f1", predicted, gold, "xx").components["f1_seqeval_1.2"]
    assert got == pytest.approx(expected, abs=1e-9)


@settings(deadline=None, max_examples=100)
@given(tagged(BIO))
def test_strict_f1_is_seqevals_iob2(pairs):
    from seqeval.metrics import f1_score
    from seqeval.scheme import IOB2

    predicted, gold = [[p for p, _ in s] for s in pairs], [[g for _, g in s] for s in pairs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = 100 * f1_score(gold, predicted, mode="strict", scheme=IOB2)
    assert score("entity_f1", predicted, gold, "xx").components["f1_strict"] == pytest.approx(
        expected, abs=1e-9
    )


def test_what_the_versions_disagree_on():
    gold, predicted = [["CCONJ", "NOUN"]], [["SCONJ", "NOUN"]]
    got = score("tag_f1", predicted, gold, "en")
    assert got.value == 50 and got.components["f1_seqeval_1.2"] == 100 and got.components["accuracy"] == 50


def test_neighbours_of_one_tag_merge_except_those_with_s():
    assert score("tag_f1", [["NOUN", "VERB"]], [["NOUN", "NOUN"]], "en").value == 0
    assert score("tag_f1", [["SYM", "VERB"]], [["SYM", "SYM"]], "en").value == 50


def test_strict_and_lenient_differ_on_a_stray_inside_tag():
    got = score("entity_f1", [["I-LOC", "O"]], [["B-LOC", "O"]], "en")
    assert got.value == 100 and got.components["f1_strict"] == 0
