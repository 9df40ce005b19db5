"""What phases need before they run: held to what torch counts, and said in time."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

import mlflow_xfer
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.shapes import CONFIGURATIONS, of_configuration, of_scratch
from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings
from mlflow_xfer.phases import demands, machines
from mlflow_xfer.phases.demands import check_disk
from mlflow_xfer.phases.needs import activations, forward, needs
from mlflow_xfer.phases.phase import BaseModel, Phase
from mlflow_xfer.tracking.store import Store

SMALL = {
    "xlm-roberta": CONFIGURATIONS["xlm-roberta-base"]
    | {"vocab_size": 900, "hidden_size": 128, "intermediate_size": 512, "num_attention_heads": 4},
    "llama": CONFIGURATIONS["llama-7b"]
    | {"vocab_size": 900, "hidden_size": 128, "intermediate_size": 352}
    | {"num_attention_heads": 4, "num_key_value_heads": 4},
}
ROWS, LENGTH = 4, 64


def small(name, attention="sdpa"):
    from transformers import AutoConfig, AutoModel

    given = {**SMALL[name], "num_hidden_layers": 3}
    config = AutoConfig.for_model(given.pop("model_type"), **given)
    ids = torch.randint(5, 900, (ROWS, LENGTH))
    model = AutoModel.from_config(config, attn_implementation=attention).train()
    return model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def phase(**settings):
    about = {"max_seq_length": LENGTH, "train_batch_size": ROWS, "max_steps": 10, "select_by": "last"}
    start = BaseModel("scratch:xlm-roberta:mini", "scratch:xlm-roberta:mini:auto")
    return Phase("target", TrainingSettings.of(about | settings), 0, (), (), (start,))


@pytest.mark.parametrize("name", SMALL)
def test_operations_are_those_that_torch_counts(name):
    from torch.utils.flop_counter import FlopCounterMode

    model, inputs = small(name, "eager")  # of whose attention torch counts every product
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(**inputs)
    shape = of_configuration({**SMALL[name], "num_hidden_layers": 3})
    assert shape.parameters == sum(p.numel() for p in model.parameters())
    assert forward(shape, LENGTH) * ROWS * LENGTH == pytest.approx(counter.get_total_flops(), rel=0.05)


@pytest.mark.parametrize("name", SMALL)
def test_activations_are_those_that_torch_keeps(name):
    model, inputs = small(name)
    own, kept = {p.untyped_storage().data_ptr() for p in model.parameters()}, {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        answer = model(**inputs).last_hidden_state
    counted = sum(storage.nbytes() for storage in kept.values())
    assert answer.requires_grad
    shape = of_configuration({**SMALL[name], "num_hidden_layers": 3})
    assert activations(phase(), shape, ROWS, cuda=False) == pytest.approx(counted, rel=0.15)


def test_models_from_nothing_are_counted_without_torch():
    assert of_scratch("scratch:xlm-roberta:mini").parameters == pytest.approx(970_000, rel=0.02)


def test_unread_rows_need_no_states():
    shape = of_configuration(CONFIGURATIONS["xlm-roberta-base"])
    few, more = (
        needs(phase(**how), shape, 1e5, 0.0, 100, RuntimeOptions(), None) for how in ({}, {"mlm_share": 0.5})
    )
    assert more.states == pytest.approx(12 * shape.parameters) and few.states < 0.4 * more.states
    assert few.weights > 4 * shape.parameters  # the rows that are trained lie beside all rows


def test_a_folder_with_a_configuration_and_a_name_are_enough_for_a_plan(own_store, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIGURATIONS["llama-13b"]))
    for model, count in ((str(tmp_path), 12.85e9), ("FacebookAI/xlm-roberta-large", 559.9e6)):
        planned = mlflow_xfer.plan("target", model=model, target="pos", gpu="H100")
        entry = planned.as_dict()["phases"][0]
        assert entry["needs"]["parameters"] == pytest.approx(count, rel=1e-3) and not entry["resolved"]
        assert entry["needs"]["seconds"] > 0 and entry["needs"]["work"] > 3 * entry["needs"]["weights"]
        assert ("does not fit" in planned.text()) == (count > 1e9) == (not entry["needs"]["fits"])
    with pytest.raises(XferError, match="no model.safetensors"):
        mlflow_xfer.target(model=str(tmp_path), target="pos")


def test_what_would_make_it_fit_is_said(own_store):
    asked = {"model": "xlm-roberta-large", "target": "pos", "train_batch_size": 256, "max_seq_length": 512}
    text = mlflow_xfer.plan("target", gpu="A100-40", **asked).text()
    assert "What would fit: micro_batch=" in text and "or a GPU such as" in text
    rows = int(text.partition("micro_batch=")[2].split()[0])
    again = mlflow_xfer.plan("target", gpu="a100-40", micro_batch=rows, **asked).text()
    assert "does not fit" not in again and 1 < rows < 256
    with pytest.raises(XferError, match="Unknown GPU"):
        mlflow_xfer.plan("target", gpu="H1000", **asked)


def test_adapters_need_less_and_are_offered(own_store):
    shape = of_configuration(CONFIGURATIONS["llama-7b"])
    whole, lora, four_bits = (
        needs(phase(**how), shape, 1e6, 0.0, 100, RuntimeOptions(), machines.GPUS["A100-80"])
        for how in ({}, {"trainable": "lora"}, {"trainable": "lora", "quantize": "nf4"})
    )
    assert whole.flops == pytest.approx(1.5 * lora.flops, rel=0.01)
    assert lora.states < 0.02 * whole.states and four_bits.weights < 5e9 < lora.weights
    text = mlflow_xfer.plan("target", gpu="A100-40", model="llama-7b", target="pos").text()
    assert "What would fit: trainable=lora" in text


def test_less_memory_is_known():
    shape = of_configuration(CONFIGURATIONS["llama-7b"])
    plain, again = (
        needs(phase(), shape, 1e6, 0.0, 100, RuntimeOptions(gradient_checkpointing=on), machines.GPUS["H100"])
        for on in (False, True)
    )
    assert again.activations < 0.15 * plain.activations
    assert again.flops == pytest.approx(4 / 3 * plain.flops, rel=1e-6)
    full, small_, paged = (
        needs(
            phase(optimizer=by, mlm_share=0.5), shape, 1e6, 0.0, 100, RuntimeOptions(), machines.GPUS["H100"]
        )
        for by in ("adamw", "adamw8bit", "paged_adamw8bit")
    )
    assert full.states > 1.8 * small_.states > 1.8 * 1.4 * paged.states
    assert full.weights == small_.weights and full.work > small_.work


def test_several_processes_divide_what_they_can(own_store):
    shape, gpu = of_configuration(CONFIGURATIONS["llama-7b"]), machines.GPUS["A100-80"]
    one, ddp, fsdp = (
        needs(
            phase(train_batch_size=32), shape, 1e6, 0.0, 100, RuntimeOptions(processes=n, parallel=how), gpu
        )
        for n, how in ((1, "ddp"), (8, "ddp"), (8, "fsdp"))
    )
    assert ddp.activations == fsdp.activations == pytest.approx(one.activations / 8)
    assert ddp.weights == one.weights and ddp.states > one.states
    assert fsdp.states < 0.2 * one.states and fsdp.weights < 0.4 * one.weights
    assert fsdp.memory < gpu.memory < one.memory < ddp.memory
    assert one.flops == fsdp.flops and fsdp.seconds == pytest.approx(one.seconds / 8)
    text = mlflow_xfer.plan("target", gpu="A100-80", model="llama-7b", target="pos").text()
    assert "or processes=2 parallel=fsdp on as many of these GPUs" in text
    again = mlflow_xfer.plan(
        "target", gpu="A100-80", model="llama-7b", target="pos", processes=2, parallel="fsdp"
    )
    assert "does not fit" not in again.text()


def test_processors_with_instructions_for_it_are_faster_in_bfloat16():
    shape = of_configuration(CONFIGURATIONS["xlm-roberta-base"])
    slow, fast = (machines.Machine("cpu", 1e10, 1e11, cuda=False, bf16=factor) for factor in (1.0, 1.7))

    def seconds(machine, **given):
        return needs(phase(**given), shape, 1e6, 0.0, 10, RuntimeOptions(), machine).seconds

    assert seconds(slow) == seconds(fast) == seconds(slow, precision="bf16")
    assert seconds(slow) / 1.7 <= seconds(fast, precision="bf16") < seconds(slow) / 1.5


def test_states_of_an_adapter_take_little_disk():
    shape, gpu = of_configuration(CONFIGURATIONS["xlm-roberta-base"]), machines.GPUS["H100"]
    full, part = (
        needs(phase(trainable=way), shape, 1e6, 0.0, 10, RuntimeOptions(), gpu).work
        for way in ("all", "lora")
    )
    checkpoint = 4 * shape.parameters
    assert part < 1.2 * checkpoint < 0.3 * full


def test_this_machine_is_measured():
    here = machines.here()
    assert here.memory > 1e9 and here.flops > 1e9


@pytest.fixture
def refusing(own_store, monkeypatch):
    """Bytes that these phases are said to need, on a disk with less."""
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(demands.shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    store = Store.open()

    def megabytes(phases, keep="all", workers=1, **runtime):
        with pytest.raises(XferError, match="on the disk of") as refused:
            check_disk(phases, store, RuntimeOptions(**runtime), keep, workers)
        found = re.search(r"states ([\d,]+) MB, checkpoints ([\d,]+) MB", str(refused.value))
        return [int(number.replace(",", "")) for number in found.groups()]

    yield megabytes
    store.close()


def test_a_disk_without_room_is_refused(own_store):
    store = Store.open()
    check_disk([phase(), phase(max_steps=11)], store, RuntimeOptions(), "all")
    store.close()


def test_only_what_lies_there_at_once_is_asked_of_the_disk(refusing):
    """With keep=intermediate the weights of targets go when their transfer ends; each seed is one."""
    many = [replace(phase(max_steps=10 + n), seed=seed) for seed in range(5) for n in range(2)]
    state, checkpoint = refusing(many[:1])
    assert refusing(many) == [state, pytest.approx(10 * checkpoint, abs=10)]
    assert refusing(many, keep="intermediate") == [state, pytest.approx(2 * checkpoint, abs=2)]
    assert refusing(many, keep="intermediate", workers=2) == pytest.approx([2 * state, 6 * checkpoint], abs=6)
    part = refusing([phase(trainable="lora")], checkpoint="adapter")[1]
    assert part < 0.2 * refusing([phase(trainable="lora")])[1]


@pytest.mark.slow
def test_large_models_are_planned_in_seconds_without_their_weights(own_store):
    code = (
        "import mlflow_xfer\n"
        "from pathlib import Path\n"
        "for name in ('xlm-roberta-large', 'llama-7b', 'llama-13b', 'llama-30b'):\n"
        "    print(mlflow_xfer.plan('target', model=name, target='pos', gpu='H100').text())\n"
        "status = Path('/proc/self/status').read_text()\n"  # ru_maxrss would begin at the parent's
        "print(status.split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.count("does not fit") == 3 and int(done.stdout.split()[-1]) * 1024 < 1e9
