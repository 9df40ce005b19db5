"""Which evaluations belong to which runs, and what tells their conditions apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlflow_xfer.tracking.runs import RESULT_TAG, RunView
from mlflow_xfer.tracking.told_apart import tell_apart, telling

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
                "transfer": run.run_id,
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
        "target": tags.get("xfer.target", ""),
        **telling(chain),
    }


def in_replicates(
    facts: Mapping[str, Mapping[str, Any]], below: Sequence[RunView]
) -> list[tuple[str, dict[str, Any]]]:
    """Evaluations by run id, once for each replicate that they belong to, with what is said of them there;
    conditions of one name that are not the same are told apart.

    Args:
        facts: by evaluation, what :func:`facts_of` says of it.
        below: the runs around them.
    """
    found, replicates = [], replicates_of(below)
    transfers = [run for run in below if run.kind == "transfer"]
    whole = {
        (run.run_id, of): _shared(facts[one][of] for one in run.inputs if one in facts)
        for run in transfers
        for of in ("around", "contents")
    }
    for run_id, fact in facts.items():
        for replicate in replicates.get(run_id, [{}]):
            of_all = {
                of: whole.get((replicate.get("transfer", ""), of), {}) | fact[of]
                for of in ("around", "contents")
            }
            found.append((run_id, {**fact, **replicate, **of_all}))
    tell_apart([entry for _, entry in found if "against" not in entry])
    inner = ("target", "settings", "around", "contents", "transfer")
    said: dict[tuple, tuple[str, dict[str, Any]]] = {}
    for run_id, entry in found:  # several transfers may have one evaluation with one seed
        told = {k: v for k, v in entry.items() if k not in inner}
        said.setdefault((run_id, *told.values()), (run_id, told))
    return list(said.values())


def _shared(settings: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """What all of a transfer's evaluations that say something of a setting say alike: it is said of those
    that do not depend on it, too."""
    said: dict[str, set[str]] = {}
    for one in settings:
        for name, value in one.items():
            said.setdefault(name, set()).add(value)
    return {name: next(iter(values)) for name, values in said.items() if len(values) == 1}


def _number(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdigit() else text
