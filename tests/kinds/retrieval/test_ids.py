"""Ids of queries and candidates in any type, and right answers that are not there."""

from __future__ import annotations

import json
import random

import pytest

from mlflow_xfer.data import sources
from mlflow_xfer.data.retrieval import golds, offered, pairs
from mlflow_xfer.data.task_file_check import check_task_file
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.task import POOL
from mlflow_xfer.tasks.task_file import load_task_file
from tests.conftest import MANY

WRITTEN = {
    "int": int,
    "text": str,
    "float": float,
    "list of int": lambda n: [int(n)],
    "list of float": lambda n: [float(n)],
    "list of text": lambda n: [str(n)],
}


@pytest.fixture
def task_file(tmp_path):
    """Writes a retrieval task with its rows by split; returns the path of its file."""

    def write(pooled=False, more="", **splits):
        files = []
        for name, rows in splits.items():
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
            files.append(f"{name}: {name}.jsonl")
        path = tmp_path / "tasks.yaml"
        path.write_text(
            "tasks: {t: {kind: retrieval, columns: {source: q, target: a, gold: right}, "
            f"pooled: {str(pooled).lower()}, {more} files: {{{', '.join(files)}}}}}}}"
        )
        return path

    return write


def splits_of(path):
    [task] = load_task_file(path)
    found = {}
    for split in ("test", POOL):
        rows = sources.locate(task, split, "en", "mini")
        found[split] = sources.read(task, rows)
    return found


@pytest.mark.parametrize("candidate", ["int", "text", "float"])
@pytest.mark.parametrize("gold", WRITTEN)
def test_equal_ids_are_equal(task_file, candidate, gold):
    numbers = [3, 10, 7]
    path = task_file(
        test=[{"id": f"q{n}", "q": f"ask {n}", "right": WRITTEN[gold](n)} for n in numbers],
        pool=[{"id": WRITTEN[candidate](n), "a": f"answer {n}"} for n in numbers],
    )
    assert [count.rows for count in check_task_file(path)] == [3, 3]
    found = splits_of(path)
    assert offered(found[POOL]) == ["3", "10", "7"]
    assert golds({"test": found["test"]}, False)["test"] == [["3"], ["10"], ["7"]]


@pytest.mark.parametrize("bad", [True, float("nan"), {"id": 1}, [[1]], [None], ""])
def test_what_is_no_id_is_refused_with_its_row(task_file, bad):
    path = task_file(
        test=[{"q": "a", "right": 1}, {"q": "b", "right": [1, bad] if bad != bad else bad}],
        pool=[{"id": 1, "a": "x"}],
    )
    with pytest.raises(XferError, match=r"test.jsonl:2: gold \(column 'right'\) holds .*no id"):
        check_task_file(path)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("absent", [9, "1x", 1.5, "01"])
def test_a_right_answer_that_is_not_there_is_named(task_file, split, absent):
    good = [{"q": "a", "right": 1}]
    rows = {"train": good, "validation": good, "test": good, "pool": [{"id": 1, "a": "x"}]}
    path = task_file(**rows | {split: [*good, {"q": "b", "right": absent}]})
    with pytest.raises(XferError) as error:
        check_task_file(path)
    says = f"'t', {split} split, en: 1 right answers are no candidates, such as '{absent}'"
    assert says in str(error.value)
    assert "ids are like '1'" in str(error.value)


def test_answers_of_another_language_are_there_where_all_are_one_pool(task_file, tmp_path):
    (tmp_path / "de.jsonl").write_text(json.dumps({"id": 5, "a": "x", "q": None}) + "\n")
    rows = [{"q": "a", "right": 5}, {"id": 1, "a": "y"}]
    (tmp_path / "en.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = task_file()
    text = path.read_text().replace("files: {}", "files: {test: {en: en.jsonl, de: de.jsonl}}")
    path.write_text(text.replace("pooled: false", "pooled: true"))
    with pytest.raises(XferError, match="test split, de: no query has a right answer"):
        check_task_file(path)
    (tmp_path / "de.jsonl").write_text('{"id": 5, "a": "x"}\n{"q": "b", "right": 5}\n')
    assert len(check_task_file(path)) == 2
    path.write_text(text)
    with pytest.raises(XferError, match="test split, en: 1 right answers are no candidates"):
        check_task_file(path)


def test_translations_are_pairs(task_file):
    path = task_file(
        more="metric: retrieval_accuracy,", test=[{"q": "a", "a": "b"}, {"q": "c"}, {"q": "d", "a": "e"}]
    )
    with pytest.raises(XferError, match="1 of 3 rows are no pair of texts, such as row '1'"):
        check_task_file(path)


@pytest.mark.parametrize("seed", range(50 * MANY))
def test_random_ids_against_a_plain_reading(task_file, seed):
    """What is right by a few lines of arithmetic: ids are equal where their numbers or texts are."""
    draw = random.Random(seed)
    known = draw.sample([1, 2, 30, -4, "a", "b-1", "007", 12345678901234567890, "é"], draw.randint(1, 9))
    asked = [draw.choice([*known, "nowhere", 99] if draw.random() < 0.1 else known) for _ in range(8)]

    def written(name):
        ways = [name] if isinstance(name, str) else [name, str(name)] + [float(name)] * (abs(name) < 2**50)
        return draw.choice(ways)

    path = task_file(
        test=[{"q": f"ask {n}", "right": written(name)} for n, name in enumerate(asked)],
        pool=[{"id": written(name), "a": f"answer {name}"} for name in known],
    )
    if set(asked) <= set(known):
        check_task_file(path)
        found = splits_of(path)
        names = offered(found[POOL])
        places = [names.index(gold[0]) for gold in golds({"": found["test"]}, False)[""]]
        assert places == [known.index(name) for name in asked]
    else:
        with pytest.raises(XferError, match="right answers are no candidates"):
            check_task_file(path)


def test_candidates_of_one_id_are_remarked(task_file):
    pool = [{"id": 1, "a": "x"}, {"id": "1", "a": "y"}, {"id": 2, "a": "z"}, {"id": 2.0, "a": "z"}]
    _, found = check_task_file(task_file(test=[{"q": "a", "right": 2}], pool=pool))
    assert "1 candidates have the id of another, such as '1#2': a gold id names the first alone" in str(found)


@pytest.mark.parametrize("nothing", [[], None])
def test_queries_without_a_right_answer_are_remarked(task_file, nothing):
    asked = [{"q": "a", "right": nothing}, {"q": "b", "right": 2}, {"id": 7, "a": "a candidate"}]
    found, _ = check_task_file(task_file(test=asked, pool=[{"id": 2, "a": "z"}]))
    assert found.remarks == (
        "1 of 2 queries have no right answer, such as '0': they are neither trained on nor scored",
    )


def test_a_query_that_lacks_the_declared_column_is_refused(task_file):
    path = task_file(test=[{"q": "a", "right": 2}, {"q": "b", "rigth": 2}], pool=[{"id": 2, "a": "z"}])
    says = r"test.jsonl:2: has no gold \(column 'right'\): .* says \[\]; its columns are: q, rigth"
    with pytest.raises(XferError, match=says):
        check_task_file(path)


@pytest.mark.parametrize(("gold", "refused"), [("", ("validation", "test")), ("de-1\ten-2\n", ())])
def test_mining_without_a_gold_pair_cannot_be_scored(tmp_path, gold, refused):
    for name, text in {"d.de": "de-1\teins\n", "d.en": "en-2\tone\n", "d.gold": gold}.items():
        (tmp_path / name).write_text(text)
    path, files = tmp_path / "tasks.yaml", "{de: [d.de, d.en, d.gold]}"
    entry = f"kind: retrieval, format: bucc, metric: bucc_f1, files: {{validation: {files}, test: {files}}}"
    path.write_text(f"tasks: {{t: {{{entry}}}}}")
    if not refused:
        assert not any("right answer" in remark for one in check_task_file(path) for remark in one.remarks)
        return
    with pytest.raises(XferError) as raised:
        check_task_file(path)
    assert all(f"{split} split, de: there is no gold pair" in str(raised.value) for split in refused)


ASKED = {"q": "ask", "right": 1}
SEVERAL = {
    "passages of one document": ([ASKED], [{"id": 1, "a": "x"}, {"id": "1", "a": "y"}]),
    "split and pool": ([ASKED, {"id": 1, "a": "z"}], [{"id": 1, "a": "x"}]),
    "pairs by number": ([{"q": "one", "a": "x"}, {"q": "two", "a": "y"}], [{"id": 1, "a": "z"}]),
}


@pytest.mark.parametrize("case", SEVERAL)
def test_a_right_answer_that_names_several_candidates_is_refused(task_file, case):
    """Which of them a model found could not be told."""
    test, pool = SEVERAL[case]
    path = task_file(test=test, pool=pool, more="metric: map_at_20,")
    with pytest.raises(XferError, match="test split, en: 1 right answers are ids of several candidates"):
        check_task_file(path)


def test_equal_candidates_may_share_an_id_and_pairs_train_by_themselves(task_file):
    pool = [{"id": "0", "a": "x"}, {"id": "0", "a": "x"}, {"id": "1", "a": "y"}]
    themselves = [{"q": "one", "a": "other"}, {"q": "two", "a": "y"}]
    counts = check_task_file(task_file(train=themselves, test=[{"q": "ask", "right": "0"}], pool=pool))
    assert [count.rows for count in counts] == [2, 1, 3]


# -- rows without ids ----------------------------------------------------------------------------------------
NAMED = [{"id": 1, "a": "x"}, {"id": 2, "a": "y"}]
NAMELESS = [{"docid": 1, "a": "x"}, {"docid": 2, "a": "y"}]


@pytest.mark.parametrize("split", ["test", "pool"])
@pytest.mark.parametrize("asked", [[ASKED], [{"id": "q", **ASKED}, {"id": "r", "q": "b", "right": ["2"]}]])
def test_candidates_that_gold_ids_name_need_ids(task_file, split, asked):
    """Their numbers would be taken for ids."""
    rows = {"test": asked, "pool": [{"docid": 3, "a": "z"}]}
    path = task_file(**rows | {split: [*(rows[split] if split == "test" else []), *NAMELESS]})
    with pytest.raises(XferError, match="named by ids, such as '1', and no candidate has an id") as error:
        check_task_file(path)
    assert "columns: {id: …}" in str(error.value)
    path.write_text(path.read_text().replace("gold: right}", "gold: right, id: docid}"))
    check_task_file(path)


def test_how_many_candidates_have_no_id_is_said(task_file):
    path = task_file(test=[{"q": "a", "right": 3}], pool=[*NAMED, {"a": "z"}])
    with pytest.raises(XferError, match="their ids are like '1', '2'; 1 have none"):
        check_task_file(path)


def test_a_gold_id_is_no_number_of_a_row(task_file):
    path = task_file(test=[{"q": "a", "right": 1}], pool=[{"a": "x"}, {"a": "y"}, {"id": 1, "a": "z"}])
    check_task_file(path)
    assert offered(splits_of(path)[POOL]) == ["#0", "#1", "1"]
    both = [{"q": "one", "a": "x"}, {"q": "two", "a": "y"}]
    check_task_file(task_file(test=both, pool=[{"a": "z"}, {"a": "y"}], more="metric: map_at_20,"))
    path = task_file(test=[*both, ASKED])
    with pytest.raises(XferError, match="test.jsonl: 1 gold ids name pairs that have no id, such as '1'"):
        check_task_file(path)


def test_mined_sentences_that_gold_ids_name_need_ids(task_file):
    rows = [{"id": "de-1", "q": "eins", "right": ["en-1"]}, {"key": "en-1", "a": "one"}]
    path = task_file(more="metric: bucc_f1,", validation=rows, test=rows)
    with pytest.raises(XferError, match="such as 'en-1', and no candidate has an id"):
        check_task_file(path)


def test_a_column_of_ids_that_is_not_there_is_refused(task_file):
    path = task_file(test=[{"id": "q", **ASKED}], pool=NAMED)
    path.write_text(path.read_text().replace("gold: right}", "gold: right, id: doc_id}"))
    says = r"pool.jsonl:1: has no id \(column 'doc_id'\); its columns are: id, a"
    with pytest.raises(XferError, match=says) as error:
        check_task_file(path)
    assert "test.jsonl" not in str(error.value)  # queries may have another one or none


# -- queries and candidates numbered apart -------------------------------------------------------------------
@pytest.mark.parametrize("first", ["queries", "candidates"])
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("pooled", [True, False])
def test_queries_and_candidates_may_have_equal_ids(task_file, first, named, pooled):
    asked = [{"id": n, "q": f"ask {n}", "right": 3 - n} for n in (1, 2)]
    asked = asked if named else [{"q": row["q"], "right": row["right"]} for row in asked]
    rows = [*asked, *NAMED] if first == "queries" else [*NAMED, *asked]
    path = task_file(pooled, test=rows, pool=[{"id": 7, "a": "z"}])
    assert [count.remarks for count in check_task_file(path)] == [(), ()]
    found = splits_of(path)["test"]
    right = golds({"test": found}, pooled)["test"]
    assert offered(found) == ["1", "2"] and [gold for gold in right if gold] == [["2"], ["1"]]


def test_equal_ids_of_both_sides_train_the_pairs_that_are_meant(task_file):
    asked = [{"id": n, "q": f"ask {n}", "right": 3 - n} for n in (1, 2)]
    path = task_file(train=[*asked, *NAMED])
    check_task_file(path)
    [task] = load_task_file(path)
    split = sources.read(task, sources.locate(task, "train", "en", "mini"))
    assert [(row["source"], row["target"]) for row in pairs(split, None, "t")] == [
        ("ask 1", "y"),
        ("ask 2", "x"),
    ]
