"""Reading rows into the columns of their kind, once: the result is an Arrow file under ``home()/data``.

The file's name is the hash of the rows' identity, of the declaration they are read by and of the reading code; it
appears whole or not at all, whatever happens to the process, and only for rows without faults. So its presence also
says that :func:`check` has nothing to report.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from heapq import nsmallest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_xfer.data.canonical import BadRow, NoLabel, converter, group_of, kept, row_id
from mlflow_xfer.data.checks import Tally
from mlflow_xfer.data.lines import numbered, whole
from mlflow_xfer.data.readers import read_raw
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.home import home
from mlflow_xfer.tasks.task import Files, Generated, Hub, Task, TaskKind, part_of

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

BATCH = 2000
STALE_S = 24 * 3600  # temporary files older than this belong to processes that were killed
CODE = ("lines.py", "readers.py", "formats.py", "canonical.py", "checks.py", "reading.py", "hub.py")

TEXT = Task("text", TaskKind.MASKED_LM, "", (), {"folder": (Files({}, format="text"),)})


def read(task: Task, rows: Rows) -> Dataset:
    """The rows in the columns of ``task.kind``, mapped from the cached Arrow file.

    Raises:
        XferError: everything that :func:`check` finds, at once.
    """
    from datasets import Dataset

    path = cached(task, rows)
    if not path.is_file():
        _raise(_build(task, rows, path))
    try:
        return Dataset.from_file(str(path))
    except Exception:  # an Arrow file damaged from outside: made anew
        path.unlink(missing_ok=True)
        _raise(_build(task, rows, path))
        return Dataset.from_file(str(path))


def check(task: Task, rows: Rows) -> list[XferError]:
    """What is wrong with the rows: malformed lines, labels that are stripped, constant or unknown, an empty split …

    Reads them, unless they were read before. Rows of the hub are not fetched for it.
    """
    path = cached(task, rows)
    if path.is_file() or (rows.provider == "hub" and not rows.resolved):
        return []
    return _build(task, rows, path)


def read_text(rows: Rows) -> Dataset:
    """The documents of one language of raw text: ``id``, ``text`` (the embedded suite: also ``text_b``, ``kind``)."""
    return read(_text_task(rows), rows)


def _text_task(rows: Rows) -> Task:
    if rows.provider != "hub":
        return TEXT
    from mlflow_xfer.tasks.catalogue import TASKS

    return TASKS.get(rows.task)


def subset(dataset: Dataset, limit: int | None, seed: int | None) -> Dataset:
    """At most ``limit`` rows, in their order; None = all.

    Which ones is a pure function of the seed and the rows' ids, and a smaller limit draws from a larger one's rows.
    """
    if limit is None or limit >= len(dataset):
        return dataset
    ids = dataset["id"]
    ranked = nsmallest(limit, range(len(ids)), key=lambda i: hashlib.blake2b(f"{seed}/{ids[i]}".encode()).digest())
    return dataset.select(sorted(ranked))


def _raise(found: list[XferError]) -> None:
    if len(found) == 1:
        raise found[0]
    problems = Problems()
    for problem in found:
        problems.add(problem)
    problems.raise_if_any()


# -- the cache ---------------------------------------------------------------------------------------------------------
def cached(task: Task, rows: Rows) -> Path:
    """Where the Arrow file of these rows lies, once it was made."""
    source = _source(task, rows)
    declared = {name: value for name, value in asdict(source).items() if name != "splits"}
    key = [rows.spec(), dict(rows.params), task.kind, task.labels, type(source).__name__, declared, _code()]
    digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
    return home() / "data" / f"{task.name}-{rows.split}-{rows.language}-{digest[:24]}.arrow"


def _source(task: Task, rows: Rows) -> Any:
    if task is TEXT:
        return Generated("text") if rows.provider == "mini" else TEXT.sources["folder"][0]
    return task.sources[rows.provider][rows.source]


@cache
def _code() -> str:
    digest = hashlib.sha256()
    for name in CODE:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.hexdigest()


def _build(task: Task, rows: Rows, path: Path) -> list[XferError]:
    """Read everything and write the Arrow file; if there are faults, return them and write nothing."""
    import pyarrow as pa

    tally = Tally()
    stream = _rows(task, rows, tally)
    schema, first = None, []
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".making-")
    except OSError as error:
        raise XferError(f"{path.parent}: cannot be written ({error.strerror}).", "XFER_HOME names the cache folder.") from None
    try:
        with os.fdopen(handle, "wb") as file:
            first = _batch(stream)
            schema = schema_of(task.kind, first)
            with pa.ipc.new_stream(file, schema) as writer:
                while first:
                    writer.write_batch(pa.RecordBatch.from_pylist(first, schema=schema))
                    first = _batch(stream)
            file.flush()
            os.fsync(file.fileno())
        found = tally.problems(task, rows.split, rows.language, rows.location)
        if not found:
            os.replace(temporary, path)
        return found
    except XferError as error:
        return [error, *tally.found]
    except OSError as error:
        raise XferError(f"{path}: cannot be written ({error.strerror}).", "XFER_HOME names the cache folder.") from None
    finally:
        with suppress(OSError):
            os.unlink(temporary)


def _batch(stream: Iterator[dict]) -> list[dict]:
    batch = []
    for row in stream:
        batch.append(row)
        if len(batch) == BATCH:
            break
    return batch


def _sweep(folder: Path) -> None:
    for left in folder.glob(".making-*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE_S:
                left.unlink()


def schema_of(kind: TaskKind, rows: list[dict]) -> pa.Schema:
    """The Arrow types of a kind's columns; generated text may have further text columns."""
    import pyarrow as pa

    text, texts = pa.string(), pa.list_(pa.string())
    columns = {
        TaskKind.CLASSIFICATION: {"text_a": text, "text_b": text, "label": text},
        TaskKind.TAGGING: {"words": texts, "tags": texts},
        TaskKind.MULTIPLE_CHOICE: {"context": text, "question": text, "choices": texts, "label": pa.int64()},
        TaskKind.SPAN_QA: {
            "original_id": text,
            "context": text,
            "question": text,
            "answers": pa.struct({"text": texts, "answer_start": pa.list_(pa.int64())}),
        },
        TaskKind.RETRIEVAL: {"source": text, "target": text, "gold": texts},
        TaskKind.MASKED_LM: {"text": text},
        TaskKind.CAUSAL_LM: {"text": text},
    }[kind]
    more = {name: text for row in rows[:1] for name in row if name not in columns and name != "id"}
    return pa.schema({"id": text} | columns | more)


# -- rows --------------------------------------------------------------------------------------------------------------
def _rows(task: Task, rows: Rows, tally: Tally) -> Iterator[dict]:
    """Good rows with unique ids; faults go to ``tally``.

    A repeated id gets ``#2``, ``#3`` … in the order of the rows (TyDiQA's ids repeat).
    """
    times: dict[str, int] = {}
    taken: set[str] = set()
    for number, (found, row) in enumerate(_converted(task, rows, tally)):
        name = base = found or str(number)
        while name in taken:
            times[base] = times.get(base, 1) + 1
            name = f"{base}#{times[base]}"
        taken.add(name)
        if task.kind is TaskKind.RETRIEVAL and row.get("gold") is None:
            row = row | {"gold": [name] if row["source"] is not None and row["target"] is not None else []}
        tally.count(row, task.kind)
        yield {"id": name} | row


def _converted(task: Task, rows: Rows, tally: Tally) -> Iterator[tuple[str | None, dict]]:
    if rows.provider == "mini":
        for row in _generated(task, rows):
            yield row["id"], {name: value for name, value in row.items() if name != "id"}
        return
    source = _source(task, rows)
    for one in (source, *source.also) if isinstance(source, Hub) else (source,):
        yield from _of_source(task, one, rows, tally)


def _of_source(task: Task, source: Files | Hub, rows: Rows, tally: Tally) -> Iterator[tuple[str | None, dict]]:
    convert, id_of, keep = converter(task, source), row_id(source), kept(source, rows.language)
    part, wanted = part_of(source, rows.split, rows.language), _chosen(rows)
    for path, line, raw in _raw(task, source, rows):
        if not keep(raw):
            continue
        found = id_of(raw)
        if not wanted(found):
            continue
        try:
            row = convert(raw)
            for text in _texts(row):
                text.encode()  # JSON can hold half a surrogate pair, which is no text
        except NoLabel:
            tally.unlabelled += 1
        except BadRow as error:
            tally.bad(path, line, str(error))
        except UnicodeEncodeError:
            tally.bad(path, line, "holds half a surrogate pair (\\ud800-\\udfff), which is not text")
        else:
            if row is not None and (part is None or _in_share(part.share, lambda row=row: group_of(task, row))):
                yield found, row


def _generated(task: Task, rows: Rows) -> list[dict]:
    from mlflow_xfer.data import mini

    if task is TEXT:
        return mini.text(rows.language)
    return mini.rows(_source(task, rows).name, rows.split, rows.language, **rows.params)


def _raw(task: Task, source: Any, rows: Rows) -> Iterator[tuple[Any, int, Any]]:
    if isinstance(source, Files):
        yield from read_raw(tuple(map(Path, rows.paths)), source, rows.language)
        return
    from mlflow_xfer.data import hub

    loaded = hub.load(task, source, rows)
    hub.check_labels(task, source, loaded)
    for number, raw in enumerate(loaded):
        yield source.path, number, raw


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


def _in_share(share: tuple[float, float], text: Callable[[], str]) -> bool:
    low, high = share
    if (low, high) == (0.0, 1.0):
        return True
    return low <= int.from_bytes(hashlib.sha256(text().encode()).digest()[:7], "big") / 2**56 < high


def _chosen(rows: Rows) -> Callable[[str | None], bool]:
    only = frozenset(label_names(Path(rows.ids))) if rows.ids else None
    without = frozenset(label_names(Path(rows.exclude_ids))) if rows.exclude_ids else frozenset()
    return lambda found: (only is None or found in only) and found not in without


def label_names(path: Path) -> tuple[str, ...]:
    """Names (labels, ids) that a file lists: lines, a JSON list, or the keys of a JSON object.

    Raises:
        XferError: not readable as that.
    """
    if path.suffix != ".json":
        return tuple(line.strip() for _, line in numbered(path) if line.strip())
    try:
        return tuple(map(str, json.loads(whole(path))))
    except (ValueError, TypeError) as error:
        raise XferError(f"{path}: is neither a JSON list nor a JSON object ({error}).") from None
