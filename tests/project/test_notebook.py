"""The notebook of the documentation runs from its first cell to its last, and shows what it says."""

from __future__ import annotations

import os

import nbformat
import pytest
from nbclient import NotebookClient

from mlflow_xfer import api, notebooks
from mlflow_xfer.commands.result import Result
from mlflow_xfer.ranking.order import Ranking
from mlflow_xfer.reporting.columns import Summary, Table


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_notebook_runs(project, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{project}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    notebook = nbformat.read(project / "docs" / "notebook.ipynb", 4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [
        "".join(out.get("data", {}).get("text/html", "") for out in cell.get("outputs", ()))
        for cell in notebook.cells
    ]
    (plan,) = [html for html in shown if "to run" in html]
    assert "intermediate attribute · s0" in plan and "7 phases: 7 to run" in plan
    assert sum("runs made" in html for html in shown) == 3 and "0 runs made, " in "".join(shown)
    assert any("language" in html and "de" in html and "attribute" in html for html in shown)
    assert any("<iframe" in html and "Does attribute help choice?" in html for html in shown)


def test_names_are_no_markup():
    html = Result("1" * 32, {"<b>/avg": 40.65525}, made=("2" * 32,), link="http://x/?a=<i>")._repr_html_()
    assert "&lt;b&gt;/avg" in html and "40.66" in html and "?a=&lt;i&gt;" in html and "<b>" not in html
    assert "1 runs made, 0 reused" in html
    found = Table("<i> of it", ("condition", "avg"), (("a<b", 40.65), ("none", None)))
    summary = Summary("condition <x>", (found,), ("three seeds & more",))
    html = Result("1" * 32, {"avg": 40.65}, summary=summary)._repr_html_()
    order = [
        html.index(text)
        for text in ("condition &lt;x&gt;", "&lt;i&gt; of it", "a&lt;b", "40.6", "seeds &amp; more")
    ]
    assert order == sorted(order) and "<i>" not in html


def test_plans_and_rankings_are_tables():
    plan = api.plan(intermediate="attribute", target="choice", seeds="0,1")
    assert (
        "<td>intermediate attribute · s0</td>" in plan._repr_html_()
        and "to run, 0 reused" in plan._repr_html_()
    )
    search = api.plan("search", pool="attribute,position", target="choice")
    html = search._repr_html_()
    assert html.count("<tr") == len(search.candidates) + 1 and "<p>search: " in html
    ranked = Ranking({"logme": {"choice": {"nli": 0.25, "<b>": 0.5}}})._repr_html_()
    assert ranked.index("&lt;b&gt;") < ranked.index("nli") and "<th>choice</th>" in ranked


def test_a_page_stays_in_its_frame():
    html = notebooks.page('<p class="x">"quoted" & more</p>', "link")
    assert (
        html.startswith("<iframe")
        and "&lt;p class=&quot;x&quot;&gt;" in html
        and html.endswith("<p>link</p>")
    )
