"""The verb ``recipe``."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

from mlflow_xfer.commands.plan import plan
from mlflow_xfer.conditions.recipes import SERVER, SYSTEMS, Wanted
from mlflow_xfer.durable.files import write_whole
from mlflow_xfer.errors import XferError
from mlflow_xfer.params import lookups
from mlflow_xfer.params.chain import PLACED, Workers
from mlflow_xfer.params.reading import given
from mlflow_xfer.phases.demands import demand
from mlflow_xfer.phases.estimate import Past, needs_of
from mlflow_xfer.phases.machines import Machine, named
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.phases.preview import Preview
from mlflow_xfer.registry import unknown
from mlflow_xfer.tracking.names import redact

CORES = 4  # for each GPU: reading, encoding, logging
UNKNOWN = 16e9  # bytes of memory of a phase whose model is not known
OWN = 4e9  # bytes of a process beside its model
RAY = 2e9  # bytes of Ray's own processes on a node, which gives tasks two thirds of what is left


def recipe(params: lookups.Recipe) -> str:
    if params.verb not in lookups.SPREAD:
        raise unknown("command to spread", params.verb, lookups.SPREAD)
    if params.verb == "search" and params.nodes > 1 and not params.ray:
        raise XferError(
            f"A search is one command, and nodes={params.nodes}.",
            "Use nodes=1 with workers=…, or ray=true: one command runs all nodes.",
        )
    text = SYSTEMS[params.system](wanted(params))
    if params.out is None:
        return text.rstrip("\n")
    write_whole(Path(params.out), text.encode())
    return f"written: {params.out}"


def wanted(params: lookups.Recipe) -> Wanted:
    """What the plan of the command asks of each node."""
    asked = params.of
    assert isinstance(asked, Workers), "as commands that are spread"
    previewed = plan(lookups.Plan(verb=params.verb, of=asked))
    phases = previewed.plan.phases if isinstance(previewed, Preview) else previewed.phases
    machine = named(params.gpu) if params.gpu else None
    past = Past(machine=machine, runtime=asked.runtime)
    if machine is not None:
        _check_gpu(phases, past, machine)
    whole = 1 if isinstance(asked.workers, str) else asked.workers
    at_once = math.ceil(whole / params.nodes) if params.ray else whole
    gpus = at_once * asked.processes if machine else 0
    found = [needs for phase in phases if (needs := needs_of(phase, past))]
    memory = max((2 * n.weights + OWN if machine else 1.25 * n.memory for n in found), default=UNKNOWN)
    disk = at_once * max((n.work for n in found), default=0.0) + sum(n.weights for n in found if n.work)
    own = PLACED[1:] if params.ray else ()
    typed = {name: value for name, value in given(asked).items() if name not in own}
    return Wanted(
        words=[params.verb, *(word for name, value in typed.items() for word in (f"--{name}", str(value)))],
        nodes=params.nodes,
        cores=gpus * CORES or 2 * at_once,
        gpus=gpus,
        memory=at_once * memory * (2 if params.ray else 1) + (RAY if params.ray else 0),
        disk=disk,
        hours=params.hours,
        server=_server(),
        image=params.image,
        ray=params.ray,
    )


def _check_gpu(phases: Sequence[Phase], past: Past, machine: Machine) -> None:
    for phase in phases:
        asked = demand(phase, past, machine)
        if not asked.fits:
            raise XferError(f"{phase.label} does not fit.", asked.explained())


def _server() -> str:
    """The tracking server of this environment, where nodes can reach it and it names no password."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    return uri if uri.startswith(("http", "postgresql")) and redact(uri) == uri else SERVER
