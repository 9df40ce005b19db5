"""The rows of a split, one after the other: raw rows read, chosen, converted and given unique ids."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mlflow_xfer.data import origins
from mlflow_xfer.data.canonical import Convert, group_of, kept, mapped, other_name, row_id
from mlflow_xfer.data.checks import Tally, columns_of
from mlflow_xfer.data.distinct import Ids
from mlflow_xfer.data.labels import MISSING, BadRow, NoLabel
from mlflow_xfer.data.readers import of_the_hub, reader
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.lines import names_in
from mlflow_xfer.tasks.task import Files, Generated, Hub, Part, Task, name_in, part_of

TEXT = Task("text", "language_model", "", (), {"folder": (Files({}, format="text"),)})


def text_task(rows: Rows) -> Task:
    if rows.provider != "hub":
        return TEXT
    from mlflow_xfer.tasks.catalogue import TASKS

    return TASKS.get(rows.task)


def source_of(task: Task, rows: Rows) -> Any:
    if task is TEXT:
        return Generated("text") if rows.provider == "mini" else TEXT.sources["folder"][0]
    return task.sources[rows.provider][rows.source]


def stream(task: Task, rows: Rows, tally: Tally) -> Iterator[dict]:
    """Good rows with unique ids (:class:`~mlflow_xfer.data.distinct.Ids`); faults go to ``tally``."""
    reads = kind.data(task.kind)
    ids = (reads.ids or Ids)()
    for number, (found, row) in enumerate(_converted(task, rows, tally)):
        name = ids(found, number, row)
        row = reads.completed(row, name)
        tally.count(row, reads.counted)
        yield {"id": name} | row
    fault, hint = ids.problem()
    if fault:
        tally.found.append(XferError(f"{rows.location}: {fault}", hint))


def _converted(task: Task, rows: Rows, tally: Tally) -> Iterator[tuple[str | None, dict]]:
    if rows.provider == "mini":
        for row in _generated(task, rows):
            yield row["id"], {name: value for name, value in row.items() if name != "id"}
        return
    source = source_of(task, rows)
    for one in (source, *source.also) if isinstance(source, Hub) else (source,):
        yield from _of_source(task, one, rows, tally)


def _of_source(
    task: Task, source: Files | Hub, rows: Rows, tally: Tally
) -> Iterator[tuple[str | None, dict]]:
    convert, id_of, keep = (
        _identified(task, source),
        row_id(source),
        kept(source, rows.language),
    )
    tally.names = _named_by(source)
    filled, called = kind.data(task.kind).filled, other_name(source, rows.language)
    part, wanted = part_of(source, rows.split, rows.language), _Chosen(rows, _alone(source, rows))
    for path, line, raw in _raw(task, source, rows):
        found = id_of(raw)
        chosen = wanted(found)  # of rows in other languages, too: a file of ids may be for all of them
        if not keep(raw):
            if name := called(raw):  # nobody would miss it
                own = name_in(source, rows.language)
                tally.bad(
                    path,
                    line,
                    f"is of {name!r}, and what stands for that language is {own!r}: write that, declare the "
                    f"other (codes: {{{rows.language}: {name!r}}}), or leave it out",
                )
            else:
                tally.leave(raw)
            continue
        if not chosen:
            tally.leave(raw)
            continue
        try:
            row = convert(raw)
        except NoLabel as error:
            tally.no_label(path, line, columns_of(raw) if error.no_column else "")
        except BadRow as error:
            tally.bad(path, line, f"{error}{columns_of(raw) if error.no_column else ''}")
        except (
            ValueError,
            TypeError,
            AttributeError,
            KeyError,
        ) as error:  # values of a wrong type inside a row
            tally.bad(path, line, f"cannot be read ({error})")
        else:
            blank = row and rows.provider == "file" and _blank(row, filled)
            if blank:
                tally.bad(path, line, f"has a blank {blank}")
            elif row is None or not (
                part is None or _in_share(part.share, lambda row=row: group_of(task, row))
            ):
                tally.leave(raw)
            else:
                yield found, row
    tally.found += wanted.problems()


def _named_by(source: Files | Hub) -> str:
    """What to do where the first line of a file is one of names, of which nothing is said."""
    if not isinstance(source, Files) or source.header or source.format not in ("tsv", "csv", "conll"):
        return ""
    rest = "" if source.format == "conll" else "; where all files have one: header: true"
    return f"Is the first line one of names (a header)? Remove it{rest}."


def _identified(task: Task, source: Files | Hub) -> Convert:
    """The kind's conversion, which refuses rows that lack the column that is declared for ids."""
    reads, (id_of, name) = kind.data(task.kind), mapped(source, "id")
    convert = reads.convert(task, source)

    def converted(raw: Any) -> dict[str, Any] | None:
        row = convert(raw)
        if row is not None and id_of(raw) is MISSING and reads.needs_id(row):
            raise BadRow(f"has no {name}", True)
        return row

    return converted if "id" in source.columns else convert


def _blank(row: Mapping[str, Any], columns: tuple[str, ...]) -> str:
    """The first of the columns whose text, or one of whose texts, is blank; empty: none is."""
    for name in columns:
        value = row[name]
        texts = value if isinstance(value, list) else [value]
        if any(isinstance(text, str) and not text.strip() for text in texts):
            return name
    return ""


def _generated(task: Task, rows: Rows) -> list[dict]:
    mini = origins.mini()
    if task is TEXT:
        return mini.text(rows.language, **rows.params)
    return mini.rows(source_of(task, rows).name, rows.split, rows.language, **rows.params)


def _raw(task: Task, source: Any, rows: Rows) -> Iterator[tuple[Any, int, Any]]:
    if isinstance(source, Files):
        yield from reader(source.format)(tuple(map(Path, rows.paths)), source, rows.language)
        return
    hub = origins.hub()
    loaded = hub.load(task, source, rows)
    hub.check_labels(task, source, loaded)
    rows_of_hub = hub.decoded(task, source, loaded)
    raws = ((source.path, number, raw) for number, raw in enumerate(rows_of_hub))
    if source.format:
        raws = of_the_hub(source.format)(raws, rows.language)
    yield from _asked(task, source, rows, raws) if source.questions else raws


def _asked(
    task: Task, source: Hub, rows: Rows, raws: Iterator[tuple[Any, int, Any]]
) -> Iterator[tuple[Any, int, Any]]:
    """Rows with the question that another data set asks under the same id."""
    other, id_of = source.questions[0], row_id(source)
    name = {
        one: source_.columns.get("question", "question")
        for one, source_ in (("own", source), ("other", other))
    }
    questions = {row_id(other)(raw): raw[name["other"]] for raw in origins.hub().load(task, other, rows)}
    for where, number, raw in raws:
        if id_of(raw) not in questions:
            raise XferError(
                f"{source.path}: row {number} has the id {id_of(raw)!r}, which {other.path} does not have.",
                "Its question is taken from there.",
            )
        yield where, number, raw | {name["own"]: questions[id_of(raw)]}


def _in_share(share: tuple[float, float], text: Callable[[], str]) -> bool:
    low, high = share
    if (low, high) == (0.0, 1.0):
        return True
    return low <= int.from_bytes(hashlib.sha256(text().encode()).digest()[:7], "big") / 2**56 < high


def _alone(source: Files | Hub, rows: Rows) -> bool:
    """Whether the ids that choose rows of a split are for these files only, not those of other languages."""
    parts = source.splits.get(rows.split)
    if isinstance(parts, Mapping):
        mine = parts[rows.language].ids
        return sum(part.ids == mine for part in parts.values()) == 1
    return not (isinstance(parts, Part) and any("{language}" in path for path in parts.paths))


class _Chosen:
    """Which rows their ids choose, and which ids were met.

    Every id that chooses rows must be that of one where the files are the only ones they are for (``alone``);
    of ids that leave rows out, one.
    """

    def __init__(self, rows: Rows, alone: bool) -> None:
        self.only = dict.fromkeys(names_in(Path(rows.ids))) if rows.ids else None
        self.without = frozenset(names_in(Path(rows.exclude_ids))) if rows.exclude_ids else frozenset()
        self.rows, self.alone, self.seen = rows, alone, ""
        self.met: set[str | None] = set()

    def __call__(self, found: str | None) -> bool:
        self.seen = self.seen or found or ""
        if found in self.without or (self.only is not None and found in self.only):
            self.met.add(found)
        return (self.only is None or found in self.only) and found not in self.without

    def problems(self) -> list[XferError]:
        """What is wrong with the files of ids, once all rows were read."""
        faults = []
        unmet = [name for name in self.only or () if name not in self.met] if self.alone else []
        if unmet:
            faults.append(
                f"{self.rows.ids}: {len(unmet)} of its {len(self.only or ())} ids are the id of no row, "
                f"such as {unmet[0]!r}."
            )
        if self.without and not self.without & self.met:
            faults.append(f"{self.rows.exclude_ids}: none of its {len(self.without)} ids is the id of a row.")
        hint = f"Ids of rows are like {self.seen!r}: columns: {{id: …}} says where they stand."
        return [XferError(fault, hint) for fault in faults]
