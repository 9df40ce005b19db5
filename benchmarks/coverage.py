"""How often the intervals contain the truth, and how often the tests cry wolf: simulated, with few seeds.

    python benchmarks/coverage.py [--draws 4000] [--out benchmarks/coverage.md]

Model of a score difference: base checkpoint + seed + language + seed x language + examples, in points. Every
method is called through the same array functions that the package calls for one table. Minutes on one core;
numbers are percentages of ``draws`` tables, standard error at 95 %: 0.34 points for 4,000.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from mlflow_xfer.proportions import wilson
from mlflow_xfer.stats import (
    bootstrap,
    contribution,
    crossed,
    dispersion,
    interaction,
    means,
    multiplicity,
    permutation,
    power,
)
from mlflow_xfer.stats.crossed import BASE, LANGUAGE, SEED

SEEDS, LANGUAGES = (3, 5, 10), (5, 10, 40)


@dataclass(frozen=True)
class Model:
    """Standard deviations in points; ``tails``:
    0 = normal, else degrees of freedom of Student's t (scaled to the same sd).
    """

    name: str
    base: float = 1.5
    seed: float = 3.0
    language: float = 2.0
    mixed: float = 1.0  # seed x language, base x language, base x seed
    examples: tuple[int, int] = (1000, 1000)  # per language, log-uniform between the two
    tails: int = 0

    def effect(self, rng: np.random.Generator, sd: float, shape: tuple[int, ...]) -> np.ndarray:
        if not self.tails:
            return sd * rng.standard_normal(shape)
        return sd * rng.standard_t(self.tails, shape) / np.sqrt(self.tails / (self.tails - 2))

    def sizes(self, rng: np.random.Generator, languages: int) -> np.ndarray:
        low, high = np.log(self.examples)
        return np.exp(rng.uniform(low, high, languages))

    def tables(
        self, rng: np.random.Generator, draws: int, bases: int, seeds: int, languages: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """``(x[draw, base, seed, language], language effects)`` around 0,
        with the test noise of an accuracy near 70.
        """
        draw = lambda sd, *shape: self.effect(rng, sd, (draws, *shape))  # noqa: E731
        language = draw(self.language, 1, 1, languages)
        base = (
            draw(self.base, bases, 1, 1)
            + draw(self.mixed, bases, seeds, 1)
            + draw(self.mixed, bases, 1, languages)
            if bases > 1
            else 0.0
        )
        x = base + draw(self.seed, 1, seeds, 1) + language + draw(self.mixed, bases, seeds, languages)
        noise = 100 * np.sqrt(2 * 0.7 * 0.3 / self.sizes(rng, languages))  # of a difference of two accuracies
        return x + noise * rng.standard_normal(x.shape), language


MODELS = (
    Model("normal"),
    Model("heavy tails, t(3)", tails=3),
    Model("heavy tails, t(5)", tails=5),
    Model("100-5000 examples", examples=(100, 5000)),
    Model("seed .5, language 4", seed=0.5, language=4.0),
    Model("seed 1, language 1, mixed 2", base=0.5, seed=1.0, language=1.0, mixed=2.0),
    Model("noise only", base=0.0, seed=0.0, language=0.0, mixed=0.0),
)


@dataclass(frozen=True)
class Cell:
    """Percentages: tables whose interval holds the truth; that reject a true null; that find the effect."""

    coverage: float
    false: float
    power: float


def judge(found: crossed.Dispersion, truth: np.ndarray | float, effect: float) -> Cell:
    """Coverage, false positives and power (for an ``effect`` in points) of a spread's interval and test."""
    half = found.quantile(0.05) * np.sqrt(found.variance)
    away = np.abs(found.mean - truth)
    null = found.p_value(away) <= 0.05
    return Cell(
        100 * (away <= half).mean(),
        100 * null.mean(),
        100 * (found.p_value(found.mean - truth + effect) <= 0.05).mean(),
    )


Method = Callable[[np.random.Generator, Model, int, int, int], Cell]


def these(rng, model, draws, seeds, languages) -> Cell:
    x, language = model.tables(rng, draws, 1, seeds, languages)
    return judge(crossed.spread(x, (SEED,)), language.mean((1, 2, 3)), 2.0)


def like_these(rng, model, draws, seeds, languages) -> Cell:
    x, _ = model.tables(rng, draws, 1, seeds, languages)
    return judge(crossed.spread(x, (SEED, LANGUAGE)), 0.0, 2.0)


def unpaired(rng, model, draws, seeds, languages) -> Cell:
    first, language = model.tables(rng, draws, 1, seeds, languages)
    second, other = model.tables(rng, draws, 1, 2 * seeds, languages)
    found = crossed.welch(crossed.spread(first, (SEED,)), crossed.spread(second, (SEED,)))
    return judge(found, (language - other).mean((1, 2, 3)), 2.0)


def bases_these(rng, model, draws, seeds, languages) -> Cell:
    x, language = model.tables(rng, draws, 3, seeds, languages)
    return judge(crossed.spread(x, (BASE, SEED)), language.mean((1, 2, 3)), 2.0)


def bases_like_these(rng, model, draws, seeds, languages) -> Cell:
    x, _ = model.tables(rng, draws, 3, seeds, languages)
    return judge(crossed.spread(x, (BASE, SEED, LANGUAGE)), 0.0, 2.0)


def families(rng, model, draws, seeds, languages) -> Cell:
    """A third of the languages in one family, the rest in families of one or two;
    half of the language effect is the family's.
    """
    sizes = [max(1, languages // 3)]
    while sum(sizes) < languages:
        sizes.append(min(1 + len(sizes) % 2, languages - sum(sizes)))
    of = np.repeat(np.arange(len(sizes)), sizes)
    x, _ = model.tables(rng, draws, 1, seeds, languages)
    x = x + model.effect(rng, model.language, (draws, 1, 1, len(sizes)))[..., of]
    onto = np.eye(len(sizes))[of]
    weights = np.array(sizes) / languages
    return judge(crossed.spread(x @ onto / np.array(sizes), (SEED, LANGUAGE), weights), 0.0, 2.0)


def slope(rng, model, draws, seeds, languages) -> Cell:
    x, _ = model.tables(rng, draws, 1, seeds, languages)
    covariate = rng.standard_normal(languages)
    covariate = (covariate - covariate.mean()) / covariate.std(ddof=1)
    x = x + model.effect(rng, 0.5, (draws, 1, seeds, 1)) * covariate  # every seed has its own slope
    return judge(interaction.slope_spread(x, covariate[:, None], True), 0.0, 1.0)


def slope_these(rng, model, draws, seeds, languages) -> Cell:
    x, language = model.tables(rng, draws, 1, seeds, languages)
    covariate = rng.standard_normal(languages)
    covariate = (covariate - covariate.mean()) / covariate.std(ddof=1)
    x = x + model.effect(rng, 0.5, (draws, 1, seeds, 1)) * covariate
    truth = (language * covariate).sum((1, 2, 3)) / (covariate**2).sum()
    return judge(interaction.slope_spread(x, covariate[:, None], False), truth, 1.0)


def tau_arms(
    rng, model, draws, seeds, languages, ratio: float
) -> tuple[dispersion.Levels, dispersion.Levels]:
    """Two arms on logit scale: spread .4 and .4 / ratio,
    correlated languages, one at 60 and one at 80 %, binomial tests.
    """
    n = np.round(model.sizes(rng, languages)).astype(int)
    shared = model.effect(rng, 1.0, (draws, 1, languages))
    arms = []
    for centre, tau in ((0.8, 0.4), (0.6, 0.4 / ratio)):
        own = model.effect(rng, 1.0, (draws, 1, languages))
        language = tau * (np.sqrt(0.7) * shared + np.sqrt(0.3) * own)
        scale = 0.05  # one point near 70 % is about .05 on logit scale
        seed = model.effect(rng, scale * model.seed, (draws, seeds, 1)) + model.effect(
            rng, scale * model.mixed, (draws, seeds, languages)
        )
        share = special.expit(np.log(centre / (1 - centre)) + language + seed)
        arms.append(dispersion.levels(100 * rng.binomial(n, share) / n, n.astype(float)))
    return arms[0], arms[1]


def tau_ratio(rng, model, draws, seeds, languages) -> Cell:
    """Interval of the ratio by the jackknife;
    false positives and power (true ratio .5) of the swap test, on fewer tables.
    """
    first, second = tau_arms(rng, model, draws, seeds, languages, 1.0)
    ratio, se = dispersion.jackknife(first, second)
    covered = np.abs(ratio) <= se * special.stdtrit(languages - 1, 0.975)
    rejected = []
    for true in (1.0, 0.5):
        a, b = (first, second) if true == 1.0 else tau_arms(rng, model, draws, seeds, languages, true)
        tables = range(draws if true == 1.0 else draws // 4)
        p = [dispersion.swap_p([_one(a, i)], [_one(b, i)], random=400, seed=i) for i in tables]
        rejected.append(100 * (np.array(p) <= 0.05).mean())
    return Cell(100 * covered.mean(), *rejected)


def _one(arm: dispersion.Levels, i: int) -> dispersion.Levels:
    return dispersion.Levels(arm.level[i], arm.noise[i])


METHODS: dict[str, tuple[str, Method]] = {
    "Difference, these languages": ("paired t on per-seed means; power for 2 points", these),
    "Difference, languages like these": ("crossed seed x language ANOVA; power for 2 points", like_these),
    "Unpaired difference, these languages": (
        "Welch, twice as many seeds in the second arm; power for 2 points",
        unpaired,
    ),
    "Difference over 3 base checkpoints, these languages": (
        "crossed base x seed; power for 2 points",
        bases_these,
    ),
    "Difference over 3 base checkpoints, languages like these": (
        "crossed base x seed x language; power for 2 points",
        bases_like_these,
    ),
    "Difference by family": ("crossed seed x family, one family holds a third; power for 2 points", families),
    "Slope on a covariate, languages like these": ("points per sd; power for 1 point per sd", slope),
    "Slope on a covariate, these languages": ("per-seed slopes; power for 1 point per sd", slope_these),
    "Ratio of tau": (
        "interval: jackknife; test: swaps within languages; power for a true ratio of .5",
        tau_ratio,
    ),
}


def tables(
    draws: int, only: str = "", quiet: bool = False
) -> Iterator[tuple[str, str, dict[tuple[str, int, int], Cell]]]:
    """``(method, what it is, cells by (model, seeds, languages))``."""
    for k, (name, (what, method)) in enumerate(METHODS.items()):
        if only and only.lower() not in name.lower():
            continue
        found = {}
        for model in MODELS:
            for seeds in SEEDS:
                for languages in LANGUAGES:
                    rng = np.random.default_rng([k, seeds, languages, MODELS.index(model)])
                    found[model.name, seeds, languages] = method(rng, model, draws, seeds, languages)
        if not quiet:
            print(f"{name}: done", flush=True)
        yield name, what, found


def single_tests(draws: int) -> list[tuple[str, float, str]]:
    """Tests that do not cross factors: (what, percentage, what it should be)."""
    rng = np.random.default_rng(1)
    rows = []
    for n in (30, 100, 1000):
        p = rng.uniform(0.02, 0.98, draws)
        low, high = np.array([wilson(k, n) for k in rng.binomial(n, p)]).T
        rows.append(
            (f"Wilson interval, n = {n}", 100 * ((low <= 100 * p) & (100 * p <= high)).mean(), "93-97")
        )
    for seeds in (6, 10):
        for name, noise in (
            ("normal", rng.standard_normal((draws, seeds))),
            ("t(3)", rng.standard_t(3, (draws, seeds))),
        ):
            p = np.array([permutation.sign_flip(row) for row in noise])
            rows.append(
                (f"Sign-flip test, {seeds} seeds, {name}: false positives", 100 * (p <= 0.05).mean(), "<= 5")
            )
    for seeds in (3, 5, 10):
        x = 1.0 + rng.standard_normal((draws, 1, seeds, 1))  # the truth lies at the margin
        hit = [
            power.equivalence(means.estimate(crossed.spread(row, (SEED,)), 0.95), 1.0) <= 0.05 for row in x
        ]
        rows.append(
            (f"Equivalence, {seeds} seeds, truth at the margin: false positives", 100 * np.mean(hit), "<= 5")
        )
    for name, noise in (
        ("normal", rng.standard_normal((draws, 30))),
        ("t(5)", rng.standard_t(5, (draws, 30))),
    ):
        alarms = (multiplicity.e_process(noise) >= 20).any(-1)
        rows.append((f"e-process, 30 looks, {name}: false alarms at any look", 100 * alarms.mean(), "<= 5"))
    for tasks in (3, 5, 9):
        errors = np.exp(rng.uniform(np.log(0.05), np.log(0.3), (draws, tasks)))
        y = 0.15 * rng.standard_normal((draws, tasks)) + errors * rng.standard_normal((draws, tasks))
        found = [dispersion.random_effects(a, b) for a, b in zip(y, errors, strict=True)]
        rows.append(
            (
                f"Random-effects mean over {tasks} tasks",
                100 * np.mean([f.low <= 0 <= f.high for f in found]),
                "93-97",
            )
        )
    return rows


def resampling(draws: int) -> list[tuple[str, float, str]]:
    """Bootstraps given the models, and contributions of tasks."""
    rng = np.random.default_rng(2)
    rows = []
    for name, tails in (("normal", 0), ("t(3)", 3)):
        model = Model(name, tails=tails)
        for languages in LANGUAGES:
            means = model.effect(rng, 2.0, (draws, languages)) + 2.0 * rng.standard_normal((draws, languages))
            picks = rng.multinomial(languages, np.full(languages, 1 / languages), size=1000) / languages
            factor = bootstrap.widening(languages, 0.95)
            bounds = np.array([bootstrap.widened(m.mean(), picks @ m, factor, 0.95) for m in means])
            rows.append(
                (
                    f"Bootstrap over {languages} languages given models, {name}",
                    100 * ((bounds[:, 0] <= 0) & (bounds[:, 1] >= 0)).mean(),
                    "93-97",
                )
            )
    index = pd.MultiIndex.from_product([range(5), range(200)], names=["language", "example"]).to_frame(
        index=False
    )
    covered = []
    for _ in range(draws // 2):
        gap = index.assign(gap=100.0 * ((rng.random(1000) < 0.75).astype(float) - (rng.random(1000) < 0.70)))
        low, high = bootstrap.widened(
            gap["gap"].mean(), bootstrap.task_draws(gap, None, 1000, rng), 1.0, 0.95
        )
        covered.append(low <= 5.0 <= high)
    rows.append(
        (
            f"Bootstrap over examples given models, 5 languages x 200 ({draws // 2} tables)",
            100 * np.mean(covered),
            "93-97",
        )
    )
    hit = []
    for _ in range(draws // 2):
        gains = {"a": 4 + 2 * rng.standard_normal(12), "b": -1 + 2 * rng.standard_normal(12)}
        steps = [
            (o, i, t, s)
            for o in range(12)
            for i, (t, s) in enumerate(
                (("", 0.0), ("a", gains["a"][o]), ("b", gains["a"][o] + gains["b"][o]))
            )
        ]
        value = (
            contribution.shapley(pd.DataFrame(steps, columns=["order", "position", "task", "score"]))
            .set_index("task")
            .loc["a"]
        )
        hit.append(value["low"] <= 4 <= value["high"])
    rows.append((f"Shapley value from 12 orders ({draws // 2} tables)", 100 * np.mean(hit), "93-97"))
    return rows


def in_band(cell: Cell, draws: int) -> bool:
    """Coverage 93-97 % and false positives at most 5 % + 2 standard errors."""
    return 93 <= cell.coverage <= 97 and cell.false <= 5 + 200 * np.sqrt(0.05 * 0.95 / draws)


def markdown(draws: int, only: str = "") -> str:
    """All results as one markdown page."""
    limit = 5 + 200 * np.sqrt(0.05 * 0.95 / draws)
    lines = [
        "# Coverage", "",
        f"Made by `python benchmarks/coverage.py --draws {draws}`. {draws} simulated tables per cell; a cell "
        "reads `coverage / false positives / power`, "
        f"in %; aim: coverage 93-97, false positives at most {limit:.1f} (5 + 2 standard errors). `~` marks "
        "coverage above 97 (the interval is wider than need be), "
        "`!` marks coverage below 93 or too many false positives. Models differ in standard deviations "
        "(points): "
        "seed 3, language 2, seed x language 1, base 1.5, 1,000 examples where nothing else is said.", "",
    ]  # fmt: skip
    held = total = wide = 0
    for name, what, found in tables(draws, only):
        lines += [f"## {name}", "", f"{what[0].upper()}{what[1:]}.", ""]
        lines += [
            "| model | " + " | ".join(f"{s} x {n}" for s in SEEDS for n in LANGUAGES) + " |",
            "|---" * 10 + "|",
        ]
        for model in MODELS:
            row = []
            for s in SEEDS:
                for n in LANGUAGES:
                    cell = found[model.name, s, n]
                    low = cell.coverage < 93 or cell.false > limit
                    mark = " !" if low else " ~" if cell.coverage > 97 else ""
                    row.append(f"{cell.coverage:.1f} / {cell.false:.1f} / {cell.power:.0f}{mark}")
                    held, wide, total = (
                        held + in_band(cell, draws),
                        wide + (cell.coverage > 97 and not low),
                        total + 1,
                    )
            lines.append(f"| {model.name} | " + " | ".join(row) + " |")
        lines.append("")
    lines += [
        f"In the band: {held} of {total} cells; wider than need be: {wide}; too narrow or too many false "
        f"positives: {total - held - wide} "
        f"(an exact test is marked so by chance in 2.3 % of cells, here {0.023 * total:.0f}).",
        "",
    ]
    if not only:
        lines += ["## Single tests", "", "| what | % | aim |", "|---|---|---|"]
        lines += [
            f"| {what} | {value:.1f} | {aim} |"
            for what, value, aim in [*single_tests(draws), *resampling(draws)]
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--only", default="", help="methods whose name contains this")
    parser.add_argument("--out", type=Path, help="markdown file to write; printed otherwise")
    arguments = parser.parse_args()
    start = time.monotonic()
    page = markdown(arguments.draws, arguments.only)
    if arguments.out:
        arguments.out.write_text(page, encoding="utf-8")
    else:
        print(page)
    print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
