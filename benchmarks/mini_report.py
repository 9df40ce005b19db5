"""What the table of mini's effects says:
``python benchmarks/mini_report.py`` writes mini_effects.md and the summary in docs/mini.md.

The table is made by ``mini_effects.py``: mean scores over the languages with a dictionary but English (xx),
the low-resource ones and English.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from mini_effects import CONTROLLED, INTERMEDIATES, RICH, read  # first: it sets the threads

from mlflow_xfer.conditions.comparison import mean_interval
from mlflow_xfer.tasks import mini

HERE = Path(__file__).parent
ENOUGH = 3  # seeds from which on a sign is judged
SUMMARY = re.compile("(?<=<!-- summary -->\n).*?(?=<!-- /summary -->)", re.S)


class Found:
    """Means and intervals over seeds, from the rows of a table."""

    def __init__(self, rows: list[dict], group: str = "xx"):
        self.score = {
            (row["arm"], row["intermediate"], row["target"], int(row["seed"])): float(row[group])
            for row in rows
            if row[group]
        }
        self.seeds = sorted({key[3] for key in self.score})

    def scores(self, arm: str, name: str, target: str) -> list[float]:
        return [
            self.score[arm, name, target, seed]
            for seed in self.seeds
            if (arm, name, target, seed) in self.score
        ]

    def gains(self, arm: str, name: str, target: str) -> list[float]:
        """Differences to no intermediate task, seed by seed."""
        return [
            self.score[arm, name, target, s] - self.score[arm, "none", target, s]
            for s in self.seeds
            if (arm, name, target, s) in self.score
        ]

    def over_control(self, target: str) -> list[float]:
        return [
            self.score["pretrained", "none", target, s] - self.score["random", "none", target, s]
            for s in self.seeds
        ]


def interval(values: list[float], sign: str = "") -> str:
    if not values:
        return ""
    low, high = mean_interval(values)
    spread = "" if math.isnan(low) else f" [{low:{sign}.1f}, {high:{sign}.1f}]"
    return f"{sum(values) / len(values):{sign}.1f}{spread}"


def came_out(sign: str, gains: list[float]) -> bool:
    """``+`` and ``-``: the mean has that sign. ``0``: the 95 % interval contains 0, or all gains are 0."""
    low, high = mean_interval(gains)
    mean = sum(gains) / len(gains)
    return mean > 0 if sign == "+" else mean < 0 if sign == "-" else low <= 0 <= high or not any(gains)


def at_least(hits: int, tried: int) -> float:
    """Lower end of the one-sided 95 % interval of a share (Clopper & Pearson 1934)."""
    from scipy.stats import beta

    return float(beta.ppf(0.05, hits, tried - hits + 1)) if hits else 0.0


def report(rows: list[dict]) -> str:
    xx, low, en = Found(rows), Found(rows, "low"), Found(rows, "en")
    lines = [
        (
            f"Pre-training seeds: {', '.join(map(str, xx.seeds))}. Means with 95 % t intervals over seeds; "
            f"xx = {', '.join(RICH)}; low-resource = {', '.join(mini.LOW_RESOURCE)}."
        ),
        "",
    ]
    lines += [
        "| no intermediate task | xx | random encoder | difference | low-resource | English |",
        "|---|---|---|---|---|---|",
    ]
    for target in mini.TARGETS:
        cells = [
            interval(xx.scores("pretrained", "none", target)),
            interval(xx.scores("random", "none", target)),
            interval(xx.over_control(target), "+"),
            interval(low.scores("pretrained", "none", target)),
            interval(en.scores("pretrained", "none", target)),
        ]
        lines.append(f"| {target} | " + " | ".join(cells) + " |")
    lines += ["", "| on a random encoder | gain in xx | the same on the pre-trained one |", "|---|---|---|"]
    for name in CONTROLLED:
        for target in (target for target, sign in mini.EXPECTED[name].items() if sign == "+"):
            lines.append(
                f"| {name} → {target} | {interval(xx.gains('random', name, target), '+')} | "
                f"{interval(xx.gains('pretrained', name, target), '+')} |"
            )
    pairs = {
        (name, target): gains
        for name in INTERMEDIATES
        for target in mini.TARGETS
        if (gains := xx.gains("pretrained", name, target))
    }
    counted = {
        sign: [
            (pair, gains)
            for pair, gains in pairs.items()
            if mini.EXPECTED[pair[0]][pair[1]] == sign and len(gains) >= ENOUGH
        ]
        for sign in "+-0"
    }
    lines += [
        "",
        (
            f"Signs are judged on {ENOUGH} seeds or more: + and − by the mean, 0 by whether the 95 % "
            f"interval holds 0."
        ),
        "",
        "| declared | pairs | came out so | share is at least | interval excludes 0 on that side |",
        "|---|---|---|---|---|",
    ]
    for sign, found in counted.items():
        hits = [came_out(sign, gains) for _, gains in found]
        clear = (
            ""
            if sign == "0"
            else sum(
                mean_interval(gains)[0] > 0 if sign == "+" else mean_interval(gains)[1] < 0
                for _, gains in found
            )
        )
        lines.append(
            f"| {sign} | {len(found)} | {sum(hits)} | {100 * at_least(sum(hits), len(found)):.0f} % | "
            f"{clear} |"
        )
    lines += [
        "",
        "| intermediate → target | declared | seeds | gain in xx | came out |",
        "|---|---|---|---|---|",
    ]
    for (name, target), gains in pairs.items():
        sign = mini.EXPECTED[name][target]
        verdict = ("yes" if came_out(sign, gains) else "no") if len(gains) >= ENOUGH else "too few seeds"
        lines.append(f"| {name} → {target} | {sign} | {len(gains)} | {interval(gains, '+')} | {verdict} |")
    return "\n".join(lines) + "\n"


def summary(rows: list[dict]) -> str:
    """The bounds that mini is built to meet, and what was measured."""
    x = Found(rows)

    def gain(name: str, target: str, arm: str = "pretrained") -> list[float]:
        return x.gains(arm, name, target)

    def share(sign: str) -> str:
        found = [
            gains
            for name in INTERMEDIATES
            for target in mini.TARGETS
            if mini.EXPECTED[name][target] == sign and len(gains := gain(name, target)) >= ENOUGH
        ]
        hits = sum(came_out(sign, gains) for gains in found)
        return f"{hits} of {len(found)} (at least {100 * at_least(hits, len(found)):.0f} %)"

    own, random = gain("attribute", "choice"), gain("attribute", "choice", "random")
    lines = [
        (
            f"centred retrieval over the random encoder (raw: {interval(x.over_control('retrieval'), '+')})",
            "≥ +50",
            x.over_control("retrieval_centred"),
            lambda v: mean(v) >= 50,
        ),
        ("parts of speech over the random encoder", "≥ +20", x.over_control("pos"), lambda v: mean(v) >= 20),
        (
            "attribute → choice",
            "≥ +15, interval above 0",
            own,
            lambda v: mean(v) >= 15 and mean_interval(v)[0] > 0,
        ),
        (
            "the same in the biomedical domain, bio_attribute → bio_choice",
            "",
            gain("bio_attribute", "bio_choice"),
            None,
        ),
        ("its redundant twin, attribute_twin → choice", "", gain("attribute_twin", "choice"), None),
        (
            "matched null, attribute_null → choice",
            "holds 0 or below",
            gain("attribute_null", "choice"),
            lambda v: mean_interval(v)[0] <= 0,
        ),
        (
            "conflict, position → retrieval",
            "below 0",
            gain("position", "retrieval"),
            lambda v: mean_interval(v)[1] < 0,
        ),
        (
            "attribute → choice on a random encoder",
            "< a quarter of the true gain",
            random,
            lambda v: mean(v) < mean(own) / 4,
        ),
    ]
    return "\n".join(
        [
            (
                f"| claim (means over {len(x.seeds)} pre-training seeds with 95 % t intervals; languages "
                f"with a dictionary but English) | bound | measured | |"
            ),
            "|---|---|---|---|",
            *(
                (
                    f"| {what} | {bound} | {interval(values, '+')} | "
                    f"{'' if met is None else 'yes' if met(values) else 'no'} |"
                )
                for what, bound, values, met in lines
            ),
            f"| pairs declared + that gain | | {share('+')} | |",
            f"| pairs declared − that lose | | {share('-')} | |",
            f"| pairs declared 0 whose interval holds 0 | | {share('0')} | |",
            "",
            (
                f'(Shares: pairs measured on {ENOUGH} seeds or more; "at least" is the lower end of a '
                f"one-sided 95 % binomial interval. Pairs share their seeds, so it is a little"
            ),
            "too narrow.)",
            "",
        ]
    )


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


PAGE = """# What mini's intermediate tasks do

Made by `python benchmarks/mini_report.py`. What it means: [docs/mini.md](../docs/mini.md).

"""


def main() -> None:
    rows = read(HERE / "mini_effects.csv")
    (HERE / "mini_effects.md").write_text(PAGE + report(rows), "utf-8")
    guide = HERE.parent / "docs" / "mini.md"
    guide.write_text(SUMMARY.sub(lambda _: summary(rows), guide.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
