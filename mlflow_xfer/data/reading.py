"""Reading rows into the columns of their kind, once: the result is an Arrow file under ``home()/data``.

The file's name is the hash of the rows' identity, of the declaration they are read by and of the reading
code; it appears whole or not at all, whatever happens to the process, and only for rows without faults. So
its presence also says that :func:`check` has nothing to report.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from heapq import nsmallest
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer import code
from mlflow_xfer.data import origins
from mlflow_xfer.data.checks import Tally
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.data.stream import source_of, stream, text_task
from mlflow_xfer.durable.files import sweep, whole_file
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.home import home
from mlflow_xfer.kinds import kind as kinds
from mlflow_xfer.lines import Malformed
from mlflow_xfer.tasks.task import Source, Task

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

BATCH = 2000
STALE_S = 24 * 3600  # temporary files older than this belong to processes that were killed


def read(task: Task, rows: Rows) -> Dataset:
    """The rows in the columns of ``task.kind``, mapped from the cached Arrow file.

    Raises:
        XferError: everything that :func:`check` finds, at once.
    """
    from datasets import Dataset

    path = cached(task, rows)
    if not (path.is_file() and rows.resolved):  # what a branch of the hub holds may have changed
        _raise(_build(task, rows, path))
    try:
        return Dataset.from_file(str(path))
    except Exception:  # an Arrow file damaged from outside: made anew
        path.unlink(missing_ok=True)
        _raise(_build(task, rows, path))
        return Dataset.from_file(str(path))


def check(task: Task, rows: Rows) -> list[XferError]:
    """What is wrong with the rows: malformed lines,
    labels that are stripped, constant or unknown, an empty split …

    Reads them, unless they were read before. Rows of the hub are not fetched for it.
    """
    path = cached(task, rows)
    if path.is_file() or (rows.provider == "hub" and not rows.resolved):
        return []
    return _build(task, rows, path)


def check_across(task: Task, rows: Iterable[Rows]) -> list[XferError]:
    """What is wrong between splits that :func:`check` found nothing in. Rows of the hub are not fetched."""
    reads, rows = kinds.data(task.kind), list(rows)
    if "across" not in vars(type(reads)) or not all(
        one.resolved and cached(task, one).is_file() for one in rows
    ):
        return []
    return reads.across(task, {(one.split, one.language): read(task, one) for one in rows})


def read_text(rows: Rows) -> Dataset:
    """The documents of one language of raw text:
    ``id``, ``text`` (the embedded suite: also ``text_b``, ``kind``).
    """
    return read(text_task(rows), rows)


def subset(dataset: Dataset, limit: int | None, seed: int | None) -> Dataset:
    """At most ``limit`` rows, in their order; None = all.

    Which ones is a pure function of the seed and the rows' ids, and a smaller limit draws from a larger one's
    rows.
    """
    if limit is None or limit >= len(dataset):
        return dataset
    ids = dataset["id"][:]  # a plain list: a lazy column is read from disk item by item
    ranked = nsmallest(
        limit, range(len(ids)), key=lambda i: hashlib.blake2b(f"{seed}/{ids[i]}".encode()).digest()
    )
    return dataset.select(sorted(ranked))


def _raise(errors: list[XferError]) -> None:
    if len(errors) == 1:
        raise errors[0]
    problems = Problems()
    for problem in errors:
        problems.add(problem)
    problems.raise_if_any()


# -- the cache -----------------------------------------------------------------------------------------------
def cached(task: Task, rows: Rows) -> Path:
    """Where the Arrow file of these rows lies, once it was made."""
    source = source_of(task, rows)
    declared = {name: value for name, value in asdict(source).items() if name != "splits"}
    key = [
        rows.spec(),
        dict(rows.params),
        task.kind,
        task.labels,
        type(source).__name__,
        declared,
        _code(task, source),
    ]
    digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
    return home() / "data" / f"{task.name}-{rows.split}-{rows.language}-{digest[:24]}.arrow"


def _code(task: Task, source: Source) -> str:
    """Hash of the code that makes rows of a source."""
    made = code.parts(task.kind, "data")
    return code.program().hash([__name__, *made, *origins.behind(source)])


def _build(task: Task, rows: Rows, path: Path) -> list[XferError]:
    """Read everything and write the Arrow file; if there are faults, return them and write nothing."""
    import pyarrow as pa

    tally = Tally()
    found_rows = stream(task, rows, tally)
    try:
        sweep(path.parent, STALE_S)
        with whole_file(path, forced=True) as partial:
            with partial.open("wb") as file:
                batch = _batch(found_rows)
                schema = schema_of(task.kind, batch)
                with pa.ipc.new_stream(file, schema) as writer:
                    while batch:
                        writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))
                        batch = _batch(found_rows)
            found = tally.problems(task, rows.split, rows.language, rows.location)
            if found:
                partial.unlink()
        return found
    except XferError as error:
        return [error, *tally.found]
    except (pa.ArrowException, OverflowError) as error:
        return [
            Malformed(
                f"{rows.location}: holds a value that cannot be stored ({error}).",
                "Numbers have at most 64 bits.",
            )
        ]
    except OSError as error:
        raise XferError(
            f"{path.parent}: cannot be written ({error.strerror}).", "XFER_HOME names the cache folder."
        ) from None


def _batch(stream: Iterator[dict]) -> list[dict]:
    batch = []
    for row in stream:
        batch.append(row)
        if len(batch) == BATCH:
            break
    return batch


def schema_of(kind: str, rows: list[dict]) -> pa.Schema:
    """The Arrow types of a kind's columns; generated text may have further text columns."""
    import pyarrow as pa

    text, texts = pa.string(), pa.list_(pa.string())
    types = {
        "text": text,
        "texts": texts,
        "integer": pa.int64(),
        "number": pa.float64(),
        "spans": pa.struct({"text": texts, "answer_start": pa.list_(pa.int64())}),
    }
    columns = {name: types[holds] for name, holds in kinds.data(kind).columns.items()}
    more = {name: text for row in rows[:1] for name in row if name not in columns and name != "id"}
    return pa.schema({"id": text} | columns | more)
