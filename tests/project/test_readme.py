"""What the README says works: its task file, its commands' names and parameters, its files."""

from __future__ import annotations

import re
import shlex

import pytest
import yaml
from click.testing import CliRunner

from mlflow_xfer.cli import cli
from mlflow_xfer.params.verbs import VERBS
from mlflow_xfer.project import entry_points


@pytest.fixture
def readme(project) -> str:
    return (project / "README.md").read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_task_file_can_be_used(readme, tmp_path):
    (snippet,) = blocks(readme, "yaml")
    (tmp_path / "tasks.yaml").write_text(snippet)
    (entry,) = yaml.safe_load(snippet)["tasks"].values()
    files = entry["files"]
    for path in [files["train"], files["validation"], *files["test"].values()]:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("good book\tpositive\ndull book\tnegative\n")
    checked = CliRunner().invoke(cli, ["tasks", "--check", str(tmp_path / "tasks.yaml")])
    assert checked.exit_code == 0 and "positive 1" in checked.output and "sw" in checked.output
    planned = CliRunner().invoke(
        cli,
        ["plan", "--task_file", str(tmp_path / "tasks.yaml"), "--target", "reviews", "--intermediate", "nli"],
    )
    assert planned.exit_code == 0 and "target reviews s0" in planned.output, planned.output


def test_every_command_and_parameter_exists(readme):
    lines = [line.split("#")[0].strip() for block in blocks(readme, "bash") for line in block.splitlines()]
    commands = [shlex.split(line) for line in lines if line.startswith("mlflow-xfer")]
    assert len(commands) >= 4
    for _, verb, *rest in commands:
        assert verb in cli.commands, verb
        names = [part[2:] for part in rest if part.startswith("--")]
        assert set(names) <= set(VERBS[verb].shape.model_fields), (verb, names)
    projects = [line for line in lines if line.startswith("mlflow run")]
    assert len(projects) >= 3
    for line in projects:
        [entry] = re.findall(r"-e (\w+)", line) or ["main"]
        assert set(re.findall(r"-P (\w+)=", line)) <= set(entry_points()[entry].shape.model_fields), line


def test_files_that_are_named_are_there(readme, project):
    tree = readme.split("## Where things are")[1].split("```")[1]
    named = re.findall(r"([\w/]+(?:\.py|/)|MLproject|conda\.yaml)", tree)
    assert len(named) > 20
    for name in named:
        assert any(
            (root / name).exists()
            for root in (
                project,
                project / "tests",
                project / "mlflow_xfer",
                *(project / "mlflow_xfer").iterdir(),
                *(project / "mlflow_xfer" / "kinds").iterdir(),
            )
        ), name
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", readme):
        assert (project / picture).is_file(), picture
