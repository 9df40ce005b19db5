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
        ("postgresql://user:hun@hunter2/er@db.local:5432/mlflow", "postgresql://***@db.local:5432/mlflow"),
        (
            "postgresql://db/x?user=u&password=hunter2&sslpassword=hunter2",
            "postgresql://db/x?user=u&password=***&sslpassword=***",
        ),
        ("Authorization: Bearer hunter2hunter2", "Authorization: Bearer ***"),
        ("'authorization': 'Basic aHVudGVyMg=='", "'authorization': 'Basic ***'"),
    ],
)
def test_secrets_are_redacted(secret, clear):
    assert names.param(secret) == clear
    assert "hunter2" not in names.tag([secret, {"uri": secret}])


def test_harmless_values_are_not_redacted():
    for value in (
        "runs:/abc/model",
        "models:/m-1",
        "https://host/a?b=c",
        "user@example.org",
        "mnli@v2",
        "http://host:5000/a?mail=a@b",
        "sqlite:////home/a@b/mlflow.db",
        "the bearer of news",
    ):
        assert names.param(value) == value


SCHEMES = ("postgresql", "postgresql+psycopg2", "mysql", "https", "http", "s3", "redis")


@given(
    scheme=st.sampled_from(SCHEMES),
    user=st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    password=st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="'\""), min_size=4
    ),
    port=st.sampled_from(("", ":5432")),
)
def test_no_password_of_an_address_is_left(scheme, user, password, port):
    mark = f"Q{password}Q"
    redacted = names.redact(f"cannot reach {scheme}://{user}:{mark}@db.local{port}/mlflow now")
    assert mark not in redacted and redacted.endswith(f"***@db.local{port}/mlflow now")


def test_secrets_of_this_process_are_redacted_wherever_they_stand(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "correct horse")
    assert names.redact("body: {correct horse}") == "body: {***}"
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "a")
    assert names.redact("a short one is left") == "a short one is left"


def test_long_values_are_cut_to_what_mlflow_stores():
    assert len(names.param("x" * 9000)) == names.PARAM_LENGTH
    assert len(names.tag("x" * 9000)) == names.TAG_LENGTH
