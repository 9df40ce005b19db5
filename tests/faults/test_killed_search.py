"""A search killed hard: the same command ends where the undisturbed one does (with workers: `make soak`)."""

from __future__ import annotations

import pytest
from mlflow import MlflowClient

from mlflow_xfer.searching.storage.history import BY_SEED, COST, KEY, History
from mlflow_xfer.searching.storage.place import place
from mlflow_xfer.searching.storage.studies import known_study
from tests.end_to_end.conftest import ENCODER, QUICK

TINY = {name: value for name, value in QUICK.items() if name not in ("intermediate", "target")} | {
    "max_steps": 160,
    "max_eval_examples": 10,
}
SEARCH = {
    **TINY,
    "model": ENCODER,
    "pool": "nli,attribute,types",
    "target": "choice",
    "seeds": "0",
    "rank_by": "none",
    "sampler": "tpe",
    "study_name": "tiny",
    "confirm_top": 0,
}


def typed(**more) -> list[str]:
    return [part for name, value in (SEARCH | more).items() for part in (f"--{name}", str(value))]


def history(home) -> list[tuple]:
    """What happened in the search, in order; trials that died and were retried aside."""
    study = known_study(place(str(home / "studies" / "tiny.log"), "tiny"), "tiny")
    return [
        (t.user_attrs[KEY], t.state.name, t.values, t.user_attrs.get(BY_SEED), t.params)
        for t in History.of(study).live
    ]


def counted(store) -> dict[str, list[str]]:
    """The ends of all phase runs by spec hash, and how many of them were trained to how many steps."""
    client, found = MlflowClient(f"sqlite:///{store}"), {}
    for run in client.search_runs(
        [e.experiment_id for e in client.search_experiments()], "tags.xfer.kind = 'phase'"
    ):
        found.setdefault(run.data.tags["xfer.spec_hash"], []).append(
            f"{run.info.status} {run.data.metrics.get('train/optimizer_steps', 0):.0f}"
        )
    return found


def all_runs(client) -> list:
    return client.search_runs([e.experiment_id for e in client.search_experiments()])


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_killed_search_ends_as_the_undisturbed_one(command, tmp_path):
    def places(name):
        return {"XFER_HOME": str(tmp_path / name), "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / name}.db"}

    undisturbed = command("search", *typed(n_trials=5, workers=1), **places("whole"))
    assert undisturbed.wait(600) == 0, undisturbed.text

    client = MlflowClient(f"sqlite:///{tmp_path / 'killed.db'}")

    def trains(trial: int) -> bool:
        """Whether this trial is in the middle of a training."""
        runs = client.search_runs(
            [e.experiment_id for e in client.search_experiments()], "attributes.status = 'RUNNING'"
        )
        trials = {run.info.run_id for run in runs if run.data.tags.get("xfer.trial") == str(trial)}
        return any(
            run.data.tags.get("mlflow.parentRunId") in trials and "train/loss" in run.data.metrics
            for run in runs
        )

    killed = command("search", *typed(n_trials=5, workers=1), **places("killed"))
    killed.until(lambda: trains(2), 600)
    killed.kill_group()
    again = command("search", *typed(n_trials=5, workers=1), **places("killed"))
    assert again.wait(600) == 0, again.text
    assert "its candidate is queued again" in again.text
    trials = [run for run in all_runs(client) if run.data.tags["xfer.kind"] == "trial"]
    assert len(trials) == 5 and {run.info.status for run in trials} == {"FINISHED"}, "it went on in its runs"
    assert history(tmp_path / "killed") == history(tmp_path / "whole"), (
        "the same candidates in the same order, with bit-equal scores"
    )
    assert counted(tmp_path / "killed.db") == counted(tmp_path / "whole.db"), (
        "each phase trained once, to its end"
    )
    assert not [run for run in all_runs(client) if run.info.status == "RUNNING"]
    study = known_study(place(str(tmp_path / "killed" / "studies" / "tiny.log"), "tiny"), "tiny")
    assert sum(t.user_attrs.get(COST, {}).get("optimizer_steps", 0) for t in study.trials) <= sum(
        float(ends[0].split()[1]) for ends in counted(tmp_path / "killed.db").values()
    )
