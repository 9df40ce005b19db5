"""Retrieval: a dual encoder whose queries find their candidates by the cosine of vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlflow_xfer.data.encoded import Encoded, join
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.kind import Model
from mlflow_xfer.kinds.retrieval.data import RANKING, prefixes, protocol
from mlflow_xfer.models.dual import TARGET, DualEncoder, in_batch_loss_sum
from mlflow_xfer.tasks.task import POOL, Task
from mlflow_xfer.training.batches import Reading, budgeted, column, stacked
from mlflow_xfer.training.devices import to_device
from mlflow_xfer.training.predict import Options, encoded_for, reading_of
from mlflow_xfer.training.progress import tracked
from mlflow_xfer.training.selection import accuracy
from mlflow_xfer.training.vector_search import Vectors, cut, layer_vectors, nearest_sources, ranked

PREFIXES = ("prefix", "passage_prefix")


class Retrieval(Model):
    name = "retrieval"
    parted = False

    def head(self, task: Task, backbone: nn.Module, seed: int, lm: nn.Module | None = None) -> nn.Module:
        return DualEncoder(self.head_config(task, backbone.config), backbone)

    def head_class(self, config: Any) -> Any:
        return DualEncoder

    def head_config(self, task: Task, config: Any) -> Any:
        config = super().head_config(task, config)
        config.retrieval_pooling = task.option("pooling")
        for name in PREFIXES:
            if task.option(name):
                setattr(config, f"retrieval_{name}", task.option(name))
        return config

    def as_saved(self, task: Task, config: Mapping[str, Any], where: Path) -> Task:
        saved = {name: config.get(f"retrieval_{name}", task.option(name)) for name in ("pooling", *PREFIXES)}
        return task.with_options(**saved)

    def marked(self, task: Task, encoded: Encoded) -> dict[str, Any]:
        if (np.minimum(encoded.columns["query"], encoded.columns["positive"]) < 0).any():
            raise XferError(
                f"Task {task.name!r}: a dual encoder is trained on pairs, and some rows have one side only."
            )
        return {}

    def inputs(self, encoded: Encoded, rows: Sequence[int], how: Reading) -> dict[str, Tensor]:
        target = candidate_inputs(encoded, rows, how)
        return query_inputs(encoded, rows, how) | {TARGET + name: tensor for name, tensor in target.items()}

    def targets(
        self, encoded: Encoded, rows: Sequence[int], inputs: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], int]:
        return {name: column(encoded, name, rows) for name in ("query", "positive")}, len(rows)

    def loss_sum(self, output: Any, targets: Mapping[str, Tensor]) -> Tensor:
        return in_batch_loss_sum(output.logits, targets)

    def answers(
        self,
        head: Any,
        task: Task,
        encoded: Mapping[str, Encoded],
        splits: Mapping[str, Any],
        how: Reading,
        token_budget: int,
    ) -> dict[str, list]:
        return found_by(task, splits, trained_vectors(head, task, encoded, how, token_budget))

    def from_checkpoint(
        self, model_dir: Path | str, task: Task, splits: Mapping[str, Any], options: Options
    ) -> dict[str, list]:
        return found_by(task, splits, self._vectors(model_dir, task, splits, options))

    def vectors(
        self, model_dir: Path | str, task: Task, splits: Mapping[str, Any], **options: Any
    ) -> dict[str, Vectors]:
        """By split, the vectors of both sides: of the task's dual encoder, or for an untrained task of a
        layer."""
        return self._vectors(model_dir, task, splits, Options(**options))

    def _vectors(
        self, model_dir: Path | str, task: Task, splits: Mapping[str, Any], o: Options
    ) -> dict[str, Vectors]:
        if not task.trained:
            reading_it = {
                "max_seq_length": o.max_seq_length,
                "token_budget": o.token_budget,
                "device": o.device,
            }
            by_layer = layer_vectors(
                model_dir, splits, layers=[o.layer], pooling=o.pooling, before=prefixes(task), **reading_it
            )
            return next(iter(by_layer.values()))
        with o.opened(model_dir, task) as (head, tokenizer):
            encoded = encoded_for(head, tokenizer, task, splits, o.max_seq_length)
            return trained_vectors(head, task, encoded, reading_of(head, tokenizer), o.token_budget)

    def dev_score(self, task: Task, predictions: Sequence, references: Sequence) -> float:
        """Mean average precision of ranked lists, else the share of translations that are found."""
        if protocol(task.metric) == RANKING:
            return mean_average_precision(predictions, references)
        return accuracy(predictions, range(len(references)))

    def is_collapsed(self, task: Task, predictions: Sequence, references: Sequence) -> bool:
        """Whether all queries get the same answer."""
        answered = [str(answer) for answer, gold in zip(predictions, references, strict=True) if gold]
        return len(answered) > 1 and len(set(answered)) == 1


def query_inputs(encoded: Encoded, rows: Sequence[int], how: Reading) -> dict[str, Tensor]:
    """What is read of the queries of retrieval ``rows``."""
    second = encoded.columns["second"]
    return stacked([encoded.row(r)[: second[r]] for r in rows], second[np.asarray(rows)], how)


def candidate_inputs(encoded: Encoded, rows: Sequence[int], how: Reading) -> dict[str, Tensor]:
    """What is read of the candidates of retrieval ``rows``."""
    second = encoded.columns["second"]
    return stacked(
        [encoded.row(r)[second[r] :] for r in rows], encoded.columns["inner"][np.asarray(rows)], how
    )


def found_by(task: Task, splits: Mapping[str, Any], vectors: Mapping[str, Vectors]) -> dict[str, list]:
    """By split: ranked ids of candidates for each query (None for other rows), or for each target (English)
    sentence the row of the nearest source sentence. :data:`POOL` holds candidates for all; it gets no
    answers."""
    if protocol(task.metric) == RANKING:
        return ranked(splits, vectors, task.option("pooled"))
    return {name: nearest_sources(vectors[name], task.option("centred")) for name in splits if name != POOL}


@torch.inference_mode()
def trained_vectors(
    head: Any, task: Task, encoded: Mapping[str, Encoded], how: Reading, token_budget: int
) -> dict[str, Vectors]:
    """By split, the unit vectors of a dual encoder: all splits in one stream sorted by length."""
    together, where = join(list(encoded.values())), next(head.parameters()).device
    second = np.asarray(together.columns["second"])
    sides = []
    for lengths, inputs_of in ((second, query_inputs), (together.lengths - second, candidate_inputs)):
        rows = np.flatnonzero(lengths)
        vectors = np.zeros((len(rows), head.config.hidden_size), np.float32)
        batches = list(budgeted(lengths[rows], token_budget))
        for batch in tracked(batches, len(batches), task.name):
            inputs = to_device(inputs_of(together, rows[batch].tolist(), how), where)
            vectors[batch] = head.encode(**inputs).cpu().numpy()
        sides.append((rows, vectors))
    cuts = np.cumsum([0, *(len(part) for part in encoded.values())])
    return {
        name: Vectors(*(cut(rows, vectors, begin, end) for rows, vectors in sides))
        for name, begin, end in zip(encoded, cuts[:-1], cuts[1:], strict=True)
    }


def mean_average_precision(
    predictions: Sequence[Sequence | None], references: Sequence[Sequence | None]
) -> float:
    """Over the queries (rows with a reference): the mean of the precision at each hit over the number of
    right ones, those that do not fit into the list aside."""
    values = []
    for given, gold in zip(predictions, references, strict=True):
        if gold:
            found = list(dict.fromkeys(given or ()))
            hits = [rank for rank, name in enumerate(found, 1) if name in set(gold)]
            values.append(
                sum(n / rank for n, rank in enumerate(hits, 1)) / min(len(set(gold)), max(len(found), 1))
            )
    return 100.0 * sum(values) / max(len(values), 1)


KIND = Retrieval()
