"""What ``storage`` may name, what it may not,
and that a study is opened once, by whichever process is first.
"""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
from concurrent.futures import ProcessPoolExecutor

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from mlflow_xfer.durable import mounts
from mlflow_xfer.errors import XferError
from mlflow_xfer.searching.storage import journal
from mlflow_xfer.searching.storage.place import place
from mlflow_xfer.searching.storage.storages import open_storage
from mlflow_xfer.searching.storage.studies import check_tracking, known_study, open_study

IDENTITY = {"space": {"pool": ["nli", "qa"], "ranges": []}, "objective": "english_dev", "seeds": [0]}
SERVER = "http://tracking:5000"


def opened(storage: str, name: str = "search", **changed):
    return open_study(place(storage, name), name, IDENTITY | changed, SERVER)


def refused(call, *says: str, code: int = 2) -> XferError:
    with pytest.raises(XferError) as caught:
        call()
    assert caught.value.exit_code == code and caught.value.hint
    for words in says:
        assert words in str(caught.value)
    return caught.value


def test_auto_is_a_journal_under_the_home_and_a_path_is_a_journal_there(tmp_path):
    study = opened("auto")
    study.enqueue_trial({"task.nli": 1})
    where = place("auto", "search")
    assert where.path == tmp_path / "home" / "studies" / "search.log" and where.kind == "journal"
    assert len(opened("auto").trials) == 1 and opened("auto", "another").trials == []
    opened("here.log")
    assert (tmp_path / "here.log").exists()
    opened("sqlite:///here.db")
    assert (tmp_path / "here.db").exists()
    assert json.loads(study.user_attrs["xfer.space"]) == IDENTITY


WRONG = [
    ("postgres://host/db", "postgresql://"),
    ("redis://host", "no known kind"),
    ("http://127.0.0.1:5000", "MLflow server's address"),
    ("sqlite://", "has no file"),
    ("sqlite:///:memory:", "has no file"),
    ("nowhere/search.log", "does not exist"),
    (".", "is a folder"),
    ("postgresql://user:p@ss@host/db", "%40"),
    ("postgresql://user:p-ss@host:port/db", "no address of a database"),
    ("postgresql+nodriver://user:p-ss@host/db", "no address of a database"),
]


@pytest.mark.parametrize(("storage", "says"), WRONG)
def test_what_is_no_storage_is_refused_without_showing_passwords(storage, says):
    message = str(refused(lambda: opened(storage), says))
    assert "ss@host" not in message and "p-ss" not in message


@pytest.mark.parametrize("name", ["", "../search", "a/b", "x" * 200, "$(reboot)"])
def test_a_study_name_that_is_no_file_name_is_refused(name):
    refused(lambda: opened("auto", name), "study_name")


def test_a_database_that_does_not_answer_is_said_and_may_be_tried_again():
    error = refused(
        lambda: opened("postgresql://user:secret@127.0.0.1:9/search"),
        "127.0.0.1:9",
        "cannot be reached",
        code=75,
    )
    assert "secret" not in str(error)


def test_a_file_that_belongs_to_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("dear diary\n")
    (tmp_path / "half.txt").write_text("dear")
    (tmp_path / "lines.json").write_text('{"op_code": "none of ours"}\n')
    for name in ("notes.txt", "half.txt", "lines.json"):
        before = (tmp_path / name).read_text()
        refused(lambda name=name: opened(name), "no journal of Optuna")
        assert (tmp_path / name).read_text() == before
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.execute("CREATE TABLE orders (id INTEGER)")
    refused(lambda: opened("sqlite:///shop.db"), "something else: orders")
    refused(lambda: opened("shop.db"), "SQLite database", "sqlite:///")
    (tmp_path / "text.db").write_text("no database, but long enough to be taken for one " * 20)
    refused(lambda: opened("sqlite:///text.db"), "no database")


def test_mlflows_own_database_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.executescript(
            "CREATE TABLE experiments (id INTEGER); CREATE TABLE runs (id INTEGER); CREATE TABLE "
            "alembic_version (version_num TEXT)"
        )
    refused(lambda: opened("sqlite:///mlflow.db"), "MLflow's own database")


@pytest.mark.parametrize(
    ("version", "says"), [("v2.4.0.a", "optuna storage upgrade"), ("v99.0.0.a", "pip install -U optuna")]
)
def test_a_schema_of_another_version_is_refused_with_the_remedy(tmp_path, version, says):
    opened("sqlite:///search.db")
    with sqlite3.connect(tmp_path / "search.db") as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (version,))
    refused(lambda: opened("sqlite:///search.db"), says)


def test_a_study_of_another_search_is_refused_and_what_differs_is_said():
    opened("auto")
    refused(
        lambda: opened("auto", space={"pool": ["nli", "pos"], "ranges": []}, objective="oracle"),
        "another search",
        "space.pool: nli,qa -> nli,pos",
        "objective: english_dev -> oracle",
    )
    assert opened("auto").trials == []


def test_a_study_that_somebody_else_made_is_refused(tmp_path):
    path = str(tmp_path / "theirs.log")
    theirs = optuna.create_study(
        study_name="search", storage=JournalStorage(JournalFileBackend(path)), direction="maximize"
    )
    theirs.add_trial(optuna.create_trial(value=1.0))
    refused(lambda: opened(path), "not made by mlflow-xfer")


def test_only_what_is_there_can_be_looked_at():
    refused(lambda: known_study(place("auto", "search"), "search"), "no such file")
    opened("auto", "search")
    assert known_study(place("auto", "search"), "search").study_name == "search"
    refused(lambda: known_study(place("home/studies/search.log", "other"), "other"), "There are: search")


def test_several_hosts_need_one_tracking_server(monkeypatch):
    local = "sqlite:////data/mlflow.db"
    study = open_study(place("auto", "search"), "search", IDENTITY, local)
    where = place("auto", "search")
    check_tracking(study, where, local)
    refused(lambda: check_tracking(study, where, "sqlite:////other/mlflow.db"), "/other/mlflow.db")
    monkeypatch.setattr("socket.gethostname", lambda: "node7")
    check_tracking(study, where, local)  # its storage is on a disk of this host, so this is the host, renamed
    with monkeypatch.context() as shared:
        shared.setattr(mounts, "_file_system", lambda path: "nfs4")
        refused(lambda: check_tracking(study, where, local), "node7", "mlflow server")
    on_server = open_study(place("auto", "remote"), "remote", IDENTITY, "http://me:secret@tracking:5000")
    assert "secret" not in str(on_server.user_attrs)
    check_tracking(on_server, place("auto", "remote"), "http://tracking:5000")


def test_a_half_written_line_of_a_dead_writer_does_not_spoil_the_journal(tmp_path):
    study = opened("auto")
    study.enqueue_trial({"task.nli": 1})
    with place("auto", "search").path.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"dead","study')
    again = opened("auto")
    again.enqueue_trial({"task.qa": 1})
    assert len(again.trials) == len(opened("auto").trials) == 2


def test_a_damaged_journal_is_said_with_its_line(tmp_path):
    study = opened("auto")
    for _ in range(3):
        study.enqueue_trial({"task.nli": 1})
    lines = place("auto", "search").path.read_bytes().splitlines(keepends=True)
    place("auto", "search").path.write_bytes(b"".join([*lines[:2], b"\x00\x00\n", *lines[2:]]))
    refused(lambda: opened("auto"), "Line 3")


def test_on_a_network_file_system_the_lock_is_one_that_works_there(tmp_path, monkeypatch):
    assert isinstance(journal.open_journal(tmp_path / "a.log")._backend._lock, journal.SystemLock)
    monkeypatch.setattr(mounts, "_file_system", lambda path: "nfs4")
    assert isinstance(journal.open_journal(tmp_path / "b.log")._backend._lock, journal.JournalFileSymlinkLock)


def _open(storage: str) -> tuple[int, int]:
    """What a process of its own does: open the study, ask for trials."""
    study = opened(storage)
    numbers = [study.ask().number for _ in range(3)]
    return study._study_id, len(set(numbers))


def at_once(storage: str) -> None:
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(_open, [storage] * 4))
    study = opened(storage)
    assert {study_id for study_id, _ in found} == {study._study_id} and len(
        open_storage(place(storage, "search")).get_all_studies()
    ) == 1
    assert sorted(trial.number for trial in study.trials) == list(range(12))


@pytest.mark.parametrize("storage", ["auto", pytest.param("sqlite:///search.db", marks=pytest.mark.slow)])
def test_processes_that_open_a_study_at_once_open_the_same_one(storage):
    at_once(storage)


@pytest.mark.slow
def test_processes_that_open_a_database_at_once_open_the_same_study(postgresql):
    at_once(postgresql.database())


@pytest.mark.slow
def test_what_is_wrong_with_a_database_is_said(postgresql):
    refused(lambda: opened(postgresql.address("no_such_database")), "does not exist", "createdb")
    import sqlalchemy

    address = postgresql.database()
    engine = sqlalchemy.create_engine(address.replace("://", "+psycopg2://"))
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE experiments (id INTEGER)"))
        connection.execute(sqlalchemy.text("CREATE TABLE runs (id INTEGER)"))
    engine.dispose()
    refused(lambda: opened(address), "MLflow's own database")
