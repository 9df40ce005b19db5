"""Scores a submission: a folder of predictions against a folder of labels, as XTREME's ``evaluate.py`` would.

Unlike that script it prints a total for XTREME-R, says which part is missing instead of stopping there, gives
an interval beside each score, and refuses damaged files with their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from mlflow_xfer.errors import Problems, XferError, few
from mlflow_xfer.kinds import kind
from mlflow_xfer.lines import looked_for
from mlflow_xfer.scoring.accuracy import plain
from mlflow_xfer.scoring.formats import Keyed, format_of, path_of, read
from mlflow_xfer.scoring.prediction_files import Unscored
from mlflow_xfer.scoring.problems import no_answers
from mlflow_xfer.scoring.score import Score, judging, score
from mlflow_xfer.scoring.suite import languages_of, totals
from mlflow_xfer.tasks.task import Suite, Task


def score_files(
    predictions: Path,
    labels: Path,
    task: Task,
    language: str,
    *,
    seed: int = 0,
    warn: Callable[[str], object] = lambda message: None,
) -> Score:
    """The score of one language's file; raises as :func:`read` does, and warns as it does and of predictions
    that are missing or cannot be right."""
    predicted, references = read(predictions, labels, task, warn)
    _check_labels(task, predicted, references, (predictions, labels))
    try:
        found = score(judging(task), predicted, references, language, seed=seed)
    except XferError as error:
        raise XferError(f"{predictions} against {labels}: {error.what}", error.hint) from None
    by_id = isinstance(format_of(task), Keyed)
    lacking = sum(one is None or one == [] for one in predicted) if by_id else 0
    if lacking:
        warn(f"{predictions}: {lacking:,} of {len(references):,} have no prediction; each counts as wrong.")
    alien = _alien(task, predicted, references)
    if alien:
        warn(f"{predictions}: {len(alien):,} predictions are none of the labels, such as {alien[0]!r:.40}.")
    odd = [one for one in _flat(references) if one not in task.labels] if task.labels else []
    if odd:
        warn(f"{labels}: {_not_the_tasks(odd, references)}; its own: {few(task.labels, 12)}.")
    return found


def _check_labels(task: Task, predicted: Sequence, references: Sequence, files: tuple[Path, Path]) -> None:
    """Refuse a file without any label of the task, which scores 0 whatever it means. Both may be written in
    the same other way: then they can be compared."""
    mine, gold = list(_flat(predicted)), list(_flat(references))
    if not task.labels or not mine or not {*mine}.isdisjoint(gold):
        return
    if {*gold}.isdisjoint(task.labels):
        what = _not_the_tasks(gold, references)
        raise XferError(f"{files[1]}: {what}.", f"Its own: {few(task.labels, 12)}")
    if {*mine}.isdisjoint(task.labels):
        raise no_answers(str(files[0]), mine, task)


def _not_the_tasks(odd: Sequence[str], references: Sequence) -> str:
    """What to say of a file of labels of which the ``odd`` ones are not the task's."""
    n = len(list(_flat(references)))
    many = f"{len(odd):,} labels are not" if len(odd) < n else f"none of its {n:,} labels is"
    return f"{many} the task's, such as {odd[0]!r:.40}"


def _alien(task: Task, predicted: Sequence, references: Sequence) -> list[str]:
    """Predicted labels (or rows) that are neither right anywhere nor declared."""
    if not kind.data(task.kind).labels and judging(task).interval != "wilson":
        return []
    known = {*_flat(references), *task.labels}
    return [one for one in _flat(predicted) if one not in known]


def _flat(values: Sequence) -> Iterator[str]:
    """Labels, also of the words of sentences."""
    for value in values:
        yield from map(plain, value if isinstance(value, list) else [value])


def score_folder(
    predictions: Path | str,
    labels: Path | str,
    suite: Suite | str,
    *,
    tasks: Mapping[str, Task] | None = None,
    seed: int = 0,
    warn: Callable[[str], object] = lambda message: None,
) -> dict:
    """Score a submission.

    Args:
        tasks: the suite's tasks by name; default: the catalogue's.
        warn: called with a line for everything that was left out because nothing can be said
            about it, or looks like a mistake.

    Returns:
        ``{suite, avg, avg_trained, groups, tasks: {name: {score, components, languages}}, gap, std,
        missing}``, ready for JSON. A task's ``score`` is None while languages are missing;
        ``languages`` holds what there is.

    Raises:
        XferError: if a folder or everything in it is missing, or with all damaged files at once.
    """
    suite = _suite(suite)
    tasks = tasks or _catalogue(suite)
    predictions, labels = _folder(predictions, "predictions"), _folder(labels, "labels")
    problems, scores = Problems(), {}
    for name in suite.tasks:
        scores[name], missing = {}, []
        for language in languages_of(suite, name):
            files = path_of(predictions, tasks[name], language), path_of(labels, tasks[name], language)
            absent = [str(path) for path in files if not path.is_file()]
            if absent:
                missing += [one for one in dict.fromkeys(absent) if one not in missing]
                continue
            try:
                scores[name][language] = score_files(*files, tasks[name], language, seed=seed, warn=warn)
            except Unscored as error:
                warn(f"unscored: {error.what} {error.hint}")
            except XferError as error:
                problems.add(error)
        if missing and (predictions / name).is_dir() and (labels / name).is_dir():
            files = f"{len(missing)} files" if len(missing) > 1 else "1 file"
            warn(f"missing: {files} of {name}: {few(missing, at_most=3, longest=120)}")
    problems.raise_if_any()
    if not any(scores.values()):
        raise XferError(
            f"Nothing of the suite {suite.name!r} can be scored with {predictions} and {labels}.",
            "Both need files such as "
            + str(path_of("", tasks[suite.tasks[0]], languages_of(suite, suite.tasks[0])[0])),
        )
    return report(suite, scores, {name: task.trained for name, task in tasks.items()})


def report(
    suite: Suite, scores: Mapping[str, Mapping[str, Score]], trained: Mapping[str, bool] | None = None
) -> dict:
    """What :func:`score_folder` returns, from scores by task and language."""
    metrics = totals(
        suite, {t: {lang: s.value for lang, s in have.items()} for t, have in scores.items()}, trained
    )
    tasks = {}
    for name, have in scores.items():
        if not have:
            continue
        names = next(iter(have.values())).components
        tasks[name] = {
            "score": metrics.tasks[name],
            "components": {c: sum(s.components[c] for s in have.values()) / len(have) for c in names},
            "languages": {
                language: {
                    "score": s.value,
                    "low": s.low,
                    "high": s.high,
                    "n": s.n,
                    "components": dict(s.components),
                }
                for language, s in have.items()
            },
        }
    return {
        "suite": suite.name,
        "avg": metrics.avg,
        "avg_trained": metrics.avg_trained,
        "groups": dict(metrics.groups),
        "tasks": tasks,
        "gap": metrics.gap,
        "std": metrics.std,
        "missing": list(metrics.missing),
    }


def _folder(path: Path | str, what: str) -> Path:
    path = Path(path)
    if not path.is_dir():
        raise XferError(
            f"{what}={path}: {looked_for(path, 'folder')}", f"--{what} <folder with one folder a task>"
        )
    return path


def _suite(suite: Suite | str) -> Suite:
    if isinstance(suite, Suite):
        return suite
    from mlflow_xfer.tasks.catalogue import SUITES

    return SUITES.get(suite)


def _catalogue(suite: Suite) -> dict[str, Task]:
    from mlflow_xfer.tasks.catalogue import TASKS

    return {name: TASKS.get(name) for name in suite.tasks}
