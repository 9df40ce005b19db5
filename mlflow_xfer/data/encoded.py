"""Token ids of a split: flat arrays, joined, collected row by row, and kept in a cache."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlflow_xfer.durable.files import whole_folder
from mlflow_xfer.home import home

IGNORED = -100  # what cross-entropy leaves out


@dataclass(frozen=True)
class Encoded:
    """One split as token ids. A row is what a model reads at once;
    an example may have several (windows, choices).

    Attributes:
        tokens: ids of all rows, one after the other, int32.
        starts: [rows + 1] where each row begins in ``tokens``.
        columns: per row (``label`` of classification, ``example``, ``second`` = where the second text begins)
            or, with names that begin with ``token_``, as long as ``tokens``.
        counts: ``examples``, ``truncated`` examples (those longer than a row), and of their whole texts
            ``words`` and ``subwords`` (without special tokens).
    """

    tokens: np.ndarray
    starts: np.ndarray
    columns: Mapping[str, np.ndarray]
    counts: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.starts)

    def row(self, index: int) -> np.ndarray:
        return self.tokens[self.starts[index] : self.starts[index + 1]]

    def token_column(self, name: str, index: int) -> np.ndarray:
        return self.columns[name][self.starts[index] : self.starts[index + 1]]

    @property
    def truncation_rate(self) -> float:
        """Share of examples that are longer than the length limit (0-1)."""
        return self.counts.get("truncated", 0) / max(self.counts.get("examples", 0), 1)

    @property
    def fertility(self) -> float:
        """Subwords per word (Ács 2019), see :mod:`mlflow_xfer.data.words`; per given word for tagging."""
        return self.counts.get("subwords", 0) / max(self.counts.get("words", 0), 1)


class Rows:
    """Collects rows of an :class:`Encoded`."""

    def __init__(self, token_columns: Sequence[str] = (), row_columns: Sequence[str] = ()):
        self.ids: list[np.ndarray] = []
        self.token = {name: [] for name in token_columns}
        self.per_row: dict[str, list[int | float]] = {name: [] for name in row_columns}
        self.columns: dict[str, np.ndarray] = {}
        self.truncated: set[int] = set()  # numbers of the examples that are longer than a row
        self.counts: dict[str, int] = {"examples": 0, "truncated": 0, "words": 0, "subwords": 0}

    def add(self, ids: Sequence[int] | np.ndarray, **columns: Any) -> None:
        self.ids.append(np.asarray(ids, np.int32))
        for name, value in columns.items():
            (self.token if name in self.token else self.per_row)[name].append(value)

    def count(self, **counts: int) -> None:
        for name, value in counts.items():
            self.counts[name] += int(value)

    def done(self) -> Encoded:
        starts = np.zeros(len(self.ids) + 1, np.int64)
        np.cumsum([len(ids) for ids in self.ids], out=starts[1:])
        columns = dict(self.columns)
        columns |= {name: _numbers(values) for name, values in self.per_row.items()}
        columns |= {
            name: _flat([np.asarray(v, np.int32) for v in values]) for name, values in self.token.items()
        }
        return Encoded(_flat(self.ids), starts, columns, self.counts)


def _numbers(values: Sequence[int | float]) -> np.ndarray:
    """Whole numbers as int64; where one is none, all as float64."""
    whole = not any(isinstance(value, float | np.floating) for value in values)
    return np.asarray(values, np.int64 if whole else np.float64)


def _flat(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts).astype(np.int32, copy=False) if len(parts) else np.zeros(0, np.int32)


def column(dataset: Any, name: str) -> list | None:
    """A column as a list (``datasets`` reads its own column objects row by row); None if there is none."""
    return dataset[name][:] if name in dataset.column_names else None


def join(splits: Sequence[Encoded]) -> Encoded:
    """Several splits as one, in order; ``example`` numbers go on from split to split."""
    starts, columns, offset = [np.zeros(1, np.int64)], {}, 0
    for split in splits:
        starts.append(np.asarray(split.starts[1:]) + offset)
        offset += len(split.tokens)
    for name in splits[0].columns:
        columns[name] = np.concatenate([np.asarray(split.columns[name]) for split in splits])
    firsts = np.cumsum([0, *(split.counts["examples"] for split in splits)])
    columns["example"] = np.concatenate(
        [np.asarray(s.columns["example"]) + n for s, n in zip(splits, firsts, strict=False)]
    )
    counts = {name: sum(split.counts[name] for split in splits) for name in splits[0].counts}
    return Encoded(
        _flat([np.asarray(split.tokens) for split in splits]), np.concatenate(starts), columns, counts
    )


def from_cache(key: str, made: Callable[[], Encoded]) -> Encoded:
    """The entry ``key``, made and stored if it is not there.
    Entries appear whole: a folder renamed into place.
    """
    folder = home() / "encoded" / key[:2] / key
    try:
        return _read(folder)
    except (OSError, ValueError, KeyError):
        pass
    encoded = made()
    with (
        suppress(OSError),
        whole_folder(folder) as partial,
    ):  # the disk is full, or another process was faster
        _write(encoded, partial)
    return encoded


def _write(encoded: Encoded, folder: Path) -> None:
    arrays = {"tokens": encoded.tokens, "starts": encoded.starts, **encoded.columns}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    about = {
        "columns": sorted(encoded.columns),
        "counts": dict(encoded.counts),
        "tokens": len(encoded.tokens),
    }
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")


def _read(folder: Path) -> Encoded:
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ("tokens", "starts", *about["columns"])
    }
    if len(arrays["tokens"]) != about["tokens"]:
        raise ValueError("cut short")
    return Encoded(arrays.pop("tokens"), arrays.pop("starts"), arrays, about["counts"])
