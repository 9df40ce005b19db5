"""A folder in XTREME's ``download/`` layout, with the variants that XTREME's own scripts write."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys

import pytest

from mlflow_xfer.data import sources
from mlflow_xfer.data.sources import Malformed, Unscored
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.catalogue import SUITES, TASKS

NLI = ["entailment", "neutral", "contradiction"]


def read(task: str, split: str, language: str, folder: str) -> list[dict]:
    task = TASKS.get(task)
    return sources.read(task, sources.locate(task, split, language, folder)).to_list()


def test_pairs_are_read_as_they_stand(put, folder):
    put("xnli/test-sw.tsv", 'He said "no".\t"Yes" it is\tneutral\n"\tb\tentailment\n')
    assert read("xnli", "test", "sw", folder) == [
        {"id": "0", "text_a": 'He said "no".', "text_b": '"Yes" it is', "label": "neutral"},
        {"id": "1", "text_a": '"', "text_b": "b", "label": "entailment"},
    ]


def test_files_of_the_csv_module_are_unquoted(put, folder):
    rows = [
        ['He said "no".', "b", "neutral"],
        ["plain", '"quoted"', "entailment"],
        ["x", "y", "contradictory"],
    ]
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter="\t").writerows(rows)
    assert "\r\n" in stream.getvalue() and '""no""' in stream.getvalue()
    put("xnli/test-de.tsv", stream.getvalue())
    assert [[r["text_a"], r["text_b"]] for r in read("xnli", "test", "de", folder)] == [
        row[:2] for row in rows
    ]
    assert read("xnli", "test", "de", folder)[2]["label"] == "contradiction"


def test_crlf_alone_unquotes_nothing(put, folder):
    put("xnli/test-de.tsv", '"He" said\tb\tneutral\r\n"all quoted"\tb\tentailment\r\n')
    assert [r["text_a"] for r in read("xnli", "test", "de", folder)] == ['"He" said', '"all quoted"']


def test_only_lf_ends_a_line(put, folder):
    put("xnli/test-de.tsv", "a\u2028b\x85c\x0bd\te\tneutral\na\tb\tentailment\n")
    assert read("xnli", "test", "de", folder)[0]["text_a"] == "a\u2028b\x85c\x0bd"


LANGUAGES = {
    ("xtreme", "xnli"): 15,
    ("xtreme", "pawsx"): 7,
    ("xtreme", "udpos"): 33,
    ("xtreme", "panx"): 40,
    ("xtreme", "tatoeba"): 36,
    ("xtreme-r", "udpos"): 38,
    ("xtreme-r", "panx"): 48,
    ("xtreme-r", "tatoeba"): 41,
}


@pytest.mark.parametrize(("suite", "name"), LANGUAGES)
def test_every_language_of_the_benchmark_is_found(put, folder, suite, name):
    task, languages = TASKS.get(name), SUITES.get(suite).languages.get(name, TASKS.get(name).languages)
    assert len(languages) == LANGUAGES[suite, name]
    for code in languages:
        if name == "tatoeba":
            put(f"tatoeba/{code}-en.{code}", f"{code} eins\n{code} zwei\n")
            put(f"tatoeba/{code}-en.en", "two\none\n")
        elif name in ("udpos", "panx"):
            put(f"{name}/test-{code}.tsv", f"{code}\t{task.labels[1]}\n\n")
        else:
            put(f"{name}/test-{code}.tsv", f"{code}\tb\t{task.labels[0]}\n")
    assert sources.available(task, "test", folder) == languages
    for code in languages:
        row = read(name, "test", code, folder)[0]
        assert code in (row.get("text_a") or row.get("source") or row["words"][0])


def test_tags_with_double_blank_lines_and_without_the_last_newline(put, folder):
    put("udpos/test-vi.tsv", '\n\n"\tPUNCT\na\tX\n\n\n\nb c\tNOUN\n\t\n#\tSYM')
    rows = read("udpos", "test", "vi", folder)
    assert [(r["words"], r["tags"]) for r in rows] == [
        (['"', "a"], ["PUNCT", "X"]),
        (["b c"], ["NOUN"]),
        (["#"], ["SYM"]),
    ]


def test_raw_panx_prefixes_are_cut_at_the_first_colon(put, folder):
    put("panx/test-en.tsv", "en:Ulm\tB-LOC\nen:10:30\tO\nen::\nen:x\tO\n\n\nen:IBM\tB-ORG\n")
    rows = read("panx", "test", "en", folder)
    assert rows[0] == {"id": "0", "words": ["Ulm", "10:30", ":", "x"], "tags": ["B-LOC", "O", "O", "O"]}
    assert rows[1]["words"] == ["IBM"]


def test_a_token_that_looks_like_a_prefix_is_kept(put, folder):
    put("panx/test-en.tsv", "en:Ulm\tB-LOC\nx\tO\n")
    assert read("panx", "test", "en", folder)[0]["words"] == ["en:Ulm", "x"]


@pytest.mark.parametrize(
    "names",
    [
        ("tatoeba/sw-en.sw", "tatoeba/sw-en.en"),
        ("tatoeba/swh-eng.swh", "tatoeba/swh-eng.eng"),
        ("tatoeba/tatoeba.swh-eng.swh", "tatoeba/tatoeba.swh-eng.eng"),
    ],
)
def test_tatoeba_under_all_its_names(put, folder, names):
    put(names[0], "moja\nmbili\n")
    put(names[1], "two\none\n")
    assert read("tatoeba", "test", "sw", folder)[1] == {
        "id": "1",
        "source": "mbili",
        "target": "one",
        "context": None,
        "gold": ["1"],
    }
    assert sources.available(TASKS.get("tatoeba"), "test", folder) == ("sw",)


def test_a_sorted_english_side_is_refused(put, folder):
    put("tatoeba/sw-en.sw", "".join(f"sw {n}\n" for n in range(100)))
    put("tatoeba/sw-en.en", "".join(sorted(f"en {n}\n" for n in range(100))))
    with pytest.raises(Malformed, match="sorted"):
        read("tatoeba", "test", "sw", folder)


def test_uneven_pairs_are_refused(put, folder):
    put("tatoeba/sw-en.sw", "a\nb\n")
    put("tatoeba/sw-en.en", "a\n")
    with pytest.raises(Malformed, match="2 lines.*1"):
        read("tatoeba", "test", "sw", folder)


# -- labels --------------------------------------------------------------------------------------------------
def problems(name: str, split: str, language: str, folder: str) -> list[XferError]:
    task = TASKS.get(name)
    return sources.check(task, sources.locate(task, split, language, folder))


@pytest.mark.parametrize(
    ("name", "path", "content"),
    [
        ("xnli", "xnli/test-de.tsv", "a\tb\nc\td\n"),
        ("xnli", "xnli/test-de.tsv", "a\tb\t\nc\td\t\n"),
        ("udpos", "udpos/test-de.tsv", "a\nb\n\nc\n"),
        ("panx", "panx/test-de.tsv", "de:a\nde:b\n\nde:c\n"),
        ("xnli", "xnli/test-de.tsv", "a\tb\tneutral\n" * 50),
        ("pawsx", "pawsx/test-de.tsv", "a\tb\t0\n" * 50),
        ("panx", "panx/test-de.tsv", "a\tO\n\n" * 50),
    ],
)
def test_stripped_and_constant_test_labels_are_unscored(put, folder, name, path, content):
    put(path, content)
    [problem] = problems(name, "test", "de", folder)
    assert isinstance(problem, Unscored) and "de" in problem.what and problem.exit_code == 2
    with pytest.raises(Unscored):
        read(name, "test", "de", folder)


def test_constant_training_labels_are_not_a_fault(put, folder):
    put("xnli/train-en.tsv", "a\tb\tneutral\n" * 50)
    assert problems("xnli", "train", "en", folder) == []


def test_faults_are_named_with_file_and_line_all_at_once(put, folder):
    path = put(
        "xnli/test-de.tsv",
        "a\tb\tneutral\na\tb\tentailed\n\n\t\tneutral\na\tb\tunknown\na\tb\tcontradiction\n",
    )
    found = [p.what for p in problems("xnli", "test", "de", folder)]
    assert [what.split(" ")[0] for what in found] == [f"{path}:2:", f"{path}:4:", f"{path}:5:"]
    assert "'entailed'" in found[0] and "entailment, neutral, contradiction" in found[0]


def test_a_ragged_line_is_named(put, folder):
    path = put("xnli/test-de.tsv", "a\tb\tneutral\na\tb\n")
    assert problems("xnli", "test", "de", folder)[0].what.startswith(f"{path}:2: has 2 fields")


def test_many_faults_are_counted(put, folder):
    put("xnli/test-de.tsv", "a\tb\twrong\n" * 500)
    found = [one.what for one in problems("xnli", "test", "de", folder)]
    assert [one.partition("test-de.tsv:")[2][:3] for one in found] == ["1: ", "2: ", "3: "]
    assert "'wrong'" in found[2] and found[2].endswith(". 497 more rows of this file are like that.")


def test_one_cause_hides_no_other(put, folder):
    put("xnli/test-de.tsv", "a\tb\tNEUTRAL\n" * 50 + "a\tb\t\n" + "a\tb\tENTAILMENT\na\tb\todd\n" * 50)
    found = [one.what for one in problems("xnli", "test", "de", folder)]
    assert len(found) == 8 and "1 of 151 rows have no label" in found[-1]
    assert ["'NEUTRAL'" in one for one in found[:4]] == [True, True, True, False]
    assert "'ENTAILMENT'" in found[3] and "96 more rows" in found[3]
    assert "'odd'" in found[6] and "47 more rows" in found[6]


def test_more_causes_than_are_shown_are_counted(put, folder):
    put("xnli/test-de.tsv", "".join(f"a\tb\t{'x' * n}\n" for n in range(1, 400)))
    found = [one.what for one in problems("xnli", "test", "de", folder)]
    assert len(found) == 3 and "396 more rows of this file" in found[-1]


def test_some_missing_tags_are_a_fault(put, folder):
    path = put("udpos/test-de.tsv", "a\tX\nb\n")
    assert problems("udpos", "test", "de", folder)[0].what.startswith(f"{path}:2: token 'b' has no tag")


def test_an_empty_file_is_an_empty_split(put, folder):
    put("xnli/test-de.tsv", "")
    [problem] = problems("xnli", "test", "de", folder)
    assert "is empty" in problem.what


# -- what is there -------------------------------------------------------------------------------------------
def test_a_known_language_without_a_file_is_none(put, folder):
    put("xnli/test-de.tsv", "a\tb\tneutral\n")
    task = TASKS.get("xnli")
    assert sources.locate(task, "test", "sw", folder) is None
    assert (
        sources.available(task, "test", folder) == ("de",) and sources.available(task, "train", folder) == ()
    )


def test_wrong_names_are_refused_with_a_suggestion(put, folder):
    task = TASKS.get("xnli")
    with pytest.raises(XferError, match="Unknown language 'xx-yy'"):
        sources.locate(task, "test", "xx-yy", folder)
    with pytest.raises(XferError, match="Unknown split 'tset'"):
        sources.locate(task, "tset", "en", folder)
    with pytest.raises(XferError, match="no such folder"):
        sources.locate(task, "test", "en", "nowhere")
    with pytest.raises(XferError, match="has no data with data=.*\n.*mini"):
        sources.locate(TASKS.get("nli"), "test", "en", folder)
    with pytest.raises(XferError, match="Unknown task 'xnil'"):
        TASKS.get("xnil")


def test_relative_folders_start_at_the_current_one(put, folder, monkeypatch):
    put("xnli/test-de.tsv", "a\tb\tneutral\n")
    monkeypatch.chdir(os.path.dirname(folder))
    task = TASKS.get("xnli")
    there, absolute = (sources.locate(task, "test", "de", data) for data in ("download", folder))
    assert there == absolute and os.path.isabs(there.paths[0])
    assert (
        sources.locate(
            task, "test", "de", "../" + os.path.basename(os.path.dirname(folder)) + "/download"
        ).identity
        == there.identity
    )


def test_identity_is_the_bytes_not_the_place(put, folder):
    put("xnli/test-de.tsv", "a\tb\tneutral\n")
    put("xnli/test-fr.tsv", "a\tb\tneutral\n")
    put("xnli/test-es.tsv", "a\tc\tneutral\n")
    task = TASKS.get("xnli")
    de, fr, es = (sources.locate(task, "test", code, folder) for code in ("de", "fr", "es"))
    assert de.identity == fr.identity != es.identity and de.identity.startswith("sha256:")
    assert de.spec() == {"task": "xnli", "split": "test", "language": "de", "identity": de.identity}


def test_aliases_name_the_same_language(put, folder):
    put("panx/test-he.tsv", "a\tO\n")
    assert sources.locate(TASKS.get("panx"), "test", "iw", folder).language == "he"


def test_subset_is_a_function_of_seed_and_ids(put, folder):
    put("xnli/train-en.tsv", "".join(f"a{n}\tb\tneutral\n" for n in range(200)))
    task = TASKS.get("xnli")
    rows = sources.read(task, sources.locate(task, "train", "en", folder))
    ids = {(limit, seed): sources.subset(rows, limit, seed)["id"][:] for limit in (10, 50) for seed in (0, 1)}
    assert ids[10, 0] == sources.subset(rows, 10, 0)["id"][:] and ids[10, 0] != ids[10, 1]
    assert set(ids[10, 0]) < set(ids[50, 0]) and len(ids[10, 0]) == 10
    assert ids[10, 0] == sorted(ids[10, 0], key=int)
    assert sources.subset(rows, None, 0) is rows and len(sources.subset(rows, 1000, 0)) == 200


def test_nothing_heavy_is_imported_to_locate_and_check(put, folder):
    put("xnli/test-de.tsv", "a\tb\tneutral\n")
    code = f"""
import sys
from mlflow_xfer.data import sources
from mlflow_xfer.tasks.catalogue import SUITES, TASKS
task = TASKS.get("xnli")
heavy = {{"torch", "mlflow", "transformers", "datasets", "pandas", "pyarrow", "numpy"}}
rows = sources.locate(task, "test", "de", {folder!r})
print(sorted(heavy & set(sys.modules)))
assert sources.check(task, rows) == []
print(sorted(heavy & set(sys.modules) - {{"pandas", "pyarrow", "numpy"}}))
"""
    assert subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split() == ["[]", "[]"]


@pytest.mark.parametrize("name", ["nowhere", "./it's my data, v=2 (new)", "a/../b", "#1 %20?"])
def test_a_folder_that_is_not_there_says_where_it_was_looked_for(tmp_path, name):
    with pytest.raises(XferError) as error:
        sources.locate(TASKS.get("xnli"), "test", "en", name)
    assert f"data={name}: no such folder: {tmp_path / name}. A relative path begins at" in str(error.value)


def test_a_path_from_the_root_is_said_once(tmp_path):
    with pytest.raises(XferError, match=f"data={tmp_path}/x: no such folder[.]\n"):
        sources.locate(TASKS.get("xnli"), "test", "en", f"{tmp_path}/x")


@pytest.mark.parametrize("quote", ["'", '"'])
def test_quotes_in_a_name_are_pointed_out(quote):
    with pytest.raises(XferError, match=r"no such folder \(the quotes are part of the name\)"):
        sources.locate(TASKS.get("xnli"), "test", "en", f"{quote}my data{quote}")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(XferError, match=f"data=a: is no folder: {tmp_path}/a"):
        sources.locate(TASKS.get("xnli"), "test", "en", "a")


def test_the_files_that_a_folder_lacks_are_named(put, folder):
    found = sources.looked_at(TASKS.get("xnli"), "test", "sw", folder)
    assert found == f"{folder}/xnli/test-sw.tsv, {folder}/xnli/test-sw.jsonl"
    assert sources.looked_at(TASKS.get("nli"), "test", "sw", "mini") == ""
