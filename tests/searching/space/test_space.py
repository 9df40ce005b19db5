"""Candidates and spaces: canonical, within their limits, and read with every contradiction named."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_xfer.errors import XferError
from mlflow_xfer.params import parse
from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.space.parsing import read_space
from mlflow_xfer.searching.space.ranges import OPEN, PRESETS
from mlflow_xfer.searching.space.space import Space, canonical

POOL = ("nli", "pos", "qa", "senses", "topics")


@st.composite
def spaces(draw) -> Space:
    pool = POOL[: draw(st.integers(1, 5))]
    lowest = draw(st.integers(1, len(pool)))
    combine = draw(st.sampled_from(["joint", "sequential"]))
    written = dict.fromkeys(
        draw(
            st.sets(
                st.sampled_from(
                    [
                        "mlm_share",
                        "intermediate.learning_rate",
                        "target.num_train_epochs",
                        "intermediate.max_steps",
                    ]
                )
            )
        ),
        "open",
    )
    if combine == "joint" and len(pool) > 1 and draw(st.booleans()):
        written |= {"mixing": "open", "mixing_temperature": "2|4|8", "mixing_cap": "open"}
        highest = draw(st.integers(max(lowest, 2), len(pool)))
    else:
        highest = draw(st.integers(lowest, len(pool)))
    return read_space(written, pool, min_tasks=lowest, max_tasks=highest, combine=combine)


@settings(max_examples=150, deadline=None)
@given(spaces(), st.integers(0, 2**32 - 1))
def test_candidates_survive_optunas_parameters_and_keep_the_limits(space, seed):
    rng = np.random.default_rng(seed)
    drawn = space.draw(rng)
    raw = {
        name: d.to_external_repr(_anywhere(d, rng)) for name, d in space.distributions().items()
    }  # what a sampler that knows no limits says
    for candidate in (drawn, space.candidate(raw, rng)):
        params = space.params(candidate)
        assert space.candidate(params) == candidate
        assert space.candidate(space.filled(params)) == candidate
        for name, value in params.items():
            assert space.distributions()[name]._contains(
                space.distributions()[name].to_internal_repr(value)
            ), (name, value)
        assert not candidate.tasks or space.min_tasks <= len(candidate.tasks) <= space.max_tasks
        assert candidate.tasks or all(name.startswith("target.") for name, _ in candidate.settings)
        assert (
            parse("transfer", {**candidate.overrides(), "combine": space.combine}).intermediate
            == candidate.tasks
        )
        assert json.loads(json.dumps(candidate.key)) == candidate.key
    assert Space.from_spec(json.loads(canonical(space.spec()))) == space


def _anywhere(distribution, rng):
    if hasattr(distribution, "choices"):
        return int(rng.integers(len(distribution.choices)))
    return rng.uniform(distribution.low, distribution.high)


@settings(max_examples=60, deadline=None)
@given(st.permutations(POOL), st.permutations([("mlm_share", 0.1), ("target.learning_rate", 1e-4)]))
def test_order_means_something_only_when_it_is_asked_for(tasks, options):
    assert Candidate(tuple(tasks[:3]), tuple(options)) == Candidate(
        tuple(reversed(tasks[:3])), tuple(reversed(options))
    )
    assert (
        Candidate(tuple(tasks[:3]), tuple(options)).key
        == Candidate(tuple(sorted(tasks[:3])), tuple(options)).key
    )
    sequence = Candidate(tuple(tasks[:3]), ordered=True)
    assert (
        sequence.tasks == tuple(tasks[:3])
        and sequence.key != Candidate(tuple(reversed(tasks[:3])), ordered=True).key
    )


@pytest.mark.parametrize(
    ("space", "options", "count"),
    [
        (None, {}, 32),
        (None, {"max_tasks": 2}, 16),
        (None, {"max_tasks": 2, "combine": "sequential"}, 1 + 5 + 20),
        ("mlm_share=0|0.2", {}, 1 + 2 * 31),
        ("target.learning_rate=1e-5|1e-4", {"max_tasks": 1}, 2 * 6),
        ("mixing=uniform|temperature,mixing_temperature=2|4", {}, 1 + 5 + 3 * 26),
        ("mixing_cap=1024|none,intermediate.num_train_epochs=1:5", {"max_tasks": 2}, 1 + 5 * 5 + 10 * 5 * 2),
        ("mlm_share=0:0.4:0.1", {}, 1 + 5 * 31),
        (
            "merge_method=average|ties,merge_weight=0.5|1,merge_density=0.1|0.2",
            {"combine": "merge"},
            1 + 5 + 26 * (1 + 4),
        ),
        ("merging", {"combine": "merge"}, None),
        ("merging", {}, 32),
        ("mlm_share=0:0.5", {}, None),
        ("mixing_temperature=1:2", {"given": {"mixing": "temperature"}}, None),
    ],
)
def test_a_space_counts_its_candidates(space, options, count):
    found = read_space(space, POOL, **options)
    assert found.count() == count
    if count:
        keys = [candidate.key for candidate in found.candidates()]
        assert len(keys) == len(set(keys)) == count and keys[0].startswith("baseline")


def test_what_the_command_sets_wins_where_it_agrees():
    assert "mlm_share" not in read_space("all", POOL, given={"mlm_share": 0.9}).distributions()
    assert not read_space("mlm_share=0:0.5", POOL, given={"mlm_share": 0.2}).ranges
    fixed = read_space("mlm_share=0.2,intermediate.learning_rate=1e-4", POOL)
    assert fixed.count() == 32 and dict(fixed.candidate({"task.nli": 1}).settings) == {
        "mlm_share": 0.2,
        "intermediate.learning_rate": 1e-4,
    }
    assert fixed.candidate({}).settings == ()
    assert set(PRESETS["all"]) <= set(OPEN)


def test_yaml_and_the_command_line_say_the_same(tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text(
        "max_tasks: 3\nmlm_share: {low: 0, high: 0.5}\nintermediate.learning_rate: {low: 1e-5, high: 1e-3, "
        "log: true}\nmixing: [uniform, proportional]\ntarget.num_train_epochs: 1:5\ntrain_batch_size: 16\n"
    )
    typed = (
        "mlm_share=0:0.5,intermediate.learning_rate=1e-5:1e-3:log,mixing=uniform|proportional,"
        "target.num_train_epochs=1:5,train_batch_size=16"
    )
    assert read_space(str(file), POOL) == read_space(file, POOL) == read_space(typed, POOL, max_tasks=3)


CONTRADICTIONS = {
    "mlm_shar=0:1": "Did you mean 'mlm_share'",
    "mlm_share=0.5:0.1": "down to 0.1",
    "mlm_share=0:0.5:log": "logarithmic but begins at 0",
    "mlm_share=0:2": "mlm_share=2",
    "intermediate.learning_rate=low:high": "intermediate.learning_rate=low",
    "intermediate.num_train_epochs=1:5:9": "a step of 9 does not fit",
    "mixing=uniform:temperature": "no low and high",
    "mixing_temperature=1:4": "has no temperature",
    "target.learning_rate=auto|1e-4": "holds 'auto'",
    "pretrain.learning_rate=1e-5:1e-4": "varies no pre-training",
    "learning_rate=open,target.learning_rate=open": "varies both learning_rate",
    "mixing_cap=none:1024": "bound that is no number",
    "max_tasks=9,min_tasks=7": "min_tasks=7 but subsets have at most 5 tasks",
    "merge_weight=0.5|1": "combine=joint merges no weights",
    "mlm_share": "Unknown space 'mlm_share'",
    "missing.yaml": "missing.yaml",
}


@pytest.mark.parametrize(("space", "says"), CONTRADICTIONS.items())
def test_contradictions_are_refused(space, says):
    with pytest.raises(XferError) as error:
        read_space(space, POOL)
    assert says in str(error.value) and error.value.exit_code == 2


def test_contradictions_are_refused_together():
    with pytest.raises(XferError) as error:
        read_space(
            "mlm_share=0:0.5,mixing_cap=1:9,target.learning_rate=1e-5:1e-4,min_tasks=2",
            ("nli", "nli"),
            min_tasks=3,
            combine="sequential",
            given={"mlm_share": 0.7, "learning_rate": 1e-3},
        )
    for part in (
        "nli more than once",
        "min_tasks is 3 on the command line and 2",
        "mlm_share=0.7 lies outside",
        "learning_rate=0.001 goes to every phase",
        "combine=sequential mixes no batches",
    ):
        assert part in str(error.value)
    with pytest.raises(XferError, match="pool is empty"):
        read_space(None, ())
