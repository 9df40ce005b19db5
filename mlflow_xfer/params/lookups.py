"""The parameters of the commands that train nothing: what there is, what was found, what would be run."""

from __future__ import annotations

import warnings
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, SkipValidation

from mlflow_xfer.params.chain import Printed, Transfer
from mlflow_xfer.params.declare import Shape, setting
from mlflow_xfer.params.values import (
    Count,
    CountOrAuto,
    Listed,
    Names,
    NamesOrAuto,
    NamesOrNone,
    NonNegative,
    Number,
    OneOf,
    Place,
    PlaceOrNone,
    Positive,
    PositiveOrNone,
    Text,
    nothing,
)

PLANNED = ("evaluate", "intermediate", "pretrain", "search", "study", "target", "transfer")
Cache = Literal["checkpoints", "encoded", "data", "overlap"]
CACHES: tuple[Cache, ...] = get_args(Cache)
"""Folders of ``XFER_HOME`` whose entries can be had again."""
SPREAD = ("transfer", "study", "search")
"""Commands that recipes for clusters run."""

SUITES = ("xtreme", "xtreme-r", "mini")

Suite = Annotated[str, OneOf(SUITES)]


class Lineage(Shape, group="run", effect="command"):
    """What a run was made from, back to its base model, as an indented tree."""

    run: str = setting(..., "a run: its id, runs:/… or models:/…", positional=True)


class Results(Shape, group="runs", effect="command"):
    """Per-language scores behind runs, one row per condition, task, language and seed."""

    runs: NamesOrNone = setting((), "runs: ids or names; none: all of the experiment", positional=True)
    filter: str = setting(
        "", "only runs that this filter of MLflow finds, such as tags.`xfer.suite` = 'mini'"
    )
    format: Literal["tsv", "json"] = setting("tsv", "what the command prints")


class Diff(Shape, group="runs", effect="command"):
    """Two runs beside each other: scores by language and bucket of examples, and examples gained and lost."""

    one: Place = setting(
        ..., "a run: id or name; of a transfer or condition, the evaluations", positional=True
    )
    other: Place = setting(..., "the run that is compared with it", positional=True)
    format: Literal["tsv", "json"] = setting("tsv", "what the command prints")


class Predict(Shape, group="predictions", effect="command"):
    """What a trained model says of your own examples: one row for each, its columns and ``prediction``.

    A line of a .txt file is a text or, with tabs in between: two texts; context and question; context,
    question and choices. The other formats name these columns. A model without a task head says which text is
    nearest to each.
    """

    model: Place = setting(
        ..., "a run (of a transfer or condition: its trained target), runs:/…, models:/…, directory, hub id",
        positional=True,
    )  # fmt: skip
    file: Place = setting(..., "the examples: .txt, .tsv, .csv or .jsonl", positional=True)
    task: Text = setting(None, "which target or head, where the model has several")
    max_seq_length: CountOrAuto = setting(
        "auto", "tokens read of a text; auto: as trained, where known, else all the model takes, up to 512"
    )
    format: Literal["tsv", "jsonl"] = setting("tsv", "what the command prints")


class Score(Printed, group="submissions", effect="command"):
    """Scores a folder of predictions against a folder of labels by the suite's own rules.

    The function returns, and the command prints with ``output=json``, ``{suite, avg|None, groups,
    tasks: {name: {score, components, languages}}, missing, …}``.
    """

    predictions: Place = setting(
        ..., "folder with one folder a task, as in predictions/xnli/test-sw.tsv", positional=True
    )
    labels: Place = setting(..., "labels in the same shape", positional=True)
    suite: Suite = setting("xtreme", "benchmark whose rules and totals are used")
    track: bool = setting(False, "log the figures into a run")


class Submission(Shape, group="submissions", effect="command"):
    """Gathers predictions in XTREME's format (of several runs the best of each target by dev), and says what
    a leaderboard would refuse.
    """

    runs: Annotated[tuple[str, ...], Listed, Field(min_length=1)] = setting(
        ..., "evaluate runs, transfers or conditions", positional=True
    )
    out: Place = setting(..., "a new folder for the predictions", positional=True)
    suite: Suite = setting("xtreme", "benchmark whose format and completeness are checked")


class Tasks(Shape, group="tasks", effect="command"):
    """The tasks that there are, a line each; all that one of them says; or what is wrong with a task file."""

    name: Text = setting(None, "explain this task", positional=True)
    kind: Text = setting(None, "only tasks of this kind")
    use: Annotated[Literal["intermediate", "target"] | None, BeforeValidator(nothing)] = setting(
        None, "only tasks for this use"
    )
    language: Text = setting(None, "only tasks with a test set in this language")
    skill: Text = setting(None, "only tasks made of this skill (the embedded suite declares them)")
    domain: Text = setting(
        None, "only tasks of this domain (general, biomedical, legal, science, or a task file's own)"
    )
    check: Text = setting(None, "read this task file and all its data, and report what is wrong")
    task_file: Text = setting(None, "list this file's tasks too")


class Suites(Shape, group="suites", effect="command"):
    """The suites (benchmarks) that there are, or the tasks and languages of one."""

    name: Text = setting(None, "show this suite", positional=True)


class Languages(Shape, group="languages", effect="command"):
    """Languages with their distances; blank is not known, never 0."""

    codes: NamesOrNone = setting((), "only these languages; none: all", positional=True)
    family: Text = setting(None, "only languages of this family")
    script: Text = setting(None, "only languages in this script (ISO 15924: Latn, Cyrl …)")
    benchmark: Text = setting(None, "only languages of this set (xtreme-r, masakhaner, americasnli)")
    measures: NamesOrNone = setting(
        (), "distances to show, which show=distances explains; none: the usual ones"
    )
    to: str = setting("en", "the language that distances are measured to")
    show: Literal["languages", "distances", "sources"] = setting(
        "languages",
        "the languages; which distances there are; or sources: which languages to train on for the named "
        "ones, nearest first, by distances between any two",
    )
    texts: PlaceOrNone = setting(
        None,
        "instead: morphology measured on texts of yours that translate each other line by line: a folder of "
        "<language>.txt, or a CSV with a column for each language",
    )


class Translate(Shape, group="translation", effect="command"):
    """Training rows in another language, translated by a model on this machine.

    A row's other columns stay, so that the file is training data of the language in a task file. What a model
    said is kept: an interrupted translation goes on. With ``back`` the translations are translated back, and
    rows that come back as something else can be left out.
    """

    file: Place = setting(..., "rows: JSON lines", positional=True)
    model: Place = setting(..., "the translator: directory or hub id of an encoder-decoder (Marian, NLLB)")
    out: Place = setting(..., "new file for the translated rows; beside it OUT.report.json")
    columns: Names = setting(("text_a", "text_b"), "columns to translate")
    source: str = setting(
        "",
        "language of the rows as the model spells it (NLLB: eng_Latn); empty for models of one pair (Marian)",
    )
    target: str = setting("", "language of the translations, likewise; of Marian's of several: fra")
    back: PlaceOrNone = setting(None, "a translator back, for the round trip; of NLLB the same one")
    at_least: Annotated[Number, Field(ge=0, le=100)] = setting(
        0.0, "rows whose round trip has a smaller chrF (0-100, its worst column) are left out"
    )
    beams: Count = setting(1, "beams of the search")
    batch: Count = setting(16, "texts that are translated at once")
    device: Literal["auto", "cpu", "cuda"] = setting("auto", "auto: the first GPU, else the CPU")


class Fetch(Shape, group="fetch", effect="command"):
    """Fetches XTREME's data from where their makers publish them, into the folder that ``data`` takes.

    Says of each data set its licence, size and address. What is there stays; the same command goes on where
    it stopped. Checksums are those that are published, or were recorded in ``fetched.json`` when a file was
    first taken. Test sets keep their labels.
    """

    suite: Literal["xtreme"] = setting("xtreme", "whose data", positional=True)
    tasks: NamesOrAuto = setting("auto", "only these tasks; auto: all that need no login")
    out: Place = setting("download", "the folder for the data")
    mirror: Text = setting(
        None, "address that holds copies, each under its host and path: https://mirror/<host>/<path>"
    )
    dry_run: bool = setting(False, "print what would be fetched, and stop")


class Sync(Shape, group="sync", effect="command"):
    """Delivers what earlier commands could not log because the tracking server was away."""

    moved_from: Text = setting(
        None, "address that the tracking server had before: what was kept for it is delivered too"
    )


class Recipe(Shape, group="recipe", effect="command"):
    """What Slurm or Kubernetes is told to run a command on several nodes, with what its plan needs of each.

    Takes that command's parameters. Each node runs the same command and shares its phases through the
    tracking server; with ``ray`` one command runs them all. Submits nothing.
    """

    system: Literal["slurm", "kubernetes"] = setting("slurm", "for which system", positional=True)
    verb: Annotated[str, OneOf(SPREAD)] = setting("transfer", "the command to run", positional=True)
    nodes: Count = setting(1, "how many nodes run it")
    ray: bool = setting(False, "one command that runs all nodes, through Ray (a search on several needs it)")
    gpu: Text = setting(None, "the nodes have this GPU (H100, A100-40, RTX4090 …); none: they have none")
    hours: Positive = setting(24.0, "after which a node is taken back")
    image: str = setting(
        "registry.example.org/mlflow-xfer:latest",
        "kubernetes: image with mlflow-xfer (for ray with mlflow-xfer[ray])",
    )
    out: PlaceOrNone = setting(None, "file to write it to; none: it is printed")
    of: SkipValidation[Shape] = Field(default_factory=Transfer)
    """The parameters of ``verb``."""


class Doctor(Shape, group="doctor", effect="command"):
    """What this environment would do: versions beside the tested ones, the store, caches, runs left open."""

    fix: bool = setting(False, "end the runs that commands left open when they died")


class Gc(Shape, group="gc", effect="command"):
    """Keeps the copies and caches of this machine within a budget; says what would go before anything does.

    What was not used for longest goes first. What cannot be had again never goes: results and weights of
    runs, states of interrupted trainings, records that wait. Nothing goes while a command runs here.
    """

    budget: NonNegative = setting(50.0, "gigabytes that copies and caches may take together")
    caches: Annotated[tuple[Cache, ...], Listed] = setting(
        CACHES, "what may go: fetched checkpoints, encodings, rows that were read, comparisons of rows"
    )
    dry_run: bool = setting(True, "say what would go, and drop nothing")


with warnings.catch_warnings():
    # pydantic: `json` hides a method of all shapes that is not used
    warnings.simplefilter("ignore", UserWarning)

    class Plan(Shape, group="plan", effect="command"):
        """The phases that a command would run, each once, what is reused, and what the rest costs. Takes that
        command's parameters. Trains nothing.
        """

        verb: Annotated[str, OneOf(PLANNED)] = setting("transfer", "the command to plan", positional=True)
        overlap: bool = setting(
            False,
            "compare training with test rows now, which may take a while; else what is declared or was "
            "measured before is shown",
        )
        gpu: Text = setting(
            None,
            "say what each phase needs of this GPU (H100, A100-40, RTX4090 …; here: this machine) and how "
            "long it takes there: arithmetic, memory, disk, and what would make it fit",
        )
        price: PositiveOrNone = setting(
            None, "of an hour of one process: what the time costs is said beside it"
        )
        json: bool = setting(False, "the command prints JSON")
        of: SkipValidation[Shape] = Field(default_factory=Transfer)
        """The parameters of ``verb``."""
