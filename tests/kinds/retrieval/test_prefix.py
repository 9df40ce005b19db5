"""Text before queries and candidates, as the makers of an encoder ask for it."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset

from mlflow_xfer import params
from mlflow_xfer.data.encode import encode
from mlflow_xfer.kinds import kind
from mlflow_xfer.models.load import load_tokenizer, save
from mlflow_xfer.models.scratch import build_scratch
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.tasks.task import Task
from tests.models.tiny_texts import TEXTS

PAIRS = Dataset.from_dict(
    {
        "id": ["a", "b"],
        "source": ["ein Haus am See", "der Hund"],
        "target": ["a house by the lake", "the dog"],
        "context": [None, None],
        "gold": [["a"], ["b"]],
    }
)
BEFORE = PAIRS.map(lambda row: {"source": "query: " + row["source"], "target": "passage: " + row["target"]})
PLAIN = Task("pairs", "retrieval", "retrieval_accuracy", ("de",), {}, trained=False)
ASKED = PLAIN.with_options(prefix="query: ", passage_prefix="passage: ")


@pytest.fixture(scope="module")
def encoder_dir(tmp_path_factory):
    made = train_tokenizer(TEXTS, 200, "xlm-roberta")
    return save(build_scratch("xlm-roberta", "tiny", made, 0), made, tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def tokenizer(encoder_dir):
    return load_tokenizer(encoder_dir)


def test_untrained_vectors_are_those_of_texts_with_it(encoder_dir):
    found = kind.model("retrieval").vectors(encoder_dir, ASKED, {"de": PAIRS})["de"]
    wanted = kind.model("retrieval").vectors(encoder_dir, PLAIN, {"de": BEFORE})["de"]
    for mine, theirs in zip((found.source, found.target), (wanted.source, wanted.target), strict=True):
        assert np.array_equal(mine.vectors, theirs.vectors)


def test_a_dual_encoder_reads_it(tokenizer):
    found, wanted = encode(PAIRS, ASKED, tokenizer, 32), encode(BEFORE, PLAIN, tokenizer, 32)
    assert np.array_equal(found.tokens, wanted.tokens) and not np.array_equal(
        found.tokens, encode(PAIRS, PLAIN, tokenizer, 32).tokens
    )


def test_one_prefix_stands_before_both(tokenizer):
    both = PLAIN.with_options(prefix="query: ", passage_prefix="query: ")
    one = PLAIN.with_options(prefix="query: ")
    assert np.array_equal(encode(PAIRS, one, tokenizer, 32).tokens, encode(PAIRS, both, tokenizer, 32).tokens)


@pytest.mark.parametrize("target", ["retrieval", "lareqa"])
def test_it_is_part_of_what_a_result_is(target):
    def hashes(**typed):
        data = {} if target == "retrieval" else {"data": "hub"}
        base = {"model": "scratch:xlm-roberta:tiny", "text": "mini", "intermediate": "none", "target": target}
        plan = make_plan(
            "transfer",
            params.parse("transfer", base | data | typed),
            References(lambda: None, weightless=True),
        )
        return {phase.kind: phase.spec_hash for phase in plan.phases}

    plain, asked = hashes(), hashes(prefix="query: ")
    assert plain == hashes(prefix="") and plain["pretrain"] == asked["pretrain"]
    assert {name for name in plain if plain[name] != asked[name]} == {"evaluate"} | (
        {"target"} if target == "lareqa" else set()
    )
