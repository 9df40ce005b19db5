"""Which evaluations belong to which runs, and what tells their conditions apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlflow_xfer.params.chain import Combining
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.settings import MergeSettings, TrainingSettings
from mlflow_xfer.tracking.runs import RESULT_TAG, RunView

TELLING = {"model": "", "combine": str(parameters(Combining)["combine"].default)} | {
    name: "" if one.facts.always else str(one.facts.neutral)
    for shape in (MergeSettings, TrainingSettings)
    for name, one in parameters(shape).items()
    if one.facts.shown and name != "combine"
}
"""What all began with, and parameters of intermediate phases, that tell conditions of the same tasks apart,
with the value that goes without saying."""


CONDITION_TAG, AGAINST_TAG = "xfer.condition", "xfer.against"
"""On the conditions of a study: their names in it, and the one that they are compared with."""


def is_evaluation(run: RunView) -> bool:
    return (
        run.kind == "phase" and run.tags.get("xfer.phase") == "evaluate" and "xfer.split" not in run.tags
    )  # a search's evaluations on dev splits are no results


def runs_below(every: Mapping[str, RunView], asked: Sequence[RunView]) -> list[RunView]:
    """These runs and what lies below them, down to evaluations:
    launched by them, or taken over from earlier runs.
    """
    children: dict[str, list[str]] = {}
    for run in every.values():
        if run.parent:
            children.setdefault(run.parent, []).append(run.run_id)
    below, seen, waiting = {}, set(), [run.run_id for run in asked]
    while waiting:
        run = every.get(waiting.pop())
        if run is None or run.run_id in seen:
            continue
        seen.add(run.run_id)
        below[run.run_id] = run
        if run.kind != "phase":  # a phase's inputs are what it was trained from: not its results
            pointed = run.tags.get(RESULT_TAG)
            waiting += [*children.get(run.run_id, ()), *run.inputs, *([pointed] if pointed else [])]
    return sorted(below.values(), key=lambda run: (run.start_time, run.run_id))


def replicates_of(below: Sequence[RunView]) -> dict[str, list[dict[str, Any]]]:
    """By evaluation: the seed and base seed of every transfer that it belongs to, and in a study the name of
    its condition and the one compared with.

    An evaluation without training of its own (retrieval straight from the base model) is one run for all
    seeds: its scores then stand in every replicate, where they vary as much as they do, not at all.
    """
    by_condition: dict[str, list[dict[str, Any]]] = {}
    arms = {
        run.run_id: {"condition": run.tags[CONDITION_TAG], "against": run.tags.get(AGAINST_TAG, "")}
        for run in below
        if run.tags.get(CONDITION_TAG)
    }
    for run in below:
        if run.kind == "transfer" and run.tags.get("xfer.seed"):
            replicate = {
                "seed": _number(run.tags["xfer.seed"]),
                "base_seed": _number(run.tags.get("xfer.base_seed", "0")),
                **arms.get(run.parent or "", {}),
            }
            for made in run.inputs:
                if replicate not in by_condition.setdefault(made, []):
                    by_condition[made].append(replicate)
    return by_condition


def chain_of(run: RunView, every: Mapping[str, RunView]) -> list[RunView]:
    """The run and the phases it was made from, nearest first; a merge was made from several."""
    chain = {run.run_id: run}
    waiting = [run]
    while waiting:
        for before in waiting.pop(0).inputs:
            if before in every and before not in chain:
                chain[before] = every[before]
                waiting.append(every[before])
    return list(chain.values())


def facts_of(run: RunView, every: Mapping[str, RunView]) -> dict[str, Any]:
    chain, tags = chain_of(run, every), run.tags
    before = [one for one in chain if one.tags.get("xfer.phase") == "intermediate"]
    target = next((one for one in chain if one.tags.get("xfer.phase") == "target"), None)
    select = target.params.get("select_by", "") if target else ""
    parts = [f"select_by={select}"] if select else []
    parts += (
        [f"shots={tags['xfer.target_shots']}"] if tags.get("xfer.target_shots", "0") not in ("", "0") else []
    )
    parts += [f"train_on={tags['xfer.train_on']}"] if tags.get("xfer.train_on") else []
    control = (
        f" (control={tags['xfer.control']})" if tags.get("xfer.control", "none") not in ("", "none") else ""
    )
    prompted = f" (prompted, {tags['xfer.shots']}-shot)" if "xfer.shots" in tags else ""
    seed = tags.get("xfer.seed", "")
    return {
        "condition": (tags.get("xfer.tasks", "").replace(",", "+") or "none") + control + prompted,
        "base_seed": _number(tags.get("xfer.base_seed", "0")),
        "seed": _number(seed) if seed else 0,
        "suite": tags.get("xfer.suite", ""),
        "protocol": None if prompted else " ".join(parts),
        "base_model": tags.get("xfer.base_model", ""),
        "run_id": run.run_id,
        "settings": {"model": chain[-1].tags.get("xfer.base_model", "")}
        | {"combine": tags.get("xfer.combine", "joint")}
        | {k: v for one in before for k, v in _deciding(one.params).items() if k in TELLING},
    }


def _deciding(params: Mapping[str, str]) -> dict[str, str]:
    """Without epochs where steps overrule them; earlier runs show both."""
    by_steps = params.get("max_steps", "0") != "0"
    return {k: v for k, v in params.items() if not (by_steps and k == "num_train_epochs")}


def _number(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdigit() else text


def tell_apart(facts: list[dict[str, Any]]) -> None:
    """Conditions of one name that began with different models, or whose intermediate phases were set
    differently, get what differs into the name.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for fact in facts:
        groups.setdefault(fact["condition"], []).append(fact)
    for name, members in groups.items():
        differ = [k for k in TELLING if len({str(m["settings"].get(k, "")) for m in members}) > 1]
        for member in members:
            said = [
                f"{k}={member['settings'][k]}"
                for k in differ
                if k in member["settings"] and member["settings"][k] != TELLING[k]
            ]
            if said:
                member["condition"] = f"{name} ({', '.join(said)})"
