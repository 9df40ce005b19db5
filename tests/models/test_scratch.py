"""Models from nothing, by a seed alone."""

from __future__ import annotations

import pytest
import torch
from tiny_texts import TEXTS

from mlflow_xfer.errors import XferError
from mlflow_xfer.models.load import load_backbone, load_tokenizer
from mlflow_xfer.models.scratch import SIZES, build_scratch, parse_scratch, randomised, scratch_config
from mlflow_xfer.models.tokenizer import train_tokenizer


@pytest.mark.parametrize("architecture", ["xlm-roberta", "llama"])
def test_random_weights_depend_on_the_seed_alone(architecture):
    tokenizer = train_tokenizer(TEXTS, 200, architecture)
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    one, same, other = (
        build_scratch(architecture, "tiny", tokenizer, seed).state_dict() for seed in (1, 1, 2)
    )
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(one[k], same[k]) for k in one) and not all(
        torch.equal(one[k], other[k]) for k in one
    )


def test_sizes():
    tokenizer = train_tokenizer(TEXTS, 200, "xlm-roberta")
    widths = {name: size for name, size in SIZES.items() if name.startswith("mini")}
    assert {"tiny", "small"} == set(SIZES) - set(widths) and len(widths) == 5
    assert (
        len({(size["layers"], size["heads"], size["std"], size["vocab_size"]) for size in widths.values()})
        == 1
    )
    assert all(size["inner"] == 2 * size["hidden"] for size in widths.values())
    config = scratch_config("xlm-roberta", "mini", tokenizer)
    assert (config.hidden_size, config.num_hidden_layers, config.initializer_range) == (128, 2, 0.04)
    assert config.max_position_embeddings == 512 + 2 and config.vocab_size == len(tokenizer)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("scratch:xlm-roberta:mnii", "Did you mean 'mini'"),
        ("scratch:bert:tiny", "Unknown architecture 'bert'"),
        ("scratch:tiny", "not of the form"),
    ],
)
def test_unknown_scratch_models_are_refused(name, message):
    with pytest.raises(XferError, match=message):
        parse_scratch(name)


def test_a_control_has_the_configuration_but_other_weights(any_model, tmp_path):
    made = randomised(any_model, tmp_path / "control", 7)
    ours, theirs = load_backbone(made), load_backbone(any_model)
    assert ours.config.hidden_size == theirs.config.hidden_size
    assert not torch.equal(ours.get_input_embeddings().weight, theirs.get_input_embeddings().weight)
    assert load_tokenizer(made)(TEXTS)["input_ids"] == load_tokenizer(any_model)(TEXTS)["input_ids"]
