"""`constraints.txt` pins all that an installation brings."""

from __future__ import annotations

import re
from collections import defaultdict
from importlib.metadata import requires

from packaging.requirements import Requirement


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def brought_along(name: str) -> set[str]:
    """All that an installation of ``name`` brings here, itself included."""
    found: dict[str, set[str]] = defaultdict(set)
    queue: list[tuple[str, frozenset[str]]] = [(plain(name), frozenset({""}))]
    while queue:
        package, extras = queue.pop()
        if extras <= found[package]:
            continue
        found[package] |= extras
        for one in map(Requirement, requires(package) or ()):
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras):
                queue.append((plain(one.name), frozenset({"", *one.extras})))
    return set(found)


def test_every_package_of_an_installation_is_pinned(project):
    lines = (project / "constraints.txt").read_text("utf-8").splitlines()
    pinned = [plain(line.partition("==")[0]) for line in lines if not line.startswith("#")]
    needed = brought_along("mlflow-xfer") - {"mlflow-xfer"}
    assert len(needed) > 100 and needed <= set(pinned), sorted(needed - set(pinned))
    assert len(pinned) == len(set(pinned)) and all("==" in line for line in lines[1:])
