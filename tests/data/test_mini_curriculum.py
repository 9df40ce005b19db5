"""mini's documents on their way into training: the dictionary first, pairs with positions that restart."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset

from mlflow_xfer.data import mini
from mlflow_xfer.data.encode import encode
from mlflow_xfer.data.packing import Packer
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.training.lm import TEXT


@pytest.fixture(scope="module")
def packer():
    texts = {"de": mini.text("de")[::20], "af": mini.text("af")}
    tokenizer = train_tokenizer((d["text"] for found in texts.values() for d in found), 500, "xlm-roberta")
    encoded = {
        language: encode(Dataset.from_list(found), TEXT, tokenizer, 64, cached=False)
        for language, found in texts.items()
    }
    return Packer(encoded, 64, 1.0, 0), texts


def test_lower_stages_are_dealt_first_in_every_epoch(packer):
    dealer, texts = packer
    for epoch in (0, 1):
        order = dealer._order(dealer.languages.index("de"), epoch)
        stages = np.asarray(dealer.texts["de"].columns["stage"])[order]
        assert (np.diff(stages) >= 0).all() and set(stages.tolist()) == {0, 1}
        assert sorted(order.tolist()) == list(range(len(order)))
    assert not np.array_equal(dealer._order(1, 0), dealer._order(1, 1)), (
        "within a stage the order is drawn anew"
    )


def test_words_of_a_pair_have_the_positions_of_their_twins(packer):
    dealer, texts = packer
    found = dealer.texts["de"]
    paired = next(i for i, d in enumerate(texts["de"]) if d["kind"] == "dictionary")
    row = int(np.flatnonzero(np.asarray(found.columns["example"]) == paired)[0])
    number = next(n for n in range(10_000) if (dealer.languages.index("de"), row) in dealer.row(n))
    batch = dealer.batch(range(number, number + 1))
    document = dealer.row(number).index((dealer.languages.index("de"), row)) + 1
    positions = batch["position"][0][batch["document"][0] == document]
    assert positions[0] == 0 and positions[1] == 1
    second = int(found.columns["second"][row])
    assert positions[second] == 1, "the first word of the second text stands where that of the first does"
