"""Treebanks as XTREME's parts of speech."""

from __future__ import annotations

import pytest

from mlflow_xfer.data.fetching.treebanks import sentences, tagged


def lines(*words: str) -> list[str]:
    """CoNLL-U of ``id form tag head``."""
    rows = (word.split(" ") for word in words)
    return [
        "\t".join([number, form, "_", tag, "_", "_", head, "_", "_", "_"]) for number, form, tag, head in rows
    ]


def made(code: str, *words: str) -> str:
    return "".join(tagged(sentences(lines(*words)), code))


@pytest.mark.parametrize(
    ("code", "tag"),
    [("de", "NOUN"), ("es", "AUX")],
)
def test_of_parts_equally_near_the_root_the_first_kind_counts(code, tag):
    words = ("1-2 ab _ _", "1 a AUX 3", "2 b NOUN 3", "3 c VERB 0")
    assert made(code, *words) == f"ab\t{tag}\nc\tVERB\n\n"


def test_the_part_nearest_the_root_counts():
    assert made("de", "1-2 ab _ _", "1 a NOUN 2", "2 b ADP 0") == "ab\tADP\n\n"


def test_heads_in_a_circle_end():
    assert made("de", "1-2 ab _ _", "1 a NOUN 2", "2 b ADP 1") == "ab\tNOUN\n\n"


def test_texts_that_may_not_be_published_are_left_out():
    hidden = [f"{n} _ NOUN 0" for n in (1, 2, 3)]
    assert made("fr", *hidden) == ""
    assert made("fr", *hidden[:1], "2 mot NOUN 0", "3 mot NOUN 0") == "_\tNOUN\nmot\tNOUN\nmot\tNOUN\n\n"


def test_words_hold_no_blank():
    (row,) = lines("1 می\u200cرود VERB 0")
    assert "".join(tagged(sentences([row.replace("رود", "رو د")]), "fa")) == "میرود\tVERB\n\n"
