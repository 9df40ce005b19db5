"""What the searches of ``search.py`` are replayed against: planted effects, and a measured grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

POOL = tuple("abcdefghi")


@dataclass(frozen=True)
class Truth:
    """Known scores of all subsets.

    Args:
        value: by subset: what the answer is scored on.
        dev: ``(tasks, rng) -> score`` of one seed, as the search sees it.
        test: ``(tasks, n, rng) -> [n]`` scores of fresh seeds.
        tokens: of one subset's trial, all targets, by subset: the intermediate once (shared), as a search
            trains it.
        naive: the same with an intermediate for each target.
        exhaustive: tokens of every subset on every seed there is.
    """

    value: dict[tuple[str, ...], float]
    dev: Callable[[tuple[str, ...], np.random.Generator], float]
    test: Callable[[tuple[str, ...], int, np.random.Generator], np.ndarray]
    tokens: dict[tuple[str, ...], float]
    naive: dict[tuple[str, ...], float]
    exhaustive: float

    @property
    def pool(self) -> tuple[str, ...]:
        return tuple(sorted({task for tasks in self.value for task in tasks}))


def subsets(pool: tuple[str, ...] = POOL) -> list[tuple[str, ...]]:
    return [chosen for size in range(len(pool) + 1) for chosen in combinations(pool, size)]


def noisy(value: Callable[[set[str]], float], sd: float) -> Truth:
    """A truth with normal seed noise, the same on dev and on test."""
    known = {tasks: 60.0 + value(set(tasks)) for tasks in subsets()}
    return Truth(
        known,
        lambda tasks, rng: known[tasks] + rng.normal(0, sd),
        lambda tasks, n, rng: known[tasks] + rng.normal(0, sd, n),
        dict.fromkeys(known, 1.0),
        dict.fromkeys(known, 1.0),
        float(len(known)),
    )


def planted(rng: np.random.Generator) -> Callable[[set[str]], float]:
    help_, twin, other, harm, first, second = (POOL[i] for i in rng.permutation(len(POOL))[:6])
    return lambda s: (
        2.0 * bool({help_, twin} & s) + 2.0 * (other in s) - 3.0 * (harm in s) + 4.0 * ({first, second} <= s)
    )


def sparse(rng: np.random.Generator) -> Callable[[set[str]], float]:
    """Two to five tasks help (or, one in three, harm) by 1-4; up to three pairs by 1-4 either way."""
    single = {
        POOL[i]: rng.uniform(1, 4) * rng.choice([1, -1], p=[0.65, 0.35])
        for i in rng.permutation(len(POOL))[: rng.integers(2, 6)]
    }
    pairs = [
        (set(rng.choice(POOL, 2, replace=False)), rng.uniform(1, 4) * rng.choice([1, -1]))
        for _ in range(rng.integers(0, 4))
    ]
    return lambda s: sum(single.get(t, 0.0) for t in s) + sum(e for p, e in pairs if p <= s)


def dense(rng: np.random.Generator) -> Callable[[set[str]], float]:
    """Every task and every pair has a small effect."""
    single = dict(zip(POOL, rng.normal(0.3, 1.5, len(POOL)), strict=True))
    pairs = {p: rng.normal(0, 0.5) for p in combinations(POOL, 2)}
    return lambda s: sum(single[t] for t in s) + sum(pairs[p] for p in combinations(sorted(s), 2))


def diluted(rng: np.random.Generator) -> Callable[[set[str]], float]:
    """Equal total steps: a task's effect shrinks with its share of the steps (square root)."""
    single = dict(zip(POOL, rng.choice([0, 0, 2, 3, 5, -3, -5], len(POOL)), strict=True))
    return lambda s: sum(single[t] for t in s) / len(s) ** 0.5 if s else 0.0


def saturating(rng: np.random.Generator) -> Callable[[set[str]], float]:
    """Three skills, each taught by two tasks; a skill is learnt once, and each further one is worth less."""
    tasks = [POOL[i] for i in rng.permutation(len(POOL))]
    skills, harm, worth = (
        [set(tasks[0:2]), set(tasks[2:4]), set(tasks[4:6])],
        tasks[6],
        np.sort(rng.uniform(1, 4, 3))[::-1],
    )
    return lambda s: float(sum(worth[: sum(bool(k & s) for k in skills)])) - 2.5 * (harm in s)


def triple(rng: np.random.Generator) -> Callable[[set[str]], float]:
    """What no pairwise model holds: three tasks give +5 only together; one +2, one -2."""
    a, b, c, d, e = (POOL[i] for i in rng.permutation(len(POOL))[:5])
    return lambda s: 5.0 * ({a, b, c} <= s) + 2.0 * (d in s) - 2.0 * (e in s)


def nothing(rng: np.random.Generator) -> Callable[[set[str]], float]:
    """No task does anything but two that harm: the baseline is as good as any."""
    harm = {POOL[i] for i in rng.permutation(len(POOL))[:2]}
    return lambda s: -2.0 * len(harm & s)


FAMILIES = {
    "sparse": sparse,
    "dense": dense,
    "diluted": diluted,
    "saturating": saturating,
    "triple": triple,
    "nothing": nothing,
}
TUNED = ("sparse", "dense")


def from_table(
    path: Path, targets: str = "", shrunk: bool = False, looks: int = 1
) -> Callable[[np.random.Generator], Truth]:
    """The measured grid. A search sees the dev scores of ``looks`` seeds, drawn for each repetition;
    fresh test scores = truth + a residual drawn from all subsets'.

    What a seed adds to every subset alike is taken out of test scores, as paired differences do.

    Args:
        shrunk: the truth is not the mean of the seeds but what is left of it without noise
            (:func:`without_noise`); needs every subset.
    """
    table = pd.read_csv(path, keep_default_na=False)
    score = {
        "dev": next(c for c in ("dev", "score", "english_dev") if c in table),
        "test": next(c for c in ("test", "test_score") if c in table),
    }
    if targets:
        table = table[table["target"].isin(targets.split(","))]
    table["key"] = [
        tuple(sorted(t for t in str(s).replace(",", "+").split("+") if t and t not in ("none", "baseline")))
        for s in table["subset"]
    ]
    for column in ("tokens_intermediate", "tokens_target"):
        table[column] = table[column].astype(float) if column in table else 0.5
    cells = table.groupby(["key", "seed"]).agg(
        dev=(score["dev"], "mean"),
        test=(score["test"], "mean"),
        n=("target", "nunique"),
        once=("tokens_intermediate", "max"),
        each=("tokens_intermediate", "sum"),
        targets=("tokens_target", "sum"),
    )
    cells = cells[cells["n"] == table["target"].nunique()].reset_index()
    seeds = cells["seed"].nunique()
    if seeds < 2:
        raise SystemExit(
            f"{path} has one seed only: what seeds differ by cannot be told from it. Train a second one "
            f"with benchmarks/grid.py."
        )
    cells = cells[cells.groupby("key")["seed"].transform("size") == seeds].sort_values("seed")
    cells["test"] -= cells.groupby("seed")["test"].transform("mean") - cells["test"].mean()
    groups = dict(iter(cells.groupby("key")))
    value = {key: float(rows["test"].mean()) for key, rows in groups.items()}
    residuals = np.concatenate([rows["test"] - value[key] for key, rows in groups.items()]) * np.sqrt(
        seeds / max(seeds - 1, 1)
    )
    if shrunk:
        value = without_noise({key: rows["test"].to_numpy() for key, rows in groups.items()})
    dev = {key: rows["dev"].to_numpy() for key, rows in groups.items()}
    once, each = (
        {key: looks * float((rows[of] + rows["targets"]).mean()) for key, rows in groups.items()}
        for of in ("once", "each")
    )

    def drawn(rng: np.random.Generator) -> Truth:
        seen = rng.choice(seeds, looks, replace=False)
        return Truth(
            value,
            lambda tasks, rng: float(dev[tasks][seen].mean()),
            lambda tasks, n, rng: value[tasks] + rng.choice(residuals, n),
            once,
            each,
            sum(once.values()) * seeds / looks,
        )

    return drawn


def without_noise(scores: dict[tuple[str, ...], np.ndarray]) -> dict[tuple[str, ...], float]:
    """Scores of all subsets (``[seeds]`` each) as sums of effects,
    each shrunk by what seeds differ by in effects of its order.

    The effects are the orthogonal contrasts of a 2^n factorial (main effects, pairs, triples ...); the
    shrinkage is the empirical Bayes (James-Stein) factor signal / (signal + noise) of each order. The best of
    512 noisy means is too good by several points, and so is any regret against it.
    """
    keys = list(scores)
    if len(keys) != 2 ** len({task for key in keys for task in key}):
        raise SystemExit("Noise can only be told from effects where every subset is trained on every seed.")
    signs = np.array([[(-1.0) ** len({*effect} & {*key}) for key in keys] for effect in keys])
    effects = signs @ np.array([scores[key] for key in keys]) / len(keys)
    mean, noise, order = (
        effects.mean(axis=1),
        effects.var(axis=1, ddof=1) / effects.shape[1],
        np.array([len(key) for key in keys]),
    )
    for n in range(1, order.max() + 1):
        total, own = (mean[order == n] ** 2).mean(), noise[order == n].mean()
        mean[order == n] *= max(0.0, 1 - own / total) if total else 0.0
    return dict(zip(keys, map(float, signs.T @ mean), strict=True))
