"""The loop of a search: what is asked, in which order, how trials end,
and that a killed search goes on as if nothing had happened.
"""

from __future__ import annotations

import random
from datetime import datetime

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from mlflow_xfer.errors import XferError
from mlflow_xfer.searching.space.parsing import read_space
from mlflow_xfer.searching.storage.history import DUPLICATE_OF, ERROR, KEY, PRUNED_AT, RETRIED_FROM, History
from mlflow_xfer.searching.trying.loop import run_trials
from mlflow_xfer.searching.trying.trials import Budget, TrialResult
from tests.searching.planted import POOL, SPACE, Runs, Together, noise, retried, told, truth

SINGLES = ("baseline", *POOL)


@pytest.fixture(autouse=True)
def silent():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture
def journal(tmp_path):
    """Opens the study of a name, as a process that starts anew does."""

    def opened(name: str = "search", objectives: int = 1) -> optuna.Study:
        storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))
        return optuna.create_study(
            study_name=name, storage=storage, directions=["maximize"] * objectives, load_if_exists=True
        )

    return opened


def in_memory() -> optuna.Study:
    return optuna.create_study(direction="maximize")


def test_the_baseline_comes_first_then_single_tasks_in_the_order_given():
    study, runs = in_memory(), Runs()
    assert run_trials(study, SPACE, runs, Budget(n_trials=12), order=("h", "b")) == "n_trials"
    assert (
        runs.keys[:10] == ["baseline", "h", "b", "a", "c", "d", "e", "f", "g", "i"]
        and len(set(runs.keys)) == 12
    )
    pairs = read_space(None, POOL, min_tasks=2, max_tasks=2)
    runs = Runs()
    run_trials(in_memory(), pairs, runs, Budget(n_trials=5))
    assert runs.keys[0] == "baseline" and {key.count("+") for key in runs.keys[1:]} == {1}


@pytest.mark.parametrize(
    ("sampler", "objectives"),
    [("tpe", 1), ("pairwise", 1), ("random", 1), ("nsgaii", 1), ("gp", 1), ("tpe", 2), ("nsgaiii", 2)],
)
def test_a_killed_search_goes_on_as_if_undisturbed(journal, sampler, objectives):
    opened = journal
    n = 13 if sampler == "gp" else 22
    if (sampler, objectives) != ("tpe", 1):  # one of them on disk; the others are spared the waits for it
        memory = optuna.storages.InMemoryStorage()

        def opened(name, objectives):
            return optuna.create_study(
                study_name=name, storage=memory, directions=["maximize"] * objectives, load_if_exists=True
            )

    space = read_space("mlm_share=0:0.4:0.2,intermediate.learning_rate=1e-5:1e-3:log", POOL[:5])
    options = {"sampler": sampler, "seed": 3, "seeds": (0, 1)}
    undisturbed = opened("undisturbed", objectives)
    run_trials(undisturbed, space, Runs(objectives=objectives), Budget(n_trials=n), **options)
    run_trials(
        opened("killed", objectives), space, Runs(objectives=objectives), Budget(n_trials=4), **options
    )
    with pytest.raises(KeyboardInterrupt):
        run_trials(
            opened("killed", objectives),
            space,
            Runs({6: KeyboardInterrupt()}, objectives),
            Budget(n_trials=n),
            **options,
        )
    killed = opened("killed", objectives)
    run_trials(killed, space, Runs(objectives=objectives), Budget(n_trials=n), **options)
    assert told(killed) == told(undisturbed)
    assert len(retried(killed)) == 1 and len(History.of(killed).counted) == n


def test_duplicates_are_told_the_known_value_and_cost_nothing():
    space, study, runs = read_space(None, POOL[:4]), in_memory(), Runs()
    assert run_trials(study, space, runs, Budget(n_trials=15), sampler="tpe") == "n_trials"
    duplicates = [t for t in study.trials if DUPLICATE_OF in t.user_attrs]
    assert duplicates and len(runs.keys) == len(set(runs.keys)) == 15
    for trial in duplicates:
        known = study.trials[trial.user_attrs[DUPLICATE_OF]]
        assert (
            trial.values == known.values
            and trial.user_attrs[KEY] == known.user_attrs[KEY]
            and DUPLICATE_OF not in known.user_attrs
        )
    streaks = "".join("d" if DUPLICATE_OF in t.user_attrs else " " for t in study.trials).split()
    assert max(map(len, streaks)) <= 10
    assert (
        run_trials(study, space, runs, Budget(n_trials=40)) == "exhausted"
        and len(set(runs.keys)) == len(runs.keys) == 16
    )


def test_size_limits_hold_for_every_sampler():
    space, seen = read_space(None, POOL, min_tasks=2, max_tasks=3), 0
    for sampler in ("tpe", "pairwise", "random", "nsgaii", "gp"):
        runs = Runs()
        run_trials(in_memory(), space, runs, Budget(n_trials=13 if sampler == "gp" else 25), sampler=sampler)
        sizes = [key.count("+") + 1 for key in runs.keys if key != "baseline"]
        assert set(sizes) <= {2, 3}
        seen += len(sizes)
    assert seen == 4 * 24 + 12
    small = read_space("mlm_share=0:0.4", POOL[:3], max_tasks=2)
    runs = Runs()
    assert run_trials(in_memory(), small, runs, Budget(), sampler="grid") == "exhausted"
    assert len(runs.keys) == len(set(runs.keys)) == small.gridded().count() == 1 + 3 * 6


def test_failures_fail_their_trial_and_the_search_goes_on():
    study, runs = (
        in_memory(),
        Runs(
            {
                4: RuntimeError("disk 17 is full"),
                5: ValueError("no"),
                6: ValueError("no"),
                7: ValueError("no"),
            }
        ),
    )
    assert run_trials(study, SPACE, runs, Budget(n_trials=12)) == "n_trials"
    failed = [t for t in study.trials if t.state == TrialState.FAIL]
    assert [t.number for t in failed] == [3, 4, 5, 6] and failed[0].user_attrs[
        ERROR
    ] == "RuntimeError: disk 17 is full"


def test_a_systematic_fault_ends_the_search_and_the_next_command_mends_it():
    study = in_memory()
    with pytest.raises(
        XferError, match="first 3 trials all failed with the same error: OSError: disk 3 is full"
    ):
        run_trials(
            study, SPACE, Runs({n: OSError(f"disk {n} is full") for n in (1, 2, 3)}), Budget(n_trials=12)
        )
    runs = Runs()
    run_trials(study, SPACE, runs, Budget(n_trials=12))
    assert runs.keys[:10] == list(SINGLES) and retried(study) == [0, 1, 2]
    again = Runs()
    run_trials(study, SPACE, again, Budget(n_trials=14))
    assert len(again.keys) == 2 and not set(again.keys) & set(runs.keys)


def test_a_clock_that_is_set_back_has_nothing_tried_again_in_the_same_command(monkeypatch):
    """As local time is every autumn."""

    class Back(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2000, 1, 1)

    monkeypatch.setattr("optuna.storages._in_memory.datetime", Back)
    study = in_memory()
    run_trials(study, SPACE, Runs({1: OSError("once")}), Budget(n_trials=4))
    assert retried(study) == []


def test_whichever_limit_is_met_first_ends_the_search():
    study, runs = in_memory(), Runs()
    assert (
        run_trials(study, SPACE, runs, Budget(n_trials=30, gpu_hours=0.1)) == "gpu_hours"
        and len(runs.keys) == 6
    )
    assert run_trials(study, SPACE, runs, Budget(timeout=0)) == "timeout" and len(runs.keys) == 6
    assert run_trials(study, SPACE, runs, Budget(n_trials=8)) == "n_trials" and len(runs.keys) == 8


def test_a_cost_gate_keeps_dear_candidates_out():
    space, runs = read_space(None, POOL[:4]), Runs()
    assert (
        run_trials(in_memory(), space, runs, Budget(), allowed=lambda candidate: "a" not in candidate.tasks)
        == "exhausted"
    )
    assert len(runs.keys) == 8 and not any("a" in key.split("+") for key in runs.keys)


class Heard:
    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        def hear(trial, *rest):
            self.calls.append((name, trial.number, rest[0] if rest else None))
            raise RuntimeError("the store is away")

        return hear


def test_an_observer_hears_everything_and_its_failures_fail_nothing():
    study, heard = in_memory(), Heard()
    run_trials(
        study,
        read_space(None, POOL[:4]),
        Runs({3: ValueError("no")}),
        Budget(n_trials=15),
        observer=heard,
        sampler="tpe",
    )
    assert [
        t.state for t in study.trials if t.state == TrialState.FAIL and DUPLICATE_OF not in t.user_attrs
    ] == [TrialState.FAIL]
    assert [c[0] for c in heard.calls[:4]] == ["started", "ended", "started", "ended"] and (
        "ended",
        2,
        "FAIL",
    ) in heard.calls
    assert (
        sum(c[0] == "duplicate" for c in heard.calls)
        == sum(DUPLICATE_OF in t.user_attrs for t in study.trials)
        > 0
    )


def probing(steps, value):
    def run(trial):
        for step in steps:
            trial.attrs["xfer.cost"] = {"seconds": float(step)}
            trial.report(step, value(trial, step), "probe")
        return TrialResult((value(trial, 100),), ((value(trial, 100),),))

    return run


@pytest.mark.parametrize("pruner", ["asha", "hyperband", "median"])
def test_hopeless_probes_are_pruned(pruner):
    study = in_memory()
    run_trials(
        study,
        SPACE,
        probing((11, 33, 100), lambda trial, step: 50 + trial.number % 7 + step / 100),
        Budget(n_trials=25),
        pruner=pruner,
        sampler="random",
    )
    pruned = [t for t in study.trials if t.state == TrialState.PRUNED]
    assert len(pruned) >= 5 and all(t.user_attrs[PRUNED_AT]["stage"] == "probe" for t in pruned)
    assert max(t.value for t in study.trials if t.state == TrialState.COMPLETE) == pytest.approx(57)
    assert all(t.user_attrs["xfer.cost"]["seconds"] == t.user_attrs[PRUNED_AT]["step"] for t in pruned)


def test_a_larger_reduction_factor_lets_fewer_trials_go_on():
    completed = {}
    for factor in (2, 3, 5):
        study = in_memory()
        run_trials(
            study,
            SPACE,
            probing((11, 33, 36), lambda trial, step: 50 + trial.number * 7 % 25),
            Budget(n_trials=25),
            pruner="asha",
            reduction_factor=factor,
            sampler="random",
        )
        looks = {len(t.intermediate_values) for t in study.trials if t.state == TrialState.PRUNED}
        assert looks == {1, 2}, "trials are stopped at both short chains"
        completed[factor] = sum(t.state == TrialState.COMPLETE for t in study.trials)
    assert completed[2] > completed[3] > completed[5] >= 2


def test_what_was_pruned_is_never_run_again(journal):
    space, run_keys = read_space(None, POOL[:4]), []
    climb = probing((11, 33, 100), lambda trial, step: 50 + trial.number % 7 + step / 100)

    def run(trial):
        run_keys.append(trial.candidate.key)
        return climb(trial)

    for limit in (
        8,
        14,
        40,
    ):  # each command as a process that starts anew, and a user wishes for what was pruned
        study = journal()
        for trial in [t for t in study.trials if t.state == TrialState.PRUNED][:2]:
            study.enqueue_trial(trial.params)
        run_trials(study, space, run, Budget(n_trials=limit), pruner="asha")
    pruned = [t for t in journal().trials if t.state == TrialState.PRUNED]
    again = [t for t in pruned if DUPLICATE_OF in t.user_attrs]
    assert len(run_keys) == len(set(run_keys)) == 16 and len(pruned) - len(again) >= 5 and len(again) >= 3
    for trial in again:
        known = journal().trials[trial.user_attrs[DUPLICATE_OF]]
        assert known.state == TrialState.PRUNED and known.intermediate_values == trial.intermediate_values


def seeded(trial):
    scores = []
    for i, seed in enumerate(trial.seeds, 1):
        scores.append(60.0 + 0.1 * seed - 20 * ("c" in trial.candidate.tasks))
        trial.report(i, scores[-1], "seed")
    return TrialResult((sum(scores) / len(scores),), tuple((s,) for s in scores))


def test_looks_at_seeds_stop_what_is_clearly_worse():
    study = in_memory()
    run_trials(study, SPACE, seeded, Budget(n_trials=12), pruner="wilcoxon", seeds=(0, 1, 2))
    with_c = [t for t in study.trials if "c" in t.user_attrs[KEY].split("+")]
    assert with_c and all(
        t.state == TrialState.PRUNED and len(t.user_attrs["xfer.by_seed"]) == 1 for t in with_c
    )
    assert all(t.state == TrialState.COMPLETE for t in study.trials if t not in with_c)
    unpruned = in_memory()
    run_trials(unpruned, SPACE, seeded, Budget(n_trials=12), seeds=(0, 1, 2))
    assert all(t.state == TrialState.COMPLETE for t in unpruned.trials)


REFUSED = [
    ({"sampler": "cmaes"}, "unpickles"),
    ({"sampler": "tpee"}, "Did you mean 'tpe'"),
    ({"pruner": "medium"}, "Did you mean 'median'"),
    ({"pruner": "asha", "objectives": 2}, "NotImplementedError"),
    ({"sampler": "brute_force", "n_trials": 40}, "512 candidates"),
    ({"sampler": "brute_force", "space": "mlm_share=0:1"}, "mlm_share=1"),
    ({"sampler": "brute_force", "space": "mlm_share=0:0.5"}, "continuous ranges: mlm_share"),
    ({"sampler": "brute_force", "space": "target.max_seq_length=64|128,mixing_cap=1:20"}, "10,000"),
]


@pytest.mark.parametrize(("options", "says"), REFUSED)
def test_what_cannot_work_together_is_refused(options, says):
    objectives = options.pop("objectives", 1)
    n_trials = options.pop("n_trials", None)
    study = optuna.create_study(directions=["maximize"] * objectives)
    with pytest.raises(XferError) as error:
        run_trials(
            study, read_space(options.pop("space", None), POOL), Runs(), Budget(n_trials=n_trials), **options
        )
    assert says in str(error.value) and not study.trials


def test_several_at_once_run_each_candidate_once():
    study, runs, chance = in_memory(), Runs(), random.Random(3)
    together = Together(runs, 3, chance.choice)
    assert run_trials(study, read_space(None, POOL[:5]), together, Budget(n_trials=20), seed=1) == "n_trials"
    assert len(runs.keys) == len(set(runs.keys)) == 20 and set(runs.keys) >= {"baseline", *POOL[:5]}
    assert len(History.of(study).counted) == 20 and all(t.state.is_finished() for t in study.trials)
    assert together.most == 3


def test_an_interrupt_queues_all_that_run():
    study, runs = in_memory(), Runs({4: KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        run_trials(study, SPACE, Together(runs, 3), Budget(n_trials=12), seed=1)
    left = [t.number for t in study.trials if t.user_attrs.get("xfer.left")]
    assert len(left) == 3 and retried(study) == left
    assert not any(t.state == TrialState.RUNNING for t in study.trials)
    again = Runs()
    run_trials(study, SPACE, again, Budget(n_trials=12), seed=1)
    assert len({*runs.keys[:3], *again.keys}) == len(History.of(study).counted) == 12


ORDERS = {
    "first": lambda trials: trials[0],
    "last": lambda trials: trials[-1],
    "any": random.Random(5).choice,
}


@pytest.mark.parametrize("pruner", ["none", "asha", "hyperband"])
def test_what_is_tried_in_batches_depends_on_no_timing(pruner):
    """Neither on which trial ends first, nor on how many run at once, nor on a death in between (but that
    hyperband, which chooses brackets by the numbers of trials, has others for those that are retried).
    """
    space = read_space("mlm_share=0:0.4", POOL[:6])
    run = probing(
        (11, 33, 100), lambda trial, step: truth(trial.candidate) + 3 * noise(trial.candidate, step)
    )
    options = {"sampler": "tpe", "pruner": pruner, "batches": 4, "seed": 2}
    found = {}
    for name, choose in ORDERS.items():
        study = optuna.create_study(direction="maximize", study_name="search")
        run_trials(study, space, Together(run, 4, choose), Budget(n_trials=24), **options)
        found[name] = told(study)
    alone = optuna.create_study(direction="maximize", study_name="search")
    run_trials(alone, space, run, Budget(n_trials=24), **options)
    killed = in_memory()

    def dies(trial):
        if trial.number == 13:
            raise KeyboardInterrupt
        return run(trial)

    with pytest.raises(KeyboardInterrupt):
        run_trials(killed, space, Together(dies, 4), Budget(n_trials=24), **options)
    assert len(retried(killed)) == 4, "none of a batch is told before all have ended"
    run_trials(killed, space, Together(run, 2), Budget(n_trials=24), **options)
    assert found["first"] == found["last"] == found["any"] == told(alone)
    assert pruner == "hyperband" or told(killed) == told(alone)
    states = [t.state for t in History.of(alone).live]
    assert (TrialState.PRUNED in states) == (pruner != "none") and len(History.of(alone).counted) == 24


def test_what_another_process_has_taken_over_is_not_told():
    study, runs = in_memory(), Runs()

    def taken() -> None:
        if len(runs.keys) == 3:
            raise XferError("taken over", exit_code=75)

    with pytest.raises(XferError, match="taken over"):
        run_trials(study, SPACE, runs, Budget(n_trials=6), confirm=taken)
    assert [t.state for t in study.trials[:3]] == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL]


def test_a_queued_wish_is_run_and_one_outside_the_limits_is_refused():
    space, study, runs = read_space(None, POOL, max_tasks=2), in_memory(), Runs()
    study.enqueue_trial({"task.a": 1, "task.b": 1, "task.c": 1})
    study.enqueue_trial({"task.a": 1, "task.b": 1})
    run_trials(study, space, runs, Budget(n_trials=3))
    assert runs.keys == ["a+b", "baseline", "a"]
    assert RETRIED_FROM not in study.trials[1].user_attrs
