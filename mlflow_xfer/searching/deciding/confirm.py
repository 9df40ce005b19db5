"""Confirmation: the best candidates and the baseline again,
on seeds that took no part in the choice, scored on test.

The best of many noisy trials looks better than it is. So the choice is written down (study and run) before a
test split is read, and the answer is what fresh seeds say: paired differences to the baseline, Student's t
over seeds, intervals that hold for all confirmed candidates at once. All of it is conditional on the base
model that the search started from.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from itertools import count, islice
from typing import TYPE_CHECKING, cast

import optuna

from mlflow_xfer.conditions.condition import Condition, run_conditions
from mlflow_xfer.conditions.crew import crew_of
from mlflow_xfer.phases import publishing
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.references import References, task_file_tasks
from mlflow_xfer.reporting.model_card import CARD, SCORES
from mlflow_xfer.reporting.verdict import WORSE, sentence, verdicts
from mlflow_xfer.searching.command import Command, plan_of
from mlflow_xfer.searching.deciding.confirmation import Confirmation, Winner, winner_metrics
from mlflow_xfer.searching.deciding.estimates import Choice, choose, winner
from mlflow_xfer.searching.deciding.estimates import baseline as estimated_baseline
from mlflow_xfer.searching.deciding.frames import Arm, dev_frame, evaluated, test_frame
from mlflow_xfer.searching.showing.mirror import Mirror
from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.storage.history import BY_SEED, History, finished_trials
from mlflow_xfer.searching.trying import measures
from mlflow_xfer.stats.blocks import cells
from mlflow_xfer.stats.frame import check
from mlflow_xfer.stats.means import contrast
from mlflow_xfer.stats.multiplicity import widen
from mlflow_xfer.tracking import checkpoints
from mlflow_xfer.tracking.front import VERDICT_TAG

if TYPE_CHECKING:
    import pandas as pd

    from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)

# on study and run: keys of the candidates, best first, written before any test split is read
CHOSEN = "xfer.chosen"


def confirm(command: Command, executor: Executor, study: optuna.Study, mirror: Mirror) -> Confirmation:
    """Choose, write the choice down, run it on fresh seeds and judge it."""
    params, space = command.params, command.space
    if not params.confirm_top:
        return Confirmation(why="confirm_top=0: nothing was confirmed, and selected scores are too good.")
    trials = finished_trials(study, space)
    chosen = choose(trials, params.confirm_top, space=space, unseen=True, tied=params.margin)
    if not chosen:
        return Confirmation(
            why="No trial with an intermediate task came to its end: there is nothing to confirm."
        )
    keys = [choice.candidate.key for choice in chosen]
    study.set_user_attr(CHOSEN, keys)
    executor.store.tags(mirror.parent, {CHOSEN: " | ".join(keys)})
    seeds = tuple(islice((n for n in count(max(params.seeds) + 1)), params.confirm_seeds))
    logger.info(
        "confirming %s and the baseline on the seeds %s",
        ", ".join(choice.candidate.label for choice in chosen),
        ", ".join(map(str, seeds)),
    )
    arms = run_arms(
        command, executor, mirror.parent, [space.neutral(()), *(choice.candidate for choice in chosen)], seeds
    )
    zero = estimated_baseline(trials, space=space)
    found = judged(command, executor, study, chosen, zero.estimate if zero else math.nan, arms, seeds)
    for one in found.winners:
        row = mirror.rows.get(one.candidate.key)
        if row:
            executor.store.metrics(row, winner_metrics(one))
    return registered(command, executor.store, found, arms, mirror.parent)


def run_arms(
    command: Command, executor: Executor, parent: str, candidates: Sequence[Candidate], seeds: tuple[int, ...]
) -> list[Arm]:
    """The conditions of the candidates (the baseline first) on these seeds, with all their replicates."""
    references, extra = References(lambda: executor.store, fetch=True), task_file_tasks(command.params)
    arms: list[Arm] = []
    for candidate in candidates:
        typed = command.confirmed(candidate, seeds)
        plan = plan_of(typed, references, extra, online=True)
        label = f"{candidate.label} confirmed"
        against = arms[0].condition if arms else None
        arms.append(Arm(candidate, typed, Condition(plan, label, against, take=True)))
    conditions = [arm.condition for arm in arms]
    crew = crew_of(command.params, executor.store.uri)
    executor.besides = {
        transfer.plan_hash: [phase for found in evaluated(command, arm, transfer).values() for phase in found]
        for arm in arms
        for transfer in arm.condition.plan.transfers
    }
    run_conditions(executor, conditions, crew, parent, shared=False)
    return arms


def judged(
    command: Command,
    executor: Executor,
    study: optuna.Study,
    chosen: Sequence[Choice],
    baseline: float,
    arms: Sequence[Arm],
    seeds: tuple[int, ...],
) -> Confirmation:
    """Differences on test and of what the search maximised, with verdicts corrected over the candidates."""
    store = executor.store
    margin, k = command.params.margin, len(chosen)
    test, dev = (check(frame) for frame in (test_frame(store, arms), dev_frame(command, executor, arms)))
    names = [arm.candidate.label for arm in arms]
    blocks = [cells(test, name) for name in names]
    contrasts = verdicts(blocks[1:], blocks[0], registered=names[1:], margin=margin)
    seen = differences(study, command)
    winners = [
        Winner(
            candidate=arm.candidate,
            selected=seen.get(arm.candidate.key, math.nan),
            estimate=choice.estimate - baseline,
            dev=contrast(cells(dev, arm.candidate.label), cells(dev, names[0])),
            test=widen(contrast(block, blocks[0]), k),
            contrast=one,
            score=float(store.get(arm.condition.run_id).metrics["selected/avg"]),
            run_id=arm.condition.run_id,
        )
        for arm, choice, block, one in zip(arms[1:], chosen, blocks[1:], contrasts, strict=True)
    ]
    by_seed = {
        arm.candidate.key: dev[dev["condition"] == arm.candidate.label].groupby("seed")["score"].mean()
        for arm in arms[1:]
    }
    fresh = {key: [float(score) for score in cast("pd.Series", means)] for key, means in by_seed.items()}
    named = winner(chosen, fresh, margin).candidate.key
    winners.sort(key=lambda one: (one.candidate.key != named, -one.test.estimate))
    return Confirmation(seeds, tuple(winners), arms[0].condition.run_id)


def observed_baseline(study: optuna.Study, command: Command) -> float:
    """The baseline's value of the first objective."""
    trial = History.of(study).taken.get(command.space.neutral(()).key)
    return trial.values[0] if trial is not None and trial.values else math.nan


def differences(study: optuna.Study, command: Command) -> dict[str, float]:
    """By candidate, the difference to the baseline of the first objective as the search saw it."""
    taken, baseline = History.of(study).taken, observed_baseline(study, command)
    return {
        key: trial.values[0] - baseline
        for key, trial in taken.items()
        if trial.values and BY_SEED in trial.user_attrs
    }


def registered(
    command: Command, store: Store, found: Confirmation, arms: Sequence[Arm], parent: str
) -> Confirmation:
    """Register the answer's checkpoints, with a card each: of each target the seed with the best English dev
    score.
    """
    from dataclasses import replace

    from mlflow_xfer.tracking.registering import register

    name = command.params.register
    if not name or not found.winners:
        return found
    best = found.winners[0]
    if best.contrast.verdict == WORSE or best.test.estimate <= 0:
        logger.warning(
            "register=%s: %s, which was chosen, does not score above the baseline; nothing is registered.",
            name,
            best.candidate.label,
        )
        return found
    arm = next(arm for arm in arms if arm.candidate.key == best.candidate.key)
    targets = [
        target for target, phases in arm.condition.plan.transfers[0].targets.items() if len(phases) > 1
    ]
    made = []
    for target in targets:
        scored = []
        for transfer, run_id in zip(arm.condition.plan.transfers, arm.condition.transfers, strict=True):
            phase = transfer.targets[target][-2]
            run = next(
                run
                for made_ in store.get(run_id).inputs
                if (run := store.get(made_)).tags.get("xfer.spec_hash") == phase.spec_hash
            )
            scored.append((measures.dev_score(phase, run.metrics), run.run_id, run_id))
        _, trained, transfer_run = max(scored)
        named = name if len(targets) == 1 else f"{name}-{target}"
        checkpoint, said = store.get(trained), sentence(best.contrast)
        evaluated = publishing.evaluations(store, checkpoint, store.get(transfer_run))
        folder = checkpoints.fetch(store, trained)
        card = publishing.card_of(store, checkpoint, evaluated, named, said, folder)
        store.text_artifact(parent, card.text(), f"models/{named}/{CARD}")
        store.dict_artifact(parent, card.scores(), f"models/{named}/{SCORES}")
        tags = {
            "xfer.search": command.study_name,
            "xfer.tasks": ",".join(best.candidate.tasks),
            "xfer.target": target,
            VERDICT_TAG: said,
        }
        made.append(register(store, trained, named, tags, card.description()))
    return replace(found, registered=tuple(made))
