"""What a registered checkpoint says of itself: a card as model hubs read it, and scores for ``report``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from mlflow_xfer.markdown import plain, table
from mlflow_xfer.reporting.columns import points

FENCE = 3 * "-"  # around the metadata
LONGEST = 5000  # what MLflow's databases keep of a version's description


def card(name: str, task: str, about: str, verdict: str, base: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown with the metadata ``model-index`` in front.

    Args:
        about: what it was trained on, in a few words.
        base: the model that it started from.
        rows: of its evaluation, one a language.
    """
    results = [
        {
            "task": {"type": task, "name": task},
            "dataset": {"type": task, "name": f"{task} ({row['language']})", "config": row["language"]},
            "metrics": [{"type": row["metric"], "value": round(float(row["score"]), 2)}],
        }
        for row in rows
    ]
    front = {"base_model": base, "library_name": "transformers", "tags": ["mlflow-xfer"]}
    front["model-index"] = [{"name": name, "results": results}]
    body = [(row["language"], points(row["score"]), points(row["low"]), points(row["high"])) for row in rows]
    parts = [
        f"{FENCE}\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}{FENCE}",
        f"# {plain(name)}",
        plain(verdict),
        f"{plain(about)}, then {plain(task)} on English alone; zero-shot in the other languages, with 95 % "
        "intervals over test examples:",
        table(("language", "score", "low", "high"), body, right=(1, 2, 3)),
    ]
    return "\n\n".join(parts) + "\n"


def scores(task: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """What ``mlflow-xfer report --imported`` reads."""
    return {task: {row["language"]: float(row["score"]) for row in rows}}


def shortened(text: str) -> str:
    """The card as the description of a version: without its metadata."""
    return text.split(f"{FENCE}\n\n", 1)[-1][:LONGEST]
