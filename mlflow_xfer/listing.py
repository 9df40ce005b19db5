"""What ``mlflow-xfer tasks`` and ``suites`` print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlflow_xfer import languages
from mlflow_xfer.kinds.kind import KINDS
from mlflow_xfer.registry import unknown
from mlflow_xfer.reporting.columns import aligned
from mlflow_xfer.scoring.suite import languages_of
from mlflow_xfer.stats import source_language, typology
from mlflow_xfer.tasks.catalogue import SUITES, TASKS
from mlflow_xfer.tasks.mini import EXPECTED
from mlflow_xfer.tasks.task import Files, Generated, Hub, Source, Task

RECALLED = "hub?"  # a hub source whose columns nobody has checked


def tasks(
    name: str | None = None,
    *,
    kind: str | None = None,
    use: str | None = None,
    language: str | None = None,
    skill: str | None = None,
    domain: str | None = None,
    task_file: str | None = None,
) -> str:
    """All tasks that match, a line each; or everything that the entry ``name`` says."""
    extra = _of_file(task_file)
    if name:
        return explained(next((task for task in extra if task.name == name), None) or TASKS.get(name))
    if kind and kind not in KINDS:
        raise unknown("kind", kind, KINDS.names())
    for what, asked, known in (
        ("skill", skill, {known for task in [*TASKS, *extra] for known in task.skills}),
        ("domain", domain, {task.domain for task in [*TASKS, *extra]}),
    ):
        if asked and asked not in known:
            raise unknown(what, asked, known)
    code = languages.get(language).code if language else None
    listed = [
        task
        for task in [*TASKS, *extra]
        if (not kind or task.kind == kind)
        and (not use or use in task.uses)
        and (not code or code in task.languages)
        and (not skill or skill in task.skills)
        and (not domain or task.domain == domain)
    ]
    rows = [
        [
            task.name,
            str(task.kind),
            ",".join(task.uses),
            task.domain,
            task.metric,
            str(len(task.languages)),
            _data(task),
            task.description,
        ]
        for task in listed
    ]
    recalled = sum(RECALLED in _data(task) for task in listed)
    note = f" ({recalled} with {RECALLED}: the columns there are recalled, not checked)" if recalled else ""
    return (
        aligned(["task", "kind", "uses", "domain", "metric", "languages", "data", "description"], rows)
        + f"\n{len(listed)} tasks{note}"
    )


def _data(task: Task) -> str:
    return ",".join(RECALLED if name == "hub" and not task.verified else name for name in task.sources)


def explained(task: Task) -> str:
    """One task in full."""
    recipe = ", ".join(f"{name}={value}" for name, value in task.recipe)
    facts = {
        "kind": task.kind,
        "uses": ", ".join(task.uses) + ("" if task.trained else " (scored straight from the backbone)"),
        "metric": task.metric,
        **{name: str(value) for name, value in task.options.items()},
        "labels": ", ".join(task.labels),
        "languages": " ".join(task.languages),
        "training languages": " ".join(task.train_languages),
        "recipe": recipe,
        "domain": task.domain,
        "skills": ", ".join(task.skills),
        "helps": _declared(task, "+"),
        "harms": _declared(task, "-"),
        "overlaps": ", ".join(task.overlaps),
        "its dev set is the test set of": ", ".join(task.dev_of),
        "training rows": str(task.size or ""),
        "hub columns": ("checked on the data set's pages" if task.verified else "recalled, not checked")
        if "hub" in task.sources
        else "",
        "licence": task.licence,
        "citation": task.citation,
        **{
            f"data={'<folder>' if provider == 'folder' else provider}": "; ".join(map(_source, found))
            for provider, found in task.sources.items()
        },
    }
    return "\n".join(
        [
            f"{task.name}: {task.description}",
            *(f"  {label}: {value}" for label, value in facts.items() if value),
        ]
    )


def _declared(task: Task, sign: str) -> str:
    """The targets that the task is declared to help (``+``) or harm (``-``) as an intermediate one."""
    return ", ".join(target for target, expected in EXPECTED.get(task.name, {}).items() if expected == sign)


def _source(source: Source) -> str:
    match source:
        case Hub():
            return f"{source.path} {source.config} @{source.revision or 'main (no reuse claimed)'}"
        case Files():
            return ", ".join(dict.fromkeys(map(str, source.splits.values())))
        case Generated():
            return f"generated: {source.name}"


def suites(name: str | None = None) -> str:
    """All suites, or the groups, tasks and languages of one."""
    if name is None:
        rows = [[suite.name, str(len(suite.tasks)), suite.description] for suite in SUITES]
        return aligned(["suite", "tasks", "description"], rows)
    suite = SUITES.get(name)
    rows = [
        [group, task, " ".join(languages_of(suite, task))]
        for group, members in suite.groups.items()
        for task in members
    ]
    return f"{suite.name}: {suite.description}\n" + aligned(["group", "task", "languages"], rows)


def check(path: str) -> str:
    """What ``tasks --check`` says of a task file without faults:
    its rows by task, split, language and label.
    """
    from mlflow_xfer.data.task_file_check import check_task_file

    return "\n".join(map(str, check_task_file(path)))


def languages_table(codes: Sequence[str] | None, measures: Sequence[str] | None, **filters: Any) -> str:
    """Languages with their distances; filters as in :func:`mlflow_xfer.stats.typology.table`."""
    frame = typology.table(codes, measures=measures, **filters)
    return _shown(frame) + f"\n{len(frame)} languages"


def distances() -> str:
    """The distances: for how many languages each is known, what it says, and its source."""
    return _shown(typology.measures_table())


def sources(targets: Sequence[str], measures: Sequence[str] | None, **filters: Any) -> str:
    """Languages to train on for these targets, the nearest first; filters of the candidates as in
    :func:`mlflow_xfer.stats.typology.table`."""
    pool = [str(one) for one in typology.table(**filters)["language"]]
    by = measures or source_language.PAIRWISE
    frame = source_language.sources(targets, pool, by)
    said = f"{len(frame)} languages; rank: mean over distances and targets, 1 is nearest"
    return "\n".join(filter(None, (_shown(frame), said, source_language.stand_ins(by, targets))))


def morphology(texts: str, codes: Sequence[str] | None, to: str) -> str:
    """Corpus measures of parallel texts, as :func:`mlflow_xfer.stats.morphology.measure` has them."""
    from mlflow_xfer.data.parallel import lines_of
    from mlflow_xfer.stats.morphology import measure

    base = languages.get(to).code
    found = measure(lines_of(texts, [*codes, base] if codes else None), reference=base)
    return _shown(found) + f"\n{len(found)} languages; distance: of complexity, to {base}"


def _shown(frame: Any) -> str:
    def cell(value: Any) -> str:
        if value is None or value != value:  # unknown
            return ""
        return f"{value:.2f}" if isinstance(value, float) else str(value)

    return aligned(
        list(frame.columns), [[cell(value) for value in row] for row in frame.itertuples(index=False)]
    )


def _of_file(path: str | None) -> list[Task]:
    if path is None:
        return []
    from mlflow_xfer.tasks.task_file import load_task_file

    return list(load_task_file(path))
