"""Plain text, by the name that raw text has."""

from mlflow_xfer.data.readers.lines import read

__all__ = ["read"]
