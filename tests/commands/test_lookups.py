"""What the commands that look things up print."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from mlflow_xfer import api, cli
from mlflow_xfer.commands import lookups
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.lookups import Results


def said(*words: str) -> str:
    answer = CliRunner().invoke(cli.cli, words)
    assert answer.exit_code == 0, answer
    return answer.output


def refused(*words: str) -> str:
    answer = CliRunner().invoke(cli.cli, words)
    assert isinstance(answer.exception, XferError), answer
    return str(answer.exception)


def test_results_as_lines():
    frame = pd.DataFrame({"task": ["pos"], "score": [50.5]})
    assert lookups.frame(Results(), frame) == "task\tscore\npos\t50.5"
    assert json.loads(lookups.frame(Results(format="json"), frame)) == [{"task": "pos", "score": 50.5}]
    with pytest.raises(XferError, match="no tracking database"):
        api.results()


def test_languages():
    assert said("languages", "de", "sw").splitlines()[-1] == "2 languages"
    assert said("languages", "--family", "Turkic", "--measures", "syntactic").startswith("language")
    head = said("languages", "de,sw", "--measures", "grambank_fusion", "--to", "hi").splitlines()[0]
    assert head.endswith("grambank_fusion") and "genetic" not in head
    assert "syntactic" in said("languages", "--show", "distances")


def test_languages_to_train_on():
    first, *_, last = said("languages", "ur", "--show", "sources").splitlines()[1:]
    assert not first.startswith("hi"), "by Hindi's own values"
    assert last == "WALS values of ur are a relative's"
    kept = said("languages", "pt", "--show", "sources", "--script", "Arab").splitlines()
    assert {line.split()[0] for line in kept[1:-1]} == {"ar", "fa", "ug", "ur"}
    assert "Unknown script" in refused("languages", "pt", "--show", "sources", "--script", "Arabic")


def test_languages_refuses_what_would_change_nothing(tmp_path):
    assert "nothing depends on to" in refused("languages", "pt", "--show", "sources", "--to", "sw")
    texts = ("languages", "--texts", str(tmp_path))
    assert "nothing depends on family, benchmark, measures" in refused(
        *texts, "--family", "Turkic", "--benchmark", "xtreme-r", "--measures", "syntactic"
    )
    assert "nothing depends on show" in refused(*texts, "--show", "sources")
    assert "nothing depends on codes" in refused("languages", "pt", "--show", "distances")


def test_morphology_of_texts_relative_to_another_language(tmp_path):
    for code in ("en", "de", "zh"):
        (tmp_path / f"{code}.txt").write_text("one line of some words\n" * 150)
    texts = ("languages", "--texts", str(tmp_path))
    assert said(*texts, "--to", "eng") == said(*texts), "any of a language's codes"
    assert "relative to de: not on the table's scale" in said(*texts, "--to", "de")
    assert "zh is written without spaces" in refused(*texts, "--to", "zh")


def test_tasks_and_suites():
    assert said("tasks", "nli").startswith("nli: ")
    listed = said("tasks", "--kind", "tagging", "--use", "target", "--language", "sw")
    assert "pos" in listed and "tagging" in listed and "classification" not in listed
    assert "retrieval" in said("suites", "mini") and said("suites").startswith("suite")


def test_this_environment(own_store):
    assert "torch" in (first := said("doctor")) and "0 runs open" in first
    assert "precision=auto is " in first, "what it would compute with"
    assert said("doctor") == first, "once more, when its module is loaded"
    assert "?" not in first.partition("store")[0], "each version beside the tested one"
    assert "Nothing is waiting" in said("sync")
