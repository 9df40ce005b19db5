"""How a process of ours logs, the command's and its workers' alike."""

from __future__ import annotations

import logging
import os
import sys

from mlflow_xfer.errors import is_interruption

LEVEL = "XFER_LOG_LEVEL"
NOISY = ("alembic", "datasets", "filelock", "fsspec", "httpx", "mlflow", "urllib3")
"""Libraries of which only what is wrong is logged, whatever they say of themselves."""


def set_up() -> None:
    """Ours from ``$XFER_LOG_LEVEL`` on (INFO), to standard error; of others what is wrong."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.addFilter(is_no_aftermath)
    logging.getLogger("mlflow_xfer").setLevel(os.environ.get(LEVEL, "INFO"))
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def say_more() -> None:
    """Ours from DEBUG on, in this process and those that it starts."""
    os.environ[LEVEL] = "DEBUG"
    logging.getLogger("mlflow_xfer").setLevel(logging.DEBUG)


def is_no_aftermath(record: logging.LogRecord) -> bool:
    """Whether what a library logs is no error of its own clean-up after an interruption. SQLAlchemy, stopped
    while it fetches rows, closes the connection first and logs that its cursor cannot be closed any more."""
    error = record.exc_info[1] if record.exc_info else None
    before = error and error.__context__
    while before is not None and not is_interruption(before):
        before = before.__context__
    return before is None or record.name.startswith("mlflow_xfer")
