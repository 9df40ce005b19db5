"""How well merged weights predict joint training:
subsets of mini's tasks, trained jointly and merged from their singles.

    python benchmarks/merge.py --base DIR --seeds 0,1 --subsets 20 --out merge.csv [--grid grid.csv] [--report
    benchmarks/merge.md]

The protocol, recipes and scores are those of ``grid.py`` (DIR is the base that its table was made with).
Joint scores are read from ``--grid`` where it has them; that it belongs to this base and code is checked by
training one subset again. Every subset trains as many steps jointly as one task alone, so a merge of n tasks
stands on n times the steps, which every other subset shares. Interrupted, the same command goes on: rows in
``--out`` are not made again. One CPU thread.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from grid import (
    INTERMEDIATE,
    LANGUAGES,
    POOL,
    TARGETS,
    TASKS,
    Lab,
    read,
    subsets,
)  # first: it sets the threads

from mlflow_xfer.errors import XferError
from mlflow_xfer.models.merge import merge_checkpoints
from mlflow_xfer.stats.agreement import agreement

METHODS = {
    "average": {"method": "average"},
    "task_arithmetic 0.4": {"method": "task_arithmetic", "weight": 0.4},
    "ties": {"method": "ties", "weight": 1.0},
}
ENOUGH = 20  # subsets from which an interval of a rank correlation is narrow enough to say something
JOINT, BEST_SINGLE = "joint", "best single"


def drawn(number: int) -> list[tuple[str, ...]]:
    """Subsets of at least two tasks, the same for every seed."""
    several = [names for names in subsets() if len(names) > 1]
    return sorted(
        random.Random(0).sample(several, min(number, len(several))), key=lambda names: (len(names), names)
    )


class Merging(Lab):
    """A lab that keeps the trainings of single tasks and merges them."""

    def single(self, name: str) -> Path:
        kept = self.folder / f"single-{self.seed}-{name}"
        if not kept.is_dir():
            trained = self.train(self.base, (name,), INTERMEDIATE)
            shutil.move(trained.directory, kept)
            shutil.rmtree(trained.directory.parent)
        return kept

    def joint(self, names: tuple[str, ...]) -> Iterator[dict]:
        """Scores after training ``names`` jointly, as ``grid.py`` does; that of a single task is kept."""
        before = time.process_time()
        start = (
            self.single(names[0]) if len(names) == 1 else self.train(self.base, names, INTERMEDIATE).directory
        )
        yield from self.reached(start, names, JOINT, time.process_time() - before)
        if len(names) > 1:
            shutil.rmtree(start.parent)

    def merged(self, names: tuple[str, ...], how: dict, label: str) -> Iterator[dict]:
        """Scores of the merge of ``names``, target by target."""
        out, scratch = self.folder / "merge", self.folder / "scratch"
        shutil.rmtree(out, ignore_errors=True)  # of an interrupted call
        weights = [how["weight"]] * len(names) if "weight" in how else None
        before = time.process_time()
        merge_checkpoints(
            [self.single(n) for n in names],
            self.base if weights else None,
            out,
            method=how["method"],
            weights=weights,
            scratch=scratch,
        )
        yield from self.reached(out, names, label, time.process_time() - before)
        shutil.rmtree(out)
        shutil.rmtree(scratch)

    def reached(self, start: Path, names: tuple[str, ...], label: str, seconds: float) -> Iterator[dict]:
        for target in TARGETS:
            tuned = self.train(start, (target,), TASKS[target].recipe)
            found = self.scores(tuned.directory, target)
            test = sum(found[code] for code in LANGUAGES) / len(LANGUAGES)
            yield {
                "how": label,
                "subset": "+".join(names),
                "seed": self.seed,
                "target": target,
                "dev": round(found["dev"], 3),
                "test": round(test, 3),
                "seconds": round(seconds, 3),
            }
            shutil.rmtree(tuned.directory.parent)


def measure(
    base: Path,
    seeds: list[int],
    chosen: list[tuple[str, ...]],
    methods: list[str],
    grid: Path | None,
    out: Path,
    work: Path,
) -> None:
    fields = ["how", "subset", "seed", "target", "dev", "test", "seconds"]
    kept = rows_of(out)
    done = {(row["how"], row["subset"], int(row["seed"])) for row in kept if row["target"] == TARGETS[-1]}
    known: dict[tuple[str, int], list[dict]] = {}
    for row in read(grid) if grid else []:
        known.setdefault((row["subset"], int(row["seed"])), []).append(row)
    with tempfile.TemporaryDirectory() as home, open(out, "w", newline="", encoding="utf-8") as stream:
        os.environ["XFER_HOME"] = home
        table = csv.DictWriter(stream, fields, extrasaction="ignore")
        table.writeheader()
        table.writerows(row for row in kept if (row["how"], row["subset"], int(row["seed"])) in done)
        for seed in seeds:
            lab = Merging(base, work, seed)
            checked = False
            for names in [*((name,) for name in sorted(POOL)), *chosen]:
                key = "+".join(names)
                if (JOINT, key, seed) not in done:
                    found = known.get((key, seed), [])
                    if len(found) < len(TARGETS) or not checked:
                        trained = list(lab.joint(names))
                        if len(found) == len(TARGETS):
                            _same(trained, found)
                            checked = True
                        found = trained
                    table.writerows(
                        {"seconds": row.get("seconds_intermediate"), **row, "how": JOINT} for row in found
                    )
                if len(names) > 1:
                    for label in methods:
                        if (label, key, seed) not in done:
                            table.writerows(lab.merged(names, METHODS[label], label))
                stream.flush()
            print(f"seed {seed}: {time.process_time():.0f} s of CPU", file=sys.stderr, flush=True)


def _same(mine: list[dict], theirs: list[dict]) -> None:
    """A subset trained again must score as the table says,
    or its other rows belong to another base or other code.
    """
    tests = [{row["target"]: float(row["test"]) for row in rows} for rows in (mine, theirs)]
    if tests[0] != tests[1]:
        raise XferError(
            f"The grid says {tests[1]}, trained again it is {tests[0]}.",
            "Give the base and the code that the table was made with, or leave --grid out.",
        )


def rows_of(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if None not in row.values()]


def report(rows: list[dict[str, str]], out: Path | None) -> str:
    """Agreement of each way of guessing with joint training,
    over subsets, by target and for the mean of the targets.
    """
    seeds = sorted({int(row["seed"]) for row in rows})
    scores: dict[tuple[str, str, int], dict[str, float]] = {}
    for row in rows:
        scores.setdefault((row["how"], row["subset"], int(row["seed"])), {})[row["target"]] = float(
            row["test"]
        )
    chosen = sorted(
        set.intersection(
            *({subset for how, subset, n in scores if how in METHODS and n == seed} for seed in seeds)
        )
    )

    def of(how: str, subset: str, target: str, used: list[int]) -> list[float]:
        """The score of each seed; ``mean``: of the three targets."""

        def one(by: dict[str, float]) -> float:
            return sum(by.values()) / len(by) if target == "mean" else by[target]

        if how == BEST_SINGLE:
            return [max(one(scores[JOINT, name, seed]) for name in subset.split("+")) for seed in used]
        return [one(scores[how, subset, seed]) for seed in used]

    lines = [
        (
            f"{len(chosen)} subsets of 2 to {max(s.count('+') + 1 for s in chosen)} of {len(POOL)} tasks; "
            "truth = joint training. Intervals over subsets (95 %)."
        ),
        "",
    ]
    lines += [
        (
            "| guess | seeds | target | Kendall | Spearman | mean abs. error | bias | regret of the first "
            "choice | at random |"
        ),
        "|---|---|---|---|---|---|---|---|---|",
    ]
    available = {
        label: tuple(seed for seed in seeds if all((label, subset, seed) in scores for subset in chosen))
        for label in METHODS
    }
    fair = [
        (label, used)
        for used in sorted(set(available.values()))
        for label in ("average", BEST_SINGLE)
        if used
    ]  # on the same seeds
    for label, used in dict.fromkeys([*available.items(), *fair]):
        if not used:
            continue
        for target in ("mean", *TARGETS):
            found = agreement(
                {s: of(JOINT, s, target, used) for s in chosen},
                {s: of(label, s, target, used) for s in chosen},
            )
            cells = [
                _cell(found.kendall),
                _cell(found.spearman),
                _cell(found.error, 1),
                _cell(found.bias, 1),
                f"{found.regret:.1f}",
                f"{found.random_regret:.1f}",
            ]
            lines.append(f"| {label} | {','.join(map(str, used))} | {target} | " + " | ".join(cells) + " |")
    if len(seeds) > 1:
        lines += [
            "",
            "Joint training against itself, seed against seed (what no guess can beat by much):",
            "",
            "| target | Kendall | Spearman | mean abs. error |",
            "|---|---|---|---|",
        ]
        for target in ("mean", *TARGETS):
            found = agreement(
                {s: of(JOINT, s, target, seeds[:1]) for s in chosen},
                {s: of(JOINT, s, target, seeds[1:2]) for s in chosen},
            )
            lines.append(
                f"| {target} | {_cell(found.kendall)} | {_cell(found.spearman)} | {_cell(found.error, 1)} |"
            )
    steps = INTERMEDIATE.max_steps
    every = len(subsets()) - 1
    lines += [
        "",
        (
            f"Intermediate steps for all {every} subsets and one seed: {every * steps:,} jointly ({steps} "
            f"each), {len(POOL) * steps:,} merged ({len(POOL)} singles): {every / len(POOL):.0f} times "
            "fewer."
        ),
    ]
    seconds = [
        float(row["seconds"]) for row in rows if row["how"] == "average" and row["target"] == TARGETS[0]
    ]
    trained = [
        float(row["seconds"])
        for row in rows
        if row["how"] == JOINT and row["target"] == TARGETS[0] and "+" in row["subset"]
    ]
    lines += [
        (
            f"A merge took {sum(seconds) / len(seconds):.1f} s of CPU, a joint training "
            f"{sum(trained) / len(trained):.1f} s."
        )
    ]
    if len(chosen) < ENOUGH:
        lines += [
            (
                f"{len(chosen)} subsets are not enough power for a verdict on ranks: the intervals say what "
                "can be said. All of it is conditional on one base."
            )
        ]
    text = "\n".join(lines)
    if out:
        out.write_text(
            "# How well merges predict joint training\n\n`python benchmarks/merge.py` on the embedded "
            f"suite; protocol: its docstring.\n\n{text}\n",
            "utf-8",
        )
    return text


def _cell(found, digits: int = 2) -> str:
    return f"{found.estimate:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--base", type=Path, help="a pre-trained checkpoint of the size mini; none: only report on --out"
    )
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--subsets", type=int, default=20)
    parser.add_argument("--grid", type=Path, help="table of benchmarks/grid.py with joint scores")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--work",
        type=Path,
        help="an existing folder that keeps the trainings of single tasks for the next call",
    )
    parser.add_argument("--methods", default=",".join(METHODS), help="comma list of: " + ", ".join(METHODS))
    parser.add_argument(
        "--join", type=Path, nargs="*", default=[], help="tables of other seeds for the report"
    )
    parser.add_argument("--report", type=Path, help="markdown to write")
    arguments = parser.parse_args()
    if arguments.base:
        with tempfile.TemporaryDirectory() as folder:
            measure(
                arguments.base,
                list(map(int, arguments.seeds.split(","))),
                drawn(arguments.subsets),
                arguments.methods.split(","),
                arguments.grid,
                arguments.out,
                arguments.work or Path(folder),
            )
    rows = [row for path in [arguments.out, *arguments.join] for row in rows_of(path)]
    print(report(rows, arguments.report))


if __name__ == "__main__":
    main()
