"""What chooses a checkpoint well: signals without target-language labels against the truth,
along trainings on mini.

    python benchmarks/selection.py --base DIR --seeds 0,1,2 --out selection.csv [--report
    benchmarks/selection.md]

Targets are fine-tuned as in ``grid.py``, from the base and after an intermediate task that helps; at every
dev point each signal is measured on dev rows and the truth on test rows (mean over the non-English dictionary
languages). A signal is good if it orders the checkpoints of one training as the truth does, and if its choice
loses little. One CPU thread.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from grid import INTERMEDIATE, LANGUAGES, TASKS, TEST_EXAMPLES, Lab  # first: it sets the threads

from mlflow_xfer.data import sources
from mlflow_xfer.kinds import kind
from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings
from mlflow_xfer.stats.agreement import mean as over_trainings
from mlflow_xfer.stats.ranking import kendall
from mlflow_xfer.training import label_free
from mlflow_xfer.training.dev import Dev
from mlflow_xfer.training.parts import Part
from mlflow_xfer.training.predict import predict_encoded
from mlflow_xfer.training.trainer import train

HELPERS = {"choice": "attribute", "mood": "polarity", "holds": "attribute"}
ENOUGH = 20  # trainings
SIGNALS = ("english_dev", "label_free", "confidence", "atc", "agreement", "oracle")
FIELDS = ("seed", "target", "after", "point", *SIGNALS, "test")


def kappa(one: list, other: list) -> float:
    """Agreement of two lists of answers beyond chance (Cohen), 0-100:
    always the same answer counts nothing.
    """
    same = sum(a == b for a, b in zip(one, other, strict=True)) / len(one)
    left, right = Counter(map(str, one)), Counter(map(str, other))
    chance = sum(left[answer] * right[answer] for answer in left) / len(one) ** 2
    return 100 * (same - chance) / (1 - chance) if chance < 1 else 0.0


def thresholded(source: np.ndarray, score: float, target: np.ndarray) -> float:
    """Average thresholded confidence (Garg et al. 2022):
    share of target rows above what the source score says, 0-100.
    """
    passing = round(len(source) * score / 100)
    return 100.0 * float(np.mean(target >= np.sort(source)[len(source) - passing])) if passing else 0.0


class Selection(Lab):
    """Trains targets and measures every signal at every dev point."""

    def points(self, start: Path, name: str) -> list[dict[str, float]]:
        task, found = TASKS[name], []
        tests = {code: sources.subset(self.rows(name, "test", code), TEST_EXAMPLES, 0) for code in LANGUAGES}
        dev = {code: self.rows(name, "validation", code) for code in ("en", *LANGUAGES)}
        usual, made = Dev.evaluate, kind.model(task.kind)

        def measured(scored):
            metrics, score, collapsed = usual(scored)
            model, scores = (
                scored.model.head(name),
                {key.rpartition("/")[2]: value for key, value in metrics.items()},
            )
            encoded = {code: rows for code, (_, rows) in scored.rows[name].items()}
            given = label_free.distributions(model, scored.tokenizer, task, encoded)
            sure = {code: -label_free.entropy(found_) for code, found_ in given.items()}
            answers = predict_encoded(model, scored.tokenizer, task, encoded, dev)
            bare = {code: one for code, (_, one) in scored.encoded(task, tests).items()}
            predicted = predict_encoded(model, scored.tokenizer, task, bare, tests)
            gold = kind.data(task.kind).gold(task, tests)
            truth = {code: made.dev_score(task, predicted[code], gold[code]) for code in LANGUAGES}
            found.append(
                {
                    "english_dev": scores["en"],
                    "oracle": _mean(scores[code] for code in LANGUAGES),
                    "label_free": _mean(label_free.information(given[code]) for code in LANGUAGES),
                    "confidence": _mean(sure[code].mean() for code in LANGUAGES),
                    "atc": _mean(thresholded(sure["en"], scores["en"], sure[code]) for code in LANGUAGES),
                    "agreement": _mean(kappa(answers["en"], answers[code]) for code in LANGUAGES),
                    "test": _mean(truth.values()),
                }
            )
            return metrics, score, collapsed

        Dev.evaluate = measured
        try:
            settings = TrainingSettings(**dict(task.recipe), select_by="last")
            train(
                start,
                [Part(task, self.rows(name, "train", "en"), dev)],
                None,
                settings,
                self.folder / name,
                seed=self.seed,
                runtime=RuntimeOptions(save_every_s=1e9),
            )
        finally:
            Dev.evaluate = usual
            shutil.rmtree(self.folder / name, ignore_errors=True)
        return found


def _mean(values) -> float:
    values = list(values)
    return float(sum(values) / len(values))


def measure(base: Path, seeds: list[int], out: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, open(out, "w", newline="", encoding="utf-8") as stream:
        os.environ["XFER_HOME"] = folder + "/home"
        table = csv.DictWriter(stream, FIELDS)
        table.writeheader()
        for seed in seeds:
            lab = Selection(base, Path(folder), seed)
            for target, helper in HELPERS.items():
                after = lab.train(base, (helper,), INTERMEDIATE)
                for label, start in (("none", base), (helper, after.directory)):
                    for point, row in enumerate(lab.points(start, target)):
                        table.writerow(
                            {
                                "seed": seed,
                                "target": target,
                                "after": label,
                                "point": point,
                                **{k: round(v, 3) for k, v in row.items()},
                            }
                        )
                    stream.flush()
                shutil.rmtree(after.directory.parent)
            print(f"seed {seed}: {time.process_time():.0f} s of CPU", file=sys.stderr, flush=True)


def report(out: Path, page: Path | None) -> str:
    with open(out, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    trainings: dict[tuple, list[dict[str, float]]] = {}
    for row in rows:
        trainings.setdefault((row["target"], row["after"], row["seed"]), []).append(
            {name: float(row[name]) for name in (*SIGNALS, "test")}
        )
    lines = [
        (
            f"{len(trainings)} trainings, {len(rows)} checkpoints. Kendall: of a signal's order of one "
            "training's checkpoints with that of test. Loss: test points between the best checkpoint and "
            "the chosen one (of equals the last). Across: Kendall over the last checkpoints of all "
            "trainings of a target. Intervals over trainings (95 %)."
        ),
        "",
    ]
    lines += [
        "| signal | Kendall within trainings | loss of the choice | loss, by target: "
        + ", ".join(HELPERS)
        + " | Kendall across trainings |",
        "|---|---|---|---|---|",
    ]
    for signal in (*SIGNALS, "last"):
        taus, losses, by_target = [], [], {}
        for (target, _, _), points in trainings.items():
            tests = [point["test"] for point in points]
            values = [point[signal] for point in points] if signal != "last" else list(range(len(points)))
            taus.append(kendall(tests, values))
            chosen = max(range(len(points)), key=lambda i: (values[i], i))
            losses.append(max(tests) - tests[chosen])
            by_target.setdefault(target, []).append(losses[-1])
        within, loss = (
            over_trainings(np.array([t for t in taus if math.isfinite(t)]), 0.95),
            over_trainings(np.array(losses), 0.95),
        )
        across = []
        for target in HELPERS:
            last = [points[-1] for (of, _, _), points in trainings.items() if of == target]
            across.append(
                kendall([p["test"] for p in last], [p[signal] for p in last])
                if signal != "last"
                else math.nan
            )
        cells = [
            f"{within.estimate:.2f} [{within.low:.2f}, {within.high:.2f}]",
            f"{loss.estimate:.1f} [{loss.low:.1f}, {loss.high:.1f}]",
            ", ".join(f"{_mean(v):.1f}" for v in by_target.values()),
            f"{_mean(across):.2f}" if signal != "last" else "",
        ]
        lines.append(f"| {signal} | " + " | ".join(cells) + " |")
    if len(trainings) < ENOUGH:
        lines += [
            "",
            (
                f"{len(trainings)} trainings are not enough power to tell the signals apart: none is shown "
                "to choose better than the last checkpoint. All of it is conditional on one base."
            ),
        ]
    text = "\n".join(lines)
    if page:
        page.write_text(
            "# What chooses a checkpoint\n\n`python benchmarks/selection.py` on the embedded suite; "
            f"protocol: its docstring.\n\n{text}\n",
            "utf-8",
        )
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--base", type=Path, help="a pre-trained checkpoint of the size mini; none: only report on --out"
    )
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--report", type=Path, help="markdown to write")
    arguments = parser.parse_args()
    if arguments.base:
        measure(arguments.base, list(map(int, arguments.seeds.split(","))), arguments.out)
    print(report(arguments.out, arguments.report))


if __name__ == "__main__":
    main()
