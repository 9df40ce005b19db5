"""What is wrong with a store is said before any training, in one sentence with a remedy."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import endpoint, opening, outages
from mlflow_xfer.tracking.store import Store


def fails(code: int, *words: str) -> XferError:
    with pytest.raises(XferError) as caught:
        Store.open()
    assert caught.value.exit_code == code
    for word in words:
        assert word in str(caught.value)
    return caught.value


def test_a_server_that_is_not_there_is_reported_at_once(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:hunter2@127.0.0.1:{port}")
    started = time.monotonic()
    error = fails(75, "cannot be reached", "MLFLOW_TRACKING_URI")
    assert time.monotonic() - started < 10
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("stage", ["health", "deadline"])
def test_a_server_that_never_answers_is_reported_in_time(monkeypatch, stage):
    """The waits are shortened here; as they are they add up to less than 30 s."""
    assert opening.HEALTH_SECONDS < endpoint.OPEN_SECONDS <= 25
    monkeypatch.setattr(
        *((opening, "HEALTH_SECONDS", 0.5) if stage == "health" else (endpoint, "OPEN_SECONDS", 1.0))
    )
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        started = time.monotonic()
        fails(75, "cannot be reached")
        assert time.monotonic() - started < 5


def test_a_database_file_may_take_longer_than_a_server(monkeypatch):
    """Making the tables of a new file is slow on a busy machine;
    cut off, it would leave a store that nothing can open.
    """
    monkeypatch.setattr(endpoint, "OPEN_SECONDS", 0.001)
    Store.open(probe=False).close()


def test_a_folder_store_is_refused_with_the_way_out(monkeypatch, tmp_path):
    for uri in ("./mlruns", f"file://{tmp_path}/mlruns"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        fails(2, "plain folder", "sqlite:///mlflow.db", "migrate-filestore")


def test_a_database_in_a_missing_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none/mlflow.db")
    fails(2, "does not exist")


def test_artifacts_that_cannot_be_written_locally(monkeypatch):
    """A folder under /proc cannot be made by anyone, root included."""
    from mlflow import MlflowClient

    MlflowClient(tracking_uri=endpoint.tracking_uri()).create_experiment(
        "x", artifact_location="file:///proc/nowhere"
    )
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "x")
    fails(2, "cannot be written", "/proc/nowhere", "nothing was trained")
    Store.open(probe=False).close()


def test_artifacts_that_the_server_cannot_write(server, monkeypatch):
    from mlflow import MlflowClient

    experiment = MlflowClient().create_experiment("readonly")
    server.artifacts.mkdir(exist_ok=True)
    (server.artifacts / experiment).write_text("a file where the folder should be")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "readonly")
    fails(2, "cannot be written")


def test_the_probe_leaves_nothing_behind(store):
    run = store.start("phase", "p")
    root = store.client.get_experiment(store.experiment_id).artifact_location
    if root.startswith("mlflow-artifacts:"):
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        left = [
            entry.path for entry in get_artifact_repository(root, tracking_uri=store.uri).list_artifacts()
        ]
    else:
        left = [path.name for path in Path(root.removeprefix("file://")).glob("*")]
    assert not [name for name in left if "probe" in name]
    store.finish(run)


def test_experiments(monkeypatch):
    with Store.open() as store:
        assert store.client.get_experiment(store.experiment_id).name == "mlflow-xfer"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    with Store.open() as mine, Store.open("other") as other:
        assert mine.client.get_experiment(mine.experiment_id).name == "mine"
        assert other.client.get_experiment(other.experiment_id).name == "other"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", other.experiment_id)
    with Store.open() as by_id:
        assert by_id.experiment_id == other.experiment_id
    other.client.delete_experiment(other.experiment_id)
    fails(2, "'other' is deleted", "mlflow experiments restore")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "4711")
    fails(2, "no experiment with the id 4711")


def test_the_experiment_is_the_one_that_was_worked_in(monkeypatch):
    """What ``mlflow run`` made lies in an experiment of its choice: where there is none of ours by name, the
    newest run of ours says which."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "chosen by mlflow run")
    with Store.open() as store:
        launched = store.start("phase", "p")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    with Store.open() as same:
        assert same.experiment_id == store.experiment_id
        own = same.client.create_experiment("mlflow-xfer")
    with Store.open() as named:
        assert named.experiment_id == own != store.experiment_id
    monkeypatch.setenv("MLFLOW_RUN_ID", launched)
    with Store.open() as beside:
        assert beside.experiment_id == store.experiment_id, "that of the run that launched this process"


def test_relative_databases_are_made_absolute_and_write_ahead(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    with Store.open() as store:
        assert store.uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert sqlite3.connect(tmp_path / "mlflow.db").execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_waiting_for_a_store_ends():
    calls = []

    def away():
        calls.append(1)
        raise ConnectionError("refused")

    with pytest.raises(XferError) as caught:
        endpoint.patiently(away, "http://x", lambda _: None, seconds=1.2)
    assert caught.value.exit_code == 75 and len(calls) >= 2


def test_a_database_is_made_whole_or_not_at_all(monkeypatch, tmp_path):
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path / 'new.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    usual = MlflowClient.search_experiments

    def killed(self, *args, **kwargs):
        usual(self, *args, **kwargs)  # its tables are there
        assert not (tmp_path / "new.db").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(MlflowClient, "search_experiments", killed)
    with pytest.raises((KeyboardInterrupt, XferError)):
        Store.open()
    assert not list(tmp_path.glob("*new.db*"))
    monkeypatch.undo()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with Store.open() as store:
        assert store.search({"xfer.kind": "phase"}) == [] and (tmp_path / "new.db").is_file()


@pytest.fixture
def refusing(monkeypatch):
    """Makes a server the active store that is healthy and answers all else with a status and a text."""
    servers = []

    def start(status: int, text: str, healthy: int = 200) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                code, body = (healthy, b"OK") if self.path == "/health" else (status, text.encode())
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *args):
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        address = f"127.0.0.1:{servers[-1].server_port}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:hunter2@{address}")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("probe", [True, False])
@pytest.mark.parametrize(
    ("status", "text", "says"),
    [
        (401, "You are not authenticated.", ["not authenticated", "MLFLOW_TRACKING_USERNAME"]),
        (401, '{"message": "Unauthorized"}', ["Unauthorized", "MLFLOW_TRACKING_TOKEN"]),
        (403, '{"error_code": "PERMISSION_DENIED", "message": "no"}', ["Ask for the right"]),
        (403, "<html><body><h1>403 Forbidden</h1></body></html>", ["(HTTP 403): 403 Forbidden"]),
        (403, "Invalid Host header - possible DNS rebinding attack detected", ["--allowed-hosts"]),
    ],
)
def test_a_server_that_refuses_us_says_what_to_set(refusing, status, text, says, probe):
    """Exit code 2: a scheduler that repeats the command would repeat it for ever."""
    refusing(status, text, healthy=200 if probe else status)
    with pytest.raises(XferError) as caught:
        Store.open(probe=probe)
    said = str(caught.value)
    assert caught.value.exit_code == 2 and all(part in said for part in says), said
    assert "cannot be reached" not in said and "hunter2" not in said and "<" not in said


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("page", ["<html><body>nginx: not here</body></html>", '["json, but not MLflow\'s"'])
def test_a_page_of_a_proxy_is_no_answer_of_mlflow(refusing, status, page):
    """It says nothing about a run, an experiment or a record: what is asked for may be there in a minute."""
    from mlflow import MlflowClient

    refusing(status, page)
    asked = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    with pytest.raises(XferError, match="cannot be reached") as caught:
        endpoint.patiently(lambda: asked.get_run("0" * 32), "http://x", lambda _: None, seconds=0.1)
    assert caught.value.exit_code == 75


def test_an_outage_under_another_name_is_an_outage():
    """MLflow's client gives errors of the network codes of its own."""
    import requests
    from mlflow.exceptions import INVALID_PARAMETER_VALUE, MlflowException, RestException

    def wrapped(kind, message):
        try:
            raise requests.ConnectionError("refused")
        except requests.ConnectionError:
            raise kind(message) from None

    for kind, message, passes in (
        (lambda said: MlflowException(said, error_code=INVALID_PARAMETER_VALUE), "no such model", True),
        (RestException, {"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}, False),
    ):
        with pytest.raises(MlflowException) as caught:
            wrapped(kind, message)
        assert outages.is_transient(caught.value) == passes
    assert not outages.is_transient(MlflowException("too long", error_code=INVALID_PARAMETER_VALUE))


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("mysql://user:hunter2@127.0.0.1:1/x", "package MySQLdb"),
        ("postgresql+nosuch://user:hunter2@127.0.0.1:1/x", "needs a driver"),
        ("nosuch://user:hunter2@127.0.0.1:1/x", "knows no tracking store"),
        ("sqlite:///{tmp}/text.db", "text.db is no SQLite file"),
        ("sqlite:///{tmp}", "is no SQLite file"),
        ("sqlite://", "database in memory"),
        ("sqlite://x.db", "Write sqlite:///PATH"),
        ("sqlite:///", "database in memory"),
        ("sqlite:///:memory:", "database in memory"),
        ("sqlite:///file:x?mode=memory&uri=true", "database in memory"),
        ("sqlite:///{tmp}/x.db\n", "the character '\\n' that is no part of an address"),
        (" sqlite:///{tmp}/x.db", "the character ' '"),
        ("'sqlite:///{tmp}/x.db'", "a quote that is no part of an address"),
        ('"http://user:hunter2@127.0.0.1:1"', "a quote that is no part of an address"),
        ("http://user:a hunter2@127.0.0.1:1", "the character ' ' that is no part of an address"),
        ("http://user:a\thunter2@127.0.0.1:1", "the character '\\t' that is no part of an address"),
        ("http://user:hunter2@127.0.0.1:1\r", "the character '\\r'"),
        ("http://[::1", "is no address (Invalid IPv6 URL)"),
    ],
)
def test_an_address_that_leads_to_no_store_is_said_at_once(monkeypatch, tmp_path, uri, says):
    (tmp_path / "text.db").write_text("not a database")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.format(tmp=tmp_path))
    error = fails(2, says)
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("made", [True, False])
def test_a_database_that_can_only_be_read_is_said_at_once(monkeypatch, tmp_path, blank_store, made):
    folder = tmp_path / "mounted"
    folder.mkdir()
    if made:
        shutil.copy(blank_store, folder / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    monkeypatch.setattr(opening.os, "access", lambda place, how: Path(place) != folder)  # root may do all
    fails(2, "cannot be written", "mounted is read-only")


def test_a_home_that_cannot_be_used_is_said_at_once(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    for name, where in (("XFER_WORK", "/proc/work"), ("XFER_HOME", str(tmp_path / "file" / "home"))):
        monkeypatch.setenv(name, where)
        fails(2, f"{name}={where} cannot be used")
    monkeypatch.setenv("XFER_HOME", str(tmp_path / "new"))
    monkeypatch.delenv("XFER_WORK")
    with Store.open():
        assert all(stat.S_IMODE((tmp_path / "new" / part).stat().st_mode) == 0o700 for part in ("", "work"))


def denies(status: int):
    from mlflow.exceptions import MlflowException, get_error_code

    raise MlflowException("no", error_code=get_error_code(status))


def test_a_right_that_is_missing_later_is_not_waited_for():
    asked = []
    with pytest.raises(outages.Denied) as caught:
        endpoint.patiently(lambda: asked.append(1) or denies(403), "http://x", lambda _: None, seconds=60)
    assert caught.value.exit_code == 2 and asked == [1]


def test_credentials_that_expired_may_be_renewed_for_a_while():
    asked = []

    def renewed():
        asked.append(1)
        return "answer" if len(asked) == 3 else denies(401)

    assert endpoint.patiently(renewed, "http://x", lambda _: None, seconds=60) == "answer"
    with pytest.raises(outages.Denied) as caught:
        endpoint.patiently(lambda: denies(401), "http://x", lambda _: None, seconds=1.2)
    assert caught.value.exit_code == 2


def test_a_deleted_experiment_of_the_name_is_said(store, monkeypatch):
    for name in ("mine", "Größe & co: 50 % (α/β)"):
        name = f"{name} {store.experiment_id}"
        store.client.delete_experiment(store.client.create_experiment(name))
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
        error = fails(2, "is deleted", name, "mlflow experiments restore")
        restored = str(error).partition("--experiment-id ")[2].split(",")[0]
        store.client.restore_experiment(restored)
        with Store.open() as opened:
            assert opened.experiment_id == restored


def test_no_database_is_made_where_a_run_of_it_is_named(monkeypatch, tmp_path):
    """``mlflow run FOLDER`` hands a relative address on, which means another file in that folder."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///another.db")
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    fails(2, "MLFLOW_RUN_ID", "another.db", "absolute")
    assert not (tmp_path / "another.db").exists()


def test_a_store_that_is_opened_again_keeps_its_log_from_other_processes(tmp_path, own_store):
    """The last connection to close removes SQLite's log: one that others still write to would be lost."""
    with Store.open() as store:
        run_id = store.start("study", "kept")
        with Store.open():
            pass
        file = str(tmp_path / "mlflow.db")
        close = f"import sqlite3; sqlite3.connect({file!r}).execute('SELECT 1 FROM runs')"
        subprocess.run([sys.executable, "-c", close], check=True)
        assert Path(f"{file}-wal").exists(), "removed while this process writes to it"
        store.finish(run_id)
    with Store.open() as store:
        assert store.get(run_id).status == "FINISHED"
