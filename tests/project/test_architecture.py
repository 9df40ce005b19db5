"""What docs/architecture.md says is so: every folder and module has its place, and what it names is there."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from mlflow_xfer.code import PACKAGE, ROOT


@pytest.fixture
def page(project) -> str:
    return (project / "docs" / "architecture.md").read_text("utf-8")


def section(page: str, title: str) -> str:
    """What stands under a heading, up to the next one."""
    return page.split(f"## {title}\n", 1)[1].split("\n#", 1)[0]


def test_every_folder_has_its_paragraph(page):
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    titles = re.findall(r"^### `(.*)/`$", page, re.MULTILINE)
    assert sorted(titles) == sorted(folders) and len(folders) > 15
    assert all(len(section(page, f"`{name}/`").split()) > 15 for name in titles)


def test_every_module_beside_the_folders_is_named(page):
    named = set(re.findall(r"`(\w+\.py)`", section(page, "Beside the folders")))
    there = {path.name for path in ROOT.glob("*.py")} - {"__init__.py", "cli.py", "api.py"}
    assert named == there


def test_what_is_named_is_there(page):
    parts = {path.name for path in ROOT.iterdir() if path.is_dir()} | {"api"}
    dotted = re.findall(r"`(\w+(?:\.\w+)+)`", page)
    names = [name for name in dotted if name.partition(".")[0] in parts and not name.endswith(".py")]
    assert len(names) > 30
    for name in names:
        found, *inner = resolved(f"{PACKAGE}.{name}")
        for one in inner:
            found = getattr(found, one)


def resolved(name: str) -> list:
    """The module that a dotted name begins with, and the names inside it."""
    parts = name.split(".")
    place = next(n for n in range(len(parts), 0, -1) if is_module(parts[:n]))
    return [import_module(".".join(parts[:place])), *parts[place:]]


def is_module(parts: list[str]) -> bool:
    path = ROOT.parent.joinpath(*parts)
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_links_to_files_lead_somewhere(project, name):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (project / name).read_text("utf-8"))
    assert links and all((project / name).parent.joinpath(link).exists() for link in links), links


def test_what_needs_others_by_way_of_a_third_has_no_arrow(script, monkeypatch):
    drawing = script("docs/architecture.py")
    needed = {"api": {"commands", "tasks"}, "commands": {"listing"}, "listing": {"tasks"}, "tasks": set()}
    monkeypatch.setattr(drawing, "needs", lambda: needed)
    assert drawing.arrows() == {"api": ["commands"], "commands": ["tasks"], "tasks": []}
