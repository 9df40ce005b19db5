"""How good the answers of a search are: searches replayed against known truths, each with its confirmation.

    python benchmarks/search.py planted --sd 3 --samplers tpe,pairwise,random --repetitions 200
    python benchmarks/search.py families --samplers tpe,pairwise,random --repetitions 200
    python benchmarks/search.py grid --samplers tpe,pairwise,random --repetitions 1000
    python benchmarks/search.py size                # opening, asking, choosing with 1,000 recorded trials
    python benchmarks/search.py write               # benchmarks/search.md from what was measured

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
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from scipy import special

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from search_page import RESULTS, write  # noqa: E402
from search_truths import FAMILIES, Truth, from_table, noisy, planted  # noqa: E402

from mlflow_xfer.searching.deciding.contributions import contributions  # noqa: E402
from mlflow_xfer.searching.deciding.estimates import Choice, choose, estimates, winner  # noqa: E402
from mlflow_xfer.searching.space.parsing import read_space  # noqa: E402
from mlflow_xfer.searching.storage.history import History, finished_trials  # noqa: E402
from mlflow_xfer.searching.trying.loop import run_trials  # noqa: E402
from mlflow_xfer.searching.trying.trials import Budget, Trial, TrialResult  # noqa: E402

TOP, FRESH, MARGIN = 3, 5, 1.0  # the defaults of search


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
