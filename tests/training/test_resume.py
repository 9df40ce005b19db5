"""A training that was killed ends as if it had not been: every weight, every reported figure, to the bit."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

SCRIPT = Path(__file__).parent / "killed.py"
SCENARIOS = ("after_a_step", "within_a_state", "on_sigterm", "average_of_epochs")
OTHERS = (
    "within_the_best",
    "before_the_first_state",
    "mixture_with_mlm",
    "mixture_within_a_state",
    "causal_lm",
    "low_rank",
    "when_publishing",
)


@pytest.fixture(scope="session")
def killed(ran_once):
    """The folder in which the scenarios were run, the report about them, and what was said."""
    return ran_once(SCRIPT, *SCENARIOS)


@pytest.fixture(scope="session")
def killed_too(ran_once):
    """The same of the other scenarios."""
    return ran_once(SCRIPT, *OTHERS)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    files = sorted(folder.rglob("*.safetensors"))
    assert files
    return {
        f"{file.relative_to(folder)}:{name}": tensor
        for file in files
        for name, tensor in load_file(file).items()
    }


def reported(file: Path) -> dict:
    """By step, what was reported last."""
    found: dict[int, dict] = {}
    for line in file.read_text().splitlines():
        step, metrics = json.loads(line)
        found.setdefault(step, {}).update(metrics)
    return found


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_killed_training_ends_with_the_same_bits(killed, name):
    ends_with_the_same_bits(*killed, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_wherever_it_is_killed(killed_too, name):
    ends_with_the_same_bits(*killed_too, name)


def ends_with_the_same_bits(folder: Path, report: dict, stderr: str, name: str) -> None:
    told = report[name]
    assert told["died"] == (75 if name == "on_sigterm" else -signal.SIGKILL), stderr[-3000:]
    assert told["resumed"] == 0 and report[told["undisturbed"]] == 0, stderr[-3000:]
    ours, theirs = weights(folder / name / "checkpoint"), weights(folder / told["undisturbed"] / "checkpoint")
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    outcomes = [
        json.loads((folder / work / "outcome.json").read_text()) for work in (name, told["undisturbed"])
    ]
    assert outcomes[0] == outcomes[1]
    assert reported(folder / f"{name}.jsonl") == reported(folder / f"{told['undisturbed']}.jsonl")


def test_a_half_written_state_was_there_and_passed_over(killed):
    _, report, _ = killed
    half, *whole = report["within_a_state"]["left"]
    assert half.startswith(".step-15.") and half.endswith(".partial") and whole == ["step-10", "step-5"]


def test_sigterm_saves_where_it_stopped(killed):
    _, report, _ = killed
    assert "step-13" in report["on_sigterm"]["left"]


def test_another_seed_gives_other_bits(killed, tmp_path):
    """The comparison above can fail."""
    folder, _, _ = killed
    one, other = weights(folder / "single" / "checkpoint"), weights(folder / "average" / "checkpoint")
    shared = [key for key in one if key in other and "embeddings.word" in key]
    assert shared and not all(torch.equal(one[key], other[key]) for key in shared)


def test_nothing_that_is_kept_or_published_is_a_pickle_of_settings(killed):
    folder, _, _ = killed
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert "training_args.bin" not in names
    published = {p.suffix for p in (folder / "single" / "checkpoint").rglob("*") if p.is_file()}
    assert published <= {".json", ".safetensors"}
