"""A store for runs of studies."""

from __future__ import annotations

import pytest

from mlflow_xfer.tracking.store import Store


@pytest.fixture
def store(own_store):
    opened = Store.open()
    yield opened
    opened.close()
