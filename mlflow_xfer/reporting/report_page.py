"""The page of a report: its sections in order, in one HTML file that stands alone."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import pandas as pd

from mlflow_xfer.reporting import across_languages, provenance, sections
from mlflow_xfer.reporting.analysis import Analysis
from mlflow_xfer.reporting.hypertext import Raw, element, text
from mlflow_xfer.version import __version__

STYLE = Path(__file__).with_name("page.css")


def page(
    analysis: Analysis,
    title: str,
    costs: pd.DataFrame | None,
    protocol: dict[str, str],
    commands: list[str],
    opening: Sequence[Raw],
) -> str:
    heading = analysis.question or title
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", heading),
        element("style", Raw(_style())),
    )
    parts = [
        *opening,
        sections.answer(analysis, *(["All conditions"] if opening else [])),
        sections.differences(analysis),
        sections.same_task(analysis),
        across_languages.cells_section(analysis),
        across_languages.typology(analysis),
        across_languages.inequality(analysis),
        across_languages.variance(analysis),
        provenance.imported(analysis),
        provenance.cost(costs),
        provenance.protocol(analysis, protocol),
        provenance.limits(analysis, of_study=bool(opening)),
        provenance.reproduce(commands or _default_commands(), _versions()),
    ]
    body = element(
        "body",
        element("main", element("h1", heading), parts),
        element("footer", f"{title} · mlflow-xfer {_versions()['mlflow-xfer']}"),
    )
    return "<!DOCTYPE html>\n" + text(element("html", head, body, lang="en")) + "\n"


@lru_cache(maxsize=1)
def _style() -> str:
    return "\n" + STYLE.read_text(encoding="utf-8")


def _default_commands() -> list[str]:
    return [
        "mlflow-xfer report RUN…",
        "# the same numbers from the exported table:",
        'python -c "import pandas, mlflow_xfer.reporting as r; '
        "r.report(pandas.read_parquet('results.parquet')).save('again')\"",
    ]


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    found = {"mlflow-xfer": __version__, "Python": platform.python_version()}
    return found | {name: metadata.version(name) for name in ("numpy", "pandas", "scipy")}
