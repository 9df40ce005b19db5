"""What is said of orders where the truth is planted, by a generator that is no model behind the statistics.

    python benchmarks/planted_curves.py [--draws 500]

Each task teaches some of five skills. A target's odds of a right answer rise with the square root of what its
skill was taught (the second teacher of a skill adds less), and fall with every task that conflicts with it;
seeds are t(4) on logit scale; scores are counts of right answers. Orders that differ in what is taught early
lie at different heights; where all tasks are alike, none does.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import pandas as pd
from scipy import special

from mlflow_xfer.stats.blocks import Cells, unit_weights
from mlflow_xfer.studies.contrasts import of_scores
from mlflow_xfer.studies.curves import tasks_of
from mlflow_xfer.studies.questions.task_count import contrasts, grid, random_orders
from mlflow_xfer.studies.scores import Scores
from mlflow_xfer.studies.study import Study

TASKS = tuple("abcdefgh")
CODES = ("de", "es", "tr", "sw", "id", "vi")
UNITS = tuple(("choice", code) for code in CODES)
KS = (0, 1, 2, 4, 8)
ROWS = 200


@dataclass(frozen=True)
class Skills:
    """What each task teaches of the target's skill; and how far languages and seeds vary, in logits."""

    teaches: Mapping[str, float]
    language: float = 0.5
    seed: float = 0.07

    def block(
        self, rng: np.random.Generator, name: str, tasks: Sequence[str], where: np.ndarray, shared: np.ndarray
    ) -> Cells:
        taught = sum(max(self.teaches[task], 0.0) for task in tasks)
        harmed = sum(max(-self.teaches[task], 0.0) for task in tasks)
        own = self.seed / 2**0.5 * rng.standard_t(4, (len(shared), 1))
        odds = 0.2 + taught**0.5 - harmed + where + shared + own
        right = rng.binomial(ROWS, special.expit(odds))
        values = (100 * right / ROWS)[None]
        return Cells(name, values, unit_weights(UNITS), UNITS, (0,), tuple(range(len(shared))))


def study(order: Sequence[str], random: int, salt: int) -> Study:
    drawn = {
        name: Random(f"{salt}/{name}").sample(TASKS, len(TASKS)) for name in random_orders(TASKS, random)
    }
    arms, curves = grid({"English": order}, drawn, KS, 1.0)
    return Study("planted", "?", {}, arms, contrasts(arms, curves)[:1], curves, margin=2.0)


def found(order: Sequence[str], world: Skills, random: int, seeds: int, salt: int):
    """What a simulated study says of one order among random ones."""
    rng = np.random.default_rng([salt, random])
    asked = study(order, random, salt)
    where = rng.normal(0, world.language, len(CODES))
    shared = world.seed * rng.standard_t(4, (seeds, 1))
    blocks = {
        arm.name: world.block(rng, arm.name, sorted(tasks_of(arm)), where, shared) for arm in asked.arms
    }
    return of_scores(asked, Scores(pd.DataFrame(), blocks), registered=True)[0]


ALIKE = Skills(dict.fromkeys(TASKS, 0.05))
UNLIKE = Skills(dict(zip(TASKS, (0.8, 0.5, 0.1, 0.0, 0.0, -0.05, -0.1, -0.2), strict=True)))


def false_positives(draws: int, random: int = 19, seeds: int = 3) -> float:
    """Percent of studies in which an order drawn at random is told from random ones."""
    said = 0
    for salt in range(draws):
        world = UNLIKE if salt % 2 else ALIKE
        order = Random(f"order/{salt}").sample(TASKS, len(TASKS))
        said += found(order, world, random, seeds, salt).estimate.p <= 0.05
    return 100 * said / draws


def hits(draws: int, random: int = 19, seeds: int = 3) -> float:
    """Percent of studies in which the order from the best teacher to the worst is found to be high."""
    every = [found(TASKS, UNLIKE, random, seeds, salt).estimate for salt in range(draws)]
    return 100 * sum(one.p <= 0.05 and one.estimate > 0 for one in every) / draws


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore[reportOptionalMemberAccess]
    parser.add_argument("--draws", type=int, default=500)
    draws = parser.parse_args().draws
    print(f"random order among 19: found in {false_positives(draws):.1f} % of {draws}")
    print(f"best order among 19: found in {hits(draws):.1f} % of {draws}")
    print(f"best order among 6: found in {hits(draws, 6):.1f} % of {draws}")


if __name__ == "__main__":
    main()
