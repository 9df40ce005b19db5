"""Scores that lie in tables of a grid that is run in pieces: what is there counts, what lacks is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlflow_xfer import api
from mlflow_xfer.errors import XferError
from mlflow_xfer.studies import claims, tables
from mlflow_xfer.studies.contrasts import by_name, compute
from mlflow_xfer.studies.found import study

GAINS = {"mnli-5k": 9.0, "sick": 4.0, "pos-3k": -6.0}
A, B = ("none", "mnli-5k", "mnli-5k-permuted"), ("none", "sick", "pos-3k", "sick-permuted")


def piece(stage: str, seed: int, arms, tasks) -> pd.DataFrame:
    """As ``benchmarks/real_models.py`` writes the rows of one seed."""
    rng = np.random.default_rng([seed, len(arms)])
    rows = []
    for arm in arms:
        gain = GAINS.get(arm, 0.0)
        for task in tasks:
            dev = np.nan if task == "tatoeba" else 60 + gain
            for code in ("de", "tr"):
                score = 50 + gain + rng.normal(0, 0.3)
                rows.append((stage, arm, task, code, seed, score, 200, "accuracy", dev))
    return pd.DataFrame(rows, columns=tables.COLUMNS)


@pytest.fixture
def folder(tmp_path):
    """Stage A with five seeds and B with one, of which the last condition is not run yet."""
    for seed in range(5):
        piece("A", seed, A, ("pawsx", "tatoeba")).to_parquet(tmp_path / f"A-{seed}.parquet")
    piece("B", 0, B[:3], ("panx-1000", "tatoeba")).to_parquet(tmp_path / "B-0-1.parquet")
    piece("F", 0, A[:2], ("pawsx",)).to_parquet(tmp_path / "F-0.parquet")
    pd.DataFrame({"stage": ["G"], "method": ["search"]}).to_parquet(tmp_path / "G-0-answers.parquet")
    return tmp_path


def test_contrasts_take_what_all_of_their_arms_have(folder):
    rows = tables.read(folder)
    asked = tables.study_of(study("replicate"), rows)
    found = by_name(compute(asked, rows, dev=tables.dev_of(rows), gaps=True))
    gain, null = found["mnli-5k on pawsx"], found["mnli-5k over its null"]
    assert gain.estimate.n["seeds"] == 5 and gain.verdict == null.verdict == "better"
    assert gain.estimate.estimate == pytest.approx(9, abs=0.5)
    few = found["pos-3k on panx-1000"]
    assert few.estimate.n["seeds"] == 1 and few.estimate.estimate == pytest.approx(-6, abs=1)
    assert "sick over its null" not in found, "its null is not run yet"
    best = found["best of each"]
    assert best.table is not None and set(best.table["chosen"]) == {"mnli-5k"}
    assert any("panx-1000: not run with all of its arms" in note for note in best.estimate.notes)


def test_what_is_missing_is_said(folder):
    said = "; ".join(tables.missing(tables.read(folder)))
    assert "stage A (MNLI before PAWS-X and retrieval, with its null): seeds 0, 1, 2, 3, 4 so far" in said
    assert "stage D (questions) is not run yet" in said and "stage F" not in said


def test_claims_are_tested_on_tables(folder):
    found = api.FUNCTIONS["claims"](tables=folder)
    verdicts = {one["id"]: one["verdict"] for one in found["claims"]}
    assert verdicts["C1"] == claims.PARTLY, "two of its three tasks are in no arm"
    assert verdicts["C5"] == claims.SUPPORTED and verdicts["C2"] == claims.UNTESTABLE
    assert "no target of inference in these tables" in found["text"] and "0, 1, 2, 3, 4" in found["about"]
    with pytest.raises(XferError, match="one of the two"):
        api.FUNCTIONS["claims"]("replicate", tables=folder)


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(XferError, match="holds no table of scores"):
        tables.read(tmp_path)


def test_the_tables_become_a_page(script, folder, project, monkeypatch):
    monkeypatch.syspath_prepend(project / "docs")
    reports = script("docs/reports.py")
    page = reports.small(folder)
    assert page.startswith("# What do intermediate tasks") and "| mnli-5k on tatoeba | +" in page
    assert "- stage D (questions) is not run yet" in page and "The primary contrasts are exploratory." in page
    claimed = reports.claimed(folder)
    assert "## On mini\n\nOn no runs." in claimed and "| C1 |" in claimed
    spread_stage(folder)
    reports.main(["domain"], "quick", "mini", False, folder, folder / "pages")
    assert {path.name for path in (folder / "pages").iterdir()} == {
        "replicate-small.md",
        "nli-variance-small.md",
        "claims.md",
    }


def spread_stage(folder, seeds=3):
    """Stage V: one arm alike over the languages, the others as unequal as without any."""
    rng = np.random.default_rng(0)
    own = rng.normal(0, 12, (2, 16))
    rows = []
    for seed in range(seeds):
        for arm in ("none", "MNLI", "SICK+RTE", "CosmosQA", "POS"):
            for task, levels in zip(("panx-1000", "tatoeba"), own, strict=True):
                for n, level in enumerate(levels):
                    score = 55 + level * (0.3 if arm == "MNLI" else 1) + rng.normal(0, 0.5)
                    rows.append(("V", arm, task, f"x{n}", seed, score, 1000, "accuracy", np.nan, "0123abc"))
    columns = [*tables.COLUMNS, tables.DECLARED]
    pd.DataFrame(rows, columns=columns).to_parquet(folder / "V-0.parquet")


def test_the_spread_on_tables_is_registered_where_their_plan_says_so(script, tmp_path, project, monkeypatch):
    monkeypatch.syspath_prepend(project / "docs")
    reports = script("docs/reports.py")
    folder, plan = tmp_path / "tables", tmp_path / "tables_plan.md"
    folder.mkdir()
    spread_stage(folder)
    page = reports.small_spread(folder)
    assert "The primary contrasts are exploratory." in page
    declared = tables.at_once(study("nli-variance"), ["panx-1000", "tatoeba"])
    plan.write_text(f"Stage V, declared 0123abc: … {tables.fixed(declared)}", "utf-8")
    page = reports.small_spread(folder)
    rows = {line.split(" | ")[0].strip("| "): line for line in page.splitlines() if line.startswith("|")}
    assert "The primary contrasts are pre-registered." in page
    assert "| less unequal" in rows["MNLI against none"] and "pre-registered" in rows["MNLI against none"]
    assert "not enough power" in rows["SICK+RTE against none"]
    assert "exploratory" in rows["MNLI against POS"] and "| less unequal" in rows["MNLI against POS"]
    plan.write_text("Stage V, declared 0123abc", "utf-8")
    assert "The primary contrasts are exploratory." in reports.small_spread(folder)


def test_a_folder_without_the_stage_of_the_spread_has_no_page_of_it(script, folder, project, monkeypatch):
    monkeypatch.syspath_prepend(project / "docs")
    reports = script("docs/reports.py")
    with pytest.raises(XferError, match="holds no table of scores"):
        reports.small_spread(folder)
