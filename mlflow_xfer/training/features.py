"""What a frozen backbone makes of a task's rows: vectors with labels, for scores that need no training.

Every kind reduces to the same shape. What stands for an example is what its head would read: a text or pair,
each word of a sentence, each choice, each token of an answer and as many others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlflow_xfer.data.encode import encode
from mlflow_xfer.data.encoded import IGNORED, Encoded
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.embed import pooled
from mlflow_xfer.models.heads import run
from mlflow_xfer.models.load import is_decoder, load_backbone, load_tokenizer
from mlflow_xfer.tasks.task import Task, TaskKind
from mlflow_xfer.training.batches import Reading, inputs_of, per_token, reading
from mlflow_xfer.training.devices import autocast, pick, to_device
from mlflow_xfer.training.predict import TOKEN_BUDGET, budgeted
from mlflow_xfer.training.progress import tracked


@dataclass(frozen=True)
class Features:
    """One task's rows as a model sees them.

    Attributes:
        vectors: float32 [units, hidden], the mean over the model's layers (Garbas et al. 2024: it foretells
            transfer better than any one of them); units are texts, words, choices or tokens.
        labels: [units] class of each.
        text: float32 [hidden], TextEmb (Vu et al. 2020): the last layer, mean over the
            tokens of a text, then over texts.
        examples: how many were read.
    """

    vectors: np.ndarray
    labels: np.ndarray
    text: np.ndarray
    examples: int


def features(
    model_dir: Path | str,
    splits: Sequence[tuple[Task, Any]],
    *,
    max_seq_length: Mapping[str, int] | int = 128,
    token_budget: int = TOKEN_BUDGET,
    device: str = "auto",
    precision: str = "auto",
) -> dict[str, Features]:
    """Features of each task's rows from the backbone at ``model_dir``, by the task's name;
    the model is loaded once.

    Args:
        splits: tasks, each with a labelled ``datasets.Dataset`` in the canonical columns of its kind.
        max_seq_length: in subwords; one for all, or by task name.

    Raises:
        XferError: for a kind without labels, and labels that are not the task's.
    """
    where = pick(device)
    tokenizer, model = load_tokenizer(model_dir), load_backbone(model_dir).to(where).eval()
    how = reading(tokenizer, model.config, is_decoder(model.config), where.type == "cuda")
    found = {}
    for task, split in splits:
        if task.kind not in UNITS:
            raise XferError(
                f"Task {task.name!r} ({task.kind}) has no labels to foretell.",
                f"Kinds with labels: {', '.join(UNITS)}",
            )
        limit = max_seq_length if isinstance(max_seq_length, int) else max_seq_length[task.name]
        encoded = encode(split, task, tokenizer, limit, decoder=how.decoder)
        with autocast(where, precision):
            found[task.name] = _read(model, task, encoded, how, token_budget)
    return found


@torch.inference_mode()
def _read(model: nn.Module, task: Task, encoded: Encoded, how: Reading, token_budget: int) -> Features:
    where = next(model.parameters()).device
    vectors: list[tuple[np.ndarray, np.ndarray]] = []
    text, texts = torch.zeros(model.config.hidden_size, dtype=torch.float64), 0
    batches = list(budgeted(encoded.lengths, token_budget))
    for rows in tracked(batches, len(batches), task.name):
        batch = to_device(inputs_of(task.kind, encoded, rows.tolist(), how), where)
        flat = {name: tensor.flatten(0, 1) if tensor.dim() == 3 else tensor for name, tensor in batch.items()}
        states = run_backbone(model, flat, how.decoder)
        real = _real_texts(task.kind, encoded, rows, len(flat["input_ids"]))
        mask = flat["attention_mask"]
        last = pooled(states[-1].float(), mask, "mean").cpu()[real]
        text, texts = text + last.double().sum(0), texts + len(last)
        layers = sum(state.float() for state in states[1:]) / (len(states) - 1)  # embeddings are no layer
        vectors.append(UNITS[task.kind](layers, mask, encoded, rows))
    values, labels = (np.concatenate(side) for side in zip(*vectors, strict=True))
    kept = labels != IGNORED
    return Features(
        values[kept], labels[kept], (text / max(texts, 1)).float().numpy(), int(encoded.counts["examples"])
    )


def run_backbone(model: nn.Module, inputs: Mapping[str, Tensor], decoder: bool) -> tuple[Tensor, ...]:
    """``hidden_states``: the embeddings, then each layer, [rows, tokens, hidden]."""
    return run(model, {**inputs, "output_hidden_states": True}, decoder).hidden_states


def _real_texts(kind: TaskKind, encoded: Encoded, rows: np.ndarray, n: int) -> np.ndarray:
    """Which of the ``n`` texts of a batch there are: a choice that an example lacks is none."""
    if kind != TaskKind.MULTIPLE_CHOICE:
        return np.ones(n, bool)
    width = n // len(rows)
    return (np.arange(width)[None, :] < np.asarray(encoded.columns["choices"])[rows][:, None]).reshape(-1)


# -- units: states [texts, tokens, hidden] -> (vectors [units, hidden], labels [units]) --------------------
def _texts(states: Tensor, mask: Tensor, encoded: Encoded, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return pooled(states, mask, "mean").cpu().numpy(), np.asarray(encoded.columns["label"])[rows]


def _words(states: Tensor, mask: Tensor, encoded: Encoded, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A word is the subword that its tag is read at."""
    width = states.shape[1]
    at = per_token(encoded, "token_word", rows.tolist(), width, -1) >= 0
    labels = per_token(encoded, "token_label", rows.tolist(), width, IGNORED)
    return states.cpu()[at].numpy(), labels[at].numpy()


def _choices(
    states: Tensor, mask: Tensor, encoded: Encoded, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong, each choice less the mean of its example's: what they share
    cannot choose between them."""
    real = _real_texts(TaskKind.MULTIPLE_CHOICE, encoded, rows, len(states))
    vectors = pooled(states, mask, "mean").cpu().numpy()[real]
    counts, right = (np.asarray(encoded.columns[name])[rows] for name in ("choices", "label"))
    begins = np.concatenate([[0], np.cumsum(counts)[:-1]])
    means = np.add.reduceat(vectors, begins, axis=0) / counts[:, None].astype(np.float32)
    number = np.arange(len(vectors)) - np.repeat(begins, counts)
    labels = np.where(np.repeat(right, counts) == IGNORED, IGNORED, number == np.repeat(right, counts))
    return vectors - np.repeat(means, counts, axis=0), labels


def _answers(
    states: Tensor, mask: Tensor, encoded: Encoded, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of the answer, and as many others of the context, evenly spread; windows
    without an answer give none."""
    inside = (per_token(encoded, "token_begin", rows.tolist(), states.shape[1], -1) >= 0).numpy()
    first, last = (np.asarray(encoded.columns[name])[rows] for name in ("start", "end"))
    states, vectors, labels = states.cpu().numpy(), [], []
    for i, (a, b) in enumerate(zip(first, last, strict=True)):
        context = np.flatnonzero(inside[i])
        answer = context[(context >= a) & (context <= b)]
        others = np.setdiff1d(context, answer)
        if not len(answer) or not len(others):
            continue
        spread = others[
            np.unique(np.linspace(0, len(others) - 1, min(len(answer), len(others))).round().astype(int))
        ]
        vectors += [states[i, answer], states[i, spread]]
        labels += [np.ones(len(answer), np.int64), np.zeros(len(spread), np.int64)]
    if not vectors:
        return np.zeros((0, states.shape[-1]), np.float32), np.zeros(0, np.int64)
    return np.concatenate(vectors), np.concatenate(labels)


UNITS: dict[TaskKind, Callable[[Tensor, Tensor, Encoded, np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    TaskKind.CLASSIFICATION: _texts,
    TaskKind.TAGGING: _words,
    TaskKind.MULTIPLE_CHOICE: _choices,
    TaskKind.SPAN_QA: _answers,
}
