"""Generated files are what is declared; conda.yaml installs what the package needs."""

from __future__ import annotations

import re
import sys
import tomllib

import pytest
import yaml

import mlflow_xfer
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.verbs import VERBS
from mlflow_xfer.project import WHOLE, entry_points, readme

REFRESH = "refresh with: python -m mlflow_xfer.project"


@pytest.mark.parametrize("name", WHOLE)
def test_files_are_fresh(project, name):
    assert (project / name).read_text("utf-8") == WHOLE[name](), REFRESH


def test_readme_tables_are_fresh(project):
    text = (project / "README.md").read_text("utf-8")
    assert readme(text) == text, REFRESH
    assert "| `learning_rate` |" in text


def test_the_picture_of_the_folders_is_fresh(script, monkeypatch, tmp_path):
    drawing = script("docs/architecture.py")
    monkeypatch.setattr(sys, "argv", ["architecture.py", "--check"])
    drawing.main()
    page = tmp_path / "architecture.md"
    page.write_text(drawing.PAGE.read_text("utf-8").replace("cli --> api\n", ""), "utf-8")
    monkeypatch.setattr(drawing, "PAGE", page)
    with pytest.raises(SystemExit, match="draw it anew: python docs/architecture.py"):
        drawing.main()


def test_the_page_of_parameters_says_all_of_them_and_where_verbs_differ(project):
    lines = (project / "docs" / "parameters.md").read_text("utf-8").splitlines()
    rows = {}
    for line in lines:
        if line.startswith("| `"):
            name, verbs, _, default, *_ = (cell.strip() for cell in line.replace(r"\|", " ").split("|")[1:])
            rows.update({(verb.strip(), name.strip("`")): default for verb in verbs.split(",")})
    declared = {(verb.name, name) for verb in VERBS.values() for name in parameters(verb.shape)}
    assert set(rows) == declared and len(declared) > 300
    assert rows["pretrain", "model"] == "`mini`; pretrain: `scratch:xlm-roberta:mini`"
    assert rows["target", "target"] == "`auto`; target: `pos`; search: `choice`"
    assert rows["search", "workers"] == "`auto`"
    text = "\n".join(lines)
    assert "| runtime |" in text and "| command |" in text and "identity; neutral: `none` |" in text


def test_every_entry_point_has_a_module_and_declares_few_parameters(project):
    declared = yaml.safe_load((project / "MLproject").read_text("utf-8"))
    assert declared["conda_env"] == "conda.yaml"
    assert set(declared["entry_points"]) == set(entry_points()) and len(entry_points()) == 9
    for name, entry in declared["entry_points"].items():
        assert (project / "entry_points" / f"{name}.py").is_file()
        assert 1 <= len(entry["parameters"]) <= 8
        verb = entry_points()[name]
        given = {key: value.get("default", "given") for key, value in entry["parameters"].items()}
        needed = {name: "given" for name, one in parameters(verb.shape).items() if one.required}
        assert verb.read(given) == verb.shape(**needed)
        assert set(re.findall(r"--(\w+) \{\1\}", entry["command"])) == set(entry["parameters"])


def test_conda_yaml_lists_every_dependency_under_pip(project):
    environment = yaml.safe_load((project / "conda.yaml").read_text("utf-8"))
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    needed = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    names = {re.split(r"[<>=]", name)[0] for name in needed}
    assert pip[0] == "-c constraints.txt" and names == set(pip[1:])
    pinned = {
        line.split("==")[0].lower()
        for line in (project / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    assert {name.lower() for name in names} <= pinned


PLANNED = [name for name, verb in entry_points().items() if name not in ("report", "publish")]


@pytest.mark.parametrize("name", PLANNED)
@pytest.mark.parametrize("how", ["through mlflow run", "as a command"])
def test_what_is_run_with_no_parameter_at_all_can_be_planned(project, own_store, name, how):
    """Its defaults are a command: nothing about them is refused."""
    declared = yaml.safe_load((project / "MLproject").read_text("utf-8"))["entry_points"][name]
    given = {key: one["default"] for key, one in declared["parameters"].items()}
    planned = mlflow_xfer.plan(entry_points()[name].name, **(given if how == "through mlflow run" else {}))
    assert planned.text()
