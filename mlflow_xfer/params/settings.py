"""The settings of phases: each is declared here, once.

A user's parameters are these classes as they stand, but for what a task's recipe may say (:class:`Recipe`):
there the user's value may be ``auto``. Resolved, they are the settings of a phase: :class:`TrainingSettings`,
:class:`MergeSettings`, :class:`EvaluationSettings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from mlflow_xfer.params.declare import Shape, Varies, parameters, setting
from mlflow_xfer.params.values import (
    Count,
    CountOrNone,
    Natural,
    NaturalOrNone,
    NonNegative,
    Number,
    Positive,
    PositiveOrAuto,
    Share,
)

MIXES = {"combine": ("joint",)}
MERGES = {"combine": ("merge",)}
LORA, PROMPTS = {"trainable": ("lora",)}, {"trainable": ("prompt",)}
BY_SIZE = ("proportional", "temperature")
BY_LANGUAGES = ("label_free", "oracle")
"""Ways to select that read dev rows of the evaluated languages: without their labels, or with them."""

BY_SCORE = ("english_dev", *BY_LANGUAGES)
FROM_BASE = ("task_arithmetic", "ties")


class Recipe(Shape, group="training"):
    """Settings that a task is known to work with: what ``auto`` means for a parameter of training."""

    learning_rate: Positive = setting(
        2e-5, "peak learning rate of AdamW", always=True, shown=True, short="lr", joint=min,
        varies=Varies(5e-6, 1e-3, log=True, spaces=("rates", "all"), phases=("intermediate", "target")),
    )  # fmt: skip
    num_train_epochs: Positive = setting(
        3.0, "passes over the training data", always=True, shown=True, short="epochs",
        varies=Varies(1, 5, whole=True, spaces=("rates", "all"), phases=("intermediate",)),
    )  # fmt: skip
    max_steps: Natural = setting(
        0, "optimiser steps; wins over num_train_epochs; 0: by epochs", shown=True, short="steps", joint=sum,
        varies=Varies(100, 20_000, log=True, whole=True),
    )  # fmt: skip
    train_batch_size: Count = setting(
        32, "effective batch size, in sequences", always=True, shown=True, short="batch",
        varies=Varies(choices=(8, 16, 32, 64)),
    )  # fmt: skip
    max_seq_length: Count = setting(
        128, "length limit, in subwords", always=True, shown=True, short="length",
        varies=Varies(choices=(64, 128, 256)),
    )  # fmt: skip
    warmup_ratio: Share = setting(
        0.1, "share of the steps in which the rate rises", always=True, shown=True, short="warmup"
    )
    weight_decay: NonNegative = setting(0.01, "weight decay of AdamW", always=True, shown=True, short="decay")


class TrainingOptions(Shape, group="training"):
    precision: Literal["auto", "fp32", "bf16", "fp16"] = setting(
        "auto", "auto: bf16 on a GPU that has it, else fp32", shown=True
    )
    max_train_examples: CountOrNone = setting(
        None, "use only so many training examples, drawn by the seed", shown=True, short="examples",
        varies=Varies(500, 50_000, log=True, whole=True),
    )  # fmt: skip
    max_dev_examples: CountOrNone = setting(
        None, "score dev on only so many examples per language, drawn by seed 0", shown=True
    )

    optimizer: Literal["adamw", "adamw8bit", "paged_adamw8bit"] = setting(
        "adamw",
        "adamw8bit: moments in 8 bits; paged_adamw8bit: kept by the host when a GPU is full",
        shown=True,
    )  # fmt: skip


class Adapters(Shape, group="adapters"):
    trainable: Literal["all", "lora", "head", "norms", "no-embeddings", "prompt"] = setting(
        "all",
        "what is trained beside the heads: all weights; lora: low-rank adapters (Hu et al. 2022); head: "
        "nothing; norms: the norms; no-embeddings: all but the tokens' embeddings; prompt: vectors before "
        "every text (prompt tuning, Lester et al. 2021)",
        shown=True, varies=Varies(choices=("all", "lora")),
    )  # fmt: skip
    lora_rank: Count = setting(
        16, "trainable=lora: rank of the adapters", shown=True, short="r", when=LORA,
        varies=Varies(4, 64, log=True, whole=True),
    )  # fmt: skip
    lora_alpha: Positive = setting(
        32.0, "trainable=lora: an adapter counts lora_alpha / lora_rank", shown=True, short="α", when=LORA
    )
    lora_dropout: Annotated[Number, Field(ge=0, lt=1)] = setting(
        0.0, "trainable=lora: dropout before the adapters", shown=True, when=LORA
    )
    lora_layers: Literal["linear", "attention"] = setting(
        "linear", "trainable=lora: adapters on all linear layers, or on those of attention alone", shown=True,
        when=LORA,
    )  # fmt: skip
    quantize: Literal["none", "nf4"] = setting(
        "none",
        "trainable=lora: nf4: the frozen linear layers in 4 bits (QLoRA, Dettmers et al. 2023)",
        shown=True,
    )  # fmt: skip
    start_adapter: Literal["merge", "continue"] = setting(
        "merge",
        "trainable=lora or prompt, from a checkpoint with an adapter or prompt: merge: an adapter is part of "
        "the weights, and a new one (a new prompt) is trained; continue: it is trained on",
        shown=True, when={"trainable": ("lora", "prompt")},
    )  # fmt: skip
    prompt_length: Count = setting(
        20, "trainable=prompt: vectors before every text", shown=True, when=PROMPTS,
        varies=Varies(5, 100, log=True, whole=True),
    )  # fmt: skip
    attention: Literal["causal", "bidirectional"] = setting(
        "causal",
        "decoders: tokens read those before them, or all; not while they learn to write",
        shown=True,
    )  # fmt: skip
    head_reads: Literal["last", "layers"] = setting(
        "last", "layers: a task's head reads attention over all layers instead of the last one", shown=True
    )


class Mixing(Shape, group="several intermediate tasks"):
    mixing: Literal["proportional", "temperature", "uniform"] = setting(
        "proportional", "how often a joint batch is of each task", shown=True, when=MIXES,
        varies=Varies(spaces=("mixing", "all")),
    )  # fmt: skip
    mixing_cap: CountOrNone = setting(
        None, "count at most so many examples of a task (K of T5)", shown=True, short="K",
        when=MIXES | {"mixing": BY_SIZE},
        # T5 tries K = 2^16 ... 2^21; mini's tasks have 1,200 rows
        varies=Varies(2**10, 2**21, log=True, whole=True, spaces=("mixing", "all")),
    )  # fmt: skip
    mixing_temperature: Annotated[Number, Field(ge=1, allow_inf_nan=False)] = setting(
        1.0, "T of T5's temperature mixing", shown=True, short="T",
        when=MIXES | {"mixing": ("temperature",)},
        varies=Varies(1.0, 8.0, first=1.0, spaces=("mixing", "all")),  # T5 tries 2, 4, 8
    )  # fmt: skip
    mlm_share: Annotated[Number, Field(ge=0, lt=1)] = setting(
        0.0, "share of language-model batches on the raw text", shown=True, short="mlm",
        varies=Varies(0.0, 0.5, first=0.0, spaces=("mixing", "all")),
    )  # fmt: skip


class Merging(Shape, group="several intermediate tasks"):
    merge_method: Literal["average", "task_arithmetic", "ties"] = setting(
        "average",
        "combine=merge: mean of the weights; base + λ · sum of what each task changed; the same trimmed, "
        "with elected signs (TIES)",
        always=True, shown=True, when=MERGES, varies=Varies(spaces=("merging", "all")),
    )  # fmt: skip
    merge_weight: PositiveOrAuto = setting(
        "auto",
        "combine=merge: λ of task_arithmetic (auto: 1 / number of tasks) and ties (auto: 1)",
        always=True, shown=True, short="λ", when=MERGES | {"merge_method": FROM_BASE},
        varies=Varies(0.1, 1.5, spaces=("merging", "all")),
    )  # fmt: skip
    merge_density: Annotated[Number, Field(gt=0, le=1)] = setting(
        0.2, "combine=merge: share of what each task changed that ties keeps",
        always=True, shown=True, short="density", when=MERGES | {"merge_method": ("ties",)},
        varies=Varies(0.05, 0.5, spaces=("merging", "all")),
    )  # fmt: skip


class CombiningSettings(Mixing, Merging):
    """How several intermediate tasks are combined."""


class TextSampling(Shape, group="raw text"):
    alpha: Share = setting(0.3, "languages are drawn with p ~ n^alpha (XLM-R: 0.3)", always=True)
    text_words: CountOrNone = setting(
        None,
        "pre-training: read only so many running words of the raw text, as many of each language, from its "
        "beginning; none: all",
        shown=True, short="words",
    )  # fmt: skip


class FewShot(Shape, group="target tasks"):
    target_shots: Natural = setting(
        0, "labelled examples of each evaluated language added to the training data", shown=True
    )


class Selection(Shape, group="target tasks"):
    select_by: Literal["english_dev", "last", "average", "label_free", "oracle"] = setting(
        "english_dev",
        "which checkpoint is kept: best on English dev; last; mean of the epochs' weights; label_free: the "
        "one that best tells apart dev rows of the evaluated languages, their labels unread; oracle: best on "
        "those labels (not zero-shot, always shown as oracle)",
        always=True, shown=True,
    )  # fmt: skip


class Overlaps(Shape, group="target tasks"):
    exclude_overlap: bool = setting(
        False,
        "leave training rows out that are (nearly) equal to a target's test or dev rows, before the target "
        "also those equal to its training rows",
        shown=True,
    )


class Control(Shape, group="model"):
    control: Literal["none", "random"] = setting(
        "none",
        "random: the same chain on a random encoder with the model's config and tokenizer",
        shown=True,
    )


class Embedding(Shape, group="evaluation"):
    layer: Literal["auto"] | Natural = setting(
        "auto",
        "retrieval: index in hidden_states, 0 = embeddings; auto: at 0.6 of the depth, so 14 of 24",
        always=True, shown=True,
    )  # fmt: skip
    pooling: Literal["auto", "mean", "cls", "last"] = setting(
        "auto",
        "how tokens become one vector, in retrieval and in a target's head for a label or number of a text; "
        "auto: mean, for a trained dual encoder cls (of decoders last), for other heads as transformers does",
        always=True, shown=True,
    )  # fmt: skip


class Prompting(Shape, group="evaluation"):
    shots: NaturalOrNone = setting(
        None,
        "prompt a decoder instead of training the target (multiple choice): so many solved examples, drawn "
        "from its training rows by the seed, before each question",
        shown=True,
    )  # fmt: skip


class EvaluationLimit(Shape, group="evaluation"):
    max_eval_examples: CountOrNone = setting(
        None, "evaluate only so many examples per language, drawn by seed 0"
    )


class RuntimeOptions(Shape, group="where it is computed", effect="runtime"):
    """How a phase is computed and how often it is saved; nothing of it decides a result."""

    device: Literal["auto", "cpu", "cuda"] = setting("auto", "auto: the first GPU, else the CPU", shown=True)
    micro_batch: Natural = setting(
        0, "rows of a batch that are computed at once; 0: the whole batch", shown=True
    )
    compile: bool = setting(
        False,
        "compile the layers first: half a minute, which pays for itself in long runs on a GPU",
        shown=True,
    )
    gradient_checkpointing: bool = setting(
        False,
        "keep only what goes into each layer, and compute the layer again for its gradients: less memory, a "
        "third more time",
        shown=True,
    )  # fmt: skip
    checkpoint: Literal["whole", "adapter"] = setting(
        "whole",
        "adapter: phases that train a part of the weights publish that part, and which base it belongs to; "
        "whoever reads it makes it whole again, to the same bits",
        shown=True,
    )  # fmt: skip
    processes: Count = setting(
        1,
        "processes that train a phase together, each on a GPU of its own; results are those of one process "
        "up to rounding, and bit by bit those of as many processes",
        shown=True,
    )
    parallel: Literal["ddp", "fsdp"] = setting(
        "ddp",
        "processes > 1: ddp: each holds the model; fsdp: each holds a part of its weights, gradients and "
        "moments (FSDP2)",
        shown=True,
    )
    save_every_s: Positive = setting(60.0, "seconds between checkpoints from which a training goes on")
    save_every_steps: Natural = setting(0, "optimiser steps between them instead; 0: by time")

    @property
    def runtime(self) -> RuntimeOptions:
        """The runtime options alone, of a verb's parameters."""
        return RuntimeOptions(**{name: getattr(self, name) for name in RuntimeOptions.model_fields})

    def shown(self) -> dict[str, Any]:
        """What a run shows of it as parameters: what is not as usual."""
        return {
            name: value
            for name, one in parameters(RuntimeOptions).items()
            if one.facts.shown and (value := getattr(self, name)) != one.default
        }


class PhaseSettings(Control):
    """Settings of a phase, resolved.

    A field that does not concern the phase is not set: it has its default, and the spec does not say it. For
    the other fields the spec is what counts: see :meth:`stated`.
    """

    control_seed: Natural | None = setting(None, "seed of the random encoder")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Any:
        """Settings of values that were checked where they were read; what is missing does not concern the
        phase. A whole number stays one: it is another text than a fraction in the hash of a phase.

        Raises:
            ValueError: a name that is no setting of such a phase.
        """
        if odd := values.keys() - cls.model_fields.keys():
            raise ValueError(f"{cls.__name__} has no {', '.join(sorted(odd))}")
        return cls.model_construct(**values)

    def given(self) -> dict[str, Any]:
        """The fields that concern the phase, sorted."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}

    def stated(self) -> dict[str, Any]:
        """What the spec of a phase says of its settings: those that concern it and are not neutral."""
        known = parameters(type(self))
        return {
            name: value
            for name, value in self.given().items()
            if known[name].facts.always or value != known[name].facts.neutral
        }

    def shown(self) -> dict[str, Any]:
        """What a run shows of its settings as parameters."""
        known = parameters(type(self))
        return {name: value for name, value in self.given().items() if known[name].facts.shown}


class TrainingSettings(
    Recipe, TrainingOptions, Adapters, Mixing, TextSampling, FewShot, Selection, Overlaps, PhaseSettings
):
    """Settings of a training."""

    dropout: Share | None = setting(
        None, "None: the model's own; language models train best from nothing with 0"
    )
    mlm_probability: Share = setting(0.15, "share of the tokens that an encoder is to predict")
    max_grad_norm: Positive = setting(1.0, "norm that gradients are clipped to")
    evaluations: Natural = setting(
        10, "how often dev is scored along a training, at most; with select_by=last at its end alone"
    )

    @property
    def prompted(self) -> int:
        """Vectors that are read before each text."""
        return self.prompt_length if self.trainable == "prompt" else 0

    def shown(self) -> dict[str, Any]:
        """Of steps and epochs only what decides how long it trains."""
        overruled = "num_train_epochs" if self.max_steps else "max_steps"
        return {name: value for name, value in super().shown().items() if name != overruled}


class MergeSettings(Merging, PhaseSettings):
    """Settings of a merge of checkpoints."""

    combine: Literal["merge"] = setting(
        "merge", "what tells a merge from a training", always=True, shown=True
    )


class EvaluationSettings(Embedding, Prompting, EvaluationLimit, PhaseSettings):
    """Settings of an evaluation."""

    max_seq_length: Count = setting(128, "length limit, in subwords", always=True, shown=True)
    scored: tuple[str, ...] = setting(
        (), "languages that are scored, where rows of others are read too; empty: all"
    )
    adapted: tuple[str, ...] = setting(
        (), "languages that are predicted with an adapter of their own, which are further inputs", shown=True
    )


def meant(name: str, values: Mapping[str, Any], shape: type[Shape] = CombiningSettings) -> bool:
    """Whether the setting ``name`` means anything where other settings have these ``values``."""
    when = parameters(shape)[name].facts.when
    return all(values.get(other) in allowed for other, allowed in when.items())
