"""How busy engines keep their workers: phases that take a second each, on two worker processes, and on Ray.

The phases are planned ones of 40 transfers, each with what it needs, handed over as the runner does; only
their work is a second of sleep, of intermediate tasks more with ``--long``. Writes its engine's line of
``scheduling.md`` beside this file::

    python benchmarks/scheduling.py
    python benchmarks/scheduling.py --long 8
    python benchmarks/scheduling.py --engine ray
    python benchmarks/scheduling.py --engine ray --phases 10000 --seconds 0
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mlflow_xfer.conditions.ahead import ahead  # noqa: E402
from mlflow_xfer.conditions.engines import messages, on_node  # noqa: E402
from mlflow_xfer.conditions.engines.engine import Engine, Finished, Handle, Needs, Order  # noqa: E402
from mlflow_xfer.conditions.engines.local import Local  # noqa: E402
from mlflow_xfer.conditions.engines.ray import OnRay  # noqa: E402
from mlflow_xfer.markdown import table  # noqa: E402
from mlflow_xfer.params import parse  # noqa: E402
from mlflow_xfer.params.settings import RuntimeOptions  # noqa: E402
from mlflow_xfer.phases.code import code_hash  # noqa: E402
from mlflow_xfer.phases.make import Done
from mlflow_xfer.phases.phase import Phase  # noqa: E402
from mlflow_xfer.phases.plan import make_plan, unique  # noqa: E402
from mlflow_xfer.phases.references import References  # noqa: E402

PAGE = """# How busy workers are kept

`python benchmarks/scheduling.py` (`--long 8`, `--engine ray`, `--phases 10000 --seconds 0`): phases of
planned transfers, each after what it needs and handed over as the runner does, on workers that sleep in place
of the work; from the first result to the last. *1, 8*: intermediate tasks take eight seconds, all else one.
Memory: the driver's, at most.

"""
HEAD = ("engine", "phases", "seconds each", "workers", "seconds", "busy", "memory")
HERE = Path(__file__).resolve()


@dataclass
class Given:
    """A phase that the engine has."""

    phase: Phase
    handle: Handle


@dataclass
class NoStore:
    """What the engine asks of a store: where workers find it. Nothing is tracked."""

    uri: str = field(default_factory=lambda: f"sqlite:///{tempfile.mkdtemp()}/none.db")
    experiment_id: str = "0"


def slept_for(kind: str, seconds: float, long: float) -> float:
    """How long a phase of that kind takes."""
    return long if long and kind == "intermediate" else seconds


def sleep(seconds: float, long: float) -> None:
    """What a worker process does in place of :mod:`mlflow_xfer.conditions.engines.worker`."""
    from mlflow_xfer.conditions.engines import work, worker

    def slept(executor, handle, phase, order):
        time.sleep(slept_for(phase.kind, seconds, long))
        return Finished(handle, Done("run", "made"))

    work.brought_about = slept
    work.executor_of = lambda store, order, watch: SimpleNamespace(spent=[], code=code_hash)
    worker.Store = SimpleNamespace(open=lambda **options: nullcontext())
    worker.import_all = lambda: None
    worker.main()


def phases_of(count: int) -> list[Phase]:
    """So many phases of transfers over seeds, each after what it needs."""
    seeds = ",".join(map(str, range(1 + count // 5)))
    asked = {"intermediate": "attribute", "target": "choice,pos", "seeds": seeds}
    plan = make_plan("transfer", parse("transfer", asked), References(lambda: None))
    return unique(phase for transfer in plan.transfers for phase in transfer.phases)[:count]


def on_processes(phases: list[Phase], workers: int, seconds: float, long: float) -> float:
    """Seconds from the first result to the last, on worker processes of this host."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sleeper.py").write_text(
            f"import runpy\nrunpy.run_path({str(HERE)!r}, run_name='sleeper')['sleep']({seconds}, {long})\n"
        )
        os.environ["PYTHONPATH"] = folder  # where workers look for the program
        with Local(NoStore(), workers, program="sleeper") as engine:
            return drained(engine, phases)


def on_ray(phases: list[Phase], workers: int, seconds: float, long: float) -> float:
    """The same on a Ray cluster of this host, whose tasks sleep so long."""

    def slept(told, where, queue, *inputs):
        handle = Handle(**json.loads(told)["handle"])
        time.sleep(slept_for(handle.label.split()[0], seconds, long))
        return messages.event(Finished(handle, Done("run", "made")))

    on_node.run = slept
    with OnRay(NoStore(), workers, None, RuntimeOptions(device="cpu")) as engine:
        return drained(engine, phases)


def drained(engine: Engine, phases: list[Phase]) -> float:
    """Seconds from the first result to the last."""
    given: dict[str, Given] = {}
    done: set[str] = set()
    times: list[float] = []

    def feed() -> None:
        for phase in ahead(left, done, given, engine.slots):
            after = [
                given[one.spec_hash].handle
                for one in phase.inputs
                if isinstance(one, Phase) and one.spec_hash in given
            ]
            handle = engine.submit(phase, Order(), Needs(cores=1), after)
            given[phase.spec_hash] = Given(phase, handle)

    left = phases
    feed()
    for event in engine.events():
        if not isinstance(event, Finished):
            raise SystemExit(f"not run: {event}")
        times.append(time.monotonic())
        done.add(event.handle.spec_hash)
        del given[event.handle.spec_hash]
        left = [phase for phase in left if phase.spec_hash not in done]
        feed()
    assert len(times) == len(phases)
    return times[-1] - times[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phases", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument(
        "--long", type=float, default=0.0, help="seconds of an intermediate task; 0: as others"
    )
    asked = parser.parse_args()
    runs = on_ray if asked.engine == "ray" else on_processes
    phases = phases_of(asked.phases)
    span = runs(phases, asked.workers, asked.seconds, asked.long)
    work = [slept_for(phase.kind, asked.seconds, asked.long) for phase in phases]
    share = sum(work[1:]) / (span * asked.workers)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    row = (
        asked.engine,
        f"{asked.phases:,}",
        f"{asked.seconds:g}" + (f", {asked.long:g}" if asked.long else ""),
        f"{asked.workers}",
        f"{span:.1f}",
        f"{100 * share:.1f} %" if asked.seconds else "",
        f"{memory:,.0f} MB",
    )
    write(row)
    print(table(HEAD, [row]))


def write(row: tuple[str, ...]) -> None:
    """Put the row in its place on the page: there is one for an engine and a number of phases."""
    page = HERE.with_suffix(".md")
    lines = [
        line.strip("| \n").split(" | ") for line in page.read_text("utf-8").splitlines() if line[:1] == "|"
    ]
    rows = {tuple(line[:3]): tuple(line) for line in lines[2:] if len(line) == len(HEAD)}
    rows[row[:3]] = row
    page.write_text(f"{PAGE}{table(HEAD, list(rows.values()))}\n", "utf-8")


if __name__ == "__main__":
    main()
