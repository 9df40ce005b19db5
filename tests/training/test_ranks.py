"""A phase on two processes (DDP, FSDP2; gloo): that of one process up to rounding, resumed to the bit."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch
from test_resume import reported, weights

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent / "ranked.py"
MODES = ("ddp", "fsdp")
WITHOUT_EFFECT = ("key.bias", "choice/model.safetensors:classifier.bias", "qa_outputs.bias")
"""What a softmax takes no notice of: the gradient is rounding alone, which AdamW makes as large as others."""


@pytest.fixture(scope="session")
def ranked(ran_once):
    """The folder in which all trainings were run, the report about them, and what was said."""
    return ran_once(SCRIPT)


def outcome(folder: Path) -> dict:
    return json.loads((folder / "outcome.json").read_text())


def assert_equal_within(ours: Path, theirs: Path) -> None:
    """Weights and figures of two trainings are equal up to the order of sums."""
    left, right = weights(ours / "checkpoint"), weights(theirs / "checkpoint")
    assert set(left) == set(right)
    for name in left:
        if not name.endswith(WITHOUT_EFFECT):
            assert torch.allclose(left[name], right[name], atol=2e-5, rtol=1e-4), name
    one, other = outcome(ours), outcome(theirs)
    assert one["metrics"].keys() == other["metrics"].keys() and one["tokens"] == other["tokens"]
    for name, figure in one["metrics"].items():
        assert figure == pytest.approx(other["metrics"][name], rel=1e-3), name


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["every_kind", "averaged", "low_rank"])
def test_two_processes_train_what_one_trains(ranked, name, mode):
    folder, report, stderr = ranked
    assert report[name] == [0] and report[f"{mode}/{name}"] == [0, 0], stderr[-3000:]
    assert_equal_within(folder / mode / name, folder / name)
    ours, theirs = (reported(Path(f"{folder / work}.0.jsonl")) for work in (f"{mode}/{name}", name))
    assert ours.keys() == theirs.keys()
    for step, figures in theirs.items():
        assert ours[step] == pytest.approx(figures, rel=1e-3), step
    assert not Path(f"{folder / mode / name}.1.jsonl").read_text(), "only rank 0 reports"


@pytest.mark.parametrize("name", ["every_kind", "averaged", "low_rank"])
def test_with_fsdp_every_weight_is_divided(ranked, name):
    folder, _, _ = ranked
    divided = {}
    for mode in MODES:
        for rank in (0, 1):
            found = json.loads(Path(f"{folder / mode / name}.{rank}.shards").read_text())
            divided[mode, rank] = dict(zip(("parts", "weights", "numbers", "all"), found, strict=True))
    for rank in (0, 1):
        assert divided["ddp", rank]["parts"] == 0
        assert divided["fsdp", rank]["parts"] == divided["fsdp", rank]["weights"] > 40
        assert divided["fsdp", rank]["numbers"] < 0.55 * divided["fsdp", rank]["all"]
    assert sum(divided["fsdp", rank]["numbers"] for rank in (0, 1)) == divided["fsdp", 0]["all"]


def assert_bit_equal(ours: Path, theirs: Path) -> None:
    left, right = weights(ours / "checkpoint"), weights(theirs / "checkpoint")
    assert set(left) == set(right) and all(torch.equal(left[name], right[name]) for name in left)
    assert outcome(ours) == outcome(theirs)
    assert reported(Path(f"{ours}.0.jsonl")) == reported(Path(f"{theirs}.0.jsonl"))


@pytest.mark.parametrize("mode", MODES)
def test_a_killed_rank_ends_the_training_which_goes_on_bit_by_bit(ranked, mode):
    """With dropout, in a mixture with a language model."""
    folder, report, stderr = ranked
    died, resumed = report[f"{mode}/killed"]
    assert died == [1, -signal.SIGKILL] and resumed == [0, 0], stderr[-3000:]
    assert_bit_equal(folder / mode / "killed", folder / mode / "dropped")


def test_one_rank_that_is_told_to_stop_stops_all_of_them(ranked):
    folder, report, _ = ranked
    died, resumed = report["stopped"]
    assert died == [75, 75] and resumed == [0, 0]
    assert_bit_equal(folder / "ddp" / "stopped", folder / "ddp" / "dropped")


def test_what_two_processes_began_one_goes_on_with_and_fsdp_with_what_ddp_began(ranked):
    """Moments are of the rows that the texts hold with DDP and one process, of all with FSDP."""
    folder, report, stderr = ranked
    for moved in ("ddp/moved", "fsdp/moved", "back"):
        died, resumed = report[moved]
        assert died == [1, -signal.SIGKILL] and not any(resumed), stderr[-3000:]
        assert_equal_within(folder / moved, folder / "averaged")


def test_no_rank_waits_for_ever(ranked):
    folder, report, stderr = ranked
    assert report["stalled"] == [1, 1] and "Timed out waiting" in stderr


def test_states_and_checkpoints_hold_no_pickled_weights(ranked):
    folder, _, _ = ranked
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert not {name for name in names if name.endswith(".bin") or "distcp" in name}
