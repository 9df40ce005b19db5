"""How well proxies order intermediate tasks on mini: every method against measured transfer.

    python benchmarks/ranking.py --model BASE --work DIR [--seeds 0,1,2] [--out benchmarks/ranking.md]

BASE is a pre-trained checkpoint of mini's size (``mlflow-xfer pretrain``). Each of nine tasks is trained
alone and transferred to three targets with each seed; the truth is the test score, mean over languages but
English. A ranking made with one seed's rows and checkpoints is judged by the truth of the other seeds: noise
that both share would flatter it. DIR keeps the runs, so a repeated command trains nothing. One CPU thread.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pandas as pd  # noqa: E402

from mlflow_xfer.params.chain import Training, Transfer  # noqa: E402
from mlflow_xfer.phases import record  # noqa: E402
from mlflow_xfer.phases.execute import Executor  # noqa: E402
from mlflow_xfer.phases.plan import make_plan  # noqa: E402
from mlflow_xfer.phases.references import References  # noqa: E402
from mlflow_xfer.ranking.inputs import Budget  # noqa: E402
from mlflow_xfer.ranking.order import Ranking  # noqa: E402
from mlflow_xfer.ranking.rank import rank_tasks  # noqa: E402
from mlflow_xfer.stats.ranking import quality, table  # noqa: E402
from mlflow_xfer.tracking.store import Store  # noqa: E402

POOL = (
    "attribute",
    "attribute_twin",
    "attribute_b",
    "attribute_null",
    "polarity",
    "roles",
    "types",
    "position",
    "questions",
)
TARGETS = ("choice", "choice_both", "mood")
LANGUAGES = ("en", "de", "tr", "sw", "vi")
FUSED = (
    ("logme", "h_score"),
    ("kind", "text_emb", "logme", "h_score"),
    ("kind", "logme"),
    ("text_emb", "logme"),
)
INTERMEDIATE = Training(learning_rate=1e-3, max_steps=100, train_batch_size=16)  # as benchmarks/grid.py


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(
    executor: Executor, find_base: References, params: Transfer, seed: int
) -> dict[str, dict[str, float]]:
    """target -> candidate (and ``none``) -> test score, mean over languages but English."""
    found: dict[str, dict[str, float]] = {target: {} for target in TARGETS}
    for name in ("none", *POOL):
        chain = params.model_copy(
            update={"intermediate": () if name == "none" else (name,), "seeds": (seed,)}
        )
        for target, phase in make_plan("transfer", chain, find_base).transfers[0].evaluations.items():
            rows = record.read_table(executor.store, executor.ensure(phase).run_id)
            scores = [row["score"] for row in rows if row["language"] != "en"]
            found[target][name] = sum(scores) / len(scores)
    return found


GROUPS = (
    ("none", ("text_emb", "logme", "h_score")),
    ("auto", ("logme", "h_score")),
    ("auto", ("english",)),
    ("none", ("size", "kind")),
    ("auto", ("few_shot",)),
    ("none", ("task_emb",)),
)
"""Whether checkpoints are read, and methods by what they read in common:
a group costs what its first method costs.
"""

FREE = ("text_emb", "task_emb", "size", "kind")  # methods that never read checkpoints
LABELS = {"none": " (base)", "auto": ""}
BUDGET = Budget(examples=300)  # what a search gives them


def ranked(
    params: Transfer,
    executor: Executor,
    find_base: References,
    seed: int,
    checkpoints: str,
    group: tuple[str, ...],
    folder: Path,
) -> tuple[dict, float]:
    """(scores, CPU seconds) of a group with one seed; kept in ``folder``."""
    kept = folder / f"{'+'.join(group)}-{checkpoints}-s{seed}.json"
    if not kept.is_file():
        budget = replace(BUDGET, steps=10) if "few_shot" in group else BUDGET
        start = cpu()
        found = rank_tasks(
            params,
            executor,
            find_base,
            pool=POOL,
            methods=group,
            checkpoints=checkpoints,
            seed=seed,
            budget=budget,
        )
        folder.mkdir(exist_ok=True)
        kept.write_text(json.dumps([found.scores, cpu() - start]), encoding="utf-8")
    return tuple(json.loads(kept.read_text(encoding="utf-8")))


def shown(method: str, label: str) -> str:
    return method if method in FREE else method + label


def others(truth: dict[int, dict[str, dict[str, float]]], seed: int) -> dict[str, dict[str, float]]:
    """The mean over the other seeds, of the candidates."""
    rest = [one for other, one in truth.items() if other != seed]
    return {
        target: {name: sum(one[target][name] for one in rest) / len(rest) for name in POOL}
        for target in TARGETS
    }


def judged(
    rankings: dict[int, Ranking], truth: dict[int, dict[str, dict[str, float]]], label: str
) -> pd.DataFrame:
    """One row for each method; the units are pairs of target and seed."""
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for seed, ranking in rankings.items():
        pairs = {
            f"{' + '.join(names)}{label}": Ranking({name: ranking.scores[name] for name in names})
            for names in FUSED
            if set(names) <= set(ranking.scores)
        }
        fused = {name: found.by_method()["fused"] for name, found in pairs.items()}
        for name, of in {
            **{shown(method, label): of for method, of in ranking.scores.items()},
            **fused,
        }.items():
            for target in TARGETS:
                scores.setdefault(name, {})[f"{target} s{seed}"] = of[target]
    known = {f"{target} s{seed}": found for seed in rankings for target, found in others(truth, seed).items()}
    return table(quality(known, scores))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument(
        "--groups",
        type=int,
        default=len(GROUPS),
        help="only the first so many groups of methods (the last are the dear ones)",
    )
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    out = arguments.out and arguments.out.absolute()
    seeds, model = [int(seed) for seed in arguments.seeds.split(",")], str(Path(arguments.model).absolute())
    arguments.work.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "MLFLOW_TRACKING_URI": f"sqlite:///{(arguments.work / 'mlflow.db').absolute()}",
        "XFER_HOME": str((arguments.work / "home").absolute()),
    }
    os.chdir(arguments.work)
    params = Transfer(
        model=model,
        data="mini",
        target=TARGETS,
        languages=LANGUAGES,
        max_eval_examples=100,
        scoped={"intermediate": INTERMEDIATE},
    )
    with Store.open() as store:
        executor, find_base = Executor(store), References(lambda: store)
        began, truth, trained = cpu(), {}, []
        for seed in seeds:
            start = cpu()
            truth[seed] = measured(executor, find_base, params, seed)
            trained.append(cpu() - start)
            print(f"seed {seed}: measured after {cpu() - began:.0f} s of CPU", file=sys.stderr, flush=True)
        costs: dict[str, float] = {}
        scores: dict[str, dict[int, dict]] = {
            label: {seed: {} for seed in seeds} for label in LABELS.values()
        }
        for checkpoints, group in GROUPS[: arguments.groups]:
            label = LABELS[checkpoints]
            for seed in seeds:
                found, took = ranked(
                    params, executor, find_base, seed, checkpoints, group, Path("rankings").absolute()
                )
                scores[label][seed] |= found
                costs |= {
                    shown(name, label): costs.get(shown(name, label), 0.0) + took / len(seeds)
                    for name in group
                }
            print(f"{'+'.join(group)}{label} after {cpu() - began:.0f} s of CPU", file=sys.stderr, flush=True)
    tables = [
        judged({seed: Ranking(of) for seed, of in by_seed.items()}, truth, label)
        for label, by_seed in scores.items()
    ]
    text = written(truth, pd.concat(tables).drop_duplicates("method"), costs, trained, seeds)
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")


def written(
    truth: dict, found: pd.DataFrame, costs: dict[str, float], trained: list[float], seeds: list[int]
) -> str:
    head = [name for name in found.columns if name != "method" and not name.endswith((" low", " high"))]
    lines = [
        "# Proxies against measured transfer, on mini",
        "",
        (
            f"`python benchmarks/ranking.py --model BASE --work DIR --seeds {','.join(map(str, seeds))}`: "
            f"{len(POOL)} tasks, {len(TARGETS)} targets, {len(seeds)} seeds, one base. Mean [95 % bootstrap"
        ),
        (
            f"interval] over the {len(TARGETS) * len(seeds)} pairs of target and seed, which are fewer than "
            "that in truth: seeds of a target share it, and all share the base. A ranking"
        ),
        (
            "made with one seed is judged by the test scores of the others. Regret: best of all less best "
            "of the first k, lower is better. (base): without"
        ),
        (
            "trained checkpoints of the tasks. `a + b`: mean rank of several. CPU: seconds of one thread a "
            "seed, for nine tasks and three targets; methods that"
        ),
        f"read the same share them. Measuring the truth took {max(trained):.0f} s a seed.",
        "",
        "| method | " + " | ".join(head) + " | CPU s |",
        "|---|" + "---|" * (len(head) + 1),
    ]
    for row in found.to_dict("records"):
        cells = [f"{row[name]:.2f} [{row[f'{name} low']:.2f}, {row[f'{name} high']:.2f}]" for name in head]
        lines.append(
            f"| {row['method']} | "
            + " | ".join(cells)
            + f" | {costs.get(row['method'], float('nan')):.1f} |".replace("nan", "")
        )
    lines += [
        "",
        "Measured (test, mean over languages but English and over seeds; `none` = no intermediate task):",
        "",
        "| target | " + " | ".join(("none", *POOL)) + " |",
        "|---|" + "---|" * (len(POOL) + 1),
    ]
    for target in TARGETS:
        means = [sum(truth[seed][target][name] for seed in seeds) / len(seeds) for name in ("none", *POOL)]
        lines.append(f"| {target} | " + " | ".join(f"{mean:.1f}" for mean in means) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
