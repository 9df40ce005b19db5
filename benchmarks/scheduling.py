"""How busy the runner keeps its workers: phases that take a second each, on two worker processes.

The phases are planned ones of 40 transfers, each with what it needs; only their work is a second of sleep.
Writes ``scheduling.md`` beside this file::

    python benchmarks/scheduling.py
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mlflow_xfer.conditions.engines.engine import Finished, Needs, Order  # noqa: E402
from mlflow_xfer.conditions.engines.local import Local  # noqa: E402
from mlflow_xfer.markdown import table  # noqa: E402
from mlflow_xfer.params import parse  # noqa: E402
from mlflow_xfer.phases.phase import Phase  # noqa: E402
from mlflow_xfer.phases.plan import make_plan, unique  # noqa: E402
from mlflow_xfer.phases.references import References  # noqa: E402

PAGE = """# How busy workers are kept

`python benchmarks/scheduling.py`: phases of planned transfers, each after what it needs, on worker processes
that sleep for a second in place of the work; from the first result to the last.

"""
SECONDS = 1.0
HERE = Path(__file__).resolve()


@dataclass
class NoStore:
    """What the engine asks of a store: where workers find it. Nothing is tracked."""

    uri: str = "sqlite:///none.db"
    experiment_id: str = "0"


def sleep() -> None:
    """What a worker process does in place of :mod:`mlflow_xfer.conditions.engines.worker`."""
    from mlflow_xfer.conditions.engines import work, worker
    from mlflow_xfer.phases.execute import Done

    def slept(executor, handle, phase, order):
        time.sleep(SECONDS)
        return Finished(handle, Done("run", "made"))

    work.brought_about = slept
    work.executor_of = lambda store, order, watch: SimpleNamespace(spent=[])
    worker.Store = SimpleNamespace(open=lambda **options: nullcontext())
    worker.import_all = lambda: None
    worker.main()


def phases_of(count: int) -> list[Phase]:
    """So many phases of transfers over seeds, each after what it needs."""
    seeds = ",".join(map(str, range(1 + count // 5)))
    asked = {"intermediate": "attribute", "target": "choice,pos", "seeds": seeds}
    plan = make_plan("transfer", parse("transfer", asked), References(lambda: None))
    return unique(phase for transfer in plan.transfers for phase in transfer.phases)[:count]


def busy(phases: list[Phase], workers: int) -> tuple[float, float]:
    """(seconds, share of the workers' time that phases took), from the first result to the last."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sleeper.py").write_text(
            f"import runpy\nrunpy.run_path({str(HERE)!r}, run_name='sleeper')['sleep']()\n"
        )
        os.environ["PYTHONPATH"] = folder  # where workers look for the program
        with Local(NoStore(), workers, program="sleeper") as engine:
            handles, times = {}, []
            for phase in phases:
                after = [handles[one.spec_hash] for one in phase.inputs if isinstance(one, Phase)]
                handles[phase.spec_hash] = engine.submit(phase, Order(), Needs(), after)
            for _ in engine.events():
                times.append(time.monotonic())
    span = times[-1] - times[0]
    return span, (len(phases) - 1) * SECONDS / (span * workers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phases", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    span, share = busy(phases_of(asked.phases), asked.workers)
    head = ("phases of one second", "workers", "seconds", "busy")
    body = [(asked.phases, asked.workers, f"{span:.1f}", f"{100 * share:.1f} %")]
    HERE.with_suffix(".md").write_text(f"{PAGE}{table(head, body)}\n", "utf-8")
    print(table(head, body))


if __name__ == "__main__":
    main()
