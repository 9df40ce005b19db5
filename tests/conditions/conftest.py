"""Tiny phases to run on engines."""

from __future__ import annotations

import os

import pytest

from mlflow_xfer.conditions.engines.engine import Needs, Order
from mlflow_xfer.params import parse
from mlflow_xfer.params.settings import RuntimeOptions
from mlflow_xfer.phases.phase import Phase
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.tracking.store import Store
from tests.conftest import TEXTS

TINY = {
    "model": "scratch:xlm-roberta:tiny",
    "text": TEXTS,
    "intermediate": "none",
    "target": "choice,mood",
    "languages": "en,de",
    "train_batch_size": 4,
    "max_steps": 2,
    "pretrain.max_steps": 40,
    "max_train_examples": 16,
    "max_eval_examples": 8,
}


@pytest.fixture
def store(own_store, caches):
    with Store.open() as opened:
        yield opened


@pytest.fixture
def plan():
    def planned(**typed):
        return make_plan("transfer", parse("transfer", TINY | typed), References(lambda: None))

    return planned


@pytest.fixture
def submit():
    """Submits phases to an engine, inputs first, the base on all cores; the handles by label."""

    def submitted(engine, phases, **order):
        handles = {}
        asked = Order(**{"runtime": RuntimeOptions(save_every_steps=5)} | order)
        for phase in phases:
            after = [handles[source.spec_hash] for source in phase.inputs if isinstance(source, Phase)]
            needs = Needs(cores=os.cpu_count() or 1) if not after else Needs()
            handles[phase.spec_hash] = engine.submit(phase, asked, needs, after)
        return {phase.label: handles[phase.spec_hash] for phase in phases}

    return submitted
