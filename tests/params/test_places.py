"""Places that a command names, as seen from any folder."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.data.texts import MINI
from mlflow_xfer.params.places import KEYWORDS, absolute


def test_what_lies_here_is_named_by_its_path_and_keywords_are_no_files():
    Path("data").mkdir()
    assert absolute("data") == str(Path("data").absolute())
    assert absolute("nothing-here") == "nothing-here" and absolute("xlm-roberta-base") == "xlm-roberta-base"
    assert set(MINI) <= set(KEYWORDS)
    for name in KEYWORDS:
        Path(name).mkdir()
        assert absolute(name) == name
