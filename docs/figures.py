"""Draws the figures of these pages from the tables in ``benchmarks/``:
``make figures``, or ``python docs/figures.py [--out docs]``.

Each table was made by the script of the same name there, which says how. Pictures of the MLflow UI are
``docs/screenshots.py``'s.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from mlflow_xfer.conditions.comparison import mean_interval  # noqa: E402
from mlflow_xfer.tasks import mini  # noqa: E402

TABLES = Path(__file__).resolve().parents[1] / "benchmarks"
COLOURS = {"+": "#0072B2", "-": "#B34700", "0": "#595959"}  # Okabe & Ito
LAYERS = ("#595959", "#E69F00", "#0072B2")
DPI = 110


def rows(name: str) -> list[dict[str, str]]:
    with (TABLES / name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def spread(values: Iterable[float]) -> tuple[float, float]:
    """Mean and half the 95 % t interval over seeds (0 for one seed)."""
    found = list(values)
    low, high = mean_interval(found)
    return sum(found) / len(found), (high - low) / 2 if len(found) > 1 else 0.0


def effects(out: Path) -> None:
    """Pairs of mini measured on every seed (declared to help or harm, matched nulls):
    gain over no intermediate task, coloured by the sign declared before.
    """
    table = {
        (r["arm"], r["intermediate"], r["target"], r["seed"]): float(r["xx"])
        for r in rows("mini_effects.csv")
    }
    expected = mini.EXPECTED
    gains: dict[tuple[str, str], list[float]] = {}
    for (arm, name, target, seed), score in table.items():
        if arm == "pretrained" and name != "none":
            gains.setdefault((name, target), []).append(score - table[arm, "none", target, seed])
    seeds = len({seed for *_, seed in table})
    shown = sorted(
        (pair for pair, found in gains.items() if pair[1] != "retrieval" and len(found) == seeds),
        key=lambda pair: ("-0+".index(expected[pair[0]][pair[1]]), spread(gains[pair])[0]),
    )
    figure, axes = plt.subplots(figsize=(8, 0.17 * len(shown) + 1.2))
    for place, pair in enumerate(shown):
        mean, half = spread(gains[pair])
        colour = COLOURS[expected[pair[0]][pair[1]]]
        axes.errorbar(
            mean, place, xerr=half or None, fmt="o", color=colour, markersize=4, linewidth=1.2, capsize=2
        )
    axes.axvline(0, color="#222222", linewidth=0.8)
    axes.set_yticks(range(len(shown)), [f"{name} → {target}" for name, target in shown], fontsize=7)
    axes.set_ylim(-1, len(shown))
    axes.set_xlabel(
        "points over no intermediate task, in languages with a dictionary: mean and 95 % t interval over "
        "pre-training seeds",
        fontsize=7,
    )
    marks = [
        plt.Line2D([], [], marker="o", linestyle="", color=COLOURS[sign], label=f"declared {word}")
        for sign, word in (("+", "+ helps"), ("0", "0 neither"), ("-", "− harms"))
    ]
    axes.legend(handles=marks, loc="lower right", fontsize=8)
    axes.grid(axis="x", color="#D0D0D0", linewidth=0.5)
    save(figure, out / "mini_effects.png")


def forgetting(out: Path) -> None:
    """Retrieval by layer after an intermediate task, against its learning rate."""
    table = rows("forgetting.csv")
    names = list(dict.fromkeys(r["intermediate"] for r in table if r["intermediate"] != "none"))
    rates = sorted({float(r["learning_rate"]) for r in table})
    figure, grid = plt.subplots(
        2, len(names), figsize=(4.2 * len(names), 6), sharex=True, sharey=True, squeeze=False
    )
    for column, name in enumerate(names):
        for line, measure in enumerate(("raw", "centred")):
            axes = grid[line][column]
            for layer, colour in enumerate(LAYERS):
                found = [
                    spread(
                        float(r[measure])
                        for r in table
                        if int(r["layer"]) == layer
                        and float(r["learning_rate"]) == rate
                        and r["intermediate"] in (name, "none")
                    )
                    for rate in rates
                ]
                axes.errorbar(
                    range(len(rates)),
                    [mean for mean, _ in found],
                    [half for _, half in found],
                    color=colour,
                    marker="o",
                    markersize=4,
                    capsize=2,
                    label=f"layer {layer}" + (" (embeddings)" if not layer else ""),
                )
            axes.set_title(f"{measure}, after {name}", fontsize=10)
            axes.set_ylim(0, 100)
            axes.grid(color="#D0D0D0", linewidth=0.5)
            axes.set_xticks(range(len(rates)), ["before" if not rate else f"{rate:g}" for rate in rates])
    for axes in grid[-1]:
        axes.set_xlabel("learning rate of the intermediate task", fontsize=9)
    for line in grid:
        line[0].set_ylabel("retrieval accuracy", fontsize=9)
    grid[0][0].legend(fontsize=8, loc="upper right")
    save(figure, out / "forgetting.png")


def save(figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=DPI, metadata={"Software": None})
    plt.close(figure)
    print(path)


FIGURES: dict[str, Callable[[Path], None]] = {"mini_effects.png": effects, "forgetting.png": forgetting}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    arguments = parser.parse_args()
    for draw in FIGURES.values():
        draw(arguments.out)


if __name__ == "__main__":
    main()
