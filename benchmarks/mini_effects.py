"""What mini's intermediate tasks do: declared signs against measured effects, over pre-training seeds.

    python benchmarks/mini_effects.py --seeds 0,1,2,3,4 --out mini_effects.csv [--pairs key|all]

For each seed: pre-train from nothing (recipe of ``tasks/mini.py``), then every pair of intermediate and target, the
baseline without intermediate, and the same on a random encoder; common random numbers across arms. One CPU thread.
Recipes were tuned on seeds from 100 on; the reported seeds are 0-4. Prints the tables that README.md shows.
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
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from mlflow_xfer.data import sources  # noqa: E402
from mlflow_xfer.models import load  # noqa: E402
from mlflow_xfer.models.tokenizer import train_tokenizer  # noqa: E402
from mlflow_xfer.tasks import mini  # noqa: E402
from mlflow_xfer.tasks.task import TaskKind  # noqa: E402
from mlflow_xfer.training.predict import predict  # noqa: E402
from mlflow_xfer.training.selection import dev_score  # noqa: E402
from mlflow_xfer.training.settings import LM_TASKS, Part, Settings  # noqa: E402
from mlflow_xfer.training.trainer import references, train  # noqa: E402

TASKS = {task.name: task for task in mini.TASKS}
RICH = tuple(code for code in mini.LANGUAGES[1:] if code not in mini.LOW_RESOURCE)
CONTROLLED = ("attribute", "polarity", "bio_attribute")
T975 = {1: 12.71, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


class Lab:
    """Trains and scores in a scratch folder; ``seed`` is base, data, head and order alike."""

    def __init__(self, seed: int, folder: Path):
        self.seed, self.folder, self.count = seed, folder, 0

    def pretrain(self) -> Path:
        texts = {code: sources.read_text(rows) for code, rows in sources.load_texts("mini", None).items()}
        size, start = load.SIZES["mini"], self.folder / "start"
        tokenizer = train_tokenizer((text for table in texts.values() for text in table["text"][:]), size["vocab_size"], "xlm-roberta")
        load.build_scratch("xlm-roberta", "mini", tokenizer, self.seed).save_pretrained(start)
        tokenizer.save_pretrained(start)
        settings = self.settings(mini.PRETRAIN, dropout=0.0, mlm_probability=mini.MLM_PROBABILITY, alpha=0.3)
        return train(start, [Part(LM_TASKS[TaskKind.MASKED_LM], texts)], None, settings, self.folder / "base", save_every_s=1e9).directory

    def settings(self, recipe, **more) -> Settings:
        return Settings(**vars(recipe), seed=self.seed, select_by="last", **more)

    def rows(self, task, split: str, language: str):
        return sources.read(task, sources.locate(task, split, language, "mini", seed=self.seed))

    def fit(self, start: Path, task) -> Path:
        self.count += 1
        work = self.folder / f"fit{self.count}"
        return train(start, [Part(task, self.rows(task, "train", "en"))], None, self.settings(task.recipe), work, save_every_s=1e9).directory

    def score(self, model: Path, task) -> dict[str, float]:
        splits = {code: self.rows(task, "test", code) for code in task.languages}
        found = predict(model, task, splits, max_seq_length=64)
        if task.kind == TaskKind.RETRIEVAL:
            return {code: 100.0 * sum(p == i for i, p in enumerate(rows)) / len(rows) for code, rows in found.items()}
        return {code: dev_score(task, found[code], references(task.kind, splits[code])) for code in splits}

    def reach(self, start: Path, target) -> dict[str, float]:
        """Scores of ``target`` by language, fine-tuned from ``start`` where it is a trained task."""
        model = self.fit(start, target) if target.trained else start
        scores = self.score(model, target)
        if target.trained:
            shutil.rmtree(model.parent, ignore_errors=True)
        return scores


def measure(seed: int, which: str, write) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XFER_HOME"] = folder + "/home"
        lab, began = Lab(seed, Path(folder)), time.monotonic()
        base = lab.pretrain()
        print(f"seed {seed}: pre-trained in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        control = load.randomised(base, Path(folder) / "random", seed)
        for arm, start in (("pretrained", base), ("random", control)):
            for target in mini.TARGETS:
                write(seed, arm, "none", target, lab.reach(start, TASKS[target]))
            for name, task in TASKS.items():
                if "intermediate" in task.uses and (arm == "pretrained" or name in CONTROLLED):
                    model = lab.fit(start, task)
                    for target in mini.TARGETS:
                        if which == "all" or task.expected[target] != "0" or name.endswith("_null") and task.expected[target] == "0" and target in matched(name):
                            write(seed, arm, name, target, lab.reach(model, TASKS[target]))
                    shutil.rmtree(model.parent, ignore_errors=True)


def matched(null: str) -> tuple[str, ...]:
    """The targets that the task of a null helps."""
    return tuple(target for target, sign in TASKS[null.removesuffix("_null")].expected.items() if sign == "+")


def summary(rows: list[dict]) -> None:
    """Prints means over seeds with t intervals: scores, and differences to the baseline of the same seed."""

    def mean(scores: list[float]) -> str:
        n, m = len(scores), sum(scores) / len(scores)
        half = T975.get(n - 1, 1.96) * math.sqrt(sum((x - m) ** 2 for x in scores) / (n - 1) / n) if n > 1 else float("nan")
        return f"{m:+6.1f} [{m - half:+.1f}, {m + half:+.1f}] n={n}"

    table = {}
    for row in rows:
        group = "low" if row["language"] in mini.LOW_RESOURCE else "en" if row["language"] == "en" else "xx"
        table.setdefault((row["arm"], row["intermediate"], row["target"], group, int(row["seed"])), []).append(float(row["score"]))
    table = {key: sum(scores) / len(scores) for key, scores in table.items()}
    arms = sorted({key[:3] for key in table})
    seeds = sorted({key[4] for key in table})
    print("scores without intermediate (xx = rich languages but English, low = low-resource)")
    for arm, name, target in arms:
        if name == "none":
            print(f"  {arm:10} {target:18}", *(f"{g} {mean([table[arm, name, target, g, s] for s in seeds if (arm, name, target, g, s) in table])}" for g in ("xx", "low")))
    hits = tried = 0
    print("differences to no intermediate (xx), and the declared sign")
    for arm, name, target in arms:
        if name == "none":
            continue
        differences = [table[arm, name, target, "xx", s] - table[arm, "none", target, "xx", s] for s in seeds if (arm, name, target, "xx", s) in table]
        sign, m = TASKS[name].expected[target], sum(differences) / len(differences)
        print(f"  {arm:10} {name:16} -> {target:18} {mean(differences)} declared {sign}")
        if arm == "pretrained" and sign in "+-":
            tried, hits = tried + 1, hits + ((m > 0) == (sign == "+"))
    print(f"declared + or -: {hits} of {tried} have that sign")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--out", default="mini_effects.csv")
    parser.add_argument("--pairs", choices=("key", "all"), default="key", help="key: pairs declared + or -, and the matched nulls")
    arguments = parser.parse_args()
    fields = ["seed", "arm", "intermediate", "target", "language", "score"]
    with open(arguments.out, "w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, fields)
        table.writeheader()
        rows: list[dict] = []

        def write(seed, arm, name, target, scores) -> None:
            made = [dict(zip(fields, (seed, arm, name, target, code, round(score, 2)), strict=True)) for code, score in scores.items()]
            rows.extend(made)
            table.writerows(made)
            stream.flush()

        for seed in map(int, arguments.seeds.split(",")):
            measure(seed, arguments.pairs, write)
            summary(rows)


if __name__ == "__main__":
    main()
