"""The parameters of the verbs that compare: search, rank, report."""

from __future__ import annotations

import warnings
from typing import Annotated, Literal

from pydantic import Field

from mlflow_xfer.params.chain import (
    Combining,
    Data,
    Evaluation,
    InSuite,
    Model,
    Output,
    Printed,
    RawText,
    Reuse,
    Seed,
    SeedList,
    Targets,
    Trained,
    Workers,
)
from mlflow_xfer.params.declare import Shape, setting, with_default
from mlflow_xfer.params.settings import Overlaps, RuntimeOptions
from mlflow_xfer.params.values import (
    Count,
    CountOrAuto,
    CountOrNone,
    Listed,
    MayBeEmpty,
    NamesOrAuto,
    NamesOrNone,
    Natural,
    OneOf,
    Place,
    PlaceOrNone,
    Positive,
    PositiveOrNone,
    Text,
    Whole,
)

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
"""What each proxy is (what it needs; what it costs).
Of the target only English training and dev rows are read.
"""

OBJECTIVES = ("english_dev", "label_free", "retrieval", "cost", "oracle")
SAMPLERS = ("auto", "tpe", "pairwise", "gp", "nsgaii", "nsgaiii", "random", "brute_force", "grid")
PRUNERS = ("none", "hyperband", "asha", "median", "wilcoxon")

Method = Annotated[str, OneOf(("auto", *RANK_METHODS))]
Objective = Annotated[str, OneOf(OBJECTIVES)]


class Pool(Shape, group="candidates"):
    pool: NamesOrAuto = setting(
        "auto",
        "candidate intermediate tasks; auto: mini's, with other data those of the nine of Phang et al. 2020 "
        "that have training data",
    )


class Report(Output, group="report", effect="command"):
    """One page, a verdict and tables about any set of finished runs:
    differences to the baseline, with intervals and power.
    """

    runs: NamesOrNone = setting(
        (), "studies, conditions, transfers or evaluations: ids or names; none: all of the experiment",
        positional=True,
    )  # fmt: skip
    question: str = setting("", "the question the report answers, in words")
    baseline: Text = setting(
        None, "condition that the others are compared with; none: the one without intermediate task"
    )
    margin: Positive = setting(1.0, "smallest difference that matters, in points")
    measure: str = setting("auto", "distance to English for the typology section; auto: syntactic")
    missing: Literal["refuse", "common"] = setting(
        "refuse", "cells that one condition lacks: refuse, or keep what all have in common"
    )
    imported: PlaceOrNone = setting(
        None, "scores of an earlier paper (CSV or XTREME's score file), shown beside"
    )
    out: PlaceOrNone = setting(None, "folder to write the report to; none: only into MLflow")


class Ranking(Output, group="proxies", effect="command"):
    method: Annotated[tuple[Method, ...], Listed] = setting(
        ("auto",),
        "scores, fused by mean rank; auto: logme and h_score, and size for targets without labels. "
        + "; ".join(f"{name}: {about}" for name, about in RANK_METHODS.items()),
    )
    checkpoints: Literal["auto", "none", "train"] = setting(
        "auto",
        "of the candidates alone: auto: read if all of them are finished; none: only the base; train: train "
        "the missing first",
    )
    max_examples: CountOrNone = setting(1000, "rows of a task that are embedded, drawn by the seed")
    shots: Count = setting(64, "few_shot: training examples of the target")
    steps: Count = setting(30, "few_shot and task_emb: optimiser steps")
    track: bool = setting(False, "log the ranking into a run")


class Rank(Model, Data, RawText, Pool, Overlaps, InSuite, Trained, Seed, Reuse, RuntimeOptions, Ranking):
    """Orders candidate tasks for a target by proxies of transfer, without the runs:
    metadata, text, features, a few steps.
    """

    text: PlaceOrNone = with_default(RawText, "text", None)
    target: NamesOrAuto = with_default(Targets, "target", "auto")


class Searching(Shape, group="search", effect="command"):
    study_name: str = setting("auto", "auto: derived from what is searched, so that the same command goes on")
    storage: str = setting(
        "auto",
        "where Optuna keeps the search: auto (a journal file under XFER_HOME/studies), a journal file, or a "
        "database URL",
    )

    max_tasks: CountOrAuto = setting("auto", "largest subset; auto: the whole pool")
    space: PlaceOrNone = setting(
        None,
        "what varies besides the subset: tasks, mixing, merging, rates, all, ranges "
        "(mlm_share=0:0.5,mixing=uniform|temperature) or a YAML file of them; none: the subset alone",
    )
    objective: Annotated[tuple[Objective, ...], Listed] = setting(
        ("english_dev",),
        "what is made as large as it can be: English dev scores; estimates without labels; retrieval; minus "
        "the tokens trained on; oracle (target-language labels: always labelled so)",
    )
    n_trials: CountOrNone = setting(40, "trials of the whole search, duplicates not counted")
    timeout: PositiveOrNone = setting(None, "seconds after which no trial is begun")
    gpu_hours: PositiveOrNone = setting(None, "hours of training after which no trial is begun")
    sampler: Annotated[str, OneOf(SAMPLERS)] = setting(
        "auto",
        "what says which candidate is next; auto: pairwise (a model of tasks and pairs) for subsets and one "
        "objective, else tpe",
    )
    rank_by: Annotated[tuple[Method, ...], Listed, MayBeEmpty] = setting(
        ("auto",),
        "proxies by which single tasks are tried first, as method of rank; none: the pool's order",
    )
    pruner: Annotated[str, OneOf(PRUNERS)] = setting(
        "none",
        "what stops hopeless trials: hyperband, asha and median look at short chains (1/9 and 1/3 of the "
        "steps) before the whole one, wilcoxon looks at seeds",
    )
    reduction_factor: Annotated[Whole, Field(ge=2)] = setting(
        4, "asha and hyperband: one in so many goes on from each short chain, and is trained further"
    )
    batches: CountOrNone = setting(
        None,
        "ask for so many candidates at once and go on when all have ended: then what is tried depends on no "
        "timing, whatever workers; none: ask for another as each ends",
    )
    dry_run: bool = setting(False, "print what would be run and what it would cost, and stop")


class Confirmation(Shape, group="confirmation", effect="command"):
    confirm_top: Natural = setting(
        3, "how many of the best are run again on fresh seeds, beside the baseline; 0: none"
    )
    confirm_seeds: Annotated[Whole, Field(ge=2)] = setting(
        5, "how many fresh seeds the confirmation runs, none of which the search used"
    )
    confirm_combine: Literal["auto", "joint", "merge"] = setting(
        "auto", "how a search with combine=merge combines what it confirms; auto: joint"
    )
    margin: Positive = setting(1.0, "smallest difference that matters, in points")


with warnings.catch_warnings():
    # pydantic: `register` hides a method of abstract classes, which no shape is
    warnings.simplefilter("ignore", UserWarning)

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
        SeedList,
        Reuse,
        Workers,
        Searching,
        Confirmation,
        Output,
        group="confirmation",
        effect="command",
    ):
        """Which of these intermediate tasks help these targets:
        searches subsets and settings, and confirms the best on fresh seeds.
        """

        text: PlaceOrNone = with_default(RawText, "text", None)
        target: NamesOrAuto = with_default(Targets, "target", ("choice",))
        register: Text = setting(None, "name under which the best confirmed checkpoint is registered")

    class Publish(Printed, group="publishing", effect="command"):
        """A trained model for others: a folder as model hubs take it, with a model card and its scores; and a
        version in MLflow's registry.

        Of a condition it is the seed with the best English dev score. ``hf upload NAME FOLDER`` takes the
        folder as it is; its ``results.json`` is what ``report --imported`` of another store reads.
        """

        model: Place = setting(
            ...,
            "a run (of a transfer or condition: its trained target), runs:/… or models:/…",
            positional=True,
        )
        out: PlaceOrNone = setting(None, "new folder for the model, its card and its scores")
        register: Text = setting(None, "name under which it is registered")
        alias: Text = setting("published", "alias of the registered version; none: none")
        task: Text = setting(None, "which target, where the run trained several")


class Repro(Printed, group="repeating", effect="command"):
    """A finished run as a folder from which another machine repeats it, and the check of such a folder.

    The folder holds the spec, digests of all that went in and came out, the commands in order, the installed
    packages, scores and predictions. ``check`` runs the commands in a home and store of their own inside the
    folder and compares: at least 98 % of predictions equal, and no language's score further off than half a
    point. Files that a command names (texts, data, models) are not in the folder; their digests are.
    """

    run: Text = setting(None, "a condition, transfer or phase that has finished: id or name", positional=True)
    out: PlaceOrNone = setting(None, "new folder to write")
    check: PlaceOrNone = setting(None, "folder of an earlier repro: run its commands and compare")
    files: NamesOrNone = setting(
        (), "check: where named files lie on this machine, as run1.text=PATH; none: where they lay"
    )
