"""Parallel texts of a user, and what is measured on them."""

from __future__ import annotations

import pytest

from mlflow_xfer import api
from mlflow_xfer.data.parallel import lines_of
from mlflow_xfer.errors import XferError


def test_a_table_and_a_folder_read_the_same(tmp_path):
    (tmp_path / "t.csv").write_text('en,tr\n"a, dog",köpek\nb,kedi\n', "utf-8")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "en.txt").write_text("a, dog\nb\n", "utf-8")
    (folder / "tr.txt").write_text("köpek\nkedi\n", "utf-8")
    expected = {"en": ["a, dog", "b"], "tr": ["köpek", "kedi"]}
    assert lines_of(str(tmp_path / "t.csv")) == lines_of(str(folder)) == expected
    assert list(lines_of(str(tmp_path / "t.csv"), ["tr"])) == ["tr"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("en,xxq\na,b\n", "1: Unknown language 'xxq'"),
        ("en,tr\na\n", "2: has 1 fields, the first line has 2"),
        ('en,tr\n"a,b\n', "is not csv"),
        ("zh,cmn\na,b\n", "the columns zh and cmn are both zh"),
        ("", "empty"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path, text, says):
    (tmp_path / "t.csv").write_text(text, "utf-8")
    with pytest.raises(XferError, match=says):
        lines_of(str(tmp_path / "t.csv"))
    with pytest.raises(XferError, match="no column de"):
        (tmp_path / "t.csv").write_text("en,tr\na,b\n", "utf-8")
        lines_of(str(tmp_path / "t.csv"), ["de"])


def test_fields_of_a_table_may_be_long_and_hold_line_breaks(tmp_path):
    (tmp_path / "t.csv").write_text(f'en,tr\n"a\nb",{"x" * 200_000}\n', "utf-8")
    found = lines_of(str(tmp_path / "t.csv"))
    assert found["en"] == ["a\nb"] and len(found["tr"][0]) == 200_000


def test_morphology_of_own_texts_is_shown(tmp_path):
    words = [f"w{chr(97 + n % 7)}{chr(97 + n % 11)}" for n in range(700)]
    rows = "\n".join(f"{word} {word},{word}{chr(97 + n % 13)}" for n, word in enumerate(words))
    (tmp_path / "t.csv").write_text(f"en,tr\n{rows}\n", "utf-8")
    shown = api.FUNCTIONS["languages"](texts=str(tmp_path / "t.csv"))
    assert "mattr500" in shown and "2 languages; distance: of complexity, to en" in shown
