"""Phases that publish adapters alone: whoever reads them has the weights that whole checkpoints hold."""

from __future__ import annotations

import shutil

import pytest

import mlflow_xfer
from mlflow_xfer.durable.digests import file_digest
from mlflow_xfer.errors import XferError
from mlflow_xfer.home import home
from mlflow_xfer.models import files
from mlflow_xfer.phases.whole import at_hand
from mlflow_xfer.tracking import checkpoints
from mlflow_xfer.tracking.store import Store
from tests.conftest import TEXTS
from tests.end_to_end.conftest import ENCODER, QUICK


def digests(folder):
    """Of weights and configurations."""
    kept = (path for path in files.of(folder) if path.suffix == ".safetensors" or path.name == "config.json")
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in kept}


@pytest.mark.slow
def test_a_chain_of_adapters_reads_as_whole_checkpoints_do(all_runs, tmp_path):
    import mlflow

    base = mlflow_xfer.pretrain(model=ENCODER, text=TEXTS, max_steps=2, train_batch_size=4)
    asked = QUICK | {"target": "mood", "text": None, "model": base.run_id}
    asked |= {"trainable": "lora", "target.start_adapter": "continue"}
    del asked["pretrain.max_steps"]
    scores, folders, answers = [], [], []
    for kind in ("adapter", "whole"):
        made = mlflow_xfer.transfer(**asked, checkpoint=kind, reuse="never")
        (target,) = (
            run for run in all_runs("phase")
            if run.info.run_id in made.made and run.data.tags["xfer.phase"] == "target"
        )  # fmt: skip
        scores.append(made.metrics)
        with Store.open(sync=False) as store:
            published = checkpoints.fetch(store, target.info.run_id)
            assert files.stands_alone(published) == (kind == "whole")
            folders.append(at_hand(store, target.info.run_id))
        model = mlflow.pyfunc.load_model(f"models:/{target.data.tags['xfer.model_id']}")
        answers.append(model.predict(["one text", "and another", "too long " * 600]).to_dict())
        if kind == "adapter":
            alone = target.info.run_id
            assert sum(f.stat().st_size for f in published.rglob("*.safetensors")) < 80_000
    assert scores[0] == scores[1] and answers[0] == answers[1]
    assert digests(folders[0]) == digests(folders[1])
    out = tmp_path / "published"
    mlflow_xfer.publish(alone, out=out)
    assert digests(out) == digests(folders[1])

    text = tmp_path / "own.txt"
    text.write_text("one text\n", encoding="utf-8")
    with Store.open(sync=False) as store:
        checkpoints.drop(store, base.run_id)
    assert mlflow_xfer.predict(alone, text)  # what was made whole is there
    shutil.rmtree(home() / "checkpoints")
    with pytest.raises(XferError, match=f"holds an adapter to run {base.run_id}, which is not there"):
        mlflow_xfer.predict(alone, text)
    with pytest.raises(XferError, match="which is not there"):
        mlflow_xfer.evaluate(model=alone, target="mood", languages="en", max_eval_examples=5)
