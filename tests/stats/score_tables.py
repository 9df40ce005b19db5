"""Simulated score tables for the tests of statistics and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

TASKS = ("xnli", "udpos")
LANGUAGES = ("en", "de", "fr", "ru", "zh", "ar", "sw", "hi")


def table(
    effects: Mapping[str, float],
    *,
    seeds: int | Mapping[str, int] = 5,
    bases: int = 1,
    tasks: Sequence[str] = TASKS,
    languages: Sequence[str] = LANGUAGES,
    seed_sd: float = 1.0,
    cell_sd: float = 0.5,
    slope: Mapping[str, float] | None = None,
    random: int = 0,
    **constant: object,
) -> pd.DataFrame:
    """Tidy scores: level per task and language + effect of the condition + effect of each (condition,
    seed) + noise.
    """
    rng = np.random.default_rng(random)
    level = rng.normal(65, 6, (len(tasks), len(languages)))
    rows = []
    for condition, effect in effects.items():
        count = seeds if isinstance(seeds, int) else seeds[condition]
        for base in range(bases):
            for seed in range(1, count + 1):
                shift = effect + rng.normal(0, seed_sd)
                for t, task in enumerate(tasks):
                    for c, language in enumerate(languages):
                        score = (
                            level[t, c]
                            + shift
                            + (slope or {}).get(language, 0.0) * (effect != 0)
                            + rng.normal(0, cell_sd)
                        )
                        rows.append(
                            (condition, task, language, base, seed, float(np.clip(score, 0, 100)), 1000)
                        )
    frame = pd.DataFrame(rows, columns=["condition", "task", "language", "base_seed", "seed", "score", "n"])
    return frame.assign(**constant)
