"""What says that a disk is full, and what is made of it."""

from __future__ import annotations

import errno

import pytest

from mlflow_xfer.durable import room
from mlflow_xfer.errors import XferError


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/states/model.safetensors"),
        RuntimeError(
            "[enforce fail at inline_container.cc:626] . PytorchStreamWriter failed writing file data/3"
        ),
        RuntimeError("basic_ios::clear: iostream error"),
        ValueError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_one_error_whoever_found_it(error):
    with pytest.raises(XferError, match="The disk is full") as caught, room.needed():
        try:
            raise error
        except Exception:
            raise RuntimeError("the archive could not be closed")  # noqa: B904 (as torch does)
    assert caught.value.exit_code == 1
    assert ("/states/model.safetensors" in str(caught.value)) == isinstance(error, OSError)


@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "Permission denied"), XferError("no space left in the plan")]
)
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)) as caught, room.needed():
        raise error
    assert caught.value is error
