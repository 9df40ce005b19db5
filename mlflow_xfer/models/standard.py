"""Kinds whose head is a transformers class: made fresh on a backbone, told from a
checkpoint's configuration."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from torch import nn

from mlflow_xfer.data.mixing import key_of
from mlflow_xfer.errors import XferError, few
from mlflow_xfer.kinds.kind import Model
from mlflow_xfer.lines import scalar_text
from mlflow_xfer.models.heads import attach, stream
from mlflow_xfer.models.limits import ENCODERS_OF
from mlflow_xfer.models.pooled import POOLING, PooledHead, head_of
from mlflow_xfer.tasks.task import Task

logger = logging.getLogger(__name__)


class Standard(Model):
    """A kind with a class of transformers.

    Attributes:
        auto: name of the ``AutoModelFor…`` class.
        architectures: name of its table in ``modeling_auto``.
        of_encoders: whether its classes for encoder-decoders stand on the encoder alone.
    """

    auto = ""
    architectures = ""
    of_encoders = False

    def head(self, task: Task, backbone: nn.Module, seed: int, lm: nn.Module | None = None) -> nn.Module:
        config = self.head_config(task, backbone.config)
        return attach(self.head_class(config), config, backbone, stream(seed, key_of(task.name)))

    def head_class(self, config: Any) -> Any:
        import transformers
        from transformers.models.auto import modeling_auto

        known = config.model_type in getattr(modeling_auto, self.architectures)
        if not known or (config.model_type in ENCODERS_OF and not self.of_encoders):
            raise XferError(f"transformers has no {self.name} head for architecture {config.model_type!r}.")
        return getattr(transformers, self.auto)

    def loaded(self, config: Mapping[str, Any]) -> bool:
        root = (config.get("architectures") or [""])[0]
        return root.removesuffix("Simple").endswith(self.auto.removeprefix("AutoModel"))  # XLNet's and XLM's


NUMBERS = "regression"
"""What transformers calls the problem of a head that gives numbers."""

SEVERAL = {"multi_label_classification": ("labels", 1), NUMBERS: ("numbers", 2)}
"""By ``problem_type``, what a text has several of, and from how many outputs on."""


def check_labels(task: Task) -> None:
    """Raise :class:`XferError` for a task of labels that has nothing to choose between."""
    if len(task.labels) < 2:
        raise XferError(
            f"Task {task.name!r} declares {len(task.labels)} labels; {task.kind} needs at least two."
        )


def gives_numbers(config: Mapping[str, Any]) -> bool:
    """Whether a saved head of texts gives numbers: transformers has one class for these and for labels, and
    a single output is trained as a number where nothing is said."""
    said = config.get("problem_type")
    return said == NUMBERS or not said and len(config.get("id2label") or ("", "")) == 1


class OfTexts(Standard):
    """A kind whose head reads one vector of a text, chosen by the option ``pooling``: by default as the class
    of transformers does."""

    def head(self, task: Task, backbone: nn.Module, seed: int, lm: nn.Module | None = None) -> nn.Module:
        its: Any = backbone.config
        alone = its.model_type in ENCODERS_OF
        pooling = "mean" if alone and task.option("pooling") == "auto" else task.option("pooling")
        if pooling == "auto":
            return super().head(task, backbone, seed, lm)
        if isinstance(self, Labelled):
            check_labels(task)
        config, generator = self.head_config(task, its), stream(seed, key_of(task.name))
        return head_of(config, backbone, pooling, generator)

    def head_class(self, config: Any) -> Any:
        return PooledHead if config.model_type in ENCODERS_OF else super().head_class(config)

    def as_saved(self, task: Task, config: Mapping[str, Any], where: Path) -> Task:
        """``task`` pooled as the saved head pools.

        Raises:
            XferError: a text has several answers by the head.
        """
        said, outputs = config.get("problem_type"), len(config.get("id2label") or ("", ""))
        answers, fewest = SEVERAL.get(str(said), ("", 0))
        if answers and outputs >= fewest:
            raise XferError(
                f"The head in {where} gives several {answers} a text: problem_type is {said}.",
                f"Such heads are not read. {self.name} is one answer a text: take a head that gives one.",
            )
        return super().as_saved(task, config, where).with_options(pooling=config.get(POOLING, "auto"))


class Labelled(Standard):
    """A kind whose head gives one of the task's labels."""

    def head(self, task: Task, backbone: nn.Module, seed: int, lm: nn.Module | None = None) -> nn.Module:
        check_labels(task)
        return super().head(task, backbone, seed, lm)

    def head_config(self, task: Task, config: Any) -> Any:
        config = super().head_config(task, config)
        config.num_labels = len(task.labels)
        config.id2label = dict(enumerate(task.labels))
        config.label2id = {label: i for i, label in enumerate(task.labels)}
        return config

    def labels(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        named = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}  # transformers leaves these out
        named = {str(number): scalar_text(name) for number, name in named.items()}
        expected = [str(number) for number in range(len(named))]
        if set(named) != set(expected):
            raise XferError(
                f"id2label in config.json numbers the outputs of the head {few(named)}.",
                f"They are counted from 0: expected {few(expected)}.",
            )
        twice = sorted({name for name in named.values() if list(named.values()).count(name) > 1})
        if twice:
            raise XferError(
                f"id2label in config.json calls several outputs of the head {few(twice)}.",
                "Each output needs a name of its own.",
            )
        return tuple(named[number] for number in expected)

    def as_saved(self, task: Task, config: Mapping[str, Any], where: Path) -> Task:
        """``task`` with its labels in the order of the saved head, which may know more of them.

        Raises:
            XferError: if the head lacks one of the task's labels.
        """
        if not task.labels:
            return task
        have = self.labels(config)
        if not set(task.labels) <= set(have):
            raise XferError(
                f"The head in {where} is for labels {', '.join(have)}; "
                f"task {task.name!r} has {', '.join(task.labels)}.",
                "Which output stands for which label id2label in its config.json says: name them as the task "
                "does.",
            )
        if more := [label for label in have if label not in task.labels]:
            _say_unused(where, task.name, few(more))
        return replace(task, labels=have)


@cache
def _say_unused(where: Path, task: str, labels: str) -> None:
    """Once, however often the head is looked at."""
    logger.warning(
        "%s: the head also gives %s, which task %r does not declare: it is held to the labels of the task.",
        where,
        labels,
        task,
    )
