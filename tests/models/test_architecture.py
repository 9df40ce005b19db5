"""A configuration names one architecture, one that is read."""

from __future__ import annotations

import json
import random

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.models.load import check_weights, load_backbone, load_config
from tests.families import FAMILIES, make_model


def says(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    return folder


@pytest.mark.parametrize(
    ("family", "model_type", "of"), [("XLM-R", "bert", "xlm-roberta"), ("BERT", "roberta", "bert")]
)
def test_weights_that_fit_another_architecture_are_not_read_as_it(family, model_type, of, tmp_path):
    folder = says(make_model(family, tmp_path / "model", random.Random(1)), model_type=model_type)
    for read in (load_config, check_weights, load_backbone):
        with pytest.raises(XferError, match=rf"says model_type {model_type}, and \w+, which is of {of}:"):
            read(folder)


@pytest.mark.parametrize("named", [["RobertaForMaskedLM"], ["OfTheirOwn"], [], None])
def test_names_that_say_nothing_else_are_no_matter(named, tmp_path):
    """RoBERTa and XLM-R are one architecture; a class that transformers does not know is of any."""
    folder = says(make_model("XLM-R", tmp_path / "model", random.Random(1)), architectures=named)
    assert load_config(folder).model_type == "xlm-roberta"


@pytest.mark.parametrize("family", FAMILIES)
def test_what_transformers_writes_agrees(family, tmp_path):
    assert load_config(make_model(family, tmp_path / "model", random.Random(1)))
