"""Tiny models of both architectures with random weights."""

from __future__ import annotations

import pytest
from tiny_texts import TEXTS

from mlflow_xfer.models.load import save
from mlflow_xfer.models.scratch import build_scratch
from mlflow_xfer.models.tokenizer import train_tokenizer


@pytest.fixture(scope="session", params=["xlm-roberta", "llama"])
def any_model(request, tmp_path_factory):
    tokenizer = train_tokenizer(TEXTS, 200, request.param)
    return save(
        build_scratch(request.param, "tiny", tokenizer, 0), tokenizer, tmp_path_factory.mktemp(request.param)
    )


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    tokenizer = train_tokenizer(TEXTS, 200, "xlm-roberta")
    return save(
        build_scratch("xlm-roberta", "tiny", tokenizer, 0), tokenizer, tmp_path_factory.mktemp("encoder")
    )
