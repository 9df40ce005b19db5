from __future__ import annotations

import json

from mlflow_xfer.tracking import spool
from mlflow_xfer.tracking.spool import Spool

URI = "sqlite:////x/mlflow.db"


def test_records_come_back_in_order_until_delivered():
    made = Spool.create(URI)
    ends = [made.append({"op": "tags", "n": n}) for n in range(5)]
    assert [entry.record["n"] for entry in made.pending()] == [0, 1, 2, 3, 4]
    made.delivered(ends[2])
    assert [entry.record["n"] for entry in made.pending()] == [3, 4]
    assert made.undelivered() == 2


def test_a_living_owner_keeps_its_spool_and_a_closed_one_is_taken_over():
    made = Spool.create(URI)
    made.append({"op": "tags"})
    assert Spool.adopt(made.path) is None
    made.close(remove=False)
    adopted = Spool.adopt(made.path)
    assert adopted.undelivered() == 1
    adopted.close(remove=True)
    assert not made.path.exists()
    assert Spool.adopt(made.path) is None


def test_a_torn_last_line_is_ignored_and_an_unreadable_one_is_passed_over():
    made = Spool.create(URI)
    made.append({"op": "tags", "n": 1})
    with open(made.path / "log.jsonl", "ab") as log:
        log.write(b"\x00\x00garbage\n")
    made.append({"op": "tags", "n": 2})
    with open(made.path / "log.jsonl", "ab") as log:
        log.write(b'{"op": "tags", "n"')
    assert [entry.record.get("n") for entry in made.pending()] == [1, None, 2]


def test_a_lost_offset_replays_from_the_start():
    made = Spool.create(URI)
    made.delivered(made.append({"op": "tags"}))
    (made.path / "offset").write_text("")
    made.close(remove=False)
    assert Spool.adopt(made.path).undelivered() == 1


def test_kept_artifacts_outlive_their_source(tmp_path):
    made = Spool.create(URI)
    folder = tmp_path / "predictions"
    folder.mkdir()
    (folder / "en.tsv").write_text("x\n")
    kept = made.keep(folder)
    (folder / "en.tsv").write_text("changed\n")
    assert (made.path / kept / "en.tsv").read_text() == "x\n"
    made.drop(kept)
    assert not (made.path / kept).exists()


def test_credentials_never_reach_the_disk():
    made = Spool.create("postgresql://user:hunter2@db/mlflow")
    owner = json.loads((made.path / "owner.json").read_text())
    assert not owner["replayable"]
    assert all(b"hunter2" not in path.read_bytes() for path in spool.root().rglob("*") if path.is_file())
