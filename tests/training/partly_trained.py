"""Short trainings of a part of the weights, and what they changed."""

from __future__ import annotations

import torch
from tiny_world import SENTIMENT, rows

from mlflow_xfer.durable.digests import file_digest
from mlflow_xfer.models import derived, files
from mlflow_xfer.models.load import load_backbone
from mlflow_xfer.params.settings import TrainingSettings
from mlflow_xfer.training.parts import Part
from mlflow_xfer.training.trainer import train

SETTINGS = TrainingSettings(
    max_steps=20, train_batch_size=16, max_seq_length=64, learning_rate=3e-3, evaluations=1, lora_rank=4
)
STILL = 1e-30
"""A learning rate at which nothing moves."""
ABOUT = {"identity": "dir:of a test", "run_id": "", "reference": "a base"}


def trained(start, work, task=SENTIMENT, parts=None, log=lambda metrics, step: None, **changes):
    if parts is None:
        parts = [Part(task, rows(task, "en", 160), {"en": rows(task, "en", 60, 1)})]
    return train(start, parts, None, SETTINGS.model_copy(update=changes), work, log=log, base="of a test")


def changed(start, checkpoint) -> set[str]:
    """Weights of the backbone at ``start`` that are others at ``checkpoint``."""
    before, after = (load_backbone(path).state_dict() for path in (start, checkpoint))
    return {name for name in before.keys() & after.keys() if not torch.equal(before[name], after[name])}


def adapted(start, checkpoint):
    """The backbone at ``start`` with the adapter of ``checkpoint``, as peft puts them together."""
    from peft import PeftModel

    return PeftModel.from_pretrained(load_backbone(start), checkpoint / "adapter").eval()


def states(backbone) -> torch.Tensor:
    ids = torch.arange(5, 45).reshape(4, 10)
    with torch.no_grad():
        return backbone(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state


def digests(folder):
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files.of(folder)}


def round_trip(whole, base, out, continued=False, small=False):
    """What of the checkpoint ``whole`` does not follow from its base, seen to come back to the bit."""
    derived.reduce(whole, base, out / "reduced", ABOUT, continued, small)
    derived.restore(out / "reduced", base, out / "again")
    assert digests(out / "again") == digests(whole)
    return out / "reduced"
