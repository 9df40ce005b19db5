"""The report of each study on made-up scores: what it begins with, its figure, and what programs read."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlflow_xfer.studies import page, sentences
from mlflow_xfer.studies.contrasts import compute
from mlflow_xfer.studies.figures import apart, figures
from mlflow_xfer.studies.found import study
from mlflow_xfer.studies.registration import Registration
from tests.reporting.test_report import Page

CODES = ("en", "de", "tr", "sw", "vi", "eu", "ht")
FIGURES = {
    "replicate": "Arms by targets",
    "nli-variance": "Spread",
    "domain": "Domains",
    "task-count": "Curve",
    "few-shot": "Shots",
}


def scores(asked, seeds: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    gains = {arm.name: rng.normal(3, 2, len(asked.targets())) for arm in asked.arms}
    rows = []
    for t, target in enumerate(asked.targets()):
        languages = rng.normal(50, 8, len(CODES))
        for arm in asked.arms:
            of = languages + gains[arm.name][t] * (arm.name != "none") + rng.normal(0, 1, (seeds, len(CODES)))
            rows += [
                (arm.name, target, code, 0, seed, of[seed, place], 300)
                for seed in range(seeds)
                for place, code in enumerate(CODES)
            ]
    columns = ["condition", "task", "language", "base_seed", "seed", "score", "n"]
    return pd.DataFrame(rows, columns=columns).assign(suite="mini", metric="accuracy", base_model="mini")


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_the_report_of_each_study(name, tmp_path):
    asked, frame = study(name), scores(study(name))
    registered = Registration("run", 1, 0.9875)
    found = compute(asked, frame, registered=True, level=0.9875)
    report, drawings = page.made(asked, frame, found, registered, command=f"mlflow-xfer study --study {name}")
    read = Page(report.html)
    text = " ".join(read.text)
    assert not read.problems and len(read.ids) == len(set(read.ids))
    assert read.text[1] == asked.question or asked.question in read.text
    places = [text.index(part) for part in ("Answer", FIGURES[name], "How it was made", "All conditions")]
    assert places == sorted(places)
    assert f"We trained {len(asked.arms)} conditions on 4 seeds" in text and all(
        x in text for x in asked.limits
    )
    assert f"look 1 of {asked.looks}" in text and f"mlflow-xfer study --study {name}" in text
    assert len(drawings) == 1 and all(one.startswith("<svg") for one in drawings.values())
    report.save(tmp_path)
    said = json.loads((tmp_path / "verdict.json").read_text())
    assert said["study"]["name"] == name and said["status"] == "pre-registered"
    assert {one["name"] for one in said["study"]["contrasts"]} == {one.name for one in asked.contrasts}
    assert said["headline"] == sentences.headline(found)
    assert (
        "everything here is exploratory" not in text
        and "comparisons of single conditions are exploratory" in text
    )
    assert "(98.75 %)" in text, "the level of registered intervals stands beside those of 95 %"
    latex = (tmp_path / "differences.tex").read_text()
    assert latex.count(r"\begin{table}") == 2 and "tab:contrasts" in latex
    assert len(pd.read_parquet(tmp_path / "results.parquet")) == len(frame)
    assert len(pd.read_csv(tmp_path / "tables" / "contrasts.csv")) == len(asked.contrasts)


def test_the_whole_page_is_about_the_same_population():
    asked = replace(study("domain"), population="languages like these")
    frame = scores(asked)
    report, _ = page.made(asked, frame, compute(asked, frame), Registration("run"), command="study")
    assert report.verdict["population"] == "languages like these"
    assert "not for other languages" not in report.html


def test_an_answer_has_two_sentences_for_each_primary_contrast():
    asked = study("domain")
    found = compute(asked, scores(asked))
    said = sentences.answer(found)
    assert len(said) == 5 and said[-1] == sentences.DEMONSTRATION
    assert said[0].startswith("biomedical match: ") and "corrected p" in said[0] and "exploratory" in said[0]
    assert "in 8 of 10 cases" in said[1] and "of 100 (optimistic: estimated from 4 seeds)." in said[1]


def test_of_several_bases_with_one_seed_the_bases_are_counted():
    first = sentences.primary(compute(study("domain"), scores(study("domain"))))[0]
    counts = replace(first.estimate, n=first.estimate.n | {"seeds": 1, "bases": 3})
    one = replace(first, estimate=counts, detectable=math.nan, power=0.0)
    said = sentences.answer([one])
    assert "3 bases, 1 seed, " in said[0]
    assert "finds nothing in 8 of 10 cases" in said[1] and "(optimistic: estimated from 3 bases)" in said[1]
    assert page.rows([one])[0][-1] == "3 bases × 1"


def test_languages_vary_within_each_task():
    """What is easy for one task is hard for the other: over both alike languages do not differ."""
    by_task = {"first": [90.0, 0.0, 10.0, 20.0, 30.0], "second": [90.0, 30.0, 20.0, 10.0, 0.0]}
    rows = [
        ("none", task, code, 0, seed, score + 2.0 * seed, 300)
        for task, levels in by_task.items()
        for code, score in zip(CODES, levels, strict=False)
        for seed in range(3)
    ]
    frame = pd.DataFrame(rows, columns=["condition", "task", "language", "base_seed", "seed", "score", "n"])
    parts = apart(frame, "none")
    assert parts["seed"] == pytest.approx(2.0) and parts["language"] == pytest.approx(
        np.std([0, 10, 20, 30], ddof=1)
    )


def told(asked, frame) -> dict[str, list[str]]:
    """The cells of each row of the study's first figure, by what stands first."""
    ((_, _, shown), *_) = figures(asked, frame, [])
    rows = re.findall(r'<tr><th scope="row"[^>]*>(.*?)</th>(.*?)</tr>', str(shown))
    return {name: re.findall(r"<td[^>]*>(.*?)</td>", cells) for name, cells in rows}


def own(frame, arm: str, target: str):
    """The frame in which ``arm`` was trained on the target before."""
    mine = (frame["condition"] == arm) & (frame["task"] == target)
    return frame.assign(same_task=np.where(mine, "itself", ""))


def test_averages_of_arms_are_over_the_same_targets():
    asked = study("replicate")
    frame = scores(asked)
    gains = 50.0 + 20 * ((frame["task"] == "qa") & (frame["condition"] != "none"))
    rows = told(asked, own(frame.assign(score=gains), "questions", "qa"))
    assert rows["attribute"] == ["0.0", "0.0", "+20.0", "0.0", "0.0", "0.0"]
    assert rows["questions"] == ["0.0", "0.0", "–", "0.0", "0.0", "0.0"]
    assert told(asked, frame.assign(score=gains))["questions"][-2:] == ["+5.0", "+6.7"]


def test_spreads_of_arms_are_over_the_same_targets():
    asked = study("nli-variance")
    frame = scores(asked)
    same = frame.groupby(["task", "language"])["score"].transform("mean")
    rows = told(asked, own(frame.assign(score=same), "inference", "mood"))
    assert len({tuple(row[:2]) for row in rows.values()}) == 1 and len(rows) == len(asked.arms)
