"""Differences of differences, and effects that depend on a property of the language or of the model.

The unit of inference is stated per function: seeds for contrasts of conditions, seeds and languages for a
slope over languages, models for a slope over model sizes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats import crossed
from mlflow_xfer.stats.blocks import Cells, cells, other_rows, pair
from mlflow_xfer.stats.estimate import LIKE_THESE, THESE, Estimate
from mlflow_xfer.stats.frame import check, in_others, quote
from mlflow_xfer.stats.means import estimate, infer, paired, seed_notes
from mlflow_xfer.stats.power import detectable


def combination(
    frame: pd.DataFrame, coefficients: Mapping[str, float], *, population: str = THESE, level: float = 0.95
) -> Estimate:
    """A weighted sum of conditions (a planned contrast), within seeds;
    all conditions must share tasks, languages and seeds.

    Raises:
        XferError: conditions with different seeds, or faults of the table.
    """
    checked = check(frame)
    return combined({name: cells(checked, name) for name in coefficients}, coefficients, population, level)


def combined(
    blocks: Mapping[str, Cells],
    coefficients: Mapping[str, float],
    population: str = THESE,
    level: float = 0.95,
) -> Estimate:
    """:func:`combination` of blocks that are read already."""
    first = next(iter(blocks.values()))
    for name, block in blocks.items():
        if not paired(block, first):
            raise XferError(
                f"{name!r} and {first.condition!r} differ in seeds, base seeds, tasks or languages.",
                "A contrast of several conditions is taken within seeds: run them alike.",
            )
    values = sum(weight * blocks[name].values for name, weight in coefficients.items())
    return infer(replace(first, values=values), population, level).noted(other_rows(blocks.values()))


def difference_in_differences(
    frame: pd.DataFrame,
    treated: tuple[str, str],
    control: tuple[str, str],
    *,
    population: str = THESE,
    level: float = 0.95,
) -> Estimate:
    """(treated after - before) - (control after - before): the interaction of a 2 x 2 design.

    ``treated`` and ``control`` are ``(with, without)`` pairs of conditions. Unit: the seed.
    """
    weights: dict[str, float] = {}
    for name, weight in ((treated[0], 1), (treated[1], -1), (control[0], -1), (control[1], 1)):
        weights[name] = weights.get(name, 0) + weight
    return combination(frame, {k: v for k, v in weights.items() if v}, population=population, level=level)


def _covariates(languages: Sequence[str], covariate: Mapping, adjust: Mapping[str, Mapping], missing: str):
    columns = {"covariate": covariate, **adjust}
    lacking = [
        (lang, name)
        for name, of in columns.items()
        for lang in languages
        if of.get(lang) is None or math.isnan(of[lang])
    ]
    if lacking and missing != "drop":
        rows = pd.DataFrame(lacking, columns=["language", "covariate"])
        raise XferError(
            f"{len(rows)} values are unknown:\n{quote(rows, ['language', 'covariate'])}",
            "Choose a covariate that is known for these languages, or missing='drop' to leave them out.",
        )
    endless = [(lang, name) for name, of in columns.items() for lang in languages if _infinite(of.get(lang))]
    if endless:
        rows = pd.DataFrame(endless, columns=["language", "covariate"])
        raise XferError(
            f"{len(rows)} values are infinite:\n{quote(rows, ['language', 'covariate'])}",
            "Give finite numbers (the logarithm of 0 is none), or None where a value is not known.",
        )
    gone = {language for language, _ in lacking}
    keep = [i for i, language in enumerate(languages) if language not in gone]
    return keep, np.array([[columns[c][languages[i]] for c in columns] for i in keep], float), len(gone)


def _infinite(value: float | None) -> bool:
    return value is not None and math.isinf(value)


def slope_spread(x: np.ndarray, covariates: np.ndarray, languages_vary: bool) -> crossed.Dispersion:
    """Slope of ``x[..., base, seed, language]`` on the first column of ``covariates[language, k]``, adjusted
    for the others.

    Random factors: seeds (each has its own slope), base seeds where several, and with ``languages_vary`` the
    languages' own deviations.
    """
    design = np.column_stack([np.ones(len(covariates)), covariates])
    projector = np.linalg.pinv(design)
    c, free = projector[1], len(covariates) - design.shape[1]
    fitted_out = np.eye(len(covariates)) - design @ projector
    slopes = x @ c
    by_seed = crossed.spread(slopes[..., None], _repeats(slopes))
    if not languages_vary:
        return by_seed
    pooled = x.mean((-3, -2)) @ fitted_out
    own = (pooled**2).sum(-1) / free * (c**2).sum()
    runs = x.shape[-3] * x.shape[-2]
    residual = x @ fitted_out
    residual = residual - residual.mean((-3, -2), keepdims=True)
    inner = (residual**2).sum((-3, -2, -1)) / (free * max(runs - 1, 1)) * (c**2).sum() / runs
    seed, language = np.maximum(by_seed.variance - inner, 0), np.maximum(own - inner, 0)
    df_seed = float(np.min(by_seed.df)) if runs > 1 else 1.0
    mains = (
        (np.where(seed > 0, by_seed.variance, 0), df_seed),
        (np.where(language > 0, own, 0), float(free)),
    )
    parts = {"seed": seed, "language": language, "seed x language": inner}
    rest = (inner, float(free * max(runs - 1, 1)))
    alone = ((by_seed.variance, df_seed),) if x.shape[-3] == 1 and runs > 1 else ()
    return crossed.Dispersion(slopes.mean((-2, -1)), seed + language + inner, mains, rest, parts, alone)


def _repeats(slopes: np.ndarray) -> tuple[int, ...]:
    axes = (crossed.BASE,) if slopes.shape[-2] > 1 else ()
    return (*axes, crossed.SEED) if slopes.shape[-1] > 1 else axes


def covariate_slope(
    frame: pd.DataFrame,
    condition: str,
    baseline: str | None,
    covariate: Mapping[str, float | None],
    *,
    adjust: Mapping[str, Mapping[str, float | None]] | None = None,
    population: str = LIKE_THESE,
    missing: str = "refuse",
    standardise: bool = True,
    exclude: Sequence[str] = ("en",),
    level: float = 0.95,
) -> Estimate:
    """How the difference to the baseline (or the score) changes with a property of the language:
    points per sd (or per unit).

    Args:
        covariate: value per language, e.g. its distance to English.
        adjust: further values per language that are held constant (log pre-training size, fertility).
        missing: ``refuse`` or ``drop`` languages with an unknown value.
        exclude: languages left out; English, whose distance is 0 by definition and which the model was
            trained on.

    Model: ``d_sl = a_s + (b + b_s) x_l + language_l + noise``; unit: seeds x languages (Student's t weighted
        over the two).
    Limits: with 10 languages an effect of 1 point per sd is found in about 1 of 5 cases (language sd 2): see
        ``detectable``.

    Raises:
        XferError: unknown values, listed; too few languages; a covariate that does not vary.
    """
    block = difference_block(frame, condition, baseline, exclude)
    return slope_of(
        block,
        covariate,
        adjust=adjust,
        population=population,
        missing=missing,
        standardise=standardise,
        level=level,
    )


def slope_of(
    block: Cells,
    covariate: Mapping[str, float | None],
    *,
    adjust: Mapping[str, Mapping[str, float | None]] | None = None,
    population: str = LIKE_THESE,
    missing: str = "refuse",
    standardise: bool = True,
    level: float = 0.95,
) -> Estimate:
    """:func:`covariate_slope` of a block of differences that is read already."""
    x, _ = block.by_language()
    adjust = adjust or {}
    keep, columns, dropped = _covariates(block.languages, covariate, adjust, missing)
    if len(keep) < 4 + len(adjust):
        raise XferError(
            f"{len(keep)} {'language has' if len(keep) == 1 else 'languages have'} a value; a slope with "
            f"{len(adjust)} adjustment{'s' * (len(adjust) != 1)} needs at least "
            f"{4 + len(adjust)}.",
            "Choose another covariate, or more languages.",
        )
    design = np.column_stack([np.ones(len(columns)), columns])
    short = np.linalg.matrix_rank(design) < design.shape[1]
    if np.ptp(columns[:, 0]) == 0 or (short and not adjust):
        raise XferError(
            "The covariate is the same for every language.", "Nothing can be regressed on a constant."
        )
    if short:
        raise XferError(
            "The covariate is determined by the adjustments.", f"Leave one out of: {', '.join(adjust)}"
        )
    if standardise:
        columns = columns / columns.std(0, ddof=1)
    x = x[..., keep]
    seeds = x.shape[-2]
    vary = population == LIKE_THESE
    notes = [
        f"{dropped} languages left out: value unknown" if dropped else "",
        *seed_notes(seeds, x.shape[-3]),
    ]
    n = {"seeds": seeds, "bases": x.shape[-3], "languages": len(keep), "tasks": len(block.tasks)}
    about = {
        "population": population,
        "n": n,
        "method": "per-seed slopes over languages" + (", seed x language" if vary else ""),
    }
    if seeds * x.shape[-3] < 2 and not vary:
        value = float((x @ np.linalg.pinv(np.column_stack([np.ones(len(columns)), columns]))[1]).mean())
        return Estimate(value, level=level, **about).noted("one seed: no interval for these languages")
    if seeds * x.shape[-3] < 2:
        notes.append("one seed: given this model; its own slope is not told from the effect's")
        return estimate(_one_run(x, columns), level, **about).noted(*notes)
    return estimate(slope_spread(x, columns, vary), level, **about).noted(*notes)


def _one_run(x: np.ndarray, columns: np.ndarray) -> crossed.Dispersion:
    design = np.column_stack([np.ones(len(columns)), columns])
    projector = np.linalg.pinv(design)
    y = x.mean((-3, -2))
    free = float(len(columns) - design.shape[1])
    rest = y - y @ (design @ projector)
    variance = (rest**2).sum(-1) / free * (projector[1] ** 2).sum()
    return crossed.Dispersion(
        y @ projector[1], variance, ((variance, free),), (variance, free), {"language": variance}
    )


def difference_block(
    frame: pd.DataFrame, condition: str, baseline: str | None, exclude: Sequence[str]
) -> Cells:
    """Paired differences to the baseline (or the scores, without one) in all languages but the excluded."""
    checked = in_others(check(frame), exclude)
    if checked.empty:
        raise XferError("No language is left.", f"Left out: {', '.join(exclude)}")
    if baseline is None:
        return cells(checked, condition)
    first, second = pair(checked, condition, baseline)
    if not paired(first, second):
        raise XferError(
            f"{condition!r} and {baseline!r} do not share their seeds.",
            "A slope of differences is taken within seeds: run them alike.",
        )
    return replace(first, values=first.values - second.values)


def size_slope(effects: Mapping[float, float], level: float = 0.95) -> Estimate:
    """Slope of an effect (points) over log10(parameters);
    ``effects`` maps a number of parameters to the effect there. Unit: the model.

    Raises:
        XferError: fewer than five sizes. With three, a bootstrap's "95 %" interval covers 18 % when models
            deviate from the line by 1.5 points, because what varies is the model; compare sizes pairwise
            instead.
    """
    if len(effects) < 5:
        raise XferError(
            f"A slope over {len(effects)} model sizes cannot be tested (a '95 %' bootstrap interval covers "
            "18 % at three sizes).",
            "Give at least 5 sizes, or compare sizes pairwise.",
        )
    x, y = np.log10(np.array(list(effects))), np.array(list(effects.values()), float)
    spread = _one_run(y[None, None, :], x[:, None])
    n = {"models": len(x)}
    return estimate(
        spread,
        level,
        population="models like these",
        n=n,
        method=f"least squares over models, t({len(x) - 2})",
    )


def minimum_slope(interaction: Estimate, target: float = 0.8, level: float | None = None) -> float:
    """The smallest slope this design would have found with probability ``target``."""
    if not interaction.se > 0:
        return math.inf
    return detectable(interaction, target, level)
