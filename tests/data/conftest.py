"""Tiny folders in XTREME's layout."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def put(tmp_path):
    """Write a file below ``tmp_path/download``; text as UTF-8 without touching line ends."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / "download" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    (tmp_path / "download").mkdir()
    return write


@pytest.fixture
def folder(tmp_path) -> str:
    return str(tmp_path / "download")
