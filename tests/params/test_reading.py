"""What a user types becomes typed parameters, or one message that names everything that is wrong."""

from __future__ import annotations

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.params.chain import Pretrain, Transfer
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.reading import given, read
from mlflow_xfer.params.verbs import VERBS


def test_lists_none_and_scoped_values():
    params = read(
        Transfer,
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
        params.intermediate == ("mnli", "squad")
        and params.languages == ("de", "sw")
        and params.seeds == (1, 2)
        and params.text is None
    )
    assert params.training("target")["learning_rate"] == 2e-5
    assert params.training("intermediate")["learning_rate"] == 1e-4
    assert read(Transfer, {"intermediate": "none"}).intermediate == ()


def test_python_values_are_accepted_as_well():
    params = read(Transfer, {"intermediate": ("nli",), "seeds": [3], "learning_rate": 0.1, "max_steps": 5})
    assert (params.intermediate, params.seeds, params.learning_rate, params.max_steps) == (
        ("nli",),
        (3,),
        0.1,
        5,
    )


@pytest.mark.parametrize("name", ["seeds", "base_seeds"])
@pytest.mark.parametrize("twice", ["0,0,1", (0, 0, 1), [1, 0, 1], "0,00", ["0", 0]])
def test_a_seed_that_is_named_twice_is_refused(name, twice):
    with pytest.raises(XferError, match=rf"(?s)Parameter {name}=.* names a seed twice.*Accepted"):
        read(Transfer, {name: twice})
    with pytest.raises(XferError, match="seeds=.* names a seed twice"):
        VERBS["study"].read({name: twice})


@pytest.mark.parametrize(
    "flag",
    [
        {"max_steps": True},
        {"learning_rate": True},
        {"mlm_share": False},
        {"weight_decay": True},
        {"target.max_steps": True},
        {"seeds": True},
        {"seeds": [True, 0]},
    ],
)
def test_a_flag_is_no_number(flag):
    (name,) = flag
    with pytest.raises(XferError, match=f"Parameter {name}="):
        read(Transfer, flag)


def test_all_faults_at_once_with_suggestions():
    with pytest.raises(XferError) as caught:
        read(
            Transfer,
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


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_a_default_typed_again_reads_the_same(verb):
    known = parameters(verb.shape)
    required = {name: "x" for name, one in known.items() if one.required}
    again = {name: one.typed for name, one in known.items()} | required
    assert verb.read(again) == verb.read(required)


def test_what_was_given_reads_the_same():
    raw = {"intermediate": "none", "seeds": "1,2", "max_steps": 5, "target.learning_rate": "2e-05"}
    params = read(Transfer, raw | {"text": "none", "exclude-overlap": True})
    assert given(params) == raw | {"max_steps": "5", "text": "none", "exclude_overlap": "true"}
    assert read(Transfer, given(params)) == params and given(Transfer()) == {}


def test_what_is_missing_or_nearly_right_is_said():
    with pytest.raises(XferError, match=r"(?s)Parameter file is missing.*jsonl"):
        VERBS["predict"].read({"model": "mini"})
    with pytest.raises(
        XferError, match=r"reuse=same-cod is not accepted.\n  Did you mean 'same-code'\? Accepted"
    ):
        VERBS["transfer"].read({"reuse": "same-cod"})


def test_a_plan_reads_what_the_planned_verb_takes():
    params = VERBS["plan"].read({"verb": "search", "json": "true", "pool": "nli", "n-trials": "3"})
    assert (params.verb, params.json, params.overlap) == ("search", True, False)
    assert params.of == VERBS["search"].read({"pool": "nli", "n_trials": "3"})
    assert VERBS["plan"].read({}).of == Transfer()
    with pytest.raises(XferError, match="Unknown command to plan 'serch'.\n  Did you mean 'search'"):
        VERBS["plan"].read({"verb": "serch"})
    with pytest.raises(XferError, match=r"(?s)Unknown parameter 'n_trails'.*'n_trials'.*search --help"):
        VERBS["plan"].read({"verb": "search", "n_trails": 1})


def test_parameters_are_frozen_and_closed():
    with pytest.raises(ValueError):
        Pretrain().seed = 3
    with pytest.raises(ValueError):
        Pretrain(sede=3)
