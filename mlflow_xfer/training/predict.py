"""Predictions of a trained model: all languages of a task in one length-sorted stream with a token budget."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlflow_xfer.data.encode import encode
from mlflow_xfer.data.encoded import Encoded, join
from mlflow_xfer.models.checkpoint import load_task_model
from mlflow_xfer.models.embed import CPU_TOKENS, Layer, Pooling
from mlflow_xfer.models.heads import NO_ANSWERS, run, without_missing
from mlflow_xfer.models.load import is_decoder, load_config, load_tokenizer
from mlflow_xfer.tasks.task import Task, TaskKind
from mlflow_xfer.training.batches import Reading, budgeted, inputs_of, per_token, reading
from mlflow_xfer.training.devices import autocast, pick, to_device
from mlflow_xfer.training.progress import tracked
from mlflow_xfer.training.retrieval import Vectors, answers, layer_vectors, trained_vectors

MAX_ANSWER = 30  # tokens (XTREME's run_squad.py)
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
    def opened(self, model_dir: Path | str, task: Task) -> Iterator[tuple[nn.Module, Any]]:
        """(model, tokenizer), and the precision in which it predicts."""
        where = pick(self.device)
        tokenizer = load_tokenizer(model_dir)
        model = load_task_model(model_dir, task, self.head).to(where).eval()
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
    if task.kind == TaskKind.RETRIEVAL:
        return answers(task, splits, vectors(model_dir, task, splits, **options))
    with chosen.opened(model_dir, task) as (model, tokenizer):
        return predict_with(model, tokenizer, task, splits, chosen.max_seq_length, chosen.token_budget)


def vectors(
    model_dir: Path | str, task: Task, splits: Mapping[str, Any], **options: Any
) -> dict[str, Vectors]:
    """By split, the vectors of both sides: of the task's dual encoder, or for an
    untrained task of a layer."""
    o = Options(**options)
    if not task.trained:
        reading_it = {"max_seq_length": o.max_seq_length, "token_budget": o.token_budget, "device": o.device}
        return next(
            iter(layer_vectors(model_dir, splits, layers=[o.layer], pooling=o.pooling, **reading_it).values())
        )
    with o.opened(model_dir, task) as (model, tokenizer):
        encoded = _encoded(model, tokenizer, task, splits, o.max_seq_length)
        return trained_vectors(model, task, encoded, _reading(model, tokenizer), o.token_budget)


def predict_with(
    model: nn.Module,
    tokenizer: Any,
    task: Task,
    splits: Mapping[str, Any],
    max_seq_length: int,
    token_budget: int = TOKEN_BUDGET,
) -> dict[str, list]:
    """As :func:`predict`, with a model in memory; its labels are those of ``model.config.id2label``."""
    encoded = _encoded(model, tokenizer, task, splits, max_seq_length)
    return predict_encoded(model, tokenizer, task, encoded, splits, token_budget)


def _encoded(
    model: nn.Module, tokenizer: Any, task: Task, splits: Mapping[str, Any], max_seq_length: int
) -> dict[str, Encoded]:
    decoder = is_decoder(model.config)
    return {
        name: encode(unlabelled(split), task, tokenizer, max_seq_length, decoder=decoder)
        for name, split in splits.items()
    }


def _reading(model: nn.Module, tokenizer: Any) -> Reading:
    on_cuda = next(model.parameters()).device.type == "cuda"
    return reading(tokenizer, model.config, is_decoder(model.config), on_cuda)


def predict_encoded(
    model: nn.Module,
    tokenizer: Any,
    task: Task,
    encoded: Mapping[str, Encoded],
    splits: Mapping[str, Any],
    token_budget: int = TOKEN_BUDGET,
) -> dict[str, list]:
    """As :func:`predict_with`, from encodings of ``splits`` that are at hand."""
    how = _reading(model, tokenizer)
    if task.kind == TaskKind.RETRIEVAL:
        return answers(task, splits, trained_vectors(model, task, encoded, how, token_budget))
    names = list(encoded)
    together = join([encoded[name] for name in names])
    found = ANSWERS[task.kind](model, task, together, how, token_budget, [splits[name] for name in names])
    sizes = np.cumsum([encoded[name].counts["examples"] for name in names])[:-1]
    cuts = [0, *sizes.tolist(), len(found)]
    return {name: found[begin:end] for name, (begin, end) in zip(names, pairwise(cuts), strict=True)}


def encoding_counts(
    model_dir: Path | str, task: Task, splits: Mapping[str, Any], *, max_seq_length: int = 128
) -> dict[str, dict[str, float]]:
    """By language, how the tokenizer at ``model_dir`` fares: ``fertility`` (subwords per
    word) and ``truncated`` (0-100).

    ``truncated`` is the share of examples longer than the limit; tagging and span QA read them in several
    windows. From the encodings that :func:`predict` keeps, so it costs next to nothing beside it.
    """
    tokenizer, decoder = load_tokenizer(model_dir), is_decoder(load_config(model_dir))
    found = {}
    for language, split in splits.items():
        encoded = encode(unlabelled(split), task, tokenizer, max_seq_length, decoder=decoder)
        found[language] = {"fertility": encoded.fertility, "truncated": 100.0 * encoded.truncation_rate}
    return found


def unlabelled(split: Any) -> Any:
    """The split without its answers: a prediction must not depend on them, nor fail for lack of them."""
    return split.remove_columns(
        [name for name in ("label", "tags", "answers", "gold") if name in split.column_names]
    )


@torch.inference_mode()
def outputs(
    model: nn.Module, task: Task, encoded: Encoded, how: Reading, token_budget: int
) -> Iterator[tuple[np.ndarray, Any]]:
    """(row numbers, the model's output) over all rows of ``encoded``."""
    where = next(model.parameters()).device
    batches = list(
        budgeted(encoded.lengths, min(token_budget, CPU_TOKENS) if where.type == "cpu" else token_budget)
    )
    for rows in tracked(batches, len(batches), task.name):
        inputs = to_device(inputs_of(task.kind, encoded, rows.tolist(), how), where)
        yield rows, run(model, inputs, how.decoder)


def allowed_labels(model: nn.Module, task: Task) -> tuple[list[str], Tensor]:
    """The head's label names, and which of them the task knows [labels]: a head may have
    been trained with more."""
    names = [model.config.id2label[i] for i in range(len(model.config.id2label))]
    return names, torch.tensor([name in task.labels for name in names])


def _classes(
    model: nn.Module, task: Task, encoded: Encoded, how: Reading, token_budget: int, splits: Sequence[Any]
) -> list[str]:
    names, allowed = allowed_labels(model, task)
    best = np.zeros(len(encoded), np.int64)
    for rows, output in outputs(model, task, encoded, how, token_budget):
        logits = output.logits.float().masked_fill(~allowed.to(output.logits.device), float("-inf"))
        best[rows] = logits.argmax(-1).cpu().numpy()
    return [names[i] for i in best]


def _tags(
    model: nn.Module, task: Task, encoded: Encoded, how: Reading, token_budget: int, splits: Sequence[Any]
) -> list[list[str]]:
    """One tag for every word: each word is read in exactly one window."""
    names, allowed = allowed_labels(model, task)
    best = np.zeros(len(encoded.tokens), np.int64)
    starts = np.asarray(encoded.starts)
    for rows, output in outputs(model, task, encoded, how, token_budget):
        logits = output.logits.float().masked_fill(~allowed.to(output.logits.device), float("-inf"))
        tags = logits.argmax(-1).cpu().numpy()
        for i, row in enumerate(rows):
            best[starts[row] : starts[row + 1]] = tags[i, : starts[row + 1] - starts[row]]
    word, example = np.asarray(encoded.columns["token_word"]), np.asarray(encoded.columns["example"])
    asked = np.flatnonzero(word >= 0)
    of = np.repeat(example, np.diff(starts))[asked]
    order = np.lexsort((word[asked], of))
    tags, of = best[asked][order], of[order]
    cuts = np.searchsorted(of, np.arange(encoded.counts["examples"] + 1))
    return [[names[t] for t in tags[begin:end]] for begin, end in pairwise(cuts)]


def _chosen(
    model: nn.Module, task: Task, encoded: Encoded, how: Reading, token_budget: int, splits: Sequence[Any]
) -> list[int]:
    best = np.zeros(len(encoded), np.int64)
    for rows, output in outputs(model, task, encoded, how, token_budget):
        available = torch.from_numpy(np.asarray(encoded.columns["choices"])[rows]).to(output.logits.device)
        best[rows] = without_missing(output.logits.float(), available).argmax(-1).cpu().numpy()
    return best.tolist()


def _spans(
    model: nn.Module, task: Task, encoded: Encoded, how: Reading, token_budget: int, splits: Sequence[Any]
) -> list[str]:
    """The best span of all windows of an example, cut out of its context by character offsets.

    Empty only where the head was trained on questions without an answer, and the best "not here" of the
    windows beats the best span (Devlin et al. 2019 §4.3, threshold 0).
    """
    n = encoded.counts["examples"]
    best, nothing = np.full(n, -np.inf), np.full(n, np.inf)
    where = np.zeros((n, 2), np.int64)
    examples = np.asarray(encoded.columns["example"])
    for rows, output in outputs(model, task, encoded, how, token_budget):
        width = output.start_logits.shape[1]
        begins, ends = (
            per_token(encoded, name, rows.tolist(), width, -1) for name in ("token_begin", "token_end")
        )
        inside = (begins >= 0).to(output.start_logits.device)
        first, last, score = best_spans(output.start_logits.float(), output.end_logits.float(), inside)
        lengths = torch.from_numpy(encoded.lengths[rows]).to(inside.device)
        here = torch.arange(len(rows), device=inside.device)
        null = lengths - 1 if how.decoder else torch.zeros_like(lengths)
        absent = (output.start_logits[here, null] + output.end_logits[here, null]).float().cpu().numpy()
        for i, (row, a, b, s) in enumerate(
            zip(rows, first.tolist(), last.tolist(), score.tolist(), strict=True)
        ):
            example = examples[row]
            nothing[example] = min(nothing[example], absent[i])
            if s > best[example]:
                best[example], where[example] = s, (begins[i, a], ends[i, b])
    may_be_empty = getattr(model.config, NO_ANSWERS, False)
    contexts = [context for split in splits for context in split["context"][:]]
    return [
        ""
        if not np.isfinite(best[i]) or (may_be_empty and nothing[i] > best[i])
        else contexts[i][where[i, 0] : where[i, 1]].strip()
        for i in range(n)
    ]


def best_spans(starts: Tensor, ends: Tensor, inside: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(first token, last token, score), each [rows], of the best span of at most
    :data:`MAX_ANSWER` tokens ``inside``."""
    starts, ends = (logits.masked_fill(~inside, float("-inf")) for logits in (starts, ends))
    width = starts.shape[1]
    found = torch.stack(
        [
            nn.functional.pad(starts[:, : width - k] + ends[:, k:], (0, k), value=float("-inf"))
            for k in range(min(MAX_ANSWER, width))
        ],
        dim=1,
    )
    score, at = found.flatten(1).max(-1)
    first = at % width
    return first, first + at // width, score


ANSWERS = {
    TaskKind.CLASSIFICATION: _classes,
    TaskKind.TAGGING: _tags,
    TaskKind.MULTIPLE_CHOICE: _chosen,
    TaskKind.SPAN_QA: _spans,
}
