"""Packs texts of several languages into full rows, and masks them: pure functions of (seed, step, example).

A packed row holds several documents; a document never attends to another (``document`` numbers make the
block-diagonal mask) and its positions begin anew. Languages are drawn with probability proportional to
their share of tokens to the power alpha (Conneau et al. 2020 §3.1).
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mlflow_xfer.data.encoded import IGNORED, Encoded
from mlflow_xfer.data.mixing import stream

GROUP = 2048
"""Documents packed together: the larger, the fuller the rows and the later the first one."""


@dataclass
class Packer:
    """Deals packed rows of texts, in an order that depends on ``seed`` alone.

    Args:
        texts: by language, encoded texts, each row at most ``length`` tokens.
        length: tokens of a packed row.
        alpha: sampling exponent; 1 = by size, 0 = all languages alike.
        seed: of the run.
    """

    texts: Mapping[str, Encoded]
    length: int
    alpha: float
    seed: int
    rows: list[list[tuple[int, int]]] = field(
        default_factory=list
    )  # packed rows: (language, document) of each
    _groups: int = 0
    _dealt: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        self.languages = tuple(sorted(language for language, texts in self.texts.items() if len(texts)))
        self._encoded = [self.texts[language] for language in self.languages]
        self._lengths = [np.minimum(encoded.lengths, self.length) for encoded in self._encoded]
        self._dealt = np.zeros(len(self.languages), np.int64)
        tokens = np.array([lengths.sum() for lengths in self._lengths], float)
        shares = (tokens / tokens.sum()) ** self.alpha
        per_document = shares / np.array([lengths.mean() for lengths in self._lengths])
        self._rates = per_document / per_document.sum()
        self._offsets = np.concatenate([[0], np.cumsum([len(encoded) for encoded in self._encoded])])
        self._orders: dict[tuple[int, int], np.ndarray] = {}
        # All documents as one, in the order of the languages.
        self._tokens = np.concatenate([np.asarray(encoded.tokens) for encoded in self._encoded])
        firsts = np.cumsum([0, *(len(encoded.tokens) for encoded in self._encoded)])
        self._starts = np.concatenate(
            [np.asarray(e.starts[:-1]) + first for e, first in zip(self._encoded, firsts, strict=False)]
        )
        self._all_lengths = np.concatenate(self._lengths)
        self._second = np.concatenate([_second_begins(encoded) for encoded in self._encoded])

    @property
    def size(self) -> int:
        """Packed rows that hold as many tokens as the texts have: what one epoch is."""
        return max(1, math.ceil(sum(lengths.sum() for lengths in self._lengths) / self.length))

    def row(self, number: int) -> list[tuple[int, int]]:
        """The documents of packed row ``number``, as (language, document) numbers."""
        while len(self.rows) <= number:
            self.rows += self._packed(self._drawn(self._groups))
            self._groups += 1
        return self.rows[number]

    def _drawn(self, group: int) -> list[tuple[int, int]]:
        """The documents of one group: languages by their rates, documents by per-epoch permutations."""
        languages = stream("languages", self.seed, group).choice(
            len(self.languages), size=GROUP, p=self._rates
        )
        documents = []
        for language in languages.tolist():
            epoch, place = divmod(int(self._dealt[language]), len(self._encoded[language]))
            self._dealt[language] += 1
            documents.append((language, int(self._order(language, epoch)[place])))
        return documents

    def _order(self, language: int, epoch: int) -> np.ndarray:
        if (language, epoch) not in self._orders:
            self._orders = {key: order for key, order in self._orders.items() if key[0] != language}
            draws = stream("texts", self.seed, self.languages[language], epoch)
            order, stage = (
                draws.permutation(len(self._encoded[language])),
                self._encoded[language].columns.get("stage"),
            )
            if stage is not None:  # a curriculum: lower stages first
                order = order[np.argsort(np.asarray(stage)[order], kind="stable")]
            self._orders[language, epoch] = order
        return self._orders[language, epoch]

    def _packed(self, documents: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        """Best-fit decreasing: each document into the fullest row that has room. The rows are shuffled."""
        order = sorted(documents, key=lambda d: -self._lengths[d[0]][d[1]])
        rows: list[list[tuple[int, int]]] = []
        free: list[tuple[int, int]] = []  # (room, row), sorted
        for language, document in order:
            need = int(self._lengths[language][document])
            at = bisect_left(free, (need, -1))
            if at < len(free):
                room, row = free.pop(at)
            else:
                room, row = self.length, len(rows)
                rows.append([])
            rows[row].append((language, document))
            if room > need:
                insort(free, (room - need, row))
        return [rows[i] for i in stream("rows", self.seed, self._groups).permutation(len(rows))]

    def batch(self, numbers: range) -> dict[str, np.ndarray]:
        """Packed rows ``numbers``, padded with zeros to the longest, each array [rows, tokens] int64.

        ``tokens``; ``document`` (1, 2, … within a row, 0 = padding); ``position`` within the document,
        beginning anew at a second text (as XLM's translation language model does); ``offset`` within the
        document; ``example`` (a document's number over all languages).
        """
        packed = [self.row(number) for number in numbers]
        language, document = np.array([pair for row in packed for pair in row]).T
        per_row = np.array([len(row) for row in packed])
        row = np.repeat(np.arange(len(packed)), per_row)
        example = self._offsets[language] + document
        length = self._all_lengths[example]
        # Where each document begins: among its row's tokens, and in the flat arrays made here.
        flat = np.concatenate([[0], np.cumsum(length)])
        row_begin = flat[np.concatenate([[0], np.cumsum(per_row)])[:-1]]
        filled = np.bincount(row, weights=length).astype(np.int64)
        offset = np.arange(flat[-1]) - np.repeat(flat[:-1], length)
        arrays = {
            "tokens": self._tokens[np.repeat(self._starts[example], length) + offset],
            "document": np.repeat(
                np.arange(len(row)) - np.repeat(np.cumsum(per_row) - per_row, per_row) + 1, length
            ),
            "position": np.where(
                offset >= np.repeat(self._second[example], length),
                offset - np.repeat(self._second[example], length),
                offset,
            ),
            "offset": offset,
            "example": np.repeat(example, length),
        }
        at = (np.repeat(row, length), np.arange(flat[-1]) - np.repeat(row_begin[row], length))
        made = {}
        for name, values in arrays.items():
            made[name] = np.zeros((len(packed), int(filled.max())), np.int64)
            made[name][at] = values
        return made


def _second_begins(encoded: Encoded) -> np.ndarray:
    """Where positions begin anew in each document; past its end where there is no second text.

    That is at the separator before the second text: a word then has the position of its twin in the first
    text.
    """
    lengths = np.asarray(encoded.lengths)
    second = encoded.columns.get("second")
    return (
        lengths if second is None else np.where(np.asarray(second) < lengths, np.asarray(second) - 1, lengths)
    )


def uniforms(seed: int, step: int, example: np.ndarray, position: np.ndarray, salt: int) -> np.ndarray:
    """Uniform numbers in [0, 1), one for each (seed, step, example, position):
    SplitMix64 (Steele et al. 2014).
    """
    with np.errstate(over="ignore"):
        x = _mixed(np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt))
        x = _mixed(x + np.uint64(step))
        x = _mixed(x + example.astype(np.uint64))
        x = _mixed(x + position.astype(np.uint64))
    return (x >> np.uint64(11)).astype(np.float64) / float(1 << 53)


def _mixed(x: Any) -> Any:
    """SplitMix64's mixing of unsigned 64-bit numbers, one or an array."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@dataclass(frozen=True)
class Masking:
    """How masked-language-model inputs are made:
    80 % mask, 10 % random, 10 % unchanged (Devlin et al. 2019 §3.1).
    """

    mask_id: int
    vocab_size: int
    special_ids: tuple[int, ...]
    probability: float = 0.15

    @cached_property
    def maskable(self) -> np.ndarray:
        """Which ids may be asked for, [vocab_size]."""
        allowed = np.ones(self.vocab_size, bool)
        allowed[list(self.special_ids)] = False
        return allowed


def masked(
    tokens: np.ndarray,
    example: np.ndarray,
    offset: np.ndarray,
    real: np.ndarray,
    masking: Masking,
    seed: int,
    step: int,
) -> tuple[np.ndarray, np.ndarray]:
    """(inputs, labels) of a batch [rows, tokens]; labels are :data:`IGNORED` where nothing is asked.

    A pure function of its arguments: [rows, tokens] ``tokens``, the number of their ``example``, their
    ``offset`` in it, and whether they are ``real`` (not padding).
    """
    allowed = real & masking.maskable[tokens]
    chosen = allowed & (uniforms(seed, step, example, offset, 1) < masking.probability)
    if real.any() and not chosen.any():  # a loss over nothing is not a number
        chosen.flat[np.flatnonzero(allowed if allowed.any() else real)[0]] = True
    where = (example[chosen], offset[chosen])
    how = uniforms(seed, step, *where, 2)
    drawn = (uniforms(seed, step, *where, 3) * masking.vocab_size).astype(tokens.dtype)
    inputs = tokens.copy()
    inputs[chosen] = np.where(how < 0.8, masking.mask_id, np.where(how < 0.9, drawn, tokens[chosen]))
    return inputs, np.where(chosen, tokens, IGNORED)


def shifted(tokens: np.ndarray, document: np.ndarray) -> np.ndarray:
    """Labels of a causal language model: the next token of the same document, else :data:`IGNORED`."""
    labels = np.full_like(tokens, IGNORED)
    same = (document[:, 1:] == document[:, :-1]) & (document[:, 1:] > 0)
    labels[:, :-1] = np.where(same, tokens[:, 1:], IGNORED)
    return labels
