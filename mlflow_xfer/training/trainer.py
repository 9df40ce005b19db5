"""``train``: from a checkpoint and labelled data to a checkpoint that can be published."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlflow_xfer.data.encode import encode
from mlflow_xfer.data.encoded import Encoded
from mlflow_xfer.data.mixing import Walk, count_steps, epoch_ends, evaluation_steps, rates, schedule, with_lm
from mlflow_xfer.data.packing import Masking, Packer
from mlflow_xfer.durable.files import write_json
from mlflow_xfer.durable.manifest import is_whole, sealed_folder
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.tasks.task import Mixture
from mlflow_xfer.training.settings import (
    BY_LANGUAGES,
    BY_SCORE,
    LM_NAME,
    LM_TASKS,
    Outcome,
    Part,
    Placement,
    Settings,
)

CHECKPOINT, OUTCOME, RESUME, BEST = "checkpoint", "outcome.json", "resume", "best"

__all__ = ["LM_TASKS", "Outcome", "Part", "Placement", "Settings", "read_outcome", "train"]


def train(
    start: Path | str,
    parts: Sequence[Part],
    mixture: Mixture | None,
    settings: Settings,
    work: Path | str,
    *,
    log: Any = lambda metrics, step: None,
    save_every_s: float = 60.0,
    save_every_steps: int = 0,
    device: str = "auto",
    micro_batch: int = 0,
) -> Outcome:
    """Train on ``parts`` from the checkpoint at ``start``; all state lies in ``work``.

    Called again with the same ``work``, it goes on where it was killed, or returns the finished outcome.

    Args:
        start: a published checkpoint or any local model directory: its backbone is
            taken, task heads are fresh.
        parts: the tasks, at most one of them a language model.
        mixture: how several parts are mixed; None = in proportion to their size.
        log: called with metrics and the step they belong to; after a resume, steps already reported
            may come again with the same values. An exception from it whose ``exit_code`` is 75
            stops the training as a signal does.
        save_every_s, save_every_steps: how often the resume state is written: by time, or by steps if given.

    Raises:
        XferError: for data that cannot train anything, or a model that does not fit.
        Interrupted: on SIGTERM or SIGINT, after the resume state was written.
    """
    work = Path(work)
    done = read_outcome(work)
    if done is not None:
        return done
    _check(parts, mixture, settings)
    placement = Placement(device, save_every_s, save_every_steps, micro_batch)
    training = Training(
        Path(start),
        parts,
        mixture or Mixture(tuple(p.task.name for p in parts)),
        settings,
        placement,
        work,
        log,
    )
    return training.run()


def read_outcome(work: Path | str) -> Outcome | None:
    """The outcome of a finished training in ``work``, if its checkpoint is whole; else None."""
    work = Path(work)
    try:
        saved = json.loads((work / OUTCOME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return Outcome(directory=work / CHECKPOINT, **saved) if is_whole(work / CHECKPOINT) else None


def _check(parts: Sequence[Part], mixture: Mixture | None, settings: Settings) -> None:
    if not parts:
        raise XferError("Nothing to train on.")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise XferError(
            "A training runs in one process, on one GPU; WORLD_SIZE says there are several.",
            "Start it without torchrun; several phases can run side by side.",
        )
    if sum(part.is_lm for part in parts) > 1:
        raise XferError("More than one language model in a training.")
    names = [part.task.name for part in parts]
    if len(set(names)) < len(names):
        raise XferError(f"A task stands twice in one training: {', '.join(names)}.")
    for part in parts:
        sizes = (
            [len(split) for split in part.train.values()]
            if isinstance(part.train, Mapping)
            else [len(part.train)]
        )
        if not sum(sizes):
            raise XferError(f"Task {part.task.name!r} has no training examples.")
    if mixture is not None:
        missing = set(mixture.tasks) ^ {part.task.name for part in parts if not part.is_lm}
        if missing:
            raise XferError(f"The mixture and the data name different tasks: {', '.join(sorted(missing))}.")
        if bool(mixture.mlm_share) != any(part.is_lm for part in parts) and len(parts) > 1:
            raise XferError(
                f"mlm_share={mixture.mlm_share}, but there is {'no' if mixture.mlm_share else 'a'} "
                "language-model part."
            )
    if settings.select_by in BY_LANGUAGES and not any(part.selection for part in parts):
        raise XferError(
            f"select_by={settings.select_by} needs dev rows of the languages that it selects for."
        )
    if settings.train_batch_size < 1 or settings.learning_rate <= 0:
        raise XferError("train_batch_size and learning_rate must be above 0.")


class Training:
    """What :func:`train` holds while it runs."""

    def __init__(
        self,
        start: Path,
        parts: Sequence[Part],
        mixture: Mixture,
        settings: Settings,
        placement: Placement,
        work: Path,
        log: Any,
    ):
        from mlflow_xfer.models.heads import build
        from mlflow_xfer.models.load import load_tokenizer

        self.parts, self.mixture, self.settings = parts, mixture, settings
        self.placement, self.work, self.log = placement, work, log
        self.tasks = [part for part in parts if not part.is_lm]
        self.lm = next((part for part in parts if part.is_lm), None)
        self.tokenizer = load_tokenizer(start)
        self.model = build(start, [part.task for part in self.tasks], self.lm is not None, settings.seed)
        self._check_fits()
        if settings.dropout is not None:
            _set_dropout(self.model, settings.dropout)
        self.data = self._data()
        self.dev = {part.task.name: self._dev(part) for part in parts if part.dev}
        self.selection = {part.task.name: self._selection(part) for part in parts if part.selection}

    def _check_fits(self) -> None:
        limit = getattr(self.model.config, "max_position_embeddings", None)
        offset = self.model.config.pad_token_id + 1 if "roberta" in self.model.config.model_type else 0
        if limit and self.settings.max_seq_length > limit - offset:
            raise XferError(
                f"max_seq_length={self.settings.max_seq_length}, "
                f"but the model reads at most {limit - offset} tokens."
            )
        if len(self.tokenizer) > self.model.config.vocab_size:
            raise XferError(
                f"The tokenizer has {len(self.tokenizer)} tokens, "
                f"the model only {self.model.config.vocab_size}.",
                "They do not belong together.",
            )
        if self.lm is not None and not self.model.decoder and self.tokenizer.mask_token_id is None:
            raise XferError("Masked language modelling needs a tokenizer with a mask token.")

    def _encode(self, split: Any, task: Any) -> Encoded:
        return encode(split, task, self.tokenizer, self.settings.max_seq_length, decoder=self.model.decoder)

    def _data(self):
        """The batches of the whole training."""
        from mlflow_xfer.training.batches import Steps, reading

        s = self.settings
        encoded = {part.task.name: self._encode(part.train, part.task) for part in self.tasks}
        for part in self.tasks:
            marks = kind.model(part.task.kind).marked(part.task, encoded[part.task.name])
            for mark, value in marks.items():
                setattr(self.model.head(part.task.name).config, mark, value)
        packer = self._packer() if self.lm is not None else None
        sizes = {name: len(rows) for name, rows in encoded.items()}
        total = count_steps(
            sizes,
            self.mixture,
            s.train_batch_size,
            s.num_train_epochs,
            s.max_steps,
            packer.size if packer else 0,
        )
        shares = with_lm(rates(sizes, self.mixture) if sizes else {}, self.mixture.mlm_share)
        walks = {name: Walk(name, rows.lengths, s.train_batch_size, s.seed) for name, rows in encoded.items()}
        kinds = {part.task.name: part.task.kind for part in self.tasks}
        how = reading(self.tokenizer, self.model.config, self.model.decoder, _on_cuda(self.placement))
        self.counts = {name: rows.counts for name, rows in encoded.items()}
        return Steps(
            schedule(shares, total, s.seed),
            walks,
            encoded,
            kinds,
            packer,
            self._masking(),
            how,
            s.train_batch_size,
            s.seed,
        )

    def _packer(self) -> Packer:
        splits = self.lm.train if isinstance(self.lm.train, Mapping) else {"text": self.lm.train}
        texts = {language: self._encode(split, self.lm.task) for language, split in splits.items()}
        return Packer(texts, self.settings.max_seq_length, self.settings.alpha, self.settings.seed)

    def _masking(self) -> Masking | None:
        if self.lm is None or self.model.decoder:
            return None
        return Masking(
            self.tokenizer.mask_token_id,
            len(self.tokenizer),
            tuple(self.tokenizer.all_special_ids),
            self.settings.mlm_probability,
        )

    def _dev(self, part: Part) -> dict[str, tuple[Any, Encoded]]:
        return {
            language: (split, self._encode(split, part.task))
            for language, split in part.dev.items()
            if len(split)
        }

    def _selection(self, part: Part) -> dict[str, tuple[Any, Encoded]]:
        from mlflow_xfer.training.predict import unlabelled

        task, hidden = part.selection_task or part.task, self.settings.select_by == "label_free"
        splits = {
            language: unlabelled(split) if hidden else split for language, split in part.selection.items()
        }
        return {language: (split, self._encode(split, task)) for language, split in splits.items()}

    # -- dev ------------------------------------------------------------------------------------------------
    def evaluate_dev(self) -> tuple[dict[str, float], float | None, bool]:
        """(metrics, the score that selects, whether any task is collapsed) of the weights as they are."""
        from mlflow_xfer.training.selection import combined

        scores, collapsed = {}, False
        for part in self.parts:
            if part.task.name in self.dev:
                scores[part.task.name], fell = self._score(part)
                collapsed |= fell
        metrics = {
            f"dev/{name}/{language}": value
            for name, found in scores.items()
            for language, value in found.items()
        }
        if self.settings.select_by not in BY_LANGUAGES:
            return metrics, combined(scores, [LM_NAME]), collapsed
        judged = {part.task.name: self._judge(part) for part in self.parts if part.selection}
        by = self.settings.select_by
        metrics |= {
            f"{by}/{name}/{language}": value
            for name, found in judged.items()
            for language, value in found.items()
        }
        means = [sum(found.values()) / len(found) for found in judged.values()]
        return metrics, sum(means) / len(means), collapsed

    def _judge(self, part: Part) -> dict[str, float]:
        """By language of ``part.selection``: the score on its labels (oracle), or a signal without them."""
        from mlflow_xfer.training.devices import autocast, pick
        from mlflow_xfer.training.label_free import signals
        from mlflow_xfer.training.predict import predict_encoded

        model, task, rows = (
            self.model.head(part.task.name),
            part.selection_task or part.task,
            self.selection[part.task.name],
        )
        encoded, made = {language: one for language, (_, one) in rows.items()}, kind.model(task.kind)
        with autocast(pick(self.placement.device), self.settings.precision):
            if self.settings.select_by == "label_free":
                return signals(model, self.tokenizer, task, encoded)
            splits = {language: split for language, (split, _) in rows.items()}
            found = predict_encoded(model, self.tokenizer, task, encoded, splits)
        return {
            language: made.dev_score(task, found[language], made.references(split))
            for language, split in splits.items()
        }

    def _score(self, part: Part) -> tuple[dict[str, float], bool]:
        from mlflow_xfer.training.devices import autocast, pick
        from mlflow_xfer.training.lm import lm_losses
        from mlflow_xfer.training.predict import predict_encoded

        dev = self.dev[part.task.name]
        encoded = {language: rows for language, (_, rows) in dev.items()}
        with autocast(pick(self.placement.device), self.settings.precision):
            if part.is_lm:
                return lm_losses(self.model.lm, self.model.backbone, self.tokenizer, encoded), False
            found = predict_encoded(
                self.model.head(part.task.name),
                self.tokenizer,
                part.task,
                encoded,
                {k: split for k, (split, _) in dev.items()},
            )
        made = kind.model(part.task.kind)
        gold = {language: made.references(split) for language, (split, _) in dev.items()}
        first = "en" if "en" in gold else next(iter(gold))
        scores = {language: made.dev_score(part.task, found[language], gold[language]) for language in gold}
        return scores, made.is_collapsed(part.task, found[first], gold[first])

    # -- running --------------------------------------------------------------------------------------------
    def loop(self) -> Any:
        """The loop over all steps, not yet run."""
        from mlflow_xfer.training.loop import Loop

        s, total = self.settings, len(self.data)
        epochs = self._epochs(total)
        return Loop(
            self.model,
            self.data,
            s,
            self.placement,
            self.work / RESUME,
            self.log,
            self.evaluate_dev,
            evaluate_at=set(evaluation_steps(total, epochs, s.evaluations))
            if self.dev or self.selection
            else set(),
            average_at=set(epoch_ends(total, epochs)) if s.select_by == "average" else set(),
        )

    def run(self) -> Outcome:
        loop = self.loop()
        loop.run()
        return self._publish(loop)

    def _epochs(self, total: int) -> float:
        """Epochs that ``total`` steps are; with several tasks those of the
        settings, which each of them walks."""
        if not self.settings.max_steps:
            return self.settings.num_train_epochs
        sizes = {name: len(rows) for name, rows in self.data.encoded.items()}
        one = count_steps(
            sizes,
            self.mixture,
            self.settings.train_batch_size,
            1.0,
            0,
            self.data.packer.size if self.data.packer else 0,
        )
        return max(1.0, total / one)

    def _publish(self, loop: Any) -> Outcome:
        from mlflow_xfer.models.checkpoint import save

        best = loop.tally.best
        metrics, collapsed, selected = dict(best.metrics), best.collapsed, best.step or len(self.data)
        if self.settings.select_by == "average":
            loop.load_average()
            if self.dev:
                self.model.eval()
                metrics, _, collapsed = self.evaluate_dev()
            selected = len(self.data)
        elif self.settings.select_by in BY_SCORE and best.step:
            loop.load_best()
        else:
            selected = len(self.data)
        metrics |= {"train/loss": loop.tally.latest.get("train/loss", float("nan"))}
        metrics |= {
            f"encoded/{name}/truncated": 100.0 * c["truncated"] / max(c["examples"], 1)
            for name, c in self.counts.items()
        }
        metrics |= {
            f"encoded/{name}/fertility": c["subwords"] / max(c["words"], 1) for name, c in self.counts.items()
        }
        with sealed_folder(self.work / CHECKPOINT) as folder:
            save(self.model.cpu(), self.tokenizer, folder)
        outcome = Outcome(
            self.work / CHECKPOINT, len(self.data), loop.tally.tokens, metrics, selected, collapsed
        )
        saved = asdict(outcome)
        del saved["directory"]
        write_json(self.work / OUTCOME, saved)
        for folder in (RESUME, BEST):  # optimizer states are twice the model; nothing reads them any more
            shutil.rmtree(self.work / folder, ignore_errors=True)
        return outcome


def _set_dropout(model: Any, probability: float) -> None:
    from torch import nn

    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability
        elif hasattr(module, "attention_dropout") and isinstance(module.attention_dropout, float):
            module.attention_dropout = probability


def _on_cuda(placement: Placement) -> bool:
    from mlflow_xfer.training.devices import pick

    return pick(placement.device).type == "cuda"
