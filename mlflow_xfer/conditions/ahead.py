"""Which phases an engine is given ahead of time, so that no worker waits for the driver."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from mlflow_xfer.phases.phase import Phase


class Given(Protocol):
    """What an engine was given and has not ended."""

    @property
    def phase(self) -> Phase: ...


def ahead(
    wanted: Sequence[Phase],
    done: Collection[str],
    running: Mapping[str, Given],
    slots: int,
    common: Collection[str] = (),
) -> Iterator[Phase]:
    """What to submit next, in order, while there is room: one phase more than run at once whose inputs are
    done, and twice as many as run that stand on submitted ones. Counted together, those that stand on one
    long training would leave the other workers without work; with more of the first, transfers would be begun
    long before others end, and the weights of all of them lie there at once.

    Args:
        wanted: phases that are to be run, each after its inputs.
        done: spec hashes of what is done.
        running: what is submitted and has not ended, by spec hash; it may grow meanwhile.
        slots: how many phases run at once; of one, only the next is submitted.
        common: spec hashes of what all stand on: it comes first and alone.
    """

    def inputs(phase: Phase) -> list[str]:
        return [source.spec_hash for source in phase.inputs if isinstance(source, Phase)]

    def ready(phase: Phase) -> bool:
        return all(one in done for one in inputs(phase))

    most, most_behind = (slots + 1, 2 * slots) if slots > 1 else (1, 0)
    now = sum(ready(one.phase) for one in running.values())
    behind = len(running) - now
    for phase in wanted:
        if (now >= most and behind >= most_behind) or any(one in running for one in common):
            return
        if phase.spec_hash in done or phase.spec_hash in running:
            continue
        if ready(phase):
            if now < most:
                yield phase
                now += phase.spec_hash in running
        elif behind < most_behind and all(one in done or one in running for one in inputs(phase)):
            yield phase
            behind += phase.spec_hash in running
