"""MultiCheckList's layout: a row for each question, and one clear error for what is not in it."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlflow_xfer.data import sources
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.catalogue import TASKS
from tests.kinds.span_cases.suites import NAMES, PLACE, case, suite, write

TASK = TASKS.get("multichecklist")


def read(folder: Path, language: str = "sw") -> list[dict]:
    rows = sources.locate(TASK, "test", language, str(folder))
    assert rows is not None
    return sources.read(TASK, rows).to_list()


def test_a_case_is_a_row_for_each_of_its_questions(tmp_path):
    write(tmp_path, "sw")
    rows = read(tmp_path)
    assert len(rows) == 6 * 2 * 2 and len({row["id"] for row in rows}) == len(rows)
    assert rows[3] == {
        "id": "comp/2/2",
        "original_id": "comp/2/2",
        "context": "Anna is older than Tom.",
        "question": "Who is older?",
        "answers": {"text": ["Anna"], "answer_start": [0]},
    }
    assert rows[-1]["id"] == "animal_vehicle_v2/2/2"


def test_short_names_of_tests_are_read_too(tmp_path):
    cases = suite()
    cases[0]["test"] = "comp"
    write(tmp_path, "sw", cases)
    assert [row["id"] for row in read(tmp_path)[:3]] == ["comp/1/1", "comp/1/2", "comp/2/1"]


def test_an_answer_that_no_span_can_be_is_kept(tmp_path):
    cases = suite()
    cases[0]["labels"][0] = "the Ida"
    write(tmp_path, "sw", cases)
    assert read(tmp_path)[0]["answers"] == {"text": ["the Ida"], "answer_start": [-1]}


def changed(**fields):
    return [case(NAMES[0]) | fields, *suite()[2:]]


CONTEXT = [["Gary is older.", "Who?"]]
WRONG = {
    "a case without questions": (changed(data=[], labels=[]), "1: the case has no question"),
    "an unknown test": (changed(test="Negation"), "1: has the test 'Negation'"),
    "fewer labels": (changed(labels=["Ida"]), "1: the case has 2 questions and 1 labels"),
    "no label": (changed(data=CONTEXT, labels=[None]), "1: .* is no context, question and answer"),
    "a blank label": (changed(data=CONTEXT, labels=[" "]), "1: .* is no context, question and answer"),
    "no question": (changed(data=[["Gary."]], labels=["Gary"]), "1: .* is no context, question and answer"),
    "a text for a case": (changed(data="Gary is older."), "1: data and labels are lists"),
    "a column that is not there": ([{"test": NAMES[0], "data": CONTEXT}], "1: has no labels"),
    "a test without cases": (suite()[:-2], "has no case of the tests animal_vehicle_v2"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_with_file_and_line(tmp_path, name):
    cases, message = WRONG[name]
    path = write(tmp_path, "sw", cases)
    with pytest.raises(XferError, match=message) as refused:
        read(tmp_path)
    assert str(path) in str(refused.value)


def test_a_torn_file_is_refused(tmp_path):
    path = write(tmp_path, "sw")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(XferError, match="may be truncated"):
        read(tmp_path)


class Hostile:
    """What runs when a pickle of it is opened."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("protocol", [0, 4])
def test_a_pickle_under_the_name_of_the_lines_runs_nothing(tmp_path, protocol):
    mark = tmp_path / "ran"
    content = pickle.dumps(Hostile(mark), protocol)
    pickle.loads(content)
    assert mark.exists(), "it would, opened as a pickle"
    mark.unlink()
    path = write(tmp_path, "sw")
    path.write_bytes(content)
    with pytest.raises(XferError, match="_squad_suite.jsonl:1: "):
        read(tmp_path)
    assert not mark.exists()


def test_published_pickles_alone_are_no_test_data(tmp_path):
    pickled = tmp_path / PLACE.format("sw").replace(".jsonl", ".pkl")
    pickled.parent.mkdir(parents=True)
    pickled.write_bytes(pickle.dumps(suite()))
    assert sources.locate(TASK, "test", "sw", str(tmp_path)) is None
    assert PLACE.format("sw") in sources.looked_at(TASK, "test", "sw", str(tmp_path))


def test_own_cases_say_test_and_case_in_their_ids(tmp_path):
    row = {"id": "colours/1/1", "context": "a red car", "question": "what?", "answers": "red"}
    path = tmp_path / "multichecklist" / "test-sw.jsonl"
    path.parent.mkdir()
    path.write_text(json.dumps(row) + "\n")
    assert [row["id"] for row in read(tmp_path)] == ["colours/1/1"]


CHECKLIST = """
import pickle

class TestSuite:
    @staticmethod
    def from_file(path):
        suite = TestSuite()
        suite.tests = pickle.load(open(path, "rb"))
        return suite

class Test:
    def __init__(self, data, labels):
        self.data, self.labels = data, labels
"""
SAVING = """
import json, pickle, sys
from checklist.test_suite import Test

tests = {}
for case in json.load(sys.stdin):
    test = tests.setdefault(case["test"], Test([], []))
    test.data.append([tuple(asked) for asked in case["data"]])
    test.labels.append(case["labels"])
pickle.dump(tests, open("lang_suites/sw_squad_suite.pkl", "wb"))
"""


def test_the_documented_program_writes_what_is_read(tmp_path, project):
    """Beside a stand-in of CheckList with what the program asks of it."""
    documented = (project / "docs" / "tasks.md").read_text(encoding="utf-8")
    program = next(one for one in re.findall(r"```python\n(.*?)```", documented, re.S) if "checklist" in one)
    folder = tmp_path / "multichecklist"
    (folder / "lang_suites").mkdir(parents=True)
    (folder / "checklist").mkdir()
    (folder / "checklist" / "test_suite.py").write_text(CHECKLIST)
    for text, given in ((SAVING, json.dumps(suite())), (program, "")):
        subprocess.run([sys.executable, "-c", text], input=given, cwd=folder, text=True, check=True)
    with_pickles = read(tmp_path)
    write(tmp_path / "own", "sw")
    assert with_pickles == read(tmp_path / "own")
