"""Right choices that are numbers: whether rows count them from 1, where 0 is read as the first."""

from __future__ import annotations

import math

from mlflow_xfer.data.reading import cached
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.data.stream import source_of
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.tasks.task import Task

ACCIDENT = 1e-6
"""How likely it may be that the first choice is right in no row by chance alone."""


def counted_from_one(task: Task, rows: Rows) -> list[XferError]:
    """What is wrong with rows that were read, if the first choice is right in none of them, and there are so
    many that it should be: where the last choice is never right either, numbers from 1 read as well.

    An order that is declared (``labels``) says how they are counted.
    """
    import pyarrow as pa
    import pyarrow.compute as pc  # its functions are made when it is imported

    least, length = getattr(pc, "min"), getattr(pc, "list_value_length")  # noqa: B009
    reads, path = kind.data(task.kind), cached(task, rows)
    if reads.labels != "order" or getattr(source_of(task, rows), "labels", ()) or not path.is_file():
        return []
    choices = next(name for name, holds in reads.columns.items() if holds == "texts")
    with pa.memory_map(str(path)) as file:
        table = pa.ipc.open_stream(file).read_all().select([reads.counted, choices])
        if not len(table) or least(table[reads.counted]).as_py() == 0:
            return []
        sizes = length(table[choices]).to_pylist()
    if sum(math.log1p(-1 / size) for size in sizes) > math.log(ACCIDENT):
        return []
    numbers = [", ".join(str(n + first) for n in range(max(sizes))) for first in (1, 0)]
    return [
        XferError(
            f"Task {task.name!r}, {rows.split} split, {rows.language} ({rows.location}): the first choice is "
            f"right in none of {len(sizes):,} rows, as if choices were counted from 1.",
            f"Say how the rows count them: labels: [{numbers[0]}], or [{numbers[1]}].",
        )
    ]
