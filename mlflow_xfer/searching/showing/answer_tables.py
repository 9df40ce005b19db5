"""The tables of a search's answer, for its page and for the end of the command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial, TrialState

from mlflow_xfer.reporting.columns import Table
from mlflow_xfer.reporting.verdict import BETTER, WORSE
from mlflow_xfer.searching.command import Command
from mlflow_xfer.searching.deciding.confirmation import Confirmation
from mlflow_xfer.searching.deciding.contributions import Contribution
from mlflow_xfer.searching.showing.tables import effects_of
from mlflow_xfer.searching.storage.history import History, candidate_of, why_ended

if TYPE_CHECKING:
    from mlflow_xfer.searching.space.space import Space

LEADERS = 10  # candidates and pairs shown


def tables_of(command: Command, study: optuna.Study, found: Confirmation) -> list[Table]:
    made = [
        confirmed_table(found),
        leaders(command, study),
        effects_table(effects_of(command, study)),
        unfinished(command, study),
    ]
    return [table for table in made if table is not None]


def confirmed_table(found: Confirmation) -> Table | None:
    if not found.winners:
        return None
    about = (
        "Differences to the baseline in points: as the search saw them (selected), denoised "
        "(estimated), and on fresh seeds (confirmed)."
    )
    if any(w.contrast.verdict in (BETTER, WORSE) and w.test.low < 0 < w.test.high for w in found.winners):
        about += (
            " Verdicts are Holm's, candidate after candidate: the last ones need less than joint intervals "
            "(Bonferroni's) ask of all, so a verdict can be firm where its interval still holds 0."
        )
    head = (
        "candidate",
        "selected, dev",
        "estimated, dev",
        "confirmed, dev",
        "confirmed, test",
        "joint 95 % interval",
        "verdict",
    )
    rows = [
        (
            w.candidate.label,
            *(w.selected, w.estimate, w.dev.estimate, w.test.estimate),
            (w.test.low, w.test.high),
            w.contrast.shown,
        )
        for w in found.winners
    ]
    return Table(about, head, rows, head[1:-1])


def leaders(command: Command, study: optuna.Study) -> Table | None:
    """The best candidates as the search saw them."""
    taken = [t for t in History.of(study).counted if t.state == TrialState.COMPLETE]
    if not taken:
        return None
    names = command.params.objective
    best = sorted(taken, key=lambda t: -t.values[0])[:LEADERS]
    about = (
        f"The best {len(best)} of {len(taken)} finished trials, by {names[0]} (selected scores are too "
        "good: see confirmed)."
    )
    rows = [(f"t{trial.number:03d}", _label(trial, command.space), *trial.values) for trial in best]
    return Table(about, ("trial", "candidate", *names), rows)


def unfinished(command: Command, study: optuna.Study) -> Table | None:
    """Why trials were stopped, or failed."""
    rows = [
        (f"t{trial.number:03d}", _label(trial, command.space), why_ended(trial.user_attrs))
        for trial in History.of(study).counted
        if trial.state in (TrialState.PRUNED, TrialState.FAIL)
    ]
    return Table("Trials without a score, and why.", ("trial", "candidate", "why"), rows) if rows else None


def _label(trial: FrozenTrial, space: Space) -> str:
    candidate = candidate_of(trial, space)
    assert candidate is not None, "a trial that has ended has its candidate"
    return candidate.label


def effects_table(found: Sequence[Contribution]) -> Table | None:
    """What each task and pair adds, on average over all subsets of the others."""
    if not found:
        return None
    about = (
        "What each task adds, on average over the subsets of the others (a Bayesian regression with "
        "pairs; what few subsets tell is shrunk to 0)."
    )
    pairs = sorted(
        (one for one in found if len(one.tasks) > 1 and one.identified), key=lambda one: -abs(one.estimate)
    )[:LEADERS]
    rows = [
        (
            one.label,
            one.estimate,
            (one.low, one.high),
            one.alone,
            "yes" if one.identified else "no",
        )
        for one in [*(one for one in found if len(one.tasks) == 1), *pairs]
    ]
    head = ("task or pair", "points", "95 % interval", "alone", "told by the scores")
    return Table(about, head, rows, head[1:4])
