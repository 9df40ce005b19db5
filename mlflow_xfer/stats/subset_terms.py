"""The columns of the linear model over subsets of tasks: tasks, pairs, and the company that a task is in."""

from __future__ import annotations

from itertools import combinations

import numpy as np


def terms(tasks: int) -> list[tuple[int, ...]]:
    """Columns of the design after the mean: single tasks, then pairs."""
    return [*((i,) for i in range(tasks)), *combinations(range(tasks), 2)]


def design(tasks: np.ndarray, settings: np.ndarray) -> np.ndarray:
    """[candidates, columns]: the mean, tasks, pairs, company of each task, company of all, settings."""
    x = np.asarray(tasks, float)
    first, second = np.triu_indices(x.shape[1], 1)
    others = np.maximum(x.sum(1, keepdims=True) - 1, 0)
    return np.hstack(
        [
            np.ones((len(x), 1)),
            x,
            x[:, first] * x[:, second],
            x * others,
            x.sum(1, keepdims=True) * others / 2,
            settings,
        ]
    )


def directions(tasks: int, columns: int) -> np.ndarray:
    """[terms, columns] for :meth:`Posterior.combine`:
    each task's mean effect over all subsets of the others, each pair's own effect.
    """
    matrix = np.zeros((tasks + tasks * (tasks - 1) // 2, columns))
    pairs = list(combinations(range(tasks), 2))
    company = 1 + tasks + len(pairs)  # first of the columns on company
    others = (tasks - 1) / 2  # mean number of others in a random subset
    for i in range(tasks):
        matrix[i, 1 + i] = 1.0
        matrix[i, company + i] = others  # its own effect in that company
        matrix[i, [company + j for j in range(tasks) if j != i]] = (
            0.5  # one more task for each other that is there
        )
        matrix[i, company + tasks] = others
    for row, (i, j) in enumerate(pairs, tasks):
        matrix[row, 1 + row] = 1.0
        matrix[[i, j], 1 + row] = 0.5
        matrix[row, [company + i, company + j]] = 1.0
        matrix[row, company + tasks] = 1.0
    return matrix


def inflation(tasks: np.ndarray) -> np.ndarray:
    """Variance inflation of each task by the other tasks, and of each pair by the tasks;
    infinite where it is their combination.
    """
    x = np.asarray(tasks, float)
    first, second = np.triu_indices(x.shape[1], 1)
    pairs = x[:, first] * x[:, second]
    return np.array(
        [_inflation(np.delete(x, i, 1), x[:, i]) for i in range(x.shape[1])]
        + [_inflation(x, pairs[:, i]) for i in range(pairs.shape[1])]
    )


def _inflation(others: np.ndarray, column: np.ndarray) -> float:
    total = float(((column - column.mean()) ** 2).sum())
    design = np.column_stack([np.ones(len(others)), others])
    rest = float(((column - design @ np.linalg.lstsq(design, column, rcond=None)[0]) ** 2).sum())
    return total / rest if rest > 1e-9 * total and total > 0 else np.inf
