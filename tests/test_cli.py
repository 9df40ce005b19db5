"""The commands: how they are typed, what their help says, and how they end."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time

import click
import pytest
from click.testing import CliRunner

import mlflow_xfer
from mlflow_xfer import cli
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.verbs import VERBS


def read(line: str):
    """The parameters that a command line means."""
    name, *words = shlex.split(line)
    command = cli.cli.commands[name]
    return command.read(command.make_context(name, words))


def ended(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main(words)
    return stop.value.code


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_help_has_examples_that_can_be_typed_and_every_parameter(verb):
    wanted = 2 if parameters(verb.shape) else 1
    assert len(set(verb.examples)) == wanted
    for example in verb.examples:
        assert example.split()[0] == verb.name
        assert isinstance(read(example), verb.shape)
    said = CliRunner().invoke(cli.cli, [verb.name, "--help"], terminal_width=2000)
    assert said.exit_code == 0 and cli.EXIT_CODES in said.output
    assert all(f"mlflow-xfer {example}" in said.output for example in verb.examples)
    lines = [line.strip() for line in said.output.splitlines()]
    for one in parameters(verb.shape).values():
        [line] = [line for line in lines if line.startswith(f"--{one.name} ")]
        assert one.description in line and one.accepted.replace("|", " | ") in line
        assert f"default {one.typed or 'empty'}]" in line or one.required and "must be given]" in line
    groups = {title[:1].upper() + title[1:] + ":" for title, _ in cli.grouped(verb)}
    assert groups <= set(lines)
    first = [line.split()[0] for line in lines if line.startswith("--")][: len(verb.headline)]
    assert first == [f"--{name}" for name in verb.headline]


def test_the_list_of_commands_is_that_of_verbs():
    said = CliRunner().invoke(cli.cli, ["--help"], terminal_width=300).output.split("Commands:\n")[1]
    assert [line.split()[0] for line in said.split("\n\n")[0].splitlines()] == list(VERBS)
    assert "0.1.0" in CliRunner().invoke(cli.cli, ["--version"]).output


def test_names_and_values_in_every_form():
    wanted = VERBS["transfer"].read({"max_steps": 3, "seeds": (1, 2), "target.learning_rate": 1e-5})
    for line in (
        "transfer --max_steps 3 --seeds 1,2 --target.learning_rate 1e-5",
        "transfer --max-steps=3 --seeds=1,2 --target.learning-rate=1e-5",
    ):
        assert read(line) == wanted


def test_words_without_a_name():
    assert read("report a b --question why --out o c").runs == ("a", "b", "c")
    assert read("report --runs a,b").runs == ("a", "b")
    found = read("submission a,b out")
    assert (found.runs, found.out) == (("a", "b"), "out")
    assert read("submission a --out out") == read("submission --out out a") == read("submission a out")
    assert read("plan search --pool nli").of == VERBS["search"].read({"pool": "nli"})
    assert read("plan --verb search --pool nli") == read("plan search --pool nli")
    assert read("languages de sw").codes == read("languages de,sw").codes == ("de", "sw")
    with pytest.raises(XferError, match="Unexpected argument 'c'"):
        read("predict a b c")
    with pytest.raises(XferError, match="Unexpected argument 'nli'"):
        read("transfer nli")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("transfer --leaning_rate 1", "Did you mean 'learning_rate'"),
        ("transfer --max_steps many", "Parameter max_steps=many is not accepted"),
        ("transfer --unknown", "Option --unknown has no value"),
        ("lineage", "Parameter run is missing"),
        ("score --predictions nowhere --labels nowhere", "predictions=nowhere: no such folder"),
        ("transfer --seeds 0 --seeds 1", "--seeds is given 2 times"),
        ("transfer --target.max_steps 1 --target.max_steps 2", "--target.max_steps is given 2 times"),
        ("plan --json maybe", "Accepted: true|false"),
        ("tasks --use sometimes", "Accepted: intermediate|target"),
        ("no-such-command", "No such command"),
    ],
)
def test_bad_input_ends_with_2_and_one_message(line, says, capsys):
    assert ended(*shlex.split(line)) == 2
    said = capsys.readouterr().err
    assert says in said and "Traceback" not in said


def test_a_verb_that_is_gone_says_what_to_use(capsys):
    assert ended("worker", "--study_name", "search-choice", "--workers", "4") == 2
    said = capsys.readouterr().err
    assert "no command worker" in said and "search … --workers N" in said and "Traceback" not in said
    with pytest.raises(XferError, match="no command worker"):
        mlflow_xfer.worker(study_name="search-choice")


def test_what_ends_a_command_is_its_exit_code(monkeypatch, capsys):
    def end(error):
        def call(*_):
            raise error

        monkeypatch.setattr(cli.api, "call", call)
        return ended("suites")

    assert end(XferError("away", exit_code=TRY_AGAIN)) == 75
    assert end(KeyboardInterrupt()) == 130 and end(cli.Preempted()) == 75
    assert "goes on from the last checkpoint" in capsys.readouterr().err
    assert end(RuntimeError("a fault")) == 1 and "Traceback" in capsys.readouterr().err
    assert end(click.Abort()) == 130 and ended("--help") == 0


def test_text_is_printed(capsys):
    assert ended("suites", "mini") == 0
    assert capsys.readouterr().out.startswith("mini: ")


def test_help_answers_at_once(project):
    """Without torch, MLflow or NumPy."""
    code = (
        "import sys; from mlflow_xfer import cli\n"
        "try: cli.main(['search', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'mlflow', 'numpy', 'pandas', 'optuna'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]" and "--n_trials" in ran.stdout


def test_sigterm_ends_with_75(tmp_path):
    code = (
        "from mlflow_xfer import api, cli\n"
        "import time\n"
        "def call(*_): print('begun', flush=True); time.sleep(60)\n"
        "api.call = call\n"
        "cli.main(['suites'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert process.stdout and process.stdout.readline() == "begun\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 75 and "terminated" in said
