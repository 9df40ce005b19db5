"""The folder of a cell: what a shell and pip read of it, and what is refused where it was changed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting import repro
from mlflow_xfer.reporting.cell import SHORT, Cell
from mlflow_xfer.tracking.commands import Command
from mlflow_xfer.tracking.runs import RunView

HASH = "a" * 64
ODD = """/tmp/a$HOME"b 'c'"""


def written(folder: Path) -> None:
    scores = [{"task": "pos", "language": "de", "score": 70.0, "spec_hash": HASH}]
    cell = Cell([], scores, {f"{HASH[:SHORT]}/pos/test-de.tsv": b"NOUN\n"})
    run = RunView("1" * 32, "0", "cell", "FINISHED", 0, 0, False, "", {"xfer.kind": "transfer"}, {}, {}, ())
    repro.write(cell, run, [Command("transfer", {"model": "mini"}, "run1")], {}, folder)


def test_a_shell_reads_values_as_they_were_given(tmp_path):
    commands = [
        Command("intermediate", {"data": ODD, "model": ODD}, "run1"),
        Command("transfer", {"model": "$run1", "text": "$run1 is no run"}, "run2"),
    ]
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "mlflow-xfer"
    program.write_text(
        "#!/usr/bin/env python3\nimport json, sys\n"
        "with open('asked', 'a') as f:\n    f.write(json.dumps(sys.argv[1:]) + '\\n')\n"
        "print(json.dumps({'run_id': 'f' * 32}))\n"
    )
    program.chmod(0o755)
    (tmp_path / "commands.sh").write_text(repro.script(commands))
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    subprocess.run(["sh", "commands.sh"], cwd=tmp_path, check=True, env=os.environ | {"PATH": path})
    first, second = (json.loads(line) for line in (tmp_path / "asked").read_text().splitlines())
    assert first == ["intermediate", "--data", ODD, "--model", ODD, "--output", "json"]
    assert second == ["transfer", "--model", "f" * 32, "--text", "$run1 is no run", "--output", "json"]


def test_the_lock_names_packages_that_indexes_have():
    lines = [line.partition("#")[0].strip() for line in repro.installed().splitlines()]
    named = dict(line.split("==") for line in lines if line)
    assert "torch" in named and "mlflow" in named and "mlflow-xfer" not in named
    assert not [version for version in named.values() if "+" in version]


def test_a_folder_that_was_changed_is_refused(tmp_path):
    written(tmp_path / "cell")
    assert repro.read(tmp_path / "cell").run["name"] == "cell"
    results = tmp_path / "cell" / "results.json"
    whole = json.loads(results.read_text())
    for part, emptied in (("predictions", {}), ("scores", [])):
        results.write_text(json.dumps(whole | {part: emptied}))
        with pytest.raises(XferError, match="is not as it was written"):
            repro.read(tmp_path / "cell")
