"""What a user types becomes typed parameters, or one message that names everything that is wrong."""

from __future__ import annotations

import pytest

from mlflow_xfer import params
from mlflow_xfer.errors import XferError


def test_lists_none_and_scoped_values():
    read = params.parse(
        "transfer",
        {
            "intermediate": "mnli,squad",
            "languages": "de,sw",
            "seeds": "1,2",
            "text": "none",
            "learning-rate": "1e-4",
            "target.learning_rate": "2e-5",
        },
    )
    assert (
        read.intermediate == ("mnli", "squad")
        and read.languages == ("de", "sw")
        and read.seeds == (1, 2)
        and read.text is None
    )
    assert read.training("target").learning_rate == 2e-5
    assert read.training("intermediate").learning_rate == 1e-4
    assert params.parse("transfer", {"intermediate": "none"}).intermediate == ()


def test_python_values_are_accepted_as_well():
    read = params.parse(
        "transfer", {"intermediate": ("nli",), "seeds": [3], "learning_rate": 0.1, "max_steps": 5}
    )
    assert (read.intermediate, read.seeds, read.learning_rate, read.max_steps) == (("nli",), (3,), 0.1, 5)


def test_all_faults_at_once_with_suggestions():
    with pytest.raises(XferError) as caught:
        params.parse(
            "transfer",
            {
                "leaning_rate": "1",
                "mixing": "propotional",
                "seeds": "a",
                "target.max_steps": "-1",
                "evaluate.max_steps": "3",
            },
        )
    text = str(caught.value)
    assert caught.value.exit_code == 2
    assert text.startswith("5 problems") and "Did you mean 'learning_rate'" in text
    assert "Parameter mixing=propotional" in text and "proportional|temperature|uniform" in text
    assert "Parameter target.max_steps=-1" in text and "'evaluate' is no phase that transfer trains" in text


@pytest.mark.parametrize("verb", params.VERBS)
def test_a_default_typed_again_reads_the_same(verb):
    shape = params.VERBS[verb]
    names = [name for name in shape.model_fields if name != "scoped"]
    assert len(names) >= 3
    typed = {name: params.typed(getattr(shape(), name)) for name in names}
    assert params.parse(verb, typed) == shape()


def test_parameters_are_frozen_and_closed():
    with pytest.raises(ValueError):
        params.Pretrain().seed = 3
    with pytest.raises(ValueError):
        params.Pretrain(sede=3)
