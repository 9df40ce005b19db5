"""What phases ask of the nodes of a cluster, and whether a node can ever give it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlflow_xfer.conditions.engines.engine import Needs
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.phases.demands import size
from mlflow_xfer.phases.estimate import Past, needs_of
from mlflow_xfer.phases.phase import Phase


@dataclass(frozen=True)
class Node:
    """What a node of a cluster has for tasks; ``memory`` in bytes."""

    cores: float
    gpus: float = 0.0
    memory: float = math.inf

    def gives(self, needs: Needs) -> bool:
        return self.cores >= needs.cores and self.gpus >= needs.gpus and self.memory >= needs.memory


@dataclass(frozen=True)
class Room:
    """How the nodes of a cluster are shared out among phases.

    Args:
        workers: phases at once, at most; None: one for each GPU, or half the cores.
        runtime: how they are computed.
    """

    nodes: Sequence[Node]
    workers: int | None
    runtime: RuntimeOptions

    @property
    def gpus(self) -> float:
        """GPUs that phases may use."""
        return 0.0 if self.runtime.device == "cpu" else sum(math.floor(one.gpus) for one in self.nodes)

    @property
    def slots(self) -> int:
        """Phases at once."""
        if self.workers is not None:
            return self.workers
        if self.gpus:
            return max(sum(int(one.gpus) // self.runtime.processes for one in self.nodes), 1)
        cores = int(sum(one.cores for one in self.nodes))
        return max(cores // 2, min(cores, 2), 1)

    @property
    def share(self) -> int:
        """Cores of a phase: as many as leave room for all that run at once."""
        nodes = [one for one in self.nodes if one.gpus or not self.gpus]
        most = int(max((one.cores for one in nodes), default=1))
        for cores in range(most, 1, -1):
            if sum(one.cores // cores for one in nodes) >= self.slots:
                return cores
        return 1

    @property
    def part(self) -> float:
        """GPUs of a phase that one process runs: one, or a part of one where more run at once than there
        are."""
        return 1.0 if self.slots <= self.gpus else 1 / math.ceil(self.slots / self.gpus)

    def asked(self, phase: Phase, needs: Needs) -> Needs:
        """What ``phase`` asks of a node: cores never more than the largest has, GPUs where there are any or
        ``device=cuda`` wants one, and without a GPU the memory that is estimated for it.

        Raises:
            XferError: no node has it.
        """
        largest = int(max((one.cores for one in self.nodes), default=0))
        cores = max(min(needs.cores or self.share, largest), 1)
        processes = 1 if phase.kind == "evaluate" or phase.procedure == "merge" else self.runtime.processes
        gpus, memory = needs.gpus, needs.memory
        if self.gpus or self.runtime.device == "cuda":
            gpus = gpus or (float(processes) if processes > 1 or not self.gpus else self.part)
        else:
            found = None if memory else needs_of(phase, Past(runtime=self.runtime))
            memory = memory or (int(found.memory) if found else 0)
        asked = replace(needs, cores=cores, gpus=gpus, memory=memory)
        if not any(one.gives(asked) for one in self.nodes):
            raise self._refused(phase, asked)
        return asked

    def _refused(self, phase: Phase, asked: Needs) -> XferError:
        nodes = ", ".join(
            f"{one.cores:g} cores, {one.gpus:g} GPUs, {size(one.memory)} of memory" for one in self.nodes
        )
        wants = f"{asked.cores} cores" + (f", {asked.gpus:g} GPUs" if asked.gpus else "")
        wants += f", {size(asked.memory)} of memory" if asked.memory else ""
        return XferError(
            f"{phase.label} needs {wants}; no node of the Ray cluster has that (nodes: {nodes or 'none'}).",
            "Start nodes that have it, or ask for less: fewer processes, device=auto, micro_batch=…",
        )
