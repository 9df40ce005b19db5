"""The part of a study's page that is about languages: far from English and from each other, or diverse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting.columns import points
from mlflow_xfer.reporting.hypertext import Raw, element, table
from mlflow_xfer.reporting.parts import interval, language_name, numbers_behind, records
from mlflow_xfer.reporting.verdict import p_text
from mlflow_xfer.stats.blocks import Cells
from mlflow_xfer.stats.means import infer
from mlflow_xfer.stats.typology import PRIMARY, low_similarity, specification_curve
from mlflow_xfer.stats.typology import diversity as spread_of
from mlflow_xfer.studies.contrasts import Found
from mlflow_xfer.studies.curves import blocks_of
from mlflow_xfer.studies.scores import COLUMNS, gained, without_own_targets
from mlflow_xfer.studies.study import Study


def morphology(study: Study, frame: pd.DataFrame, found: Sequence[Found]) -> tuple[Raw, Raw]:
    """The gain from the first to the last arm of the first curve: in languages of low similarity and in the
    others, if there are any, and its slope over every distance."""
    measure = next((one.measure for one in study.contrasts if one.kind == "slope" and one.measure), PRIMARY)
    blocks, first = blocks_of(study, frame), study.curves[0]
    gain = gained(blocks, first.arms[0], first.arms[-1])
    near = low_similarity(gain.languages, measure)
    rows = [
        [
            language_name(str(one.language)),
            *(f"{value:.2f}" if value == value else "–" for value in (one.distance, one.among)),
            "low" if one.low else "",
            _gain(gain, [str(one.language)]),
        ]
        for one in records(near)
    ]
    low = [str(code) for code in near.loc[near["low"], "language"]]
    unknown = [str(code) for code in near.loc[near["distance"].isna(), "language"]]
    rest = [code for code in map(str, near["language"]) if code not in (*low, *unknown)]
    title = f"{first.arms[0]} → {first.arms[-1]}"
    where = f"in the top tercile of distance ({measure}) to English and to each other"
    groups = table(
        ["languages", f"gain, {title}"],
        [
            ["low similarity", _gain(gain, low)],
            ["the others", _gain(gain, rest)],
            *([["of unknown distance", _gain(gain, unknown)]] if unknown else []),
        ],
        caption=f"Low similarity: {where}",
        numeric={1},
    )
    if not low:
        why = "too many are equally far, or none is far from both"
        groups = element("p", f"No language is of low similarity, {where}: {why}.")
    each = table(
        ["language", "to English", "to the others", "similarity", "gain"],
        rows,
        caption=f"Distances by {measure}",
        numeric={1, 2, 4},
    )
    return Raw(""), element(
        "div", groups, numbers_behind("Languages", each), _specification(frame, first.arms, measure)
    )


def diversity(study: Study, frame: pd.DataFrame, found: Sequence[Found]) -> tuple[Raw, Raw]:
    """Of each text that arms are pre-trained on how diverse its languages are, English left out."""
    sets = dict.fromkeys(str(arm.params.get("text_languages", "")) for arm in study.arms)
    every = {text: [code for code in text.split(",") if code != "en"] for text in sets if text}
    measured = {text: spread_of(codes) for text, codes in every.items() if codes}
    if not measured:
        raise XferError("no arm says which languages it is pre-trained on.")
    names = list(next(iter(measured.values())))
    rows = [
        [text, *(f"{values[name]:.2f}" if values[name] == values[name] else "–" for name in names)]
        for text, values in measured.items()
    ]
    return Raw(""), table(
        ["languages", *names],
        rows,
        caption="Mean distance of pairs without English by each measure between any two; families",
        numeric=set(range(1, len(names) + 1)),
    )


def _gain(gain: Cells, codes: Sequence[str]) -> str:
    keep = np.array([code in codes for _, code in gain.units])
    if not keep.any():
        return "–"
    found = infer(gain.select(keep))
    return f"{points(found.estimate, True)} ({interval(found.low, found.high, True)})"


def _specification(frame: pd.DataFrame, arms: Sequence[str], measure: str) -> Raw:
    """The slope over every distance; the one that was fixed before stands apart."""
    known = without_own_targets(frame)[[name for name in COLUMNS if name in frame]]
    try:
        slopes = specification_curve(known, arms[-1], arms[0], primary=measure)
    except XferError as error:
        return element("p", f"No slopes: {error.what.splitlines()[0]}")
    rows = [
        [
            f"{one.measure}{' (fixed before)' if one.primary else ''}",
            str(one.languages),
            points(one.slope, True),
            interval(one.low, one.high, True),
            p_text(one.p_holm),
            points(one.detectable),
        ]
        for one in records(slopes)
    ]
    return table(
        ["distance", "languages", "points per sd", "interval", "corrected p", "finds"],
        rows,
        caption="Specification curve: how the gain changes with each distance; finds: in 8 of 10 cases",
        numeric={1, 2, 4, 5},
    )
