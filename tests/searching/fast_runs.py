"""Workers whose trials take milliseconds;
what they run is written down by the run function itself, beside the storage.

The study says how: ``test.folder`` (where to write), ``test.n_trials``, ``test.pause`` (seconds of a trial),
``test.die`` (keys of candidates whose worker dies).
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from mlflow_xfer.searching.leases import LeasedStudy
from mlflow_xfer.searching.reading import read_space
from mlflow_xfer.searching.space import Space
from mlflow_xfer.searching.trials import Budget, Outcome, Trial
from mlflow_xfer.searching.workers import Job
from tests.searching.planted import noise, truth

BUILD = f"{__name__}:build"
POOL = tuple("abcde")
SPACE: Space = read_space(None, POOL)


def build(study: LeasedStudy) -> Job:
    """The job of a test's study."""
    attrs = study.user_attrs
    folder = Path(attrs["test.folder"])
    (folder / f"worker-{os.getpid()}").touch()

    def run(trial: Trial) -> Outcome:
        (folder / f"begun-{trial.number}-{os.getpid()}").write_text(trial.candidate.key)
        if trial.candidate.key in attrs.get("test.die", ()):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(attrs.get("test.pause", 0.02))
        value = truth(trial.candidate) + noise(trial.candidate, 0)
        (folder / f"done-{trial.number}-{os.getpid()}").write_text(trial.candidate.key)
        return Outcome((value,), ((value,),), {"seconds": 1.0})

    return Job(
        SPACE,
        run,
        Budget(n_trials=attrs["test.n_trials"]),
        {"seed": 1, "sampler": attrs.get("test.sampler", "tpe")},
        close=(folder / f"closed-{os.getpid()}").touch,
    )
