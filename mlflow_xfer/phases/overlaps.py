"""What the training data behind an evaluation share with its test data: as declared, and as measured;
and which intermediate tasks are the target's own.

Declared relations cost nothing and stand in every plan. Measured ones are found before training (and once for
each pair of data); rows of the embedded suite are not compared, its generator keeps training and test apart
by construction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow_xfer.data import unseen
from mlflow_xfer.data.overlap import Overlap, declared, summary
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.phases import same_task
from mlflow_xfer.phases.phase import FinishedRun, Phase
from mlflow_xfer.phases.same_task import SameTask
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.task import POOL, Task
from mlflow_xfer.tracking.results import SAME_TASK

STATUS, DETAILS = "xfer.overlap", "xfer.overlap_details"
LONGEST = 2000  # characters of details in a tag


@dataclass(frozen=True)
class Finding:
    """What the rows of one training task share with one target's test rows,
    or with the dev rows that select for it.

    Attributes:
        training, target: names of the tasks.
        declared: what the entries say of the two, a sentence; empty if nothing.
        measured: by language; None where nothing was compared.
        excluded: the training leaves these rows out.
        selection: compared with dev rows, not test rows.
    """

    training: str
    target: str
    declared: str = ""
    measured: Mapping[str, Overlap] | None = None
    excluded: bool = False
    selection: bool = False

    def __bool__(self) -> bool:
        return bool(self.declared) or any((self.measured or {}).values())

    @property
    def status(self) -> str:
        """``found`` (in test rows), ``selection`` (in dev rows), ``excluded``, ``declared`` or ``none``."""
        if any((self.measured or {}).values()):
            if self.excluded:
                return "excluded"
            return "selection" if self.selection else "found"
        return "declared" if self.declared else "none"

    def __str__(self) -> str:
        parts = [self.declared] if self.declared else []
        if self.measured is not None:
            parts.append(
                _counted(
                    summary(self.measured),
                    sum(o.of for o in self.measured.values()),
                    "dev" if self.selection else "test",
                )
            )
        if self.status == "excluded":
            parts.append(
                "Equal and nearly equal rows are left out of training, and rows that share a paragraph."
            )
        return f"{self.training} → {self.target}{' dev' if self.selection else ''}: {' '.join(parts)}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "training": self.training,
            "target": self.target,
            "declared": self.declared,
            "measured": None if self.measured is None else summary(self.measured),
            "excluded": self.excluded,
            "split": "validation" if self.selection else "test",
        }


def _counted(found: Mapping[str, Any], of: int, what: str) -> str:
    if not found["languages"]:
        return f"No overlap found with {of:,} {what} rows."
    return (
        f"{found['exact']:,} equal, {found['near']:,} nearly equal, {found['shared']:,} training rows with a "
        "shared text; "
        f"they meet {found['test_rows']:,} of {of:,} {what} rows ({' '.join(found['languages'])})."
    )


def findings(evaluation: Phase, measure: bool | None = True) -> list[Finding | SameTask]:
    """What the phases behind ``evaluation`` were trained on shares with the rows it is scored on,
    and selected by; before these, the intermediate tasks that are the target's own.

    Of dev rows only what was found is reported.

    Args:
        measure: compare the rows; False: only what is declared or was measured before; None: only what is
            declared.

    Raises:
        XferError: rows that cannot be read.
    """
    target, tests, overlaps = evaluation.tasks[0], tested(evaluation), {}
    selector, dev = _selection(evaluation)
    for phase in evaluation.ancestors():
        if phase.kind not in ("intermediate", "target"):
            continue
        for task in phase.tasks:
            training = training_rows(phase, task)
            seen = _joined([_measured(task, rows, target, tests, measure) for rows in training])
            overlaps[task.name, phase.kind] = Finding(
                task.name, target.name, declared(task, target), seen, bool(phase.excludes)
            )
            if (
                selector
                and (met := _joined([_measured(task, rows, selector, dev, measure) for rows in training]))
                and any(met.values())
            ):
                overlaps[task.name, phase.kind, "dev"] = Finding(
                    task.name, target.name, "", met, bool(phase.excludes), selection=True
                )
    root = evaluation.root()
    for name in root.tasks if isinstance(root, FinishedRun) else ():
        if name in TASKS and (said := declared(TASKS.get(name), target)):
            overlaps.setdefault((name, ""), Finding(name, target.name, said))
    told = [finding for finding in overlaps.values() if finding or finding.measured is not None]
    return [*_same(evaluation, measure), *told]


def _same(evaluation: Phase, measure: bool | None) -> list[SameTask]:
    """The intermediate tasks behind ``evaluation`` that are its target's own, each once. What was trained
    without the target's rows is another training set, however it is called.
    """
    target, before = evaluation.tasks[0], evaluation.ancestors()
    tuned = next((phase for phase in before if phase.kind == "target"), None)
    trained = tuned.tasks[0] if tuned else target
    source = next((rows.language for rows in tuned.rows if rows.split == "train"), None) if tuned else None
    own = [rows for rows in tuned.rows if rows.language == source] if tuned else []
    found: dict[str, SameTask] = {}
    for phase in before:
        for task in phase.tasks if phase.kind == "intermediate" and not phase.excludes else ():
            one = same_task.find(task, training_rows(phase, task), target.name, trained, own, measure)
            if one and (task.name not in found or one.measured):
                found[task.name] = one
    root = evaluation.root()
    for name in root.trained_on if isinstance(root, FinishedRun) else ():
        if name in TASKS and (one := same_task.find(TASKS.get(name), (), target.name, trained, ())):
            found.setdefault(name, one)
    return list(found.values())


def _selection(evaluation: Phase) -> tuple[Task | None, list[Rows]]:
    """The dev rows that chose the evaluated checkpoint, and their task."""
    tuned = next((phase for phase in evaluation.ancestors() if phase.kind == "target"), None)
    if tuned is None or tuned.selects_by in ("last", "average"):
        return None, []
    source = next((rows.language for rows in tuned.rows if rows.split == "train"), None)
    dev = [rows for rows in tuned.rows if rows.split == "validation" and rows.language == source]
    return (tuned.tasks[0] if dev else None), dev


def training_rows(phase: Phase, task: Task) -> list[Rows]:
    """The rows that the phase trains ``task`` on:
    its training split, and the few-shot rows of other languages.
    """
    mine = [rows for rows in phase.rows if rows.task == task.name]
    source = next((rows.language for rows in mine if rows.split == "train"), None)
    return [
        rows for rows in mine if rows.split == "train" or (rows.language != source and rows.split != POOL)
    ]


def tested(evaluation: Phase) -> list[Rows]:
    """The rows that are scored or searched;
    not the candidates that all languages share, nor dev beside a test set.
    """
    tests = [rows for rows in evaluation.rows if rows.split == "test"]
    return tests or [rows for rows in evaluation.rows if rows.split != POOL]


def _measured(
    task: Task, rows: Rows, target: Task, tests: Sequence[Rows], measure: bool | None
) -> dict[str, Overlap] | None:
    if measure is None or rows.provider == "mini" or not tests:
        return None
    return unseen.measured(task, rows, target, tests) if measure else unseen.known(task, rows, target, tests)


def _joined(measured: Sequence[Mapping[str, Overlap] | None]) -> dict[str, Overlap] | None:
    """The overlaps of several training splits as one; test rows that two splits meet count twice."""
    parts = [part for part in measured if part is not None]
    if len(parts) < 2:
        return dict(parts[0]) if parts else None
    return {language: _sum([part[language] for part in parts]) for language in parts[0]}


def _sum(overlaps: Sequence[Overlap]) -> Overlap:
    names = {
        name: tuple(one for overlap in overlaps for one in getattr(overlap, name))
        for name in ("exact", "near", "shared")
    }
    return Overlap(
        names["exact"],
        names["near"],
        names["shared"],
        texts=sum(o.texts for o in overlaps),
        touched=min(sum(o.touched for o in overlaps), overlaps[0].of),
        of=overlaps[0].of,
        among=sum(o.among for o in overlaps),
    )


def of_plan(phases: Iterable[Phase], measure: bool | None = True) -> list[Finding | SameTask]:
    """The findings behind all evaluations among ``phases``, each once."""
    evaluations = {
        (f.training, f.target, str(f)): f
        for phase in phases
        if phase.kind == "evaluate"
        for f in findings(phase, measure)
    }
    return list(evaluations.values())


def tags(overlaps: Sequence[Finding | SameTask]) -> dict[str, str]:
    """Tags for a run: the gravest status of all findings, what was found, and which intermediate tasks are
    the target's own.
    """
    same = same_task.names(overlaps)
    said = joined([f.status for f in overlaps], [str(f) for f in overlaps])
    return said | ({same_task.TAG: same} if same else {})


def marks(overlaps: Sequence[Finding | SameTask]) -> dict[str, str]:
    """Columns for every score of an evaluation."""
    same = same_task.names(overlaps)
    return {SAME_TASK: same} if same else {}


def joined(statuses: Sequence[str], details: Sequence[str]) -> dict[str, str]:
    """The tags that say all of these; none if there is nothing to say."""
    if not statuses:
        return {}
    worst = next(
        status
        for status in (same_task.STATUS, "found", "selection", "declared", "excluded", "none")
        if status in statuses
    )
    return {STATUS: worst, DETAILS: "\n".join(details)[:LONGEST]}
