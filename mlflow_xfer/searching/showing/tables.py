"""What a search found, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna

from mlflow_xfer.searching.command import Command
from mlflow_xfer.searching.deciding.confirmation import Confirmation, Winner
from mlflow_xfer.searching.deciding.contributions import Contribution, contributions
from mlflow_xfer.searching.storage.history import (
    COST,
    DUPLICATE_OF,
    PRUNED_AT,
    SAVED,
    History,
    candidate_of,
    finished_trials,
)

if TYPE_CHECKING:
    import pandas as pd


def tables(command: Command, study: optuna.Study, found: Confirmation) -> dict[str, pd.DataFrame]:
    """Tables by name: every trial, the confirmed candidates, the contribution of each task."""
    import pandas as pd

    history = History.of(study)
    rows = []
    for trial in history.live:
        candidate = candidate_of(trial, command.space)
        if candidate is not None and trial.state.is_finished():
            attrs = trial.user_attrs
            values = dict(
                zip(
                    command.params.objective,
                    trial.values or [None] * len(command.params.objective),
                    strict=True,
                )
            )
            rows.append(
                {
                    "trial": trial.number,
                    "candidate": candidate.label,
                    "tasks": ",".join(candidate.tasks),
                    "state": trial.state.name.lower(),
                    "duplicate_of": attrs.get(DUPLICATE_OF),
                    "pruned_at": str(attrs.get(PRUNED_AT, "")),
                    **values,
                    **{f"cost_{k}": v for k, v in attrs.get(COST, {}).items()},
                    **{f"saved_{k}": v for k, v in attrs.get(SAVED, {}).items()},
                }
            )
    made = {"trials": pd.DataFrame(rows)}
    if found.winners:
        made["confirmed"] = pd.DataFrame([_winner_row(winner) for winner in found.winners])
    effects = effects_of(command, study)
    if effects:
        made["contributions"] = pd.DataFrame(
            [
                {
                    "term": one.label,
                    "points": one.estimate,
                    "low": one.low,
                    "high": one.high,
                    "alone": one.alone,
                    "identified": one.identified,
                    "vif": one.vif,
                    "candidates": one.n,
                }
                for one in effects
            ]
        )
    return made


def _winner_row(winner: Winner) -> dict[str, Any]:
    return {
        "candidate": winner.candidate.label,
        "selected_dev": winner.selected,
        "estimated_dev": winner.estimate,
        "confirmed_dev": winner.dev.estimate,
        "confirmed_test": winner.test.estimate,
        "low": winner.test.low,
        "high": winner.test.high,
        "verdict": winner.contrast.shown,
        "p": winner.contrast.p_corrected,
        "score": winner.score,
        "run_id": winner.run_id,
    }


def effects_of(command: Command, study: optuna.Study) -> list[Contribution]:
    """What each task and pair contributes to the first objective."""
    return contributions(finished_trials(study, command.space), space=command.space)
