from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name, _validate_param_name, _validate_tag_name

from mlflow_xfer.tracking import names


@given(st.text(max_size=400))
def test_every_name_becomes_one_that_mlflow_accepts(name):
    key = names.key(name)
    _validate_metric_name(key)
    _validate_param_name(key)
    _validate_tag_name(key)
    assert names.key(key) == key


@pytest.mark.parametrize(
    "name", ["eval/xnli/en", "train/loss", "xtreme/avg_low", "mlflow.note.content", "opt.lr", "a b:c-d_e.f/g"]
)
def test_legal_names_stay(name):
    assert names.key(name) == name


def test_at_sign_stays_readable():
    assert names.key("map@20") == "map_at_20"


def test_two_names_never_share_a_key():
    keys = names.Keys()
    assert len({keys("f1[a]"), keys("f1(a)"), keys("f1_a_")}) == 3
    assert keys("f1[a]") == "f1_a_"


@pytest.mark.parametrize(
    "value, expected",
    [
        (None, "none"),
        (True, "true"),
        (3e-5, "3e-05"),
        (["en", "de"], "en,de"),
        ((), ""),
        ({"b": 1, "a": 2}, '{"a": 2, "b": 1}'),
    ],
)
def test_values_are_spelled_as_commands_spell_them(value, expected):
    assert names.param(value) == expected


@pytest.mark.parametrize(
    "secret, clear",
    [
        ("postgresql://user:hunter2@db.local/mlflow", "postgresql://***@db.local/mlflow"),
        ("https://hunter2@host:8443/x?a=1", "https://***@host:8443/x?a=1"),
        ("s3://bucket/x?X-Amz-Signature=hunter2&b=2", "s3://bucket/x?X-Amz-Signature=***&b=2"),
        ("https://h/x?sig=hunter2", "https://h/x?sig=***"),
        ("hf_abcdefghijklmnopqrst", "***"),
    ],
)
def test_secrets_are_redacted(secret, clear):
    assert names.param(secret) == clear
    assert "hunter2" not in names.tag([secret, {"uri": secret}])


def test_harmless_values_are_not_redacted():
    for value in ("runs:/abc/model", "models:/m-1", "https://host/a?b=c", "user@example.org", "mnli@v2"):
        assert names.param(value) == value


def test_long_values_are_cut_to_what_mlflow_stores():
    assert len(names.param("x" * 9000)) == names.PARAM_LENGTH
    assert len(names.tag("x" * 9000)) == names.TAG_LENGTH
