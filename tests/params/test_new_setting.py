"""A setting is one line of its declaration and its use: added to a copy of the package, it is everywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mlflow_xfer

IDENTITY = (
    'class TrainingOptions(Shape, group="training"):\n',
    '    dummy: Natural = setting(0, "a new setting", shown=True, short="d", varies=Varies(0, 9))\n',
)
RUNTIME = (
    '    device: Literal["auto", "cpu", "cuda"]',
    '    dummy_place: Natural = setting(0, "a new setting", shown=True)\n',
)
EVERYWHERE = ("help", "signature", "docstring", "mlproject", "documentation", "neutral hash")


@pytest.mark.slow
def test_one_line_takes_a_setting_everywhere(project, tmp_path):
    package = Path(mlflow_xfer.__file__).parent
    shutil.copytree(package, tmp_path / "mlflow_xfer", ignore=shutil.ignore_patterns("*.parquet"))
    for name in ("MLproject", "conda.yaml"):
        shutil.copy(project / name, tmp_path / name)
    declared = tmp_path / "mlflow_xfer" / "params" / "settings.py"
    text = declared.read_text("utf-8")
    header, line = IDENTITY
    before, placed = RUNTIME
    assert text.count(header) == text.count(before) == 1
    declared.write_text(text.replace(header, header + line).replace(before, placed + before), "utf-8")
    ran = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("new_setting.py")), str(tmp_path)],
        env=os.environ
        | {
            "PYTHONPATH": str(tmp_path),
            "XFER_HOME": str(tmp_path / "home"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    for name, hashed in (("dummy", True), ("dummy_place", False)):
        assert {place: found[name][place] for place in EVERYWHERE} == dict.fromkeys(EVERYWHERE, True), name
        assert found[name]["hash"] is hashed
    assert found["space"] == ["0:9"] and found["candidate"] == "nli d=7 mlm=0.2" and found["scoped"]
    trained = found["trained"]
    assert (trained["settings"], trained["runtime"]) == (3, 4)
    assert (trained["params"]["dummy"], trained["params"]["dummy_place"]) == ("3", "4")
