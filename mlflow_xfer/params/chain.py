"""The parameters of the verbs that run phases: what a chain starts from, what it reads, how it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from mlflow_xfer.params.declare import Shape, parameters, setting, with_default
from mlflow_xfer.params.settings import (
    Adapters,
    Control,
    Embedding,
    EvaluationLimit,
    FewShot,
    Merging,
    Mixing,
    Overlaps,
    Prompting,
    Recipe,
    RuntimeOptions,
    Selection,
    TextSampling,
    TrainingOptions,
)
from mlflow_xfer.params.values import (
    Count,
    Language,
    LanguagesOrAuto,
    Names,
    NamesAutoOrNone,
    NamesOrAuto,
    NamesOrNone,
    Natural,
    NeverNone,
    Place,
    PlaceOrNone,
    Seeds,
    Text,
)

PLACED = ("workers", "engine", "ray_address")
"""Parameters that say where phases run side by side, and nothing of one phase."""

TRAINED_PHASES = ("pretrain", "intermediate", "target")

_recipe: dict[str, Any] = {
    name: (Literal["auto"] | found.rebuild_annotation(), with_default(Recipe, name, "auto"))
    for name, found in Recipe.model_fields.items()
}


class _Options(TrainingOptions, Adapters):
    """What is no task's recipe."""


Training = create_model("Training", __base__=_Options, __cls_kwargs__={"group": "training"}, **_recipe)
"""Settings of a training phase as a user gives them: ``auto`` is the task's recipe."""


class Trained(Training):
    """Training settings of a verb: bare names for all its phases, ``scoped`` for one phase each."""

    scoped: Mapping[str, Training] = Field(default_factory=dict)  # pyright: ignore[reportInvalidTypeForm] - made above

    def training(self, phase: str) -> dict[str, Any]:
        """What was asked of one phase, by name: its scoped values over the bare ones; without what is
        ``auto``."""
        own = self.scoped.get(phase)
        scoped = {name: getattr(own, name) for name in own.model_fields_set} if own else {}
        asked = {name: getattr(self, name) for name in Training.model_fields} | scoped
        return {
            name: value for name, value in asked.items() if value != "auto" or name not in Recipe.model_fields
        }


class BaseSeen(Shape, group="model", effect="command"):
    base_seen: NamesAutoOrNone = setting(
        "auto",
        "what the model's makers trained it on besides raw text (nli,qa,bitext, tasks or families of them): "
        "such targets are shown as base-seen; auto: by the name of a public model",
    )


class Model(BaseSeen, group="model", effect="identity"):
    model: Place = setting(
        "mini",
        "what to start from: hub id, directory, phase run, runs:/…, models:/…, "
        "scratch:<xlm-roberta|llama>:<tiny|mini|small>, mini",
    )
    revision: Text = setting(None, "commit or branch of a hub model")
    tokenizer: Place = setting(
        "auto", "directory, hub id or run; auto: the model's, for scratch models trained on the text"
    )


class Data(Shape, group="data"):
    data: Place = setting("mini", "hub, mini, or a folder in XTREME's download/ layout")
    task_file: PlaceOrNone = setting(None, "YAML file with further tasks")


class RawText(TextSampling, group="raw text"):
    text: PlaceOrNone = setting(
        "mini",
        "raw text: mini, mini-more (further text of mini), or a folder of <language>.txt; none: no pretrain "
        "phase",
    )
    text_languages: LanguagesOrAuto = setting("auto", "languages of the raw text; auto: all there are")


class LanguageAdapters(Shape, group="adapters of languages"):
    adapter: NamesOrNone = setting(
        (),
        "runs of pretrain with trainable=lora, each on texts of one language: lang:RUN is put under what is "
        "trained, LANGUAGE=lang:RUN in its place where that language is evaluated",
    )


class Combining(Mixing, Merging, group="several intermediate tasks"):
    combine: Literal["joint", "sequential", "merge"] = setting(
        "joint",
        "several tasks: in one phase; one phase after the other; or a phase each, whose weights are merged",
    )


class Intermediates(Combining, group="intermediate tasks"):
    intermediate: Names = setting(("nli",), "intermediate tasks")
    intermediate_language: Language = setting(
        "auto",
        "language of the intermediate tasks' training data, where they have it in several (translations), or "
        "several (en,de,tr): each gives its part of the rows, so that there are no more of them; auto: "
        "English, else the first that they have",
    )


class Targets(FewShot, Selection, group="target tasks"):
    target: NamesOrAuto = setting("auto", "target tasks, or a suite's name; auto: the suite's")
    train_on: Text = setting(None, "another training task of the same kind, outside suite totals")
    source_language: Language = setting("en", "language of the target's training data")
    choice_scoring: Literal["head", "likelihood"] = setting(
        "head",
        "multiple choice: a scored head, or (decoders) the length-normalised likelihood of each choice, "
        "which needs no training",
    )
    template: str = setting(
        "",
        "multiple choice by likelihood: Jinja of context, question, choices and choice, what is read ||| "
        "what is scored; with shots by default the task's own",
    )
    prefix: str = setting(
        "",
        "retrieval: text before each query and candidate, blanks included ('query: '), where the model's "
        "maker asks for it",
    )
    passage_prefix: str = setting("", "retrieval: text before each candidate instead")


class InSuite(Shape, group="evaluation"):
    suite: Literal["auto", "mini", "xtreme", "xtreme-r"] = setting(
        "auto", "benchmark whose totals are reported; auto: mini for data=mini, else xtreme"
    )


class Evaluation(InSuite, Embedding, Prompting, EvaluationLimit, group="evaluation"):
    languages: LanguagesOrAuto = setting("auto", "evaluate only these languages (English is kept)")


class Reuse(Shape, group="reuse", effect="command"):
    reuse: Literal["same-code", "any-code", "never"] = setting(
        "same-code", "take finished phases with equal hashes instead of training again"
    )


class Printed(Shape, group="output", effect="command"):
    output: Literal["table", "json"] = setting("table", "what is printed on standard output at the end")


class Output(Printed, group="output", effect="command"):
    verbose: bool = setting(
        False,
        "say of each phase in what it differs from the closest one that was run before, and what is dropped",
    )


class Workers(RuntimeOptions):
    workers: Literal["auto"] | Count = setting(
        "auto",
        "processes on this host, which run phases side by side (of a search its trials); auto: for the demo "
        "and searches half the cores, at least 2 where there are 2; else 1; with engine=ray phases of the "
        "whole cluster, auto: as many as it has GPUs, or half its cores",
    )
    engine: Literal["local", "ray"] = setting(
        "local",
        "what runs phases: processes of this host; ray: a Ray cluster (pip install 'mlflow-xfer[ray]')",
    )
    ray_address: Text = setting(
        None,
        "engine=ray: which cluster: host:port, or auto (the one that RAY_ADDRESS names or that runs on this "
        "host); none: one on this host, for as long as the command takes",
    )
    keep: Literal["auto", "all", "intermediate", "none"] = setting(
        "auto",
        "which weights stay once what they score is known: all; not those of targets; nor those of "
        "intermediate phases. Asked for later, a phase is trained again, to the same bits. auto: all, in "
        "studies and searches intermediate",
    )

    def kept(self, many: bool) -> Literal["all", "intermediate", "none"]:
        """What ``keep`` means where ``many`` weights are made."""
        return ("intermediate" if many else "all") if self.keep == "auto" else self.keep


class Seed(Shape, group="seeds"):
    seed: Natural = setting(0, "seed of heads, order, dropout and subsets")


class SeedList(Shape, group="seeds"):
    seeds: Seeds = setting((0,), "one transfer for each seed")


class BaseSeeds(SeedList, group="seeds"):
    base_seeds: Seeds = setting((0,), "seeds of the base that model=mini or text=… makes")


class Pretrain(Model, RawText, Trained, Seed, Reuse, RuntimeOptions, Output):
    """More language modelling on raw text, from a checkpoint or from nothing."""

    model: Place = with_default(Model, "model", "scratch:xlm-roberta:mini")
    text: Annotated[PlaceOrNone, NeverNone] = setting("mini", "raw text: mini, or a folder of <language>.txt")


class Intermediate(
    Model,
    Data,
    Intermediates,
    RawText,
    LanguageAdapters,
    Trained,
    Seed,
    Reuse,
    Control,
    RuntimeOptions,
    Output,
):
    """One intermediate task or a mixture, before the target task."""


class Target(
    Model,
    Data,
    Targets,
    Overlaps,
    Evaluation,
    LanguageAdapters,
    Trained,
    Seed,
    Reuse,
    Control,
    RuntimeOptions,
    Output,
):
    """Fine-tunes on the target task's English training set, with a fresh head."""

    target: NamesOrAuto = with_default(Targets, "target", ("pos",))


class Evaluate(
    Model, Data, Targets, Evaluation, LanguageAdapters, Seed, Reuse, Control, RuntimeOptions, Output
):
    """Zero-shot evaluation in every language, beside chance and majority."""


class Transfer(
    Model,
    Data,
    RawText,
    Intermediates,
    Targets,
    Overlaps,
    Evaluation,
    LanguageAdapters,
    Trained,
    BaseSeeds,
    Reuse,
    Control,
    Workers,
    Output,
):
    """The chain: pretrain (optional), intermediate, target, evaluate.
    With neither intermediate nor target given: the demo.
    """

    text: PlaceOrNone = with_default(RawText, "text", None)
    intermediate: NamesAutoOrNone = setting(
        "auto", "intermediate tasks; none: baseline; auto: nli with data=mini, else none"
    )


def as_transfer(params: Shape) -> Transfer:
    """The chain that a verb of single phases is a part of: its parameters, and else ``transfer``'s
    defaults. Where a verb calls something else by the same name (the ``shots`` of ``rank``) it stays out."""
    mine, whole = parameters(type(params)), parameters(Transfer)
    others = {name for name in mine.keys() & whole if mine[name].group != whole[name].group}
    shared = {n: getattr(params, n) for n in Transfer.model_fields if hasattr(params, n) and n not in others}
    if isinstance(params, Seed):
        shared["seeds"] = (params.seed,)
    return Transfer.model_construct(**shared)
