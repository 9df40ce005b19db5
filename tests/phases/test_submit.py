"""What a shared store says of its runs is not trusted: whoever writes to it can change tags."""

from __future__ import annotations

import pytest

from mlflow_xfer.commands.conclusion import concluded
from mlflow_xfer.errors import XferError
from mlflow_xfer.phases.prediction import checkpoint_of
from mlflow_xfer.phases.references import References
from mlflow_xfer.phases.submit import submission
from mlflow_xfer.tracking.store import Store


@pytest.fixture
def store(own_store):
    with Store.open() as opened:
        yield opened


def made(store: Store, kind: str, status: str = "FINISHED", **tags: str) -> str:
    run = store.start(kind, kind, tags={f"xfer.{name}": value for name, value in tags.items()})
    store.finish(run, status)
    return run


@pytest.mark.parametrize("name", ["{tmp}/owned", "../../owned", "a/b", "..", "", "pos\n", "~"])
def test_a_tag_writes_nowhere_else(store, tmp_path, name):
    run = made(store, "phase", phase="evaluate", target=name.format(tmp=tmp_path))
    store.text_artifact(run, "x", f"predictions/{name.strip('/~.') or 'x'}/test-en.tsv")
    store.flush()
    out = tmp_path / "out"
    with pytest.raises(XferError, match=r"(?s)target of run .* names no file or folder.*Accepted") as caught:
        submission(store, [run], out, "mini")
    assert caught.value.exit_code == 2 and not out.exists() and not (tmp_path / "owned").exists()


def test_runs_that_point_at_themselves_end(store, tmp_path):
    alone = made(store, "request", phase="target")
    first = made(store, "request")
    second = made(store, "request", result_run_id=first)
    store.tags(first, {"xfer.result_run_id": second})
    group = made(store, "transfer")
    store.tags(group, {"xfer.input_run_ids": group})
    store.flush()
    for run, says in ((first, "points back to itself"), (alone, "was not answered with a run")):
        for ask in (
            lambda run=run: submission(store, [run], tmp_path / "out", "mini"),
            lambda run=run: concluded(store, run),
            lambda run=run: References(lambda: store)(run, None, "auto"),
            lambda run=run: checkpoint_of(run, None, lambda: store),
        ):
            with pytest.raises(XferError, match=says):
                ask()
    with pytest.raises(XferError, match="is part of itself"):
        submission(store, [group], tmp_path / "out", "mini")
