"""How mistakes in task files are reported."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from task_files import rows, says

from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.tasks.task_file import fields, load_task_file
from tests.conftest import MANY


def test_all_problems_are_reported_at_once_with_lines_and_suggestions(write):
    text = says(
        write(
            """
Sick: {kind: classification}
xnli: {kind: classification}
one:
  kind: clasification
  colums: {text_a: a}
  labels: [yes, no]
  language: no
  files: {trian: a.tsv, test: {no: b.tsv, dee: c.tsv}}
two:
  kind: classification
  labels: [a, b]
  files: {train: nowhere.csv}
  hub: {pth: x}
  recipe: {learning_rate: -1}
"""
        )
    )
    for line, part in [
        (2, "'Sick' is no name"),
        (3, "'xnli' exists already"),
        (5, "Unknown kind 'clasification'.\n  Did you mean 'classification'"),
        (6, "Unknown field 'colums'.\n  Did you mean 'columns'"),
        (7, "put it in quotes"),
        (8, "Norwegian must be quoted"),
        (9, "unknown split 'trian'"),
        (9, "Unknown language 'dee'"),
        (14, "Unknown field 'pth'.\n  Did you mean 'path'"),
        (15, "greater than 0"),
    ]:
        assert part in text and f"tasks.yaml:{line}: " in text, (line, part, text)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ("t: 3", "is not a mapping"),
        ("t: {labels: [a, b], files: {train: a.tsv}}", "has no kind"),
        ("t: {kind: tagging, labels: [a, b]}", "has no data"),
        (
            "t: {files: train.tsv}",
            "files is 'train.tsv', and has to be a mapping.\n  files: {train: train.tsv",
        ),
        ("t: {columns: [a, b]}", "columns is ['a', 'b'], and has to be a mapping.\n  columns: {text_a: "),
        ("t: {hub: imdb}", "hub is 'imdb', and has to be a mapping.\n  hub: {path: organisation/name"),
        ("t: {hub: {path: a/b, splits: [train]}}", "hub.splits is ['train'], and has to be a mapping"),
        ("t: {recipe: 3}", "recipe is 3, and has to be a mapping"),
        ("t: {where: x, codes: y}", "codes is 'y', and has to be a mapping"),
        ("t: {languages: de}", "languages is 'de', and has to be a list.\n  languages: ['de']"),
        ("t: {kind: classification, files: {train: a.csv}}", "has no labels"),
        ("t: {kind: classification, labels: [a], files: {train: a.csv}}", "at least two labels"),
        ("t: {kind: classification, labels: [a, a, b], files: {train: a.csv}}", "names a label twice"),
        ("t: {kind: classification, labels: [a, b], files: {train: a.txt}}", "format is not clear"),
        (
            "t: {kind: classification, labels: [a, b], files: {train: a.tsv}, header: false}",
            "columns by position",
        ),
        (
            "t: {kind: classification, labels: [a, b], files: {train: a.csv}, columns: {text: x}}",
            "Unknown column of a classification task 'text'",
        ),
        (
            "t: {kind: classification, labels: [a, b], files: {train: a.csv}, metric: entity_f1}",
            "does not score classification",
        ),
        (
            "t: {kind: classification, labels: [a, b], files: {train: a.csv}, uses: [targt]}",
            "Did you mean 'target'",
        ),
        ("t: {kind: classification, labels: [a, b], files: {dev: a.csv}}", "'dev' is called validation"),
        (
            "t: {kind: classification, labels: [a, b], files: {train: {path: a.csv, idz: b}}}",
            "Did you mean 'ids'",
        ),
        (
            "t: {kind: classification, labels: [a, b], files: {test: a.csv}, validation_fraction: 0.1}",
            "there is no train split",
        ),
        (
            (
                "t: {kind: classification, labels: [a, b], files: {train: a.csv, validation: b.csv}, "
                "validation_fraction: 0.1}"
            ),
            "beside a validation split",
        ),
        (
            "t: {kind: classification, labels: [a, b], files: {train: a.csv}, validation_fraction: 1.5}",
            "less than 1",
        ),
        (
            "t: {kind: classification, labels: [a, b], files: {train: a.csv}, overlaps: [xnly]}",
            "overlaps: Unknown task 'xnly'.\n  Did you mean 'xnli'",
        ),
        (
            "t: {kind: classification, labels: [a, b], files: {train: a.csv}, dev_of: T}",
            "dev_of: Unknown task 'T'.\n  Did you mean 't'",
        ),
        ("t: {extends: mnly}", "Did you mean 'mnli'"),
        ("t: {extends: xnli, hub: {revision: abc}}", "has no path"),
        ("t: {kind: classification, labels: {yes: a, b: b}, files: {train: a.csv}}", "put it in quotes"),
        (
            "t: {kind: classification, labels: nowhere.txt, files: {train: a.csv}}",
            "file of labels cannot be read",
        ),
        ("t: {kind: classification, labels: [a, b], files: {train: a.csv}, language: german}", "'de'"),
        (
            "t: {kind: classification, kind: tagging, labels: [a, b], files: {train: a.csv}}",
            "stands here a second time",
        ),
        ("t: {}\nt: {}", "stands here a second time"),
        ("t: {kind: classification, labels: [a, b], files: {train: nowhere.csv}}", "no such file"),
        ("t: [", "is not YAML"),
        ("t: {kind: classification, labels: {a: x, b: x}, files: {train: a.csv}}", "at least two labels"),
        (
            "t: {kind: classification, labels: [a, b], languages: [sw], files: {test: a.csv}}",
            "no file is in sw",
        ),
        (
            "t: {kind: classification, labels: [a, b], language_column: lang, files: {test: a.csv}}",
            "which of the languages in lang to read is not said",
        ),
        (
            "t: {kind: span_qa, metric: mlqa, files: {test: {de: a.json, ja: b.json}}}",
            "metric 'mlqa' is not defined for ja, but for ar, de",
        ),
        ("t: {extends: mlqa, files: {test: {ja: b.json}}}", "metric 'mlqa' is not defined for ja"),
        (
            "t: {kind: classification, labels: [a, b], hub: {path: a/b, columns: {text_a: 0}}}",
            "text_a: given by position",
        ),
        ("../t: {kind: tagging}", "is no name for a task"),
        ("t: {kind: !!python/object/apply:os.system [ls]}", "is not YAML"),
    ],
)
def test_each_mistake_has_its_words(write, body, part):
    text = says(write(body))
    assert part in text and "tasks.yaml:" in text or "no such file" in text


@pytest.mark.parametrize("form", ["jsonl", "json", "parquet"])
def test_positions_where_rows_have_names_are_refused(write, form):
    """Each row has its own order."""
    content = '{"p": "one", "h": "two", "l": "a"}\n{"h": "two", "p": "one", "l": "b"}\n'
    entry = f"kind: classification, labels: [a, b], files: {{train: a.{form}}}"
    text = says(
        write(f"t: {{{entry}, columns: {{text_a: 0, text_b: h, label: -1}}}}", **{f"a__{form}": content})
    )
    assert "text_a, label: given by position, but the rows have names, in any order" in text
    choices = f"kind: multiple_choice, files: {{train: a.{form}}}, columns: {{choices: [1, h], label: l}}"
    assert "choices: given by position" in says(write(f"t: {{{choices}}}"))


def test_positions_hold_where_a_table_has_names(write):
    entry = "kind: classification, labels: [a, b], files: {train: a.csv}, header: true"
    path = write(f"t: {{{entry}, columns: {{text_a: 1, label: -1}}}}", a__csv="n,p,l\n1,one,a\n2,two,b\n")
    [task] = load_task_file(path)
    assert [(row["text_a"], row["label"]) for row in rows(task, "train")] == [("one", "a"), ("two", "b")]


def test_faults_of_files_come_with_their_lines(write, tmp_path):
    text = says(
        write(
            "t: {kind: classification, labels: [x, y], columns: {text_a: 0, label: 1}, files: {train: "
            "a.tsv, test: {de: b.tsv, sw: c.tsv}}}",
            a__tsv="a\tx\nb\tz\n",
            b__tsv="a\tx\n" * 20,
            c__tsv="a\n",
        )
    )
    assert "3 problems" in text and f"{tmp_path / 'a.tsv'}:2: has label 'z', which is not among x, y" in text
    assert "all 20 rows have the label 'x'" in text and "no row has a label" in text


@pytest.mark.parametrize(
    "content",
    [
        "",
        "tasks:\n",
        "[]",
        "x: 1\n",
        "tasks: 3\n",
        "\0",
        "&a [*a]",
        "tasks: {a: \ud83d}".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
)
def test_files_that_are_no_task_files(tmp_path, content):
    path = tmp_path / "tasks.yaml"
    path.write_text(content, encoding="utf-8")
    assert "tasks.yaml" in says(path)


def test_a_missing_task_file(tmp_path):
    assert "cannot be read" in says(tmp_path / "nowhere.yaml")


def test_every_field_is_described():
    assert {name for name, text in fields() if not text} == {"description", "licence", "citation"}


LINES = [
    "tasks:",
    "  t:",
    "    kind: classification",
    "    labels: [a, b]",
    "    files: {train: a.tsv}",
    "    columns: {text_a: 0, label: 1}",
    "    validation_fraction: 0.1",
    "    hub: {path: a/b}",
    "    extends: mnli",
    "    language: de",
    "    recipe: {learning_rate: 1}",
]


@settings(max_examples=200 * MANY, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=80),
        st.lists(st.sampled_from(LINES), max_size=9).map(
            lambda lines: "\n".join(["tasks:", "  t:", *lines]).encode()
        ),
        st.tuples(st.sampled_from(LINES[2:]), st.text(alphabet="ab:{}[]&*!\"' \n0.-~@", max_size=12)).map(
            lambda pair: f"tasks:\n  t:\n    {pair[0].strip().split(':')[0]}: {pair[1]}\n".encode()
        ),
    )
)
def test_any_file_gives_tasks_or_faults(tmp_path, content):
    path = tmp_path / "tasks.yaml"
    path.write_bytes(content)
    try:
        assert all(isinstance(task, Task) for task in load_task_file(path))
    except XferError as error:
        assert "tasks.yaml" in str(error)


def test_nested_aliases_do_not_explode(tmp_path):
    path = tmp_path / "tasks.yaml"
    path.write_text(
        "a: &a [x, x]\n"
        + "".join(
            f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n"
            for a, b in zip("abcdefghi", "bcdefghij", strict=True)
        )
        + "tasks: {t: {kind: classification, labels: *j, files: *j}}\n"
    )
    assert "stand for more than 200,000 values" in says(path)
    path.write_text(
        path.read_text()
        .replace("tasks: {t: {kind", "tasks: {t: {labels: &z [[[[*j]]]], kind")
        .replace("a: &a", "tasks: {}\na: &a", 1)
    )
    assert "tasks.yaml" in says(path)
