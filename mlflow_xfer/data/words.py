"""The words of a text, also in scripts that put no blanks between them."""

from __future__ import annotations

import re

UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    r"\U00020000-\U0003ffff]"
)
"""Characters of Thai, Lao, Tibetan, Burmese, Khmer, Kana and Han."""
_LETTER = re.compile(r"\w")


def words(text: str) -> list[str]:
    """The words of ``text``: between blanks; in scripts written without them, each letter."""
    if not UNSPACED.search(text):
        return text.split()
    return [part for part in UNSPACED.sub(r" \g<0> ", text).split() if _LETTER.search(part)]
