"""What `tasks --check` remarks on rows that read well, and on ids that choose none."""

from __future__ import annotations

import json

import pytest

from mlflow_xfer.data.task_file_check import check_task_file
from mlflow_xfer.errors import XferError


@pytest.fixture
def remarked(tmp_path):
    """Checks a task with rows by split; returns the remarks on each split."""

    def check(entry: str, **splits) -> dict[str, tuple[str, ...]]:
        for name, rows in splits.items():
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (tmp_path / f"{name}.jsonl").write_text(lines)
        files = ", ".join(f"{name}: {name}.jsonl" for name in splits)
        path = tmp_path / "tasks.yaml"
        path.write_text(f"tasks: {{t: {{{entry}, files: {{{files}}}}}}}")
        found = check_task_file(path)
        for one in found:
            assert all(f"\n  {remark}" in str(one) for remark in one.remarks)
        return {one.split: one.remarks for one in found}

    return check


PAIRS = "kind: classification, labels: [x, y], columns: {text_a: a, text_b: b, label: l}"


def row(a, b="b", label="x") -> dict:
    return {"a": a, "b": b, "l": label}


def test_rows_without_fault_get_no_remark(remarked):
    rows = [row("one"), row("two", label="y"), row("two", "c")]
    assert remarked(PAIRS, train=rows, test=[row("three")]) == {"train": (), "test": ()}


def test_repeated_rows_and_other_answers(remarked):
    rows = [row("one"), row("one"), row("one", label="y"), row("two")]
    found = remarked(PAIRS, train=rows, test=[row("two", label="y"), row("three")])
    assert found["train"] == ("2 of 4 rows repeat the texts of another, 1 of them with another answer",)
    assert found["test"] == ("1 of 2 rows are in the training split too",)


def test_rows_that_select_and_are_scored(remarked):
    rows = [row("one"), row("two", label="y")]
    found = remarked(PAIRS, train=[row("three")], validation=rows, test=[*rows[:1], row("four", label="y")])
    assert found["test"] == ("1 of 2 rows are in the validation split too",) and not found["validation"]


def test_texts_that_a_program_quoted_or_a_conversion_lost(remarked):
    rows = [row('"so ""it"" is"'), row('"whole"'), row('""odd"'), row("caf\ufffd", label="y")]
    first, second = remarked(PAIRS, train=rows)["train"]
    assert first.startswith("1 of 4 rows have a text in quotation marks") and "csv's quoting" in first
    assert second.startswith("1 of 4 rows have the character U+FFFD")


def test_blank_texts_and_words_for_nothing(remarked):
    rows = [row("one", " "), row("", "two"), row("nan"), row("x", "None")]
    assert remarked(PAIRS, train=rows)["train"] == (
        "1 of 4 rows have a blank text_a",
        "1 of 4 rows have a blank text_b",
        "1 of 4 rows have a text_a such as nan, None or null",
        "1 of 4 rows have a text_b such as nan, None or null",
    )


@pytest.mark.parametrize(
    "names", ["question\tanswer", "Source\tTARGET", "text_a\ttext_b", "Sentence 1\tsentence2"]
)
def test_a_line_of_names_that_was_read_as_a_pair(tmp_path, names):
    path = tmp_path / "tasks.yaml"
    for name in ("a", "b"):
        (tmp_path / f"{name}.tsv").write_text(f"{names}\nwho{name}\tRina\ntext\ttext\nanswer\tthe answer\n")
    entry = "kind: retrieval, columns: {source: 0, target: 1}, files: {test: [a.tsv, b.tsv]}"
    path.write_text(f"tasks: {{t: {{{entry}}}}}")
    [found] = check_task_file(path)
    assert "2 of 8 rows read like a line of names: if so, header: true" in found.remarks
    path.write_text(f"tasks: {{t: {{{entry}, header: true}}}}")
    [found] = check_task_file(path)
    assert found.rows == 6 and not any("names" in remark for remark in found.remarks)


def test_single_texts_lack_no_second(remarked):
    rows = [{"a": "one", "l": "x"}, {"a": "two", "l": "y"}]
    entry = "kind: classification, labels: [x, y], columns: {text_a: a, label: l}"
    assert remarked(entry, train=rows)["train"] == ()


def test_what_choices_need_not_have_is_not_blank(remarked):
    rows = [{"context": f"c {n}", "choices": ["a", "b"], "label": n % 2} for n in range(3)]
    assert remarked("kind: multiple_choice", train=rows)["train"] == ()
    asked = [one | {"question": "q" if n else " "} for n, one in enumerate(rows)]
    assert remarked("kind: multiple_choice", train=asked)["train"] == ("1 of 3 rows have a blank question",)
    blank = [one | {"question": ""} for one in rows]
    entry = "kind: multiple_choice, columns: {question: question}"
    assert remarked(entry, train=blank)["train"] == ("3 of 3 rows have a blank question",)


def test_tags_of_another_scheme(remarked):
    rows = [
        {"words": ["a", "b", "c"], "tags": ["I-X", "B-X", "O"]},
        {"words": ["a", "b"], "tags": ["O", "I-X"]},
    ]
    [remark] = remarked("kind: tagging, labels: [O, B-X, I-X]", train=rows)["train"]
    assert remark.startswith("its tags are IOB1 and read so")
    mixed = [*rows, {"words": ["a"], "tags": ["B-X"]}]
    [remark] = remarked("kind: tagging, labels: [O, B-X, I-X]", train=mixed)["train"]
    assert remark == "2 of 4 entities begin with I-, the others with B-"
    assert remarked("kind: tagging, labels: [O, B-X, I-X], scheme: iob1", train=rows)["train"] == ()


def test_ids_that_leave_no_row_out_are_refused(tmp_path):
    rows = [{"id": n, "text_a": f"text {n}", "label": "xy"[n % 2]} for n in range(4)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "ids.txt").write_text("q1\nq2\n")
    path = tmp_path / "tasks.yaml"
    files = "{train: {path: a.jsonl, exclude_ids: ids.txt}}"
    path.write_text(f"tasks: {{t: {{kind: classification, labels: [x, y], files: {files}}}}}")
    with pytest.raises(XferError, match=r"ids.txt: none of its 2 ids is the id of a row(.|\n)*are like '0'"):
        check_task_file(path)
    (tmp_path / "ids.txt").write_text("q1\n2\n")
    assert check_task_file(path)[0].rows == 3


def test_ids_that_choose_no_row_are_refused(tmp_path):
    rows = [{"id": f"00{n}", "text_a": f"text {n}", "label": "xy"[n % 2], "lang": "de"} for n in range(4)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "ids.txt").write_text("001\n2\n003 \n")
    path, read = tmp_path / "tasks.yaml", "kind: classification, labels: [x, y]"
    path.write_text(f"tasks: {{t: {{{read}, files: {{test: {{path: a.jsonl, ids: ids.txt}}}}}}}}")
    with pytest.raises(XferError, match=r"ids.txt: 1 of its 3 ids are the id of no row, such as '2'"):
        check_task_file(path)


def test_ids_may_be_for_the_files_of_several_languages(tmp_path):
    for n, code in enumerate(("de", "sw")):
        row = {"id": f"{code}1", "text_a": f"text {n}", "label": "x", "lang": code}
        (tmp_path / f"{code}.jsonl").write_text(json.dumps(row) + "\n")
    both = (tmp_path / "de.jsonl").read_text() + (tmp_path / "sw.jsonl").read_text()
    (tmp_path / "all.json").write_text(f"[{both.strip().replace(chr(10), ',')}]")
    (tmp_path / "ids.txt").write_text("de1\nsw1\n")
    path, read = tmp_path / "tasks.yaml", "kind: classification, labels: [x, y]"
    one = '{path: "%s", ids: ids.txt}'
    for files in (one % "{language}.jsonl", f"{{de: {one % 'de.jsonl'}, sw: {one % 'sw.jsonl'}}}"):
        path.write_text(f"tasks: {{t: {{{read}, files: {{test: {files}}}}}}}")
        assert [found.rows for found in check_task_file(path)] == [1, 1]
    column = "language_column: lang, languages: [de, sw]"
    path.write_text(f"tasks: {{t: {{{read}, {column}, files: {{test: {one % 'all.json'}}}}}}}")
    assert [found.rows for found in check_task_file(path)] == [1, 1]


@pytest.mark.parametrize("asked", ["where: {fold: one}", "language_column: lang, languages: [en]"])
def test_a_split_of_which_no_row_is_asked_for_says_what_rows_have(remarked, asked):
    says = r"is empty without the 2 rows that where, .* leave out; its columns are: a, b, l\."
    with pytest.raises(XferError, match=says):
        remarked(f"{PAIRS}, {asked}", train=[row("one"), row("two", label="y")])


def test_files_of_one_language_under_two_names_are_refused(tmp_path):
    path = tmp_path / "tasks.yaml"
    path.write_text(f"tasks: {{t: {{{PAIRS}, files: {{test: {{sw: a.jsonl, swa: b.jsonl}}}}}}}}")
    with pytest.raises(XferError, match=r"files\.test: swa is another name of sw, which has files"):
        check_task_file(path)
