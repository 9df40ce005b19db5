"""The validator names everything a leaderboard would refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlflow_xfer.scoring.formats import path_of, write_predictions
from mlflow_xfer.scoring.validation import best_of, validate

from .label_files import write_labels
from .scored_tasks import KINDS, suite_of
from .test_submission import folders

TASKS = {
    **KINDS,
    "xnli": replace(KINDS["xnli"], labels=("entailment", "neutral", "contradiction")),
    "panx": replace(KINDS["panx"], labels=("O", "B-LOC", "I-LOC")),
}


@pytest.fixture
def good(tmp_path):
    """A submission without a fault, of every format, and its labels."""
    gold = {
        "xnli": (["neutral", "entailment"], None),
        "panx": ([["O", "B-LOC"], ["O"]], None),
        "xquad": ([["a"], ["b"]], ["q1", "q2"]),
        "xcopa": ([0, 1], None),
        "tatoeba": ([1, 0], None),
    }
    for name, (values, ids) in gold.items():
        for language in TASKS[name].languages:
            mine = [golds[0] for golds in values] if name == "xquad" else values
            write_predictions(tmp_path / "p", TASKS[name], language, mine, ids)
            write_labels(tmp_path / "l", TASKS[name], language, values, ids)
    for language in TASKS["bucc2018"].languages:
        write_predictions(tmp_path / "p", TASKS["bucc2018"], language, [(f"{language}-1", "en-1")])
    ranks = [f"Q{i}" for i in range(20)]
    for language in TASKS["mewslix"].languages:
        write_predictions(tmp_path / "p", TASKS["mewslix"], language, [ranks], ["m1"])
        write_labels(tmp_path / "l", TASKS["mewslix"], language, [["Q1"]], ["m1"])
    return tmp_path, suite_of(*gold, "bucc2018", "mewslix")


def test_a_good_submission_has_no_fault(good):
    root, suite = good
    assert validate(root / "p", suite, TASKS, root / "l") == []


CASES = {
    "xnli, other label": ("xnli", "en", b"neutral\nmaybe\n", "values outside the labels .*'maybe'"),
    "xnli, count": ("xnli", "en", b"neutral\n", "1 lines, 2 are needed"),
    "xnli, collapsed": ("xnli", "en", b"neutral\nneutral\n", "a collapsed model"),
    "panx, with words": ("panx", "en", b"Berlin\tB-LOC\nis\tO\n\na\tO\n", "without the word"),
    "panx, blank lines": ("panx", "en", b"O\nB-LOC\n\n\nO\n", "two blank lines"),
    "panx, short sentence": (
        "panx",
        "en",
        b"O\n\nO\n",
        "1 sentences with the wrong number of tags, the first is 1",
    ),
    "xquad, missing": ("xquad", "en", b'{"q1": "a"}', "1 questions without a prediction, such as 'q2'"),
    "xquad, unknown": ("xquad", "en", b'{"q1": "a", "q2": "b", "q3": "c"}', "unknown ids, such as 'q3'"),
    "xquad, twice": ("xquad", "en", b'{"q1": "a", "q2": "b", "q2": "c"}', "'q2' and 0 more occur twice"),
    "xquad, empty": ("xquad", "en", b'{"q1": "", "q2": "b"}', "1 of 2 answers are empty"),
    "xquad, truncated": ("xquad", "en", b'{"q1": "a", "q2', "is not JSON"),
    "xcopa, label": ("xcopa", "et", b'{"label": 0}\n{"label": 2}\n', "labels are 0 or 1"),
    "tatoeba, list": ("tatoeba", "de", b"[308]\n1\n", r"not a row number: '\[308\]'"),
    "bucc, order": ("bucc2018", "de", b"en-1\tde-1\n", "is needed"),
    "bucc, empty": ("bucc2018", "de", b"", "no pair was mined"),
    "mewslix, short": ("mewslix", "ar", b'{"m1": ["Q1"]}', "fewer than 20 ids"),
    "mewslix, twice": ("mewslix", "ar", b'{"m1": ["Q1", "Q1"]}', "list an id twice"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_fault_is_named(good, case):
    (root, suite), (name, language, content, message) = good, CASES[case]
    path_of(root / "p", TASKS[name], language).write_bytes(content)
    found = validate(root / "p", suite, TASKS, root / "l")
    assert found and {f.where for f in found} == {f"{name}/{path_of(root, TASKS[name], language).name}"}
    import re

    assert any(re.search(message, f.what) for f in found), [str(f) for f in found]


def test_missing_and_extra_files(good):
    root, suite = good
    path_of(root / "p", TASKS["xnli"], "sw").rename(root / "p" / "xnli" / "test-sw.txt")
    (root / "p" / "notes").mkdir()
    for file in (root / "p" / "xcopa").iterdir():
        file.unlink()
    (root / "p" / "xcopa").rmdir()
    found = [str(f) for f in validate(root / "p", suite, TASKS)]
    assert "refused: xnli/test-sw.tsv: the file is missing" in found
    assert "suspicious: xnli/test-sw.txt: not a file of this task" in found
    assert "refused: xcopa/: the task is missing" in found
    assert "suspicious: notes: not a task of toy" in found


def test_known_sizes_hold_where_there_are_no_labels(good):
    root, suite = good
    found = [f for f in validate(root / "p", suite, TASKS) if f.refused]
    assert {f.where.split("/")[0] for f in found} == {"xnli", "xquad", "xcopa"}
    assert any("2 lines, 5010 are needed" in f.what for f in found)


def test_random_submissions_never_raise(tmp_path):
    predictions, labels = folders(tmp_path, 4)
    assert all(str(f) for f in validate(predictions, suite_of(*KINDS), KINDS, labels))


def test_best_run_of_each_target():
    assert best_of({"r1": {"xnli": 70.0, "panx": 50.0}, "r2": {"xnli": 71.0}, "r3": {"panx": 50.0}}) == {
        "xnli": "r2",
        "panx": "r1",
    }
