"""Turns examples into token ids, each kind of task in its own way.

An :class:`Encoded` split is flat arrays, so that it is cheap to cache, to sort by length and to cut into
batches; nothing is padded here. Tokenizers are passed in; this module knows neither torch nor models.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any
from weakref import WeakKeyDictionary

from mlflow_xfer import code
from mlflow_xfer.data import encoded as cache
from mlflow_xfer.data.encoded import Encoded
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.tasks.task import Task


def encode(
    dataset: Any,
    task: Task,
    tokenizer: Any,
    max_seq_length: int,
    *,
    decoder: bool = False,
    cached: bool = True,
) -> Encoded:
    """Encode ``dataset`` (canonical columns of the task's kind), from the cache if it was encoded before.

    Args:
        dataset: a ``datasets.Dataset``.
        task: gives the kind and the labels' order.
        tokenizer: a fast tokenizer.
        max_seq_length: longest row, special tokens included.
        decoder: whether the model reads from left to right (tags then sit on a word's last subword).
        cached: whether to read and write the cache under ``home()/encoded``.

    Raises:
        XferError: if a label is not one of the task's, or the kind has no encoding.
    """
    if max_seq_length < 8:
        raise XferError(f"max_seq_length={max_seq_length} leaves no room for a text.", "Use at least 8.")

    def made() -> Encoded:
        return kind.data(task.kind).encode(dataset, task, tokenizer, max_seq_length, decoder)

    if not cached:
        return made()
    return cache.from_cache(_key(dataset, task, tokenizer, max_seq_length, decoder), made)


# -- the key of the cache ------------------------------------------------------------------------------------
def fingerprint(dataset: Any) -> str:
    """sha256 of a dataset's rows and column names, whatever file or selection they come from."""
    import pyarrow as pa

    digest = hashlib.sha256()

    class Sink:
        closed = False

        def write(self, data: Any) -> int:
            digest.update(memoryview(data))
            return len(data)

        def flush(self) -> None: ...

        def close(self) -> None: ...

    table = dataset.with_format("arrow")[:].combine_chunks().replace_schema_metadata(None)
    with pa.PythonFile(Sink(), mode="w") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return digest.hexdigest()


_states: WeakKeyDictionary[Any, tuple[int, str]] = WeakKeyDictionary()


def _state(tokenizer: Any) -> str:
    """sha256 of what a tokenizer does to a text, computed once for each tokenizer:
    XLM-R's is 17 MB of JSON.
    """
    size, known = _states.get(tokenizer, (-1, ""))
    if size != len(tokenizer):  # tokens were added since
        state = json.loads(tokenizer.backend_tokenizer.to_str())
        for name in ("truncation", "padding"):
            state.pop(name, None)
        known = hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
        _states[tokenizer] = (len(tokenizer), known)
    return known


def _key(dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> str:
    parts = [
        fingerprint(dataset),
        str(task.kind),
        list(task.labels),
        sorted(task.options.items()),
        _state(tokenizer),
        limit,
        decoder,
        code.program().hash([__name__, *code.parts(task.kind, "data")]),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
