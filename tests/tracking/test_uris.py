"""Addresses are read as SQLAlchemy reads them, whatever characters the path has."""

from __future__ import annotations

import shlex
import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import links, published, uris
from mlflow_xfer.tracking.store import Store

ODD = ["run #2", "100%", "50%20off", "a b", "(a?b)", "&y;z", '"twice"', "größe@α:β", "$HOME`id`", "a\\b"]
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs", "Cc"]), min_size=1).filter(
    lambda name: name not in (".", "..")
)


@given(NAMES, NAMES)
def test_the_address_of_a_file_names_it(folder, name):
    path = Path("/", folder, name)
    assert (
        make_url(uris.sqlite_uri(path)).database == str(path)
        and uris.sqlite_path(uris.sqlite_uri(path)) == path
    )


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs", "Cc"])))
def test_what_a_user_types_is_read_as_sqlalchemy_does(text):
    uri = f"sqlite:///{text}"
    database = make_url(uri).database
    if not (database or "").startswith("file:"):
        assert uris.sqlite_path(uri) == (Path(database) if database and database != ":memory:" else None)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("sqlite:////a/b.db?timeout=30", "/a/b.db"),
        ("sqlite+pysqlite:////a/b.db", "/a/b.db"),
        ("sqlite:///file:/a/b%2520c.db?uri=true", "/a/b c.db"),
        ("sqlite:///file:x?mode=memory&uri=true", None),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("postgresql://user@host/name", None),
        ("http://host:5000", None),
        ("databricks", None),
    ],
)
def test_other_addresses(uri, path):
    assert uris.sqlite_path(uri) == (path and Path(path))


def test_what_is_no_address_is_refused():
    with pytest.raises(XferError, match="no address"):
        uris.sqlite_path("sqlite:/x?")


@pytest.mark.parametrize("name", [*ODD, "it's"])
def test_the_command_that_opens_the_ui_can_be_pasted(name):
    uri = uris.sqlite_uri(Path("/data") / name / "mlflow.db")
    assert shlex.split(links.opener(uri)) == ["mlflow", "ui", "--backend-store-uri", uri]


def runs_in(path: Path) -> list[str]:
    return [name for (name,) in sqlite3.connect(path).execute("SELECT name FROM runs ORDER BY start_time")]


@pytest.mark.parametrize("name", ODD)
def test_a_database_named_by_its_path(name, tmp_path, monkeypatch, checkpoint, blank_store):
    """As one types it, and MLflow itself writes to it first."""
    import mlflow

    typed = f"sqlite:///{tmp_path}/there/{name}/mlflow.db"
    theirs = Path(make_url(typed).database)  # cut at a question mark, and without what stands for a character
    theirs.parent.mkdir(parents=True)
    shutil.copy(blank_store, theirs)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", typed)
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", None)
    client = mlflow.MlflowClient()
    client.create_run(client.create_experiment("mine"), run_name="before")
    before = sorted(tmp_path.rglob("*.db"))
    with Store.open("mine") as store:
        assert runs_in(theirs) == ["before"]
        run = store.start("phase", "after")
        model = store.client.get_logged_model(_publish(store, run, checkpoint))
        assert published.folder(model).is_dir()
        store.finish(run)
    assert runs_in(theirs) == ["before", "after"]
    assert sorted(tmp_path.rglob("*.db")) == before, "nothing went to another file"


def _publish(store, run, checkpoint):
    from mlflow_xfer.tracking import checkpoints

    made = checkpoints.publish(store, run, checkpoint)
    assert checkpoints.fetch(store, run) and not checkpoints.damage(store, run)
    return made


@pytest.mark.parametrize("name", [*ODD, "new a?b #1 100%"])
@pytest.mark.parametrize("uri", [None, "sqlite:///mlflow.db?timeout=30"])
def test_a_relative_database_in_an_odd_folder(name, uri, tmp_path, monkeypatch, blank_store):
    folder = tmp_path / "there" / name
    folder.mkdir(parents=True)
    if "new" not in name:
        shutil.copy(blank_store, folder / "mlflow.db")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri) if uri else monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with Store.open() as store:
        store.start("phase", "mine")
        opened = store.uri
    assert runs_in(folder / "mlflow.db") == ["mine"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", opened)
    with Store.open() as again:
        assert [run.name for run in again.search({"xfer.kind": "phase"})] == ["mine"], (
            "the same from elsewhere"
        )
    assert sorted((tmp_path / "there").rglob("*.db")) == [folder / "mlflow.db"]
