"""Publishes studies as pages of this documentation: ``make reports``, or
``python docs/reports.py [STUDY …] [--run] [--effort quick] [--scale mini] [--tables FOLDER]``.

Of each study the newest finished run of that effort and scale in the store (``MLFLOW_TRACKING_URI``) becomes
``docs/studies/NAME.md`` (``NAME-registered.md``, ``NAME-small.md``) with a picture of its report, and its
scores become ``NAME.parquet``, from which every number can be computed again. ``--run`` runs the studies
first; what is finished is not trained again. What the tables of the real model say, as far as they are there,
is ``replicate-small.md`` and ``nli-variance-small.md``. The claims are tested on both: ``claims.md``.
Pictures need Debian's ``chromium``; without it a page has none.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.artifacts import load_dict
from screenshots import Browser

from mlflow_xfer import api, markdown
from mlflow_xfer.params.studies import EFFORTS
from mlflow_xfer.reporting.columns import points
from mlflow_xfer.reporting.verdict import EQUIVALENT, p_text
from mlflow_xfer.studies import tables as kept
from mlflow_xfer.studies.contrasts import compute
from mlflow_xfer.studies.found import studies
from mlflow_xfer.studies.page import of_level, verdict_of
from mlflow_xfer.studies.registration import Registration

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "studies"
SIZE = (1280, 1500)
FROM_TABLES = (
    "Written by `make reports` from the [tables of a small real model](../../benchmarks/real_models.md) "
    "as far as they are there; each contrast takes what all of its arms have."
)
HEAD = ("contrast", "estimate", "interval", "corrected p", "verdict", "finds in 8 of 10", "status")


def newest(
    client: MlflowClient, name: str, effort: str, scale: str = "mini"
) -> tuple[Any, Mapping[str, Any]] | None:
    """The newest finished run of a study with this effort and scale, and its verdict; None: there is none."""
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    asked = f"tags.xfer.study = '{name}' AND tags.xfer.kind = 'study' AND attributes.status = 'FINISHED'"
    for run in client.search_runs(ids, asked, order_by=["attributes.start_time DESC"]):
        verdict = load_dict(f"runs:/{run.info.run_id}/verdict.json")
        if (verdict["study"]["effort"], verdict["study"]["scale"]) == (effort, scale):
            return run, verdict
    return None


def page_of(name: str, effort: str, scale: str) -> str:
    """What the page of a study is called, without its ending."""
    return "-".join([name, *([scale] if scale != "mini" else []), *([effort] if effort != "quick" else [])])


def source_of(name: str, told: Mapping[str, Any]) -> str:
    """Where the scores of a run come from, in a sentence."""
    command = f"mlflow-xfer study --study {name}"
    if told["effort"] != "quick" or told["scale"] != "mini":
        command += f" --scale {told['scale']} --effort {told['effort']}"
    page = page_of(name, told["effort"], told["scale"])
    return (
        f"Scale {told['scale']}, effort {told['effort']}, look {told['look']} of {told['looks']}. Written by "
        f"`make reports` from a run of `{command}`; its scores are [{page}.parquet]({page}.parquet)."
    )


def text(name: str, verdict: Mapping[str, Any], source: str, picture: str = "") -> str:
    """The page of a study, from what it says for programs."""
    told = verdict["study"]
    rows = [_row(one) for one in told["contrasts"]]
    notes = list(dict.fromkeys(note for one in told["contrasts"] for note in one["notes"]))
    return "\n".join(
        [
            f"# {studies()[name].question}",
            "",
            markdown.plain(verdict["answer"]),
            "",
            *([f"![The report of {name}]({picture})", ""] if picture else []),
            f"The primary contrasts are {verdict['status']}. {source}",
            "",
            markdown.table(HEAD, rows, right=(1, 2, 3, 5)),
            "",
            "## What it cannot tell",
            "",
            *(f"- {markdown.plain(limit)}" for limit in [*told["limits"], *notes]),
            "",
        ]
    )


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    def number(key: str, signed: bool = True) -> str:
        value = one[key]
        if value is None or key == "detectable" and not value:  # nothing is found
            return "–"
        return f"{value:.2f}" if one["kind"] == "spread" else points(value, signed)

    interval = f"{number('low')} … {number('high')}{of_level(one['level'])}"
    verdict = one["verdict"] + (" (demonstration)" if one["demonstration"] else "")
    return (
        one["name"],
        number("estimate"),
        interval,
        p_text(one["p_equivalence" if one["verdict"] == EQUIVALENT else "p_corrected"]),
        verdict,
        number("detectable", signed=False),
        one["status"],
    )


def published(client: MlflowClient, name: str, effort: str, scale: str, out: Path) -> bool:
    """Write a study's page, picture and scores; whether there is a run of it."""
    found = newest(client, name, effort, scale)
    if found is None:
        return False
    run, verdict = found
    page = out / page_of(name, effort, scale)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        got = {file: client.download_artifacts(run.info.run_id, file, folder) for file in ARTIFACTS}
        shutil.copy(got["results.parquet"], page.with_suffix(".parquet"))
        taken = photographed(Path(got["report.html"]), page.with_suffix(".png"))
    told = text(name, verdict, source_of(name, verdict["study"]), f"{page.name}.png" if taken else "")
    page.with_suffix(".md").write_text(told, "utf-8")
    return True


def small(folder: Path) -> str:
    """The page of `replicate` on the tables of the real model."""
    rows = kept.read(folder)
    asked = kept.study_of(studies()["replicate"], rows)
    found = compute(asked, rows, dev=kept.dev_of(rows), gaps=True)
    why = "the stages of the tables are registered on their own page"
    verdict = verdict_of(asked, found, Registration("", why=why))
    return text("replicate", verdict, FROM_TABLES)


def small_spread(folder: Path) -> str:
    """The page of `nli-variance` on the stage of the tables that is run for it. It is registered if the plan
    of the tables names the declaration that the rows were made under, and what the study declares now."""
    name = "nli-variance"
    rows = kept.read(folder, kept.SPREAD)
    asked = kept.at_once(studies()[name], list(dict.fromkeys(rows["task"])), kept.missing(rows, kept.SPREAD))
    plan = folder.with_name(f"{folder.name}_plan.md")
    planned = plan.read_text("utf-8") if plan.is_file() else ""
    declared = {f"declared {one}" for one in rows["declared"]} | {kept.fixed(asked)}
    changed = sorted(one for one in declared if one not in planned)
    entry = Registration("", why=f"the plan does not say {', '.join(changed)}" if changed else "")
    found = compute(asked, rows, registered=entry.stands, gaps=True)
    return text(name, verdict_of(asked, found, entry), FROM_TABLES)


ARTIFACTS = ("report.html", "results.parquet")


def photographed(report: Path, out: Path) -> bool:
    """A picture of the report from its top; whether there is a browser to take it."""
    if not (shutil.which("chromium") or shutil.which("chromium-browser")):
        return False
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            browser.open(report.as_uri(), "Answer", *SIZE)
            browser.shoot(out, settle=0.3)
        finally:
            browser.close()
    return True


def claimed(tables: Path) -> str:
    """The claims on the newest run of `replicate` in the store, and on the tables."""
    claims = api.FUNCTIONS["claims"]
    parts = [("On mini", claims()), ("On a small real model", claims(tables=tables))]
    lines = ["# What the paper is said to have found", ""]
    for title, found in parts:
        about = found["about"].replace(f"{ROOT}/", "") + _effort(found["about"])
        rows = [
            (one["id"], one["claim"], one["verdict"], markdown.plain(one["evidence"]), one["texts"]["mark"])
            for one in found["claims"]
        ]
        head = ("", "claim", "verdict", "rests on", "texts")
        lines += [f"## {title}", "", f"On {about}.", "", markdown.table(head, rows), ""]
    lines.append("Written by `make reports`. The texts' own marks are shown and never count.")
    return "\n".join(lines) + "\n"


def _effort(about: str) -> str:
    """Of a run of ``replicate`` that ``about`` names, how much effort it was."""
    ran = ((effort, newest(MlflowClient(), "replicate", effort)) for effort in EFFORTS)
    return next(
        (f", effort {effort}" for effort, found in ran if found and found[0].info.run_id in about), ""
    )


def main(asked: Sequence[str], effort: str, scale: str, run: bool, tables: Path, out: Path) -> None:
    client = MlflowClient()
    for name in asked:
        if run:
            program = [sys.executable, "-m", "mlflow_xfer.cli", "study", "--study", name, "--effort", effort]
            subprocess.run(program, check=True)
        there = published(client, name, effort, scale, out)
        print(f"{name}: {'published' if there else 'no finished run'}", flush=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / "replicate-small.md").write_text(small(tables), "utf-8")
    (out / "nli-variance-small.md").write_text(small_spread(tables), "utf-8")
    ran = any(newest(client, "replicate", effort) for effort in EFFORTS)
    if not ran and (out / "claims.md").is_file():
        print("claims: as they are, because this store has no finished run of replicate", flush=True)
    else:
        (out / "claims.md").write_text(claimed(tables), "utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*", metavar="STUDY", help="which; none: all with contrasts")
    parser.add_argument("--run", action="store_true", help="run them first")
    parser.add_argument("--effort", default="quick")
    parser.add_argument("--scale", default="mini", help="other scales than mini are not run from here")
    parser.add_argument("--tables", type=Path, default=ROOT / "benchmarks" / "real_models")
    parser.add_argument("--out", type=Path, default=PAGES)
    given = parser.parse_args()
    names = given.studies or [name for name, one in studies().items() if one.contrasts]
    if given.run and given.scale != "mini":
        parser.error("--run is for scale mini: run the study with its model and data first")
    main(names, given.effort, given.scale, given.run, given.tables, given.out)
