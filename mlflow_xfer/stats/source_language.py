"""Which language to train on for given target languages, by distances between any two languages.

Distances to English alone cannot say that Spanish is a better source for Portuguese. What there is between
any two of the table's languages: shares of WALS chapters with different values (as qWALS takes them, here of
morphology), differences of corpus-based complexity, family and script. Several are fused by mean rank, which
asks for no common unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.stats.ranking import kendall, mean_ranks, regret_points

PAIRWISE = ("wals_morphology_extended", "corpus_morphology", "different_family", "different_script")


def pairwise(measure: str, codes: Sequence[str] | None = None) -> pd.DataFrame:
    """The distances between all pairs of languages, a square; unknown = missing.

    Raises:
        XferError: unknown languages, or a measure that is known to English only.
    """
    chosen = [one.code for one in languages.resolve(codes if codes is not None else languages.known())]
    values = [[languages.distance(a, b, measure) for b in chosen] for a in chosen]
    return pd.DataFrame(np.array(values, float), index=chosen, columns=chosen)


def sources(
    targets: Sequence[str],
    candidates: Sequence[str] | None = None,
    measures: Sequence[str] = PAIRWISE,
    weights: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Candidates, the nearest first: columns language, rank (mean over measures and targets, 1 = nearest),
    a column for each measure (mean distance to the targets that are known), known (share of the pairs of
    target and measure for which a distance is known), and note (WALS values that are a relative's).

    Where a distance is not known, the candidate stands in the middle of those for which it is. A target is
    no candidate for itself.

    Args:
        candidates: languages to choose from; None: the whole table.
        weights: of targets, 1 where none is given; None: alike.

    Raises:
        XferError: no targets or measures, no candidate beside them, or weights that are of no target,
            negative or all 0.
    """
    wanted = [one.code for one in languages.resolve(targets)]
    pool = [
        one.code for one in languages.resolve(candidates if candidates is not None else languages.known())
    ]
    if not wanted:
        raise XferError(
            "No target languages are given.", "Name them: mlflow-xfer languages de,sw --show sources"
        )
    if not measures:
        raise XferError("No distances are given.", f"Usual ones: {', '.join(PAIRWISE)}")
    weight_of = _weights(weights or {}, wanted)
    pool = [code for code in pool if code not in wanted]
    if len(pool) < 2:
        raise XferError(
            "There are fewer than two candidates beside the targets.", "Give candidates that are no targets."
        )
    found = {
        (measure, target): {code: _absolute(code, target, measure) for code in pool}
        for measure in measures
        for target in wanted
    }
    share = {code: float(np.mean([of[code] is not None for of in found.values()])) for code in pool}
    places = {key: _places(of) for key, of in found.items()}
    weight = {key: weight_of[key[1]] for key in found}
    total = sum(weight.values())
    mean = {code: sum(weight[key] * of[code] for key, of in places.items()) / total for code in pool}
    rank = {code: round(value, 9) for code, value in mean.items()}  # sums of equal places differ by rounding
    frame = pd.DataFrame({"language": pool, "rank": [rank[code] for code in pool]})
    for measure in measures:
        frame[measure] = [_mean([found[measure, target][code] for target in wanted]) for code in pool]
    frame["known"] = [share[code] for code in pool]
    frame["note"] = [stand_ins(measures, [code]) for code in pool]
    return frame.sort_values(["rank", "language"], ignore_index=True)


def _weights(given: Mapping[str, float], wanted: Sequence[str]) -> dict[str, float]:
    """The weight of each target."""
    codes, problems = languages.codes_of(given), Problems()
    found = dict.fromkeys(wanted, 1.0) | {codes[name]: float(value) for name, value in given.items()}
    for code, value in found.items():
        if code not in wanted:
            problems.add(f"{code} has a weight and is no target.", f"Targets: {', '.join(wanted)}")
        if not 0 <= value < math.inf:
            problems.add(f"The weight of {code} is {value:g}.", "Weights are finite and not negative.")
    if not any(found.values()):
        problems.add("All targets have the weight 0.", "Give one of them a weight above 0.")
    problems.raise_if_any()
    return found


def stand_ins(measures: Sequence[str], codes: Sequence[str]) -> str:
    """Where a measure is WALS's: which of these languages have the values of a close relative there."""
    proxies = [one.code for one in languages.resolve(codes) if one.wals_is_proxy]
    by_wals = any(languages.MEASURES.get(measure).source == languages.WALS for measure in measures)
    return f"WALS values of {', '.join(proxies)} are a relative's" if proxies and by_wals else ""


def _absolute(a: str, b: str, measure: str) -> float | None:
    value = languages.distance(a, b, measure)
    return None if value is None else abs(value)


def _places(distances: Mapping[str, float | None]) -> dict[str, float]:
    """Rank of each (1 = nearest); unknown ones stand in the middle."""
    known = {code: -value for code, value in distances.items() if value is not None}
    middle = (len(distances) + 1) / 2
    if not known:
        return dict.fromkeys(distances, middle)
    stretch = len(distances) / len(known)
    ranks = {code: (rank - 0.5) * stretch + 0.5 for code, rank in mean_ranks([known]).items()}
    return {code: ranks.get(code, middle) for code in distances}


def _mean(values: Sequence[float | None]) -> float:
    known = [one for one in values if one is not None]
    return float(np.mean(known)) if known else float("nan")


def judged(scores: Mapping[str, float], chosen: pd.DataFrame) -> dict[str, float]:
    """How good the order of sources is against what they measured: regret@1 and @3 in points, Kendall's tau.

    Args:
        scores: of each source language, the mean score of the targets after training on it.
        chosen: of :func:`sources`.
    """
    ranks = dict(zip(chosen["language"], -chosen["rank"], strict=True))
    shared = [code for code in scores if code in ranks]
    if len(shared) < 2:
        raise XferError("Fewer than two of the measured source languages are ranked.")
    truth, order = [scores[code] for code in shared], [ranks[code] for code in shared]
    return {
        "regret@1 points": regret_points(truth, order, 1),
        "regret@3 points": regret_points(truth, order, 3),
        "Kendall": kendall(truth, order),
    }
