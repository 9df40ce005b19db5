"""What a published checkpoint says of itself: a card as model hubs read it, and scores for ``report``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow_xfer.markdown import plain
from mlflow_xfer.reporting.columns import Table

CARD, SCORES = "README.md", "results.json"
FENCE = 3 * "-"  # around the metadata
LONGEST = 5000  # what MLflow's databases keep of a version's description
_ON_HUB = re.compile(r"[\w.-]+/[\w.-]+|xlm-roberta-(base|large)|bert-base-multilingual-(un)?cased")
INTERVAL = "95 % interval"


@dataclass(frozen=True)
class Card:
    """Of one checkpoint.

    Args:
        name: of the model.
        base: what its training began with.
        about: what it was trained on, in a sentence.
        verdict: what comparing it found; empty: it was compared with nothing.
        rows: of its evaluations, one a task and language.
        remarks: what keeps the scores from meaning what they seem to.
        architecture: transformers' class that loads it.
    """

    name: str
    base: str
    about: str
    verdict: str
    rows: Sequence[Mapping[str, Any]]
    remarks: Sequence[str] = ()
    architecture: str = ""

    def text(self) -> str:
        """Markdown with the metadata ``model-index`` in front."""
        return f"{FENCE}\n{self._metadata()}\n{FENCE}\n\n{self.body()}"

    def body(self) -> str:
        """What people read."""
        scored = self.scores_table()
        parts = [
            f"# {plain(self.name)}",
            plain(self.verdict),
            plain(self.about),
            scored.markdown() if self.rows else "It was not evaluated.",
            "\n".join(f"- {plain(remark)}" for remark in self.remarks),
            f"`transformers.{self.architecture}.from_pretrained` loads it." if self.architecture else "",
        ]
        return "\n\n".join(filter(None, parts)) + "\n"

    def description(self) -> str:
        """The card as the description of a registered version."""
        return self.body()[:LONGEST]

    def scores_table(self) -> Table:
        head = ("task", "language", "metric", "score", INTERVAL, "chance", "majority")
        rows = [
            (
                *(row["task"], row["language"], row.get("metric", ""), row["score"]),
                (row["low"], row["high"]),
                *(row.get("chance"), row.get("majority")),
            )
            for row in self.rows
        ]
        return Table("Scores on test, by language; intervals over the examples", head, rows)

    def scores(self) -> dict[str, Any]:
        """What ``mlflow-xfer report --imported`` reads: the condition's name, the scale, and by task and
        language its scores."""
        found: dict[str, Any] = {"condition": self.name, "percent": True}
        for row in self.rows:
            found.setdefault(row["task"], {})[row["language"]] = float(row["score"])
        return found

    def _metadata(self) -> str:
        from huggingface_hub import EvalResult, ModelCardData

        results = [
            EvalResult(
                task_type=row["task"],
                dataset_type=row["task"],
                dataset_name=f"{row['task']} ({row['language']})",
                dataset_config=row["language"],
                metric_type=row.get("metric") or "score",
                metric_value=round(float(row["score"]), 2),
            )
            for row in self.rows
        ]
        data = ModelCardData(
            base_model=self.base if _ON_HUB.fullmatch(self.base) else None,
            language=list(dict.fromkeys(row["language"] for row in self.rows)) or None,
            library_name="transformers",
            tags=["mlflow-xfer"],
            **({"model_name": self.name, "eval_results": results} if results else {}),
        )
        return data.to_yaml()


def trained_on(tags: Mapping[str, str]) -> str:
    """In a sentence what the run of a training, by its tags, trained in the end."""
    base, phase = tags.get("xfer.base_model", "a model"), tags.get("xfer.phase", "")
    earlier = [task for task in tags.get("xfer.tasks", "").split(",") if task not in ("", "none")]
    steps = [f"trained on {' and '.join(earlier)}"] if earlier else []
    if phase == "target":
        languages = tags.get("xfer.data_languages", "")
        used = f" (with labels in {languages.replace(',', ', ')} alone)" if languages else ""
        steps.append(f"trained on {tags.get('xfer.target', '')}{used}")
    elif phase == "pretrain":
        steps = [f"trained on raw text ({tags.get('xfer.data_languages', '').replace(',', ', ')})"]
    if tags.get("xfer.control"):
        base = f"A {tags['xfer.control']} encoder of the shape of {base}"
    return f"{base}, {', then '.join(steps)}." if steps else f"{base}."
