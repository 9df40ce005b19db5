"""MLproject and the README's tables are what the parameters say;
conda.yaml installs what the package needs.
"""

from __future__ import annotations

import re
import tomllib

import yaml

from mlflow_xfer import params
from mlflow_xfer.project import ENTRY_POINTS, mlproject, readme

REFRESH = "refresh with: python -m mlflow_xfer.project"


def test_mlproject_is_fresh(project):
    assert (project / "MLproject").read_text("utf-8") == mlproject(), REFRESH


def test_readme_tables_are_fresh(project):
    text = (project / "README.md").read_text("utf-8")
    assert readme(text) == text, REFRESH
    assert "| `learning_rate` |" in text


def test_every_entry_point_has_a_module_and_declares_few_parameters(project):
    declared = yaml.safe_load((project / "MLproject").read_text("utf-8"))
    assert declared["conda_env"] == "conda.yaml"
    assert set(declared["entry_points"]) == set(ENTRY_POINTS)
    for name, entry in declared["entry_points"].items():
        assert (project / "entry_points" / f"{name}.py").is_file()
        assert 1 <= len(entry["parameters"]) <= 8
        shape = params.VERBS[ENTRY_POINTS[name]]
        read = params.parse(
            ENTRY_POINTS[name], {key: value["default"] for key, value in entry["parameters"].items()}
        )
        assert read == shape()
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
