"""A phase arrives as it was sent, with the same hash, and another version is found out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.params import parse
from mlflow_xfer.phases.phase import BaseModel, FinishedRun, Phase
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.phases.transport import from_json, to_json
from mlflow_xfer.searching.trying.measures import extra_phases
from mlflow_xfer.tasks.task_file import load_task_file

ASKED = {
    "chain": {"intermediate": "nli", "target": "pos,choice,retrieval"},
    "mixture": {"intermediate": "nli,types", "mixing": "temperature", "mlm_share": "0.2", "target": "pos"},
    "merge": {"intermediate": "nli,types", "combine": "merge", "merge_method": "ties", "control": "random"},
    "own text": {"model": "scratch:llama:tiny", "text": "mini", "intermediate": "none", "target": "mood"},
    "few shots": {"intermediate": "none", "target": "mood", "target_shots": "4", "select_by": "last"},
    "oracle": {"intermediate": "none", "target": "mood", "select_by": "oracle"},
    "no overlap": {"intermediate": "attribute", "target": "choice", "exclude_overlap": "true"},
}  # fmt: skip


def planned(**typed):
    return make_plan("transfer", parse("transfer", typed), References(lambda: None))


def same(one, other):
    """Whether two phases agree in everything, in what is no part of the hash too."""
    if isinstance(one, Phase):
        mine, theirs = vars(one) | {"inputs": ()}, vars(other) | {"inputs": ()}
        mine, theirs = ({k: v for k, v in each.items() if k != "spec_hash"} for each in (mine, theirs))
        assert (
            mine == theirs and one.spec() == other.spec() and one.settings.given() == other.settings.given()
        )
        assert len(one.inputs) == len(other.inputs)
        return all(same(a, b) for a, b in zip(one.inputs, other.inputs, strict=True))
    return one == other


@pytest.mark.parametrize("name", ASKED)
def test_a_phase_arrives_as_it_was_sent(name):
    for phase in planned(**ASKED[name]).phases:
        arrived = from_json(to_json(phase))
        assert same(phase, arrived) and arrived.label == phase.label
        assert [one.spec_hash for one in arrived.chain()] == [one.spec_hash for one in phase.chain()]


def test_a_whole_number_of_epochs_stays_one():
    phase = planned(model="scratch:xlm-roberta:tiny", text="mini", intermediate="none", target="mood").phases[
        0
    ]
    whole = replace(phase, settings=phase.settings.model_copy(update={"num_train_epochs": 4}))
    assert from_json(to_json(whole)).spec_hash == whole.spec_hash != phase.spec_hash


def test_a_search_s_dev_evaluation_and_a_task_of_a_file(tmp_path):
    transfer = planned(intermediate="none", target="choice").transfers[0]
    (dev,) = extra_phases(("oracle",), transfer, parse("transfer", {}))["oracle"]
    assert dev.split == "validation" and same(dev, from_json(to_json(dev)))
    for name in ("rows", "others"):
        (tmp_path / f"{name}.tsv").write_text("fine\tgood\nawful\tbad\n")
    (tmp_path / "own.yaml").write_text(
        "tasks: {own: {kind: classification, labels: [bad, good], columns: {text_a: 0, label: 1}, "
        "files: {train: rows.tsv, validation: rows.tsv, test: {en: rows.tsv, sw: others.tsv}}}}"
    )
    tasks = {task.name: task for task in load_task_file(tmp_path / "own.yaml")}
    typed = parse("transfer", {"intermediate": "none", "target": "own"})
    for phase in make_plan("transfer", typed, References(lambda: None), tasks).phases:
        assert same(phase, from_json(to_json(phase)))


def test_what_a_chain_starts_from_arrives():
    phase = planned(intermediate="none", target="mood").phases[1]
    for start in (
        BaseModel("m", "dir:1", "/m"),
        FinishedRun("r", "1" * 32, "s", "c", "target", ("mood",), {"xfer.oracle": "true"}),
    ):
        begun = replace(phase, inputs=(start,))
        assert from_json(to_json(begun)).inputs == (start,)


def test_another_version_is_found_out():
    sent = json.loads(to_json(planned(intermediate="none", target="mood").phases[0]))
    (only,) = sent["phases"].values()
    only["settings"]["learning_rate"] = 7.0
    with pytest.raises(XferError, match="same version"):
        from_json(json.dumps(sent))
