"""Storages to keep a search in."""

from __future__ import annotations

import optuna
import pytest

from tests.postgresql import postgresql  # noqa: F401 (a fixture)


@pytest.fixture(autouse=True)
def silent():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
