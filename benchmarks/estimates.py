"""How well `plan` foretells seconds, memory and disk of trainings here.

    python benchmarks/estimates.py ENCODER DECODER --data DATA --out benchmarks/estimates.md

Each training runs twice in a process of its own, for few and for more steps. Seconds are the processor time
of the steps between the two, so that neither starting, nor dev scores, nor others on the machine count;
memory is the most that the process held; disk the most that lay in the folder of resume states. One thread.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FEW, MORE = 2, 42  # steps: so many that what starting costs, which varies, does not matter
GB = 1e9
PAGE = f"""# What plans foretell, and what is measured

Written by `python benchmarks/estimates.py ENCODER DECODER --data DATA --out benchmarks/estimates.md`:
trainings on XNLI of a small encoder and a small decoder, one thread of this machine. Planned stands before
measured. Seconds are the processor time of {MORE - FEW} steps, memory is the most that the process held, disk
the most that lay in the folder of resume states. The goal is a ratio from 0.75 to 1.25.
"""
TASK = {
    "target": "xnli",
    "train_batch_size": 16,
    "max_seq_length": 64,
    "select_by": "last",
    "save_every_steps": 2,
}
TRAININGS: dict[str, tuple[str, dict[str, Any]]] = {
    "encoder, all weights": ("encoder", {}),
    "encoder, bf16": ("encoder", {"precision": "bf16"}),
    "encoder, LoRA": ("encoder", {"trainable": "lora"}),
    "decoder, all weights": ("decoder", {"train_batch_size": 4}),
    "decoder, LoRA": ("decoder", {"train_batch_size": 4, "trainable": "lora"}),
}
CHILD = """
import json, resource, sys, threading, time
from pathlib import Path
import mlflow_xfer
given, home = json.loads(sys.argv[1]), Path(sys.argv[2])
def needs(steps):
    planned = mlflow_xfer.plan("target", gpu="here", **given | {"max_steps": steps})
    return planned.as_dict()["phases"][0]["needs"]
few, more = needs(int(sys.argv[3])), needs(int(sys.argv[4]))
planned = more | {"seconds": more["seconds"] - few["seconds"]}
most, ended = [0], threading.Event()
def watch():
    while not ended.wait(0.05):
        most[0] = max(most[0], sum(f.stat().st_size for f in (home / "work").rglob("*") if f.is_file()))
threading.Thread(target=watch).start()
begun = time.process_time()
try:
    mlflow_xfer.target(**given)
finally:
    ended.set()
seconds, held = time.process_time() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"planned": planned, "seconds": seconds, "memory": held, "work": most[0]}))
"""


def run(given: dict[str, Any], data: Path) -> dict[str, Any]:
    """What was planned and measured of one training."""
    with tempfile.TemporaryDirectory() as scratch:
        env = {**os.environ, "XFER_HOME": scratch, "OMP_NUM_THREADS": "1"}
        env["MLFLOW_TRACKING_URI"] = f"sqlite:///{scratch}/mlflow.db"
        asked = json.dumps({"data": str(data), **given})
        done = subprocess.run(
            [sys.executable, "-c", CHILD, asked, scratch, str(FEW), str(MORE)],
            env=env,
            cwd=scratch,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        return json.loads(done.stdout.splitlines()[-1])


def row(name: str, model: Path, more: dict[str, Any], data: Path) -> str:
    """A line of the table: planned, measured and their ratio, of seconds, memory and disk."""
    few, many = (run({"model": str(model), **TASK, **more, "max_steps": n}, data) for n in (FEW, MORE))
    pairs = (
        (many["planned"]["seconds"], many["seconds"] - few["seconds"], 1.0),
        (many["planned"]["memory"], many["memory"], GB),
        (many["planned"]["work"], many["work"], GB),
    )
    cells = (f"{p / unit:.2f} | {m / unit:.2f} | {p / m:.2f}" for p, m, unit in pairs)
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("decoder", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="a folder with XNLI, as for `data=`")
    parser.add_argument("--only", default="", help="trainings whose name holds this")
    parser.add_argument("--out", type=Path, help="the page; else it is only printed")
    asked = parser.parse_args()
    head = ("training", *(f"{what} | measured | ratio" for what in ("seconds", "GB held", "GB of disk")))
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * 9]
    print(*lines, sep="\n")
    for name, (model, more) in TRAININGS.items():
        if asked.only in name:
            lines.append(row(name, getattr(asked, model).resolve(), more, asked.data.resolve()))
            print(lines[-1], flush=True)
    if asked.out:
        asked.out.write_text("\n".join([PAGE, *lines, ""]), "utf-8")


if __name__ == "__main__":
    main()
