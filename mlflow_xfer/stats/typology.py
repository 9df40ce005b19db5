"""Typology beside results: the language table as a frame, distances as covariates, and all of them at once.

Fix one primary distance per analysis before looking; :func:`specification_curve` shows the others beside it,
so that nobody can pick the one that happened to fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.errors import XferError
from mlflow_xfer.registry import unknown
from mlflow_xfer.stats.estimate import LIKE_THESE
from mlflow_xfer.stats.interaction import difference_block, minimum_slope, slope_of
from mlflow_xfer.stats.multiplicity import holm

PRIMARY = "syntactic"  # known for 48 of XTREME-R's 50 languages


def distances(
    codes: Iterable[str] | None = None, *, to: str = "en", measures: Sequence[str] | None = None
) -> pd.DataFrame:
    """Distances of languages to one language, wide: columns language and one per measure; unknown = missing.

    Measures that exist to English only are left out where ``to`` is another language, unless asked for by
    name (then an error).
    """
    chosen = languages.resolve(codes if codes is not None else languages.known())
    target = languages.get(to).code
    if measures is None:
        measures = [m.name for m in languages.MEASURES if target == "en" or not m.to_english_only]
    columns = {m: [languages.distance(one.code, target, m) for one in chosen] for m in measures}
    return pd.DataFrame({"language": [one.code for one in chosen], **columns}).astype(
        dict.fromkeys(measures, float)
    )


def table(
    codes: Iterable[str] | None = None,
    *,
    family: str | None = None,
    script: str | None = None,
    benchmark: str | None = None,
    measures: Sequence[str] | None = None,
    to: str = "en",
) -> pd.DataFrame:
    """What ``mlflow-xfer languages`` shows:
    one row per language (code, name, family, script, pre-training GiB, distances), filtered.

    Raises:
        XferError: unknown languages, families, scripts, benchmarks or measures, with the closest names.
    """
    every = languages.resolve(codes if codes is not None else languages.known())
    for what, asked, values in (
        ("family", family, {one.family for one in every if one.family}),
        ("script", script, {one.script for one in every if one.script}),
        ("benchmark", benchmark, {b for one in every for b in one.benchmarks}),
    ):
        if asked is not None and asked not in values:
            raise unknown(what, asked, values)
    kept = [
        one
        for one in every
        if (family is None or one.family == family)
        and (script is None or one.script == script)
        and (benchmark is None or benchmark in one.benchmarks)
    ]
    if not kept:
        raise XferError("No language fits all of these.", "Drop one of family, script, benchmark.")
    frame = pd.DataFrame(
        {
            "language": [one.code for one in kept],
            "name": [one.name for one in kept],
            "family": [one.family for one in kept],
            "genus": [one.genus for one in kept],
            "script": [one.script for one in kept],
            "pretraining_gib": [one.value("xlmr_pretraining_gib") for one in kept],
        }
    )
    shown = (
        measures
        if measures is not None
        else ["syntactic", "genetic", "wals_morphology_extended", "corpus_morphology_signed"]
    )
    return frame.merge(distances(frame["language"], to=to, measures=shown), on="language") if shown else frame


def measures_table() -> pd.DataFrame:
    """The distances: columns measure, known (languages), signed, pairwise, description, source."""
    rows = [
        (
            m.name,
            sum(languages.distance(c, "en", m.name) is not None for c in languages.known()),
            m.signed,
            not m.to_english_only,
            m.description,
            m.source,
        )
        for m in languages.MEASURES
    ]
    return pd.DataFrame(rows, columns=["measure", "known", "signed", "pairwise", "description", "source"])


def covariate(codes: Iterable[str], measure: str = PRIMARY, *, to: str = "en") -> dict[str, float | None]:
    """The distance of each language, ``None`` where unknown:
    what :func:`~mlflow_xfer.stats.interaction.covariate_slope` takes.
    """
    return {code: languages.distance(code, to, measure) for code in codes}


def low_similarity(codes: Iterable[str], measure: str, *, to: str = "en") -> pd.DataFrame:
    """Which languages are far from one language and from each other: columns language, distance, among, far,
    apart, low.

    ``among``: mean distance to the other languages given here; missing where the measure is known to English
    only. ``far`` and ``apart``: the top tercile of the two; ``low``: both, or ``far`` where ``among`` is not
    known. Of a signed measure its size counts. Unknown distances are missing and never low. Where a
    tercile would hold more than half of the languages, because several are as far as its nearest, these are
    not in it: where all are equally far, none is.

    Raises:
        XferError: unknown languages, or one by several codes.
    """
    every = languages.resolve(languages.codes_of(codes).values())
    names = [one.code for one in every if one.code != languages.get(to).code]
    pairwise = not languages.MEASURES.get(measure).to_english_only

    def between(one: str, other: str) -> float:
        found = languages.distance(one, other, measure)
        return float("nan") if found is None else abs(found)

    table = pd.DataFrame({"language": names, "distance": [between(one, to) for one in names]})
    among = [[between(one, other) for other in names if other != one] if pairwise else [] for one in names]
    table["among"] = [float(pd.Series(found, dtype=float).mean()) for found in among]
    table["far"], table["apart"] = _top_tercile(table["distance"]), _top_tercile(table["among"])
    table["low"] = table["far"] & (table["apart"] | table["among"].isna())
    return table.sort_values("distance", ascending=False, ignore_index=True)


def _top_tercile(distances: pd.Series) -> pd.Series:
    known = distances.round(9)  # means of equal distances differ by rounding
    top = known >= known.quantile(2 / 3)
    return top if top.sum() <= known.notna().sum() / 2 else known > known.quantile(2 / 3)


def diversity(codes: Iterable[str]) -> dict[str, float]:
    """How diverse a set of languages is: the mean distance of its pairs by each measure that is known between
    any two (of signed ones its size), families and the entropy over them in bits; missing where nothing is
    known."""
    chosen = languages.resolve(codes)
    found: dict[str, float] = {}
    for measure in (m for m in languages.MEASURES if not m.to_english_only):
        pairs = [measure.between(a, b) for n, a in enumerate(chosen) for b in chosen[n + 1 :]]
        known = [abs(value) for value in pairs if value is not None]
        found[measure.name] = sum(known) / len(known) if known else float("nan")
    shares = pd.Series([one.family or one.code for one in chosen]).value_counts(normalize=True)
    found["families"] = float(len(shares))
    found["entropy of families"] = float(-(shares * np.log2(shares)).sum()) + 0.0
    return found


def specification_curve(
    frame: pd.DataFrame,
    condition: str,
    baseline: str | None,
    *,
    primary: str = PRIMARY,
    measures: Sequence[str] | None = None,
    to: str = "en",
    population: str = LIKE_THESE,
    adjust: dict[str, dict[str, float | None]] | None = None,
) -> pd.DataFrame:
    """The slope of the effect on every distance:
    columns measure, primary, languages, slope (points per sd), low, high, p, p_holm, detectable.

    Sorted by slope. ``p_holm`` corrects over the measures that are not primary; the primary one stands alone,
    if it was fixed in advance. Each measure uses the languages for which it is known, so that rows differ in
    their languages too: see ``languages``.
    """
    languages.MEASURES.get(primary)
    names = (
        list(measures)
        if measures is not None
        else [m.name for m in languages.MEASURES if to == "en" or not m.to_english_only]
    )
    names += [primary] if primary not in names else []
    block = difference_block(frame, condition, baseline, (to,))
    rows = []
    for name in names:
        known = covariate(block.languages, name, to=to)
        count = sum(v is not None for v in known.values())
        try:
            slope = slope_of(block, known, missing="drop", population=population, adjust=adjust)
        except XferError as error:
            if name == primary:
                raise
            rows.append((name, False, count, *[float("nan")] * 5, error.what))
            continue
        strict = slope.level if name == primary else 1 - (1 - slope.level) / max(len(names) - 1, 1)
        numbers = (slope.estimate, slope.low, slope.high, slope.p, minimum_slope(slope, level=strict))
        rows.append((name, name == primary, slope.n["languages"], *numbers, ""))
    table = pd.DataFrame(
        rows, columns=["measure", "primary", "languages", "slope", "low", "high", "p", "detectable", "note"]
    )
    table["p_holm"] = table["p"].where(table["primary"])
    others = ~table["primary"]
    table.loc[others, "p_holm"] = holm(table.loc[others, "p"].to_numpy())
    return table.sort_values("slope", ignore_index=True)
