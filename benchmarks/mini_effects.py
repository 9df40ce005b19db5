"""What mini's intermediate tasks do: declared signs against measured effects, over pre-training seeds.

    python benchmarks/mini_effects.py --seeds 0 --work WORK [--pairs key|all]     # or a process for each seed
    python benchmarks/mini_effects.py --merge WORK --out benchmarks/mini_effects.csv
    python benchmarks/mini_report.py            # what follows: into mini_effects.md and docs/mini.md

For each seed: pre-train from nothing (recipe of ``tasks/mini.py``), score every target without intermediate
task and on a random encoder, then every intermediate task before the targets. A seed is base, data, head and
order alike and equal in all arms, so that arms compare pairwise. ``key``: pairs declared + or -, matched
nulls, the random encoder; ``all``: every other pair too, scored in the languages with a dictionary only.
Interrupted, the same command goes on: bases, intermediate checkpoints and rows in WORK are not made again.
One CPU thread; a key seed costs about 6 CPU minutes.

Recipes and declarations were tuned on seeds from 100 on; the reported seeds are 0-4.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from mlflow_xfer.data import sources  # noqa: E402
from mlflow_xfer.kinds import kind  # noqa: E402
from mlflow_xfer.models.scratch import SIZES, build_scratch, randomised  # noqa: E402
from mlflow_xfer.models.tokenizer import train_tokenizer  # noqa: E402
from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings  # noqa: E402
from mlflow_xfer.tasks import mini  # noqa: E402
from mlflow_xfer.training.parts import LanguageModelPart, Part  # noqa: E402
from mlflow_xfer.training.predict import predict  # noqa: E402
from mlflow_xfer.training.trainer import train  # noqa: E402

TASKS = {task.name: task for task in mini.TASKS}
INTERMEDIATES = tuple(name for name, task in TASKS.items() if "intermediate" in task.uses)
RICH = tuple(code for code in mini.LANGUAGES[1:] if code not in mini.LOW_RESOURCE)
CONTROLLED = ("attribute", "polarity", "bio_attribute")
FIELDS = ("seed", "arm", "intermediate", "target", "xx", "low", "en")
"""``xx``: mean over the languages with a dictionary but English; ``low``: over the low-resource ones."""


class Lab:
    """Trains and scores in a folder that is kept; ``seed`` is base, data, head and order alike."""

    def __init__(self, seed: int, folder: Path):
        self.seed, self.folder = seed, folder

    def pretrain(self) -> Path:
        base = self.folder / f"base-{self.seed}"
        if base.is_dir():
            return base
        texts = {code: sources.read_text(rows) for code, rows in sources.load_texts("mini", None).items()}
        with tempfile.TemporaryDirectory() as scratch:
            size, start = SIZES["mini"], Path(scratch) / "start"
            tokenizer = train_tokenizer(
                (text for table in texts.values() for text in table["text"][:]),
                size["vocab_size"],
                "xlm-roberta",
            )
            build_scratch("xlm-roberta", "mini", tokenizer, self.seed).save_pretrained(start)
            tokenizer.save_pretrained(start)
            settings = self.settings(
                mini.PRETRAIN, dropout=0.0, mlm_probability=mini.MLM_PROBABILITY, alpha=0.3
            )
            made = train(
                start,
                [LanguageModelPart(texts)],
                None,
                settings,
                Path(scratch) / "work",
                seed=self.seed,
                runtime=RuntimeOptions(save_every_s=1e9),
            ).directory
            return self.keep(made, base)

    def settings(self, recipe, **more) -> TrainingSettings:
        return TrainingSettings(**dict(recipe), select_by="last", **more)

    def rows(self, task, split: str, language: str):
        return sources.read(task, sources.locate(task, split, language, "mini", seed=self.seed))

    def keep(self, made: Path, where: Path) -> Path:
        shutil.copytree(made, where.with_suffix(".part"), dirs_exist_ok=True)
        return where.with_suffix(".part").rename(where)

    def intermediate(self, start: Path, arm: str, name: str) -> Path:
        kept = self.folder / f"{arm}-{self.seed}-{name}"
        if not kept.is_dir():
            with tempfile.TemporaryDirectory() as scratch:
                self.keep(self.fit(start, TASKS[name], Path(scratch)), kept)
        return kept

    def fit(self, start: Path, task, work: Path) -> Path:
        return train(
            start,
            [Part(task, self.rows(task, "train", "en"))],
            None,
            self.settings(task.recipe),
            work / "fit",
            seed=self.seed,
            runtime=RuntimeOptions(save_every_s=1e9),
        ).directory

    def score(self, model: Path, task, languages) -> dict[str, float]:
        splits = {code: self.rows(task, "test", code) for code in task.languages if code in languages}
        found = predict(model, task, splits, max_seq_length=64)
        if task.kind == "retrieval":
            return {
                code: 100.0 * sum(p == i for i, p in enumerate(rows)) / len(rows)
                for code, rows in found.items()
            }
        gold = kind.data(task.kind).gold(task, splits)
        return {code: kind.model(task.kind).dev_score(task, found[code], gold[code]) for code in splits}

    def reach(self, start: Path, target, languages=mini.LANGUAGES) -> dict[str, float]:
        """Scores of ``target`` by language, fine-tuned from ``start`` where it is a trained task."""
        with tempfile.TemporaryDirectory() as scratch:
            return self.score(
                self.fit(start, target, Path(scratch)) if target.trained else start, target, languages
            )


class Table:
    """The rows of one seed in a file; each is written when it is measured."""

    def __init__(self, path: Path, seed: int):
        self.path, self.seed = path, seed
        self.have = (
            {(row["arm"], row["intermediate"], row["target"]) for row in read(path)}
            if path.is_file()
            else set()
        )

    def lacks(self, arm: str, name: str, targets) -> list[str]:
        return [target for target in targets if (arm, name, target) not in self.have]

    def add(self, arm: str, name: str, target: str, scores: dict[str, float]) -> None:
        groups = {"xx": RICH, "low": mini.LOW_RESOURCE, "en": ("en",)}
        means = {
            group: round(sum(found) / len(found), 2)
            if (found := [scores[code] for code in codes if code in scores])
            else ""
            for group, codes in groups.items()
        }
        fresh = not self.path.is_file()
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, FIELDS)
            if fresh:
                table.writeheader()
            table.writerow({"seed": self.seed, "arm": arm, "intermediate": name, "target": target, **means})
        self.have.add((arm, name, target))


def read(path: Path) -> list[dict]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def key_targets(name: str) -> list[str]:
    """Targets that ``name`` is declared to help or harm,
    both retrievals, and for a null those that its task helps.
    """
    own = [target for target, sign in mini.EXPECTED[name].items() if sign != "0"] + [
        "retrieval",
        "retrieval_centred",
    ]
    matched = (
        [target for target, sign in mini.EXPECTED[name.removesuffix("_null")].items() if sign == "+"]
        if name.endswith("_null")
        else []
    )
    return [target for target in mini.TARGETS if target in {*own, *matched}]


def measure(seed: int, work: Path, pairs: str) -> None:
    work.mkdir(parents=True, exist_ok=True)
    os.environ["XFER_HOME"] = str(work / "home")  # encodings are shared by all seeds
    lab, table = Lab(seed, work), Table(work / f"seed-{seed}.csv", seed)
    base = lab.pretrain()
    say(f"seed {seed}: base")
    if pairs == "none":
        return
    control = work / f"random-{seed}"
    if not control.is_dir():
        randomised(base, control, seed)
    for arm, start in (("pretrained", base), ("random", control)):
        for target in table.lacks(arm, "none", mini.TARGETS):
            table.add(arm, "none", target, lab.reach(start, TASKS[target]))
    for arm, start, names in (("pretrained", base, INTERMEDIATES), ("random", control, CONTROLLED)):
        for name in names:
            wanted = (
                key_targets(name)
                if arm == "pretrained"
                else [target for target, sign in mini.EXPECTED[name].items() if sign == "+"]
            )
            for target in table.lacks(arm, name, wanted):
                table.add(arm, name, target, lab.reach(lab.intermediate(start, arm, name), TASKS[target]))
    say(f"seed {seed}: key pairs")
    for name in INTERMEDIATES if pairs == "all" else ():
        for target in table.lacks("pretrained", name, mini.TARGETS):
            table.add(
                "pretrained",
                name,
                target,
                lab.reach(lab.intermediate(base, "pretrained", name), TASKS[target], RICH),
            )
    say(f"seed {seed}: done")


def say(what: str) -> None:
    print(
        f"{what} ({resource.getrusage(resource.RUSAGE_SELF).ru_utime:.0f} s of CPU)",
        file=sys.stderr,
        flush=True,
    )


# -- what the table says -------------------------------------------------------------------------------------
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="", help="seeds to measure, one after the other")
    parser.add_argument(
        "--work", type=Path, default=Path("mini_effects"), help="folder of bases, checkpoints and rows"
    )
    parser.add_argument("--pairs", choices=("none", "key", "all"), default="key", help="none: the base alone")
    parser.add_argument("--merge", type=Path, help="join the tables of this folder into --out")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/mini_effects.csv"))
    arguments = parser.parse_args()
    for seed in filter(None, arguments.seeds.split(",")):
        measure(int(seed), arguments.work, arguments.pairs)
    if arguments.merge:
        rows = [row for path in sorted(arguments.merge.glob("seed-*.csv")) for row in read(path)]
        with arguments.out.open("w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, FIELDS, lineterminator="\n")
            table.writeheader()
            table.writerows(rows)


if __name__ == "__main__":
    main()
