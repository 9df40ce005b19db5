"""Optuna says nothing that a test needs to show."""

from __future__ import annotations

import optuna
import pytest


@pytest.fixture(autouse=True)
def silent():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
