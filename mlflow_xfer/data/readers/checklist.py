"""MultiCheckList: test cases of questions, a case on a line.

The suites are published as pickles of CheckList's objects and functions: to open one is to run what it says.
So this reads what CheckList says of an opened suite: of each case the name of its test, ``data`` (contexts
with questions) and ``labels`` (answers), named and nested as there (``checklist/abstract_test.py`` of
marcotcr/checklist, ``multichecklist/`` of google-research/xtreme). docs/tasks.md has the program for it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from mlflow_xfer.data.readers import Numbered, each_file
from mlflow_xfer.data.readers._objects import objects
from mlflow_xfer.lines import Malformed
from mlflow_xfer.tasks.task import Files

TESTS = {
    "A is COMP than B. Who is more / less COMP?": "comp",
    "Intensifiers (very, super, extremely) and reducers (somewhat, kinda, etc)?": "intense",
    "size, shape, age, color": "props",
    "Profession vs nationality": "profession_nationality",
    "Animal vs Vehicle": "animal_vehicle",
    "Animal vs Vehicle v2": "animal_vehicle_v2",
}
"""The tests by their published names, and how ``test_models.py`` calls them for short."""


@each_file
def read(path: Path, source: Files, language: str) -> Numbered:
    """A row for each question, with the id ``test/case/question``; every test has cases in every language."""
    cases: Counter[str] = Counter()
    for _, number, case in objects(path, ("test", "data", "labels")):
        where = f"{path}:{number}"
        test = TESTS.get(str(case["test"]), str(case["test"]))
        if test not in TESTS.values():
            raise Malformed(f"{where}: has the test {test!r:.80}.", f"Tests: {', '.join(TESTS)}")
        cases[test] += 1
        for question, row in enumerate(_questions(where, case["data"], case["labels"]), 1):
            yield number, {"id": f"{test}/{cases[test]}/{question}"} | row
    absent = [test for test in TESTS.values() if test not in cases]
    if absent:
        raise Malformed(f"{path}: has no case of the tests {', '.join(absent)}.", "Is the file whole?")


def _questions(where: str, data: Any, labels: Any) -> list[dict[str, str]]:
    if not isinstance(data, list) or not isinstance(labels, list):
        raise Malformed(f"{where}: data and labels are lists.", '"data": [[context, question], …]')
    if not data:
        raise Malformed(f"{where}: the case has no question.", "A case has at least one.")
    if len(data) != len(labels):
        raise Malformed(f"{where}: the case has {len(data)} questions and {len(labels)} labels.")
    rows = []
    for asked, answer in zip(data, labels, strict=True):
        texts = [*asked, answer] if isinstance(asked, list) else []
        if len(texts) != 3 or not all(isinstance(text, str) and text.strip() for text in texts):
            raise Malformed(
                f"{where}: {[asked, answer]!r:.80} is no context, question and answer.",
                '"data": [[context, question], …], "labels": [answer, …], all of them texts',
            )
        rows.append(dict(zip(("context", "question", "answers"), texts, strict=True)))
    return rows
