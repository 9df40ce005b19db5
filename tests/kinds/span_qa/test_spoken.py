"""Languages that MLQA's normalisation is defined for are declared where a task file is read."""

from __future__ import annotations

import pytest

from mlflow_xfer import languages
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.kinds.span_qa.metrics import normalize_mlqa


@pytest.mark.parametrize("code", languages.known())
def test_what_is_declared_can_be_scored(code):
    if code in kind.KINDS.get("span_qa").spoken["mlqa"]:
        assert normalize_mlqa("a", code) in ("", "a")
    else:
        with pytest.raises(XferError, match="does not know"):
            normalize_mlqa("a", code)
