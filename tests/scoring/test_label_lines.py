"""Files of one label a line: columns, headers, and labels in another spelling."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.scoring.formats import path_of
from mlflow_xfer.scoring.submission import score_files
from mlflow_xfer.scoring.validation import validate

from .scored_tasks import KINDS, suite_of

NLI = ("entailment", "neutral", "contradiction")
TASKS = {
    "xnli": replace(KINDS["xnli"], labels=NLI),
    "pawsx": replace(KINDS["pawsx"], labels=("0", "1")),
    "tatoeba": KINDS["tatoeba"],
}


def filed(root: Path, name: str, lines: list[str]) -> Path:
    file = path_of(root, TASKS[name], "de")
    file.parent.mkdir(parents=True)
    file.write_text("".join(line + "\n" for line in lines), "utf-8")
    return file


def scored(tmp_path, name: str, mine: list[str], gold: list[str]):
    """The score, and the warnings."""
    said: list[str] = []
    files = filed(tmp_path / "p", name, mine), filed(tmp_path / "l", name, gold)
    return score_files(*files, TASKS[name], "de", warn=said.append).value, said


@pytest.mark.parametrize("name", ["xnli", "pawsx", "tatoeba"])
@pytest.mark.parametrize("side", ["p", "l"])
def test_columns_beside_the_labels_are_refused(tmp_path, name, side):
    labels = ["1", "0"] if name != "xnli" else ["neutral", "entailment"]
    wide = [f"text {n}\tother {n}\t{label}" for n, label in enumerate(labels * 2)]
    sides = {"p": labels * 2, "l": labels * 2} | {side: wide}
    with pytest.raises(XferError, match=rf"{side}/{name}/test-de.tsv:1 has several columns") as caught:
        scored(tmp_path, name, sides["p"], sides["l"])
    assert "one label a line" in caught.value.what and "cut -f3 test-de.tsv" in caught.value.hint


def test_columns_in_both_files_are_no_labels(tmp_path):
    rows = [f"{n}\t{n % 2}" for n in range(1000)]
    with pytest.raises(XferError, match="several columns") as caught:
        scored(tmp_path, "pawsx", rows[::-1], rows)
    assert "cut -f2" in caught.value.hint


def test_columns_are_named_in_a_submission(tmp_path):
    file = filed(tmp_path, "xnli", ["0\tneutral", "1\tneutral"])
    found = validate(tmp_path, suite_of("xnli"), TASKS)
    assert any("several columns" in one.what and one.refused for one in found if file.name in one.where)


@pytest.mark.parametrize(
    ("name", "labels"),
    [("xnli", ["neutral", "entailment"]), ("tatoeba", ["1", "0"]), ("pawsx", ["1.0", "0"])],
)
def test_a_header_is_no_example(tmp_path, name, labels):
    with pytest.raises(XferError, match=r"l/\w+/test-de.tsv:1 is 'label'.* header") as caught:
        scored(tmp_path, name, ["label", *labels], ["label", *labels])
    assert "also from the predictions" in caught.value.hint


@pytest.mark.parametrize("gold", ["{}", "{}.0", "{}.00"])
@pytest.mark.parametrize("mine", ["{}", "{}.0"])
@pytest.mark.parametrize("name", ["pawsx", "tatoeba"])
def test_a_number_is_one_label_in_any_spelling(tmp_path, name, mine, gold):
    labels = ["0", "1", "1", "0"]
    assert scored(tmp_path, name, [*map(mine.format, labels)], [*map(gold.format, labels)]) == (100, [])


def test_declared_labels_stay_apart(tmp_path, monkeypatch):
    task = replace(KINDS["pawsx"], name="versions", labels=("1", "1.0"))
    monkeypatch.setitem(TASKS, "versions", task)
    assert scored(tmp_path, "versions", ["1", "1.0", "1"], ["1", "1.0", "1.0"])[0] == pytest.approx(200 / 3)


def test_a_file_without_any_label_of_the_task_is_to_blame_itself(tmp_path):
    value, said = scored(tmp_path / "alike", "xnli", ["0", "1"], ["0", "1"])
    assert value == 100 and len(said) == 1
    assert "l/xnli/test-de.tsv: none of its 2 labels is the task's, such as '0'" in said[0]
    assert "entailment, neutral, contradiction" in said[0]
    with pytest.raises(XferError, match=r"l/xnli/test-de.tsv: none of its 2 labels is the task's") as caught:
        scored(tmp_path, "xnli", ["entailment", "neutral"], ["0", "1"])
    assert "entailment, neutral, contradiction" in caught.value.hint


@pytest.mark.parametrize("mine", [["0", "1"], ["NEUTRAL", "ENTAILMENT"], ['"neutral"', '"entailment"']])
def test_predictions_without_any_label_of_the_task_are_refused(tmp_path, mine):
    with pytest.raises(
        XferError, match="p/xnli/test-de.tsv: none of the 2 predictions is an answer"
    ) as caught:
        scored(tmp_path, "xnli", mine, ["neutral", "entailment"])
    assert repr(mine[0]) in caught.value.what and caught.value.hint == f"Accepted: {', '.join(NLI)}"


@pytest.mark.parametrize("between", [" ", "\t", "  "])
def test_a_word_beside_a_tag_is_refused(tmp_path, between):
    task = replace(KINDS["panx"], labels=("O", "B-PER", "I-PER"))
    gold, mine = (path_of(tmp_path / side, task, "de") for side in "lp")
    for file, lines in ((gold, ["B-PER", "O"]), (mine, [f"Anna{between}B-PER", f"y{between}O"])):
        file.parent.mkdir(parents=True)
        file.write_text("\n\n".join(lines))
    with pytest.raises(XferError, match=r"p/panx/test-de.tsv: 'Anna.*B-PER' is no tag"):
        score_files(mine, gold, task, "de")
    blank = replace(KINDS["panx"], labels=("O", "work of art"))
    for file in (gold, mine):
        file.write_text("work of art\nO\n")
    assert score_files(mine, gold, blank, "de").value == 100
