"""Parquet tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlflow_xfer.data.readers import Numbered, each_file
from mlflow_xfer.errors import few
from mlflow_xfer.lines import Malformed
from mlflow_xfer.tasks.task import Files


@each_file
def read(path: Path, source: Files, language: str) -> Numbered:
    """Rows of a parquet file. Bytes that are UTF-8 are text: Impala, Hive and Spark may leave out that they
    are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        number = 0
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if len(set(names)) < len(names):
                raise Malformed(f"{path}: names a column twice: {few(names)}.")
            for batch in file.iter_batches(batch_size=2000):
                for row in _with_texts(batch).to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError) as error:
        raise Malformed(f"{path}: is not a parquet file ({str(error).splitlines()[0]}).") from None


def _with_texts(batch: Any) -> Any:
    """``batch`` with its columns of bytes as texts, where they all are UTF-8."""
    import pyarrow as pa

    for at, field in enumerate(batch.schema):
        text = _of_text(field.type)
        if text != field.type:
            try:
                batch = batch.set_column(at, field.name, batch.column(at).cast(text))
            except pa.ArrowException:  # pictures, sounds; a text of such bytes is refused where it is read
                continue
    return batch


def _of_text(kind: Any) -> Any:
    """The type with text in place of bytes, also inside of lists and structures."""
    import pyarrow as pa

    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_of_text(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_of_text(field.type)) for field in kind])
    return kind
