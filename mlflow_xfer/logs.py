"""How a process of ours logs, the command's and its workers' alike."""

from __future__ import annotations

import logging
import os
import sys

NOISY = ("alembic", "datasets", "filelock", "fsspec", "httpx", "mlflow", "urllib3")
"""Libraries of which only what is wrong is logged."""


def set_up() -> None:
    """Ours from ``$XFER_LOG_LEVEL`` on (INFO), to standard error; of others what is wrong."""
    logging.basicConfig(
        level=os.environ.get("XFER_LOG_LEVEL", "INFO"), format="%(message)s", stream=sys.stderr
    )
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
