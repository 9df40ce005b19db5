"""Dual encoders trained and searched, for an encoder and a decoder; exact search in bounded memory."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from datasets import Dataset

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.kinds.retrieval.mining import nearest_both_ways as plainly
from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings
from mlflow_xfer.tasks.task import POOL, Task
from mlflow_xfer.training import vector_search
from mlflow_xfer.training.parts import Part
from mlflow_xfer.training.predict import predict
from mlflow_xfer.training.trainer import train
from mlflow_xfer.training.vector_search import nearest, nearest_both_ways

SEARCH = Task(name="search", kind="retrieval", metric="map_at_20", languages=("en", "de"), sources={})
SETTINGS = TrainingSettings(
    max_steps=80,
    train_batch_size=12,
    max_seq_length=32,
    learning_rate=3e-3,
    warmup_ratio=0.0,
    dropout=0.0,
    evaluations=2,
)
ANIMALS = {"Hund": "dog", "Katze": "cat", "Haus": "house", "Baum": "tree", "Fluss": "river", "Stein": "stone"}
MOODS = {"froh": "happy", "schlimm": "awful", "nett": "nice", "arm": "poor"}


def row(name, source=None, target=None, gold=None, context=None):
    return {
        "id": name,
        "source": source,
        "target": target,
        "context": context,
        "gold": gold or ([name] if source and target else []),
    }


def pairs(n, seed=0):
    """German words and their English translations: 24 different pairs, so that batches hold equal ones."""
    draw = random.Random(seed)
    made = [(draw.choice(list(MOODS)), draw.choice(list(ANIMALS))) for _ in range(n)]
    return Dataset.from_list(
        [row(f"p{i}", f"{a} {b}", f"{MOODS[a]} {ANIMALS[b]}") for i, (a, b) in enumerate(made)]
    )


def queries_and_candidates(code):
    every = [(a, b) for a in MOODS for b in ANIMALS]
    asked = [row(f"q{i}", f"{a} {b}", gold=[f"{code}{i}"]) for i, (a, b) in enumerate(every)]
    offered = [row(f"{code}{i}", target=f"{MOODS[a]} {ANIMALS[b]}") for i, (a, b) in enumerate(every)]
    return Dataset.from_list([*asked, *offered])


def test_a_dual_encoder_learns_and_ranks(any_model, tmp_path):
    done = train(
        any_model,
        [Part(SEARCH, pairs(300), {"en": pairs(40, 1)})],
        None,
        SETTINGS,
        tmp_path,
        runtime=RuntimeOptions(micro_batch=5),
    )
    assert done.metrics["dev/search/en"] > 80 and not done.collapsed
    split = queries_and_candidates("c")
    found = predict(done.directory, SEARCH, {"en": split}, token_budget=64)["en"]
    assert all(len(ranks) == len(set(ranks)) == 20 for ranks in found[:24]) and found[24:] == [None] * 24
    assert sum(ranks[0] == f"c{i}" for i, ranks in enumerate(found[:24])) > 16
    assert (
        found
        == predict(done.directory, SEARCH, {"en": split.remove_columns("gold")}, token_budget=4096)["en"]
    )


def test_candidates_are_those_of_the_language_and_the_pool_or_of_all(any_model, tmp_path):
    done = train(
        any_model, [Part(SEARCH, pairs(40))], None, SETTINGS.model_copy(update={"max_steps": 1}), tmp_path
    )
    splits = {
        "en": queries_and_candidates("e"),
        "de": queries_and_candidates("d"),
        POOL: Dataset.from_list([row("pool1", target="stone"), row("pool2", target="dog")]),
    }
    own = predict(done.directory, SEARCH, splits)
    assert set(own) == {"en", "de"}
    assert {name[0] for ranks in own["de"][:24] for name in ranks} == {"d", "p"}
    every = predict(done.directory, SEARCH.with_options(pooled=True), splits)
    assert {name[0] for ranks in every["de"][:24] for name in ranks} == {"d", "e", "p"}


def test_untrained_lists_come_straight_from_a_layer(any_model):
    split = queries_and_candidates("c")
    found = predict(any_model, replace(SEARCH, trained=False), {"en": split}, layer=1)["en"]
    sides = kind.model(SEARCH.kind).vectors(
        any_model, replace(SEARCH, trained=False), {"en": split}, layer=1
    )["en"]
    best, _ = nearest(sides.source.vectors, sides.target.vectors, 20)
    assert found[:24] == [[f"c{at}" for at in ranks] for ranks in best]


def test_rows_of_one_side_train_nothing(any_model, tmp_path):
    with pytest.raises(XferError, match="trained on pairs"):
        train(any_model, [Part(SEARCH, queries_and_candidates("c"))], None, SETTINGS, tmp_path)


def test_search_is_exact_in_blocks(monkeypatch):
    draws = np.random.default_rng(0)
    x, y = draws.normal(size=(40, 8)).astype(np.float32), draws.normal(size=(333, 8)).astype(np.float32)
    whole = nearest(x, y, 5)
    monkeypatch.setattr(vector_search, "BLOCK", 7 * 50)
    cut = nearest(x, y, 5, chunk=7)
    assert (whole[0] == cut[0]).all() and np.allclose(whole[1], cut[1])
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, y)]
    for ours, theirs in zip(nearest_both_ways(*unit, 4, chunk=7), plainly(*unit, 4), strict=True):
        assert np.allclose(ours, theirs, atol=1e-5)
