"""Where sentences end: for the answers of SQuAD, whose candidates in LAReQA are sentences.

XTREME-R cuts SQuAD by rules too (``sb_sed.py``); its test files bring the breaks along. Rules serve here,
since a wrong break costs one training pair a little and no published model has to be reproduced.
"""

from __future__ import annotations

import re

# A mark, what closes a quotation after it, then a blank; the marks of Chinese and Japanese need no blank.
END = re.compile(r"""[.!?…؟।॥]+["'”’»)\]]*(?=\s)|[。！？]+["'”’」』）]*|\n+""")
ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“])(?:[A-Z]|[A-Z](?:\.[A-Z])+"
    r"|Mr|Mrs|Ms|Dr|Prof|St|Mt|Gen|Col|Lt"
    r"|Sgt|Capt|Rev|Sen|Rep|Gov|Jr|Sr|No|vs|ca|cf|e\.g|i\.e|approx|Inc|Ltd|Co|Corp)$"
)


def sentence_breaks(text: str) -> list[tuple[int, int]]:
    """(begin, end) of each sentence in characters;
    together they cover the text, blanks belong to what stands before.
    """
    cuts = [0]
    for found in END.finditer(text):
        after = len(text) - len(text[found.end() :].lstrip())
        if cuts[-1] < after < len(text) and not _goes_on(text, found.start(), after):
            cuts.append(after)
    return list(zip(cuts, [*cuts[1:], len(text)], strict=True)) if text else []


def _goes_on(text: str, mark: int, after: int) -> bool:
    """Whether the mark ends no sentence: a small letter follows, or the point belongs to an abbreviation."""
    if text[mark] != ".":
        return text[mark] in "!?…" and text[after].islower()
    return text[after].islower() or bool(ABBREVIATION.search(text[max(0, mark - 12) : mark]))


def sentence_at(text: str, start: int) -> str:
    """The sentence in which character ``start`` stands, stripped."""
    begin, end = next(((b, e) for b, e in sentence_breaks(text) if b <= start < e), (0, len(text)))
    return text[begin:end].strip()
