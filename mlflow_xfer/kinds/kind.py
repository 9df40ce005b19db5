"""What a kind of task is: one line that registers it, and the three parts that its folder holds.

A kind says how examples read, what a model answers and how answers are scored. It stands in
``kinds/<name>/``: ``data.py`` (no torch), ``model.py`` (torch) and ``scoring.py`` (numpy), each with one
object ``KIND`` of the class below. Generic code asks :func:`data`, :func:`model` and :func:`scoring` by the
kind's name. Nothing outside a kind's folder imports it by statement, save a kind that its heads answer
(:attr:`Kind.heads`), and this module imports nothing of data, models, training or scoring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.registry import Registry, unknown

ANY = ("",)
"""Values of an option that is any text."""


@dataclass(frozen=True)
class Kind:
    """A kind of task.

    Attributes:
        name: what ``kind:`` says in a task file, and the folder in ``kinds/``.
        metrics: names of the metrics that may score it, the default first; empty: it is not scored.
        options: what :attr:`Task.options` may hold, each with the values that it may take, the default first;
            with :data:`ANY` alone, any text, by default none.
        heads: the kind whose heads answer it, where it has none of its own: what is trained as that kind is
            scored as this one, too.
        spoken: by metric the languages that it is defined for, where these are not all.
    """

    name: str
    metrics: tuple[str, ...]
    options: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    heads: str = ""
    spoken: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Further:
    """What an evaluation reads beside the rows that it scores.

    Attributes:
        dev: languages whose validation rows are needed, since a threshold is tuned on them.
        others: languages whose test rows are candidates too.
        pool: whether there are candidates for all languages.
    """

    dev: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    pool: bool = False


class Data:
    """How examples of a kind read: columns, conversion and encoding. Knows neither torch nor models.

    What a kind does not have raises :class:`XferError`. Every example has a text ``id`` beside its columns.

    Attributes:
        name: the kind's.
        columns: what each column holds: ``text``, ``texts``, ``integer``, ``number`` or ``spans`` (texts and
            where they begin).
        texts: the columns that a model reads: what a row says without its answer.
        answers: the columns that hold answers, which a prediction must not see.
        declared: the columns that a source may declare.
        labels: what a task's labels are: ``names``; ``order`` (of the first choice, the second …); or none.
        counted: the column whose values show that labels are constant or stripped; may be none.
        group: the column whose text stands on one side where a split is cut.
        paragraphs: whether texts are long enough that one seen in training is not unseen at test.
        windows: whether a text that is longer than a row is read in several rows, not cut.
        filled: columns that may not be blank in a user's rows, where they are there.
        asked: the columns of a user's own examples, for ``predict``; ``optional`` of them may be left out.
        pool: whether there may be candidates for all languages.
        untrained: whether a task without training data is scored straight from a backbone.
        selects_by: values of ``select_by`` that choose a checkpoint by dev rows of other languages.
        ids: what names the rows of a split, where :class:`mlflow_xfer.data.distinct.Ids` does not.
        foretold: whether labels stand for classes that features can foretell (``rank``).
    """

    name = ""
    columns: Mapping[str, str] = {}
    texts: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()
    labels = ""
    counted = ""
    group = ""
    paragraphs = False
    windows = False
    filled: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    pool = False
    untrained = False
    selects_by: tuple[str, ...] = ("label_free", "oracle")
    ids: Any = None
    foretold = False

    # -- rows -----------------------------------------------------------------------------------------------
    def convert(self, task: Any, source: Any) -> Callable[[Any], dict[str, Any] | None]:
        """A function from a raw row of ``source`` to the columns; None for rows that are left out.

        The function raises ``BadRow`` for values that are missing or of a wrong type and ``NoLabel`` for rows
        without a gold label (``data/labels.py``).
        """
        raise NotImplementedError

    def completed(self, row: dict[str, Any], name: str) -> dict[str, Any]:
        """A converted row with what follows from its id, ``name``."""
        return row

    def needs_id(self, row: Mapping[str, Any]) -> bool:
        """Whether a converted row must have the column of ids, where one is declared."""
        return True

    def unlabelled(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """A user's own example in the columns; raises KeyError or ValueError for what it lacks."""
        raise XferError(f"Tasks of kind {self.name} predict nothing.")

    def in_line(self, fields: list[str]) -> dict[str, Any]:
        """The columns of a user's own example from a line of text with tabs in it."""
        if len(fields) > len(self.asked):
            raise XferError(
                f"{len(fields)} fields with tabs between them, but {self.name} has {len(self.asked)}: "
                f"{fields[0][:40]!r} …",
                f"In a .txt file a line is: {' <tab> '.join(self.asked)}",
            )
        return dict(zip(self.asked, fields, strict=False))

    def gold(self, task: Any, splits: Mapping[str, Any]) -> dict[str, list]:
        """By split, the right answer of each example."""
        raise XferError(f"Tasks of kind {self.name} have no right answers.")

    # -- splits ---------------------------------------------------------------------------------------------
    def across(self, task: Any, splits: Mapping[tuple[str, str], Any]) -> list[XferError]:
        """What is wrong between splits, by (split, language), that are right each by itself."""
        return []

    def remarks(self, task: Any, table: Any) -> list[str]:
        """What ``tasks --check`` remarks on the rows of a split, an Arrow table."""
        return []

    def training(self, split: Any, pool: Any, what: str) -> Any:
        """What is trained on; ``pool`` holds candidates for all languages (or is None), ``what`` names it."""
        return split

    def dev(self, split: Any, pool: Any) -> Any:
        """What a checkpoint is judged on while it trains."""
        return split

    def needs_head(self, task: Any) -> bool:
        """Whether answers come from a head that was trained."""
        return True

    def demonstrations(self, task: Any, rows: Any) -> str:
        """Solved examples as text that stands before each question of a prompted model."""
        raise XferError(f"Tasks of kind {self.name} cannot be prompted.")

    def tunes_on_dev(self, task: Any) -> bool:
        """Whether a threshold is tuned on validation rows, which are scored where there is no test set."""
        return False

    def further(self, task: Any, scored: Sequence[str], tested: Sequence[str]) -> Further:
        """What is read beside rows in the languages ``scored``, of which ``tested`` have test rows."""
        return Further()

    # -- encoding -------------------------------------------------------------------------------------------
    def encode(self, dataset: Any, task: Any, tokenizer: Any, limit: int, decoder: bool) -> Any:
        """The examples as token ids, see ``data/encode.py``."""
        raise NotImplementedError

    # -- what a task file leaves open -----------------------------------------------------------------------
    def default_metric(self, labels: Sequence[str], columns: Mapping[str, Any], splits: Sequence[str]) -> str:
        """The metric of a task with these labels, declared columns and splits."""
        return next(iter(KINDS.get(self.name).metrics), "")

    def options_of(self, labels: Sequence[str]) -> Mapping[str, Any]:
        """Options of a user's task that follow from its labels; raises :class:`XferError` if they do not."""
        return {}

    def format_of(self, suffixes: set[str], columns: Mapping[str, Any]) -> str | None:
        """The format of files with these endings, where the kind has one of its own."""
        return None


class Model:
    """What a model makes of encoded examples of a kind: head, batches, loss, answers and dev score.

    What a kind does not have raises :class:`XferError`; :meth:`has` says so beforehand.

    Attributes:
        name: the kind's.
        parted: whether a batch may be computed in parts; not where its rows are one another's negatives.
        marks: names in a head's configuration that :meth:`marked` may set.
    """

    name = ""
    parted = True
    marks: tuple[str, ...] = ()

    def has(self, part: str) -> bool:
        """Whether the kind has ``part``, the name of a method of this class."""
        return getattr(type(self), part) is not getattr(Model, part)

    def _lacks(self, part: str, what: str) -> XferError:
        having = [name for name in KINDS.names() if model(name).has(part)]
        return XferError(f"Tasks of kind {self.name} have no {what}.", f"Kinds that do: {', '.join(having)}")

    # -- the head -------------------------------------------------------------------------------------------
    def head(self, task: Any, backbone: Any, seed: int, lm: Any = None) -> Any:
        """A fresh head for ``task`` on ``backbone``; ``lm`` is the language model on it, if there is one."""
        raise self._lacks("head", "head to train")

    def head_class(self, config: Any) -> Any:
        """The class of a head at the root of a checkpoint, for an architecture."""
        raise self._lacks("head_class", "head to train")

    def head_config(self, task: Any, config: Any) -> Any:
        """A copy of the backbone's configuration with what the head adds to it."""
        return type(config).from_dict(config.to_dict())

    def loaded(self, config: Mapping[str, Any]) -> bool:
        """Whether the configuration at the root of a checkpoint is that of a head of this kind."""
        return False

    def labels(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """The labels that a head's configuration names."""
        return ()

    def as_saved(self, task: Any, config: Mapping[str, Any], where: Any) -> Any:
        """``task`` as the head of the checkpoint at ``where``, with ``config``, was trained on it."""
        return task

    # -- batches --------------------------------------------------------------------------------------------
    def marked(self, task: Any, encoded: Any) -> Mapping[str, Any]:
        """What training rows leave in the head's configuration; raises for rows that cannot train it."""
        return {}

    def inputs(self, encoded: Any, rows: Sequence[int], how: Any) -> dict[str, Any]:
        """What a head reads of ``rows``."""
        raise self._lacks("inputs", "head to read them")

    def targets(self, encoded: Any, rows: Sequence[int], inputs: Mapping[str, Any]) -> tuple[dict, int]:
        """What :meth:`loss_sum` needs for ``rows``, and how many targets they are."""
        raise self._lacks("targets", "targets to train on")

    def loss_sum(self, output: Any, targets: Mapping[str, Any]) -> Any:
        """The loss summed over the targets of a batch, in float32; label -100 counts for nothing."""
        raise self._lacks("loss_sum", "head to train")

    # -- answers --------------------------------------------------------------------------------------------
    def answers(
        self, head: Any, task: Any, encoded: Mapping, splits: Mapping, how: Any, token_budget: int
    ) -> dict[str, list]:
        """By split, an answer for each example."""
        raise self._lacks("answers", "head to answer")

    def from_checkpoint(
        self, model_dir: Any, task: Any, splits: Mapping[str, Any], options: Any
    ) -> dict[str, list]:
        """As :meth:`answers`, where a kind reads the checkpoint at ``model_dir`` in a way of its own."""
        raise self._lacks("from_checkpoint", "way of their own to read a checkpoint")

    def dev_score(self, task: Any, predictions: Sequence, references: Sequence) -> float:
        """A plain score that chooses a checkpoint, 0-100, the higher the better.

        It stands here and not in the kind's scoring: a correction of a reported metric retrains nothing.
        """
        raise self._lacks("dev_score", "dev score")

    def is_collapsed(self, task: Any, predictions: Sequence, references: Sequence) -> bool:
        """Whether a model does no better than one that always gives the same answer."""
        return False

    # -- what not every kind has ----------------------------------------------------------------------------
    def probabilities(self, head: Any, task: Any, encoded: Any, how: Any, token_budget: int) -> Any:
        """The answers' probabilities [items, answers]: of examples, or of words where words are tagged."""
        raise self._lacks("probabilities", "answers in common, to be sure of")

    def signal(self, head: Any, task: Any, encoded: Any, how: Any, token_budget: int) -> float:
        """How well a head tells rows apart, 0-100, without reading a label."""
        raise self._lacks("signal", "signal without labels (select_by=label_free)")

    def units(self, states: Any, mask: Any, encoded: Any, rows: Any) -> tuple[Any, Any]:
        """From states [texts, tokens, hidden] of ``rows``: vectors [units, hidden] and labels [units]."""
        raise self._lacks("units", "labels to foretell")

    def vectors(self, model_dir: Any, task: Any, splits: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        """By split, vectors of queries and of candidates; options are those of a prediction."""
        raise self._lacks("vectors", "vectors of queries and candidates")

    def are_texts(self, encoded: Any, rows: Any, n: int) -> Any:
        """Which of the ``n`` texts of a batch there are, as an array; None: all."""
        return None


class Scoring:
    """How answers are judged: metrics, a whole evaluation, chance, files, and what the verbs take and show.

    What a kind does not have raises :class:`XferError`. Types named here stand in ``mlflow_xfer/scoring/``.

    Attributes:
        name: the kind's.
        metrics: by name, each :class:`Metric` of :attr:`Kind.metrics`.
        may_lack: columns of its texts that a table to predict from need not have.
        predicts: the columns that :meth:`predicted` adds to a user's rows.
    """

    name = ""
    metrics: Mapping[str, Any] = {}
    may_lack: tuple[str, ...] = ()
    predicts: tuple[str, ...] = ("prediction",)

    def _lacks(self, what: str) -> XferError:
        return XferError(f"Tasks of kind {self.name} have no {what}.", "Only kinds with a metric are scored.")

    # -- an evaluation --------------------------------------------------------------------------------------
    def metric(self, task: Any) -> Any:
        """The :class:`Metric` of a task."""
        return self.metrics[task.metric]

    def splits(self, task: Any, read: Sequence[tuple[Any, Any]], limit: int | None, scored: Sequence) -> Any:
        """The :class:`Splits` of an evaluation, from what was ``read``: pairs of ``Rows`` and their data set.

        ``limit`` is the largest number of examples to score; ``scored`` names the languages, if not all are.
        """
        raise self._lacks("evaluation")

    def evaluation(self, task: Any, splits: Any, predictor: Any) -> dict[str, Any]:
        """By language, what a :class:`Predictor` says of the ``splits`` beside what
        is right: :class:`Compared`."""
        raise self._lacks("evaluation")

    def baselines(
        self,
        metric: Any,
        references: Sequence,
        training: Sequence | None,
        options: Any,
        language: str,
        rng: Any,
    ) -> dict[str, float]:
        """``chance`` and ``majority`` by a :class:`Metric` or its name; 0 where there is nothing to guess
        from. See ``scoring/baselines.py``."""
        return {"chance": 0.0, "majority": 0.0}

    def examples(self, task: Any, language: str, found: Any, limit: int) -> list[dict[str, Any]]:
        """The first ``limit`` examples of a :class:`Compared` for a reader: ``text``, ``gold``,
        ``predicted``, ``right``; none where answers are not about single texts."""
        return []

    def buckets(
        self, task: Any, found: Mapping[str, Any], trained_on: Callable[[], Sequence[Any]]
    ) -> list[dict[str, Any]]:
        """Scores of an evaluation by attributes of its examples, a row for each
        language, attribute and bucket.

        ``trained_on`` reads the data sets that the target was trained on; none where it was not trained.
        """
        return []

    # -- files ----------------------------------------------------------------------------------------------
    def file_format(self, task: Any) -> Any:
        """The :class:`Format` of a file of predictions."""
        raise self._lacks("file of predictions")

    # -- tables of users ------------------------------------------------------------------------------------
    def options_of(self, references: Sequence) -> Mapping[str, Any]:
        """Options that follow from the right answers of a task that is declared nowhere."""
        return {}

    def columns(self, task: Any, language: str, references: Sequence) -> dict[str, list]:
        """The references of a user's table as columns of a split, such as an evaluation reads."""
        raise self._lacks("right answers")

    def table_splits(self, task: Any, table: Any, split: Callable[[Any], Any]) -> Any:
        """The :class:`Splits` of a user's data frame; ``split`` makes a data set of rows in one language."""
        raise self._lacks("evaluation")

    def given(self, task: Any, language: str, table: Any) -> Any:
        """The predictions of a data frame in one language as :class:`Compared`;
        None: it has none to score."""
        raise self._lacks("right answers")

    def predicted(self, task: Any, rows: Sequence[Mapping], predictor: Any) -> list[dict[str, Any]]:
        """A user's rows with what a :class:`Predictor` says of them."""
        raise self._lacks("answers")


KINDS: Registry[Kind] = Registry("kind of task", "mlflow-xfer tasks")
for _kind in (
    Kind("classification", ("accuracy",), {"pooling": ("auto", "cls", "mean", "last")}),
    Kind(
        "tagging",
        ("tag_f1", "tag_accuracy", "entity_f1"),
        {"scheme": ("xtreme", "bare", "iob1", "iob2", "iobes", "bilou")},
    ),
    Kind(
        "multiple_choice",
        ("accuracy",),
        {"choice_scoring": ("head", "likelihood"), "template": ANY, "demonstrations": ANY},
    ),
    Kind(
        "span_qa",
        ("squad", "mlqa", "squad_v2"),
        spoken={"mlqa": ("ar", "de", "en", "es", "hi", "vi", "zh")},
    ),
    Kind(
        "retrieval",
        ("retrieval_accuracy", "map_at_20", "bucc_f1"),
        {
            "centred": (False, True),
            "pooled": (False, True),
            "pooling": ("auto", "cls", "mean", "last"),
            "prefix": ANY,
            "passage_prefix": ANY,
        },
    ),
    Kind("regression", ("pearson", "spearman"), {"pooling": ("auto", "cls", "mean", "last")}),
    Kind("language_model", ()),
    Kind("span_cases", ("cases_passed",), heads="span_qa"),
):
    KINDS.add(_kind.name, _kind)


def data(name: str) -> Data:
    """The :class:`Data` of a kind."""
    return _part(name, "data")


def model(name: str) -> Model:
    """The :class:`Model` of a kind."""
    return _part(name, "model")


def scoring(name: str) -> Scoring:
    """The :class:`Scoring` of a kind."""
    return _part(name, "scoring")


def answered_alike(one: str, other: str) -> bool:
    """Whether heads of the same kind answer tasks of both kinds."""
    first, second = (KINDS.get(name).heads or name for name in (one, other))
    return first == second


def of_metric(metric: str, *likely: str) -> str:
    """The kind that a metric scores: the first of the ``likely`` ones that has it, else of all.

    Raises:
        XferError: if no kind has it.
    """
    having = [kind.name for kind in KINDS if metric in kind.metrics]
    if not having:
        raise unknown("metric", metric, {known for kind in KINDS for known in kind.metrics})
    return next((name for name in likely if name in having), having[0])


def _part(name: str, part: str) -> Any:
    return import_module(f"mlflow_xfer.kinds.{KINDS.get(name).name}.{part}").KIND
