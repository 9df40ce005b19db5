"""Benchmarks: which tasks, in which groups, in which languages."""

from __future__ import annotations

from mlflow_xfer.tasks.task import Suite

SUITES = (
    Suite(
        name="xtreme",
        groups={
            "classification": ("xnli", "pawsx"),
            "tagging": ("udpos", "panx"),
            "qa": ("xquad", "mlqa", "tydiqa"),
            "retrieval": ("bucc2018", "tatoeba"),
        },
        description="nine tasks in 40 languages",
        citation="Hu et al. 2020",
    ),
)
