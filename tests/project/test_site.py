"""The site of the documentation builds strictly."""

from __future__ import annotations

import shutil

import pytest
from mkdocs.exceptions import Abort

pytestmark = pytest.mark.slow


def test_every_page_is_there_and_every_link_leads_somewhere(project, script, tmp_path):
    site = script("docs/site.py").main(tmp_path / "out")
    for page in (
        "index.html",
        "docs/recipe/index.html",
        "docs/architecture/index.html",
        "benchmarks/index.html",
    ):
        assert "mlflow-xfer" in (site / page).read_text("utf-8"), page
    pages = {path.stem for path in (project / "docs").glob("*.md")}
    assert len(pages) >= 13 and all((site / "docs" / page / "index.html").is_file() for page in pages)
    folders = (site / "docs" / "architecture" / "index.html").read_text("utf-8")
    assert '<pre class="mermaid">\nflowchart TD' in folders and "mermaid.min.js" in folders
    assert "language-mermaid" not in folders, "what its script draws is no code"
    assert (site / "docs" / "study.png").is_file() and (site / "docs" / "notebook.ipynb").is_file()


@pytest.mark.parametrize("link", ["docs/nowhere.md", "#no-such-heading"])
def test_a_link_to_nothing_ends_it(project, script, tmp_path, monkeypatch, link):
    site = script("docs/site.py")
    shutil.copy(project / "mkdocs.yml", tmp_path)
    text = (tmp_path / "mkdocs.yml").read_text()
    (tmp_path / "mkdocs.yml").write_text(
        text.split("nav:")[0] + "nav: [README.md]\nvalidation:" + text.split("validation:")[1]
    )
    (tmp_path / "README.md").write_text(f"# mlflow-xfer\n\n[a link]({link})\n")
    monkeypatch.setattr(site, "ROOT", tmp_path)
    with pytest.raises(Abort):
        site.main(tmp_path / "out")
    (tmp_path / "README.md").write_text("# mlflow-xfer\n\n[a link](#mlflow-xfer)\n")
    assert (site.main(tmp_path / "out") / "index.html").is_file()
