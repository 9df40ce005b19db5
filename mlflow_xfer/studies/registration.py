"""Registration: the primary contrasts, margin, population and stopping rule of a study, frozen as tags of its
run before anything is run.

The first run of a study in an experiment registers it. Later runs of the same specification are further looks
at it, with seeds added, each with its own share of the 5 %; a run of a changed one is exploratory, and so is
one whose contrasts could be known before it was registered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.phases.phase import digest
from mlflow_xfer.stats.multiplicity import spending
from mlflow_xfer.studies.study import Study
from mlflow_xfer.tracking.runs import RunView
from mlflow_xfer.tracking.store import Store

HASH, TERMS, SEEDS, WHY = "xfer.registered", "xfer.registration", "xfer.seeds", "xfer.exploratory"
SCALE = "xfer.scale"
ARTIFACT = "registration.json"


@dataclass(frozen=True)
class Registration:
    """Where a run of a study stands.

    Attributes:
        look: which look at the registered contrasts it is.
        level: of their intervals and tests at this look.
        why: why it is exploratory; empty: it is registered.
    """

    run_id: str
    look: int = 1
    level: float = 0.95
    why: str = ""

    @property
    def stands(self) -> bool:
        return not self.why

    def said(self, study: Study) -> str:
        """In a sentence."""
        if self.why:
            return f"Exploratory: {self.why}."
        return (
            f"Registered before the first run (run {self.run_id}); look {self.look} of {study.looks} as "
            f"seeds are added, at a level of {self.level:.2%}."
        )


def terms(study: Study, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """What is frozen: the specification, with what is said of all arms besides, but for the seeds."""
    known = parameters(Transfer)
    more = {
        name: str(value)
        for name, value in overrides.items()
        if name != "seeds" and known[name.rpartition(".")[2]].effect == "identity"
    }
    return study.spec() | {"besides": more}


def summary(study: Study, overrides: Mapping[str, Any], seeds: Sequence[int]) -> dict[str, Any]:
    """The registration as people read it."""
    return {
        "primary": [one.name for one in study.primary],
        "margin": study.margin,
        "population": study.population,
        "correction": "Holm over the primary contrasts",
        "stopping": f"after seeds {','.join(map(str, seeds))}; {study.looks} looks as seeds are added, at "
        + ", ".join(f"{alpha:.4f}" for alpha in spending(study.looks)),
        "hash": digest(terms(study, overrides)),
    }


def enter(
    store: Store,
    run_id: str,
    study: Study,
    overrides: Mapping[str, Any],
    seeds: Sequence[int],
    known: Sequence[str],
) -> Registration:
    """Register the study, or find it registered, and tag the run; before anything is run.

    Args:
        known: the primary contrasts whose evaluations were finished before.
    """
    mine = digest(terms(study, overrides))
    store.settle()
    every = [
        run
        for run in store.search({"xfer.kind": "study", "xfer.study": study.name}, everywhere=False)
        if run.tags.get(SCALE, "mini") == study.design and HASH in run.tags
    ]
    own = next((run for run in every if run.run_id == run_id), None)
    earlier = [run for run in every if run.run_id != run_id]
    found = _judged(store, run_id, study, mine, seeds, known if own is None else (), earlier, overrides)
    tags = {SCALE: study.design, SEEDS: ",".join(map(str, seeds)), WHY: found.why or "no"}
    if found.stands:
        tags |= {HASH: mine, TERMS: json.dumps(summary(study, overrides, seeds), ensure_ascii=False)}
    store.tags(run_id, tags)
    text = json.dumps(terms(study, overrides), indent=2, ensure_ascii=False)
    store.text_artifact(run_id, text, ARTIFACT)
    store.settle()
    return found


def _judged(
    store: Store,
    run_id: str,
    study: Study,
    mine: str,
    seeds: Sequence[int],
    known: Sequence[str],
    earlier: Sequence[RunView],
    overrides: Mapping[str, Any],
) -> Registration:
    levels = [1 - float(alpha) for alpha in spending(study.looks)]
    if not earlier:
        why = f"finished runs told of {', '.join(map(repr, known))} before it was registered" if known else ""
        return Registration(run_id, 1, levels[0], why)
    first = earlier[0]
    if first.tags[HASH] != mine:
        changed = _changed(store, first, terms(study, overrides))
        return Registration(
            first.run_id, why=f"{changed} changed since it was registered (run {first.run_id})"
        )
    looks = {run.tags.get(SEEDS, ""): run for run in earlier if run.status == "FINISHED"}
    looked = {seed for text in looks for seed in text.split(",") if seed}
    own = ",".join(map(str, seeds))
    look = list(looks).index(own) + 1 if own in looks else len(looks) + 1  # the same seeds again are no more
    if own not in looks and (missing := sorted(looked - {str(seed) for seed in seeds})):
        return Registration(
            first.run_id, look, why=f"seeds {', '.join(missing)}, which were looked at before, are left out"
        )
    if look > study.looks:
        return Registration(
            first.run_id, look, why=f"all {study.looks} looks that were registered have been taken"
        )
    return Registration(first.run_id, look, levels[look - 1])


def _changed(store: Store, first: RunView, mine: Mapping[str, Any]) -> str:
    """Which parts of the specification differ from those that were registered."""
    theirs = store.read_json(first.run_id, ARTIFACT) or {}
    now = json.loads(json.dumps(mine))
    names = [name for name in now if now[name] != theirs.get(name)]
    return ", ".join("what is said besides" if name == "besides" else name for name in names) or "its spec"
