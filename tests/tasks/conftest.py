"""Task files that tests write."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def write(tmp_path):
    """Write a task file (a body of entries) and the files it names; returns its path."""

    def made(body: str, **files: str) -> Path:
        path = tmp_path / "tasks.yaml"
        path.write_text(
            "tasks:\n" + "".join(f"  {line}\n" for line in body.strip("\n").split("\n")), encoding="utf-8"
        )
        for name, content in files.items():
            (tmp_path / name.replace("__", ".")).write_text(content, encoding="utf-8", newline="")
        return path

    return made
