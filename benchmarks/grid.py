"""Every subset of nine intermediate tasks before three targets, on the embedded suite:
the table that searches replay.

    python benchmarks/grid.py --base DIR --seeds 0,1,2 --out benchmarks/grid.csv [--shard 1/2]
    python benchmarks/grid.py --merge a.csv b.csv --out benchmarks/grid.csv

DIR is a pre-trained checkpoint of the size mini: ``python benchmarks/mini_effects.py --seeds 0 --pairs none
--work WORK`` makes the one of the committed table (WORK/base-0). One row for each (subset, seed, target):
English dev (what a search may see), the mean of the test scores over the non-English dictionary languages
(the truth), and what the trainings cost. A seed is data, head and order alike, equal for all subsets, so that
subsets compare pairwise. Every subset trains the same number of steps; batches are drawn uniformly over its
tasks. Nothing is kept but the table. Interrupted, the same command goes on: rows in ``--out`` are not made
again. Two processes take one shard each, into files of their own; ``--merge`` joins them. One CPU thread,
about 6 s for each (subset, seed).
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from mlflow_xfer.data import sources  # noqa: E402
from mlflow_xfer.kinds import kind  # noqa: E402
from mlflow_xfer.params.settings import (  # noqa: E402
    Recipe,
    RuntimeOptions,
    TrainingSettings,  # noqa: E402
)
from mlflow_xfer.tasks import mini  # noqa: E402
from mlflow_xfer.tasks.task import Mixture  # noqa: E402
from mlflow_xfer.training.parts import Part, TrainingResult  # noqa: E402
from mlflow_xfer.training.predict import predict  # noqa: E402
from mlflow_xfer.training.trainer import train  # noqa: E402

POOL = (
    "attribute",
    "attribute_b",
    "attribute_null",
    "attribute_twin",
    "polarity",
    "position",
    "questions",
    "roles",
    "types",
)
TARGETS = ("choice", "choice_both", "mood")
TASKS = {task.name: task for task in mini.TASKS}
LANGUAGES = tuple(code for code in mini.LANGUAGES[1:] if code not in mini.LOW_RESOURCE)
INTERMEDIATE = Recipe(learning_rate=1e-3, max_steps=100, train_batch_size=16, max_seq_length=64)
"""Tuned on seeds from 100 on: gentler and shorter trainings teach a task too little to tell subsets apart."""
TEST_EXAMPLES = 100  # of each language

FIELDS = (
    "subset",
    "seed",
    "target",
    "dev",
    "test",
    "test_en",
    "steps_intermediate",
    "tokens_intermediate",
    "steps_target",
    "tokens_target",
    "seconds_intermediate",
    "seconds_target",
)


def subsets(pool: tuple[str, ...] = POOL) -> list[tuple[str, ...]]:
    """All subsets, small ones first."""
    return [chosen for size in range(len(pool) + 1) for chosen in combinations(sorted(pool), size)]


class Lab:
    """Trains and scores in a scratch folder, one seed at a time."""

    def __init__(self, base: Path, folder: Path, seed: int):
        self.base, self.folder, self.seed = base, folder, seed

    def rows(self, name: str, split: str, language: str):
        return sources.read(TASKS[name], sources.locate(TASKS[name], split, language, "mini", seed=self.seed))

    def train(self, start: Path, names: tuple[str, ...], recipe: Recipe) -> TrainingResult:
        parts = [Part(TASKS[name], self.rows(name, "train", "en")) for name in names]
        mixture = Mixture(names, mixing="uniform") if len(names) > 1 else None
        settings = TrainingSettings(**dict(recipe), select_by="last")
        return train(
            start,
            parts,
            mixture,
            settings,
            self.folder / "+".join(names),
            seed=self.seed,
            runtime=RuntimeOptions(save_every_s=1e9),
        )

    def scores(self, model: Path, name: str) -> dict[str, float]:
        """Scores by split: English dev as ``dev``, tests by language."""
        splits = {
            code: sources.subset(self.rows(name, "test", code), TEST_EXAMPLES, 0)
            for code in ("en", *LANGUAGES)
        }
        splits["dev"] = self.rows(name, "validation", "en")
        found = predict(model, TASKS[name], splits, max_seq_length=64)
        task = TASKS[name]
        gold = kind.data(task.kind).gold(task, splits)
        return {code: kind.model(task.kind).dev_score(task, found[code], gold[code]) for code in splits}

    def subset(self, names: tuple[str, ...]) -> Iterator[dict]:
        """The rows of one subset."""
        before = time.process_time()
        middle = self.train(self.base, names, INTERMEDIATE) if names else None
        spent = time.process_time() - before
        for target in TARGETS:
            before = time.process_time()
            tuned = self.train(middle.directory if middle else self.base, (target,), TASKS[target].recipe)
            seconds = time.process_time() - before
            found = self.scores(tuned.directory, target)
            test = sum(found[code] for code in LANGUAGES) / len(LANGUAGES)
            values = [
                "+".join(names) or "none",
                self.seed,
                target,
                found["dev"],
                test,
                found["en"],
                middle.steps if middle else 0,
                middle.tokens if middle else 0,
                tuned.steps,
                tuned.tokens,
                spent,
                seconds,
            ]
            yield {
                field: round(value, 3) if isinstance(value, float) else value
                for field, value in zip(FIELDS, values, strict=True)
            }
            shutil.rmtree(tuned.directory.parent)
        if middle:
            shutil.rmtree(middle.directory.parent)


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a table; a last line that a kill cut short does not count."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if None not in row.values() and row["seconds_target"]]


def write(path: Path, rows: list[dict]) -> None:
    order = {name: n for n, name in enumerate("+".join(s) or "none" for s in subsets())}
    unique = {(row["subset"], int(row["seed"]), row["target"]): row for row in rows}
    with open(path, "w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, FIELDS)
        table.writeheader()
        table.writerows(
            row
            for _, row in sorted(unique.items(), key=lambda item: (item[0][1], order[item[0][0]], item[0][2]))
        )


def measure(base: Path, seeds: list[int], chosen: list[tuple[str, ...]], out: Path) -> None:
    """Append the rows that ``out`` lacks."""
    rows = read(out)
    done = {(row["subset"], int(row["seed"])) for row in rows if row["target"] == TARGETS[-1]}
    write(out, [row for row in rows if (row["subset"], int(row["seed"])) in done])
    with tempfile.TemporaryDirectory() as folder, open(out, "a", newline="", encoding="utf-8") as stream:
        os.environ["XFER_HOME"] = folder + "/home"
        table = csv.DictWriter(stream, FIELDS)
        for seed in seeds:
            todo = [names for names in chosen if ("+".join(names) or "none", seed) not in done]
            for n, names in enumerate(todo, 1):
                table.writerows(Lab(base, Path(folder), seed).subset(names))
                stream.flush()
                if n % 32 == 0 or n == len(todo):
                    print(
                        f"seed {seed}: {n} of {len(todo)} subsets, {time.process_time():.0f} s of CPU",
                        file=sys.stderr,
                        flush=True,
                    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=Path, help="a pre-trained checkpoint of the size mini")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--shard", default="1/1", help="i/n: every n-th subset from the i-th on")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--merge", type=Path, nargs="+", help="tables to join into --out instead of training")
    arguments = parser.parse_args()
    if arguments.merge:
        write(arguments.out, [row for path in arguments.merge for row in read(path)])
        return
    if arguments.base is None:
        parser.error("--base: a pre-trained checkpoint is needed")
    number, of = map(int, arguments.shard.split("/"))
    measure(
        arguments.base, list(map(int, arguments.seeds.split(","))), subsets()[number - 1 :: of], arguments.out
    )


if __name__ == "__main__":
    main()
