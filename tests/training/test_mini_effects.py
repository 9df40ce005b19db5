"""The table of mini's effects: what is counted as declared,
and that the page and the figures show the table.
"""

from __future__ import annotations

import pytest

from mlflow_xfer.tasks import mini


@pytest.fixture(scope="module")
def effects(script):
    return script("benchmarks/mini_effects.py")


@pytest.fixture(scope="module")
def report(script, project):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(project / "benchmarks")
        return script("benchmarks/mini_report.py")


def row(arm, name, target, seed, xx):
    return {
        "arm": arm,
        "intermediate": name,
        "target": target,
        "seed": seed,
        "xx": str(xx),
        "low": str(xx / 2),
        "en": "90",
    }


def test_signs_are_counted_over_seeds(report):
    rows = [
        row(arm, "none", target, seed, 50 + seed)
        for seed in (0, 1, 2)
        for arm in ("pretrained", "random")
        for target in mini.TARGETS
    ]
    gains = {
        ("attribute", "choice"): (20, 22, 25),
        ("position", "retrieval"): (-5, -9, 1),
        ("nli", "pos"): (-1, 2, 0),
        ("attribute", "holds"): (-4, -5, -3),
        ("types", "pos"): (8, 9, 8.5),
    }
    for (name, target), found in gains.items():
        rows += [row("pretrained", name, target, seed, 50 + seed + gain) for seed, gain in enumerate(found)]
    said = report.report(rows)
    assert (
        "| + | 2 | 1 | 3 % | 1 |" in said
        and "| - | 1 | 1 | 5 % | 0 |" in said
        and "| 0 | 2 | 1 | 3 % |  |" in said
    )
    assert "| attribute → choice | + | 3 | +22.3 [+16.1, +28.6] | yes |" in said
    assert "| attribute → holds | + | 3 | -4.0 [-6.5, -1.5] | no |" in said
    assert "| types → pos | 0 | 3 | +8.5 [+7.3, +9.7] | no |" in said


def test_shares_have_the_bound_of_clopper_and_pearson(report):
    assert report.at_least(9, 10) == pytest.approx(0.6058, abs=1e-4) and report.at_least(0, 5) == 0
    assert report.at_least(5, 5) == pytest.approx(0.05 ** (1 / 5))


def test_key_pairs_are_the_declared_ones_and_the_matched_nulls(effects):
    for name in effects.INTERMEDIATES:
        declared = {target for target, sign in mini.EXPECTED[name].items() if sign != "0"}
        assert declared <= set(effects.key_targets(name))
    assert "choice" in effects.key_targets("attribute_null") and "qa" in effects.key_targets("roles_null")


def test_the_pages_show_the_committed_table(effects, report, project):
    rows = effects.read(project / "benchmarks" / "mini_effects.csv")
    assert (project / "benchmarks" / "mini_effects.md").read_text("utf-8") == report.PAGE + report.report(
        rows
    )
    assert report.SUMMARY.search((project / "docs" / "mini.md").read_text("utf-8"))[0] == report.summary(rows)
    assert {task for r in rows if (task := r["intermediate"]) != "none"} == set(effects.INTERMEDIATES)
    assert report.summary(rows).count("| yes |") == 6, "all bounds are met"


def test_every_figure_is_drawn_from_committed_tables(script, project, tmp_path):
    figures = script("docs/figures.py")
    assert len(figures.FIGURES) >= 2
    for name, draw in figures.FIGURES.items():
        draw(tmp_path)
        assert 5_000 < (tmp_path / name).stat().st_size < 300_000
        assert (project / "docs" / name).stat().st_size < 300_000
