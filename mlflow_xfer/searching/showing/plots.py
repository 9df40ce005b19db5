"""Optuna's plots of a search as one interactive page that loads nothing from elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import optuna
from optuna.trial import TrialState

from mlflow_xfer.searching.proposing.samplers import quiet

logger = logging.getLogger(__name__)


def page(study: optuna.Study, objectives: Sequence[str]) -> str:
    """The page; empty while fewer than two trials are complete.
    A plot that Optuna cannot draw yet is left out.
    """
    if sum(trial.state == TrialState.COMPLETE for trial in study.get_trials(deepcopy=False)) < 2:
        return ""
    parts = []
    for title, draw in _plots(study, objectives):
        try:
            with quiet():
                figure = draw()
        except Exception as error:  # importances of constant scores, and the like
            logger.debug("no plot %r: %s", title, error)
            continue
        figure.update_layout(title=title)
        parts.append(figure.to_html(full_html=False, include_plotlyjs=not parts))
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta '
        f'charset="utf-8"><title>{escape(study.study_name)}</title></head>\n<body>\n{body}\n</body></html>\n'
        if parts
        else ""
    )


def _plots(study: optuna.Study, objectives: Sequence[str]) -> list[tuple[str, Callable[[], Any]]]:
    from optuna import visualization as draw

    found: list[tuple[str, Callable[[], Any]]] = []
    several = len(objectives) > 1
    for i, name in enumerate(objectives):
        options: dict[str, Any] = {"target": lambda trial, i=i: trial.values[i], "target_name": name}
        found.append(
            (f"History of {name}", lambda options=options: draw.plot_optimization_history(study, **options))
        )
        judged: dict[str, Any] = options if several else {"target_name": name}
        found.append(
            (
                f"What matters for {name}",
                lambda judged=judged: draw.plot_param_importances(
                    study, evaluator=optuna.importance.PedAnovaImportanceEvaluator(), **judged
                ),
            )
        )
    if 2 <= len(objectives) <= 3:
        found.append(("Pareto front", lambda: draw.plot_pareto_front(study, target_names=list(objectives))))
    if not several:
        found.append(("Scores along the way", lambda: draw.plot_intermediate_values(study)))
        found.append(
            ("Subsets and settings", lambda: draw.plot_parallel_coordinate(study, target_name=objectives[0]))
        )
    return found
