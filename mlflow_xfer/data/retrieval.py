"""Queries, candidates and what is right: a retrieval split as rows of both, of one side, or of pairs.

A split is a ``datasets.Dataset`` in the columns of the kind. The candidates of a pair are known by the row's
id; of pairs with one and the same target only the first is a candidate, and right for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlflow_xfer.data.reading import subset
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.task import POOL

if TYPE_CHECKING:
    from datasets import Dataset

DEV_CANDIDATES = 2000
"""Candidates of a shared pool that dev queries are ranked among while training,
besides those that are right.
"""


def column(split: Any, name: str) -> list[Any]:
    """A column as a list; Nones where there is none."""
    return split[name][:] if name in split.column_names else [None] * len(split)


def texts_of(split: Any) -> list[tuple[str | None, str | None]]:
    """(target, context) of every row."""
    return list(zip(column(split, "target"), column(split, "context"), strict=True))


def stand_ins(split: Any) -> dict[str, str]:
    """Id of a pair to the id of the first pair with the same target, for pairs that are not the first."""
    first: dict[tuple, str] = {}
    found = {}
    for name, source, text in zip(split["id"][:], column(split, "source"), texts_of(split), strict=True):
        if source is not None and text[0] is not None and first.setdefault(text, name) != name:
            found[name] = first[text]
    return found


def candidates(split: Any) -> list[int]:
    """Numbers of the rows that are candidates."""
    repeated = stand_ins(split)
    return [
        n
        for n, (name, target) in enumerate(zip(split["id"][:], column(split, "target"), strict=True))
        if target is not None and name not in repeated
    ]


def offered(split: Any) -> list[str]:
    """Ids of the rows that are candidates."""
    names = split["id"][:]
    return [names[n] for n in candidates(split)]


def queries(split: Any) -> list[int]:
    """Numbers of the rows that are queries with an answer to find."""
    golds = column(split, "gold")
    return [
        n
        for n, source in enumerate(column(split, "source"))
        if source is not None and (golds[n] is None or len(golds[n]))
    ]


def golds(splits: Mapping[str, Any], pooled: bool) -> dict[str, list[list[str] | None]]:
    """By split, for every row the ids of the candidates that are right; None for rows that are no query.

    With ``pooled`` an answer in any language is right: the union over the queries with the same id.
    """
    found: dict[str, list[list[str] | None]] = {}
    union: dict[str, dict[str, None]] = {}
    for name, split in splits.items():
        repeated, asked = stand_ins(split), set(queries(split))
        given = zip(split["id"][:], column(split, "gold"), strict=True)
        rows: list[Any] = [
            [repeated.get(g, g) for g in gold or [i]] if n in asked else None
            for n, (i, gold) in enumerate(given)
        ]
        found[name] = rows
        for i, gold in zip(split["id"][:], found[name], strict=True):
            union.setdefault(i, {}).update(dict.fromkeys(gold or ()))
    if pooled:
        return {
            name: [
                None if gold is None else list(union[i])
                for i, gold in zip(splits[name]["id"][:], rows, strict=True)
            ]
            for name, rows in found.items()
        }
    return found


def few_queries(split: Dataset, limit: int | None, seed: int | None) -> Dataset:
    """At most ``limit`` queries (drawn as :func:`subset` draws), with all candidates of the split."""
    pairs = all(
        source is not None and target is not None
        for source, target in zip(column(split, "source"), column(split, "target"), strict=True)
    )
    if limit is None or pairs:
        return subset(split, limit, seed)
    asked = queries(split)
    if limit >= len(asked):
        return split
    kept = set(subset(split.select(asked), limit, seed)["id"][:])
    return split.select(
        [
            n
            for n, (name, source) in enumerate(zip(split["id"][:], column(split, "source"), strict=True))
            if source is None or name in kept
        ]
    )


def pairs(split: Dataset, pool: Dataset | None, what: str) -> Dataset:
    """A query and one of its right candidates in each row: what a dual encoder is trained on.

    Args:
        pool: further candidates that the split's gold ids may name.

    Raises:
        XferError: if a gold id names no candidate, or there is no pair at all.
    """
    from datasets import Dataset

    sources, targets = column(split, "source"), column(split, "target")
    if all(
        source is not None and target is not None for source, target in zip(sources, targets, strict=True)
    ):
        return split
    places = _places(split, pool)
    made: list[dict[str, Any]] = []
    for n, gold in zip(range(len(split)), column(split, "gold"), strict=True):
        if sources[n] is None:
            continue
        if targets[n] is not None:
            made.append(_pair(split[n]["id"], sources[n], split[n]))
            continue
        for name in gold or ():
            if name not in places:
                raise XferError(
                    f"{what}: query {split[n]['id']!r} names the candidate {name!r}, which is not there.",
                    "Candidates are rows with a target, in the same split or in the pool.",
                )
            made.append(_pair(f"{split[n]['id']}/{name}", sources[n], places[name]))
    if not made:
        raise XferError(
            f"{what}: no query has a right candidate.",
            "Give rows with source and target, or source and gold.",
        )
    return Dataset.from_list(made)


def _places(split: Dataset, pool: Dataset | None) -> dict[str, dict]:
    """Candidates by id; those of the split before those of the pool."""
    parts: list[Any] = [part for part in (pool, split) if part is not None]
    return {row["id"]: row for part in parts for row in part.select(candidates(part))}


def _pair(name: str, source: str, candidate: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": name,
        "source": source,
        "target": candidate["target"],
        "context": candidate.get("context"),
        "gold": [name],
    }


def with_distractors(split: Dataset, pool: Dataset | None, limit: int = DEV_CANDIDATES) -> Dataset:
    """A dev split with the pool's candidates that are right for it, and ``limit`` others:
    the whole pool may hold millions.
    """
    if pool is None:
        return split
    from datasets import concatenate_datasets

    wanted = {name for gold in golds({POOL: split}, False)[POOL] for name in gold or ()}
    names = pool["id"][:]
    right = [n for n, name in enumerate(names) if name in wanted]
    others = pool.select([n for n, name in enumerate(names) if name not in wanted])
    return concatenate_datasets([split, pool.select(right), subset(others, limit, 0)])


def unknown_golds(golds_: Sequence[list[str] | None], known: set[str]) -> list[str]:
    """Gold ids that no candidate has."""
    return [name for gold in golds_ for name in gold or () if name not in known]
