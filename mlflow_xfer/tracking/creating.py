"""Calls that make something new in the store, so that each makes it once.

An answer that is lost leaves open whether the server acted, and a repeat might make a second one. So whatever
is made carries a mark that its repeat looks for, and MLflow's client, which repeats requests by itself, sends
them once.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")

CREATION_TAG = "xfer.creation"  # unique to one call that makes something
_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_setting = threading.Lock()


def mark() -> dict[str, str]:
    """Tags that nothing else has."""
    return {CREATION_TAG: uuid.uuid4().hex}


class Once(Generic[T]):
    """Makes something once, however often it is called: for calls that are repeated until they are answered.

    Args:
        make: one request that makes it.
        find: what an attempt made whose answer was lost; None if it made nothing.
    """

    def __init__(self, make: Callable[[], T], find: Callable[[], T | None]):
        self._make, self._find, self._tried = make, find, False

    def __call__(self) -> T:
        if self._tried and (made := self._find()) is not None:
            return made
        self._tried = True
        with sent_once():
            return self._make()


@contextmanager
def sent_once() -> Iterator[None]:
    """Within, MLflow's client repeats no request of this thread by itself."""
    with _setting:
        chosen = os.environ.get(_RETRIES)
        os.environ[_RETRIES] = "0"
        try:
            yield
        finally:
            if chosen is None:
                del os.environ[_RETRIES]
            else:
                os.environ[_RETRIES] = chosen
