"""Tagging F1 as XTREME computes it, which is seqeval's of version 0.0.12, also on tags that are not BIO.

XTREME's ``evaluate.py`` hands UD part-of-speech tags to seqeval as if they were entity tags: the part before
the last ``-`` is dropped and the first letter is read as the position (B, I, E, S, O). Neighbouring words of
one part of speech then merge into one chunk, except those whose tag starts with S (SCONJ, SYM). Later
versions of seqeval cut the first letter off the type, so that CCONJ equals SCONJ; both figures are given. The
rules are re-stated here from that behaviour so that the score does not depend on what is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.tagging import schemes
from mlflow_xfer.scoring.score import f1, paired, ratio

Split = Callable[[str], tuple[str, str]]


def split_xtreme(tag: str) -> tuple[str, str]:
    """Position letter and type, as seqeval 0.0.12: ``B-LOC`` is (B, LOC), ``NOUN`` is (N, NOUN)."""
    return tag[0], tag.rsplit("-", 1)[-1]


def split_current(tag: str) -> tuple[str, str]:
    """Position letter and type, as seqeval 1.2: the type never includes the first letter."""
    return tag[0], tag[1:].split("-", 1)[-1] or "_"


def _ends(before: str, before_type: str, now: str, now_type: str) -> bool:
    """Whether a chunk that includes the word before ends there."""
    if before in "ES" or (before in "BI" and now in "BSO"):
        return True
    return before not in "O." and before_type != now_type


def _starts(before: str, before_type: str, now: str, now_type: str) -> bool:
    """Whether a chunk starts at the present word."""
    if now in "BS" or (now in "EI" and before in "EO") or (now in "EI" and before == "S"):
        return True
    return now not in "O." and before_type != now_type


def chunks(
    sentences: Iterable[Sequence[str]], split: Split = split_xtreme
) -> list[tuple[int, str, int, int]]:
    """Chunks ``(sentence, type, first, last)``; positions count through all sentences,
    each closed by an outside tag.

    Working through the sentences as one sequence is part of the rules: for malformed tags a chunk's start can
    lie in an earlier sentence. ``sentence`` is where the chunk ends.
    """
    entities: list[tuple[int, str, int, int]] = []
    steps: dict[tuple[str, str], tuple[bool, bool, str]] = {}  # few pairs of tags follow each other
    before, first, position = "", 0, 0
    for number, sentence in enumerate(sentences):
        for tag in (*sentence, "O"):
            step = steps.get((before, tag))
            if step is None:
                step = steps[before, tag] = _step(split(before) if before else ("O", ""), split(tag))
            ends, starts, before_type = step
            if ends:
                entities.append((number, before_type, first, position - 1))
            if starts:
                first = position
            before = tag
            position += 1
    return entities


def _step(before: tuple[str, str], now: tuple[str, str]) -> tuple[bool, bool, str]:
    """Whether a chunk ends before the present word, whether one starts with it, and
    the type of the word before."""
    return _ends(*before, *now), _starts(*before, *now), before[1]


def strict_chunks(sentences: Iterable[Sequence[str]]) -> list[tuple[int, str, int, int]]:
    """Entities of well-formed IOB2 only: B- and the I- of the same type that follow it; a
    stray I- counts as outside."""
    entities, position = [], 0
    for number, sentence in enumerate(sentences):
        open_type, first = None, 0
        for tag in (*sentence, "O"):
            if open_type is not None and tag != f"I-{open_type}":
                entities.append((number, open_type, first, position - 1))
                open_type = None
            if tag.startswith("B-"):
                open_type, first = tag[2:], position
            position += 1
    return entities


def overlap(gold: list, predicted: list, n: int) -> np.ndarray:
    """``[n, 3]`` per sentence: chunks in both, predicted chunks, gold chunks (as sets)."""
    gold_set, predicted_set = set(gold), set(predicted)
    counts = np.zeros((n, 3), np.int64)
    for column, members in enumerate((gold_set & predicted_set, predicted_set, gold_set)):
        numbers = np.fromiter((chunk[0] for chunk in members), np.int64, len(members))
        counts[:, column] = np.bincount(numbers, minlength=n)
    return counts


def _check(predictions: Sequence, references: Sequence, language: str) -> tuple[list, list]:
    paired(predictions, references, language, "sentences")
    predictions, references = [list(p) for p in predictions], [list(r) for r in references]
    for number, (predicted, gold) in enumerate(zip(predictions, references, strict=True), 1):
        if len(predicted) != len(gold):
            raise XferError(
                f"{language}: sentence {number} has {len(predicted)} predicted tags for {len(gold)} words.",
                "Give one tag per word, also past a model's length limit.",
            )
        bad = next((tag for tag in (*predicted, *gold) if not isinstance(tag, str) or not tag), None)
        if bad is not None:
            raise XferError(
                f"{language}: sentence {number} has the tag {bad!r}.", "A tag is a non-empty text."
            )
    return predictions, references


def rows(predictions: Sequence, references: Sequence, language: str) -> np.ndarray:
    """``[sentences, 11]``: chunk counts by XTREME's, today's and strict rules, right tags, tags."""
    predictions, references = _check(predictions, references, language)
    n = len(references)
    right = [sum(map(str.__eq__, p, r)) for p, r in zip(predictions, references, strict=True)]
    return np.hstack(
        [
            overlap(chunks(references), chunks(predictions), n),
            overlap(chunks(references, split_current), chunks(predictions, split_current), n),
            overlap(strict_chunks(references), strict_chunks(predictions), n),
            np.array([right, [len(r) for r in references]], np.int64).T.reshape(n, 2),
        ]
    )


def rows_by(
    scheme: str,
) -> Callable[[Sequence, Sequence, str], np.ndarray]:
    """Rows ``[sentences, 8]`` for a user's tags: entities as a reader of the scheme finds them, entities that
    are well-formed, right tags, tags."""

    def rows(predictions: Sequence, references: Sequence, language: str) -> np.ndarray:
        predictions, references = _check(predictions, references, language)
        n = len(references)
        right = [sum(map(str.__eq__, p, r)) for p, r in zip(predictions, references, strict=True)]
        own = schemes.told_apart(references, scheme)
        counts = [
            overlap(schemes.chunks(references, own, strict), schemes.chunks(predictions, own, strict), n)
            for strict in (False, True)
        ]
        return np.hstack([*counts, np.array([right, [len(r) for r in references]], np.int64).T.reshape(n, 2)])

    return rows


def scheme_figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    precision, recall, value = f1(sums[..., 0], sums[..., 1], sums[..., 2])
    accuracy = ratio(sums[..., 6], sums[..., 7])
    return {"f1": value, "precision": precision, "recall": recall, "accuracy": accuracy}


def strict_figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    return {**scheme_figures(sums), "f1_strict": f1(sums[..., 3], sums[..., 4], sums[..., 5])[2]}


def tag_figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    precision, recall, value = f1(sums[..., 0], sums[..., 1], sums[..., 2])
    current = f1(sums[..., 3], sums[..., 4], sums[..., 5])[2]
    accuracy = ratio(sums[..., 9], sums[..., 10])
    return {
        "f1": value,
        "precision": precision,
        "recall": recall,
        "accuracy": accuracy,
        "f1_seqeval_1.2": current,
    }


def entity_figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    return {**tag_figures(sums), "f1_strict": f1(sums[..., 6], sums[..., 7], sums[..., 8])[2]}
