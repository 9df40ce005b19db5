"""How queries and candidates read, alone or in pairs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from mlflow_xfer.data.answers import answers_of
from mlflow_xfer.data.canonical import Convert, getter, mapped, text_of
from mlflow_xfer.data.encoded import Encoded, Rows, column
from mlflow_xfer.data.labels import MISSING, BadRow, NoLabel, absent
from mlflow_xfer.data.retrieval import column as column_of
from mlflow_xfer.data.retrieval import golds, offered, pairs, unknown_golds, with_distractors
from mlflow_xfer.data.sentences import sentence_at
from mlflow_xfer.data.subwords import texts
from mlflow_xfer.data.unlabelled import text_in
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.kind import Data, Further
from mlflow_xfer.kinds.retrieval.ids import NAMELESS, BySide
from mlflow_xfer.lines import Unscored, scalar_text
from mlflow_xfer.registry import unknown
from mlflow_xfer.tasks.task import POOL, Files, Hub, Task

REPEATED = re.compile(r"#[0-9]+$")
"""What an id ends with that other rows have too (``data/distinct.py``)."""
TRANSLATION, RANKING, MINING = "translation", "ranking", "mining"
PROTOCOLS: Mapping[str, str] = {"retrieval_accuracy": TRANSLATION, "map_at_20": RANKING, "bucc_f1": MINING}
"""By metric, what is asked for: translations, ranked lists among candidates, or mined pairs."""


def protocol(metric: str) -> str:
    """What tasks with ``metric`` are asked for.

    Raises:
        XferError: if it is no metric of retrieval.
    """
    if metric not in PROTOCOLS:
        raise unknown("metric of retrieval tasks", metric, PROTOCOLS)
    return PROTOCOLS[metric]


class Retrieval(Data):
    name = "retrieval"
    columns = {"source": "text", "target": "text", "context": "text", "gold": "texts"}
    texts = ("source", "target", "context")
    answers = ("gold",)
    declared = ("source", "target", "context", "gold", "answers")
    group = "context"
    paragraphs = True
    filled = ("source", "target")
    asked = ("text",)
    pool = True
    selects_by = ()
    untrained = True
    ids = BySide

    def convert(self, task: Task, source: Hub | Files) -> Convert:
        """Queries, candidates and pairs; with a column ``answers`` the candidate is the sentence that holds
        the answer, in its context (``target``), as XTREME-R trains LAReQA on SQuAD."""
        (get_source, s), (get_target, t), (get_gold, g), (get_context, c) = (
            mapped(source, name) for name in ("source", "target", "gold", "context")
        )
        get_answers = getter(source.columns["answers"]) if "answers" in source.columns else None
        told = "gold" in source.columns and protocol(task.metric) == RANKING

        def convert(raw: Any) -> dict[str, Any] | None:
            query, candidate, context, gold = (
                get_source(raw),
                get_target(raw),
                get_context(raw),
                get_gold(raw),
            )
            if absent(query) and absent(candidate):
                raise BadRow(f"has neither {s} nor {t}", query is MISSING and candidate is MISSING)
            if gold is MISSING and absent(candidate) and told:
                raise BadRow(f"has no {g}: a query without a right answer says []", True)
            if get_answers:
                context = text_of(candidate, t)
                candidate = sentence_at(context, _first_answer(get_answers(raw), context, source.offsets))
            return {
                "source": None if absent(query) else text_of(query, s),
                "target": None if absent(candidate) else text_of(candidate, t),
                "context": None if absent(context) else text_of(context, c),
                "gold": None if absent(gold) else _names(gold, g),
            }

        return convert

    def completed(self, row: dict[str, Any], name: str) -> dict[str, Any]:
        """A pair is its own right answer."""
        if row.get("gold") is not None:
            return row
        return row | {"gold": [name] if row["source"] is not None and row["target"] is not None else []}

    def needs_id(self, row: Mapping[str, Any]) -> bool:
        """Queries and pairs may lie in files of their own, with another column of ids or none."""
        return row["source"] is None

    def unlabelled(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        return {"text": text_in(raw, "text", "text_a", "source")}

    def encode(self, dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
        """One row an example: the query's tokens, then the candidate's, each a text by itself;
        either may be missing.

        ``second`` is where the candidate begins, ``inner`` where its context does (within the candidate; as a
        pair, cut at its end). ``query`` and ``positive`` number the distinct texts of each side: what is
        equal is no negative.
        """
        sides = dataset["source"][:], dataset["target"][:]
        contexts = column(dataset, "context") or [None] * len(sides[0])
        rows = Rows((), ("example", "second", "inner", "query", "positive"))
        numbers = [
            _numbered(sides[0]),
            _numbered([text and (text, context) for text, context in zip(sides[1], contexts, strict=True)]),
        ]
        given = [[n for n, text in enumerate(side) if text is not None] for side in sides]
        before = prefixes(task)
        read = [[before[at] + sides[at][n] for n in given[at]] for at in (0, 1)]
        made = [
            texts(tokenizer, read[0], None, limit),
            texts(tokenizer, read[1], [contexts[n] for n in given[1]], limit),
        ]
        found = [dict(zip(mine, part.ids, strict=True)) for mine, part in zip(given, made, strict=True)]
        inner = dict(zip(given[1], made[1].per_row["second"], strict=True))
        nothing = np.zeros(0, np.int32)
        for n in range(len(sides[0])):
            source, target = found[0].get(n, nothing), found[1].get(n, nothing)
            rows.add(
                np.concatenate([source, target]),
                example=n,
                second=len(source),
                inner=inner.get(n, 0),
                query=numbers[0][n],
                positive=numbers[1][n],
            )
        for part in made:
            rows.count(**part.counts)
        longer = {mine[n] for mine, part in zip(given, made, strict=True) for n in part.truncated}
        rows.counts |= {"examples": len(sides[0]), "truncated": len(longer)}
        return rows.done()

    def gold(self, task: Task, splits: Mapping[str, Any]) -> dict[str, list]:
        return golds(splits, task.option("pooled"))

    def across(self, task: Task, splits: Mapping[tuple[str, str], Any]) -> list[XferError]:
        """Right answers that are no candidates or several, and queries without any."""
        errors: list[XferError] = []
        pools = [rows for (split, _), rows in splits.items() if split == POOL]
        pool = {name for rows in pools for name in offered(rows)}
        for split in dict.fromkeys(split for split, _ in splits if split != POOL):
            mine = {code: rows for (one, code), rows in splits.items() if one == split}
            every = {name for rows in mine.values() for name in offered(rows)}
            right = golds(mine, task.option("pooled"))
            for code, rows in mine.items():
                what = f"Task {task.name!r}, {split} split, {code}"
                if protocol(task.metric) == TRANSLATION and split == "test":
                    errors += _unpaired(what, rows)
                elif protocol(task.metric) == MINING:
                    known = set(offered(rows))
                    errors += _ungolden(what, right[code]) or _unanswered(what, right[code], known)
                else:
                    known = pool | (every if task.option("pooled") else set(offered(rows)))
                    errors += _unanswered(what, right[code], known)
                    if split == "train":  # there a pair is not looked up
                        right[code] = _of_no_pair(rows, right[code])
                    errors += _ambiguous(what, right[code], [rows, *pools])
        return errors

    def remarks(self, task: Task, table: Any) -> list[str]:
        """Candidates whose id another one has, which no gold id can name; queries that are passed over."""
        rows = zip(*(table[name].to_pylist() for name in ("id", "target", "context")), strict=True)
        again = [name for names in _of_several(rows).values() for name in names]
        what = f"{len(again):,} candidates have the id of another, such as {again[0] if again else ''!r}"
        found = [f"{what}: a gold id names the first alone"] if again else []
        asked = list(zip(*(table[name].to_pylist() for name in ("id", "source", "gold")), strict=True))
        unanswered = [name for name, query, gold in asked if query is not None and not gold]
        if unanswered and protocol(task.metric) != MINING:  # most sentences have no translation there
            queries = sum(query is not None for _, query, _ in asked)
            found.append(
                f"{len(unanswered):,} of {queries:,} queries have no right answer, such as {unanswered[0]!r}"
                ": they are neither trained on nor scored"
            )
        return found

    def training(self, split: Any, pool: Any, what: str) -> Any:
        return pairs(split, pool, what)

    def dev(self, split: Any, pool: Any) -> Any:
        return with_distractors(split, pool)

    def tunes_on_dev(self, task: Task) -> bool:
        return protocol(task.metric) == MINING

    def further(self, task: Task, scored: Sequence[str], tested: Sequence[str]) -> Further:
        if self.tunes_on_dev(task):
            return Further(dev=tuple(tested))
        others = tuple(code for code in task.languages if code not in scored) if task.option("pooled") else ()
        return Further(others=others, pool=True)

    def default_metric(self, labels: Sequence[str], columns: Mapping[str, Any], splits: Sequence[str]) -> str:
        """Lists are judged where there are right answers or a dual encoder to train."""
        lists = {"gold", "answers"} & set(columns) or {"train", POOL} & set(splits)
        return "map_at_20" if lists else "retrieval_accuracy"

    def format_of(self, suffixes: set[str], columns: Mapping[str, Any]) -> str | None:
        return None if columns or suffixes <= {".jsonl", ".json", ".parquet"} else "parallel"


KIND = Retrieval()


def prefixes(task: Task) -> tuple[str, str]:
    """What is read before each query and before each candidate."""
    return task.option("prefix"), task.option("passage_prefix") or task.option("prefix")


def _unpaired(what: str, rows: Any) -> list[XferError]:
    """Rows of a test set of translations that are no pair."""
    sides = zip(column_of(rows, "source"), column_of(rows, "target"), strict=True)
    alone = [name for name, pair in zip(rows["id"][:], sides, strict=True) if None in pair]
    if not alone:
        return []
    return [
        XferError(
            f"{what}: {len(alone)} of {len(rows)} rows are no pair of texts, such as row {alone[0]!r}.",
            "Translations are pairs; queries and candidates apart need columns: {gold: …}.",
        )
    ]


def _unanswered(what: str, right: Sequence[list[str] | None], known: set[str]) -> list[XferError]:
    """Whether right answers are no candidates, or no query has one."""
    absent = unknown_golds(right, known)
    ids = sorted(name for name in known if not NAMELESS.fullmatch(name))
    if absent and known and not ids:
        return [
            XferError(
                f"{what}: right answers are named by ids, such as {absent[0]!r}, and no candidate has an id.",
                "columns: {id: …} says where ids stand, if not in the column id.",
            )
        ]
    if absent:
        return [
            XferError(
                f"{what}: {len(absent)} right answers are no candidates, such as {absent[0]!r}.",
                "Candidates are rows with a target, in the same split or in the pool; their ids are like "
                + (", ".join(map(repr, ids[:3])) or "(there are none)")
                + (f"; {len(known) - len(ids):,} have none" if len(ids) < len(known) else ""),
            )
        ]
    if not any(right):
        return [XferError(f"{what}: no query has a right answer.", "columns: {gold: …}, or rows of pairs.")]
    return []


def _ungolden(what: str, right: Sequence[list[str] | None]) -> list[XferError]:
    """Whether there is no pair to mine, by which a threshold is tuned or a test set is scored."""
    if any(right):
        return []
    return [
        Unscored(
            f"{what}: there is no gold pair.",
            "Public test sets often hide them: use a copy that has them. Without a test split dev is scored.",
        )
    ]


def _ambiguous(what: str, right: Sequence[list[str] | None], parts: Sequence[Any]) -> list[XferError]:
    """Whether right answers name several candidates."""
    wanted = {name for gold in right for name in gold or ()}
    rows = chain.from_iterable(
        zip(part["id"][:], column_of(part, "target"), column_of(part, "context"), strict=True)
        for part in parts
    )
    twice = sorted(_of_several(rows, wanted))
    if not twice:
        return []
    return [
        XferError(
            f"{what}: {len(twice)} right answers are ids of several candidates, such as {twice[0]!r}.",
            "Candidates of other texts need other ids, in the split and in the pool; a pair without an id "
            "has its number for one, from 0.",
        )
    ]


def _of_no_pair(rows: Any, right: Sequence[list[str] | None]) -> list[list[str] | None]:
    return [
        None if target is not None else gold
        for target, gold in zip(column_of(rows, "target"), right, strict=True)
    ]


def _of_several(
    rows: Iterable[tuple[str, str | None, str | None]], wanted: Collection[str] | None = None
) -> dict[str, list[str]]:
    """Ids (of those ``wanted``) that candidates of other texts have, too, and what these are called.

    ``rows`` are (id, target, context).
    """
    first: dict[str, tuple[str, str | None]] = {}
    others: dict[str, list[str]] = {}
    for name, target, context in rows:
        own = REPEATED.sub("", name)
        own = own if own in first else name
        if target is None or (wanted is not None and own not in wanted):
            continue
        if first.setdefault(own, (target, context)) != (target, context):
            others.setdefault(own, []).append(name)
    return others


def _first_answer(given: Any, context: str, unit: str) -> int:
    """Where the first answer begins, in characters."""
    _, starts = answers_of(given, context, unit)
    if not starts:
        raise NoLabel("has no answer")
    return starts[0]


def _names(gold: Any, column: str) -> list[str]:
    """Ids of right candidates, whatever type they were written in."""
    names = []
    for name in gold if isinstance(gold, list) else [gold]:
        if isinstance(name, bool) or not isinstance(name, str | int | float) or absent(name) or name == "":
            raise BadRow(f"{column} holds {name!r:.40}, which is no id")
        names.append(scalar_text(name))
    return names


def _numbered(values: Sequence[Any]) -> list[int]:
    """Equal values with equal numbers, in the order of their first; -1 for None."""
    first: dict[Any, int] = {}
    return [-1 if value is None else first.setdefault(value, len(first)) for value in values]
