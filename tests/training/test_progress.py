"""The bar of a phase: on a terminal with its place, label and the time left, and gone at its end; in a pipe
nothing.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios

SHOWS = """
import time
from mlflow_xfer.training import progress
with progress.beside("3/11 target choice · attribute · s1"):
    for step in progress.tracked(range(40), 40, "steps"):
        time.sleep(0.02)
print("done")
"""


def test_a_bar_on_a_terminal_and_none_in_a_pipe():
    there, here = pty.openpty()
    termios.tcsetwinsize(here, (24, 100))
    os.set_blocking(there, False)
    shown = subprocess.run(
        [sys.executable, "-c", SHOWS],
        stdout=subprocess.PIPE,
        stderr=here,
        check=True,
    )
    seen = os.read(there, 1 << 16).decode()
    os.close(here)
    os.close(there)
    states = [line for line in seen.split("\r") if "steps" in line]
    assert states and all(line.startswith("3/11 target choice · attribute · s1 steps:") for line in states)
    assert re.search(r"\d+%\|.*\| \d+/40 \[00:\d\d<00:\d\d", states[-1]), "how far, and how long still"
    assert all(len(line) <= 100 for line in states) and "\n" not in seen
    assert not seen.split("\r")[-1].strip() and "\x1b" not in seen.split("\r")[-2], "it leaves an empty line"
    assert shown.stdout == b"done\n"
    piped = subprocess.run([sys.executable, "-c", SHOWS], capture_output=True, check=True)
    assert piped.stderr == b"" and piped.stdout == b"done\n"
