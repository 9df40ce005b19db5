"""Parquet tables."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.data.readers import Numbered, each_file
from mlflow_xfer.lines import Malformed
from mlflow_xfer.tasks.task import Files


@each_file
def read(path: Path, source: Files, language: str) -> Numbered:
    """Rows of a parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        number = 0
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=2000):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError) as error:
        raise Malformed(f"{path}: is not a parquet file ({str(error).splitlines()[0]}).") from None
