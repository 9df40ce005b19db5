"""What a task is: one frozen entry that says where the data lie, how they read and how they are scored.

The nouns are seqio's (Raffel et al. 2020, github google/seqio): a ``Task`` names its data sources,
labels and metric; a ``Mixture`` draws from several tasks; a ``Suite`` is a benchmark with groups.
Entries hold no code, so that a task is added in one place and its canonical form can be hashed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlflow_xfer.kinds.kind import ANY, KINDS
from mlflow_xfer.params.settings import Mixing, Recipe
from mlflow_xfer.registry import unknown

SPLITS = ("train", "validation", "test")
POOL = "pool"  # a further split of retrieval tasks whose candidates are the same for all languages

FORMATS = (
    *("tsv", "csv", "jsonl", "json", "parquet", "conll", "conllu", "squad", "parallel", "text", "lines"),
    *("words-tags", "lareqa", "bucc", "xcopa", "tydiqa", "checklist"),
    *("mewsli-mentions", "mewsli-entities", "mewsli-pairs"),
)
"""Formats of files: those of ``data/readers/``, the general ones first."""


def codes(text: str) -> tuple[str, ...]:
    """Names written with blanks between them."""
    return tuple(text.split())


@dataclass(frozen=True)
class Hub:
    """Rows of a Hugging Face data set (``datasets.load_dataset(path, config, split=…)``).

    ``config``, the values of ``splits`` and of ``where`` may hold ``{language}``, which is filled with
    :func:`name_in`. ``columns`` maps the kind's column to the data set's: a name, a dotted
    path (``answers.text``) or several of them (choices; joined for a text). ``revision`` is a commit or
    branch; without one no reuse is claimed. ``where`` keeps the rows in which a column has that value
    (``english*``: begins with); rows whose label is in ``drop`` are left out. ``languages`` of a split are
    named where they are not the task's. A split may be a :class:`Part` (``paths`` = its name on the hub,
    ``share`` = a piece of it). ``files`` names the file of a split where the data set has no configurations.
    The rows of ``also`` follow this data set's own. ``format`` names a reader of ``data/readers/`` for rows
    that hold several of ours. ``prompt`` is a multiple-choice question around what the data set says (``What
    was the {question}?``); ``questions`` names a data set whose ``question`` counts instead, in the row with
    the same id. ``offsets`` as in :class:`Files`.
    """

    path: str
    config: str = ""
    revision: str = ""
    splits: Mapping[str, str | Part] = field(default_factory=lambda: {s: s for s in SPLITS})
    columns: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] | Mapping[str, str] = ()  # of integer labels in the data set's order, or a map
    where: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    languages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    also: tuple[Hub, ...] = ()
    format: str = ""
    prompt: str = ""
    questions: tuple[Hub, ...] = ()
    offsets: str = "characters"


@dataclass(frozen=True)
class Part:
    """The rows of one split: ``paths`` are read one after the other.

    ``ids`` names a file of ids (lines, a JSON list, or the keys of a JSON object): only those rows are read;
    ``exclude_ids``: all but those. ``share`` = (from, to) keeps the rows whose text hashes into that part of
    [0, 1): how a missing validation split is cut from the training rows, in the same way everywhere.
    """

    paths: tuple[str, ...]
    ids: str = ""
    exclude_ids: str = ""
    share: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Files:
    """Rows of local files. ``splits`` maps a split to a path below the data folder; ``{language}`` is filled
    in (with :func:`name_in`); to a tuple of paths (read one after the other; ``parallel``
    and ``bucc``: the sides of a pair); to a :class:`Part`; or to a mapping from language to :class:`Part`.

    ``format``: ``tsv`` (no quoting), ``csv``, ``jsonl``, ``json``, ``parquet``, ``conll``, ``conllu``,
    ``lines``, ``text``, ``squad``, ``parallel`` and those of single benchmarks in ``data/readers/``.
    ``columns`` maps the kind's column to a header name, or to a position (from 0) where ``header`` is false.
    ``labels`` maps what the file says to the task's label names. ``where``, ``drop`` and ``languages`` and
    ``prompt`` as in :class:`Hub`. A list counts as the label ``[]`` if it is empty, else as ``*``.
    ``label_file`` holds the task's label names (lines, or the keys of a JSON object) where the declaration
    cannot. ``offsets``: what places in a context count, ``characters`` (code points), ``utf-16`` (units) or
    ``bytes``.
    """

    splits: Mapping[str, str | tuple[str, ...] | Part | Mapping[str, Part]]
    format: str = "tsv"
    header: bool = False
    columns: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] | Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    languages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    label_file: str = ""
    prompt: str = ""
    offsets: str = "characters"


def name_in(source: Files | Hub, language: str) -> str:
    """What stands for a language in names and columns of a source."""
    return source.codes.get(language, language)


def part_of(source: Files | Hub, split: str, language: str) -> Part | None:
    """The declaration of one split in one language, or None."""
    declared = source.splits.get(split)
    if isinstance(declared, Mapping):
        declared = declared.get(language)
    if declared is None or isinstance(declared, Part):
        return declared
    return Part((declared,) if isinstance(declared, str) else tuple(declared))


@dataclass(frozen=True)
class Generated:
    """Rows made by the embedded suite's generator (``mlflow_xfer.data.mini``) under the entry's ``name``
    there.
    """

    name: str
    splits: tuple[str, ...] = SPLITS


Source = Hub | Files | Generated


ABOUT = {"descriptive": True}
"""Marks a field that is no part of a phase's identity: it describes a task to people, to the plan and to
reports, or reaches a phase in another way (a recipe as resolved settings, languages and sources as rows)."""


@dataclass(frozen=True)
class Task:
    """One task. The default of a field is its neutral value, here and in sources: a field at its default is
    left out of the spec of a phase, and the default never changes.

    ``sources`` is keyed by the value of the ``data`` parameter that selects it: ``hub``, ``folder`` (XTREME's
    ``download/`` layout), ``mini``, or ``file`` (a task file). The splits of one provider may lie in several
    sources: the first that has the split is taken. ``languages`` are those with a test set;
    ``train_languages`` those with training data. ``kind`` names a folder of ``mlflow_xfer.kinds``, which says
    what columns the rows have; ``metric`` one of the kind's.
    """

    name: str
    kind: str
    metric: str
    languages: tuple[str, ...] = field(metadata=ABOUT)
    sources: Mapping[str, tuple[Source, ...]] = field(metadata=ABOUT)
    labels: tuple[str, ...] = ()
    train_languages: tuple[str, ...] = field(default=("en",), metadata=ABOUT)
    # what the task may be: intermediate, target
    uses: tuple[str, ...] = field(default=("intermediate", "target"), metadata=ABOUT)
    trained: bool = True  # False: scored straight from the backbone (Tatoeba, BUCC)
    recipe: Recipe = field(default_factory=Recipe, metadata=ABOUT)
    domain: str = field(default="general", metadata=ABOUT)
    skills: tuple[str, ...] = field(default=(), metadata=ABOUT)
    # Tasks whose test data are (translations of) this one's dev data: it may not select for them.
    dev_of: tuple[str, ...] = field(default=(), metadata=ABOUT)
    # Tasks whose test data are known to be (translations of) this one's training data.
    overlaps: tuple[str, ...] = field(default=(), metadata=ABOUT)
    # Tasks of one family are trained on the same rows, parts of them or translations; default: the name.
    family: str = field(default="", metadata=ABOUT)
    # How a prompted model is asked, where nothing else is said: an option of its kind then.
    template: str = field(default="", metadata=ABOUT)
    description: str = field(default="", metadata=ABOUT)
    licence: str = field(default="", metadata=ABOUT)
    citation: str = field(default="", metadata=ABOUT)
    size: int = field(default=0, metadata=ABOUT)  # training rows, where known
    # Ids and columns of the hub source were read on its pages, in a harness or in a catalogue.
    verified: bool = field(default=False, metadata=ABOUT)
    options: Mapping[str, Any] = field(default_factory=dict)  # of its kind alone, as ``Kind.options`` says
    version: int = 1  # raised when a change of the declaration changes what is read

    def __repr__(self) -> str:
        return f"<Task {self.name}: {self.kind}, {len(self.languages)} languages>"

    def __post_init__(self) -> None:
        declared = self._declared()
        for name, value in self.options.items():
            if name not in declared:
                raise unknown(f"option of {self.kind} tasks", name, declared)
            if value not in declared[name] and not (declared[name] == ANY and isinstance(value, str)):
                raise unknown(f"value of the option {name}", str(value), list(map(str, declared[name])))
        stated = {name: value for name, value in self.options.items() if value != declared[name][0]}
        object.__setattr__(self, "options", stated)

    def option(self, name: str) -> Any:
        """The value of an option of its kind: the task's own, else the default.

        Raises:
            XferError: the kind has no such option.
        """
        declared = self._declared()
        if name not in declared:
            raise unknown(f"option of {self.kind} tasks", name, declared)
        return self.options.get(name, declared[name][0])

    def with_options(self, **values: Any) -> Task:
        """The same task with other values of options."""
        return replace(self, options={**self.options, **values})

    def _declared(self) -> Mapping[str, tuple[Any, ...]]:
        return KINDS.get(self.kind).options


@dataclass(frozen=True)
class Mixture:
    """Several tasks trained jointly: each batch is of one task.

    ``mixing``: ``proportional`` (p_i = min(n_i, cap) / sum), ``temperature`` (p_i = min(n_i, cap)^(1/T) /
    sum, Raffel et al. 2020 §3.5.2) or ``uniform``. ``mlm_share`` is the share of language-model batches
    (Phang et al. 2020 §2).
    """

    tasks: tuple[str, ...]
    mixing: str = "proportional"
    cap: int = 0  # 0: none
    temperature: float = 1.0
    mlm_share: float = 0.0


def mixture_of(tasks: Iterable[str], settings: Mixing) -> Mixture:
    """How the settings of a training mix its tasks."""
    return Mixture(
        tuple(tasks),
        settings.mixing,
        settings.mixing_cap or 0,
        settings.mixing_temperature,
        settings.mlm_share,
    )


@dataclass(frozen=True)
class Suite:
    """A benchmark: its tasks in groups, each task with the languages it is scored on."""

    name: str
    groups: Mapping[str, tuple[str, ...]]
    languages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # if not the task's own
    description: str = ""
    citation: str = ""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Task names in the order of the groups, each once."""
        return tuple(dict.fromkeys(name for names in self.groups.values() for name in names))
