"""Files and folders that parameters name, so that a command means the same from any folder."""

from __future__ import annotations

from pathlib import Path

KEYWORDS = ("auto", "hub", "mini", "mini-more", "none")
"""What stands for no file, also where one of that name lies in the working directory."""


def absolute(value: str) -> str:
    """The path of what lies here under the name ``value``; other names, and keywords, as they are."""
    path = Path(value).expanduser()
    return str(path.absolute()) if value not in KEYWORDS and path.exists() else value
