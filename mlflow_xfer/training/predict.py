"""Predictions of a trained model: all languages of a task in one length-sorted stream with a token budget."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlflow_xfer.data.encode import encode
from mlflow_xfer.data.encoded import Encoded, join
from mlflow_xfer.kinds import kind
from mlflow_xfer.lines import scalar_text
from mlflow_xfer.models.checkpoint import load_task_model
from mlflow_xfer.models.embed import CPU_TOKENS, Layer, Pooling
from mlflow_xfer.models.heads import run
from mlflow_xfer.models.last_token import read_as_alone
from mlflow_xfer.models.limits import is_decoder
from mlflow_xfer.models.load import load_config, load_tokenizer
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.batches import Reading, budgeted, reading
from mlflow_xfer.training.checks import check_fits
from mlflow_xfer.training.devices import autocast, pick, to_device
from mlflow_xfer.training.parts import NotFinite
from mlflow_xfer.training.progress import tracked

TOKEN_BUDGET = 8192
"""Tokens of a prediction batch, padding included (on a CPU at most CPU_TOKENS).
Affects nothing but rounding."""


@dataclass(frozen=True)
class Options:
    """How a checkpoint is read.

    Attributes:
        token_budget: tokens of a batch, padding included (on a CPU at most CPU_TOKENS).
        max_seq_length: in tokens; what is longer is cut, or read in several windows where
            answers are spans or tags.
        head: task whose head is used, where it is another one of the same kind (MNLI's for XNLI).
        layer, pooling: of retrieval without training.
        device, precision: as in ``training/devices.py``.
    """

    token_budget: int = TOKEN_BUDGET
    max_seq_length: int = 128
    head: str | None = None
    layer: Layer = "auto"
    pooling: Pooling = "mean"
    device: str = "auto"
    precision: str = "auto"

    @contextlib.contextmanager
    def opened(self, model_dir: Path | str, task: Task) -> Iterator[tuple[Any, Any]]:
        """(model, tokenizer), and the precision in which it predicts."""
        where = pick(self.device)
        tokenizer = load_tokenizer(model_dir)
        model = load_task_model(model_dir, task, self.head).to(where).eval()
        check_fits(model.config, tokenizer, self.max_seq_length)
        read_as_alone(model)
        with autocast(where, self.precision):
            yield model, tokenizer


def predict(model_dir: Path | str, task: Task, splits: Mapping[str, Any], **options: Any) -> dict[str, list]:
    """What the model at ``model_dir`` answers, by language.

    Args:
        splits: by language, a ``datasets.Dataset`` in the canonical columns of the task's
            kind; labels are not read.
        options: of :class:`Options`.

    Returns:
        classification: label names; tagging: a list of tag names for each example, one for each of its words,
        always; multiple choice: numbers of choices; span QA: answers; retrieval: for each target (English)
        sentence the row of the nearest source sentence, or where lists are judged (``map_at_20``) for each
        query the ids of 20 candidates, best first, and None for the other rows.
    """
    chosen = Options(**options)
    if not splits:
        return {}
    made = kind.model(task.kind)
    if made.has("from_checkpoint"):
        return made.from_checkpoint(model_dir, task, splits, chosen)
    with chosen.opened(model_dir, task) as (model, tokenizer):
        return predict_with(model, tokenizer, task, splits, chosen.max_seq_length, chosen.token_budget)


def predict_with(
    model: Any,
    tokenizer: Any,
    task: Task,
    splits: Mapping[str, Any],
    max_seq_length: int,
    token_budget: int = TOKEN_BUDGET,
) -> dict[str, list]:
    """As :func:`predict`, with a model in memory; its labels are those of ``model.config.id2label``."""
    encoded = encoded_for(model, tokenizer, task, splits, max_seq_length)
    return predict_encoded(model, tokenizer, task, encoded, splits, token_budget)


def encoded_for(
    model: Any, tokenizer: Any, task: Task, splits: Mapping[str, Any], max_seq_length: int
) -> dict[str, Encoded]:
    decoder = is_decoder(model.config)
    return {
        name: encode(unlabelled(split), task, tokenizer, max_seq_length, decoder=decoder)
        for name, split in splits.items()
    }


def reading_of(model: Any, tokenizer: Any) -> Reading:
    on_cuda = next(model.parameters()).device.type == "cuda"
    return reading(tokenizer, model.config, is_decoder(model.config), on_cuda)


def predict_encoded(
    model: Any,
    tokenizer: Any,
    task: Task,
    encoded: Mapping[str, Encoded],
    splits: Mapping[str, Any],
    token_budget: int = TOKEN_BUDGET,
) -> dict[str, list]:
    """As :func:`predict_with`, from encodings of ``splits`` that are at hand."""
    how = reading_of(model, tokenizer)
    return kind.model(task.kind).answers(model, task, encoded, splits, how, token_budget)


def in_one_stream(encoded: Mapping[str, Encoded], answer: Callable[[Encoded], list]) -> dict[str, list]:
    """By split, what ``answer`` says of the examples of all splits together."""
    answers = answer(join(list(encoded.values())))
    cuts = np.cumsum([0, *(split.counts["examples"] for split in encoded.values())]).tolist()
    return {name: answers[begin:end] for name, (begin, end) in zip(encoded, pairwise(cuts), strict=True)}


def encoding_counts(
    model_dir: Path | str, task: Task, splits: Mapping[str, Any], *, max_seq_length: int = 128
) -> dict[str, dict[str, float]]:
    """By language, how the tokenizer at ``model_dir`` fares: ``fertility`` (subwords per
    word) and ``truncated`` (0-100).

    ``truncated`` is the share of examples longer than the limit; tagging and span QA read them in several
    windows. From the encodings that :func:`predict` keeps, so it costs next to nothing beside it.
    """
    tokenizer, decoder = load_tokenizer(model_dir), is_decoder(load_config(model_dir))
    counts = {}
    for language, split in splits.items():
        encoded = encode(unlabelled(split), task, tokenizer, max_seq_length, decoder=decoder)
        counts[language] = {"fertility": encoded.fertility, "truncated": 100.0 * encoded.truncation_rate}
    return counts


def unlabelled(split: Any) -> Any:
    """The split without its answers: a prediction must not depend on them, nor fail for lack of them."""
    return split.remove_columns(
        [name for name in ("label", "tags", "answers", "gold") if name in split.column_names]
    )


@torch.inference_mode()
def outputs(
    model: Any, task: Task, encoded: Encoded, how: Reading, token_budget: int
) -> Iterator[tuple[np.ndarray, Any]]:
    """(row numbers, the model's output) over all rows of ``encoded``.

    Raises:
        NotFinite: the output of a row is no number.
    """
    where = next(model.parameters()).device
    batches = list(
        budgeted(encoded.lengths, min(token_budget, CPU_TOKENS) if where.type == "cpu" else token_budget)
    )
    for rows in tracked(batches, len(batches), task.name):
        inputs = to_device(kind.model(task.kind).inputs(encoded, rows.tolist(), how), where)
        output = run(model, inputs, how.decoder)
        if any(map(_is_no_number, [output] if isinstance(output, Tensor) else output.values())):
            raise NotFinite(
                f"What the model answers to {task.name} is no number (nan).",
                "Its weights diverged or are too large for this precision (precision=fp32: float32).",
            )
        yield rows, output


def _is_no_number(value: Any) -> bool:
    """Looked at where no row has padding: at the first token or label."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return False
    return bool(torch.isnan(value[:, 0] if value.dim() > 1 else value).any())


def allowed_labels(model: Any, task: Task) -> tuple[list[str], Tensor]:
    """The head's label names, and which of them the task knows [labels]: a head may have
    been trained with more."""
    names = [scalar_text(model.config.id2label[i]) for i in range(len(model.config.id2label))]
    return names, torch.tensor([name in task.labels for name in names])
