"""Models as their makers publish them: read whole, used as the table in the docs says."""

from __future__ import annotations

import pytest

import mlflow_xfer
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.heads import build, carries_lm_head
from mlflow_xfer.models.load import check_weights, load_config, load_tokenizer
from tests import zoo


@pytest.mark.parametrize("name", sorted({*zoo.AS_PUBLISHED, *zoo.OTHERS} - {"BART"}))
def test_published_forms_have_the_weights_of_the_plain_ones(name, tmp_path):
    folder = zoo.publish(name, tmp_path / "model")
    check_weights(folder)
    tokenizer, model = load_tokenizer(folder), build(folder, [], lm=False, seed=0)
    assert tokenizer.padding_side == "right" and tokenizer.pad_token_id is not None
    assert carries_lm_head(folder) == (model.lm is not None) == (name not in zoo.HEADLESS)
    if name in zoo.OTHERS:
        return
    plain = build(zoo.make_model(name, tmp_path / "plain", zoo.random.Random(11)), [], lm=False, seed=0)
    for key, value in plain.backbone.state_dict().items():
        assert (model.backbone.state_dict()[key] - value).abs().max() <= 4e-3 * value.abs().max(), key


def test_encoder_decoders_are_refused(tmp_path):
    with pytest.raises(XferError, match="an encoder-decoder"):
        load_config(zoo.publish("BART", tmp_path / "model"))


@pytest.mark.slow
def test_the_table_says_what_happens():
    assert zoo.TABLE.read_text(encoding="utf-8") == zoo.document(), "write it anew: python -m tests.zoo"


@pytest.mark.nightly
@pytest.mark.parametrize("name", zoo.NAMES)
def test_every_command(name, tmp_path):
    """Two intermediate tasks merged, targets trained and evaluated, their predictions gathered, rows of one
    predicted; kinds without a head are refused before anything runs."""
    model = str(zoo.publish(name, tmp_path / "model"))
    targets = [task for task, use in TARGETS.items() if not zoo.outcome(name, use)]
    small = {"max_steps": 2, "max_train_examples": 20, "max_eval_examples": 10, "languages": "de"}
    if "nli" not in targets:
        with pytest.raises(XferError, match="head for architecture|encoder-decoder"):
            mlflow_xfer.transfer(model=model, intermediate="nli", target="pos", **small)
        return
    targets.remove("nli")
    done = mlflow_xfer.transfer(
        model=model, intermediate="nli,attribute", combine="merge", target=",".join(targets), **small
    )
    assert {f"selected/{task}" for task in targets} <= done.metrics.keys()
    (tmp_path / "rows.jsonl").write_text('{"context": "a ship", "question": "left", "choices": ["a", "b"]}\n')
    assert len(mlflow_xfer.predict(done.run_id, tmp_path / "rows.jsonl", task="choice")) == 1
    chosen, _ = mlflow_xfer.submission([done.run_id], tmp_path / "gathered", "mini")
    assert set(chosen) == set(targets)
    assert all(list((tmp_path / "gathered" / task).glob("test-de.*")) for task in targets)


TARGETS = {
    "nli": "classification",
    "pos": "tagging",
    "choice": "choice",
    "qa": "span questions",
    "retrieval": "retrieval, untrained",
}
"""Tasks of the embedded suite by the use in the table that they stand for."""
