"""The table of all subsets: complete, resumable after a kill in mid-row, and put together from parts."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest


@pytest.fixture
def grid(script, monkeypatch):
    module = script("benchmarks/grid.py")
    monkeypatch.setattr(module, "LANGUAGES", module.LANGUAGES[:2])
    monkeypatch.setattr(module, "INTERMEDIATE", module.INTERMEDIATE.model_copy(update={"max_steps": 2}))
    monkeypatch.setattr(module, "TEST_EXAMPLES", 4)
    monkeypatch.setattr(
        module,
        "TASKS",
        {
            name: replace(task, recipe=task.recipe.model_copy(update={"max_steps": 2}))
            for name, task in module.TASKS.items()
        },
    )
    return module


def test_every_subset_once(grid):
    chosen = grid.subsets()
    assert len(chosen) == len(set(chosen)) == 2**9
    assert chosen[0] == () and set(grid.POOL) == set(chosen[-1]) and set(grid.POOL) < set(grid.TASKS)


@pytest.mark.nightly
def test_a_table_goes_on_and_is_put_together(grid, encoder, tmp_path, monkeypatch):
    first, second, both = (tmp_path / name for name in ("a.csv", "b.csv", "all.csv"))
    grid.measure(encoder, [0], [(), ("polarity", "types")], first)
    rows = grid.read(first)
    assert [(row["subset"], row["target"]) for row in rows] == [
        (s, t) for s in ("none", "polarity+types") for t in sorted(grid.TARGETS)
    ]
    assert {row["steps_intermediate"] for row in rows if row["subset"] != "none"} == {"2"} and all(
        float(row["tokens_target"]) > 0 for row in rows
    )
    torn = first.read_text().rsplit("\n", 2)[0] + "\npolarity+types,0,mood,5"
    first.write_text(torn)
    grid.measure(encoder, [0], [(), ("polarity", "types")], first)
    figures = [{k: v for k, v in row.items() if "seconds" not in k} for row in rows]
    assert [
        {k: v for k, v in row.items() if "seconds" not in k}
        for row in sorted(grid.read(first), key=lambda r: (r["subset"], r["target"]))
    ] == figures
    grid.measure(encoder, [1], [()], second)
    monkeypatch.setattr(
        sys, "argv", ["grid.py", "--merge", str(first), str(second), str(first), "--out", str(both)]
    )
    grid.main()
    assert len(grid.read(both)) == 9
