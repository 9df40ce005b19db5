"""Overlap between training and test data: what is known by declaration, and what the texts themselves show.

Texts are compared without case, punctuation and spacing. Two rows are near duplicates if their shingles
(three words in a row; four characters in scripts written without spaces) have a Jaccard similarity of at
least 0.7 (Broder 1997), found exactly through an index of the test rows' shingles.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlflow_xfer.data.distinct import Distinct
from mlflow_xfer.data.words import UNSPACED
from mlflow_xfer.kinds import kind as kinds
from mlflow_xfer.tasks.task import Task

if TYPE_CHECKING:
    from datasets import Dataset

NEAR = 0.7
WORDS, CHARACTERS = 3, 4  # length of a shingle
COMMON = 200  # a shingle in more test rows than this says nothing and is left out of the index
SPEAKS = 40  # characters from which an equal text is no accident ("None of the above")


class _Blanks(dict[int, str]):
    """For ``str.translate``: a blank for punctuation, symbols, blanks and controls, else the character."""

    def __missing__(self, code: int) -> str:
        self[code] = " " if unicodedata.category(chr(code))[0] in "PSZC" else chr(code)
        return self[code]


BLANKS = _Blanks()


@dataclass(frozen=True)
class Overlap:
    """What training rows and test rows share.

    Attributes:
        exact: ids of training rows that are, text for text, a test row.
        near: ids of training rows nearly equal to one, without those in ``exact``.
        shared: ids of training rows with a longer text that also stands in a test row, without the above.
        texts: number of distinct longer texts that stand on both sides.
        touched: number of test rows that any of these rows meets; ``of`` is the number of test rows.
        among: number of training rows.
    """

    exact: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    texts: int = 0
    touched: int = 0
    of: int = 0
    among: int = 0

    def __bool__(self) -> bool:
        return bool(self.exact or self.near or self.shared)

    def __str__(self) -> str:
        if not self:
            return "no overlap found"
        return (
            f"{len(self.exact)} equal, {len(self.near)} nearly equal, {len(self.shared)} training rows with "
            f"a shared text; {self.touched} of {self.of} test rows"
        )


def declared(training: Task, target: Task) -> str:
    """What is known of a pair of tasks, as a sentence; empty if nothing is."""
    if target.name in training.overlaps:
        return (
            f"{training.name}'s training data overlap with {target.name}'s test data, or are its originals "
            f"in another language."
        )
    return ""


def audit(
    training: Dataset, kind: str, tests: Mapping[str, Dataset], test_kind: str, whole: bool = False
) -> dict[str, Overlap]:
    """Compare training rows with the test rows of each language; each training text is prepared once.

    Time and memory grow with the number of words; 400,000 pairs against 5,000 take some seconds for each
    language. With ``whole`` only rows that are equal, all texts of a row together, are found: 400,000 pairs
    against as many in some seconds.
    """
    by_language = {
        language: _Meetings(_Index(_texts(test, test_kind), whole)) for language, test in tests.items()
    }
    for name, parts in zip(_names(training), _texts(training, kind), strict=True):
        own = set() if whole else shingles(" ".join(parts))
        longer = [] if whole else [part for part in parts if len(part) >= SPEAKS]
        for meetings in by_language.values():
            meetings.meet(name, parts, own, longer)
    return {
        language: meetings.overlap(len(tests[language]), len(training))
        for language, meetings in by_language.items()
    }


def seen(kind: str, overlaps: Iterable[Overlap]) -> set[str]:
    """Ids of training rows that are (nearly) test rows or, for tasks with paragraphs, share one."""
    return {
        name
        for found in overlaps
        for name in (*found.exact, *found.near, *(found.shared if kinds.data(kind).paragraphs else ()))
    }


def without(training: Dataset, kind: str, overlaps: Iterable[Overlap]) -> Dataset:
    """``training`` less the rows that :func:`seen` names."""
    dropped = seen(kind, overlaps)
    if not dropped:
        return training
    return training.select([number for number, name in enumerate(_names(training)) if name not in dropped])


def _names(training: Dataset) -> list[str]:
    """Ids, each of one row: a query may have that of a candidate."""
    return list(map(Distinct(), training["id"][:]))


def summary(overlaps: Mapping[str, Overlap]) -> dict[str, Any]:
    """Figures over languages, for tags and reports:
    training rows that meet any language, and test rows of all.
    """
    exact = {name for overlap in overlaps.values() for name in overlap.exact}
    near = {name for overlap in overlaps.values() for name in overlap.near} - exact
    shared = {name for overlap in overlaps.values() for name in overlap.shared} - exact - near
    return {
        "exact": len(exact),
        "near": len(near),
        "shared": len(shared),
        "test_rows": sum(o.touched for o in overlaps.values()),
        "languages": [code for code, overlap in overlaps.items() if overlap],
    }


class _Index:
    """Test rows by their whole text and, unless ``whole``, by each of their longer texts and by shingle."""

    def __init__(self, rows: Iterable[list[str]], whole: bool = False):
        self.of_row: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self.of_text: dict[str, list[int]] = defaultdict(list)
        self.of_shingle: dict[str, list[int]] = defaultdict(list)
        self.sizes: list[int] = []
        for number, parts in enumerate(rows):
            self.of_row[tuple(sorted(parts))].append(number)
            if whole:
                continue
            for part in {part for part in parts if len(part) >= SPEAKS}:
                self.of_text[part].append(number)
            own = shingles(" ".join(parts))
            self.sizes.append(len(own))
            for shingle in own:
                self.of_shingle[shingle].append(number)

    def equal_rows(self, parts: list[str]) -> list[int]:
        return self.of_row.get(tuple(sorted(parts)), []) if any(parts) else []

    def near_rows(self, own: set[str]) -> list[int]:
        """Rows whose shingles are nearly ``own``."""
        if len(own) < 3:
            return []
        together: Counter = Counter()
        for shingle in own:
            rows = self.of_shingle.get(shingle, ())
            if len(rows) <= COMMON:
                together.update(rows)
        return [row for row, both in together.items() if both >= NEAR * (len(own) + self.sizes[row] - both)]


@dataclass
class _Meetings:
    """Which training rows met which test rows of one language."""

    index: _Index
    exact: list[str] = field(default_factory=list)
    near: list[str] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)
    touched: set[int] = field(default_factory=set)

    def meet(self, name: str, parts: list[str], own: set[str], longer: list[str]) -> None:
        """Look up one training row: its texts, its shingles and its longer texts."""
        hits = self.index.equal_rows(parts)
        if hits:
            self.exact.append(name)
        elif hits := self.index.near_rows(own):
            self.near.append(name)
        common = [part for part in longer if part in self.index.of_text]
        self.texts.update(common)
        if common and not hits:
            self.shared.append(name)
        self.touched.update(hits, *(self.index.of_text[part] for part in common))

    def overlap(self, of: int, among: int) -> Overlap:
        return Overlap(
            tuple(self.exact),
            tuple(self.near),
            tuple(self.shared),
            len(self.texts),
            len(self.touched),
            of,
            among,
        )


def _texts(dataset: Dataset, kind: str) -> Iterator[list[str]]:
    """The normalised texts of each row."""
    names = [name for name in kinds.data(kind).texts if name in dataset.column_names]
    for values in zip(*(dataset[name][:] for name in names), strict=True):
        parts: list[str] = []
        for name, value in zip(names, values, strict=True):
            strings = [" ".join(value)] if name == "words" else value if isinstance(value, list) else [value]
            parts += [normalised(text) for text in strings if text]
        yield parts


def normalised(text: str) -> str:
    """Compatibility characters unified, lower case, punctuation gone, single blanks;
    no blanks in unspaced scripts.
    """
    if text.isascii():
        return " ".join(text.translate(BLANKS).lower().split())
    kept = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).casefold()).translate(BLANKS)
    joined = ("" if _unspaced(kept) else " ").join(kept.split())
    return unicodedata.normalize("NFC", joined)  # marks may meet letters where blanks went


def shingles(text: str) -> set[str]:
    """Overlapping runs of words of a normalised text, or of characters where words are not separated."""
    if _unspaced(text):
        text = text.replace(" ", "")
        return {text[n : n + CHARACTERS] for n in range(max(1, len(text) - CHARACTERS + 1))}
    words = text.split(" ")
    return {" ".join(words[n : n + WORDS]) for n in range(max(1, len(words) - WORDS + 1))}


def _unspaced(text: str) -> bool:
    return len(UNSPACED.findall(text)) > len("".join(text.split())) / 3
