"""Conditions of one name that are not the same are told apart; seeds of one condition are not."""

from __future__ import annotations

from typing import Any

import pytest

from mlflow_xfer.tracking.belonging import facts_of, in_replicates
from mlflow_xfer.tracking.runs import RunView
from mlflow_xfer.tracking.told_apart import DATA_TAG

IDENTITY = "xfer.base_identity"


def run(name: str, kind: str, inputs: list[str], tags: dict[str, str], params: dict[str, Any]) -> RunView:
    own = {"xfer.kind": "transfer" if kind == "transfer" else "phase", "xfer.input_run_ids": ",".join(inputs)}
    own |= {"xfer.phase": kind} if kind != "transfer" else {}
    said = {k: str(v) for k, v in params.items()}
    return RunView(name, "0", name, "FINISHED", 0, 0, False, "", own | tags, said, {}, ())


class World:
    """Runs of transfers through phases that say of themselves what a test says."""

    def __init__(self) -> None:
        self.runs: dict[str, RunView] = {}

    def add(self, name: str, *of: Any) -> str:
        self.runs[name] = run(name, *of)
        return name

    def transfer(self, seed: int, targets: dict[str, dict], before: list[dict], **all_tags: str) -> None:
        """``targets`` and ``before``: of each phase its tags (with a dot) and parameters."""
        common = {"xfer.seed": str(seed), "xfer.base_model": "m", **all_tags}
        common |= {"xfer.tasks": ",".join(f"t{n}" for n in range(len(before)))}
        at, evaluations = [], []
        for n, said in enumerate(before):
            at = [self.add(f"i{n} {len(self.runs)}", "intermediate", at, common | tags(said), params(said))]
        for task, said in targets.items():
            own = common | {"xfer.target": task}
            trained = at
            if task != "retrieval":
                trained = [self.add(f"{task} {len(self.runs)}", "target", at, own | tags(said), params(said))]
            scored = {} if task != "retrieval" else params(said)
            evaluations.append(self.add(f"e {task} {len(self.runs)}", "evaluate", trained, own, scored))
        self.add(f"all {len(self.runs)}", "transfer", evaluations, common, {})

    def conditions(self) -> dict[str, set[tuple[str, int]]]:
        """By condition its (target, seed)."""
        chosen = [one for one in self.runs.values() if one.tags.get("xfer.phase") == "evaluate"]
        facts = {one.run_id: facts_of(one, self.runs) for one in chosen}
        found: dict[str, set[tuple[str, int]]] = {}
        for run_id, entry in in_replicates(facts, list(self.runs.values())):
            assert not {"contents", "around", "transfer", "settings"} & entry.keys()
            task = self.runs[run_id].tags["xfer.target"]
            found.setdefault(entry["condition"], set()).add((task, entry["seed"]))
        return found


def tags(said: dict[str, Any]) -> dict[str, str]:
    return {k: v for k, v in said.items() if "." in k}


def params(said: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in said.items() if "." not in k}


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        (
            {"targets": {"pos": {DATA_TAG: "aaa"}}, "before": []},
            {"targets": {"pos": {DATA_TAG: "bbb"}}, "before": []},
            {"none (pos.data=aaa)", "none (pos.data=bbb)"},
        ),
        (
            {"targets": {"pos": {}}, "before": [{DATA_TAG: "aaa", "xfer.data_languages": "en"}]},
            {"targets": {"pos": {}}, "before": [{DATA_TAG: "bbb", "xfer.data_languages": "de"}]},
            {"t0", "t0 (intermediate_language=de)"},
        ),
        (
            {"targets": {"pos": {}}, "before": [], IDENTITY: "sha256:0123456789"},
            {"targets": {"pos": {}}, "before": [], IDENTITY: "sha256:9876543210"},
            {"none (weights=01234567)", "none (weights=98765432)"},
        ),
        (
            {"targets": {"retrieval": {"layer": "auto"}}, "before": [{}]},
            {"targets": {"retrieval": {"layer": 2, "pooling": "cls"}}, "before": [{}]},
            {"t0", "t0 (layer=2, pooling=cls)"},
        ),
        (
            {"targets": {"pos": {}}, "before": [{"learning_rate": 0.001}, {"learning_rate": 0.1}]},
            {"targets": {"pos": {}}, "before": [{"learning_rate": 0.00001}, {"learning_rate": 0.1}]},
            {"t0+t1 (learning_rate=0.001/0.1)", "t0+t1 (learning_rate=1e-05/0.1)"},
        ),
    ],
    ids=["rows of the target", "language", "weights", "layer", "first of two tasks"],
)
def test_what_differs_is_in_the_name(first, second, names):
    world = World()
    world.transfer(1, **first)
    world.transfer(2, **second)
    world.transfer(3, **first)
    found = world.conditions()
    assert set(found) == names
    assert sorted(len(seeds) for seeds in found.values()) == [1, 2]


def test_seeds_of_one_condition_and_earlier_runs_are_not_told_apart():
    world = World()
    for seed in (1, 2):
        world.transfer(seed, {"pos": {DATA_TAG: "aaa"}, "nli": {DATA_TAG: "bbb"}}, [{DATA_TAG: "c"}])
    world.transfer(3, {"pos": {}, "nli": {}}, [{}])  # that does not say what it read
    assert set(world.conditions()) == {"t0"}


def test_all_evaluations_of_a_transfer_bear_one_name():
    """Also those of what is not trained, when another of them differs."""
    world = World()
    for seed, steps in ((1, 4), (2, 6)):
        world.transfer(seed, {"pos": {"max_steps": steps, DATA_TAG: "a"}, "retrieval": {}}, [{}])
    world.transfer(3, {"pos": {"max_steps": 6, DATA_TAG: "b"}, "retrieval": {}}, [{}])
    assert world.conditions() == {
        "t0 (target.max_steps=4)": {("pos", 1), ("retrieval", 1)},
        "t0 (target.max_steps=6, pos.data=a)": {("pos", 2), ("retrieval", 2)},
        "t0 (target.max_steps=6, pos.data=b)": {("pos", 3), ("retrieval", 3)},
    }
