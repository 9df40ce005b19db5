"""The figures that XTREME's own script gives on the mock files it publishes, to 1e-9.

All files but Tatoeba's are in ``fixtures/``. With the whole ``mock_test_data`` folder of
google-research/xtreme at hand, ``XFER_XTREME_MOCK`` runs that too.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlflow_xfer.scoring.submission import score_folder
from mlflow_xfer.tasks.task import Suite

from . import evaluate_rules
from .scored_tasks import KINDS, suite_of

GOLDEN = {
    "xnli": {"accuracy": 30.666666666666668},
    "pawsx": {"accuracy": 51.42857142857143},
    "bucc2018": {"f1": 55.0, "precision": 55.0, "recall": 55.0},
    "xquad": {"exact_match": 77.27272727272727, "f1": 79.9586776859504},
    "mlqa": {"exact_match": 57.142857142857146, "f1": 81.76870748299321},
    "tydiqa": {"exact_match": 88.88888888888889, "f1": 97.22222222222223},
    "mewslix": {"map_at_20": 14.39025156130419},
    "udpos": {"f1": 70.21746048354693, "f1_seqeval_1.2": 70.39805810699043},
    "panx": {"f1": 57.50793650793652, "f1_seqeval_1.2": 57.50793650793652},
}
WHOLE = {
    "xtreme": {
        "pawsx": 51.42857142857143,
        "xnli": 30.666666666666668,
        "panx": 57.50793650793652,
        "udpos": 70.21746048354693,
        "bucc2018": 55.0,
        "tatoeba": 53.611111111111114,
        "xquad": (77.27272727272727 + 79.9586776859504) / 2,
        "mlqa": (57.142857142857146 + 81.76870748299321) / 2,
        "tydiqa": (88.88888888888889 + 97.22222222222223) / 2,
    }
}


@pytest.mark.parametrize("task", GOLDEN)
def test_published_mock_files(mock, task):
    languages = tuple(sorted(path.stem.removeprefix("test-") for path in (mock / "labels" / task).iterdir()))
    suite = Suite(name="mock", groups={"all": (task,)}, languages={task: languages})
    got = score_folder(mock / "predictions", mock / "labels", suite, tasks=KINDS)["tasks"][task]
    figures = {name: got["components"][name] for name in GOLDEN[task]}
    assert figures == pytest.approx(GOLDEN[task], abs=1e-9)
    assert len(languages) == {"udpos": 33, "panx": 40, "xnli": 15, "pawsx": 7}.get(
        task, len(KINDS[task].languages)
    )
    by_rules = [evaluate_rules.score(task, lang, mock / "predictions", mock / "labels") for lang in languages]
    assert got["score"] == pytest.approx(sum(by_rules) / len(by_rules), abs=1e-9)
    major = [
        value
        for name, value in GOLDEN[task].items()
        if name in ("exact_match", "f1", "map_at_20", "accuracy")
    ]
    assert got["score"] == pytest.approx(sum(major) / len(major), abs=1e-9)


def test_mewslix_is_the_mean_of_reciprocal_ranks(mock):
    got = score_folder(mock / "predictions", mock / "labels", suite_of("mewslix"), tasks=KINDS)
    ranks = [16, 2, 12, 12, 4, 14, 19, 6, 13, 8, 9]
    assert got["tasks"]["mewslix"]["score"] == pytest.approx(100 * sum(1 / r for r in ranks) / 11, abs=1e-9)


@pytest.mark.skipif(
    "XFER_XTREME_MOCK" not in os.environ, reason="XFER_XTREME_MOCK names no mock_test_data folder"
)
def test_the_whole_mock_folder():
    folder = Path(os.environ["XFER_XTREME_MOCK"])
    got = score_folder(folder / "predictions", folder / "labels", "xtreme")
    for task, value in WHOLE["xtreme"].items():
        assert got["tasks"][task]["score"] == pytest.approx(value, abs=1e-9)
    assert got["missing"] == [] and got["avg"] == pytest.approx(sum(WHOLE["xtreme"].values()) / 9, abs=1e-9)
