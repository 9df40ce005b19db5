"""The parameters, once: the Python API, the command line,
MLproject and the README's tables all read them here.

Shapes only: whether a task or a file exists is the plan's question. What a user types is a string: ``none``
for None or an empty list, ``auto`` for "decide for me", commas without blanks for lists, ``true``/``false``.
A training parameter goes to every training phase of a command; with a phase's name in front
(``target.learning_rate=2e-5``) it goes to that phase and wins.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.registry import unknown

TRAINED_PHASES = ("pretrain", "intermediate", "target")


def _listed(value: Any) -> Any:
    """``a,b`` -> (a, b); ``none`` and the empty string -> ()."""
    if isinstance(value, str):
        return () if value.strip() in ("none", "") else tuple(part.strip() for part in value.split(","))
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    return () if value is None else value


def _nothing(value: Any) -> Any:
    return None if value == "none" else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
NamesOrAuto = Annotated[
    Literal["auto"] | tuple[str, ...], BeforeValidator(lambda v: v if v == "auto" else _listed(v))
]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_listed), Field(min_length=1)]
Text = Annotated[str | None, BeforeValidator(_nothing)]
PositiveOrAuto = Literal["auto"] | Annotated[float, Field(gt=0)]
CountOrAuto = Literal["auto"] | Annotated[int, Field(gt=0)]
CountOrNone = Annotated[Annotated[int, Field(gt=0)] | None, BeforeValidator(_nothing)]


@dataclass(frozen=True)
class Neutral:
    """The value at which a setting changes nothing: a phase is as it was before there was the setting.

    A setting at its neutral value is left out of the spec of a phase, so that a new setting leaves finished
    runs valid. Hence a neutral value never changes, whatever becomes of the default.
    """

    value: Any


class Shape(BaseModel):
    """Frozen; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Training(Shape):
    """Settings of a training phase; ``auto`` is the task's recipe."""

    learning_rate: PositiveOrAuto = Field("auto", description="peak learning rate of AdamW")
    num_train_epochs: PositiveOrAuto = Field("auto", description="passes over the training data")
    max_steps: Annotated[CountOrAuto, Neutral(0)] = Field(
        "auto", description="optimiser steps; wins over num_train_epochs"
    )
    train_batch_size: CountOrAuto = Field("auto", description="effective batch size, in sequences")
    max_seq_length: CountOrAuto = Field("auto", description="length limit, in subwords")
    precision: Annotated[Literal["auto", "fp32", "bf16", "fp16"], Neutral("auto")] = Field(
        "auto", description="bf16 on a GPU that has it, else fp32"
    )
    max_train_examples: Annotated[CountOrNone, Neutral(None)] = Field(
        None, description="use only so many training examples, drawn by the seed"
    )


class Trained(Training):
    """Training settings of a verb: bare names for all its phases, ``scoped`` for one phase each."""

    scoped: Mapping[str, Training] = Field(default_factory=dict)

    def training(self, phase: str) -> Training:
        """The settings of one phase: its scoped values over the bare ones."""
        bare = {name: getattr(self, name) for name in Training.model_fields}
        own = self.scoped.get(phase)
        return Training(**bare | ({name: getattr(own, name) for name in own.model_fields_set} if own else {}))


class Model(Shape):
    model: str = Field(
        "mini",
        description=(
            "what to start from: hub id, directory, run id, runs:/…, models:/…, "
            "scratch:<xlm-roberta|llama>:<tiny|mini|small>, mini"
        ),
    )
    revision: Text = Field(None, description="commit or branch of a hub model")
    tokenizer: str = Field(
        "auto",
        description="directory, hub id or run; auto: the model's, for scratch models trained on the text",
    )


class Control(Shape):
    control: Annotated[Literal["none", "random"], Neutral("none")] = Field(
        "none", description="random: the same chain on a random encoder with the model's config and tokenizer"
    )


class Data(Shape):
    data: str = Field("mini", description="hub, mini, or a folder in XTREME's download/ layout")
    task_file: Text = Field(None, description="YAML file with further tasks")


class RawText(Shape):
    text: Text = Field(
        "mini", description="raw text: mini, or a folder of <language>.txt; none: no pretrain phase"
    )
    text_languages: NamesOrAuto = Field("auto", description="languages of the raw text; auto: all there are")
    alpha: Annotated[float, Field(ge=0, le=1)] = Field(
        0.3, description="languages are drawn with p ~ n^alpha (XLM-R: 0.3)"
    )


class Combining(Shape):
    combine: Annotated[Literal["joint", "sequential", "merge"], Neutral("joint")] = Field(
        "joint",
        description=(
            "several tasks: in one phase; one phase after the other; or a phase each, whose weights are "
            "merged"
        ),
    )
    merge_method: Literal["average", "task_arithmetic", "ties"] = Field(
        "average",
        description=(
            "combine=merge: mean of the weights; base + λ · sum of what each task changed; the same trimmed, "
            "with elected signs (TIES)"
        ),
    )
    merge_weight: PositiveOrAuto = Field(
        "auto",
        description="combine=merge: λ of task_arithmetic (auto: 1 / number of tasks) and ties (auto: 1)",
    )
    merge_density: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="combine=merge: share of what each task changed that ties keeps"
    )
    mixing: Annotated[Literal["proportional", "temperature", "uniform"], Neutral("proportional")] = Field(
        "proportional", description="how often a joint batch is of each task"
    )
    mixing_cap: Annotated[CountOrNone, Neutral(None)] = Field(
        None, description="count at most so many examples of a task (K of T5)"
    )
    mixing_temperature: Annotated[float, Field(ge=1), Neutral(1.0)] = Field(
        1.0, description="T of T5's temperature mixing"
    )
    mlm_share: Annotated[float, Field(ge=0, lt=1), Neutral(0.0)] = Field(
        0.0, description="share of language-model batches on the raw text"
    )


class Mixing(Combining):
    intermediate: Names = Field(("nli",), description="intermediate tasks; none: baseline")


class Targets(Shape):
    target: NamesOrAuto = Field("auto", description="target tasks, or a suite's name; auto: the suite's")
    train_on: Text = Field(None, description="another training task of the same kind, outside suite totals")
    source_language: str = Field("en", description="language of the target's training data")
    target_shots: Annotated[int, Field(ge=0), Neutral(0)] = Field(
        0, description="labelled examples of each evaluated language added to the training data"
    )
    choice_scoring: Literal["head", "likelihood"] = Field(
        "head",
        description=(
            "multiple choice: a scored head, or (decoders) the length-normalised likelihood of each choice, "
            "which needs no training"
        ),
    )
    select_by: Literal["english_dev", "last", "average", "label_free", "oracle"] = Field(
        "english_dev",
        description=(
            "which checkpoint is kept: best on English dev; last; mean of the epochs' weights; label_free: "
            "the one that best tells apart dev rows of the evaluated languages, their labels unread; oracle: "
            "best on those labels (not zero-shot, always shown as oracle)"
        ),
    )


class Overlaps(Shape):
    exclude_overlap: Annotated[bool, Neutral(False)] = Field(
        False, description="leave training rows out that are (nearly) equal to a target's test rows"
    )


class Evaluation(Shape):
    suite: Literal["auto", "mini", "xtreme", "xtreme-r"] = Field(
        "auto", description="benchmark whose totals are reported; auto: mini for data=mini, else xtreme"
    )
    languages: NamesOrAuto = Field("auto", description="evaluate only these languages (English is kept)")
    layer: Literal["auto"] | Annotated[int, Field(ge=0)] = Field(
        "auto",
        description=(
            "retrieval: index in hidden_states, 0 = embeddings; auto: at 0.6 of the depth, so 14 of 24"
        ),
    )
    pooling: Literal["auto", "mean", "cls", "last"] = Field(
        "auto",
        description=(
            "retrieval: how tokens become one vector; auto: mean, for a trained dual encoder cls (of "
            "decoders last)"
        ),
    )
    max_eval_examples: Annotated[CountOrNone, Neutral(None)] = Field(
        None, description="evaluate only so many examples per language, drawn by seed 0"
    )


class Pool(Shape):
    pool: NamesOrAuto = Field(
        "auto",
        description=(
            "candidate intermediate tasks; auto: mini's, with other data those of the nine of Phang et al. "
            "2020 that have training data"
        ),
    )


class Reuse(Shape):
    reuse: Literal["same-code", "any-code", "never"] = Field(
        "same-code", description="take finished phases with equal hashes instead of training again"
    )


class Workers(Shape):
    workers: Literal["auto"] | Annotated[int, Field(gt=0)] = Field(
        "auto",
        description=(
            "processes on this host for the replicates of the demo and the trials of a search; auto: half "
            "the cores, at least 2 where there are 2"
        ),
    )


class Seed(Shape):
    seed: Annotated[int, Field(ge=0)] = Field(0, description="seed of heads, order, dropout and subsets")


class SeedList(Shape):
    seeds: Seeds = Field((0,), description="one transfer for each seed")
    base_seeds: Seeds = Field((0,), description="seeds of the base that model=mini or text=… makes")


class Pretrain(Model, RawText, Trained, Seed, Reuse):
    """More language modelling on raw text, from a checkpoint or from nothing."""

    model: str = Field("scratch:xlm-roberta:mini", description=Model.model_fields["model"].description)


class Intermediate(Model, Data, Mixing, RawText, Trained, Seed, Reuse, Control):
    """One intermediate task or a mixture, before the target task."""


class Target(Model, Data, Targets, Overlaps, Evaluation, Trained, Seed, Reuse, Control):
    """Fine-tunes on the target task's English training set, with a fresh head."""

    target: NamesOrAuto = Field(("pos",), description=Targets.model_fields["target"].description)


class Evaluate(Model, Data, Targets, Evaluation, Seed, Reuse, Control):
    """Zero-shot evaluation in every language, beside chance and majority."""


class Transfer(
    Model, Data, RawText, Mixing, Targets, Overlaps, Evaluation, Trained, SeedList, Reuse, Control, Workers
):
    """The chain: pretrain (optional), intermediate, target, evaluate.
    With neither intermediate nor target given: the demo.
    """

    text: Text = Field(None, description=RawText.model_fields["text"].description)
    intermediate: NamesOrAuto = Field(
        "auto", description="intermediate tasks; none: baseline; auto: nli with data=mini, else none"
    )


class Report(Shape):
    """One page, a verdict and tables about any set of finished runs:
    differences to the baseline, with intervals and power.
    """

    runs: Names = Field(
        (),
        description=(
            "studies, conditions, transfers or evaluations: ids or names; none: all of the experiment"
        ),
    )
    question: str = Field("", description="the question the report answers, in words")
    baseline: Text = Field(
        None,
        description="condition that the others are compared with; none: the one without intermediate task",
    )
    margin: Annotated[float, Field(gt=0)] = Field(
        1.0, description="smallest difference that matters, in points"
    )
    measure: str = Field("auto", description="distance to English for the typology section; auto: syntactic")
    missing: Literal["refuse", "common"] = Field(
        "refuse", description="cells that one condition lacks: refuse, or keep what all have in common"
    )
    imported: Text = Field(
        None, description="scores of an earlier paper (CSV or XTREME's score file), shown beside"
    )
    out: Text = Field(None, description="folder to write the report to; none: only into MLflow")


RANK_METHODS = {
    "size": "training rows (metadata; free)",
    "kind": "same kind of task as the target (metadata; free)",
    "text_emb": "cosine of the texts' mean embeddings (text; one pass of the base)",
    "logme": (
        "evidence of linear models for the target's labels (target labels, and task checkpoints or task "
        "labels; one pass for each checkpoint, or of the base)"
    ),
    "h_score": "as logme, by covariances",
    "task_emb": (
        "Fisher embeddings after a few steps (labels of both; a short training for each task and target)"
    ),
    "few_shot": (
        "dev score of the target after a few steps from each task's checkpoint (target labels, checkpoints; "
        "a short training for each pair)"
    ),
    "english": "each task's own English dev score (checkpoints; free)",
}
"""What each cheap score is (what it needs; what it costs).
Of the target only English training and dev rows are read.
"""


class Rank(Model, Data, RawText, Pool, Overlaps, Trained, Seed, Reuse):
    """Orders candidate tasks for a target by cheap scores, without the runs:
    metadata, text, features, a few steps.
    """

    text: Text = Field(None, description=RawText.model_fields["text"].description)
    target: NamesOrAuto = Field("auto", description=Targets.model_fields["target"].description)
    suite: Literal["auto", "mini", "xtreme", "xtreme-r"] = Field(
        "auto", description=Evaluation.model_fields["suite"].description
    )
    method: Names = Field(
        ("auto",),
        description="scores, fused by mean rank; "
        "auto: logme and h_score, and size for targets without labels. "
        + "; ".join(f"{name}: {about}" for name, about in RANK_METHODS.items()),
    )
    checkpoints: Literal["auto", "none", "train"] = Field(
        "auto",
        description=(
            "of the candidates alone: auto: read if all of them are finished; none: only the base; train: "
            "train the missing first"
        ),
    )
    max_examples: CountOrNone = Field(1000, description="rows of a task that are embedded, drawn by the seed")
    shots: Annotated[int, Field(gt=0)] = Field(64, description="few_shot: training examples of the target")
    steps: Annotated[int, Field(gt=0)] = Field(30, description="few_shot and task_emb: optimiser steps")
    track: bool = Field(False, description="log the ranking into a run")
    output: Literal["table", "json"] = Field("table", description="what is printed")


class Searching(Shape):
    max_tasks: CountOrAuto = Field("auto", description="largest subset; auto: the whole pool")
    space: Text = Field(
        None,
        description=(
            "what varies besides the subset: tasks, mixing, merging, rates, all, ranges "
            "(mlm_share=0:0.5,mixing=uniform|temperature) or a YAML file of them; none: the subset alone"
        ),
    )
    objective: Names = Field(
        ("english_dev",),
        description=(
            "english_dev; label_free, retrieval, cost, oracle (target-language labels: always labelled so); "
            "several: a comma list"
        ),
    )
    n_trials: CountOrNone = Field(40, description="trials of the whole search, duplicates not counted")
    timeout: Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(_nothing)] = Field(
        None, description="seconds after which no trial is begun"
    )
    gpu_hours: Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(_nothing)] = Field(
        None, description="hours of training after which no trial is begun"
    )
    sampler: str = Field(
        "auto",
        description=(
            "tpe, pairwise, gp, nsgaii, nsgaiii, random, brute_force, grid; auto: pairwise (a model of tasks "
            "and pairs) for subsets and one objective, else tpe"
        ),
    )
    rank_by: Names = Field(
        ("auto",),
        description=(
            "cheap scores by which single tasks are tried first, as method of rank; none: the pool's order"
        ),
    )
    pruner: str = Field(
        "none",
        description=(
            "what stops hopeless trials: none; hyperband, asha, median, which look at short chains (1/9 and "
            "1/3 of the steps) before the whole one; wilcoxon, which looks at seeds"
        ),
    )
    reduction_factor: Annotated[int, Field(ge=2)] = Field(
        4,
        description=(
            "asha and hyperband: one in so many goes on from each short chain, and is trained further"
        ),
    )
    study_name: str = Field(
        "auto", description="auto: derived from what is searched, so that the same command goes on"
    )
    storage: str = Field(
        "auto",
        description=(
            "where Optuna keeps the search: auto (a journal file under XFER_HOME/studies), a journal file, "
            "or a database URL"
        ),
    )
    dry_run: bool = Field(False, description="print what would be run and what it would cost, and stop")


class Confirmation(Shape):
    confirm_top: Annotated[int, Field(ge=0)] = Field(
        3, description="how many of the best are run again on fresh seeds, beside the baseline; 0: none"
    )
    confirm_seeds: Annotated[int, Field(ge=2)] = Field(
        5, description="how many fresh seeds the confirmation runs, none of which the search used"
    )
    confirm_combine: Literal["auto", "joint", "merge"] = Field(
        "auto", description="how a search with combine=merge combines what it confirms; auto: joint"
    )
    margin: Annotated[float, Field(gt=0)] = Field(
        1.0, description="smallest difference that matters, in points"
    )


with warnings.catch_warnings():
    warnings.simplefilter(
        "ignore", UserWarning
    )  # pydantic: `register` hides a method of abstract classes, which no shape is

    class Search(
        Model,
        Data,
        RawText,
        Pool,
        Combining,
        Targets,
        Overlaps,
        Evaluation,
        Trained,
        Reuse,
        Workers,
        Searching,
        Confirmation,
    ):
        """Which of these intermediate tasks help these targets:
        searches subsets and settings, and confirms the best on fresh seeds.
        """

        text: Text = Field(None, description=RawText.model_fields["text"].description)
        seeds: Seeds = Field((0,), description="one transfer for each seed")
        register: Text = Field(
            None, description="name under which the best confirmed checkpoint is registered"
        )


class Worker(Shape):
    """Joins a search that was begun elsewhere, in another process or on another machine, until it ends."""

    study_name: str = Field(
        "auto", description="name of the search; auto: the only one under XFER_HOME/studies"
    )
    storage: str = Field("auto", description=Searching.model_fields["storage"].description)
    workers: Annotated[int, Field(gt=0)] = Field(1, description="processes on this host")


VERBS: dict[str, type[Shape]] = {
    "pretrain": Pretrain,
    "intermediate": Intermediate,
    "target": Target,
    "evaluate": Evaluate,
    "transfer": Transfer,
    "search": Search,
    "worker": Worker,
    "report": Report,
    "rank": Rank,
}

NEUTRAL: dict[str, Any] = {
    name: mark.value
    for shape in VERBS.values()
    for name, field in shape.model_fields.items()
    for mark in field.metadata
    if isinstance(mark, Neutral)
}
"""The neutral value of every setting that has one."""

HEADLINE = {
    "pretrain": ("model", "text", "seed"),
    "intermediate": ("model", "data", "intermediate", "seed"),
    "target": ("model", "data", "target", "seed"),
    "evaluate": ("model", "data", "target"),
    "transfer": ("model", "data", "intermediate", "target"),
    "search": ("model", "data", "pool", "target", "objective", "n_trials", "sampler", "study_name"),
    "worker": ("study_name", "storage", "workers"),
    "report": ("runs", "question"),
    "rank": ("model", "data", "pool", "target", "method", "checkpoints"),
}
"""What MLproject declares, at most eight each: MLflow logs every declared default into every run."""


def parse(verb: str, raw: Mapping[str, Any]) -> Shape:
    """Typed parameters of ``verb`` from what a user typed; ``-`` and ``_`` are the same in names.

    Raises:
        XferError: naming every unknown parameter (with a suggestion) and every value that is not accepted.
    """
    shape, problems = VERBS[verb], Problems()
    flat: dict[str, Any] = {}
    scoped: dict[str, dict[str, Any]] = {}
    for typed, value in raw.items():
        phase, _, name = typed.replace("-", "_").rpartition(".")
        known = sorted(_settable(shape)) if not phase else sorted(Training.model_fields)
        if phase and not (phase in TRAINED_PHASES and issubclass(shape, Trained)):
            problems.add(
                f"Parameter {typed!r}: {phase!r} is no phase that {verb} trains.",
                f"Phases: {', '.join(TRAINED_PHASES)}",
            )
        elif name not in known:
            problems.add(unknown("parameter", name, known, f"mlflow-xfer {verb} --help"))
        elif phase:
            scoped.setdefault(phase, {})[name] = value
        else:
            flat[name] = value
    try:
        parsed = shape.model_validate(flat | ({"scoped": scoped} if scoped else {}))
    except ValidationError as error:
        for field in dict.fromkeys(_blamed(fault["loc"]) for fault in error.errors()):
            problems.add(_refused(field, scoped, flat))
    problems.raise_if_any()
    return parsed


def _settable(shape: type[Shape]) -> list[str]:
    return [name for name in shape.model_fields if name != "scoped"]


def _blamed(location: tuple) -> str:
    return ".".join(map(str, location[1:3])) if location[0] == "scoped" else str(location[0])


def _refused(field: str, scoped: Mapping[str, Mapping[str, Any]], flat: Mapping[str, Any]) -> XferError:
    phase, _, name = field.rpartition(".")
    shape_field = _any_field(name)
    typed = scoped[phase][name] if phase else flat[name]
    return XferError(
        f"Parameter {field}={typed} is not accepted.",
        f"Accepted: {accepted_by(shape_field)} ({shape_field.description})",
    )


def _any_field(name: str) -> Any:
    return next(shape.model_fields[name] for shape in VERBS.values() if name in shape.model_fields)


def about(shape: type[Shape]) -> str:
    """What a verb does, on one line."""
    return " ".join((shape.__doc__ or "").split())


def accepted_by(field: Any) -> str:
    """What a field takes, with its bounds, in words."""
    return accepted(field.annotation) + "".join(
        f" {sign} {value}" for part in field.metadata for sign, value in _bounds(part)
    )


def accepted(annotation: Any) -> str:
    """What a parameter takes, in words: for errors, ``--help`` and the tables."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "|".join(map(str, args))
    if origin is Annotated:
        return accepted(args[0]) + "".join(
            f" {sign} {value}" for part in args[1:] for sign, value in _bounds(part)
        )
    if origin is tuple:
        return "comma list" if args[0] is str else f"comma list of {accepted(args[0])}"
    if args:
        return " or ".join("none" if arg is type(None) else accepted(arg) for arg in args)
    return {str: "text", int: "whole number", float: "number", bool: "true|false"}[annotation]


def _bounds(part: Any) -> list[tuple[str, Any]]:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = getattr(part, "metadata", [part])
    return [
        (sign, getattr(item, name))
        for item in found
        for name, sign in signs.items()
        if getattr(item, name, None) is not None
    ]


def typed(value: Any) -> str:
    """A value as a user types it: the inverse of what the shapes read."""
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
