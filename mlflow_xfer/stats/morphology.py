"""Morphological complexity measured on parallel texts, on the same scale as the language table's.

Method of the table (``languages.md``): tokens are lower-cased runs of letters and marks, apostrophes kept
inside, hyphens split, runs with digits dropped; four measures; first principal component over the table's
languages (91 % of variance). Up = richer in word forms. The texts must be translations of one another:
vocabulary and length differ between topics more than between languages.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from mlflow_xfer import languages
from mlflow_xfer.errors import Problems, XferError

MEASURES = ("mattr500", "unigram_entropy", "mean_word_length", "words_per_sentence_ratio")
UNSEGMENTED = ("zh", "ja", "th", "my", "km", "lo")  # words are not separated: token measures mean nothing
SCALED_BY = "en"  # words per sentence of the table are relative to it
WINDOW, ENTROPY_TOKENS = 500, 10_000
_RUN = re.compile(r"[^\W_](?:[^\W_]|['’ʼ](?=[^\W_])|\u200c|\u200d)*", re.UNICODE)


def tokens(text: str) -> list[str]:
    """Lower-cased words of a text: runs of letters and combining marks, without runs that hold a digit."""
    # \w leaves out combining marks (category M), which belong to the word in many scripts: mark them as
    # letters first.
    plain = "".join("ˑ" if unicodedata.category(c).startswith("M") else c for c in text)
    words = []
    for match in _RUN.finditer(plain):
        word = text[match.start() : match.end()].lower()
        if not any(c.isdigit() or c.isnumeric() for c in word):
            words.append(word)
    return words


def moving_ttr(words: Sequence[str], window: int = WINDOW) -> float:
    """Moving-average type-token ratio (Covington & McFall 2010):
    mean share of different words in every window.
    """
    if len(words) < window:
        return math.nan
    counts = Counter(words[:window])
    total, steps = len(counts), 1
    for old, new in zip(words, words[window:], strict=False):
        counts[old] -= 1
        if not counts[old]:
            del counts[old]
        counts[new] += 1
        total, steps = total + len(counts), steps + 1
    return total / steps / window


def entropy(words: Sequence[str]) -> float:
    """Unigram entropy in bits of the first 10,000 words (depends on how many there are,
    hence a fixed number).
    """
    counts = np.array(list(Counter(words[:ENTROPY_TOKENS]).values()), float)
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum())


def word_length(words: Sequence[str]) -> float:
    """Mean letters per word; Hangul syllables count as their letters, combining marks do not count."""
    letters = 0
    for word in words:
        spelt = unicodedata.normalize("NFD", word) if any("가" <= c <= "힣" for c in word) else word
        letters += sum(not unicodedata.category(c).startswith("M") for c in spelt)
    return letters / len(words)


@lru_cache(maxsize=1)
def _scale() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and sd of the four measures over the table's languages,
    and the weights of the standardised first component.
    """
    every = [[one.value(m) for m in MEASURES] for one in languages.table().values()]
    rows = np.array([values for values in every if None not in values], float)
    mean, sd = rows.mean(0), rows.std(0, ddof=1)
    standard = (rows - mean) / sd
    axis = np.linalg.svd(standard, full_matrices=False)[2][0]
    axis = axis * np.sign(axis[0])
    return mean, sd, axis / (standard @ axis).std()


def complexity(measures: Sequence[float]) -> float:
    """The four measures (in the order of ``MEASURES``) on the table's principal component (mean 0,
    sd 1 over its languages).
    """
    mean, sd, axis = _scale()
    return float(((np.asarray(measures, float) - mean) / sd) @ axis)


def measure(texts: Mapping[str, Sequence[str]], *, reference: str = "en") -> pd.DataFrame:
    """Corpus measures of parallel texts: columns language, sentences,
    tokens, the four measures, complexity, distance, note.

    Args:
        texts: sentences per language code, sentence i of each a translation of sentence i of the others.
        reference: the language that ratios and ``distance`` refer to (the table uses English).

    ``complexity`` is comparable with the table's column from 10,000 words on and beside English; below that,
    or relative to another language, only between the languages given here (a note says so). Unsegmented
    languages get no token measures and are no reference.

    Raises:
        XferError: unknown languages, two texts of one, texts of different length, an empty text, no text of
            the reference, one that is unsegmented: all at once.
    """
    problems = Problems()
    by_code = _by_code(texts, problems)
    base = languages.named(reference)
    if base in UNSEGMENTED:
        problems.add(
            f"{base} is written without spaces: nothing can be measured relative to its words.",
            "Name another reference.",
        )
    elif base not in by_code:
        problems.add(
            f"There is no text in {reference!r}.",
            "Ratios and distances refer to it: add it, or name another reference.",
        )
    sizes = {code: len(lines) for code, lines in by_code.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{code}: {n}" for code, n in sizes.items())
        problems.add(
            f"The texts are not parallel: they differ in their number of sentences ({listed}).",
            "Line i must translate line i.",
        )
    words = {code: [w for line in lines for w in tokens(line)] for code, lines in by_code.items()}
    for code, words_of_one in words.items():
        if not words_of_one:
            problems.add(f"The text in {code!r} has no words.", "Give at least 500 words per language.")
    problems.raise_if_any()
    frame = pd.DataFrame([_row(code, sizes[code], words[code], base, len(words[base])) for code in by_code])
    level = frame.loc[frame["language"] == base, "complexity"].iloc[0]
    return frame.assign(distance=(frame["complexity"] - level).abs())


def _by_code(texts: Mapping[str, Sequence[str]], problems: Problems) -> dict[str, Sequence[str]]:
    """The texts by the table's codes; what names no language stays under its name, and is a problem."""
    names: dict[str, str] = {}
    for name in texts:
        try:
            code = languages.get(name).code
        except XferError as error:
            problems.add(error)
            code = name
        if code in names:
            problems.add(f"{names[code]!r} and {name!r} are both {code}.", "Give one text for each language.")
        names[code] = name
    return {code: texts[name] for code, name in names.items()}


def _row(code: str, sentences: int, words: list[str], reference: str, reference_words: int) -> dict:
    row = {
        "language": code,
        "sentences": sentences,
        "tokens": len(words),
        **dict.fromkeys(MEASURES, math.nan),
        "complexity": math.nan,
        "note": "",
    }
    if code in UNSEGMENTED:
        return row | {"note": "written without spaces: no word measures"}
    measures = (moving_ttr(words), entropy(words), word_length(words), len(words) / reference_words)
    row |= dict(zip(MEASURES, measures, strict=True)) | {"complexity": complexity(measures)}
    if len(words) < WINDOW:
        return row | {"note": f"fewer than {WINDOW} words: no complexity"}
    few = "fewer than 10,000 words: comparable between these texts only"
    other = f"relative to {reference}: not on the table's scale"
    notes = [few] * (len(words) < ENTROPY_TOKENS) + [other] * (reference != SCALED_BY)
    return row | {"note": "; ".join(notes)}
