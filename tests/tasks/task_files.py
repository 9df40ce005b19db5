"""What the tests of task files share."""

from __future__ import annotations

import pytest

from mlflow_xfer.data import sources
from mlflow_xfer.data.task_file_check import check_task_file
from mlflow_xfer.errors import XferError


def rows(task, split, language="en") -> list[dict]:
    """All rows of a task declared in a file."""
    return sources.read(task, sources.locate(task, split, language, "mini")).to_list()


def says(path) -> str:
    """What the error says with which a task file is refused."""
    with pytest.raises(XferError) as error:
        check_task_file(path)
    assert error.value.exit_code == 2
    return str(error.value)
