"""Two runs beside each other: where one is better than the other, by language and by bucket of examples, and
how many examples one gets right that the other gets wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from mlflow_xfer.errors import XferError, few
from mlflow_xfer.tracking.results import results

if TYPE_CHECKING:
    from mlflow_xfer.tracking.session import Session

BUCKETS, EXAMPLES = "results/buckets.json", "results/examples.json"
SEEDS = ["base_seed", "seed"]
PLACE = ["task", "language", "attribute", "low", "high"]
WHOLE = "all"  # the attribute of a row about all examples of a language


def changes(store: Session, one: str, other: str) -> pd.DataFrame:
    """Scores of ``other`` minus those of ``one``, means over the evaluations behind each: over the seeds that
    both have, where there are any.

    Returns:
        task, language, attribute (``all``, or what the examples were put into buckets by), low, high
        (borders of the bucket), n, one, other, difference; and of the examples that both runs keep in their
        tables, how many only the other gets right (``gained``) or only the first (``lost``). Rows of one
        task and language stand together, ``all`` first.

    Raises:
        XferError: an unknown run, one of several conditions, or no task and language that both have.
    """
    frames = [_evaluated(store, name) for name in (one, other)]
    common = set.intersection(*({*frame[SEEDS].itertuples(index=False, name=None)} for frame in frames))
    if common:
        frames = [frame[frame[SEEDS].apply(tuple, axis=1).isin(common)] for frame in frames]
    (first, evaluated), (second, beside) = (_scores(store, frame) for frame in frames)
    both = first.merge(second, on=PLACE, how="inner", suffixes=("_one", "_other"))
    if both.empty:
        raise XferError(
            "The two have no task and language in common.", "Compare runs that were evaluated on the same."
        )
    found = both.assign(n=both["n_one"], one=both["score_one"], other=both["score_other"])
    found["difference"] = found["other"] - found["one"]
    found = found.merge(_flips(store, evaluated, beside), on=["task", "language", "attribute"], how="left")
    return found[[*PLACE, "n", "one", "other", "difference", "gained", "lost"]]


def _evaluated(store: Session, name: str) -> pd.DataFrame:
    frame = results(store, [name])
    if len(conditions := frame["condition"].unique()) > 1:
        raise XferError(
            f"{name} has several conditions: {few(conditions)}.",
            "Name one of their runs; mlflow-xfer report compares all of them.",
        )
    return frame


def _scores(store: Session, frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(mean score and number of examples by language and bucket, the evaluations behind: task, run_id)."""
    evaluated = frame.sort_values(SEEDS, key=lambda seeds: seeds.map(str))[
        ["task", "run_id"]
    ].drop_duplicates()
    whole = frame.assign(attribute=WHOLE, low="", high="")
    parts = [whole[[*PLACE, "score", "n"]] if "n" in whole else whole[[*PLACE, "score"]].assign(n=0)]
    for task, run_id in evaluated.itertuples(index=False):
        table = _table(store, run_id, BUCKETS)
        if table is not None and not table.empty:
            borders = {end: table[end].map("{:g}".format) for end in ("low", "high")}
            parts.append(table.assign(task=task, **borders)[[*PLACE, "score", "n"]])
    tables = pd.concat(parts, ignore_index=True)
    tables = tables.groupby(PLACE, sort=False, as_index=False)[["score", "n"]].mean()
    tables = tables.sort_values(["task", "language"], kind="stable")
    return tables, evaluated


def _flips(store: Session, first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """By task and language: examples that one run alone gets right, of the first evaluation of each."""
    kept = [_examples(store, evaluations) for evaluations in (first, second)]
    columns = ["task", "language", "attribute", "gained", "lost"]
    if any(one.empty for one in kept):
        return pd.DataFrame(columns=columns)
    both = kept[0].merge(kept[1], on=["task", "language", "id"], suffixes=("_one", "_other"))
    was, now = both["right_one"].astype(bool), both["right_other"].astype(bool)
    both = both.assign(gained=~was & now, lost=was & ~now, attribute=WHOLE)
    return both.groupby(columns[:3], as_index=False)[["gained", "lost"]].sum()


def _examples(store: Session, evaluations: pd.DataFrame) -> pd.DataFrame:
    once = evaluations.drop_duplicates("task")
    tables: Sequence[pd.DataFrame] = [
        table.assign(task=task)[["task", "language", "id", "right"]].dropna()
        for task, run_id in once.itertuples(index=False)
        for table in [_table(store, run_id, EXAMPLES)]
        if table is not None and not table.empty
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _table(store: Session, run_id: str, path: str) -> pd.DataFrame | None:
    rows = store.read_table(run_id, path)
    return None if rows is None else pd.DataFrame(rows)
