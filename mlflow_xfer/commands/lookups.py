"""The verbs that show what there is: runs and their results, tasks, suites, languages, this environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_xfer import listing
from mlflow_xfer.commands.running import opened
from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.params import lookups

if TYPE_CHECKING:
    import pandas as pd


def lineage(params: lookups.Lineage) -> str:
    from mlflow_xfer.tracking import lineage as tree
    from mlflow_xfer.tracking.references import run_of

    with opened(probe=False, make=False) as store:
        return tree.text(tree.lineage(store, run_of(store, params.run)))


def results(params: lookups.Results) -> pd.DataFrame:
    from mlflow_xfer.tracking.results import results as read

    with opened(probe=False, make=False) as store:
        return read(store, params.runs, filter=params.filter)


def diff(params: lookups.Diff) -> pd.DataFrame:
    from mlflow_xfer.reporting.changes import changes

    with opened(probe=False, make=False) as store:
        return changes(store, params.one, params.other)


def frame(params: lookups.Results, found: pd.DataFrame) -> str:
    return _printed(found, params.format)


def changed(params: lookups.Diff, found: pd.DataFrame) -> str:
    return _printed(found, params.format)


def _printed(found: pd.DataFrame, format: str) -> str:
    if format == "json":
        return found.to_json(orient="records", force_ascii=False, indent=2)
    return found.to_csv(sep="\t", index=False).rstrip("\n")


def tasks(params: lookups.Tasks) -> str:
    if params.check:
        return listing.check(params.check)
    return listing.tasks(
        params.name,
        kind=params.kind,
        use=params.use,
        language=params.language,
        skill=params.skill,
        domain=params.domain,
        task_file=params.task_file,
    )


def suites(params: lookups.Suites) -> str:
    return listing.suites(params.name)


def languages(params: lookups.Languages) -> str:
    if params.texts:
        _refuse_others(params, "texts", ("codes", "to"))
        return listing.morphology(params.texts, params.codes or None, params.to)
    if params.show == "distances":
        _refuse_others(params, "show=distances", ())
        return listing.distances()
    if params.show == "sources":
        used = ("codes", "family", "script", "benchmark", "measures")
        _refuse_others(params, "show=sources", used)
        pool = {"family": params.family, "script": params.script, "benchmark": params.benchmark}
        return listing.sources(params.codes, params.measures or None, **pool)
    return listing.languages_table(
        params.codes or None,
        params.measures or None,
        family=params.family,
        script=params.script,
        benchmark=params.benchmark,
        to=params.to,
    )


def _refuse_others(params: lookups.Languages, how: str, used: tuple[str, ...]) -> None:
    """Refuse what was set and would change nothing of what is shown."""
    fields, own = type(params).model_fields, how.partition("=")[0]
    set_ = [name for name in fields if getattr(params, name) != fields[name].default]
    if others := [name for name in set_ if name not in (*used, own)]:
        raise XferError(
            f"With {how} nothing depends on {', '.join(others)}.",
            f"Leave it out. Accepted beside {how}: {', '.join(used) or 'nothing'}",
        )


def sync(params: lookups.Sync) -> str:
    """Raises :class:`XferError` with exit code 75 while something cannot be delivered."""
    from mlflow_xfer.tracking.sync import sync as deliver

    replayed = deliver(params.moved_from)
    lines = [
        f"{r.uri}: {r.delivered} records delivered, {r.left} left{f' ({r.reason})' if r.reason else ''}"
        for r in replayed
    ]
    if any(r.left for r in replayed):
        raise XferError(
            "\n".join(lines), "Start the tracking server and repeat: mlflow-xfer sync", exit_code=TRY_AGAIN
        )
    return "\n".join(lines) or "Nothing is waiting to be delivered."


def doctor(params: lookups.Doctor) -> str:
    from mlflow_xfer.commands.doctor import report

    return report(params.fix)
