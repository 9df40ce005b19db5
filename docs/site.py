"""Builds the site of the documentation: ``make site``, or ``python docs/site.py [--out build]``.

The pages stand where GitHub shows them, in several folders, and link to files beside them. So they are
gathered first: the pages of ``mkdocs.yml``, and every file that one of them links to, at its own place. Then
mkdocs builds strictly: a link to nothing, or to a heading that is not there, ends it. Pictures in Mermaid's
words are drawn by its script where the reader's browser can fetch it, and can be read where it cannot.
"""

from __future__ import annotations

import argparse
import html
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from mkdocs.commands.build import build
from mkdocs.config import load_config

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\(([^)\s]+)\)")
DRAWN = re.compile(r"^```mermaid\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def linked(page: Path) -> Iterator[Path]:
    """The files of this project that a page links to."""
    for address in LINK.findall(FENCED.sub("", page.read_text("utf-8"))):
        if "://" not in address and not address.startswith(("#", "mailto:")):
            path = (page.parent / address.partition("#")[0]).resolve()
            if path.is_file() and path.is_relative_to(ROOT):
                yield path


def gathered(first: list[Path]) -> list[Path]:
    """These pages, and what they link to, and so on."""
    found, queue = dict.fromkeys(first), list(first)
    while queue:
        page = queue.pop()
        for path in linked(page) if page.suffix == ".md" else ():
            if path not in found:
                found[path] = None
                queue.append(path)
    return list(found)


def pages(nav: object) -> Iterator[Path]:
    """The pages that the navigation names."""
    if isinstance(nav, str):
        yield ROOT / nav
    elif isinstance(nav, dict | list):
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from pages(part)


def copied(path: Path, to: Path) -> None:
    """A page or file at its place in the site; Mermaid's words become what its script draws."""
    to.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix != ".md":
        shutil.copy(path, to)
        return
    text = path.read_text("utf-8")
    to.write_text(DRAWN.sub(lambda m: f'<pre class="mermaid">\n{html.escape(m[1])}</pre>', text), "utf-8")


def main(out: Path) -> Path:
    """Build the site; returns its folder."""
    there = out / "pages"
    shutil.rmtree(there, ignore_errors=True)
    there.mkdir(parents=True)
    config = load_config(
        str(ROOT / "mkdocs.yml"), docs_dir=str(there), site_dir=str(out / "site"), strict=True
    )
    for path in gathered(list(pages(config.nav))):
        copied(path, there / path.relative_to(ROOT))
    config.plugins.on_startup(command="build", dirty=False)
    build(config)
    return out / "site"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build")
    print(f"{main(parser.parse_args().out.resolve())}/index.html")
