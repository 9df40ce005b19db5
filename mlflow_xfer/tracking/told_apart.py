"""What tells conditions of one name apart: models, settings of phases, and the data that they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlflow_xfer.params.chain import Combining
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.settings import MergeSettings, TrainingSettings
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tracking.names import text
from mlflow_xfer.tracking.runs import RunView

TELLING = {"model": "", "combine": str(parameters(Combining)["combine"].default)} | {
    name: "" if one.facts.always else str(one.facts.neutral)
    for shape in (MergeSettings, TrainingSettings)
    for name, one in parameters(shape).items()
    if one.facts.shown and name != "combine"
}
"""What all began with, and parameters of intermediate phases, that tell conditions of the same tasks apart,
with the value that goes without saying."""

AROUND = TELLING.keys() - {"model", "combine", "select_by", "target_shots", "control_seed"}
"""Parameters of the phases before and after these that do so too, as ``pretrain.max_steps``: how checkpoints
were selected, and shots, are the protocol's."""

SCORED = {"max_eval_examples": "none", "layer": "auto", "pooling": "mean"}
"""Parameters of evaluations that do so too, with the value that goes without saying."""

DATA_TAG = "xfer.data_identity"
"""On trainings: the start of a digest of their tasks' declarations and rows."""


def telling(chain: Sequence[RunView]) -> dict[str, dict[str, str]]:
    """What may tell the condition of an evaluation apart.

    Args:
        chain: the evaluation and the phases that it was made from, nearest first.

    Returns:
        ``settings`` of what it began with and of intermediate phases, ``around`` of the phases before and
        after them, ``contents`` of weights and data.
    """
    before = [one for one in chain if one.tags.get("xfer.phase") == "intermediate"]
    return {
        "settings": {"model": chain[-1].tags.get("xfer.base_model", "")}
        | {"combine": chain[0].tags.get("xfer.combine", "joint")}
        | _in_order(before),
        "around": {k: v for one in reversed(chain) for k, v in _around(one).items()},
        "contents": {"weights": _short(chain[-1].tags.get("xfer.base_identity", ""))}
        | {_content_name(one): one.tags[DATA_TAG] for one in reversed(chain) if DATA_TAG in one.tags},
    }


def _in_order(before: Sequence[RunView]) -> dict[str, str]:
    """The settings of intermediate phases, nearest first, that tell conditions apart; where they have several
    values, all of them in the order of training."""
    found: dict[str, list[str]] = {}
    for one in reversed(before):
        for name, value in _deciding(one.params).items():
            if name in TELLING:
                found.setdefault(name, []).append(value)
    return {name: "/".join(some if len(set(some)) > 1 else some[:1]) for name, some in found.items()}


def _short(identity: str) -> str:
    """The start of what tells weights of one name apart: of a digest or commit."""
    return identity.rpartition("@")[2].rpartition(":")[2][:8]


def _content_name(phase: RunView) -> str:
    """What the data of a training are called where they tell conditions apart."""
    kind = phase.tags.get("xfer.phase", "")
    return f"{phase.tags.get('xfer.target', '') if kind == 'target' else kind}.data"


def _around(phase: RunView) -> dict[str, str]:
    """What tells a pre-training, the training of a target or an evaluation apart, by the parameter that says
    it. The recipe of a task goes without saying: each has its own."""
    kind, languages = phase.tags.get("xfer.phase", ""), phase.tags.get("xfer.data_languages", "")
    if kind == "evaluate":
        return {
            k: v for k, usual in SCORED.items() if (v := phase.params.get(k, usual)) not in (usual, "auto")
        }
    if kind == "intermediate":
        mixed = phase.params.get("mlm_share", "0.0") not in ("0", "0.0")  # with text in many languages
        return {} if languages in ("", "en") or mixed else {"intermediate_language": languages}
    if kind not in ("pretrain", "target"):
        return {}
    name = phase.tags.get("xfer.target", "")
    recipe = TASKS.get(name).recipe if kind == "target" and name in TASKS else None
    said = {
        f"{kind}.{k}": v
        for k, v in _deciding(phase.params).items()
        if k in AROUND and v not in (TELLING[k], text(getattr(recipe, k, "")))
    }
    spoken = {"target": "source_language", "pretrain": "text_languages"}[kind]
    return said | ({spoken: languages} if languages not in ("", "en") else {})


def _deciding(params: Mapping[str, str]) -> dict[str, str]:
    """Without epochs where steps overrule them; earlier runs show both."""
    by_steps = params.get("max_steps", "0") != "0"
    return {k: v for k, v in params.items() if not (by_steps and k == "num_train_epochs")}


def tell_apart(facts: Sequence[dict[str, Any]]) -> None:
    """Conditions of one name that began with different models, or whose phases were set differently or read
    other data, get what differs into the name.
    """
    said = [{} for _ in facts]
    for members in _alike(facts, said):
        differ = [k for k in TELLING if len({str(facts[n]["settings"].get(k, "")) for n in members}) > 1]
        around = _differing([facts[n] for n in members], "around")
        for n in members:
            settings, placed = facts[n]["settings"], facts[n]["around"]
            said[n] = {k: settings[k] for k in differ if k in settings and settings[k] != TELLING[k]}
            said[n] |= {
                k: v for k, v in placed.items() if k in around and said[n].get(k.removeprefix("target.")) != v
            }
    for members in _alike(facts, said):  # of which all that was set is the same
        contents = _differing([facts[n] for n in members], "contents", known=True)
        for n in members:
            said[n] |= {k: v for k, v in facts[n]["contents"].items() if k in contents}
    for fact, words in zip(facts, said, strict=True):
        if words:
            fact["condition"] += f" ({', '.join(f'{k}={v}' for k, v in words.items())})"


def _alike(facts: Sequence[Mapping[str, Any]], said: Sequence[Mapping[str, str]]) -> list[list[int]]:
    """The places of facts whose conditions have one name and of which the same is said besides."""
    groups: dict[tuple, list[int]] = {}
    for n, (fact, words) in enumerate(zip(facts, said, strict=True)):
        groups.setdefault((fact["condition"], *sorted(words.items())), []).append(n)
    return list(groups.values())


def _differing(members: Sequence[Mapping[str, Any]], of: str, known: bool = False) -> set[str]:
    """What evaluations of one task differ in: other tasks have other recipes and data.

    Args:
        known: only what two of them say, each otherwise: earlier runs do not say it.
    """
    tasks: dict[str, list[Mapping[str, str]]] = {}
    for member in members:
        tasks.setdefault(member["target"], []).append(member[of])
    return {
        k
        for some in tasks.values()
        for one in some
        for k in one
        if len({other.get(k, "") for other in some} - ({""} if known else set())) > 1
    }
