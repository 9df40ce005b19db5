"""What a search and proxies answer where every subset of their candidates is scored; how good that was."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pandas as pd
from real_models_run import Lab
from real_models_shapes import BASELINE, Condition, Piece, Stage

import mlflow_xfer
from mlflow_xfer import markdown
from mlflow_xfer.commands.running import opened
from mlflow_xfer.durable.files import whole_file
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.questions import RANK_METHODS
from mlflow_xfer.reporting.columns import points
from mlflow_xfer.stats.ranking import RANDOM, quality

log = logging.getLogger("mlflow_xfer.real_models")

METHODS = tuple(RANK_METHODS)
SEARCHED = 12
"""Trials of the search whose answer is judged."""
PER_SEED, MEASURE = "seed {}", "regret@1 points"


def ask(lab: Lab, piece: Piece) -> int:
    """The search's choice among the subsets by English dev, and each proxy's order of the single tasks."""
    stage, seed = piece.stage, piece.seed
    lacking = [
        other.name
        for part in range(stage.parts)
        for other in [Piece(stage, seed, part)]
        if len(lab.kept(other).get("condition", pd.Series(dtype=str)).unique()) < len(other.cells())
    ]
    if lacking:
        raise XferError(f"{piece.name} judges answers by all subsets.", f"Run first: {', '.join(lacking)}")
    if len(kept := lab.kept(piece)) and set(kept["declared"]) == {stage.hash}:
        return 0
    (target,) = stage.targets
    shared = lab.params(stage, Condition(BASELINE, stage.pool), target, seed)
    pool, tested = shared.pop("intermediate"), shared.pop("max_eval_examples")
    evaluated, combine = shared.pop("languages"), shared.pop("combine")
    begun = _search(pool, {**shared, "languages": evaluated, "combine": combine, "max_eval_examples": tested})
    shared["seed"] = shared.pop("seeds")
    found = [{"method": "search", **begun}]
    for method in METHODS:
        try:
            ranked = mlflow_xfer.rank(pool=pool, method=method, **shared)
        except XferError as error:
            log.warning("%s: %s says nothing: %s", piece.name, method, error.what)
            continue
        scores = ranked.scores[method][target.task]
        found.append(
            {"method": method, "scores": json.dumps(scores), "seconds": sum(ranked.seconds.values())}
        )
    rows = pd.DataFrame(found).assign(
        stage=stage.name, seed=seed, task=target.name, declared=stage.hash, commit=lab.commit
    )
    with whole_file(lab.table(piece)) as file:
        rows.to_parquet(file, index=False)
    return len(rows)


def _search(pool: tuple[str, ...], shared: dict[str, Any]) -> dict[str, Any]:
    """A search over the subsets with a third of their number as trials: what English dev says of each."""
    ended = mlflow_xfer.search(pool=pool, n_trials=SEARCHED, confirm_top=0, **shared)
    from mlflow.artifacts import load_dict

    with opened(probe=False, make=False) as store:
        table = load_dict(f"{store.get(ended.run_id).artifact_uri}/results/trials.json")
    trials = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    done = [one for one in trials if one["state"] == "complete"]
    scores = {"+".join(one["tasks"].split(",")) or BASELINE: one["english_dev"] for one in done}
    return {"scores": json.dumps(scores), "seconds": float("nan")}


def truths(rows: pd.DataFrame, names: set[str]) -> dict[str, dict[str, float]]:
    """By seed, the test score of each of these conditions: the mean over languages."""
    mine = rows[rows["condition"].isin(names)]
    means: dict[str, dict[str, float]] = {}
    for (seed, condition), of in mine.groupby(["seed", "condition"]):
        means.setdefault(PER_SEED.format(seed), {})[str(condition)] = float(of["score"].mean())
    return means


def judged(rows: pd.DataFrame, answers: pd.DataFrame, stage: Stage) -> Iterator[str]:
    """Regret@1 of each method, in points, with its interval over seeds; a seed is a target of its own."""
    if answers.empty:
        yield "The search and the proxies have not been asked yet."
        yield ""
        return
    found = []
    for method, of in answers.groupby("method", sort=False):
        said = {PER_SEED.format(one.seed): json.loads(str(one.scores)) for one in of.itertuples()}
        among = set(stage.pool) if method != "search" else {one.name for one in stage.conditions}
        known = {seed: scores for seed, scores in truths(rows, among).items() if seed in said}
        told = {
            seed: {name: said[seed].get(name, min(said[seed].values()) - 1) for name in scores}
            for seed, scores in known.items()
        }
        regrets = {
            one.method: one.estimate for one in quality(known, {str(method): told}) if one.measure == MEASURE
        }
        found.append((method, "all subsets" if method == "search" else "single tasks", regrets))
    yield _table(found)
    yield ""
    yield f"Best of all on test: {', '.join(_best(rows))}; without intermediate task {_mean(rows, BASELINE)}."
    yield ""


def _table(found: list) -> str:
    rows = []
    for method, among, regrets in found:
        regret = regrets[method]
        rows.append(
            (
                method,
                among,
                points(regret.estimate),
                f"{points(regret.low)} … {points(regret.high)}",
                points(regrets[RANDOM].estimate),
            )
        )
    return markdown.table(
        ("method", "among", "regret@1, points", "95 %", "of a random choice"), rows, right=(2, 3, 4)
    )


def _best(rows: pd.DataFrame) -> list[str]:
    means = rows.groupby("condition")["score"].mean().sort_values(ascending=False)
    return [f"{name} {points(value)}" for name, value in means.head(3).items()]


def _mean(rows: pd.DataFrame, name: str) -> str:
    return points(rows.loc[rows["condition"] == name, "score"].mean())
