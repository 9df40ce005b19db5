"""chrF of Popović (2015): how alike two texts are, by character n-grams, in any language and script."""

from __future__ import annotations

from collections import Counter

ORDER, BETA = 6, 2.0


def chrf(text: str, reference: str) -> float:
    """F2 of character n-grams up to six, blanks aside, 0 to 100; two empty texts are alike."""
    one, other = ("".join(part.split()) for part in (text, reference))
    if not one and not other:
        return 100.0
    precisions, recalls = [], []
    for n in range(1, ORDER + 1):
        mine, theirs = (Counter(part[i : i + n] for i in range(len(part) - n + 1)) for part in (one, other))
        if mine and theirs:
            shared = (mine & theirs).total()
            precisions.append(shared / mine.total())
            recalls.append(shared / theirs.total())
    if not precisions:
        return 0.0
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    weighted = BETA**2 * precision + recall
    return 100 * (1 + BETA**2) * precision * recall / weighted if weighted else 0.0
