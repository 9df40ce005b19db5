from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
from contextlib import closing

import pytest

from mlflow_xfer.data.rows import Rows
from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import uris
from mlflow_xfer.tracking.store import Store


def test_a_run_holds_what_was_logged(store, tmp_path):
    parent = store.start("transfer", "t")
    run = store.start(
        "phase",
        "p",
        tags={"xfer.phase": "target", "xfer.tasks": ["xnli"]},
        params={"lr": 3e-5},
        parent=parent,
    )
    store.metrics(run, {"map@20": 1.5, "train/loss": math.nan}, step=3)
    (tmp_path / "x.txt").write_text("x")
    store.artifact(run, tmp_path / "x.txt", "folder")
    (tmp_path / "x.txt").unlink()
    store.dict_artifact(run, {"é": None, "a": [1.0]}, "params.json")
    assert store.finish(run)

    seen = store.get(run)
    assert (seen.status, seen.kind, seen.parent, seen.name) == ("FINISHED", "phase", parent, "p")
    assert (
        seen.tags["xfer.schema"] == "2"
        and seen.tags["xfer.tasks"] == "xnli"
        and seen.tags["xfer.version.mlflow"]
    )
    assert seen.params == {"lr": "3e-05"}
    assert seen.metrics["map_at_20"] == 1.5 and math.isnan(seen.metrics["train/loss"])
    assert store.read_artifact(run, "folder/x.txt") == "x"
    assert json.loads(store.read_artifact(run, "params.json")) == {"é": None, "a": [1.0]}
    assert store.read_artifact(run, "absent.json") is None
    assert [child.run_id for child in store.children(parent)] == [run]


def test_a_copy_of_the_file_alone_has_all_of_it(local_store, tmp_path):
    with Store.open() as store:
        store.finish(store.start("phase", "first"))
        path = uris.sqlite_path(store.uri)
    copy = shutil.copy(path, tmp_path / "copy.db")
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("select name, status from runs").fetchall() == [("first", "FINISHED")]


def test_only_missing_params_are_logged(store):
    """``mlflow run`` has written the raw, shell-quoted values already and MLflow refuses others."""
    raw = store.client.create_run(store.experiment_id).info.run_id
    store.client.log_param(raw, "tasks", "'a, b'")
    store.start("transfer", "t", run_id=raw, params={"tasks": ["a", "b"], "seed": 1})
    store.params(raw, {"seed": 2, "late": None})
    assert store.flush()
    assert store.get(raw).params == {"tasks": "'a, b'", "seed": "1", "late": "none"}
    assert store.writer.spool.rejected() == 0


def test_more_than_one_request_can_hold(store):
    run = store.start(
        "phase", "p", params={f"p{n}": n for n in range(150)}, tags={f"t{n}": n for n in range(150)}
    )
    store.metrics(run, {f"m/{n}": n for n in range(1200)})
    store.params(run, {"long": "x" * 10_000})
    store.tags(run, {f"u{n}": n for n in range(150)})
    store.tags(run, {"long": "x" * 10_000})
    assert store.finish(run)
    seen = store.get(run)
    assert (
        len(seen.metrics) == 1200
        and len(seen.params) == 151
        and seen.tags["t149"] == seen.tags["u149"] == "149"
    )
    assert store.writer.spool.rejected() == 0


def test_values_that_are_no_numbers_are_skipped(local_store, caplog):
    run = local_store.start("phase", "p")
    local_store.metrics(run, {"good": 1, "bad": "x", "none": None})
    local_store.flush()
    assert local_store.get(run).metrics == {"good": 1.0}
    assert "bad" in caplog.text


def test_a_table_replaces_the_earlier_one_and_is_listed_for_the_ui(store):
    run = store.start("phase", "p")
    store.table(run, [{"language": "sw", "score": 1 / 3}], "results/per_language.json")
    store.table(
        run,
        [{"language": "sw", "score": 50.0}, {"language": "en", "score": None}],
        "results/per_language.json",
    )
    store.flush()
    table = json.loads(store.read_artifact(run, "results/per_language.json"))
    assert table == {"columns": ["language", "score"], "data": [["sw", 50.0], ["en", None]]}
    assert json.loads(store.get(run).tags["mlflow.loggedArtifacts"]) == [
        {"path": "results/per_language.json", "type": "table"}
    ]
    frame = store.client.load_table(store.experiment_id, "results/per_language.json", run_ids=[run])
    assert list(frame["language"]) == ["sw", "en"]


def test_data_sets_are_inputs_with_digests(store):
    rows = Rows("xnli", "test", "sw", "folder", "/data/x", "sha256:" + "ab" * 32, paths=("/data/x",))
    run = store.start("phase", "p")
    store.input(run, rows, "test", n=7)
    store.input(run, rows, "test", n=7)
    store.flush()
    (logged,) = store.client.get_run(run).inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest, logged.dataset.source_type) == (
        "xnli/sw",
        "ab" * 8,
        "xfer",
    )
    assert json.loads(logged.dataset.source)["identity"] == rows.identity
    assert json.loads(logged.dataset.profile) == {"num_rows": 7}
    assert {tag.key: tag.value for tag in logged.tags}["mlflow.data.context"] == "test"
    assert len(store.client.search_runs([store.experiment_id], "dataset.name = 'xnli/sw'")) == 1


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_a_run_ends_and_is_reopened_by_id(local_store, status):
    run = local_store.start("phase", "p")
    local_store.finish(run, status)
    assert local_store.get(run).status == status
    assert local_store.start("phase", "p", run_id=run, tags={"xfer.phase": "target"}) == run
    assert local_store.get(run).status == "RUNNING"
    assert local_store.get(run).tags["xfer.phase"] == "target"


def test_attaching_names_unnamed_runs_only(local_store):
    client = local_store.client
    unnamed = client.create_run(local_store.experiment_id).info.run_id
    named = client.create_run(local_store.experiment_id, run_name="my run").info.run_id
    for run in (unnamed, named):
        local_store.start("request", "t1 mnli s1", run_id=run)
    assert [local_store.get(run).name for run in (unnamed, named)] == ["t1 mnli s1", "my run"]


def test_a_deleted_run_is_not_reopened(local_store):
    run = local_store.start("phase", "p")
    local_store.client.delete_run(run)
    with pytest.raises(XferError, match="mlflow runs restore"):
        local_store.start("phase", "p", run_id=run)
    with pytest.raises(XferError, match="No run"):
        local_store.get("0" * 32)


def test_what_the_store_refuses_is_set_aside_and_the_rest_arrives(local_store):
    gone, kept = local_store.start("phase", "gone"), local_store.start("phase", "kept")
    local_store.client.delete_run(gone)
    for step in range(3):
        local_store.metrics(gone, {"loss": step}, step)
        local_store.metrics(kept, {"loss": step}, step)
    assert local_store.flush()
    assert len(local_store.client.get_metric_history(kept, "loss")) == 3
    assert local_store.writer.spool.rejected() == 3


def test_the_callers_active_run_is_left_alone(local_store):
    import mlflow

    with mlflow.start_run(experiment_id=local_store.experiment_id) as active:
        run = local_store.start("phase", "p")
        local_store.metrics(run, {"loss": 1.0})
        local_store.finish(run)
        assert mlflow.active_run().info.run_id == active.info.run_id != run
    assert "xfer.kind" not in mlflow.get_run(active.info.run_id).data.tags


def test_a_forked_process_cannot_write_unnoticed(local_store):
    run = local_store.start("phase", "p")
    child = os.fork()
    if child == 0:
        try:
            local_store.metrics(run, {"loss": 1.0})
        except RuntimeError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_creation_whose_answer_was_lost_makes_one_run(local_store, monkeypatch):
    create = local_store.client.create_run
    answers = iter([False, True])

    def lossy(*args, **kwargs):
        run = create(*args, **kwargs)
        if not next(answers):
            raise ConnectionError("answer lost")
        return run

    monkeypatch.setattr(local_store.client, "create_run", lossy)
    run = local_store.start("phase", "p")
    assert [found.run_id for found in local_store.search({"xfer.kind": "phase"})] == [run]


def test_a_full_disk_does_not_end_a_training(local_store, monkeypatch, caplog):
    """Records wait in memory until there is room again; a torn line is no harm."""
    run = local_store.start("phase", "p")
    spool, write = local_store.writer.spool, os.write
    full = True

    def limited(file, data):
        return write(file, data[: len(data) // 2]) if full and file == spool._log else write(file, data)

    monkeypatch.setattr(os, "write", limited)
    for step in range(5):
        local_store.metrics(run, {"loss": step}, step)
    assert "wait in memory" in caplog.text
    full = False
    local_store.metrics(run, {"loss": 5}, 5)
    assert local_store.finish(run)
    assert [m.step for m in local_store.client.get_metric_history(run, "loss")] == list(range(6))


def test_nothing_is_left_behind_after_a_clean_end():
    from mlflow_xfer.tracking import spool

    store = Store.open()
    run = store.start("phase", "p")
    store.metrics(run, {"loss": 1.0})
    assert store.close() == 0
    assert not [path for path in spool.root().rglob("*") if path.is_file()]


def test_links_lead_to_the_machine_learning_view(local_store):
    run = local_store.start("phase", "p")
    command, link = local_store.link(run).splitlines()
    assert f"mlflow ui --backend-store-uri {local_store.uri}" in command
    assert (
        link == f"http://127.0.0.1:5000/#/experiments/{local_store.experiment_id}/runs/{run}"
        "?workflowType=machine_learning"
    )


def test_links_hide_credentials():
    from mlflow_xfer.tracking import links

    assert links.base("https://user:hunter2@host:8443/mlflow/") == "https://host:8443/mlflow"
    assert "hunter2" not in links.opener("postgresql://user:hunter2@db/mlflow")


def test_a_run_counts_as_its_own_until_somebody_else_ends_or_opens_it(store):
    run = store.start("phase", "p")
    store.confirm(run)
    for status in ("FINISHED", "KILLED"):
        store.client.update_run(run, status=status)
        with pytest.raises(XferError, match="ended") as caught:
            store.confirm(run)
        assert caught.value.exit_code == 75
    with Store.open() as other:
        other.start("phase", "p", run_id=run)
        other.confirm(run)
        with pytest.raises(XferError, match="opened by another process"):
            store.confirm(run)
    store.start("phase", "p", run_id=run)
    store.confirm(run)
    store.client.delete_run(run)
    with pytest.raises(XferError, match="deleted"):
        store.confirm(run)


def test_no_git_is_needed(python, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("GIT_PYTHON_REFRESH", raising=False)
    ran = python("""
from mlflow_xfer.tracking.store import Store
with Store.open() as store:
    print(store.finish(store.start("phase", "p")))
""")
    out, errors = ran.communicate(timeout=120)
    assert (out.strip(), ran.returncode) == ("True", 0) and "git" not in errors.lower(), errors


def test_a_table_that_was_cut_short_is_said(local_store, tmp_path):
    run = local_store.start("phase", "p")
    local_store.text_artifact(run, '{"columns": ["a"], "data": [[1', "results/torn.json")
    local_store.text_artifact(run, '{"columns": ["a"], "data": [[1, 2]]}', "results/odd.json")
    local_store.flush()
    for name in ("torn", "odd"):
        with pytest.raises(XferError, match=rf"(?s){name}.json among .* is damaged.*reuse=never"):
            local_store.read_table(run, f"results/{name}.json")
    assert local_store.read_table(run, "results/absent.json") is None
