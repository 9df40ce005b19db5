"""How a process of ours logs."""

from __future__ import annotations

import os
import subprocess
import sys

SAID = (
    "import logging\n"
    "from mlflow_xfer import logs\n"
    "logs.set_up()\n"
    "logging.getLogger('mlflow_xfer.phases').info('ours')\n"
    "logging.getLogger('mlflow.store').info('theirs')\n"
    "logging.getLogger('alembic.runtime').warning('wrong')\n"
)


def said(level: str) -> subprocess.CompletedProcess:
    env = os.environ | {"XFER_LOG_LEVEL": level}
    return subprocess.run([sys.executable, "-c", SAID], capture_output=True, text=True, check=True, env=env)


def test_ours_and_what_is_wrong_goes_to_standard_error():
    assert said("INFO").stderr == "ours\nwrong\n" and said("WARNING").stderr == "wrong\n"
    assert not said("INFO").stdout
