"""Disks without room: the errors that say so, as one that says what to do."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow_xfer.errors import XferError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SAID = re.compile(
    r"No space left on device|Disk quota exceeded|File too large|PytorchStreamWriter failed writing"
    r"|iostream error|unexpected pos \d+ vs \d+"
)
"""By libraries that do not pass the operating system's error on."""


def is_full(error: BaseException) -> bool:
    """Whether a disk without room is behind ``error``."""
    return any(getattr(one, "errno", None) in _FULL or _SAID.search(str(one)) for one in _behind(error))


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that it was raised from or while handling."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


@contextmanager
def needed() -> Iterator[None]:
    """Within, a disk without room is one error; what is saved stays, and the same command goes on from it.

    Raises:
        XferError: the disk is full (exit code 1).
    """
    try:
        yield
    except XferError:
        raise
    except Exception as error:
        if not is_full(error):
            raise
        file = next(filter(None, (getattr(one, "filename", "") for one in _behind(error))), "")
        raise XferError(
            f"The disk is full{f': {file} cannot be written' if file else ''}.",
            "Make room where XFER_HOME, XFER_WORK and the artifacts lie, then repeat the command: it goes on "
            "from what is saved.",
            exit_code=1,
        ) from error
