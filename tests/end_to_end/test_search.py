"""A search on tiny models, from the command to the confirmed answer:
what it trains, what it leaves in MLflow, how it goes on.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import mlflow_xfer
from mlflow_xfer import params
from mlflow_xfer.markdown import plain
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.references import References
from mlflow_xfer.reporting.imported import read_scores
from mlflow_xfer.reporting.verdict import BETTER
from mlflow_xfer.searching import command as commands
from mlflow_xfer.searching.deciding import confirm
from mlflow_xfer.searching.deciding.estimates import Choice
from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.storage.place import place
from mlflow_xfer.searching.storage.studies import known_study
from mlflow_xfer.tracking.registering import CONFIRMED
from mlflow_xfer.tracking.store import Store
from tests.end_to_end.conftest import ENCODER, QUICK

TINY = {name: value for name, value in QUICK.items() if name not in ("intermediate", "target")} | {
    "max_steps": 3,
    "max_eval_examples": 10,
}
SEARCH = {
    **TINY,
    "model": ENCODER,
    "pool": "nli,attribute",
    "target": "choice",
    "seeds": "0,1",
    "n_trials": 4,
    "workers": 1,
    "rank_by": "size",
}


def by_kind(all_runs, kind):
    return {run.data.tags["mlflow.runName"]: run for run in all_runs(kind)}


def test_a_search_and_its_runs(all_runs, client, steps_in_store, caplog):
    with caplog.at_level(logging.INFO):
        begun = mlflow_xfer.search(**SEARCH | {"n_trials": "none", "gpu_hours": 1e-6, "confirm_top": 0})
        assert steps_in_store() == 4 + 2 * 3 and "ended (gpu_hours)" in caplog.text, (
            "a trial that has begun is finished, no other is begun"
        )
        first = mlflow_xfer.search(**SEARCH | {"n_trials": 2, "confirm_top": 0})
        assert first.run_id == begun.run_id
    assert steps_in_store() == 4 + 2 * 3 + 2 * 6, (
        "the base, the baseline's two targets, and one subset's two chains"
    )
    assert {run.data.tags["xfer.phase"] for run in all_runs("phase")} == {
        "pretrain",
        "intermediate",
        "target",
    }, "no test split is read while it searches"

    with caplog.at_level(logging.INFO):
        result = mlflow_xfer.search(**SEARCH | {"confirm_top": 1, "confirm_seeds": 2, "register": "best"})
    assert result.run_id == first.run_id, "the same search goes on"
    (search,) = all_runs("search")
    trials, rows = by_kind(all_runs, "trial"), by_kind(all_runs, "condition")
    assert list(trials) == [
        "t000 baseline 2 seeds",
        "t001 attribute 2 seeds",
        "t002 nli 2 seeds",
        "t003 attribute+nli 2 seeds",
    ]
    assert all(run.info.status == "FINISHED" for run in all_runs())
    assert {run.data.tags["mlflow.parentRunId"] for run in [*trials.values(), *rows.values()]} == {
        search.info.run_id
    }

    spent = sum(run.data.metrics["cost/optimizer_steps"] for run in trials.values())
    phases = {run.info.run_id: run for run in all_runs("phase")}
    below = [
        run
        for run in phases.values()
        if phases and run.data.tags.get("mlflow.parentRunId") in {t.info.run_id for t in trials.values()}
    ]
    assert spent == sum(run.data.metrics["train/optimizer_steps"] for run in below) == 2 * 3 + 3 * 2 * 6, (
        "what trials say they cost is what their phases counted"
    )
    both = trials["t003 attribute+nli 2 seeds"].data
    assert (
        both.params == {"intermediate": "attribute,nli"}
        and both.metrics["objective/english_dev"] == both.metrics["selected/avg"]
    )
    row = rows["attribute+nli: 2 seeds (english_dev)"].data.metrics
    assert row["n"] == 2 and row["selected/delta"] == pytest.approx(
        row["selected/avg"] - rows["baseline: 2 seeds (english_dev)"].data.metrics["selected/avg"], abs=0.02
    )
    ends = [row[f"selected/delta_{end}"] for end in ("low", "high") if f"selected/delta_{end}" in row]
    assert not ends or ends[0] < row["selected/delta"] < ends[1], "no ends: both seeds differ by as much"

    confirmed = [run for name, run in rows.items() if "confirmed" in name]
    chosen = search.data.tags["xfer.chosen"].split(" | ")
    assert len(confirmed) == 1 + len(chosen) <= 3, "the baseline, the best, and what is tied with it"
    assert search.data.metrics["n"] == 2
    seeds = {run.data.tags["xfer.seed"] for run in all_runs("transfer")}
    assert seeds == {"2", "3"}, "confirmation uses seeds that the search did not"
    note = search.data.tags["mlflow.note.content"]
    verdict, _, head, _, best, *_ = note.splitlines()
    assert verdict == f"**{plain(search.data.tags['xfer.verdict'])}**", (
        "what MLflow shows before it is unfolded"
    )
    assert head == "| 2 fresh seeds | on test | verdict |" and best.count("|") == 4
    assert (
        "help choice?" in note
        and "fresh seeds" in note
        and " tokens in " in note
        and "/compare-runs?runs=" in note
    )
    page = Path(client.download_artifacts(search.info.run_id, "plots/search.html")).read_text("utf-8")
    assert "Plotly.newPlot" in page and '<script src="http' not in page
    assert "How well proxies" in note and "| *random* |" in note and "| english |" in note
    judged = client.download_artifacts(search.info.run_id, "results/proxies.json")
    assert "regret@1 points" in Path(judged).read_text("utf-8")
    before = steps_in_store(), len(all_runs())
    assert (
        mlflow_xfer.search(**SEARCH | {"confirm_top": 1, "confirm_seeds": 2, "register": "best"}).run_id
        == search.info.run_id
    )
    assert (steps_in_store(), len(all_runs())) == before, "a finished search trains nothing and makes no run"
    registers_its_answer(client, search.info.run_id)


def test_what_a_confirmation_trains_is_trained_once_whatever_it_evaluates(all_runs):
    """The objective reads scores of targets whose weights go once they are evaluated."""
    asked = SEARCH | {"pool": "nli", "seeds": "0", "n_trials": 2, "objective": "oracle", "confirm_seeds": 2}
    found = mlflow_xfer.search(**asked)
    made = [run.data.tags["xfer.spec_hash"] for run in all_runs("phase")]
    assert len(made) == len(set(made))
    oracles = [run for run in all_runs("phase") if run.data.tags.get("xfer.split") == "validation"]
    assert len(oracles) == 2 * (1 + 2), (
        "the baseline and the subset on the seed of the search and on fresh ones"
    )
    assert mlflow_xfer.search(**asked).run_id == found.run_id
    assert len(all_runs("phase")) == len(made)


def registers_its_answer(client, search_id):
    """``register=``: nothing if nothing confirmed is above the baseline,
    else the seed with the best English dev, once.
    """
    command = commands.read(
        params.parse("search", SEARCH | {"confirm_top": 1, "confirm_seeds": 2, "register": "best"}),
        References(lambda: store),
        {},
    )
    with Store.open(probe=False) as store:
        executor = Executor(store)
        chosen, *_ = client.get_run(search_id).data.tags[confirm.CHOSEN].split(" | ")
        arms = confirm.run_arms(
            command,
            executor,
            search_id,
            [command.space.neutral(()), Candidate(tuple(chosen.split("+")))],
            (2, 3),
        )
        study = known_study(place("auto", command.study_name), command.study_name)
        found = confirm.judged(
            command,
            executor,
            study,
            [Choice(arms[1].candidate, 50.0, 40.0, 60.0, 2, 50.0)],
            50.0,
            arms,
            (2, 3),
        )
        (one,) = found.winners
        below, above = (
            replace(
                found,
                winners=(
                    replace(
                        one,
                        test=replace(one.test, estimate=value),
                        contrast=replace(one.contrast, verdict=BETTER),
                    ),
                ),
            )
            for value in (-1.0, 1.0)
        )
        had = len(client.search_model_versions("name = 'best'"))
        assert (
            confirm.registered(command, store, below, arms, search_id).registered == ()
            and len(client.search_model_versions("name = 'best'")) == had
        )
        names = [confirm.registered(command, store, above, arms, search_id).registered for _ in range(2)]
    (version,) = client.search_model_versions("name = 'best'")
    assert (
        names == [(f"models:/best/{version.version}",)] * 2
        and version.tags["xfer.target"] == "choice"
        and version.tags["xfer.tasks"] == ",".join(chosen.split("+"))
    )
    assert client.get_model_version_by_alias("best", CONFIRMED).version == version.version
    assert "against baseline" in version.tags["xfer.verdict"] and "against baseline" in version.description
    page, results = (
        client.download_artifacts(search_id, f"models/best/{name}") for name in ("README.md", "results.json")
    )
    front = yaml.safe_load(Path(page).read_text("utf-8").split("---")[1])
    first = front["model-index"][0]["results"][0]
    imported = read_scores(results)
    assert set(imported["language"]) == {"en", "de"} and set(imported["task"]) == {"choice"}
    assert first["metrics"][0]["value"] == pytest.approx(imported["score"][0])
    run = client.get_run(version.run_id)
    dev = [
        phase.data.metrics["dev/choice/en/selected"]
        for arm in [arms[1]]
        for transfer in arm.condition.transfers
        for made in client.get_run(transfer).data.tags["xfer.input_run_ids"].split(",")
        if "dev/choice/en/selected" in (phase := client.get_run(made)).data.metrics
    ]
    assert len(dev) == 2 and run.data.metrics["dev/choice/en/selected"] == max(dev)
    scored = mlflow_xfer.evaluate(
        model=f"models:/best/{version.version}",
        target="choice",
        seed=run.data.tags["xfer.seed"],
        languages="en,de",
        max_eval_examples=10,
    )
    (confirmed,) = {
        run.info.run_id: run
        for run in client.search_runs([run.info.experiment_id], "tags.xfer.phase = 'evaluate'")
        if run.data.tags["xfer.input_run_ids"] == version.run_id
    }.values()
    assert scored.run_id == confirmed.info.run_id, "the registered checkpoint is the one that was confirmed"
    published = mlflow_xfer.publish(f"models:/best@{CONFIRMED}", register="ours", alias="none")
    (own,) = client.search_model_versions("name = 'ours'")
    assert published.registered == "models:/ours/1" and published.run_id == own.run_id == version.run_id
    assert own.tags["xfer.verdict"] == version.tags["xfer.verdict"] and not own.aliases
