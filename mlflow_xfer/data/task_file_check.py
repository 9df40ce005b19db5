"""``mlflow-xfer tasks --check FILE``:
read everything a task file names and say what is there or what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from mlflow_xfer.data import sources
from mlflow_xfer.data.left_out import left_out
from mlflow_xfer.data.places import counted_from_one
from mlflow_xfer.data.reading import cached, check_across
from mlflow_xfer.data.remarks import Remarks, rows_of
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.tasks.task import POOL, SPLITS, Files, Task
from mlflow_xfer.tasks.task_file import load_task_file

MAX_LABELS = 12


@dataclass(frozen=True)
class Count:
    """What was found of one split in one language.
    ``rows`` is None where they lie on the hub and were not fetched, or are ``missing``: asked for, without a
    file.
    ``labels`` counts rows (tagging: words), most frequent first; ``unseen`` are declared, but in no row;
    ``options`` are how the task is read and scored, where it is not as the catalogue's are; ``remarks`` are
    on rows that can be read, but hardly as they were meant.
    """

    task: str
    split: str
    language: str
    rows: int | None
    labels: Mapping[str, int]
    unseen: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    missing: bool = False

    def __str__(self) -> str:
        shown = ", ".join(f"{label} {times:,}" for label, times in list(self.labels.items())[:MAX_LABELS])
        more = f", … ({len(self.labels)} labels)" if len(self.labels) > MAX_LABELS else ""
        if self.rows is None:
            why = "there is no file" if self.missing else "not fetched from the hub: not checked"
            return f"{self.task}  {self.split}  {self.language}  {why}"
        return (
            f"{self.task}  {self.split}  {self.language}  {self.rows:,} rows"
            + (f"  {shown}{more}" if shown else "")
            + (f"  in no row: {_few(self.unseen)}" if self.unseen else "")
            + "".join(f"  {name}: {value}" for name, value in self.options.items())
            + "".join(f"\n  {remark}" for remark in self.remarks)
        )


def check_task_file(path: str | Path) -> list[Count]:
    """Read every file that ``path`` names; counts per split, language and label.

    Raises:
        XferError: all problems of the YAML file, or else all problems of the files it names.
    """
    problems, counts = Problems(), []
    for task in load_task_file(path):
        data = "hub" if "file" not in task.sources else str(Path(path).parent)
        before, good = len(problems.found), []
        for split in (*SPLITS, POOL):
            for language in sources.available(task, split, data):
                try:
                    good += _good(task, split, language, data, problems)
                except XferError as error:
                    problems.add(error)
        if len(problems.found) == before:
            for problem in check_across(task, good):
                problems.add(problem)
            counts += _counts(task, good)
            counts += _missing(task, good)
    problems.raise_if_any()
    return counts


def _counts(task: Task, good: Sequence[sources.Rows]) -> Iterator[Count]:
    """What was found, a split after the other; what it leaves out is remarked with its last language."""
    remarks = Remarks(task)
    for _, read in groupby(good, key=lambda rows: rows.split):
        *_, last = rows_of_split = list(read)
        for rows in rows_of_split:
            found = count(task, rows, remarks)
            left = left_out(task, rows_of_split) if rows is last else ()
            yield replace(found, remarks=(*found.remarks, *left))


def _missing(task: Task, good: Sequence[sources.Rows]) -> list[Count]:
    """The languages that the entry asks for in which a split has no file."""
    there = {(rows.split, rows.language) for rows in good}
    files = [source for source in task.sources.get("file", ()) if isinstance(source, Files)]
    asked = [(split, code) for source in files for split, codes in source.languages.items() for code in codes]
    return [Count(task.name, *one, None, {}, missing=True) for one in asked if one not in there]


def _good(task: Task, split: str, language: str, data: str, problems: Problems) -> list[sources.Rows]:
    rows = sources.locate(task, split, language, data)
    if rows is None:
        return []
    faults = sources.check(task, rows) or counted_from_one(task, rows)
    for fault in faults:
        problems.add(fault)
    return [] if faults else [rows]


def count(task: Task, rows: sources.Rows, remarks: Remarks | None = None) -> Count:
    """Rows and labels of a split that was checked; of rows on the hub that were not fetched, nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc  # its functions are made when it is imported

    path = cached(task, rows)
    if not path.is_file():
        return Count(task.name, rows.split, rows.language, None, {})
    with pa.memory_map(str(path)) as file:
        table = pa.ipc.open_stream(file).read_all()
        column = kind.data(task.kind).counted
        labels = {}
        if column:
            values = table[column].combine_chunks()
            count_values = getattr(pc, "value_counts")  # noqa: B009
            counts = count_values(values.flatten() if pa.types.is_list(values.type) else values).to_pylist()
            labels = {
                str(one["values"]): one["counts"]
                for one in sorted(counts, key=lambda one: (-one["counts"], str(one["values"])))
            }
        unseen = tuple(label for label in task.labels if label not in labels) if column else ()
        remarks = remarks or Remarks(task)
        said = (*remarks.of(rows.split, rows_of(table)), *kind.data(task.kind).remarks(task, table))
        return Count(task.name, rows.split, rows.language, table.num_rows, labels, unseen, task.options, said)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_LABELS]) + (f" … ({len(names)})" if len(names) > MAX_LABELS else "")
