"""Targets of a kind that the makers of the base model trained it on."""

from __future__ import annotations

import json

import pytest

import mlflow_xfer
from mlflow_xfer import params
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.load import save
from mlflow_xfer.models.public import CHECKPOINTS, seen_by
from mlflow_xfer.models.scratch import build_scratch
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.phases.base_seen import marks
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.phases.transport import from_json, to_json
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.seen import check_seen, seen_of
from tests.models.tiny_texts import TEXTS


def test_every_word_of_the_table_means_a_task():
    words = {word for seen in CHECKPOINTS.values() for word in seen}
    check_seen(sorted(words), {})
    assert len(words) > 6 and all(any(seen_of(task, [word]) for task in TASKS) for word in words)


@pytest.mark.parametrize(
    ("model", "seen"),
    [
        ("intfloat/multilingual-e5-small", ("bitext", "nli", "squad", "qqp")),
        ("/models/multilingual-e5-small", ("bitext", "nli", "squad", "qqp")),
        ("sentence-transformers/LaBSE", ("bitext",)),
        ("FacebookAI/xlm-roberta-base", ()),
        ("somebody/xlm-roberta-like", None),
        ("mini", None),
    ],
)
def test_models_are_known_by_their_names(model, seen):
    assert seen_by(model) == seen


def test_a_task_is_met_by_name_family_or_skill():
    seen = ("bitext", "nli", "squad")
    found = {name: seen_of(TASKS.get(name), seen) for name in ("xnli", "xquad", "tatoeba", "pawsx", "udpos")}
    assert found == {"xnli": ("nli",), "xquad": ("squad",), "tatoeba": ("bitext",), "pawsx": (), "udpos": ()}
    assert seen_of(TASKS.get("tydiqa"), ["squad"]) == () and seen_of(TASKS.get("tydiqa"), ["qa"]) == ("qa",)


def planned(**typed):
    base = {
        "data": "hub",
        "intermediate": "none",
        "target": "xnli",
        "model": "scratch:llama:tiny",
        "text": "mini",
    }
    return make_plan(
        "transfer", params.parse("transfer", base | typed), References(lambda: None, weightless=True)
    ).phases[-1]


def test_it_is_said_and_travels_but_decides_no_result():
    plain, said = planned(), planned(base_seen="nli,qa")
    assert plain.spec_hash == said.spec_hash and marks(plain) == {}
    assert marks(from_json(to_json(said))) == {"base_seen": "nli"}
    assert marks(planned(base_seen="nli", control="random")) == {}, "a random encoder has seen nothing"
    with pytest.raises(XferError, match="Unknown kind of data in base_seen 'nlii'"):
        planned(base_seen="nlii")


@pytest.mark.slow
def test_cells_of_such_targets_carry_it(tmp_path, own_store):
    made = train_tokenizer(TEXTS, 200, "xlm-roberta")
    folder = tmp_path / "LaBSE"
    save(build_scratch("xlm-roberta", "tiny", made, 0), made, folder)
    typed = {"target": "retrieval", "languages": "de", "max_eval_examples": 20, "intermediate": "none"}
    found = mlflow_xfer.transfer(model=str(folder), **typed)
    assert "retrieval (base-seen)" in found.summary.plain()
    assert "Base-seen, trained on by the base model's makers: retrieval (bitext)." in found.summary.remarks
    verdict = mlflow_xfer.report(runs=found.run_id).report.verdict
    assert verdict["base_seen"] == {"retrieval": "bitext"} and json.dumps(verdict)
