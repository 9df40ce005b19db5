"""Parameters in files: what ``--save`` writes is what ``--config`` takes, for every verb."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from mlflow_xfer import cli
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.verbs import VERBS

EXAMPLES = [example for verb in VERBS.values() for example in verb.examples]


def read(line: str, caller: str | None = None):
    name, *words = shlex.split(line)
    command = cli.cli.commands[name]
    return command.read(command.make_context(name, words, obj=caller))


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_is_saved_is_the_same_command(example):
    params = read(f"{example} --save saved/config.yaml")
    assert read(f"{example.split()[0]} --config saved/config.yaml") == params == read(example)
    assert len(EXAMPLES) > 35


def test_a_file_reads_as_one_would_write_it():
    read("transfer --seeds 1,2 --target.learning-rate=2e-5 --languages no,de --text none --save c.yaml")
    assert Path("c.yaml").read_text() == (
        "# mlflow-xfer transfer --config c.yaml\n"
        "transfer:\n  text: none\n  languages: no,de\n  seeds: 1,2\n  target.learning_rate: 2e-05\n"
    )


def test_lists_numbers_and_norwegian():
    Path("c.yaml").write_text(
        "transfer:\n  seeds: [1, 2]\n  languages: [no, de]\n  max_steps: 3\n  target: pos\n"
    )
    found = read("transfer --config c.yaml")
    assert (found.seeds, found.languages, found.max_steps) == ((1, 2), ("no", "de"), 3)


def test_what_is_typed_wins():
    Path("c.yaml").write_text("transfer: {seeds: '1,2', target.learning_rate: 1e-5}\n")
    found = read("transfer --config c.yaml --seeds 7 --target.learning-rate 2e-5")
    assert found == VERBS["transfer"].read({"seeds": 7, "target.learning_rate": 2e-5})


def test_plan_takes_the_section_of_what_it_plans():
    Path("c.yaml").write_text("transfer: {target: pos}\nsearch: {pool: nli}\n")
    assert read("plan --config c.yaml") == read("plan --target pos")
    assert read("plan search --config c.yaml") == read("plan search --pool nli")


def test_defaults_that_mlflow_run_passes_do_not_win():
    Path("c.yaml").write_text("transfer: {model: xlm-roberta-base, target: pos}\n")
    line = "transfer --model mini --data mini --intermediate nli --target auto --config c.yaml"
    assert read(line, cli.PROJECT) == read(
        "transfer --model xlm-roberta-base --target pos --intermediate nli"
    )
    assert read(line).model == "mini"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("transfer: {sedes: 1}", "Did you mean 'seeds'"),
        ("search: {pool: nli}", "has no section transfer, but search"),
        ("", "has no section transfer, but none at all"),
        (
            "transfer: {target: {learning_rate: 1}}",
            "(?s)transfer.target is a mapping.*target.learning_rate: 2e-5",
        ),
        ("- transfer", "no mapping of commands"),
        ("transfer: pos", "no mapping of commands"),
        ("transfer: {", "is no YAML"),
        ("transfer: {max_steps: many}", "max_steps=many is not accepted"),
    ],
)
def test_bad_files_are_told(text, says):
    Path("c.yaml").write_text(text)
    with pytest.raises(XferError, match=says):
        read("transfer --config c.yaml")


def test_files_that_cannot_be_read_or_written_are_told():
    with pytest.raises(XferError, match="nowhere.yaml: cannot be read"):
        read("transfer --config nowhere.yaml")
    Path("file").touch()
    with pytest.raises(XferError, match="file/c.yaml: cannot be written"):
        read("transfer --save file/c.yaml")
