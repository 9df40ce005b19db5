"""Two machines with one XFER_WORK: what was killed on one goes on, on the other, from its last state."""

from __future__ import annotations

import logging
import shutil

import pytest

from mlflow_xfer.tracking.sync import sync
from tests.faults.test_kill import PHASES, assert_bit_equal, done_here, place, runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_phase_killed_on_one_machine_goes_on_on_the_other(
    tmp_path, blank_store, command, monkeypatch, caplog
):
    own, states = PHASES["pretrain"], tmp_path / "states"
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    for folder in (calm, killed):
        folder.mkdir()
        shutil.copy(blank_store, folder)
    victim = command(
        *own, **{**place(killed), "XFER_HOME": str(tmp_path / "first"), "XFER_WORK": str(states)}
    )
    victim.until(lambda: any(states.glob("*/resume/step-*/manifest.json")))
    victim.kill()
    (held,) = runs(killed, "pretrain")
    assert held.info.status == "RUNNING" and not (tmp_path / "first" / "work").exists()
    done_here(calm, own)
    monkeypatch.setenv("XFER_WORK", str(states))
    with caplog.at_level(logging.INFO):
        done_here(killed, own)
    assert f"resumed in run {held.info.run_id}" in caplog.text
    found = {folder: runs(folder, "pretrain")[0] for folder in (killed, calm)}
    assert found[killed].info.run_id == held.info.run_id and found[killed].info.status == "FINISHED"
    monkeypatch.setenv("XFER_HOME", str(tmp_path / "first"))
    assert not any(one.left for one in sync()), "what was logged and not delivered lies there"
    assert_bit_equal(found)
    assert not any(states.glob("*/run.json")), "nothing is left of what is published"
