"""The mock files that XTREME publishes, in its submission layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def mock(tmp_path_factory) -> Path:
    """XTREME's published mock files for all tasks but Tatoeba, as files: ``predictions/`` and ``labels/``."""
    folder = tmp_path_factory.mktemp("mock")
    tasks = json.loads((FIXTURES / "xtreme_mock.json").read_text("utf-8"))
    del tasks["about"]
    for task, languages in tasks.items():
        for language, sides in languages.items():
            for side, content in sides.items():
                file = (
                    folder / side / task / f"test-{language}.{'json' if isinstance(content, dict) else 'tsv'}"
                )
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(_text(task, side, content), "utf-8")
    return folder


def _text(task: str, side: str, content) -> str:
    if isinstance(content, str):
        return content.replace(" | ", " \n").replace(" ", "\n") + "\n"
    if isinstance(content, list):
        return "".join(line + "\n" for line in content)
    if side == "labels" and task != "mewslix":
        questions = [
            {"id": k, "answers": [{"text": t, "answer_start": 0} for t in v]} for k, v in content.items()
        ]
        content = {"version": "1.1", "data": [{"paragraphs": [{"context": "", "qas": questions}]}]}
    return json.dumps(content)
