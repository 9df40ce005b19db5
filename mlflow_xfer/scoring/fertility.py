"""How a tokenizer treats a language: pieces per word, examples that do not fit.

Languages that a tokenizer cuts into many pieces transfer worse (Rust et al. 2021, arXiv 2012.15613) and lose more text
to a length limit; both belong beside a score. Words are split at white space, characters where a script has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

WITHOUT_SPACES = frozenset({"zh", "ja", "th", "my", "lo", "km", "yue", "wuu", "bo", "dz"})
_LETTER = re.compile(r"\w")


def words(text: str, language: str) -> list[str]:
    """The words of ``text``: at white space; one per letter or digit in scripts written without spaces."""
    return _LETTER.findall(text) if language in WITHOUT_SPACES else text.split()


def fertility(word_counts: Sequence[int], piece_counts: Sequence[int]) -> float:
    """Pieces per word over all examples; 0 without words. Special tokens are not to be counted."""
    total = int(np.sum(word_counts))
    return float(np.sum(piece_counts)) / total if total else 0.0


def truncation_rate(lengths: Sequence[int], limit: int) -> float:
    """Share of examples longer than ``limit`` tokens, special tokens included, 0-1."""
    lengths = np.asarray(lengths)
    return float(np.mean(lengths > limit)) if lengths.size else 0.0


def lost_share(lengths: Sequence[int], limit: int) -> float:
    """Share of all tokens that lie beyond ``limit`` and are not read, 0-1."""
    lengths = np.asarray(lengths)
    total = lengths.sum()
    return float(np.maximum(lengths - limit, 0).sum() / total) if total else 0.0


def describe(
    texts: Sequence[str],
    language: str,
    count_pieces: Callable[[Sequence[str]], Sequence[int]],
    limit: int,
    specials: int = 2,
) -> dict[str, float]:
    """``fertility``, ``truncation_rate`` and ``lost_share`` of a language's texts.

    Args:
        count_pieces: the tokenizer: texts to numbers of pieces without special tokens, nothing cut off.
        limit: the length limit in tokens, of which ``specials`` are special ones.
    """
    pieces = list(count_pieces(texts))
    lengths = [n + specials for n in pieces]
    return {
        "fertility": fertility([len(words(text, language)) for text in texts], pieces),
        "truncation_rate": truncation_rate(lengths, limit),
        "lost_share": lost_share(lengths, limit),
    }
