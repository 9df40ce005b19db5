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
FETCHING = """
import logging, signal, sys
from sqlalchemy import create_engine, text
from mlflow_xfer import logs

def stop(*_):
    raise KeyboardInterrupt

if sys.argv[1] == "ours":
    logs.set_up()
signal.signal(signal.SIGALRM, stop)
many = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000000) SELECT i FROM n")
try:
    with create_engine(f"sqlite:///{sys.argv[2]}").connect() as connection, connection.execute(many) as rows:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        rows.fetchall()
except KeyboardInterrupt:
    logging.getLogger("sqlalchemy").error("interrupted", exc_info=None)
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("sqlalchemy").exception("an error of its own")
"""


def said(level: str) -> subprocess.CompletedProcess:
    return run(SAID, XFER_LOG_LEVEL=level)


def run(code: str, *argv: str, **env: str) -> subprocess.CompletedProcess:
    asked = [sys.executable, "-c", code, *argv]
    return subprocess.run(asked, capture_output=True, text=True, check=True, env=os.environ | env)


def test_ours_and_what_is_wrong_goes_to_standard_error():
    assert said("INFO").stderr == "ours\nwrong\n" and said("WARNING").stderr == "wrong\n"
    assert not said("INFO").stdout


def test_a_query_that_is_interrupted_leaves_no_traceback_of_its_cursor(tmp_path):
    theirs, ours = (run(FETCHING, who, str(tmp_path / "rows.db")).stderr for who in ("theirs", "ours"))
    assert "closed database" in theirs, "SQLAlchemy logs it"
    assert "closed database" not in ours and "interrupted" in ours and "ZeroDivisionError" in ours
