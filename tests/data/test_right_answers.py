"""Where answers begin: in characters, UTF-16 units or bytes, told apart or refused."""

from __future__ import annotations

import json
import random

import pytest

from mlflow_xfer.data import sources
from mlflow_xfer.data.answers import OFFSETS, answers_of
from mlflow_xfer.data.labels import MISSING, BadRow, NoLabel
from mlflow_xfer.data.task_file_check import check_task_file
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.task_file import load_task_file
from tests.conftest import MANY

WORDS = ["Rina", "лодка", "𝒜bc", "🚢", "é", "e\u0301", "船が", "ﷺ", "the", "\u200f", "a\u00a0b"]
COUNTED = {
    "characters": len,
    "utf-16": lambda text: len(text.encode("utf-16-le")) // 2,
    "bytes": lambda text: len(text.encode()),
}
"""How many units a text has, by hand."""


def drawn(draw: random.Random) -> tuple[str, str, str]:
    """The text before an answer, the answer, the text after it."""
    parts = [" ".join(draw.choices(WORDS, k=draw.randint(0, 6))) for _ in range(2)]
    return parts[0] + " ", draw.choice(WORDS), " " + parts[1]


@pytest.mark.parametrize("unit", COUNTED)
def test_places_become_characters(unit):
    draw = random.Random(unit)
    for _ in range(300 * MANY):
        before, answer, after = drawn(draw)
        text, start = before + answer + after, COUNTED[unit](before)
        assert answers_of({"text": [answer], "answer_start": [start]}, text, unit) == (
            [answer],
            [len(before)],
        )


@pytest.mark.parametrize("unit", COUNTED)
@pytest.mark.parametrize("declared", COUNTED)
def test_other_units_are_named_where_they_differ(unit, declared):
    before, answer = "🚢 лодка 🚢 ", "Rina"
    given = {"text": [answer], "answer_start": [COUNTED[unit](before)]}
    if unit == declared:
        answers_of(given, before + answer, declared)
    else:
        with pytest.raises(BadRow, match=rf"answer 'Rina' does not stand at .*\(offsets: {unit}\)"):
            answers_of(given, before + answer, declared)


@pytest.mark.parametrize(
    ("answer", "start", "says"),
    [
        ("Rina", 3, "does not stand at character 3 of its context; it stands at character 4"),
        ("Lima", 4, "nor anywhere in it"),
        ("Rina", -4, "does not stand at character -4"),
        ("Rina", 4.5, "begins at 4.5, which is no whole number"),
        ("Rina", "four", "begins at 'four'"),
        ("Rina", True, "begins at True"),
        ("Rina", None, "begins at None"),
        ("Rina", float("nan"), "begins at nan"),
        (7, 4, "has the answer 7, which is no text"),
        ("Rina", 10**30, "does not stand"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(answer, start, says):
    with pytest.raises(BadRow, match=says):
        answers_of({"text": [answer], "answer_start": [start]}, "the Rina", "characters")


@pytest.mark.parametrize(
    "given",
    [
        {"text": ["Rina"], "answer_start": [4]},
        {"text": "Rina", "answer_start": 4},
        {"text": ["Rina"], "answer_start": [4.0]},
        {"text": ["Rina"], "answer_start": ["4"]},
        [{"text": "Rina", "answer_start": 4}],
    ],
)
def test_one_answer_in_many_shapes(given):
    assert answers_of(given, "the Rina", "characters") == (["Rina"], [4])


@pytest.mark.parametrize("given", [[], {"text": [], "answer_start": []}])
def test_a_question_may_have_no_answer(given):
    assert answers_of(given, "the Rina", "characters") == ([], [])


@pytest.mark.parametrize("given", ["Rina", "{'text': ['Rina'], 'answer_start': [4]}", ["Rina"], 4, [4]])
def test_answers_of_another_shape_are_no_lack_of_answers(given):
    with pytest.raises(BadRow, match=r"has the answers .*, which are not like \{\"text\": \["):
        answers_of(given, "the Rina", "characters")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"span_text": ["Rina"], "start": [4]},
        [{"answer": "Rina", "answer_start": 4}],
        [{"text": "Rina", "answer_start": 4}, {}],
    ],
)
def test_answers_whose_texts_have_another_name_are_no_lack_of_answers(given):
    with pytest.raises(BadRow, match="has answers of .* without text, which are not like") as raised:
        answers_of(given, "the Rina", "characters")
    assert not isinstance(raised.value, NoLabel)


@pytest.mark.parametrize("given", ["", " ", None, float("nan"), MISSING, {"text": None}])
def test_a_cell_that_holds_nothing_is_a_lack_of_answers(given):
    with pytest.raises(NoLabel):
        answers_of(given, "the Rina", "characters")


def test_texts_and_places_are_as_many():
    with pytest.raises(BadRow, match="has 2 answers and 1 places"):
        answers_of({"text": ["a", "b"], "answer_start": [0]}, "a b", "characters")


@pytest.fixture
def task_file(tmp_path):
    def write(rows: list[dict], more: str = "", split: str = "train"):
        (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        path = tmp_path / "tasks.yaml"
        path.write_text(f"tasks: {{t: {{kind: span_qa, {more} files: {{{split}: a.jsonl}}}}}}")
        return path

    return write


def row(before: str, start: int, **more) -> dict:
    answers = {"text": ["Rina"], "answer_start": [start]}
    return {"context": before + "Rina", "question": "who?", "answers": answers} | more


@pytest.mark.parametrize("unit", OFFSETS)
def test_a_task_file_says_what_places_count(task_file, unit):
    path = task_file([row("🚢 é ", COUNTED[unit]("🚢 é "))], f"offsets: {unit},")
    check_task_file(path)
    [task] = load_task_file(path)
    [read] = sources.read(task, sources.locate(task, "train", "en", "mini")).to_list()
    assert read["answers"] == {"text": ["Rina"], "answer_start": [4]}
    if unit != "characters":
        with pytest.raises(XferError, match=rf"a.jsonl:1: answer 'Rina' .*\(offsets: {unit}\)"):
            check_task_file(task_file([row("🚢 é ", COUNTED[unit]("🚢 é "))]))
    with pytest.raises(XferError, match="offsets"):
        load_task_file(task_file([], "offsets: utf-32,"))


@pytest.mark.parametrize(("column", "value"), [("question", " "), ("question", "")])
def test_blank_texts_of_users_are_refused(task_file, column, value):
    with pytest.raises(XferError, match=rf"a.jsonl:2: has a blank {column}"):
        check_task_file(task_file([row("a ", 2), row("a ", 2, **{column: value})]))


def test_questions_without_an_answer_need_a_metric_that_knows_them(task_file):
    rows = [row("a ", 2), row("a ", 2, answers={"text": [], "answer_start": []})]
    with pytest.raises(XferError, match="1 questions have no answer, such as '1'; squad scores none such"):
        check_task_file(task_file(rows, split="test"))
    [found] = check_task_file(task_file(rows, "metric: squad_v2,", "test"))
    assert "1 of 2 questions have no answer" in found.remarks
    [found] = check_task_file(task_file(rows))
    assert "1 of 2 questions have no answer" in found.remarks


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("metric", ["squad", "squad_v2"])
def test_a_split_in_which_no_question_has_an_answer_is_refused(task_file, tmp_path, split, metric):
    path = task_file([row("a ", 2), row("b ", 2)], f"metric: {metric},")
    none = [row(text, 2, answers=[]) for text in ("c ", "d ")]
    (tmp_path / "none.jsonl").write_text("".join(json.dumps(one) + "\n" for one in none))
    named = {"train": "a", "validation": "a", "test": "a", split: "none"}
    files = ", ".join(f"{name}: {stem}.jsonl" for name, stem in named.items())
    path.write_text(f"tasks: {{t: {{kind: span_qa, metric: {metric}, files: {{{files}}}}}}}")
    if metric == "squad_v2" and split != "test":
        check_task_file(path)
    else:
        with pytest.raises(XferError, match=f"{split} split, en: none of its 2 questions has an answer"):
            check_task_file(path)
