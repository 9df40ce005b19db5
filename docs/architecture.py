"""Draws the picture in ``architecture.md`` from the imports of the package: ``python docs/architecture.py``.

``--check`` writes nothing and ends with 1 where the page shows another picture than the code gives.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from mlflow_xfer.code import PACKAGE, ROOT, parsed, read_texts

PAGE = Path(__file__).with_name("architecture.md")
MARKED = re.compile(r"(<!-- picture -->\n).*?(<!-- /picture -->)", re.DOTALL)
KINDS, KIND = "kinds", "kinds/kind.py"
"""The folders of the kinds of task, and the module that gives them by name: nobody imports them otherwise."""

COMMANDS = ("cli", "api")
"""Modules that the picture shows beside the folders."""


def part(module: str) -> str:
    """The folder that a module stands in, or its own name where it stands beside the folders."""
    folder, _, rest = module.removeprefix(f"{PACKAGE}.").partition(".")
    return KIND if folder == KINDS and rest in ("", "kind") else folder


def needs() -> dict[str, set[str]]:
    """The parts that each part imports, anywhere in its text."""
    texts = read_texts(ROOT)
    del texts[PACKAGE]
    found: dict[str, set[str]] = {part(module): set() for module in texts}
    for module, text in texts.items():
        found[part(module)] |= {part(name) for name in parsed(text).imports if name in texts}
    return {name: others - {name} for name, others in found.items()}


def reached(start: str, graph: dict[str, set[str]]) -> set[str]:
    """What a part imports, and what that imports, and so on."""
    found: set[str] = set()
    queue = list(graph[start])
    while queue:
        if (name := queue.pop()) not in found:
            found.add(name)
            queue += graph[name]
    return found


def arrows() -> dict[str, list[str]]:
    """The parts to draw, each with what it needs, less what that needs itself."""
    graph = needs()
    shown = [name for name in graph if (ROOT / name).exists() or name in COMMANDS]
    below = {name: reached(name, graph) & set(shown) for name in shown}
    return {
        name: sorted(one for one in below[name] if not any(one in below[other] for other in below[name]))
        for name in sorted(shown, key=lambda name: (-len(below[name]), name))
    }


def picture() -> str:
    """The picture as Mermaid text: what needs most stands first."""
    found = arrows()
    ids = {name: re.sub(r"\W", "_", name) for name in found}
    labels = {name: "kinds/‹name›/" if name == KINDS else f"{name}/" for name in found}
    labels |= {KIND: KIND} | {name: f"{name}.py" for name in COMMANDS}
    lines = [f'    {ids[name]}["{labels[name]}"]' for name in found]
    lines += [
        f"    {ids[name]} --> {' & '.join(ids[one] for one in low)}" for name, low in found.items() if low
    ]
    lines.append(f"    {ids[KINDS]} -. found there by name .-> {ids[KIND]}")
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether the page is up to date")
    checks = parser.parse_args().check
    page = PAGE.read_text("utf-8")
    fresh = MARKED.sub(lambda found: f"{found[1]}{picture()}{found[2]}", page)
    if checks and fresh != page:
        sys.exit(f"{PAGE.name} shows another picture; draw it anew: python docs/{Path(__file__).name}")
    if not checks:
        PAGE.write_text(fresh, "utf-8")


if __name__ == "__main__":
    main()
