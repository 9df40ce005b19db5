"""How good the answers of a search are: searches replayed against known truths, each with its confirmation.

    python benchmarks/search.py planted --sd 3 --samplers tpe,pairwise,random --repetitions 200 python
    benchmarks/search.py families --samplers tpe,pairwise,random --repetitions 200 python benchmarks/search.py
    grid --table benchmarks/grid.csv --samplers tpe,pairwise,random --repetitions 1000 python
    benchmarks/search.py size                # opening, asking, choosing with 1,000 recorded trials python
    benchmarks/search.py write               # benchmarks/search.md from what was measured

Each call appends its figures to ``benchmarks/search.jsonl``. What runs is the search itself
(``searching.loop`` on an Optuna study in memory), only the training is replaced by a look into the truth:
score = truth + seed noise.

Truths. ``planted``: nine tasks; singles +2, +2 and -3, a pair that gives +4 only together, a twin of one of
the +2 tasks (adds nothing beside it), three tasks that do nothing; which task is which is drawn for each
repetition. ``families``: other shapes (see FAMILIES), on some of which (TUNED) settings of the policy were
looked at. ``grid``: the table that ``benchmarks/grid.py`` makes; needed columns: subset (names joined by
``+``; empty, ``none`` or ``baseline`` for no task), seed, target, dev (English dev: what the search sees),
test (what the answer is scored on); ``tokens_intermediate`` and ``tokens_target`` where known; ``--shrunk``:
against the effects that are left without seed noise. A table that is not finished is used as far as all seeds
and targets of a subset are there.

Protocol of a repetition: a search of ``--trials`` trials of one seed each (on the grid of ``--looks`` seeds);
the best k = 3 (by denoised estimates; by own scores = "raw"; by estimates of all subsets, run or not = "all")
and the baseline are scored on 5 fresh seeds; the winner is named (of those within 1 point, the default
margin, of the best, the one with the fewest tasks); regret is the truth of the best subset minus the truth of
the winner. The interval is Student's t on the paired differences to the baseline on the fresh seeds. Tokens
are the search's own share of what every subset on every seed costs (three on the grid, one elsewhere;
confirmation counted on neither side); on the grid the truth is the mean of three seeds and so carries noise
of its own, which ``--shrunk`` takes out.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from scipy import special

from mlflow_xfer.searching.deciding.contributions import contributions
from mlflow_xfer.searching.deciding.estimates import Choice, choose, estimates, winner
from mlflow_xfer.searching.space.parsing import read_space
from mlflow_xfer.searching.storage.history import History, finished_trials
from mlflow_xfer.searching.trying.loop import run_trials
from mlflow_xfer.searching.trying.trials import Budget, Trial, TrialResult

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "search.jsonl", HERE / "search.md"
POOL = tuple("abcdefghi")
TOP, FRESH, MARGIN = 3, 5, 1.0  # the defaults of search


@dataclass(frozen=True)
class Truth:
    """Known scores of all subsets.

    Args:
        value: by subset: what the answer is scored on.
        dev: ``(tasks, rng) -> score`` of one seed, as the search sees it.
        test: ``(tasks, n, rng) -> [n]`` scores of fresh seeds.
        tokens: of one subset's trial, all targets, by subset: the intermediate once (shared), as a search
            trains it.
        naive: the same with an intermediate for each target.
        exhaustive: tokens of every subset on every seed there is.
    """

    value: dict[tuple[str, ...], float]
    dev: Callable[[tuple[str, ...], np.random.Generator], float]
    test: Callable[[tuple[str, ...], int, np.random.Generator], np.ndarray]
    tokens: dict[tuple[str, ...], float]
    naive: dict[tuple[str, ...], float]
    exhaustive: float

    @property
    def pool(self) -> tuple[str, ...]:
        return tuple(sorted({task for tasks in self.value for task in tasks}))


def subsets(pool: tuple[str, ...] = POOL) -> list[tuple[str, ...]]:
    return [chosen for size in range(len(pool) + 1) for chosen in combinations(pool, size)]


def noisy(value: Callable[[set[str]], float], sd: float) -> Truth:
    """A truth with normal seed noise, the same on dev and on test."""
    known = {tasks: 60.0 + value(set(tasks)) for tasks in subsets()}
    return Truth(
        known,
        lambda tasks, rng: known[tasks] + rng.normal(0, sd),
        lambda tasks, n, rng: known[tasks] + rng.normal(0, sd, n),
        dict.fromkeys(known, 1.0),
        dict.fromkeys(known, 1.0),
        float(len(known)),
    )


def planted(rng: np.random.Generator) -> Callable[[set[str]], float]:
    help_, twin, other, harm, first, second = (POOL[i] for i in rng.permutation(len(POOL))[:6])
    return lambda s: (
        2.0 * bool({help_, twin} & s) + 2.0 * (other in s) - 3.0 * (harm in s) + 4.0 * ({first, second} <= s)
    )


def sparse(rng: np.random.Generator) -> Callable[[set[str]], float]:
    """Two to five tasks help (or, one in three, harm) by 1-4; up to three pairs by 1-4 either way."""
    single = {
        POOL[i]: rng.uniform(1, 4) * rng.choice([1, -1], p=[0.65, 0.35])
        for i in rng.permutation(len(POOL))[: rng.integers(2, 6)]
    }
    pairs = [
        (set(rng.choice(POOL, 2, replace=False)), rng.uniform(1, 4) * rng.choice([1, -1]))
        for _ in range(rng.integers(0, 4))
    ]
    return lambda s: sum(single.get(t, 0.0) for t in s) + sum(e for p, e in pairs if p <= s)


def dense(rng: np.random.Generator) -> Callable[[set[str]], float]:
    """Every task and every pair has a small effect."""
    single = dict(zip(POOL, rng.normal(0.3, 1.5, len(POOL)), strict=True))
    pairs = {p: rng.normal(0, 0.5) for p in combinations(POOL, 2)}
    return lambda s: sum(single[t] for t in s) + sum(pairs[p] for p in combinations(sorted(s), 2))


def diluted(rng: np.random.Generator) -> Callable[[set[str]], float]:
    """Equal total steps: a task's effect shrinks with its share of the steps (square root)."""
    single = dict(zip(POOL, rng.choice([0, 0, 2, 3, 5, -3, -5], len(POOL)), strict=True))
    return lambda s: sum(single[t] for t in s) / len(s) ** 0.5 if s else 0.0


def saturating(rng: np.random.Generator) -> Callable[[set[str]], float]:
    """Three skills, each taught by two tasks; a skill is learnt once, and each further one is worth less."""
    tasks = [POOL[i] for i in rng.permutation(len(POOL))]
    skills, harm, worth = (
        [set(tasks[0:2]), set(tasks[2:4]), set(tasks[4:6])],
        tasks[6],
        np.sort(rng.uniform(1, 4, 3))[::-1],
    )
    return lambda s: float(sum(worth[: sum(bool(k & s) for k in skills)])) - 2.5 * (harm in s)


def triple(rng: np.random.Generator) -> Callable[[set[str]], float]:
    """What no pairwise model holds: three tasks give +5 only together; one +2, one -2."""
    a, b, c, d, e = (POOL[i] for i in rng.permutation(len(POOL))[:5])
    return lambda s: 5.0 * ({a, b, c} <= s) + 2.0 * (d in s) - 2.0 * (e in s)


def nothing(rng: np.random.Generator) -> Callable[[set[str]], float]:
    """No task does anything but two that harm: the baseline is as good as any."""
    harm = {POOL[i] for i in rng.permutation(len(POOL))[:2]}
    return lambda s: -2.0 * len(harm & s)


FAMILIES = {
    "sparse": sparse,
    "dense": dense,
    "diluted": diluted,
    "saturating": saturating,
    "triple": triple,
    "nothing": nothing,
}
TUNED = ("sparse", "dense")


def from_table(
    path: Path, targets: str = "", shrunk: bool = False, looks: int = 1
) -> Callable[[np.random.Generator], Truth]:
    """The measured grid. A search sees the dev scores of ``looks`` seeds, drawn for each repetition;
    fresh test scores = truth + a residual drawn from all subsets'.

    What a seed adds to every subset alike is taken out of test scores, as paired differences do.

    Args:
        shrunk: the truth is not the mean of the seeds but what is left of it without noise
            (:func:`without_noise`); needs every subset.
    """
    table = pd.read_csv(path, keep_default_na=False)
    score = {
        "dev": next(c for c in ("dev", "score", "english_dev") if c in table),
        "test": next(c for c in ("test", "test_score") if c in table),
    }
    if targets:
        table = table[table["target"].isin(targets.split(","))]
    table["key"] = [
        tuple(sorted(t for t in str(s).replace(",", "+").split("+") if t and t not in ("none", "baseline")))
        for s in table["subset"]
    ]
    for column in ("tokens_intermediate", "tokens_target"):
        table[column] = table[column].astype(float) if column in table else 0.5
    cells = table.groupby(["key", "seed"]).agg(
        dev=(score["dev"], "mean"),
        test=(score["test"], "mean"),
        n=("target", "nunique"),
        once=("tokens_intermediate", "max"),
        each=("tokens_intermediate", "sum"),
        targets=("tokens_target", "sum"),
    )
    cells = cells[cells["n"] == table["target"].nunique()].reset_index()
    seeds = cells["seed"].nunique()
    if seeds < 2:
        raise SystemExit(
            f"{path} has one seed only: what seeds differ by cannot be told from it. Train a second one "
            f"with benchmarks/grid.py."
        )
    cells = cells[cells.groupby("key")["seed"].transform("size") == seeds].sort_values("seed")
    cells["test"] -= cells.groupby("seed")["test"].transform("mean") - cells["test"].mean()
    groups = dict(iter(cells.groupby("key")))
    value = {key: float(rows["test"].mean()) for key, rows in groups.items()}
    residuals = np.concatenate([rows["test"] - value[key] for key, rows in groups.items()]) * np.sqrt(
        seeds / max(seeds - 1, 1)
    )
    if shrunk:
        value = without_noise({key: rows["test"].to_numpy() for key, rows in groups.items()})
    dev = {key: rows["dev"].to_numpy() for key, rows in groups.items()}
    once, each = (
        {key: looks * float((rows[of] + rows["targets"]).mean()) for key, rows in groups.items()}
        for of in ("once", "each")
    )

    def drawn(rng: np.random.Generator) -> Truth:
        seen = rng.choice(seeds, looks, replace=False)
        return Truth(
            value,
            lambda tasks, rng: float(dev[tasks][seen].mean()),
            lambda tasks, n, rng: value[tasks] + rng.choice(residuals, n),
            once,
            each,
            sum(once.values()) * seeds / looks,
        )

    return drawn


def without_noise(scores: dict[tuple[str, ...], np.ndarray]) -> dict[tuple[str, ...], float]:
    """Scores of all subsets (``[seeds]`` each) as sums of effects,
    each shrunk by what seeds differ by in effects of its order.

    The effects are the orthogonal contrasts of a 2^n factorial (main effects, pairs, triples ...); the
    shrinkage is the empirical Bayes (James-Stein) factor signal / (signal + noise) of each order. The best of
    512 noisy means is too good by several points, and so is any regret against it.
    """
    keys = list(scores)
    if len(keys) != 2 ** len({task for key in keys for task in key}):
        raise SystemExit("Noise can only be told from effects where every subset is trained on every seed.")
    signs = np.array([[(-1.0) ** len({*effect} & {*key}) for key in keys] for effect in keys])
    effects = signs @ np.array([scores[key] for key in keys]) / len(keys)
    mean, noise, order = (
        effects.mean(axis=1),
        effects.var(axis=1, ddof=1) / effects.shape[1],
        np.array([len(key) for key in keys]),
    )
    for n in range(1, order.max() + 1):
        total, own = (mean[order == n] ** 2).mean(), noise[order == n].mean()
        mean[order == n] *= max(0.0, 1 - own / total) if total else 0.0
    return dict(zip(keys, map(float, signs.T @ mean), strict=True))


# -- one repetition ------------------------------------------------------------------------------------------
def search(truth: Truth, sampler: str, trials: int, seed: int):
    """``(space, finished trials)`` of one search."""
    space = read_space(None, truth.pool)
    rng = np.random.default_rng([seed, 1])
    study = optuna.create_study(direction="maximize")

    def run(trial: Trial) -> TrialResult:
        if trial.candidate.tasks not in truth.value:
            raise LookupError("this subset is not in the table yet")
        score = truth.dev(trial.candidate.tasks, rng)
        return TrialResult((score,), ((score,),), {"tokens": truth.tokens[trial.candidate.tasks]})

    run_trials(study, space, run, Budget(n_trials=trials), sampler=sampler, seed=seed)
    return space, finished_trials(History.of(study), space)


def repetition(truth: Truth, sampler: str, trials: int, seed: int) -> list[dict]:
    """The figures of one search, once for each way to choose."""
    started = time.process_time()
    space, finished = search(truth, sampler, trials, seed)
    took = time.process_time() - started
    best, found = max(truth.value.values()), []
    for way in ("denoised", "raw", "all"):
        rng = np.random.default_rng([seed, 2])
        choices = ways(way, finished, space)
        choices = [c for c in choices if c.candidate.tasks in truth.value]
        fresh = {c.candidate.key: truth.test(c.candidate.tasks, FRESH, rng) for c in choices}
        named = (
            winner(choices, fresh, MARGIN)
            if way != "raw"
            else max(choices, key=lambda c: float(fresh[c.candidate.key].mean()))
        )
        gaps = fresh[named.candidate.key] - truth.test((), FRESH, rng)
        half = float(special.stdtrit(FRESH - 1, 0.975)) * gaps.std(ddof=1) / FRESH**0.5
        true, won = truth.value[named.candidate.tasks], truth.value[named.candidate.tasks] - truth.value[()]
        top = max(choices, key=lambda c: c.estimate)
        found.append(
            {
                "way": way,
                "regret": best - true,
                "first": best - truth.value[choices[0].candidate.tasks],
                "covered": abs(gaps.mean() - won) <= half,
                "seconds": took,
                "optimism": top.estimate - truth.value[top.candidate.tasks],
                "own": max(t.values[0] for t in finished)
                - truth.value[max(finished, key=lambda t: t.values[0]).candidate.tasks],
                "tokens": sum(t.cost["tokens"] for t in finished) / truth.exhaustive,
                "naive": sum(truth.naive[t.candidate.tasks] for t in finished)
                / sum(t.cost["tokens"] for t in finished),
                "size": len(named.candidate.tasks),
            }
        )
    return found


def ways(way: str, finished, space) -> list[Choice]:
    if way != "raw":
        return choose(finished, TOP, space=space, unseen=way == "all")
    own = [t for t in sorted(finished, key=lambda t: -t.values[0]) if t.candidate.tasks][:TOP]
    return [Choice(t.candidate, t.values[0], t.values[0], t.values[0], 1, t.values[0]) for t in own]


def summary(rows: list[dict], **about) -> list[dict]:
    """One line for each way to choose."""
    frame = pd.DataFrame(rows)
    return [
        {
            **about,
            "way": way,
            "n": len(part),
            "median": part["regret"].median(),
            "mean": part["regret"].mean(),
            "p95": part["regret"].quantile(0.95),
            "right": (part["regret"] < 1e-9).mean(),
            "first": part["first"].mean(),
            "covered": part["covered"].mean(),
            "optimism": part["optimism"].mean(),
            "own": part["own"].mean(),
            "tokens": part["tokens"].mean(),
            "naive": part["naive"].mean(),
            "size": part["size"].mean(),
            "seconds": part["seconds"].mean(),
        }
        for way, part in frame.groupby("way", sort=False)
    ]


def measure(name: str, truth_of: Callable[[np.random.Generator], Truth], sampler: str, args) -> None:
    """Repeat, print, and append to the results."""
    rows = []
    for r in range(args.repetitions):
        seed = args.seed + r
        rows += repetition(truth_of(np.random.default_rng([seed, 0])), sampler, args.trials, seed)
    for line in summary(rows, truth=name, sampler=sampler, trials=args.trials, seed=args.seed):
        print(
            (
                "{truth:16} {sampler:9} {trials:3} {way:9} median {median:5.2f} mean {mean:5.2f} p95 "
                "{p95:5.2f} right {right:4.0%} first {first:5.2f} covered {covered:4.0%} optimism "
                "{optimism:5.2f} own {own:5.2f} tokens {tokens:5.1%} size {size:4.1f} {seconds:.2f} s"
            ).format(**line),
            flush=True,
        )
        if args.out:
            with Path(args.out).open("a") as file:
                file.write(json.dumps(line) + "\n")


def size(trials: int = 1_000) -> dict[str, float]:
    """CPU seconds of what a search of 1,000 recorded trials costs:
    opening, the next trial, choosing, contributions.
    """
    import tempfile

    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    rng = np.random.default_rng(0)
    truth, found = noisy(planted(rng), 3.0), {}
    space = read_space("mlm_share=0|0.1|0.2|0.3", truth.pool)
    study = optuna.create_study(study_name="size", direction="maximize")

    def timed(what: str, call: Callable):
        at = time.process_time()
        result = call()
        found[what] = time.process_time() - at
        return result

    def run(trial: Trial) -> TrialResult:
        score = truth.dev(trial.candidate.tasks, rng)
        return TrialResult((score,), ((score,),))

    run_trials(study, space, run, Budget(n_trials=trials), sampler="random")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "journal.log")
        optuna.copy_study(
            from_study_name="size",
            from_storage=study._storage,
            to_storage=JournalStorage(JournalFileBackend(path)),
        )
        study = timed(
            "open",
            lambda: optuna.load_study(storage=JournalStorage(JournalFileBackend(path)), study_name="size"),
        )
        finished = timed("read", lambda: finished_trials(study, space))
        for n, sampler in enumerate(("tpe", "pairwise"), 1):
            timed(
                f"one more trial ({sampler})",
                lambda sampler=sampler, n=n: run_trials(
                    study, space, run, Budget(n_trials=trials + n), sampler=sampler
                ),
            )
    timed("denoised estimates", lambda: estimates(finished, space=space))
    timed("contributions", lambda: contributions(finished, space=space))
    return found


def write() -> None:
    """The page, from all that was measured."""
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    sizes, lines = (
        [line["size"] for line in lines if "size" in line and "truth" not in line],
        [line for line in lines if "truth" in line],
    )
    latest = {(line["truth"], line["sampler"], line["trials"], line["way"]): line for line in lines}
    page = [HEAD]
    for truth in dict.fromkeys(line["truth"] for line in lines):
        page += [f"## {truth}", "", *TABLE]
        page += [ROW.format(**line) for (name, *_), line in latest.items() if name == truth]
        page.append("")
    if sizes:
        page += [
            "## A search of 1,000 recorded trials",
            "",
            "| what | CPU seconds |",
            "|---|---|",
            *(f"| {what} | {seconds:.2f} |" for what, seconds in sizes[-1].items()),
            "",
        ]
    PAGE.write_text("\n".join(page))


HEAD = """# How good a search's answer is

Made by `benchmarks/search.py` (truths and protocol: its docstring); `python benchmarks/search.py write` makes
this page from `search.jsonl`. Points; regret = truth of the best subset minus truth of the confirmed winner;
right = the winner is a best subset; choice = which three are confirmed: by denoised estimates, by own scores
(raw), by estimates of all subsets, run or not (all: what `search` does). The rows of `random` are random
search of equal cost. `tokens of exhaustive`: planted truths have no costs of their own, 40 trials of 512
subsets are 7.8 %.

How the settings came about: Thompson draws (not upper bounds) on 40 planted truths of other draws; normal or
heavy-tailed effects in the draws made no difference on 40 truths each of `sparse` and `dense` (seeds from
100000 on). Rows with few repetitions say little about p95: the binomial standard error of "right 95 %" is 1.5
points at 200, 4 points at 25.

The rows of families (sparse, saturating, diluted ...) were measured when the confirmed subset with the best
mean was named; all others with the rule of now, the fewest tasks within 1 point of it.

The grid: a search sees English dev, and is judged by test in the other languages. "shrunk": the truth is what
is left of three seeds without noise. A trial on three seeds sees the dev scores of the very seeds whose test
scores make the truth; one on a single seed shares a third of them. Exhaustive is every subset on all three
seeds; by sharing, a search trains 1.9 times fewer tokens than its trials would naively. Estimates and own
scores are dev scores there, "too high by" compares them with test and says nothing.
"""
TABLE = (
    (
        "| sampler | trials | choice | median regret | mean | p95 | right | mean regret of the first choice "
        "| interval holds | estimate of the best is too high by | best own score is too high by | tokens of "
        "exhaustive | repetitions |"
    ),
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
)
ROW = (
    "| {sampler} | {trials} | {way} | {median:.2f} | {mean:.2f} | {p95:.2f} | {right:.0%} | {first:.2f} | "
    "{covered:.1%} | {optimism:.2f} | {own:.2f} | {tokens:.1%} | {n} |"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("planted", "families", "grid", "size", "write"))
    parser.add_argument("--samplers", default="tpe,pairwise,random")
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--sd", type=float, default=3.0)
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of the first repetition; reported figures begin at 0, settings were looked at from 100000 on",
    )
    parser.add_argument("--table", type=Path, default=HERE / "grid.csv")
    parser.add_argument("--targets", default="", help="of the table; default: all")
    parser.add_argument(
        "--shrunk", action="store_true", help="of the table: take seed noise out of the truth"
    )
    parser.add_argument("--looks", type=int, default=1, help="of the table: seeds that each trial is run on")
    parser.add_argument("--only", default="", help="families, comma list")
    parser.add_argument("--out", default=str(RESULTS))
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if args.what == "size":
        found = size()
        for what, seconds in found.items():
            print(f"{what:32} {seconds:6.2f} s")
        if args.out:
            with Path(args.out).open("a") as file:
                file.write(json.dumps({"size": found}) + "\n")
    elif args.what == "write":
        write()
    else:
        for sampler in args.samplers.split(","):
            if args.what == "planted":
                measure(f"planted sd {args.sd:g}", lambda rng: noisy(planted(rng), args.sd), sampler, args)
            elif args.what == "grid":
                measure(
                    (
                        f"grid, {args.targets or 'all targets'}{', shrunk' * args.shrunk}"
                        f"{f', {args.looks} seeds a trial' * (args.looks > 1)}"
                    ),
                    from_table(args.table, args.targets, args.shrunk, args.looks),
                    sampler,
                    args,
                )
            else:
                for name in args.only.split(",") if args.only else FAMILIES:
                    measure(
                        f"{name} sd {args.sd:g}",
                        lambda rng, make=FAMILIES[name]: noisy(make(rng), args.sd),
                        sampler,
                        args,
                    )


if __name__ == "__main__":
    main()
