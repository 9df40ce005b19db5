"""What goes into the declared chains is what stands in the files: specs, encodings, seeds and batches."""

from __future__ import annotations

import difflib

import pytest

from mlflow_xfer.kinds.kind import KINDS
from tests.same_results import golden
from tests.same_results.chains import CHAINS, DECODER, ENCODER, write_data

LINES_SHOWN = 60


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The chains' data, and what is made of it once for all tests."""
    folder = tmp_path_factory.mktemp("same_results")
    write_data(folder)
    yield folder
    golden.plans.cache_clear()
    golden.beginning.cache_clear()


@pytest.mark.parametrize("name", golden.FILES)
def test_nothing_changed(name, data, caches):
    kept = (golden.HERE / name).read_text(encoding="utf-8")
    made = golden.text(golden.FILES[name](data))
    if made != kept:
        lines = difflib.unified_diff(kept.splitlines(), made.splitlines(), name, "now", lineterm="", n=2)
        shown = "\n".join(list(lines)[:LINES_SHOWN])
        pytest.fail(
            f"{shown}\nIf the change is meant: write a line in CHANGELOG.md that says what finished "
            "runs are no longer reused for, and python -m tests.same_results.golden",
            pytrace=False,
        )


def test_the_chains_reach_every_kind_on_both_architectures(data):

    # The earlier commit that the chains are compared with knows neither regression nor questions in cases.
    labelled = set(KINDS.names()) - {"language_model", "regression", "span_cases"}
    reached: dict[object, set] = {}
    for chain, plan in golden.plans(data).items():
        trained = [phase for phase in plan.phases if phase.kind != "evaluate"]
        kinds = {task.kind for phase in trained for task in phase.tasks}
        reached.setdefault(CHAINS[chain]["model"], set()).update(kinds)
        assert plan.phases[0].kind == "pretrain"
    assert reached == {ENCODER: labelled, DECODER: labelled}


def test_the_files_are_small_enough_to_read():
    assert sum((golden.HERE / name).stat().st_size for name in golden.FILES) < 300_000
