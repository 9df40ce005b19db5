"""Forgetting against the learning rate:
what an intermediate task leaves of retrieval, raw and centred, layer by layer.

    python benchmarks/forgetting.py BASE [BASE …] --out benchmarks/forgetting.csv

A BASE is a pre-trained checkpoint of the size mini (``mini_effects.py`` keeps one for each pre-training seed
as ``base-SEED``). Each is trained on each task at each rate, data, head and order by the base's seed; then
every layer retrieves the translations of mini's test sentences, in the languages with a dictionary.
Interrupted, the same command goes on. About 60 CPU seconds a base; ``docs/figures.py`` draws the table.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from mlflow_xfer.data import sources  # noqa: E402
from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings  # noqa: E402
from mlflow_xfer.tasks import mini  # noqa: E402
from mlflow_xfer.training.parts import Part  # noqa: E402
from mlflow_xfer.training.trainer import train  # noqa: E402
from mlflow_xfer.training.vector_search import layer_vectors, nearest_sources  # noqa: E402

INTERMEDIATES = ("attribute", "roles")
RATES = (2.5e-5, 1e-4, 2e-4, 5e-4)
RICH = tuple(code for code in mini.LANGUAGES[1:] if code not in mini.LOW_RESOURCE)
TASKS = {task.name: task for task in mini.TASKS}
FIELDS = ("base", "intermediate", "learning_rate", "layer", "raw", "centred")


def seed_of(base: Path) -> int:
    """The number at the end of the folder's name."""
    return int(base.name.rpartition("-")[2])


def rows(name: str, split: str, language: str, seed: int):
    task = TASKS[name]
    return sources.read(task, sources.locate(task, split, language, "mini", seed=seed))


def trained(base: Path, name: str, rate: float, work: Path) -> Path:
    seed, recipe = seed_of(base), TASKS[name].recipe.model_copy(update={"learning_rate": rate})
    settings = TrainingSettings(**dict(recipe), select_by="last")
    return train(
        base,
        [Part(TASKS[name], rows(name, "train", "en", seed))],
        None,
        settings,
        work,
        seed=seed,
        runtime=RuntimeOptions(save_every_s=1e9),
    ).directory


def retrieval(model: Path) -> Iterator[dict[str, float]]:
    """Accuracy of each layer, mean over the languages."""
    splits = {code: rows("retrieval", "test", code, 0) for code in RICH}
    for layer, found in layer_vectors(model, splits, max_seq_length=64).items():
        scores = {}
        for column, centred in (("raw", False), ("centred", True)):
            right = [
                sum(row == i for i, row in enumerate(nearest_sources(sides, centred))) / len(splits[code])
                for code, sides in found.items()
            ]
            scores[column] = round(100 * sum(right) / len(right), 2)
        yield {"layer": layer, **scores}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bases", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/forgetting.csv"))
    arguments = parser.parse_args()
    have: set[tuple[str, str, str]] = set()
    if arguments.out.is_file():
        with arguments.out.open(newline="", encoding="utf-8") as stream:
            have = {
                (row["base"], row["intermediate"], row["learning_rate"]) for row in csv.DictReader(stream)
            }
    for base in arguments.bases:
        for name, rate in [("none", 0.0), *((name, rate) for name in INTERMEDIATES for rate in RATES)]:
            key = (str(seed_of(base)), name, str(rate))
            if key in have:
                continue
            with tempfile.TemporaryDirectory() as scratch:
                os.environ["XFER_HOME"] = f"{scratch}/home"
                found = list(
                    retrieval(base if name == "none" else trained(base, name, rate, Path(scratch) / "work"))
                )
            with arguments.out.open("a", newline="", encoding="utf-8") as stream:
                table = csv.DictWriter(stream, FIELDS, lineterminator="\n")
                if not stream.tell():
                    table.writeheader()
                table.writerows({**dict(zip(FIELDS, key, strict=False)), **row} for row in found)
            print(*key, found[-1], file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
