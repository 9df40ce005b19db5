"""What studies say of scores whose truth is planted, by a generator that is no model behind the statistics.

    python benchmarks/planted.py [--draws 1000] [--out benchmarks/planted.md]

Scores are counts of right answers on test sets of different sizes, so they are bounded and lumpy; effects
act on logit scale, seed effects are t(4), languages differ in how noisy they are (threefold), and those of a
family move together. Each row simulates whole studies and puts them through the package's
``studies.contrasts``: how often something is found where nothing is, and how often what is there is found
beside the power that the study prints.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from mlflow_xfer.proportions import wilson
from mlflow_xfer.reporting.verdict import BETTER, EQUIVALENT, UNDECIDED
from mlflow_xfer.stats.blocks import Cells, unit_weights
from mlflow_xfer.stats.multiplicity import spending
from mlflow_xfer.studies.contrasts import Found, of_scores
from mlflow_xfer.studies.foresight import spread_power
from mlflow_xfer.studies.scores import Scores
from mlflow_xfer.studies.study import Arm, Contrast, Study

SEEDS = (3, 5, 6, 10)
CODES = ("de", "es", "sw", "tr", "eu", "vi", "id", "af", "ht")
FAMILY = (0, 0, 1, 2, 3, 4, 5, 0, 0)  # families in mini: Indo-European thrice over, the others alone
TARGETS = ("choice", "pos")
UNITS = tuple((target, code) for target in TARGETS for code in CODES)
SD = 3.0
"""What a contrast varies by between seeds, in points, roughly: what the study is told."""


@dataclass(frozen=True)
class World:
    """Standard deviations on logit scale, where 0.1 is about 2.3 points near 60."""

    seed: float = 0.07
    cell: float = 0.12
    language: float = 0.5
    family: float = 0.35
    level: float = 0.4
    tails: int = 4

    def scores(
        self,
        rng: np.random.Generator,
        seeds: int,
        effects: Mapping[str, Sequence[float]],
        spread: Mapping[str, float],
        own: float = 0.0,
    ) -> dict[str, Cells]:
        """Blocks by arm.

        Args:
            effects: of each arm its effect on each target.
            spread: of an arm, how far its languages are drawn apart; 1 where nothing is said.
            own: the share of what tells languages apart that each arm has for itself.
        """
        shape = (seeds, len(TARGETS), len(CODES))
        families = rng.normal(0, self.family, (len(TARGETS), max(FAMILY) + 1))[:, list(FAMILY)]
        language = families + rng.normal(0, self.language, (len(TARGETS), len(CODES)))
        noisy = np.exp(rng.uniform(np.log(1 / 3), np.log(3), len(CODES)) / 2)
        sizes = rng.integers(100, 400, (len(TARGETS), len(CODES)))
        shared = self._t(rng, (seeds, len(TARGETS), 1))  # common random numbers of all arms
        blocks = {}
        for name, effect in effects.items():
            apart = rng.normal(0, float(np.hypot(self.language, self.family)), language.shape)
            odds = (
                self.level
                + np.array(effect)[None, :, None]
                + ((1 - own) ** 0.5 * language + own**0.5 * apart) * spread.get(name, 1.0)
                + shared
                + self._t(rng, (seeds, len(TARGETS), 1))
                + rng.normal(0, self.cell, shape) * noisy
            )
            right = rng.binomial(sizes, special.expit(odds))
            values = (100 * right / sizes).reshape(1, seeds, len(UNITS))
            blocks[name] = Cells(name, values, unit_weights(UNITS), UNITS, (0,), tuple(range(seeds)))
        return blocks

    def _t(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        scale = self.seed / np.sqrt(self.tails / (self.tails - 2))
        return scale * rng.standard_t(self.tails, shape)

    def logits(self, points: float) -> float:
        """An effect in points as one on logit scale: what moves the mean of many languages so far."""
        rng = np.random.default_rng(1)
        where = self.level + rng.normal(0, np.hypot(self.language, self.family), 20_000)
        low, high = -2.0, 2.0
        for _ in range(40):
            middle = (low + high) / 2
            gained = 100 * float(np.mean(special.expit(where + middle) - special.expit(where)))
            low, high = (middle, high) if gained < points else (low, middle)
        return (low + high) / 2


def frame_of(blocks: Mapping[str, Cells]) -> pd.DataFrame:
    """Blocks as a table, for what reads tables."""
    rows = [
        (name, task, code, 0, seed, float(block.values[0, seed, place]), 250)
        for name, block in blocks.items()
        for seed in range(block.values.shape[1])
        for place, (task, code) in enumerate(block.units)
    ]
    columns = ["condition", "task", "language", "base_seed", "seed", "score", "n"]
    return pd.DataFrame(rows, columns=columns)


ARMS = ("none", "a", "b")
WEIGHTS = {"a": 1.0, "none": -1.0}
KINDS = {
    "effect": (Contrast("a", WEIGHTS, primary=True),),
    "difference of differences": (Contrast("a", WEIGHTS, targets=("choice",), less=("pos",), primary=True),),
    "two registered contrasts": (
        Contrast("a", WEIGHTS, primary=True),
        Contrast("b", {"b": 1.0, "none": -1.0}, primary=True),
    ),
    "spread": (Contrast("a", WEIGHTS, "spread", primary=True),),
}


def study(contrasts: tuple[Contrast, ...], margin: float) -> Study:
    arms = tuple(Arm(name, {}, "" if name == "none" else "none") for name in ARMS)
    return Study("planted", "What is there?", {}, arms, contrasts, margin=margin, sd=SD)


def drawn(
    rng: np.random.Generator,
    kind: str,
    seeds: int,
    *,
    points: float = 0.0,
    ratio: float = 1.0,
    margin: float = 2.0,
    level: float = 0.95,
) -> list[Found]:
    """What one simulated study finds."""
    world = World()
    one_target = kind == "difference of differences"
    effect = world.logits(points) if points else 0.0
    effects = {"none": (0, 0), "a": (effect, 0 if one_target else effect), "b": (0, 0)}
    blocks = world.scores(rng, seeds, effects, {"a": ratio}, own=0.2 if kind == "spread" else 0.0)
    asked = study(KINDS[kind], margin)
    empty = pd.DataFrame()
    scores = Scores(frame_of(blocks), dict(blocks)) if kind == "spread" else Scores(empty, dict(blocks))
    return of_scores(asked, scores, registered=True, level=level)


@dataclass(frozen=True)
class Rate:
    """How often, in how many draws, and what was printed beside it on average."""

    name: str
    seeds: int
    truth: str
    found: int
    draws: int
    printed: float = float("nan")

    @property
    def share(self) -> float:
        return 100 * self.found / self.draws


def false_positives(kind: str, seeds: int, draws: int, random: int = 0) -> Rate:
    """Studies in which nothing is there and some registered contrast says otherwise."""
    rng = np.random.default_rng([random, seeds])
    wrong = sum(
        any(one.verdict not in (UNDECIDED, EQUIVALENT) for one in drawn(rng, kind, seeds))
        for _ in range(draws)
    )
    return Rate(kind, seeds, "nothing", wrong, draws)


def false_over_looks(seeds: Sequence[int], draws: int, random: int = 0) -> Rate:
    """Studies in which nothing is there, looked at twice as seeds are added."""
    rng, wrong = np.random.default_rng([random, 99]), 0
    asked = study(KINDS["two registered contrasts"], 2.0)
    for _ in range(draws):
        blocks = World().scores(rng, max(seeds), dict.fromkeys(ARMS, (0, 0)), {})
        said = False
        for look, alpha in zip(seeds, spending(len(seeds)), strict=True):
            part = {
                name: replace(block, values=block.values[:, :look], seeds=tuple(range(look)))
                for name, block in blocks.items()
            }
            found = of_scores(asked, Scores(pd.DataFrame(), part), registered=True, level=1 - float(alpha))
            said |= any(one.verdict not in (UNDECIDED, EQUIVALENT) for one in found)
        wrong += said
    return Rate(f"two looks ({', '.join(map(str, seeds))} seeds)", max(seeds), "nothing", wrong, draws)


def power_at(kind: str, seeds: int, points: float, draws: int, random: int = 0) -> Rate:
    """How often an effect of the margin is found, and what power was printed for it."""
    rng = np.random.default_rng([random, seeds, 7])
    every = [drawn(rng, kind, seeds, points=points, margin=points)[0] for _ in range(draws)]
    hits = sum(one.p_corrected <= 0.05 and one.estimate.estimate > 0 for one in every)
    printed = 100 * float(np.nanmean([one.power for one in every]))
    return Rate(kind, seeds, f"{points:g} points", hits, draws, printed)


def power_of_ratio(seeds: int, ratio: float, draws: int, random: int = 0) -> Rate:
    """How often a ratio of spreads is found, and what power was printed for it."""
    rng = np.random.default_rng([random, seeds, 8])
    every = [drawn(rng, "spread", seeds, ratio=ratio)[0] for _ in range(draws)]
    hits = sum(one.p_corrected <= 0.05 and one.estimate.estimate < 1 for one in every)
    printed = 100 * spread_power(ratio, [len(CODES)] * len(TARGETS))
    return Rate("spread", seeds, f"ratio {ratio:g}", hits, draws, printed)


def verdicts(seeds: int, draws: int, random: int = 0) -> dict[str, dict[str, float]]:
    """What is said of help, null and harm of five points, with a margin of three: percent of draws."""
    said: dict[str, dict[str, float]] = {}
    for truth, points in (("help", 5.0), ("null", 0.0), ("harm", -5.0)):
        rng = np.random.default_rng([random, seeds, 9])
        found = [drawn(rng, "effect", seeds, points=points, margin=3.0)[0].verdict for _ in range(draws)]
        said[truth] = {
            name: 100 * found.count(name) / draws for name in (BETTER, EQUIVALENT, "worse", UNDECIDED)
        }
    return said


def bound(draws: int) -> float:
    """The most false positives, in percent, that chance makes of 5 %."""
    return 100 * float(stats.binom.ppf(0.999, draws, 0.05)) / draws


Job = tuple[Callable[..., Any], tuple[Any, ...]]


def jobs(draws: int) -> tuple[list[Job], list[Job], list[Job]]:
    """What is simulated: without an effect, with one, and what is said of three truths."""
    sums = [kind for kind in KINDS if kind != "spread"]
    nothing: list[Job] = [(false_positives, (kind, n, draws)) for kind in sums for n in SEEDS]
    nothing += [(false_positives, ("spread", n, draws)) for n in (SEEDS[0], SEEDS[-1])]
    nothing += [(false_over_looks, (looks, draws)) for looks in ((3, 6), (5, 10))]
    sizes = (("effect", 2.0), ("effect", 4.0), ("difference of differences", 4.0))
    there: list[Job] = [(power_at, (kind, n, points, draws)) for kind, points in sizes for n in SEEDS]
    there += [(power_of_ratio, (6, ratio, draws)) for ratio in (0.8, 0.6)]
    return nothing, there, [(verdicts, (n, draws)) for n in SEEDS]


def done(job: Job) -> Any:
    function, arguments = job
    return function(*arguments)


def page(draws: int, processes: int) -> str:
    parts = jobs(draws)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        results = iter(list(pool.map(done, [job for part in parts for job in part])))
    nothing, there, three = ([next(results) for _ in part] for part in parts)
    lines = [
        "# Planted truth",
        "",
        f"Written by `python benchmarks/planted.py --draws {draws}`: {draws:,} simulated studies a row. How",
        "they are made, and that this is not the model behind the statistics, stands in the program.",
        "",
        "## Nothing is there",
        "",
        f"At most 5 % may be found, or {bound(draws):.1f} % by chance (99.9 %).",
        "",
        "| contrast | seeds | found, % | 95 % interval | |",
        "|---|---:|---:|---|---|",
    ]
    for one in nothing:
        low, high = wilson(one.found, one.draws)
        ok = "yes" if one.share <= bound(draws) else "no"
        lines.append(f"| {one.name} | {one.seeds} | {one.share:.1f} | {low:.1f} to {high:.1f} | {ok} |")
    lines += [
        "",
        "## The margin is there",
        "",
        "Beside how often it is found: the power that the study prints for it (mean over the studies). More",
        "than 5 points above what is found is optimistic.",
        "",
        "| contrast | seeds | truth | found, % | printed, % | |",
        "|---|---:|---|---:|---:|---|",
    ]
    for one in there:
        gap = one.printed - one.share
        word = "optimistic" if gap > 5 else "cautious" if gap < -5 else "within 5 points"
        lines.append(
            f"| {one.name} | {one.seeds} | {one.truth} | {one.share:.1f} | {one.printed:.1f} | {word} |"
        )
    lines += [
        "",
        "## Help, null and harm",
        "",
        "Five points, none, and five less; a margin of three. Percent of studies.",
        "",
        "| seeds | truth | better | equivalent | worse | not enough power |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for n, truths in zip(SEEDS, three, strict=True):
        for truth, said in truths.items():
            lines.append(f"| {n} | {truth} | " + " | ".join(f"{value:.1f}" for value in said.values()) + " |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore[reportOptionalMemberAccess]
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("planted.md"))
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    options.out.write_text(page(options.draws, options.processes), "utf-8")


if __name__ == "__main__":
    main()
