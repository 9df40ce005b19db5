"""The verbs ``study``, ``studies`` and ``claims``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_xfer.commands.phases import found
from mlflow_xfer.commands.result import Result
from mlflow_xfer.commands.running import opened
from mlflow_xfer.conditions.crew import crew_of
from mlflow_xfer.errors import XferError
from mlflow_xfer.params import studies as shapes
from mlflow_xfer.params.chain import PLACED
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.reading import given
from mlflow_xfer.studies import found as declared
from mlflow_xfer.studies import listing, tables
from mlflow_xfer.studies.claims import Judged, judge, text
from mlflow_xfer.studies.registration import ARTIFACT, SCALE
from mlflow_xfer.studies.run import dev_of, run_study, transfers_of
from mlflow_xfer.studies.study import Study
from mlflow_xfer.tracking import job
from mlflow_xfer.tracking.glance import open_to_plan
from mlflow_xfer.tracking.references import run_of
from mlflow_xfer.tracking.results import scores_of

if TYPE_CHECKING:
    from mlflow_xfer.tracking.runs import RunView
    from mlflow_xfer.tracking.store import Store


REPLICATE = "replicate"


def study(params: shapes.Study) -> Result:
    asked, more = chosen(params)
    with opened() as store:
        crew = crew_of(params, store.uri)
        return found(store, run_study(asked, more, store, job.take(store), crew))


def chosen(params: shapes.Study) -> tuple[Study, dict[str, str]]:
    """The study that is asked for, and what is said of all its arms besides."""
    own = {*parameters(shapes.Asked), *PLACED, "output", "verbose"}
    more = {name: value for name, value in given(params).items() if name not in own}
    if more.get("seeds") == "auto":
        del more["seeds"]
    return declared.study(params.study).at(params.scale, params.effort), more


def studies(params: shapes.Studies) -> str:
    return listing.explained(params.name) if params.name else listing.listed()


def claims(params: shapes.Claims) -> dict[str, Any]:
    if params.tables:
        if params.run:
            raise XferError("A run and tables are given.", "Claims are tested on one of the two.")
        judged, about = _on_tables(Path(params.tables))
        return _said(judged, about)
    with open_to_plan() as store:
        run = replicate_of(store, params.run)
        if run is None:
            judged, about = judge(None, None), "no runs"
        else:
            transfers, asked = transfers_of(store, run.run_id), _replicate_at(run)
            judged = judge(asked, scores_of(store, transfers), dev_of(store, transfers))
            about = f"{run.name}, scale {asked.scale}, run {run.run_id}"
    return _said(judged, about)


def _said(judged: Sequence[Judged], about: str) -> dict[str, Any]:
    return {"about": about, "claims": [one.as_dict() for one in judged], "text": text(judged, about)}


def _on_tables(folder: Path) -> tuple[Sequence[Judged], str]:
    rows = tables.read(folder)
    asked = tables.study_of(declared.study(REPLICATE), rows)
    return judge(asked, rows, tables.dev_of(rows)), f"{folder}: {'; '.join(asked.limits)}"


def replicate_of(store: Store, named: str | None = None) -> RunView | None:
    """The run of `replicate` that is asked for; None: there is none."""
    if named is None:
        runs = store.search(
            {"xfer.kind": "study", "xfer.study": REPLICATE}, status="FINISHED", newest_first=True
        )
        return next((run for run in runs if _is_replicate(store, run)), None)
    run = store.get(run_of(store, named))
    if not _is_replicate(store, run):
        own = " that comes with the package" if run.tags.get("xfer.study") == REPLICATE else ""
        raise XferError(
            f"Run {named!r} is no run of the study {REPLICATE}{own}.",
            f"Run: mlflow-xfer study --study {REPLICATE}",
        )
    return run


def _replicate_at(run: RunView) -> Study:
    return declared.study(REPLICATE).at(run.tags.get(SCALE, "mini"))


def _is_replicate(store: Store, run: RunView) -> bool:
    """Whether a run has the arms and contrasts of the study, and not only its name: a file may declare a
    study of the same name."""
    if run.tags.get("xfer.study") != REPLICATE:
        return False
    try:
        spec = json.loads(json.dumps(_replicate_at(run).spec()))
    except XferError:  # a scale that it has not
        return False
    ran = store.read_json(run.run_id, ARTIFACT) or {}
    return all(ran.get(part) == spec[part] for part in ("arms", "contrasts"))


def judged_text(params: shapes.Claims, found: dict[str, Any]) -> str:
    """What the command prints of the claims."""
    if params.format == "table":
        return found["text"]
    return json.dumps({"about": found["about"], "claims": found["claims"]}, indent=2, ensure_ascii=False)
