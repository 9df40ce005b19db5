"""Files of a folder that are of a language that is asked for, and are not read."""

from __future__ import annotations

import os

import pytest

from mlflow_xfer.data.passed_over import halves, misnamed
from mlflow_xfer.tasks.catalogue import TASKS


def short(paths) -> list[str]:
    return [os.path.basename(path) for path in paths]


def test_files_named_otherwise_are_known(put, folder):
    task = TASKS.get("xnli")
    for name in ("zh-CN", "VI", "en", "extra"):
        put(f"xnli/test-{name}.tsv", "a\tb\tneutral\n")
    found = misnamed(task, "test", ("zh", "vi", "th"), folder)
    assert found.keys() == {"zh", "vi"} and short(found.values()) == ["test-zh-CN.tsv", "test-VI.tsv"]
    assert misnamed(task, "test", ("th",), folder) == {}
    assert misnamed(TASKS.get("nli"), "test", ("th",), "mini") == {}


@pytest.mark.parametrize(
    ("task", "there", "lacking", "code"),
    [
        ("tatoeba", "tatoeba/fr-en.fr", "fr-en.en", "fr"),
        ("tatoeba", "tatoeba/fr-en.en", "fr-en.fr", "fr"),
        ("tatoeba", "tatoeba/fra-eng.fra", "fra-eng.eng", "fr"),
        ("tatoeba", "tatoeba/tatoeba.fra-eng.eng", "tatoeba.fra-eng.fra", "fr"),
        ("xcopa", "xcopa/test-tr.jsonl", "test-en.jsonl", "tr"),
    ],
)
def test_a_file_that_is_read_beside_another_one_is_not_misnamed(put, folder, task, there, lacking, code):
    put(there, "one\n")
    task = TASKS.get(task)
    assert not misnamed(task, "test", (code, "th"), folder)
    [(file, others)] = halves(task, "test", (code, "th"), folder).items()
    assert short([file, *others]) == [lacking, os.path.basename(there)]


def test_a_file_that_several_languages_lack_is_named_once(put, folder):
    task, languages = TASKS.get("xcopa"), ("tr", "th", "sw")
    for code in languages[:2]:
        put(f"xcopa/test-{code}.jsonl", "{}\n")
    [others] = halves(task, "test", languages, folder).values()
    assert short(others) == ["test-tr.jsonl", "test-th.jsonl"]
    put("xcopa/test-en.jsonl", "{}\n")
    assert not halves(task, "test", ("sw",), folder)
