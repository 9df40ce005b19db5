"""``benchmarks/same_results.py`` sees what differs, and lists what is changed on purpose."""

from __future__ import annotations

import math

import pytest
import torch
from safetensors.torch import save_file


@pytest.fixture
def program(script, monkeypatch, project):
    monkeypatch.syspath_prepend(str(project / "benchmarks"))
    return script("benchmarks/same_results.py")


@pytest.fixture
def step(program, tmp_path):
    """Makes a step whose weight, prediction, score and loss are given."""

    def made(side, weight=1.0, said="a", score=50.0, loss=0.5, status="FINISHED"):
        folder = tmp_path / side
        folder.mkdir(exist_ok=True)
        save_file({"w": torch.tensor([weight, 2.0])}, folder / "model.safetensors")
        (folder / "test-en.tsv").write_text(said)
        per_language = {"columns": ["run_id", "language", "score"], "data": [[side, "en", score]]}
        return program.Step(
            status,
            {"train/loss": loss},
            {"results/per_language.json": per_language},
            {"pos/test-en.tsv": folder / "test-en.tsv"},
            {"model.safetensors": folder / "model.safetensors"},
        )

    return made


def test_what_is_equal_is_equal(program, step):
    assert set(program.compared(step("old"), step("new", score=50.0 + 1e-10)).values()) == {"equal"}
    nothing = program.Step("FINISHED", {}, {}, {}, {})
    assert set(program.compared(nothing, nothing).values()) == {"–"}


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("weights", {"weight": math.nextafter(1.0, 2.0) + 1e-6}),
        ("predictions", {"said": "b"}),
        ("tables", {"score": 50.0 + 1e-8}),
        ("metrics", {"loss": math.nan}),
    ],
)
def test_each_column_sees_its_own_difference(program, step, column, change):
    cells = program.compared(step("old"), step("new", **change))
    assert {name for name, text in cells.items() if text.startswith("differs: 1 of 1")} == {column}


def test_a_step_that_failed_or_is_missing_differs(program, step, tmp_path, monkeypatch):
    cells = program.compared(step("old"), step("new", status="FAILED"))
    assert set(cells.values()) == {"differs: FINISHED, FAILED"}
    sides = {
        tmp_path / "old": {"kept": step("old"), "gone": step("old")},
        tmp_path / "new": {"kept": step("new")},
    }
    assert program.comparison("c", *sides)[0][2]["tables"] == "differs: failed in the earlier and this tree"
    for folder in sides:
        (folder / "done.json").touch()
    monkeypatch.setattr(program, "steps", sides.get)
    rows = program.comparison("c", *sides)
    assert [(name, cells["tables"]) for _, name, cells in rows] == [
        ("kept", "equal"),
        ("gone", "differs: only in the earlier tree"),
    ]


def test_what_is_listed_is_changed_on_purpose(program, monkeypatch):
    monkeypatch.setattr(program, "CHANGED", {"merge* / target * / weights": "another sum", "* / x / *": "no"})
    cells = dict.fromkeys(program.COLUMNS, "differs: 1 of 1, w")
    ((_, _, merged),) = program.judged([("merge by ties", "target pos s0", cells)])
    assert merged == cells | {"weights": "changed on purpose: another sum"}
    ((_, _, other),) = program.judged([("likelihood", "target pos s0", cells)])
    assert other == cells
