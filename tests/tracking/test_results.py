import pandas as pd
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.phases import record
from mlflow_xfer.reporting import report
from mlflow_xfer.reporting.verb import report_runs
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tracking import results as results_module
from mlflow_xfer.tracking.names import text
from mlflow_xfer.tracking.results import COLUMNS, costs, results
from mlflow_xfer.tracking.score_tables import TABLE
from mlflow_xfer.tracking.store import Store

SCORES = {"none": 60.0, "mnli": 65.0}


@pytest.fixture
def store():
    opened = Store.open()
    yield opened
    opened.close()


def phase(store, kind, name, *, inputs=(), params=None, metrics=None, rows=None, parent=None, **tags):
    own = {
        "xfer.phase": kind,
        "xfer.input_run_ids": ",".join(inputs),
        **{f"xfer.{k}": v for k, v in tags.items()},
    }
    run = store.start("phase", name, tags=own, params=params or {}, parent=parent)
    store.metrics(run, metrics or {})
    if rows is not None:
        store.table(run, pd.DataFrame(rows), TABLE)
    store.finish(run, "FINISHED")
    return run


def transfer(
    store,
    condition,
    seed,
    *,
    parent=None,
    base_seed=0,
    mlm_share="0.0",
    select_by="english_dev",
    details=True,
    base_model="mini",
    started=(),
    trained=(),
    source="en",
):
    tasks = "" if condition == "none" else condition.replace("+", ",")
    run = store.start(
        "transfer",
        f"{condition} s{seed}",
        tags={"xfer.seed": str(seed), "xfer.base_seed": str(base_seed)},
        parent=parent,
    )
    common = {"tasks": tasks, "seed": str(seed), "base_model": base_model}
    made = []
    if tasks:
        made.append(
            phase(
                store,
                "intermediate",
                f"i {condition} {seed}",
                params={"mlm_share": mlm_share, "seed": seed, **dict(started)},
                metrics={"train/optimizer_steps": 100, "train/tokens": 5000},
                parent=run,
                **common,
            )
        )
    made.append(
        phase(
            store,
            "target",
            f"t {condition} {seed}",
            inputs=made[-1:],
            params={"select_by": select_by, **dict(trained)},
            metrics={"train/optimizer_steps": 50},
            parent=run,
            target="xnli",
            data_languages=source,
            **common,
        )
    )
    gain = 0.2 * (seed % 3 - 1) if tasks else 0.0  # what varies with the seeds
    rows = [
        {
            "task": "xnli",
            "language": code,
            "metric": "accuracy",
            "score": SCORES.get(condition, 62.0) + gain + 0.3 * seed + (seed * 7 + i * 3) % 4 / 10,
            "low": 50.0,
            "high": 70.0,
            "n": 200,
            "chance": 33.3,
            "majority": 34.0,
        }
        for i, code in enumerate(("en", "de", "sw", "fi"))
    ]
    metrics = {f"eval/xnli/{r['language']}": r["score"] for r in rows} | {"eval/xnli": 1.0}
    made.append(
        phase(
            store,
            "evaluate",
            f"e {condition} {seed}",
            inputs=made[-1:],
            metrics=metrics,
            rows=rows if details else None,
            parent=run,
            target="xnli",
            suite="mini",
            **common,
        )
    )
    store.tags(run, {"xfer.input_run_ids": ",".join(made)})
    store.finish(run, "FINISHED")
    return run, made


def retrieval(store, **tags):
    """An evaluation straight from the base model, which no target phase stands before."""
    rows = [{"task": "tatoeba", "language": "de", "score": 40.0}]
    own = {"target": "tatoeba", "base_model": "mini", **tags}
    return phase(store, "evaluate", "evaluate retrieval", rows=rows, **own)


def test_transfers_become_a_tidy_frame_and_a_report(store):
    for condition in SCORES:
        for seed in (1, 2, 3, 4):
            transfer(store, condition, seed)
    store.flush()
    frame = results(store)
    assert len(frame) == 2 * 4 * 4 and list(frame.columns[:8]) == list(COLUMNS[:8])
    assert set(frame["condition"]) == {"none", "mnli"} and set(frame["seed"]) == {1, 2, 3, 4}
    assert (
        (frame["suite"] == "mini").all()
        and (frame["protocol"] == "select_by=english_dev").all()
        and (frame["n"] == 200).all()
    )
    made = report(frame, costs=costs(store, frame["run_id"].unique()))
    assert (
        made.verdict["contrasts"][0]["condition"] == "mnli"
        and made.verdict["contrasts"][0]["verdict"] == "better"
    )
    assert made.tables["cost"]["phase"].value_counts().to_dict() == {
        "target": 8,
        "evaluate": 8,
        "intermediate": 4,
    }


def test_only_what_lies_below_the_asked_runs(store):
    study = store.start("study", "study")
    mine, phases = transfer(store, "mnli", 1, parent=study)
    other, _ = transfer(store, "none", 1)
    condition = store.start("condition", "reuses", tags={"xfer.input_run_ids": other})
    request = store.start("request", "again", tags={"xfer.result_run_id": mine})
    for run in (study, condition, request):
        store.finish(run, "FINISHED")
    store.flush()
    assert set(results(store, [study])["condition"]) == {"mnli"}
    assert set(results(store, [condition])["condition"]) == {"none"}
    assert set(results(store, [f"runs:/{request}"])["run_id"]) == {phases[-1]}
    assert set(results(store, ["study", condition])["condition"]) == {"mnli", "none"}
    assert set(results(store, [phases[-1]])["condition"]) == {"mnli"}
    assert results(store, filter="tags.`xfer.tasks` = 'mnli'")["condition"].unique().tolist() == ["mnli"]


def test_unknown_runs_and_filters_are_refused(store):
    with pytest.raises(XferError, match="no finished evaluation in the experiment 'mlflow-xfer'"):
        results(store)
    run, phases = transfer(store, "none", 1)
    running = store.start("transfer", "half")
    store.flush()
    with pytest.raises(XferError, match="is not a finished run"):
        results(store, [running])
    with pytest.raises(XferError, match="belongs to these runs"):
        results(store, [phases[0]])
    with pytest.raises(XferError, match="does not accept the filter"):
        results(store, filter="nonsense here")
    store.finish(running, "FAILED")


def test_settings_that_differ_tell_conditions_apart(store):
    transfer(store, "mnli", 1)
    transfer(store, "mnli", 1, mlm_share="0.2")
    store.flush()
    assert set(results(store)["condition"]) == {"mnli", "mnli (mlm_share=0.2)"}


def test_settings_of_the_target_tell_conditions_apart(store):
    """A task's own recipe goes without saying, and what does not depend on a setting bears its name, too."""
    own = {"num_train_epochs": text(TASKS.get("xnli").recipe.num_train_epochs), "max_steps": "0"}
    shared = retrieval(store)
    usual = {"trained": own}
    for seed, more in enumerate((usual, {"trained": {"max_steps": "7"}}, usual | {"source": "de"}, usual)):
        run, made = transfer(store, "none", seed, **more)
        store.tags(run, {"xfer.input_run_ids": ",".join([*made, shared])})
    store.flush()
    found = results(store)
    expected = {"none": [0, 3], "none (target.max_steps=7)": [1], "none (source_language=de)": [2]}
    for task in ("xnli", "tatoeba"):
        seeds = found[found["task"] == task].groupby("condition")["seed"].unique()
        assert {name: sorted(of) for name, of in seeds.items()} == expected, task


def test_a_setting_of_all_phases_is_said_once(store):
    for seed, steps in enumerate("77"):
        transfer(store, "mnli", seed, trained={"max_steps": steps}, started={"max_steps": steps})
    transfer(store, "mnli", 2, trained={"max_steps": "9"}, started={"max_steps": "9"})
    store.flush()
    assert set(results(store)["condition"]) == {"mnli (max_steps=7)", "mnli (max_steps=9)"}


def test_what_was_taken_over_from_another_experiment_belongs_to_both(store, monkeypatch):
    _, made = transfer(store, "none", 1)
    store.flush()
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "another")
    other = Store.open()
    try:
        run, _ = transfer(other, "none", 2)
        again = other.start(
            "transfer", "none s1", tags={"xfer.seed": "1", "xfer.input_run_ids": ",".join(made)}
        )
        other.finish(again, "FINISHED")
        other.flush()
        assert sorted(results(other)["seed"].unique()) == [1, 2]
        assert sorted(results(other, [run])["seed"].unique()) == [2]
    finally:
        other.close()


def test_seeds_of_different_models_are_no_seeds_of_one_condition(store):
    transfer(store, "none", 1)
    _, (target, evaluation) = transfer(store, "none", 2)
    transfer(store, "none", 3, base_model="small")
    store.tags(evaluation, {"xfer.base_model": target})  # that started from a run, behind which mini is
    store.flush()
    found = results(store).groupby("condition")["seed"].unique()
    assert {name: sorted(seeds) for name, seeds in found.items()} == {
        "none (model=mini)": [1, 2],
        "none (model=small)": [3],
    }


def test_protocols_stay_apart_until_the_report_refuses_them(store):
    for seed in (1, 2):
        transfer(store, "none", seed)
        transfer(store, "mnli", seed, select_by="oracle")
    store.flush()
    with pytest.raises(XferError, match=r"(?s)Different protocols.*select_by=oracle"):
        report(results(store))


def test_base_seeds_come_from_the_transfers(store):
    for base in (0, 1):
        transfer(store, "none", 1, base_seed=base)
    store.flush()
    assert set(results(store)["base_seed"]) == {0, 1}


def test_a_lost_table_falls_back_on_metrics(store):
    transfer(store, "none", 1, details=False)
    store.flush()
    frame = results(store)
    assert set(frame["language"]) == {"en", "de", "sw", "fi"} and "n" not in frame
    assert results(store, details=False)["score"].tolist() == frame["score"].tolist()


@pytest.mark.parametrize("in_a_file", [True, False])
def test_one_search_for_any_number_of_runs(store, monkeypatch, in_a_file):
    """In a SQLite file none: it is read as it lies there, to the same frame."""
    for seed in range(1, 8):
        transfer(store, "none", seed)
    store.flush()
    here = results(store)
    if not in_a_file:
        monkeypatch.setattr(results_module, "beside", lambda store: None)
    asked = []
    original = store.client.search_runs
    monkeypatch.setattr(store.client, "search_runs", lambda *a, **k: asked.append(a) or original(*a, **k))
    monkeypatch.setattr(store.client, "get_run", lambda *a, **k: pytest.fail("one call per run"))
    found = results(store)
    assert len(found) == 28 and len(asked) == (0 if in_a_file else 1)
    pd.testing.assert_frame_equal(found, here)


def test_what_training_cost_is_looked_up_by_generations(store, monkeypatch):
    made = [transfer(store, "attribute", seed)[1] for seed in range(1, 8)]
    transfer(store, "none", 1)
    store.flush()
    asked = []
    original = store.client.search_runs
    monkeypatch.setattr(store.client, "search_runs", lambda *a, **k: asked.append(a) or original(*a, **k))
    found = costs(store, [*(evaluation for *_, evaluation in made), "no id of a run"])
    assert sorted(found["run_id"]) == sorted(run for chain in made for run in chain)
    assert len(asked) == 3, "evaluations, targets, intermediate tasks: however many there are"


def test_an_evaluation_that_all_seeds_share_stands_in_each(store):
    """Retrieval straight from the base model: one run, whatever the seed."""
    shared = retrieval(store, suite="mini")
    for seed in (1, 2, 3):
        run, made = transfer(store, "none", seed)
        store.tags(run, {"xfer.input_run_ids": ",".join([*made, shared])})
    store.flush()
    frame = results(store)
    assert sorted(frame.loc[frame["task"] == "tatoeba", "seed"]) == [1, 2, 3]
    asked = store.search({"xfer.kind": "transfer"})[0].run_id
    assert results(store, [asked])["seed"].unique().tolist() == [1]
    assert results(store, [shared])["seed"].tolist() == [0]


def test_the_verb_leaves_the_report_in_a_run(store, tmp_path):
    for condition in SCORES:
        for seed in (1, 2, 3):
            transfer(store, condition, seed)
    (tmp_path / "paper.csv").write_text("task,language,score\nxnli,en,88.7\n")
    holder = store.start("study", "asked")
    store.flush()
    made = report_runs(
        store, (), tmp_path / "out", question="Does it help?", imports=[tmp_path / "paper.csv"], run_id=holder
    )
    store.finish(holder, "FINISHED")
    store.flush()
    assert store.read_artifact(holder, "report.html") == made.html and "paper" in made.html
    assert '"schema": 1' in store.read_artifact(holder, "verdict.json")
    assert store.read_artifact(holder, "tables/differences.csv").startswith("condition,")
    assert store.get(holder).tags["mlflow.note.content"].startswith("**mnli +5.0 ")


def moved_over(store, run, other):
    """Give ``run`` the table of ``other``, with the id that it was logged with."""
    rows = [{**row, "run_id": other} for row in store.read_table(other, TABLE)]
    store.table(run, pd.DataFrame(rows), TABLE)
    store.flush()


def test_the_table_of_another_run_is_refused(store):
    first, second = (transfer(store, condition, 1)[1][-1] for condition in ("none", "mnli"))
    store.flush()
    moved_over(store, second, first)
    for read in (lambda: results(store), lambda: record.read_table(store, second)):
        with pytest.raises(
            XferError, match=f"(?s)damaged: it holds the scores of run {first}, not of {second}"
        ):
            read()
    assert len(record.read_table(store, first)) == 4


def test_a_copied_run_keeps_its_table_and_a_transfer_its_evaluations(store):
    whole, (*_, evaluated) = transfer(store, "mnli", 1)
    rows = store.read_table(evaluated, TABLE)
    store.table(whole, pd.DataFrame([{**row, "run_id": evaluated} for row in rows]), TABLE)
    copied = phase(
        store,
        "evaluate",
        "copied",
        metrics={f"eval/xnli/{row['language']}": row["score"] for row in rows},
        rows=[{**row, "run_id": "0" * 32} for row in rows],
    )
    store.flush()
    assert [len(record.read_table(store, run)) for run in (whole, copied)] == [4, 4]
