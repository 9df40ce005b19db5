"""Adapters of languages (MAD-X): trained on texts, put under a task's, swapped where it is evaluated."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import mlflow_xfer
from mlflow_xfer.data import sources
from mlflow_xfer.errors import XferError
from mlflow_xfer.models import language
from mlflow_xfer.models.load import load_backbone
from mlflow_xfer.phases.whole import at_hand
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tracking import checkpoints
from mlflow_xfer.tracking.store import Store
from tests.conftest import TEXTS
from tests.end_to_end.conftest import ENCODER, QUICK

STEPS = {"max_steps": 4, "train_batch_size": 4, "trainable": "lora"}
SHORT = {"max_train_examples": 40, "learning_rate": 0.01} | STEPS


def folder(run_id):
    with Store.open(sync=False) as store:
        return Path(checkpoints.fetch(store, run_id))


def predictions(client, run_id, code):
    return Path(client.download_artifacts(run_id, f"predictions/mood/test-{code}.tsv")).read_text()


def apart(one, other):
    one, other = (load_backbone(path).state_dict() for path in (one, other))
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["whole", "adapter"])
def test_a_language_is_trained_stacked_and_swapped(client, tmp_path, kind):
    base = mlflow_xfer.pretrain(model=ENCODER, text=TEXTS, max_steps=2, train_batch_size=4).run_id
    en, de = (
        mlflow_xfer.pretrain(
            model=base, text=TEXTS, text_languages=code, learning_rate=0.05, checkpoint=kind, **STEPS
        ).run_id
        for code in ("en", "de")
    )
    # put under the task's adapter: what is published is the sum of base, language and task
    tuned = mlflow_xfer.target(
        model=base, target="mood", adapter=f"lang:{en}", checkpoint=kind, **SHORT
    ).run_id
    assert list(client.get_run(tuned).data.tags["xfer.input_run_ids"].split(",")) == [base, en]
    stacked = language.put(folder(base), folder(en) / "adapter", tmp_path / "stacked")
    from peft import PeftModel

    again = PeftModel.from_pretrained(load_backbone(stacked), folder(tuned) / "adapter").merge_and_unload()
    asked = {"target": "mood", "languages": "en,de", "max_eval_examples": 40}
    plain = mlflow_xfer.evaluate(model=tuned, **asked)
    swapped = mlflow_xfer.evaluate(model=tuned, adapter=f"de=lang:{de}", **asked)
    assert plain.run_id != swapped.run_id
    with Store.open(sync=False) as store:
        whole = at_hand(store, tuned)
    states = load_backbone(whole).state_dict()
    assert all(torch.allclose(states[name], tensor, atol=1e-5) for name, tensor in again.state_dict().items())
    # English is read as it was trained, German with its own adapter
    assert predictions(client, plain.run_id, "en") == predictions(client, swapped.run_id, "en")
    german = language.put(whole, folder(de) / "adapter", tmp_path / "german")
    assert apart(whole, german) > 1e-3
    assert apart(language.put(german, folder(en) / "adapter", tmp_path / "back"), whole) < 1e-6
    text = tmp_path / "german.txt"
    task = TASKS.get("mood")
    rows = sources.subset(sources.read(task, sources.locate(task, "test", "de", "mini", seed=0)), 40, 0)
    text.write_text("\n".join(rows["text_a"]) + "\n", encoding="utf-8")
    found = [row["prediction"] for row in mlflow_xfer.predict(german, text)]
    assert predictions(client, swapped.run_id, "de").split() == found
    assert mlflow_xfer.evaluate(model=tuned, adapter=f"de=lang:{de}", **asked).run_id == swapped.run_id
    if kind == "whole":
        refused(base, en, de, tuned)


def refused(base, en, de, tuned):
    asked = {"target": "mood", "max_eval_examples": 40}
    with pytest.raises(XferError, match=r"is evaluated in .*sw.*, for which there is none"):
        mlflow_xfer.evaluate(model=tuned, adapter=f"de=lang:{de}", **asked)
    with pytest.raises(XferError, match="this run has no adapter"):
        mlflow_xfer.evaluate(model=tuned, adapter=f"de=lang:{base}", languages="de", **asked)
    with pytest.raises(XferError, match="names no run"):
        mlflow_xfer.evaluate(model=tuned, adapter=f"de=lang:{ENCODER}", languages="de", **asked)
    with pytest.raises(XferError, match="compares texts of several languages at once"):
        mlflow_xfer.plan("evaluate", model=tuned, adapter=f"de=lang:{de}", target="retrieval", languages="de")
    plain = mlflow_xfer.target(model=base, target="mood", **SHORT).run_id
    with pytest.raises(XferError, match="trained without the adapter of a language"):
        mlflow_xfer.evaluate(model=plain, adapter=f"de=lang:{de}", languages="de", **asked)
    with pytest.raises(XferError, match="was trained on another base"):
        mlflow_xfer.target(model=en, target="mood", adapter=f"lang:{de}", **SHORT)
    with pytest.raises(XferError, match="combine=merge change"):
        mlflow_xfer.intermediate(
            model=base, intermediate="nli", combine="merge", adapter=f"lang:{de}", **SHORT
        )


@pytest.mark.slow
def test_an_adapter_goes_under_a_whole_chain(client):
    base = mlflow_xfer.pretrain(model=ENCODER, text=TEXTS, max_steps=2, train_batch_size=4).run_id
    en, de = (
        mlflow_xfer.pretrain(model=base, text=TEXTS, text_languages=code, **STEPS).run_id
        for code in ("en", "de")
    )
    asked = QUICK | {"target": "mood", "text": None, "model": base, "trainable": "lora"}
    del asked["pretrain.max_steps"]
    done = mlflow_xfer.transfer(**asked, adapter=f"en=lang:{en},de=lang:{de}")
    inputs = {
        run.data.tags["xfer.phase"]: run.data.tags["xfer.input_run_ids"].split(",")
        for run in map(client.get_run, done.made) if "xfer.phase" in run.data.tags
    }  # fmt: skip
    assert inputs["intermediate"] == [base, en] and len(inputs["target"]) == 1
    assert inputs["evaluate"][1:] == [de]


def test_an_adapter_to_another_shape_is_refused(tmp_path):
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    for path in (base, adapter):
        path.mkdir()
    save_file({"roberta.layer.weight": torch.zeros(6, 4)}, base / "model.safetensors")
    (base / "config.json").write_text("{}")
    (adapter / "adapter_config.json").write_text('{"r": 2, "lora_alpha": 4}')
    (adapter / "base.json").write_text('{"identity": "one"}')
    tensors = {"lora_A.weight": torch.ones(2, 4), "lora_B.weight": torch.ones(6, 2)}
    save_file(
        {f"base_model.model.layer.{n}": t for n, t in tensors.items()}, adapter / "adapter_model.safetensors"
    )
    put = language.put(base, adapter, tmp_path / "out")
    assert (load_file(put / "model.safetensors")["roberta.layer.weight"] == 4).all()
    save_file({"roberta.layer.weight": torch.zeros(4, 6)}, base / "model.safetensors")
    with pytest.raises(XferError, match=r"of another shape: .* has no layer of 6 x 4"):
        language.put(base, adapter, tmp_path / "other")
