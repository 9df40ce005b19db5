"""What a design can find before it is run; and that it is refused where it can find nothing."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from mlflow_xfer import languages
from mlflow_xfer.errors import Problems
from mlflow_xfer.stats import crossed
from mlflow_xfer.stats import power as powers
from mlflow_xfer.stats.dispersion import Levels, swap_p
from mlflow_xfer.stats.typology import PRIMARY
from mlflow_xfer.studies import orders
from mlflow_xfer.studies.sizes import FEWEST as FEWEST_SIZES
from mlflow_xfer.studies.sizes import sizes_of
from mlflow_xfer.studies.spoken import kept_to
from mlflow_xfer.studies.study import Contrast, Study

DRAWS = 200
TAU, NOISE, SHARED = 0.5, 0.1, 0.8
"""Of simulated languages, on logit scale: their spread, the sampling error of each, and the correlation of
two arms: what is hard in one is hard in the other."""
RATIOS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
FEWEST_LANGUAGES, DECIDING_LANGUAGES = 3, 6  # of a spread: to have one; for its permutations to reach .05
FEWEST_FOR_SLOPE = 4


def spread_power(ratio: float, counts: Sequence[int], level: float = 0.95) -> float:
    """How often the swap test finds a ratio of spreads, with so many languages in each task."""
    return _spread_power(round(ratio, 3), tuple(counts), round(level, 4))


@lru_cache(maxsize=256)
def _spread_power(ratio: float, counts: tuple[int, ...], level: float) -> float:
    rng = np.random.default_rng(0)
    found = [_p(rng, ratio, counts) <= 1 - level for _ in range(DRAWS)]
    return float(np.mean(found))


def _p(rng: np.random.Generator, ratio: float, counts: Sequence[int]) -> float:
    firsts, seconds = [], []
    for languages_ in counts:
        common = rng.standard_normal(languages_)
        for arms, tau in ((firsts, TAU * ratio), (seconds, TAU)):
            own = rng.standard_normal(languages_)
            level = tau * (SHARED**0.5 * common + (1 - SHARED) ** 0.5 * own)
            noise = NOISE * rng.standard_normal(languages_)
            arms.append(Levels(level + noise, np.full(languages_, NOISE**2)))
    return swap_p(firsts, seconds, random=400)


def detectable_ratio(counts: Sequence[int], level: float = 0.95) -> float:
    """The ratio closest to 1 that is found in 8 of 10 cases; 0: none."""
    place = bisect_left(RATIOS, True, key=lambda ratio: spread_power(ratio, counts, level) >= 0.8)
    return RATIOS[place] if place < len(RATIOS) else 0.0


def foresee(
    study: Study,
    seeds: int,
    spoken: Mapping[str, Sequence[str]],
    level: float = 0.95,
    bases: int = 1,
) -> list[str]:
    """What the primary contrasts will be able to find, in sentences.

    Args:
        seeds, bases: how many are to be run, each seed from each base.
        spoken: by target, the languages that it is scored in.

    Raises:
        XferError: every contrast that could find nothing whatever came out, with its power.
    """
    problems, said = Problems(), []
    for one in study.contrasts:
        sentence = _foreseen(study, one, (bases, seeds), spoken, level, problems)
        if one.primary and sentence:
            said.append(f"{one.name}: {sentence}")
    problems.raise_if_any()
    return said


def _foreseen(
    study: Study,
    one: Contrast,
    runs: tuple[int, int],
    spoken: Mapping[str, Sequence[str]],
    level: float,
    problems: Problems,
) -> str:
    where = f"Study {study.name}, contrast {one.name!r}"
    among = sum(other.primary == one.primary for other in study.contrasts)
    strict = 1 - (1 - level) / among  # Holm's
    faults = len(problems.found)
    heard = kept_to(where, one, spoken, problems)
    if len(problems.found) > faults:
        return ""
    counts = [len([code for code in codes if code != "en"]) for codes in heard.values()]
    if one.kind == "spread":
        usable = [n for n in counts if n >= FEWEST_LANGUAGES]
        if not usable:
            problems.add(
                f"{where}: {_languages(max(counts, default=0), 'has', 'have')} no spread (power 0).",
                f"Give at least {FEWEST_LANGUAGES} of them; {DECIDING_LANGUAGES} to reach p = .05.",
            )
            return ""
        margin = one.margin or 0.8
        finds = detectable_ratio(usable, strict)
        return (
            f"with {max(usable)} languages a ratio of {margin:g} is found in "
            f"{spread_power(margin, usable, strict):.0%} of cases, and "
            f"{f'{finds:g}' if finds else 'none'} in 8 of 10"
        )
    if one.kind == "slope":
        _check_distances(where, one, heard, problems)
    bases, seeds = runs
    fewest = 4 if one.kind == "best" else 2
    if (seeds if one.kind == "best" else seeds * bases) < fewest:
        needs = f"; {_needed(study, one, strict)}" if study.sd else ""
        problems.add(
            f"{where}: {seeds} seed{'s' * (seeds != 1)} allow{'s' * (seeds == 1)} no interval and no test "
            "(power 0).",
            f"Give at least {fewest} (seeds=0,1,…){needs}.",
        )
        return ""
    if one.kind == "sizes":
        return _model_sizes(where, study, one, problems)
    if one.kind == "order":
        return _random_orders(where, study, one.primary, strict, problems)
    if study.sd is None:
        return ""
    scored, said = (seeds - seeds // 2, "scored with the other half, ") if one.kind == "best" else (seeds, "")
    margin, design = one.margin or study.margin, (bases, scored)
    finds = detectable_points(study.sd, *design, strict)
    from_bases = f" from each of {bases} bases" if bases > 1 else ""
    reach = "no difference" if finds == math.inf else f"{finds:.1f} points"
    return (
        f"{seeds} seeds{from_bases} find {reach} in 8 of 10 cases and the margin of {margin:g} in "
        f"{points_power(margin / study.sd, *design, strict):.0%} ({said}seeds vary by {study.sd:g} points); "
        f"{_needed(study, one, strict)}"
    )


def points_power(effect: float, bases: int, seeds: int, level: float = 0.95) -> float:
    """How often a difference of so many standard deviations between runs is found: exact for one base, by
    simulation of runs that vary alike for several, which the analysis takes for a sample of bases."""
    if bases == 1 or seeds == 1:
        return powers.power(effect, 1.0, bases * seeds, level)
    spread = _simulated(bases, seeds)
    return float((spread.p_value(spread.mean + effect) <= 1 - level).mean())


@lru_cache(maxsize=16)
def _simulated(bases: int, seeds: int) -> crossed.Dispersion:
    runs = np.random.default_rng(0).standard_normal((2000, bases, seeds, 1))
    return crossed.spread(runs, (crossed.BASE, crossed.SEED))


def detectable_points(sd: float, bases: int, seeds: int, level: float = 0.95) -> float:
    """The difference in points that is found in 8 of 10 cases; ``inf``: none below 60 standard deviations."""
    if bases == 1 or seeds == 1:
        n = bases * seeds
        return powers.minimum_detectable(sd / math.sqrt(n), n - 1, level=level)
    steps = np.arange(0.0, 60.0, 0.1)
    place = bisect_left(steps, True, key=lambda step: points_power(float(step), bases, seeds, level) >= 0.8)
    return sd * float(steps[place]) if place < len(steps) else math.inf


def _model_sizes(where: str, study: Study, one: Contrast, problems: Problems) -> str:
    count = len(set(sizes_of(study, one).values()))
    if count < FEWEST_SIZES:
        problems.add(
            f"{where}: a slope over {count} model sizes cannot be tested (power 0): the model is the unit.",
            f"Give at least {FEWEST_SIZES} sizes, or compare sizes pairwise.",
        )
    return f"{count} models, t({count - 2})"


def _random_orders(where: str, study: Study, primary: bool, level: float, problems: Problems) -> str:
    """What the test among random orders can find; other orders than the question's are shown in any case."""
    count = sum(curve.random for curve in study.curves)
    reach = orders.detectable(1.0, count, level)
    if primary and count >= orders.ENOUGH and reach == math.inf:
        problems.add(
            f"{where}: the smallest p among {count} random orders is {1 / (count + 1):.3f}, and "
            f"{1 - level:.4f} is asked for (power 0).",
            "Give more random orders, one look (looks: 1), or fewer primary contrasts.",
        )
        return ""
    finds = f"an order that lies {reach:.1f} of their standard deviations off" if reach < math.inf else "none"
    return f"{orders.few(count) or f'{count} random orders'}; found in 8 of 10 cases: {finds}"


def _needed(study: Study, one: Contrast, level: float) -> str:
    margin = one.margin or study.margin
    needed = powers.seeds_needed(margin, study.sd or math.nan, level=level)
    return f"the margin takes {f'about {needed}' if needed else 'more than 1,000'} seeds"


def _languages(count: int, one: str, several: str) -> str:
    return f"{count} language{'s' * (count != 1)} besides English {one if count == 1 else several}"


def _check_distances(
    where: str, one: Contrast, heard: Mapping[str, Sequence[str]], problems: Problems
) -> None:
    measure = one.measure or PRIMARY
    codes = {code for of in heard.values() for code in of} - {"en"}
    lacking = sorted(code for code in codes if languages.distance(code, "en", measure) is None)
    if lacking:
        problems.add(
            f"{where}: no {measure} distance to English is known of {', '.join(lacking)}.",
            "Leave them out (languages=…), or choose another measure: mlflow-xfer languages --show distances",
        )
    elif len(codes) < FEWEST_FOR_SLOPE:
        problems.add(
            f"{where}: {_languages(len(codes), 'allows', 'allow')} no slope (power 0).",
            f"Give at least {FEWEST_FOR_SLOPE}.",
        )
    elif len({languages.distance(code, "en", measure) for code in codes}) == 1:
        problems.add(
            f"{where}: all languages are equally far from English by {measure}: no slope (power 0).",
            "Add others, or choose another measure: mlflow-xfer languages --show distances",
        )
