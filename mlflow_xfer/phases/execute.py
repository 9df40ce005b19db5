"""Brings about one phase after the other: takes what exists, resumes what was interrupted, runs the rest.

One holder per phase: while a phase runs it is held, on this host and among all workers of the store, and what
another worker finished meanwhile is taken (``tracking/lease.py``). A worker that stood still for so long that
it was taken over publishes nothing. Local state lies in ``<spec_hash>-<code_hash>/`` under
:func:`mlflow_xfer.home.work` until the phase is published.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_xfer import home
from mlflow_xfer.durable import room
from mlflow_xfer.durable.files import discard
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.phases import endings, kept, passing, record
from mlflow_xfer.phases.code import code_hash
from mlflow_xfer.phases.make import Done, Maker, Spent
from mlflow_xfer.phases.phase import Phase, digest
from mlflow_xfer.tracking import checkpoints
from mlflow_xfer.tracking.lease import Busy, Lease, TakenOver, across_hosts, hold
from mlflow_xfer.training.parts import Displaced, NotFinite

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)

UNDONE = (
    "RUNNING",
    "FAILED",
    "KILLED",
)  # a run in one of these states can be resumed by the holder of its phase


@dataclass
class Executor:
    """Executes phases against one store.

    Args:
        reuse: ``same-code``, ``any-code`` or ``never``.
        runtime: how phases are computed, and how often they are saved.
        watch: called with what a training logs; an exception from it whose ``exit_code`` is 75 stops the
            phase, whose run is KILLED and goes on from there for whoever wants it next.
        wait: for another process that makes the phase; else ``lease.Busy`` is raised.
        dead: workers that are known to make nothing any more, whatever the store says that they hold.
        place: where a phase stands in all that is done, such as ``3/11``; ``left``: how long that will still
            take, in words.
        keep: which weights stay when they were evaluated (``kept.GOES``).
        besides: by the hash of a transfer's plan, the evaluations that are wanted of it besides its own.
        done: what this executor has brought about, by spec hash; each phase is looked at once.
        there: the runs of phases that :meth:`missing` found, by spec hash.
        spent: what it trained and evaluated itself, in order; also of phases that did not come to their end.
    """

    store: Store
    reuse: str = "same-code"
    suite: str = ""
    runtime: RuntimeOptions = field(default_factory=RuntimeOptions)
    watch: Callable[[Phase, Mapping[str, float], int], None] | None = None
    wait: bool = True
    dead: Collection[str] = ()
    place: Callable[[Phase], str] = lambda phase: ""
    left: str = ""
    keep: str = "all"
    besides: Mapping[str, Sequence[Phase]] = field(default_factory=dict)
    done: dict[str, Done] = field(default_factory=dict)
    there: dict[str, str] = field(default_factory=dict)
    spent: list[Spent] = field(default_factory=list)

    def ensure(self, phase: Phase, parent: str | None = None, attach: str | None = None) -> Done:
        """The run of ``phase``, after all its inputs.

        Args:
            parent: the run that asks for it, if it has to be made.
            attach: the run that ``mlflow run`` opened for this very phase; becomes the phase's run, or a
                request that points to it.
        """
        if not self._at_hand(phase):
            for source in self._missed(phase):
                self.ensure(source, parent=parent if not source.is_base else None)
            self.done[phase.spec_hash] = self._take_or_run(phase, parent, attach)
        done = self.done[phase.spec_hash]
        if attach and done.run_id != attach:
            record.request(self.store, attach, done.run_id, phase.title)
        return done

    def _at_hand(self, phase: Phase) -> bool:
        """Whether the phase is done here, and its weights are not known to be gone."""
        done = self.done.get(phase.spec_hash)
        return done is not None and done.weights

    def _missed(self, phase: Phase) -> list[Phase]:
        """The inputs that are to be brought about first: none where the phase exists without them."""
        inputs = [one for one in phase.inputs if isinstance(one, Phase) and not self._at_hand(one)]
        return [] if inputs and self.keep != "all" and self.existing(phase) else inputs

    def code(self, phase: Phase) -> str:
        """The code hash of ``phase``, with those of the phases it stands on; where these may be of any code,
        with those that they were made by, so that nobody takes it for a phase of today's."""
        own = code_hash(phase)
        if self.reuse != "any-code":
            return own
        sources = [one for one in phase.inputs if isinstance(one, Phase) and one.spec_hash in self.done]
        made = [self.store.get(self.done[one.spec_hash].run_id).tags.get("xfer.code_hash") for one in sources]
        return own if made == [code_hash(one) for one in sources] else digest([own, made])

    def existing(self, phase: Phase, weights: bool = True) -> str | None:
        """The finished run to take instead of running ``phase``; without ``weights`` one whose weights are
        gone will do."""
        if self.reuse == "never" or not phase.resolved:
            return None
        code = None if self.reuse == "any-code" else self.code(phase)
        return self.store.find_phase(phase.spec_hash, code, weights)

    def missing(self, phases: Iterable[Phase]) -> list[Phase]:
        """Those of ``phases``, each after its inputs, that are to run."""

        def exists(phase: Phase, weights: bool) -> bool:
            if run_id := self.existing(phase, weights):
                self.there[phase.spec_hash] = run_id
            return bool(run_id)

        return kept.to_run(phases, exists, self.keep)

    def known(self, phase: Phase, weights: bool = True) -> bool:
        """Whether the phase is done, here or in an earlier run, which is taken."""
        done = self.done.get(phase.spec_hash)
        if done is not None and (done.weights or not weights):
            return True
        if run_id := self.existing(phase, weights):
            self.done[phase.spec_hash] = Done(run_id, "reused", weights)
            return True
        self.done.pop(phase.spec_hash, None)
        return False

    def drop_weights(self, phase: Phase) -> None:
        """Remove the weights that were made here for ``phase``; figures and everything else stay."""
        done = self.done[phase.spec_hash]
        if done.weights and done.how != "reused":
            checkpoints.drop(self.store, done.run_id)
            self.done[phase.spec_hash] = replace(done, weights=False)
            logger.debug("%s: its weights are dropped (keep=%s)", phase.label, self.keep)

    def key(self, phase: Phase) -> str:
        """What a process holds that makes the phase."""
        return f"{phase.spec_hash}-{self.code(phase)}"

    def _take_or_run(self, phase: Phase, parent: str | None, attach: str | None) -> Done:
        code, key = self.code(phase), self.key(phase)
        work = home.work() / key
        existing = self.existing(phase)
        while existing is None:
            with (
                hold(key, timeout=None if self.wait else 0.0),
                across_hosts(self.store, key, lambda: self._over(phase), self.dead) as lease,
            ):
                existing = self.existing(phase)  # another worker may have finished it while this one waited
                if existing is None and not lease.held:
                    raise Busy(f"{phase.label}: another machine makes it.")
                if existing is None:
                    try:
                        return self._run(phase, code, work, parent, attach, lease)
                    except (TakenOver, Displaced) as error:
                        logger.warning("%s: %s", phase.label, error)
                else:
                    discard(work)  # begun here, finished elsewhere
        self.say_reused(phase, existing)
        return Done(existing, "reused")

    def say_reused(self, phase: Phase, run_id: str) -> None:
        same = "code" if self.reuse == "same-code" else "inputs"
        logger.info("%s: reused run %s (same data, settings and %s)", self._named(phase), run_id, same)

    def _named(self, phase: Phase) -> str:
        """The phase with its place before it."""
        return f"{self.place(phase)} {phase.title}".lstrip()

    def _why(self, phase: Phase) -> str:
        """Why the phase is to run."""
        if self.reuse == "never":
            return "reuse=never"
        return "new" if not self.store.find_phase(phase.spec_hash, None) else "its code has changed"

    def _over(self, phase: Phase) -> bool:
        """Whether waiting for a phase that another machine makes has an end."""
        return not self.wait or bool(self.existing(phase))

    def _run(
        self, phase: Phase, code: str, work: Path, parent: str | None, attach: str | None, lease: Lease
    ) -> Done:
        if not phase.resolved:  # what lies there may come from other data or weights
            shutil.rmtree(work, ignore_errors=True)
        held = endings.held_run(self.store, work, UNDONE)
        why = f"resumed in run {held}" if held else f"to run ({self._why(phase)}){self.left}"
        logger.info("%s: %s", self._named(phase), why)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("  %s", self.store.near_misses(phase.spec(), code) or "first of its kind")
        endings.end_abandoned(self.store, phase, code, lease, (held, attach))
        maker = Maker(self.store, self.runtime, self.watch, self.done, self.spent)
        inputs = [run for source in phase.inputs if (run := maker.run_of(source))]
        run_id = record.open_phase(
            self.store,
            phase,
            code,
            inputs,
            parent=parent,
            run_id=held or attach,
            suite=self.suite,
            holder=lease.holder,
            runtime=self.runtime,
        )
        with self._dropping(work, phase), endings.ending(self.store, run_id, lease.holder), room.needed():
            endings.hold_run(work, run_id)
            self.store.tags(run_id, passing.marks(phase, self.keep))
            for model in filter(None, map(maker.model, phase.inputs)):
                self.store.model_input(run_id, model)
            maker.make(phase, work, run_id, lease, self._named(phase), resumed=bool(held))
        discard(work)
        return Done(run_id, "resumed" if held else "made")

    @contextmanager
    def _dropping(self, work: Path, phase: Phase) -> Iterator[None]:
        """Drop what a phase left in ``work`` where it is not finite: going on from it would lead nowhere."""
        try:
            yield
        except NotFinite as error:
            shutil.rmtree(work, ignore_errors=True)
            raise NotFinite(f"{phase.label}: {error.what}", error.hint) from error
