"""Searches over how much of a model is trained: adapters as candidates among others."""

from __future__ import annotations

import pytest

import mlflow_xfer
from tests.end_to_end.test_search import SEARCH


@pytest.mark.slow
def test_a_search_varies_adapters(all_runs, client):
    space = "target.trainable=all|lora,target.lora_rank=2|4"
    asked = SEARCH | {"pool": "nli", "seeds": "0", "space": space, "sampler": "random"}
    asked |= {"target": "mood", "n_trials": 6, "confirm_top": 0, "select_by": "label_free", "keep": "all"}
    mlflow_xfer.search(**asked)
    targets = [run for run in all_runs("phase") if run.data.tags["xfer.phase"] == "target"]
    ways = [
        (
            run.data.params.get("trainable", "all"),
            run.data.params.get("lora_rank"),
            run.data.tags.get("xfer.tasks"),
        )
        for run in targets
    ]
    assert len(set(ways)) == len(ways), "a rank that means nothing makes no other phase"
    assert {way for way, *_ in ways} == {"all", "lora"} and len(ways) > 2
    for run, (way, rank, _) in zip(targets, ways, strict=True):
        assert (rank is not None) == (way == "lora")
        assert "label_free/mood/de/selected" in run.data.metrics
        held = client.list_artifacts(run.info.run_id, "model")
        folders = {file.path.rpartition("/")[2] for file in held if file.is_dir}
        assert ("adapter" in folders) == (way == "lora")
