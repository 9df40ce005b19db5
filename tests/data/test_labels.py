"""Labels that are numbers, names and positions: what a source says of a row becomes the name for it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, Features, Sequence, Value

from mlflow_xfer.data import sources
from mlflow_xfer.data.labels import named
from mlflow_xfer.data.task_file_check import check_task_file
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.scoring.score import score
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.tasks.task_file import load_task_file

STARS = ["1", "2", "3", "4", "5"]
SAID = {
    "integers": int,
    "floats": float,
    "texts": str,
    "decimals": lambda star: f"{star}.0",
}
"""How one and the same star is written in a file."""


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Writes the training split of a data set of the hub, as parquet or lines; returns a task on it."""
    monkeypatch.setenv("XFER_HUB_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf")

    def made(rows: list[dict], declared: str, features: Features | None = None, kind="classification"):
        folder = tmp_path / "mirror" / "org" / "set"
        folder.mkdir(parents=True)
        if features is None:
            (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            Dataset.from_list(rows, features=features).to_parquet(folder / "train.parquet")
        return task_of(tmp_path, f"{declared}, hub: {{path: org/set, splits: {{train: train}}}}", kind)

    return made


def task_of(tmp_path: Path, declared: str, kind="classification"):
    path = tmp_path / "tasks.yaml"
    path.write_text(f"tasks: {{t: {{kind: {kind}, languages: [en], {declared}}}}}")
    return load_task_file(path)[0]


def read(task) -> list[str]:
    provider = "hub" if "hub" in task.sources else "mini"
    rows = sources.read(task, sources.locate(task, "train", "en", provider)).to_list()
    return [row.get("label", row.get("tags")) for row in rows]


def rows_of(values) -> list[dict]:
    return [{"text_a": f"text {n}", "label": value} for n, value in enumerate(values)]


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("declared", ['["1", "2", "3", "4", "5"]', "[1, 2, 3, 4, 5]"])
@pytest.mark.parametrize("seen", [[1, 2, 3, 4, 5], [1, 2, 4], [5], [1]])
@pytest.mark.parametrize("place", ["hub", "file"])
def test_a_number_that_is_a_name_is_that_name(tmp_path, mirror, said, declared, seen, place):
    rows = rows_of(map(SAID[said], seen))
    if place == "hub":
        task = mirror(rows, f"labels: {declared}")
    else:
        (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        task = task_of(tmp_path, f"labels: {declared}, files: {{train: a.jsonl}}")
    assert read(task) == list(map(str, seen))


@pytest.mark.parametrize("place", ["hub", "file"])
def test_a_number_that_is_no_name_is_no_position_either(tmp_path, mirror, place):
    (tmp_path / "a.jsonl").write_text('{"text_a": "a", "label": 0}\n')
    task = (
        mirror(rows_of([0, 1]), "labels: [1, 2, 3]")
        if place == "hub"
        else task_of(tmp_path, "labels: [1, 2, 3], files: {train: a.jsonl}")
    )
    with pytest.raises(XferError, match="has label '0', which is not among 1, 2, 3"):
        read(task)


@pytest.mark.parametrize("values", [[0, 1, 2], [0.0, 1.0, 2.0], ["0", "1", "2"]])
def test_positions_where_names_are_no_numbers(mirror, values):
    assert read(mirror(rows_of(values), "labels: [bad, fair, good]")) == ["bad", "fair", "good"]


def test_names_that_begin_with_numbers_have_no_positions(mirror):
    with pytest.raises(XferError, match="has label '1', which is not among 1 star, 2 stars"):
        read(mirror(rows_of([1, 1]), 'labels: ["1 star", "2 stars"]'))


def test_classes_that_begin_with_numbers(mirror):
    features = Features({"text_a": Value("string"), "label": ClassLabel(names=["1 star", "2 stars"])})
    task = mirror(rows_of([1, 0]), 'labels: ["1 star", "2 stars"]', features)
    assert read(task) == ["2 stars", "1 star"]


@pytest.mark.parametrize("labels", ['["0", "1", "2"]', "{0: zero, 1: one, 2: two}"])
def test_names_that_are_their_places(mirror, labels):
    found = read(mirror(rows_of([2, 0, 1.0]), f"labels: {labels}"))
    assert found == (["2", "0", "1"] if labels[0] == "[" else ["two", "zero", "one"])


def test_numbers_of_classes_whose_names_are_numbers(mirror):
    features = Features({"text_a": Value("string"), "label": ClassLabel(names=STARS)})
    task = mirror(rows_of([0, 1, 4]), f"labels: {STARS}", features)
    assert read(task) == ["1", "2", "5"]


def test_tags_that_are_numbers(mirror):
    features = Features(
        {"words": Sequence(Value("string")), "tags": Sequence(ClassLabel(names=["2", "1", "0"]))}
    )
    rows = [{"words": ["a", "b", "c"], "tags": [0, 1, 2]}]
    assert read(mirror(rows, "labels: [0, 1, 2, 3]", features, "tagging")) == [["2", "1", "0"]]


def test_classes_of_other_names_are_refused(mirror):
    names = [f"{star} stars" for star in STARS]
    features = Features({"text_a": Value("string"), "label": ClassLabel(names=names)})
    with pytest.raises(XferError, match=r"0, 1, … are 1 stars(.|\n)*Say which is which"):
        read(mirror(rows_of([1, 2]), f"labels: {STARS}", features))


def test_classes_of_other_names_in_a_mapping(mirror):
    features = Features({"text_a": Value("string"), "label": ClassLabel(names=["one star", "two stars"])})
    assert read(mirror(rows_of([0, 1]), 'labels: {0: "1", 1: "2"}', features)) == ["1", "2"]


OTHER_PLACES = {
    "other case": ("[entailment, neutral, contradiction]", ["Contradiction", "Entailment", "Neutral"]),
    "other signs": ("[entailment, not_entailment]", ["not-entailment", "entailment"]),
    "more names declared": ("[O, PER, DATE, ORG]", ["O", "PER", "ORG"]),
    "fewer names declared": ("[joy, fear]", ["anger", "joy", "fear"]),
}


@pytest.mark.parametrize("name", OTHER_PLACES)
def test_a_name_at_another_place_is_refused(mirror, name):
    declared, names = OTHER_PLACES[name]
    features = Features({"text_a": Value("string"), "label": ClassLabel(names=names)})
    task = mirror(rows_of([0, 1]), f"labels: {declared}", features)
    with pytest.raises(XferError, match=f"its labels are {', '.join(names)}; .* declares them as"):
        read(task)


@pytest.mark.parametrize("names", [["Entailment", "NEUTRAL", "contradiction"], ["e", "n", "c"]])
def test_names_at_their_places_may_be_spelled_otherwise(mirror, names):
    features = Features({"text_a": Value("string"), "label": ClassLabel(names=names)})
    task = mirror(rows_of([0, 1, 2]), "labels: [entailment, neutral, contradiction]", features)
    assert read(task) == ["entailment", "neutral", "contradiction"]


def test_two_readings_of_one_number_are_refused(tmp_path):
    with pytest.raises(XferError, match="is 1 the second, or the name"):
        task_of(tmp_path, "labels: [1, 2, 3], hub: {path: a/b, splits: {train: x}, labels: [1, 2, 3]}")
    task_of(tmp_path, "labels: [0, 1, 2], hub: {path: a/b, splits: {train: x}, labels: [0, 1, 2]}")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("cafe\u0301", r"like 'caf\xe9', but 'cafe\u0301'"),
        ("no\u200f", r"like 'no', but 'no\u200f'"),
        ("NO", "like 'no', but 'NO'"),
        ("ｎｏ", r"like 'no', but '\uff4e\uff4f'"),
        ("maybe", "café, no."),
    ],
)
def test_a_label_that_looks_like_another_says_what_differs(tmp_path, said, shown):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text_a": "a", "label": said}) + "\n")
    task = task_of(tmp_path, "labels: [café, 'no'], files: {train: a.jsonl}")
    [fault] = sources.check(task, sources.locate(task, "train", "en", "mini"))
    assert "a.jsonl:1: has label" in str(fault) and shown in str(fault)


@pytest.mark.parametrize("said", SAID)
def test_labels_that_are_left_out(tmp_path, said):
    rows = rows_of(map(SAID[said], [1, 3, 2]))
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read(task_of(tmp_path, "labels: [1, 2], drop: [3], files: {train: a.jsonl}")) == ["1", "2"]


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize(
    ("order", "first"), [("[1, 2]", 1), ("[]", 0), ("{1: 0, 2: 1}", 1), ("{2: 1, 1: 0}", 1)]
)
def test_numbers_of_choices(tmp_path, said, order, first):
    rows = [
        {"question": "q", "choices": ["a", "b"], "label": SAID[said](place + first)} for place in (1, 0, 1)
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = task_of(tmp_path, f"labels: {order}, files: {{train: a.jsonl}}", "multiple_choice")
    assert read(task) == [1, 0, 1]


@pytest.mark.parametrize("order", ["{1: first, 2: second}", "{1: 1, 2: 2}", "{1: 0, 2: 0}"])
@pytest.mark.parametrize("place", ["labels: %s, files: {train: a.jsonl}", "hub: {path: a/b, labels: %s}"])
def test_places_of_choices_are_numbers_from_0(tmp_path, order, place):
    with pytest.raises(XferError, match=r"places from 0 to 1, each once(.|\n)*labels: \[1, 2\]"):
        task_of(tmp_path, place % order, "multiple_choice")


@pytest.mark.parametrize(("column", "wanted"), [(1.0, "1"), (1, "1"), ("1", "1"), (True, "'true'")])
def test_rows_chosen_by_a_number(tmp_path, column, wanted):
    rows = [{"text_a": "a", "label": "x", "fold": column}, {"text_a": "b", "label": "y", "fold": 2}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = task_of(tmp_path, f"labels: [x, y], where: {{fold: {wanted}}}, files: {{train: a.jsonl}}")
    assert read(task) == ["x"]


def test_the_check_names_labels_that_never_occur(tmp_path):
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows_of([2, 3, 5])))
    task_of(tmp_path, f"labels: {STARS}, files: {{train: a.jsonl}}")
    [count] = check_task_file(tmp_path / "tasks.yaml")
    assert count.unseen == ("1", "4") and str(count).endswith("3 rows  2 1, 3 1, 5 1  in no row: 1, 4")


def test_rows_of_the_hub_that_were_not_fetched_are_not_counted(tmp_path):
    task_of(tmp_path, "labels: [x, y], hub: {path: org/nowhere, splits: {train: train}}")
    [count] = check_task_file(tmp_path / "tasks.yaml")
    assert count.rows is None and str(count).endswith("not fetched from the hub: not checked")


@pytest.mark.parametrize(
    ("gold", "odd"), [([0, 1], "0"), (["good", "Good"], "Good"), ([1.0, "bad"], "1"), ([True, False], "True")]
)
def test_targets_of_a_table_are_among_the_labels(gold, odd):
    task = Task("t", "classification", "accuracy", ("en",), {}, ("bad", "good"))
    table = pd.DataFrame({"prediction": ["good", "bad"], "reference": pd.Series(gold, dtype=object)})
    with pytest.raises(XferError, match=f"t en: . targets are none of its labels, such as '{odd}'"):
        kind.scoring("classification").given(task, "en", table)


def test_tags_of_a_table_are_among_the_labels():
    task = Task("t", "tagging", "entity_f1", ("en",), {}, ("O", "B-X"))
    table = pd.DataFrame({"prediction": ["O B-X", "O"], "reference": ["O B-Y", "O"]})
    with pytest.raises(XferError, match="1 targets are none of its labels, such as 'B-Y'"):
        kind.scoring("tagging").given(task, "en", table)
    assert kind.scoring("tagging").given(task, "en", table.assign(reference=["O B-X", "O"])) is not None


@pytest.mark.parametrize("said", ["x ", " x", "\tx\t", "x"])
def test_blanks_around_a_label(tmp_path, said):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text_a": "a", "label": said}))
    assert read(task_of(tmp_path, "labels: [x, y], files: {train: a.jsonl}")) == ["x"]


def test_a_written_label_is_the_declared_one():
    name_of = named(["4.0", "5", "b 6.0"])
    assert [name_of(said) for said in (4, "4.0", " 5.00 ", 5.0, "b 6.0", "c")] == [
        *["4.0"] * 2,
        *["5"] * 2,
        "b 6.0",
        "c",
    ]
    assert [named()(said) for said in (3.0, "3.0", "3", "3.5", "-1.00")] == ["3", "3", "3", "3.5", "-1"]


VERSIONS = ["py3.0", "py3", "en-1.0", "en-1", "E11", "E11.0", "1.0.0", "v1.0", "v1"]
"""Names with a number at their end, which is no number by itself."""


def test_a_name_with_a_number_at_its_end_stays_as_it_is(tmp_path):
    assert [named(names)(said) for names in ([], VERSIONS) for said in VERSIONS] == VERSIONS * 2
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows_of(VERSIONS)))
    assert read(task_of(tmp_path, f"labels: {VERSIONS}, files: {{train: a.jsonl}}")) == VERSIONS
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows_of(["E11.0 ", "E11"])))
    assert read(task_of(tmp_path, "labels: [E11, E11.0], files: {train: a.jsonl}")) == ["E11.0", "E11"]


def test_swapped_versions_are_wrong():
    task = Task("t", "classification", "accuracy", ("en",), {})
    table = pd.DataFrame({"prediction": ["py3", "py3.0"], "reference": ["py3.0", "py3"]})
    given = kind.scoring("classification").given(task, "en", table)
    assert score("accuracy", given.predictions, given.references, "en").value == 0.0


@pytest.mark.parametrize(("value", "labels"), [("E12.0", "[E11, E12]"), ("E11", "[E12, E13], drop: [E11.0]")])
def test_a_name_that_is_none_of_the_declared_ones_is_refused(tmp_path, value, labels):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text_a": "a", "label": value}))
    with pytest.raises(XferError, match=f"has label '{value}', which is not among"):
        read(task_of(tmp_path, f"labels: {labels}, files: {{train: a.jsonl}}"))


SHADOWED = ['{1: "0", 2: "1"}', '{5: "0", 6: "1"}', '{"1": "1", "2": "0"}', "{a: b, b: c}"]
"""Maps of which one name is like something that the files say, and may mean another label."""


@pytest.mark.parametrize("labels", SHADOWED)
@pytest.mark.parametrize("stray", [0, "c"])
def test_a_map_whose_names_are_like_its_values_is_complete(tmp_path, labels, stray):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text_a": "a", "label": stray}))
    with pytest.raises(XferError, match=f"has label '{stray}', which labels does not map(.|\n)*under drop"):
        read(task_of(tmp_path, f"labels: {labels}, files: {{train: a.jsonl}}"))


@pytest.mark.parametrize("labels", ["{0: entailment, 1: neutral}", "{ENT: entailment, neutral: neutral}"])
def test_names_that_are_like_no_value_of_a_map_stand_for_themselves(tmp_path, labels):
    (tmp_path / "a.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows_of(["entailment", "neutral"]))
    )
    task = task_of(tmp_path, f"labels: {labels}, files: {{train: a.jsonl}}")
    assert read(task) == ["entailment", "neutral"]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("['false', 'true']", [False, True]),
        ("['False', 'True']", [False, True]),
        ("[0, 1]", [False, True]),
        ("[1, 2]", [" 1", "2 "]),
        ("[]", [" 0", "1.0 "]),
        ("[v1, v1.0]", ["v1", "v1.0"]),
        ("[-1, 1]", [-1, 1]),
    ],
)
def test_what_files_say_of_choices(tmp_path, order, said):
    rows = [{"question": "q", "choices": ["a", "b"], "label": one} for one in said]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read(task_of(tmp_path, f"labels: {order}, files: {{train: a.jsonl}}", "multiple_choice")) == [0, 1]
