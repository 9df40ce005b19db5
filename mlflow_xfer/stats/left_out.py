"""Regression of transfer on typology, judged on languages that it has not seen.

A slope says how gains and distances go together in the languages at hand. Whether distances foretell the gain
in another language is a question of its own: each language is left out once and foretold by the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.errors import Problems, XferError, few
from mlflow_xfer.stats.estimate import varies
from mlflow_xfer.stats.typology import PRIMARY

DRAWS = 999
SPARE = 2
"""So many more languages than coefficients are needed, and left-out ones besides."""


@dataclass(frozen=True)
class LeftOut:
    """How well gains of left-out languages were foretold.

    Attributes:
        table: columns language, gain, foretold.
        error, error_of_mean: mean absolute errors, in points: foretold, and by the mean of the others alone.
        explained: share of the squared error of the mean that the regression removes (predictive R², or Q²):
            below 0 it is worse than the mean.
        p: share of permutations of the gains that do as well.
        without: languages that lack a covariate.
    """

    table: pd.DataFrame
    error: float
    error_of_mean: float
    explained: float
    p: float
    without: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        foretells = self.explained > 0 and self.p <= 0.05
        return (
            f"Each of {len(self.table)} languages left out once: its gain is foretold to {self.error:.1f} "
            f"points, by the mean of the others to {self.error_of_mean:.1f} (predictive R² "
            f"{self.explained:.2f}, p {self.p:.2g}): "
            + ("distance foretells new languages." if foretells else "no better than the mean would be told.")
        )


def leave_one_language_out(
    gains: Mapping[str, float], measures: Sequence[str] = (PRIMARY,), *, to: str = "en", seed: int = 0
) -> LeftOut:
    """Regress gains on distances to ``to`` (least squares), each language foretold without itself.

    Raises:
        XferError: unknown languages or measures, a language by several codes, or too few languages for which
            all measures are known.
    """
    by_code = {code: gains[name] for name, code in languages.codes_of(gains).items()}
    known = {
        one.code: [languages.distance(one.code, to, measure) for measure in measures]
        for one in languages.resolve(by_code)
        if one.code != languages.get(to).code
    }
    complete = {code: values for code, values in known.items() if None not in values}
    return of_covariates(
        {code: by_code[code] for code in complete},
        {code: [float(v) for v in values if v is not None] for code, values in complete.items()},
        seed=seed,
        without=tuple(code for code in known if code not in complete),
    )


def of_covariates(
    gains: Mapping[str, float],
    covariates: Mapping[str, Sequence[float]],
    *,
    seed: int = 0,
    without: tuple[str, ...] = (),
) -> LeftOut:
    """The same on any covariates of languages.

    Raises:
        XferError: too few languages, a language by several codes, or gains or covariates that are missing,
            not finite or do not vary.
    """
    codes = list(languages.codes_of(gains))
    _check(gains, covariates)
    needed = 1 + len(next(iter(covariates.values()), ())) + 1 + SPARE
    if len(codes) < needed:
        raise XferError(
            f"{len(codes)} languages with known covariates are too few: {needed} are needed.",
            "Evaluate more languages, or take fewer measures.",
        )
    y = np.array([gains[code] for code in codes], float)
    if not varies(float(y.std()), float(y.mean())):
        raise XferError("The gain is the same in every language: there is nothing to foretell.")
    x = np.column_stack([np.ones(len(codes)), np.array([covariates[code] for code in codes], float)])
    if np.linalg.matrix_rank(x) < x.shape[1]:
        raise XferError("A covariate does not vary over these languages, or follows from the others.")
    hat = x @ np.linalg.pinv(x)
    lever = 1 - np.diag(hat)
    if (lever < 1e-9).any():
        raise XferError(
            f"The covariates of {codes[int(lever.argmin())]} are like those of no other language.",
            "Leave it out, or take fewer measures.",
        )

    def off(values: np.ndarray) -> np.ndarray:
        """Errors for left-out rows (last axis), without fitting anew: residual over one minus leverage."""
        return (values - values @ hat) / lever

    n = len(y)
    errors, of_mean = off(y), (y - y.mean()) * n / (n - 1)
    draws = np.random.default_rng(seed)
    shuffled = np.array([draws.permutation(y) for _ in range(DRAWS)])
    as_good = (off(shuffled) ** 2).sum(-1) <= (errors**2).sum() * (1 + 1e-9)
    return LeftOut(
        pd.DataFrame({"language": codes, "gain": y, "foretold": y - errors}),
        float(np.abs(errors).mean()),
        float(np.abs(of_mean).mean()),
        1 - float((errors**2).sum()) / float((of_mean**2).sum()),
        (1 + int(as_good.sum())) / (1 + DRAWS),
        without,
    )


def _check(gains: Mapping[str, float], covariates: Mapping[str, Sequence[float]]) -> None:
    """Refuse languages of which not everything is known, by name."""
    problems = Problems()
    lacking = [code for code in gains if code not in covariates]
    known = [code for code in gains if code in covariates]
    counts = {len(covariates[code]) for code in known}
    for what, codes in (
        ("no covariates", lacking),
        ("covariates that are no finite numbers", [c for c in known if not np.isfinite(covariates[c]).all()]),
        ("a gain that is no finite number", [code for code in gains if not np.isfinite(gains[code])]),
    ):
        if codes:
            has = "has" if len(codes) == 1 else "have"
            problems.add(f"{few(codes)} {has} {what}.", "Leave such languages out.")
    if len(counts) > 1:
        problems.add("Languages have different numbers of covariates.", "Give the same ones for each.")
    problems.raise_if_any()
