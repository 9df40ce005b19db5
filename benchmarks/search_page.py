"""The page of ``search.py``, from all that it has measured."""

from __future__ import annotations

import json
from pathlib import Path

RESULTS, PAGE = (Path(__file__).with_name(name) for name in ("search.jsonl", "search.md"))


def write() -> None:
    """The page, from all that was measured."""
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    sizes, lines = (
        [line["size"] for line in lines if "size" in line and "truth" not in line],
        [line for line in lines if "truth" in line],
    )
    latest = {(line["truth"], line["sampler"], line["trials"], line["way"]): line for line in lines}
    page = [HEAD]
    for truth in dict.fromkeys(line["truth"] for line in lines):
        page += [f"## {truth}", "", *TABLE]
        page += [ROW.format(**line) for (name, *_), line in latest.items() if name == truth]
        page.append("")
    if sizes:
        page += [
            "## A search of 1,000 recorded trials",
            "",
            "| what | CPU seconds |",
            "|---|---|",
            *(f"| {what} | {seconds:.2f} |" for what, seconds in sizes[-1].items()),
            "",
        ]
    PAGE.write_text("\n".join(page))


HEAD = """# How good a search's answer is

Made by `benchmarks/search.py` (truths and protocol: its docstring); `python benchmarks/search.py write` makes
this page from `search.jsonl`. Points; regret = truth of the best subset minus truth of the confirmed winner;
right = the winner is a best subset; choice = which three are confirmed: by denoised estimates, by own scores
(raw), by estimates of all subsets, run or not (all: what `search` does). The rows of `random` are random
search of equal cost. `tokens of exhaustive`: planted truths have no costs of their own, 40 trials of 512
subsets are 7.8 %.

How the settings came about: Thompson draws (not upper bounds) on 40 planted truths of other draws; normal or
heavy-tailed effects in the draws made no difference on 40 truths each of `sparse` and `dense` (seeds from
100000 on). Rows with few repetitions say little about p95: the binomial standard error of "right 95 %" is 1.5
points at 200, 4 points at 25.

The rows of families (sparse, saturating, diluted ...) were measured when the confirmed subset with the best
mean was named; all others with the rule of now, the fewest tasks within 1 point of it.

The grid: a search sees English dev, and is judged by test in the other languages. "shrunk": the truth is what
is left of three seeds without noise. A trial on three seeds sees the dev scores of the very seeds whose test
scores make the truth; one on a single seed shares a third of them. Exhaustive is every subset on all three
seeds; by sharing, a search trains 1.9 times fewer tokens than its trials would naively. Estimates and own
scores are dev scores there, "too high by" compares them with test and says nothing.
"""
TABLE = (
    (
        "| sampler | trials | choice | median regret | mean | p95 | right | mean regret of the first choice "
        "| interval holds | estimate of the best is too high by | best own score is too high by | tokens of "
        "exhaustive | repetitions |"
    ),
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
)
ROW = (
    "| {sampler} | {trials} | {way} | {median:.2f} | {mean:.2f} | {p95:.2f} | {right:.0%} | {first:.2f} | "
    "{covered:.1%} | {optimism:.2f} | {own:.2f} | {tokens:.1%} | {n} |"
)
