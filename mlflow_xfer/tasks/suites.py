"""Benchmarks: which tasks, in which groups, in which languages."""

from __future__ import annotations

from mlflow_xfer.tasks.qa import XQUAD_LANGUAGES
from mlflow_xfer.tasks.retrieval import TATOEBA_LANGUAGES
from mlflow_xfer.tasks.tagging import PANX_LANGUAGES, UDPOS_LANGUAGES
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
        languages={
            "udpos": UDPOS_LANGUAGES,
            "panx": PANX_LANGUAGES,
            "xquad": tuple(code for code in XQUAD_LANGUAGES if code != "ro"),
            "tatoeba": TATOEBA_LANGUAGES,
        },
        description="nine tasks in 40 languages",
        citation="Hu et al. 2020",
    ),
    # XCOPA, which XTREME-R's script counts in two groups, is in one here; Tatoeba is scored there after
    # SQuAD.
    Suite(
        name="xtreme-r",
        groups={
            "classification": ("xnli", "xcopa"),
            "tagging": ("udpos", "panx"),
            "qa": ("xquad", "mlqa", "tydiqa"),
            "retrieval": ("tatoeba", "mewslix", "lareqa"),
        },
        description="ten tasks in 50 languages; its Tatoeba row is that of intermediate=squad",
        citation="Ruder et al. 2021",
    ),
)
