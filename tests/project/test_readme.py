"""What the README says works: its task file, its commands' names and parameters, its files."""

from __future__ import annotations

import re
import shlex

import pytest
import yaml
from click.testing import CliRunner

from mlflow_xfer import __version__
from mlflow_xfer.cli import cli
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
    assert planned.exit_code == 0 and "target reviews · nli · s0" in planned.output, planned.output


def typed(text: str, program: str) -> list[str]:
    """The command lines of a page that begin so, without comments."""
    found = (line for block in blocks(text, "bash") for line in block.replace("\\\n", " ").splitlines())
    lines = [line.split("#")[0].strip() for line in found]
    return [line.removeprefix("srun ") for line in lines if line.removeprefix("srun ").startswith(program)]


PAGES = {"README.md": 11, "docs/recipe.md": 7, "docs/search.md": 3, "docs/reuse.md": 2}
"""Pages with the least number of commands on them."""


@pytest.mark.parametrize("page", PAGES)
def test_every_command_can_be_typed(project, page):
    """In the order of the page: what one saves the next takes."""
    commands = typed((project / page).read_text("utf-8"), "mlflow-xfer ")
    assert len(commands) >= PAGES[page]
    if page == "docs/recipe.md":
        assert commands[0].startswith("mlflow-xfer fetch xtreme --tasks xnli,pawsx --out download")
    for line in commands:
        _, verb, *words = shlex.split(line.replace("<run id>", "0" * 32))
        if verb == "tasks":  # its file is the user's own
            assert words[0] == "--check"
            continue
        command = cli.commands[verb]
        assert command.read(command.make_context(verb, words)) is not None, line


def test_every_entry_point_and_parameter_exists(readme):
    projects = typed(readme, "mlflow run ")
    assert len(projects) >= 3
    for line in projects:
        [entry] = re.findall(r"-e (\w+)", line) or ["main"]
        assert set(re.findall(r"-P (\w+)=", line)) <= set(entry_points()[entry].shape.model_fields), line


def test_the_citation_is_of_this_version(project):
    cited = yaml.safe_load((project / "CITATION.cff").read_text("utf-8"))
    assert cited["cff-version"] == "1.2.0" and cited["version"] == __version__
    assert cited["title"] and cited["message"] and cited["authors"]
    papers = [paper["url"] for paper in cited["references"]]
    assert papers == ["https://arxiv.org/abs/2005.13013", "https://arxiv.org/abs/2003.11080"]


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
