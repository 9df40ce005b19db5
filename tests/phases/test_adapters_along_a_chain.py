"""Adapters along a chain: which phase begins one, which goes on with it, and what a learning rate becomes."""

from __future__ import annotations

import pytest

from mlflow_xfer import params
from mlflow_xfer.errors import XferError
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References

CHAIN = {"intermediate": "nli", "target": "pos", "languages": "de", "trainable": "lora"}


def trained(**typed):
    """The settings of the phases that train, by phase, without the embedded base."""
    plan = make_plan("transfer", params.parse("transfer", CHAIN | typed), References(lambda: None))
    return {phase.kind: phase.settings for phase in plan.phases if phase.kind in ("intermediate", "target")}


def test_the_first_adapter_of_a_chain_is_fresh_and_the_next_goes_on():
    found = trained(start_adapter="continue")
    assert [found[name].start_adapter for name in ("intermediate", "target")] == ["merge", "continue"]
    assert "start_adapter" not in found["intermediate"].stated()
    assert found["target"].stated()["start_adapter"] == "continue"


def test_a_trained_whole_model_has_no_adapter_to_go_on_with():
    found = trained(start_adapter="continue", **{"intermediate.trainable": "all"})
    assert found["target"].start_adapter == "merge"


def test_an_adapter_of_another_shape_is_refused():
    with pytest.raises(XferError, match="lora_rank 4 and 16"):
        trained(start_adapter="continue", **{"intermediate.lora_rank": "4"})


def test_a_prompt_goes_on_as_an_adapter_does():
    found = trained(start_adapter="continue", trainable="prompt")
    assert [found[name].start_adapter for name in ("intermediate", "target")] == ["merge", "continue"]
    assert found["target"].stated()["trainable"] == "prompt" and "lora_rank" not in found["target"].given()
    with pytest.raises(XferError, match="prompt_length 4 and 20"):
        trained(start_adapter="continue", trainable="prompt", **{"intermediate.prompt_length": "4"})
    with pytest.raises(XferError, match="trains no language model"):
        trained(trainable="prompt", text="mini", model="scratch:llama:tiny")


def test_a_prompt_takes_of_the_rows_that_a_model_reads():
    given = {
        "trainable": "prompt",
        "pretrain.trainable": "all",
        "model": "scratch:llama:tiny",
        "text": "mini",
    }
    with pytest.raises(XferError, match="max_seq_length=500, but the model reads at most 492"):
        trained(max_seq_length="500", **given)
    assert trained(max_seq_length="492", **given)["target"].max_seq_length == 492


@pytest.mark.parametrize(
    ("how", "times"), [("all", 1), ("lora", 10), ("norms", 10), ("head", 50), ("prompt", 100)]
)
def test_a_recipes_rate_grows_where_few_weights_are_trained(how, times):
    recipe = trained(trainable="all")["target"].learning_rate
    assert trained(trainable=how)["target"].learning_rate == pytest.approx(recipe * times)
    assert trained(trainable=how, learning_rate="0.5")["target"].learning_rate == 0.5
