"""Tiny real models of both architectures, with random weights and an LM head."""

from __future__ import annotations

import pytest
from tiny_world import make_model


@pytest.fixture(scope="session", params=["xlm-roberta", "llama"])
def any_model(request, tmp_path_factory):
    """A tiny encoder, then a tiny decoder, with random weights and an LM head."""
    return make_model(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("encoder"), "xlm-roberta")
