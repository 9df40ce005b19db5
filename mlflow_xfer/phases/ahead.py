"""What local data will be to a phase before it reads them: how many rows, and how many tokens each.

Rows of the hub are not fetched for a plan, and a base model's tokenizer is used only where it is at hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from mlflow_xfer.data import mini
from mlflow_xfer.data.checks import Tally
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.data.stream import TEXT, source_of, stream
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.files import CONFIG
from mlflow_xfer.phases.phase import BaseModel
from mlflow_xfer.phases.references import cached_configuration
from mlflow_xfer.tasks.task import Task

USUAL = 5000  # rows of a dev or test set in one language, where they are not known before they are read
SAMPLE = 400  # rows whose tokens are counted
A_LINE_EACH = ("csv", "jsonl", "lines", "text", "tsv")  # formats whose rows have a line each


_COUNTED: dict[tuple[str, str], int | None] = {}
_TOKENS: dict[tuple[str, str, str, int, bool], float] = {}
_WORDS: dict[str, float] = {}
"""What was found, by task and identity of the rows: many phases of a plan read the same."""


def count(task: Task, rows: Rows) -> int | None:
    """How many rows there are; None where that is not known before they are read."""
    if rows.provider == "mini" and rows.task in mini.EXAMPLES:
        return mini.EXAMPLES[rows.task].sizes[rows.split]
    if not rows.paths:
        return None
    key = (task.name, rows.identity)
    if key not in _COUNTED:
        try:
            _COUNTED[key] = _count(task, rows)
        except (OSError, XferError):  # said where the data are checked
            _COUNTED[key] = None
    return _COUNTED[key]


def _count(task: Task, rows: Rows) -> int:
    if getattr(source_of(task, rows), "format", "") in A_LINE_EACH:
        return sum(_lines(path) for path in rows.paths)
    return sum(1 for _ in stream(task, rows, Tally()))


def _lines(path: str) -> int:
    found = 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            found += block.count(b"\n")
    return found


def tokens_per_row(task: Task, rows: Rows, base: BaseModel, length: int, decoder: bool) -> float:
    """Tokens that a model reads for a row, in all its windows or choices, by the first rows; NaN where data
    or tokenizer are not at hand.
    """
    tokenizer = _tokenizer_of(base) if rows.paths else ""
    if not tokenizer:
        return math.nan
    key = (task.name, rows.identity, tokenizer, length, decoder)
    if key not in _TOKENS:
        try:
            _TOKENS[key] = _tokens(task, rows, tokenizer, length, decoder)
        except (OSError, ValueError, XferError):
            _TOKENS[key] = math.nan
    return _TOKENS[key]


def tokens_of_texts(texts: Sequence[Rows], words: int | None, base: BaseModel | None, length: int) -> float:
    """Tokens of raw texts, one of each language, where of all together ``words`` words are read (None: all);
    NaN where texts or tokenizer are not at hand.
    """
    found = 0.0
    for rows in texts:
        documents, words_each, tokens_each = _documents(rows, base, length)
        if words is not None:
            documents = min(documents, words / len(texts) / words_each)
        found += documents * tokens_each
    return found


def _documents(rows: Rows, base: BaseModel | None, length: int) -> tuple[float, float, float]:
    """Documents of a text, and about how many words and tokens each has; NaN where that is not known."""
    if rows.provider == "mini":
        return mini.text_size(rows.language, **rows.params)
    tokens = math.nan if base is None else tokens_per_row(TEXT, rows, base, length, decoder=False)
    if math.isnan(tokens):
        return math.nan, math.nan, math.nan
    if rows.identity not in _WORDS:
        first = [row["text"] for row in islice(stream(TEXT, rows, Tally()), SAMPLE)]
        _WORDS[rows.identity] = fmean(len(text.split()) for text in first)
    return count(TEXT, rows) or math.nan, _WORDS[rows.identity], tokens


def _tokenizer_of(base: BaseModel) -> str:
    """The folder of the base model's tokenizer; empty where it is not at hand."""
    own, cached = Path(base.path), cached_configuration(base)
    folder = own if (own / CONFIG).is_file() else cached.parent if cached else None
    return str(folder) if folder and (folder / "tokenizer.json").is_file() else ""


def _tokens(task: Task, rows: Rows, tokenizer: str, length: int, decoder: bool) -> float:
    from datasets import Dataset

    from mlflow_xfer.data.encode import encode

    first = list(islice(stream(task, rows, Tally()), SAMPLE))
    if not first:
        return math.nan
    read = _loaded(tokenizer)
    made = encode(Dataset.from_list(first), task, read, length, decoder=decoder, cached=False)
    return float(made.lengths.sum()) / len(first)


@lru_cache(maxsize=1)
def _loaded(folder: str) -> Any:
    """The tokenizer in a folder: a large one takes a second to load, and every task of a plan asks for it."""
    from mlflow_xfer.models.load import load_tokenizer

    return load_tokenizer(folder)
