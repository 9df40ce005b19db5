"""``train``: from a checkpoint and labelled data to a checkpoint that can be published."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlflow_xfer.data.encode import encode
from mlflow_xfer.data.encoded import Encoded
from mlflow_xfer.data.mixing import (
    EpochBatches,
    count_steps,
    epoch_ends,
    evaluation_steps,
    key_of,
    rates,
    schedule,
    with_lm,
)
from mlflow_xfer.data.packing import Masking, Packer
from mlflow_xfer.durable.files import write_json
from mlflow_xfer.durable.manifest import is_whole, sealed_folder
from mlflow_xfer.kinds import kind
from mlflow_xfer.models.files import LANGUAGE
from mlflow_xfer.models.trainable import ADAPTER
from mlflow_xfer.models.trainable import check as check_trainable
from mlflow_xfer.params.settings import BY_SCORE, RuntimeOptions, TrainingSettings
from mlflow_xfer.tasks.task import Mixture, Task
from mlflow_xfer.training.checks import check, check_fits, check_spread
from mlflow_xfer.training.parts import LanguageModelPart, Part, TrainingResult

if TYPE_CHECKING:
    from mlflow_xfer.models.adapters import Lora
    from mlflow_xfer.models.heads import MultiTaskModel
    from mlflow_xfer.training.batches import TrainingBatches
    from mlflow_xfer.training.ranks import Ranks

logger = logging.getLogger(__name__)

CHECKPOINT, OUTCOME, RESUME, BEST = "checkpoint", "outcome.json", "resume", "best"


def train(
    start: Path | str,
    parts: Sequence[Part | LanguageModelPart],
    mixture: Mixture | None,
    settings: TrainingSettings,
    work: Path | str,
    *,
    seed: int = 0,
    log: Any = lambda metrics, step: None,
    runtime: RuntimeOptions = RuntimeOptions(),  # noqa: B008 - frozen
    base: str = "",
    ranks: Ranks | None = None,
) -> TrainingResult:
    """Train on ``parts`` from the checkpoint at ``start``; all state lies in ``work``.

    Called again with the same ``work``, it goes on where it was killed, or returns the finished outcome.

    Args:
        start: a published checkpoint or any local model directory: its backbone is
            taken, task heads are fresh.
        parts: the tasks, at most one of them a language model.
        mixture: how several parts are mixed; None = in proportion to their size.
        seed: of heads, order, dropout, masks and subsets.
        log: called with metrics and the step they belong to; after a resume, steps already reported
            may come again with the same values. An exception from it whose ``exit_code`` is 75
            stops the training as a signal does.
        runtime: how it is computed, and how often the resume state is written.
        base: identity of ``start``, which an adapter keeps.
        ranks: the processes that train together, of which this is one; None: it trains alone. All are given
            the same, and rank 0 writes and logs.

    Raises:
        XferError: for data that cannot train anything, or a model that does not fit.
        Interrupted: on SIGTERM or SIGINT, after the resume state was written.
    """
    work = Path(work)
    done = read_outcome(work)
    if done is not None:
        return done
    check(parts, mixture, settings)
    check_spread(settings, runtime)
    check_trainable(settings)
    training = Training(
        Path(start),
        parts,
        mixture or Mixture(tuple(part.name for part in parts)),
        settings,
        runtime,
        work,
        log,
        seed,
        base,
        ranks,
    )
    return training.run()


def read_outcome(work: Path | str) -> TrainingResult | None:
    """The outcome of a finished training in ``work``, if its checkpoint is whole; else None."""
    work = Path(work)
    try:
        saved = json.loads((work / OUTCOME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return TrainingResult(directory=work / CHECKPOINT, **saved) if is_whole(work / CHECKPOINT) else None


class Training:
    """What :func:`train` holds while it runs."""

    def __init__(
        self,
        start: Path,
        parts: Sequence[Part | LanguageModelPart],
        mixture: Mixture,
        settings: TrainingSettings,
        runtime: RuntimeOptions,
        work: Path,
        log: Any,
        seed: int = 0,
        base: str = "",
        ranks: Ranks | None = None,
    ):
        from mlflow_xfer.models.load import load_tokenizer
        from mlflow_xfer.training.dev import Dev
        from mlflow_xfer.training.ranks import ALONE

        self.mixture, self.settings, self.seed = mixture, settings, seed
        self.runtime, self.work, self.log = runtime, work, log
        self.tasks = [part for part in parts if isinstance(part, Part)]
        self.lm = next((part for part in parts if isinstance(part, LanguageModelPart)), None)
        self.start, self.base, self.ranks = start, base, ranks or ALONE
        self.tokenizer = load_tokenizer(start)
        self.model, self.adapter = self._build()
        with self.ranks.in_turn():
            self.data = self._data()
            self.dev = Dev(parts, self.model, self.tokenizer, settings, runtime.device)

    def _build(self) -> tuple[MultiTaskModel, Lora | None]:
        """The model as training begins, and the adapter in it."""
        from mlflow_xfer.models.adapters import restrict
        from mlflow_xfer.models.heads import build
        from mlflow_xfer.models.limits import agree

        s, tasks = self.settings, [part.task for part in self.tasks]
        model = build(self.start, tasks, self.lm is not None, self.seed, s.head_reads, s.attention)
        check_fits(model.config, self.tokenizer, s.max_seq_length + s.prompted)
        agree(model, self.tokenizer)
        if s.dropout is not None:
            _set_dropout(model, s.dropout)
        return model, restrict(model, s, self.start, self.seed, _in_half(s, self.runtime))

    def _data(self) -> TrainingBatches:
        """The batches of the whole training."""
        from mlflow_xfer.models.attention import packing_of
        from mlflow_xfer.training.batches import TaskRows, TrainingBatches, reading

        s, tasks = self.settings, {}
        for part in self.tasks:
            encoded = encode(
                part.train, part.task, self.tokenizer, s.max_seq_length, decoder=self.model.decoder
            )
            self._mark(part.task, encoded)
            key = key_of(part.name)
            epochs = EpochBatches(key, encoded.lengths, s.train_batch_size, self.seed)
            tasks[key] = TaskRows(part.name, part.task.kind, encoded, epochs)
        packer, masking = self._texts(self.lm) if self.lm is not None else (None, None)
        sizes = {key: len(task.encoded) for key, task in tasks.items()}
        total = count_steps(
            sizes,
            self.mixture,
            s.train_batch_size,
            s.num_train_epochs,
            s.max_steps,
            packer.size if packer else 0,
        )
        shares = with_lm(rates(sizes, self.mixture) if sizes else {}, self.mixture.mlm_share)
        how = reading(self.tokenizer, self.model.config, self.model.decoder, _on_cuda(self.runtime))
        if packer is not None:
            self.model.packing = packing_of(self.model.backbone, packer.length, _begin_anew(packer))
            how = replace(how, packing=self.model.packing)
        order = schedule(shares, total, self.seed)
        return TrainingBatches(order, tasks, packer, masking, how, s.train_batch_size, self.seed)

    def _mark(self, task: Task, encoded: Encoded) -> None:
        """Leave in the head's configuration what its training rows say of it."""
        for mark, value in kind.model(task.kind).marked(task, encoded).items():
            setattr(self.model.head(task.name).config, mark, value)

    def _texts(self, lm: LanguageModelPart) -> tuple[Packer, Masking | None]:
        """The packed texts of the language model, and how they are masked (None: a decoder predicts the next
        token)."""
        from mlflow_xfer.training.lm import encoded_texts, masking_of

        s, decoder = self.settings, self.model.decoder
        masking = None if decoder else masking_of(self.tokenizer, s.mlm_probability)
        texts = encoded_texts(lm.train, self.tokenizer, s.max_seq_length, decoder)
        return Packer(texts, s.max_seq_length, s.alpha, self.seed), masking

    # -- running --------------------------------------------------------------------------------------------
    def loop(self, whole_embedding: bool = False) -> Any:
        """The loop over all steps, not yet run; with ``whole_embedding`` also rows of the embedding get
        gradients that no text holds, which changes nothing but the cost."""
        from mlflow_xfer.training.loop import Loop

        s, total = self.settings, len(self.data)
        epochs = self._epochs(total)
        looked_at = [total] if s.select_by == "last" else evaluation_steps(total, epochs, s.evaluations)
        return Loop(
            self.model,
            self.data,
            s,
            self.runtime,
            self.work / RESUME,
            self.log,
            self.dev.evaluate,
            evaluate_at=set(looked_at) if self.dev else set(),
            average_at=set(epoch_ends(total, epochs)) if s.select_by == "average" else set(),
            seed=self.seed,
            rows=None if whole_embedding else self._read_rows(),
            ranks=self.ranks,
        )

    def _read_rows(self) -> np.ndarray | None:
        """The rows of the embedding that have to be trained; None: all."""
        from mlflow_xfer.training.read_rows import rows_read, why_whole

        size = self.model.backbone.get_input_embeddings().num_embeddings
        rows = rows_read(self.data, self.tokenizer, size)
        if why := why_whole(self.model, rows, self.settings.optimizer):
            logger.debug("All rows of the embedding are trained: %s.", why)
            return None
        logger.debug(
            "%d of %d rows of the embedding are trained, those that the texts hold.", len(rows), size
        )
        return rows

    def run(self) -> TrainingResult:
        loop = self.loop()
        loop.run()
        metrics, selected, collapsed = self._select(loop)
        model = self._whole_model()
        if model is not None:
            loop.claim.check()
            self._publish(
                *model,
                TrainingResult(
                    self.work / CHECKPOINT, len(self.data), loop.tally.tokens, metrics, selected, collapsed
                ),
            )
        self.ranks.wait()
        outcome = read_outcome(self.work)
        assert outcome is not None, "it was published"
        return outcome

    def _epochs(self, total: int) -> float:
        """Epochs that ``total`` steps are; with several tasks those of the
        settings, which each of them walks."""
        if not self.settings.max_steps:
            return self.settings.num_train_epochs
        sizes = {key: len(task.encoded) for key, task in self.data.tasks.items()}
        one = count_steps(
            sizes,
            self.mixture,
            self.settings.train_batch_size,
            1.0,
            0,
            self.data.packer.size if self.data.packer else 0,
        )
        return max(1.0, total / one)

    def _select(self, loop: Any) -> tuple[dict[str, float], int, bool]:
        """Put the weights to be published into the model: (metrics, step, whether they are collapsed)."""
        best = loop.tally.best
        metrics, collapsed, selected = dict(best.metrics), best.collapsed, best.step or len(self.data)
        if self.settings.select_by == "average":
            loop.load_average()
            if self.dev:
                self.model.eval()
                found = self.ranks.within(self.model, self.dev.evaluate)
                metrics, _, collapsed = self.ranks.told(found)
            selected = len(self.data)
        elif self.settings.select_by in BY_SCORE and best.step:
            loop.load_best()
        else:
            selected = len(self.data)
        metrics |= {"train/loss": loop.tally.latest.get("train/loss", float("nan"))}
        for task in self.data.tasks.values():
            metrics[f"encoded/{task.name}/truncated"] = 100.0 * task.encoded.truncation_rate
            metrics[f"encoded/{task.name}/fertility"] = task.encoded.fertility
        return metrics, selected, collapsed

    def _whole_model(self) -> tuple[MultiTaskModel, Lora | None] | None:
        """The model with all its weights, and its adapter, on rank 0; None on the others."""
        if not self.ranks.shards:
            return (self.model, self.adapter) if self.ranks.first else None
        tensors = self.ranks.gathered(self.model.tensors())
        if not self.ranks.first:
            return None
        model, adapter = self._build()
        for name in model.names:  # what training rows said of a head stands in its configuration
            model.head(name).config = self.model.head(name).config
        model.load_tensors(tensors)
        return model, adapter

    def _publish(self, model: MultiTaskModel, adapter: Lora | None, outcome: TrainingResult) -> None:
        from mlflow_xfer.models import pooler
        from mlflow_xfer.models.checkpoint import save

        with sealed_folder(self.work / CHECKPOINT) as folder:
            model.cpu()
            if adapter is not None:
                adapter.save(folder / ADAPTER, self.base)
                adapter.merge()
            if (self.start / LANGUAGE).is_dir():
                shutil.copytree(self.start / LANGUAGE, folder / LANGUAGE)
            save(model, self.tokenizer, folder)
            pooler.keep(self.start, folder)
        saved = asdict(outcome)
        del saved["directory"]
        write_json(self.work / OUTCOME, saved)
        for folder in (RESUME, BEST):  # optimizer states are twice the model; nothing reads them any more
            shutil.rmtree(self.work / folder, ignore_errors=True)


def _begin_anew(packer: Packer) -> bool:
    """Whether positions begin anew within a text: at the second of a pair."""
    return any(
        (np.asarray(texts.columns["second"]) < texts.lengths).any()
        for texts in packer.texts.values()
        if "second" in texts.columns
    )


def _set_dropout(model: Any, probability: float) -> None:
    from torch import nn

    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability
        elif hasattr(module, "attention_dropout") and isinstance(module.attention_dropout, float):
            module.attention_dropout = probability


def _on_cuda(runtime: RuntimeOptions) -> bool:
    from mlflow_xfer.training.devices import pick

    return pick(runtime.device).type == "cuda"


def _in_half(settings: TrainingSettings, runtime: RuntimeOptions) -> bool:
    from mlflow_xfer.training.devices import pick, resolved

    return resolved(settings.precision, pick(runtime.device)) == "bf16"
