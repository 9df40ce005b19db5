"""How good a model is while it trains: dev scores, and the score that selects a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlflow_xfer.data.encode import encode
from mlflow_xfer.data.encoded import Encoded
from mlflow_xfer.data.mixing import key_of
from mlflow_xfer.kinds import kind
from mlflow_xfer.models.heads import MultiTaskModel
from mlflow_xfer.params.settings import BY_LANGUAGES, TrainingSettings
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.devices import autocast, pick
from mlflow_xfer.training.label_free import signals
from mlflow_xfer.training.lm import encoded_texts, lm_losses
from mlflow_xfer.training.parts import LanguageModelPart, Part
from mlflow_xfer.training.predict import predict_encoded, unlabelled
from mlflow_xfer.training.selection import combined

Rows = dict[str, tuple[Any, Encoded]]
"""By language, a split and its encoding."""


class Dev:
    """The dev rows of all parts of a training of ``model``.

    Attributes:
        rows: by name of a task with dev rows.
        selection: by name of a task, rows of the languages that a checkpoint is selected for.
    """

    def __init__(
        self,
        parts: Sequence[Part | LanguageModelPart],
        model: MultiTaskModel,
        tokenizer: Any,
        settings: TrainingSettings,
        device: str,
    ):
        self.model, self.tokenizer, self.settings, self.device = model, tokenizer, settings, device
        self.tasks = [part for part in parts if isinstance(part, Part)]
        dev = {part.name: (part.task, _not_empty(part.dev)) for part in self.tasks}
        self.rows = {name: self.encoded(task, splits) for name, (task, splits) in dev.items() if splits}
        self.selection = {
            part.name: self.encoded(part.selection_task or part.task, self._selecting(part))
            for part in self.tasks
            if part.selection
        }
        texts = next((part.dev for part in parts if isinstance(part, LanguageModelPart)), {})
        limit = settings.max_seq_length
        self.texts = encoded_texts(_not_empty(texts), tokenizer, limit, model.decoder)

    def __bool__(self) -> bool:
        """Whether there is anything to score."""
        return bool(self.rows or self.selection or self.texts)

    def encoded(self, task: Task, splits: Mapping[str, Any]) -> Rows:
        """Splits as the model reads them."""
        limit, decoder = self.settings.max_seq_length, self.model.decoder
        return {
            language: (split, encode(split, task, self.tokenizer, limit, decoder=decoder))
            for language, split in splits.items()
        }

    def _selecting(self, part: Part) -> dict[str, Any]:
        hidden = self.settings.select_by == "label_free"
        return {
            language: unlabelled(split) if hidden else split for language, split in part.selection.items()
        }

    def evaluate(self) -> tuple[dict[str, float], float | None, bool]:
        """(metrics, the score that selects, whether any task is collapsed) of the weights as they are."""
        scores: dict[str, dict[str, float]] = {}
        collapsed = False
        for part in self.tasks:
            if part.name in self.rows:
                scores[key_of(part.name)], fell = self._score(part)
                collapsed |= fell
        metrics = {
            f"dev/{part.name}/{language}": value
            for part in self.tasks
            for language, value in scores.get(key_of(part.name), {}).items()
        }
        lm = key_of(None)
        if self.texts:
            scores[lm] = self._losses()
            metrics |= {f"dev/{lm}/{language}": loss for language, loss in scores[lm].items()}
        by = self.settings.select_by
        if by not in BY_LANGUAGES:
            return metrics, combined(scores, lm), collapsed
        judged = {part.name: self._judge(part) for part in self.tasks if part.selection}
        metrics |= {
            f"{by}/{name}/{language}": value
            for name, by_language in judged.items()
            for language, value in by_language.items()
        }
        means = [sum(by_language.values()) / len(by_language) for by_language in judged.values()]
        return metrics, sum(means) / len(means), collapsed

    def _judge(self, part: Part) -> dict[str, float]:
        """By language of ``part.selection``: the score on its labels (oracle), or a signal without them."""
        head, task, rows = (
            self.model.head(part.name),
            part.selection_task or part.task,
            self.selection[part.name],
        )
        if self.settings.select_by != "label_free":
            return self._scores(head, task, rows)[0]
        with autocast(pick(self.device), self.settings.precision):
            encoded = {language: one for language, (_, one) in rows.items()}
            return signals(head, self.tokenizer, task, encoded)

    def _score(self, part: Part) -> tuple[dict[str, float], bool]:
        """Scores by language, and whether those of English (or of the first language) are collapsed."""
        scores, predictions, gold = self._scores(self.model.head(part.name), part.task, self.rows[part.name])
        first = "en" if "en" in gold else next(iter(gold))
        return scores, kind.model(part.task.kind).is_collapsed(part.task, predictions[first], gold[first])

    def _scores(
        self, head: Any, task: Task, rows: Rows
    ) -> tuple[dict[str, float], dict[str, list], dict[str, list]]:
        """(scores, answers, references) by language."""
        made = kind.model(task.kind)
        splits = {language: split for language, (split, _) in rows.items()}
        encoded = {language: one for language, (_, one) in rows.items()}
        with autocast(pick(self.device), self.settings.precision):
            predictions = predict_encoded(head, self.tokenizer, task, encoded, splits)
        gold = kind.data(task.kind).gold(task, splits)
        scores = {language: made.dev_score(task, predictions[language], gold[language]) for language in gold}
        return scores, predictions, gold

    def _losses(self) -> dict[str, float]:
        with autocast(pick(self.device), self.settings.precision):
            return lm_losses(self.model.lm, self.model.backbone, self.tokenizer, self.texts)


def _not_empty(splits: Mapping[str, Any]) -> dict[str, Any]:
    return {language: split for language, split in splits.items() if len(split)}
