"""One of the processes that train a phase together, as :mod:`mlflow_xfer.phases.launch` starts it.

It reads one line from standard input, and answers on what was standard output: figures, and how it ended.
When the process that started it dies, its input ends, and so does it, at once: a whole state lies in the
folder.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from mlflow_xfer import logs
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.phases.train import train_from
from mlflow_xfer.phases.transport import from_json
from mlflow_xfer.training import progress
from mlflow_xfer.training.parts import Displaced, Interrupted, NotFinite
from mlflow_xfer.training.ranks import lost_others, together

PATIENCE = "XFER_RANK_PATIENCE"  # seconds that ranks wait for one another


def train(said: Mapping[str, Any], answers: TextIO) -> None:
    """Train as the order says: which phase, from where, in which folder, how, and as which rank."""
    from mlflow_xfer.training.devices import pick

    rank, runtime = said["rank"], RuntimeOptions(**said["runtime"])

    def log(metrics: Mapping[str, float], step: int) -> None:
        say(answers, {"metrics": dict(metrics), "step": step})

    patience = float(os.environ.get(PATIENCE, 1800))
    device = pick(runtime.device)
    with (
        together(rank, runtime.processes, runtime.parallel, said["meeting"], device, patience) as ranks,
        progress.beside(said["beside"]),
    ):
        train_from(from_json(said["phase"]), Path(said["start"]), Path(said["work"]), log, runtime, ranks)


def say(answers: TextIO, said: Mapping[str, Any]) -> None:
    answers.write(json.dumps(said) + "\n")
    answers.flush()


def main() -> None:
    """What ``python -m mlflow_xfer.phases.rank`` does."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    said = json.loads(sys.stdin.readline())
    threading.Thread(target=end_with_parent, daemon=True).start()
    logs.set_up()
    if said["rank"]:
        logging.getLogger("mlflow_xfer").setLevel(logging.ERROR)
    code = 1
    try:
        train(said, answers)
        code = 0
    except Interrupted as error:
        code = TRY_AGAIN
        say(answers, {"interrupted": error.step})
    except Displaced as error:
        say(answers, {"error": type(error).__name__, "about": {}})
    except XferError as error:
        about = {"what": error.what, "hint": error.hint, "exit_code": error.exit_code}
        name = NotFinite.__name__ if isinstance(error, NotFinite) else XferError.__name__
        say(answers, {"error": name, "about": about})
    except BaseException as error:
        traceback.print_exc()
        if lost_others(error):
            code = TRY_AGAIN
        else:
            what = f"Process {said['rank']}: {type(error).__name__}: {error}"
            say(answers, {"error": XferError.__name__, "about": {"what": what, "exit_code": 1}})
    sys.stderr.flush()
    os._exit(code)  # nothing may wait for a rank that is gone


def end_with_parent() -> None:
    sys.stdin.read()
    os._exit(TRY_AGAIN)


if __name__ == "__main__":
    main()
