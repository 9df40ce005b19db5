"""Whether `make demo-search` answers right: the same search, repeated with other seeds.

    python benchmarks/demo_search.py --base DIR --repetitions 0,1,2,3,4 --work WORK   # or one after the other
    python benchmarks/demo_search.py --write                                          # demo_search.md

DIR is the checkpoint that ``make demo`` pre-trains. What is searched stands in the Makefile and is read from
there. Repetition r moves all seeds by 100 r: order and heads, and which concepts train, dev and test rows are
about. Right means what is known of the pool (``tasks/mini.py``; measured in ``grid.csv``): the confirmed
answer is one or more tasks that help and no other, and its verdict is "better". Figures go to
``benchmarks/demo_search.jsonl``; seconds of processors count all processes, confirmation included.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "demo_search.jsonl", HERE / "demo_search.md"
HELP, NULL, HARM = {"attribute", "attribute_twin"}, {"attribute_null"}, {"position"}


def demo() -> dict[str, str]:
    """The parameters of ``make demo-search``."""
    recipe = re.search(
        r"^demo-search:.*\n((?:\t.*\n?)+)", (HERE.parent / "Makefile").read_text("utf-8"), re.M
    ).group(1)
    return dict(re.findall(r"-P (\w[\w.]*)=(\S+)", recipe))


def shifted(seeds: str, by: int) -> str:
    return ",".join(str(int(seed) + by) for seed in seeds.split(","))


def right(tasks: set[str], verdict: str) -> bool:
    return bool(tasks) and tasks <= HELP and verdict == "better"


def repeat(base: Path, repetition: int, work: Path) -> dict:
    """One search in a store of its own."""
    import pandas as pd

    import mlflow_xfer

    folder = (work / f"repetition-{repetition}").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ |= {"XFER_HOME": str(folder / "home"), "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    os.chdir(folder)
    typed = demo()
    typed["seeds"] = shifted(typed["seeds"], 100 * repetition)
    began, before = time.monotonic(), spent()
    run_id = mlflow_xfer.search(**typed, model=str(base.absolute())).run_id
    wall, cpu = time.monotonic() - began, spent() - before
    from mlflow import MlflowClient

    client = MlflowClient()
    run = client.get_run(run_id)
    confirmed = pd.DataFrame(
        **json.loads(Path(client.download_artifacts(run_id, "results/confirmed.json")).read_text("utf-8"))
    ).to_dict("records")
    best = confirmed[0]
    trials = client.search_runs(
        [run.info.experiment_id], f"tags.xfer.kind = 'trial' and tags.mlflow.parentRunId = '{run_id}'"
    )
    ends = [
        ("duplicate" if "xfer.duplicate_of" in trial.data.tags else trial.info.status) for trial in trials
    ]
    return {
        "repetition": repetition,
        "seeds": typed["seeds"],
        "named": best["candidate"],
        "verdict": best["verdict"],
        "selected": best["selected_dev"],
        "confirmed": best["confirmed_test"],
        "low": best["low"],
        "high": best["high"],
        "right": right(set(best["candidate"].split("+")), best["verdict"]),
        "finished": ends.count("FINISHED"),
        "pruned": ends.count("KILLED"),
        "cpu": cpu,
        "wall": wall,
        "others": [
            {key: row[key] for key in ("candidate", "confirmed_test", "verdict")} for row in confirmed[1:]
        ],
    }


def spent() -> float:
    """Processor seconds of this process and its children."""
    return sum(
        found.ru_utime + found.ru_stime
        for found in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def truth(target: str) -> list[str]:
    """What each task of the pool does to the target's test scores, from the measured grid of all subsets."""
    import pandas as pd

    table = pd.read_csv(HERE / "grid.csv", keep_default_na=False)
    table = table[table["target"] == target]
    found = {
        (frozenset(subset.split("+")) - {"none"}, seed): float(test)
        for subset, seed, test in zip(table["subset"], table["seed"], table["test"], strict=True)
    }
    seeds = sorted(set(table["seed"]))
    lines = [
        (
            f"What they do by `grid.csv` (all subsets of nine tasks, {len(seeds)} "
            f"seed{'s' if len(seeds) > 1 else ''}, the grid's own recipe), in points of {target} on test:"
        ),
        "",
        "| task | alone | on average over subsets of the others |",
        "|---|---|---|",
    ]
    for task in sorted(HELP | NULL | HARM):
        alone = [found[frozenset({task}), seed] - found[frozenset(), seed] for seed in seeds]
        pairs = [
            score - found[subset - {task}, seed]
            for (subset, seed), score in found.items()
            if task in subset and (subset - {task}, seed) in found
        ]
        lines.append(f"| {task} | {sum(alone) / len(alone):+.1f} | {sum(pairs) / len(pairs):+.1f} |")
    return lines


def page(rows: list[dict]) -> str:
    typed = " ".join(f"{name}={value}" for name, value in demo().items())
    hits = sum(row["right"] for row in rows)
    lines = [
        "# `make demo-search`, repeated",
        "",
        (
            f"Made by `benchmarks/demo_search.py` (what is right: its docstring): {hits} of {len(rows)} "
            f"right. `{typed}`; seeds moved by 100 for each repetition, on the base that `make demo` "
            f"pre-trains."
        ),
        (
            f"Of the pool {', '.join(sorted(HELP))} help, {', '.join(HARM)} harms, {', '.join(NULL)} does "
            f"nothing. Differences to no intermediate task, in points: selected on English dev, confirmed on "
            f"test with fresh seeds."
        ),
        "",
        (
            "| seeds | named | verdict | selected | confirmed | 95 % interval | right | trials finished, "
            "pruned | processor seconds |"
        ),
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            (
                "| {seeds} | {named} | {verdict} | {selected:+.1f} | {confirmed:+.1f} | {low:+.1f} … "
                "{high:+.1f} | {says} | {finished}, {pruned} | {cpu:.0f}{note} |"
            ).format(
                **row | {"note": f" ({row['note']})" if row.get("note") else ""},
                says="yes" if row["right"] else "no",
            )
        )
    lines += [
        "",
        (
            f"Processor seconds are those of all processes (on two idle cores about half of that passes, at "
            f"most {max(row['cpu'] for row in rows) / 120:.1f} minutes if nothing waits; that was not timed "
            f"by itself)."
        ),
        "",
        *truth("choice"),
    ]
    return "\n".join(lines) + "\n"


def read() -> list[dict]:
    rows = [json.loads(line) for line in RESULTS.read_text("utf-8").splitlines()] if RESULTS.exists() else []
    return [row for _, row in sorted({row["repetition"]: row for row in rows}.items())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=Path, help="the checkpoint that make demo pre-trains")
    parser.add_argument("--repetitions", default="0,1,2,3,4")
    parser.add_argument(
        "--work", type=Path, default=Path("demo_search"), help="folder of stores and checkpoints"
    )
    parser.add_argument("--write", action="store_true", help="only write the page from what was measured")
    arguments = parser.parse_args()
    for repetition in [] if arguments.write else map(int, arguments.repetitions.split(",")):
        row = repeat(arguments.base, repetition, arguments.work)
        print(json.dumps(row), file=sys.stderr, flush=True)
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    PAGE.write_text(page(read()), "utf-8")


if __name__ == "__main__":
    main()
