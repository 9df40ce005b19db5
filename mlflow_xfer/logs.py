"""How a process of ours logs, the command's and its workers' alike."""

from __future__ import annotations

import logging
import os
import sys

LEVEL = "XFER_LOG_LEVEL"
NOISY = ("alembic", "datasets", "filelock", "fsspec", "httpx", "mlflow", "urllib3")
"""Libraries of which only what is wrong is logged, whatever they say of themselves."""


def set_up() -> None:
    """Ours from ``$XFER_LOG_LEVEL`` on (INFO), to standard error; of others what is wrong."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("mlflow_xfer").setLevel(os.environ.get(LEVEL, "INFO"))
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def say_more() -> None:
    """Ours from DEBUG on, in this process and those that it starts."""
    os.environ[LEVEL] = "DEBUG"
    logging.getLogger("mlflow_xfer").setLevel(logging.DEBUG)
