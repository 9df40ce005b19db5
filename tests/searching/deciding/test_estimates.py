"""Choices by denoised estimates, contributions with what is identified, and the winner of a confirmation."""

from __future__ import annotations

import math

import numpy as np
import optuna
import pytest

from mlflow_xfer.searching.deciding.contributions import contributions
from mlflow_xfer.searching.deciding.estimates import Choice, baseline, choose, encode, estimates, winner
from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.space.parsing import read_space
from mlflow_xfer.searching.storage.history import Finished, finished_trials
from mlflow_xfer.searching.trying.loop import run_trials
from mlflow_xfer.searching.trying.trials import Budget, Pruned, TrialResult
from tests.searching.planted import POOL, SPACE, Runs, truth


@pytest.fixture(scope="module")
def searched():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    run_trials(study, SPACE, Runs(), Budget(n_trials=45), sampler="pairwise", seeds=(0,))
    return finished_trials(study, SPACE)


def test_the_best_subset_is_chosen_and_the_baseline_stands_apart(searched):
    choices = choose(searched, 3, space=SPACE)
    assert {"a", "b", "d", "e"} <= set(choices[0].candidate.tasks) and "c" not in choices[0].candidate.tasks
    assert [c.estimate for c in choices] == sorted((c.estimate for c in choices), reverse=True)
    assert all(c.low < c.estimate < c.high and c.n == 1 and c.candidate.tasks for c in choices)
    own = baseline(searched, space=SPACE)
    assert own.candidate.key == "baseline" and own.estimate == pytest.approx(60, abs=1.5)
    assert (
        len(estimates(searched, space=SPACE)) == 45
        and choose(searched, 99, space=SPACE, unseen=True)[0].estimate >= choices[0].estimate
    )
    assert choose([t for t in searched if not t.candidate.tasks], 3, space=SPACE) == [] == choose([], 3)


def test_contributions_name_the_planted_tasks(searched):
    found = {c.label: c for c in contributions(searched, space=SPACE)}
    assert len(found) == 9 + 36
    assert found["b"].low > 0 and found["c"].estimate < -1 and found["d x e"].low > 0
    assert found["d x e"].estimate == max(c.estimate for c in found.values() if len(c.tasks) == 2)
    assert found["d x e"].identified and found["b"].identified and found["b"].n > 5
    assert abs(found["d"].alone) < abs(found["d"].estimate)


def test_what_the_trials_cannot_tell_is_not_identified():
    singles = [
        Finished(Candidate(tasks), (60.0 + 2 * ("a" in tasks),)) for tasks in ((), ("a",), ("b",), ("c",))
    ]
    found = {c.label: c for c in contributions(singles)}
    assert not any(c.identified for label, c in found.items() if " x " in label)
    together = [
        Finished(Candidate(tasks), (60.0 + 3 * bool(tasks) + i,))
        for i, tasks in enumerate([(), ("a", "b"), ("a", "b", "c"), ("c",)])
    ]
    found = {c.label: c for c in contributions(together)}
    assert math.isinf(found["a"].vif) and not found["a"].identified and not found["b"].identified
    assert contributions(together[:1]) == []


def test_seeds_of_duplicates_and_of_pruned_trials_count_as_evidence():
    study = optuna.create_study(direction="maximize")

    def run(trial):
        if "c" in trial.candidate.tasks:
            trial.report(1, 50.0, "seed")
            raise Pruned(1, "seed")
        return TrialResult(
            (truth(trial.candidate),), ((truth(trial.candidate),),) * 2, {"tokens": 10.0}, {"tokens": 5.0}
        )

    run_trials(study, SPACE, run, Budget(n_trials=14), seeds=(0, 1))
    finished = finished_trials(study, SPACE)
    pruned = [t for t in finished if t.pruned]
    assert pruned and all(len(t.by_seed) == 1 for t in pruned) and len(finished) == 14
    assert {c.cost for c in choose(finished, 3, space=SPACE)} == {15.0}
    twice = [
        Finished(Candidate(("a",)), (60.0,)),
        Finished(Candidate(("a",)), (62.0,)),
        Finished(Candidate(()), (58.0,)),
    ]
    assert [(c.n, c.score) for c in estimates(twice)] == [(2, 61.0), (1, 58.0)]


def test_settings_are_part_of_the_model():
    space = read_space("intermediate.learning_rate=1e-5:1e-3:log,mixing=uniform|proportional", POOL[:4])
    rng = np.random.default_rng(0)
    drawn = [space.neutral(()), *(space.draw(rng) for _ in range(60))]
    tasks, settings = encode(drawn, space)
    assert (
        tasks.shape == (61, 4)
        and settings.shape == (61, 3)
        and not settings[0].any()
        and np.abs(settings).max() <= 1
    )

    def score(c):
        rate = dict(c.settings).get("intermediate.learning_rate", 1e-4)
        return 60 + 2 * ("nli" in c.tasks) - 6 * abs(math.log10(rate) + 4)

    trials = [Finished(c, (score(c) + rng.normal(0, 0.3),)) for c in drawn]
    best = choose(trials, 1, space=space)[0].candidate
    assert 3e-5 < dict(best.settings)["intermediate.learning_rate"] < 3e-4
    ordered = read_space(None, POOL[:3], combine="sequential")
    assert encode([Candidate(("b", "a"), ordered=True)], ordered)[1].tolist() == [[0.5, -0.5, 0.0]]


def test_pairwise_searches_spaces_too_large_to_list_and_several_objectives():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = read_space("mlm_share=0:0.4", tuple(f"t{i:02d}" for i in range(20)), max_tasks=6)
    study = optuna.create_study(directions=["maximize"] * 2)
    keys = []

    def run(trial):
        keys.append(trial.candidate.key)
        tasks = set(trial.candidate.tasks)
        return TrialResult((60.0 + 3 * len(tasks & {"t01", "t02", "t03"}), -float(len(tasks))))

    assert run_trials(study, space, run, Budget(n_trials=32), sampler="pairwise") == "n_trials"
    assert len(set(keys)) == 32 and max(t.values[0] for t in study.trials) >= 66
    assert max(len(t.user_attrs["xfer.tasks"]) for t in study.trials) <= 6


def test_the_winner_needs_both_kinds_of_evidence():
    strong = Choice(Candidate(("a",)), 66.0, 64.0, 68.0, 3, 66.5)
    weak = Choice(Candidate(("b",)), 61.0, 59.0, 63.0, 1, 68.0)
    fresh = {"a": [64.0, 66.0, 65.0, 63.0, 67.0], "b": [66.0, 64.0, 69.0, 62.0, 66.0]}
    assert np.mean(fresh["b"]) > np.mean(fresh["a"]) and winner([strong, weak], fresh) == strong
    fresh["b"] = [71.0, 72.0, 70.0, 71.0, 71.0]
    assert winner([strong, weak], fresh) == weak


def test_what_a_saturated_dev_set_cannot_tell_apart_goes_to_fewer_tasks():
    pool = ("a", "b", "c", "d")
    space = read_space(None, pool)
    trials = [
        Finished(Candidate(tasks), (100.0 if {"a", "b"} & set(tasks) else 52.0 - 4 * ("d" in tasks),))
        for tasks in [(), *((t,) for t in pool), ("a", "c"), ("a", "b", "d"), ("b", "d")]
    ]
    chosen = choose(trials, 3, space=space, unseen=True)
    assert all({"a", "b"} & set(c.candidate.tasks) for c in chosen) and len(chosen[0].candidate.tasks) <= 2
    same = {c.candidate.key: [99.0, 100.0, 99.5] for c in chosen}
    fewest = min(len(c.candidate.tasks) for c in chosen)
    assert len(winner(chosen, same, margin=1.0).candidate.tasks) == fewest
    two, three = (
        Choice(Candidate(("a", "b")), 70.0, 68.0, 72.0, 3, 70.0),
        Choice(Candidate(("a", "b", "c")), 72.0, 70.0, 74.0, 3, 72.0),
    )
    fresh = {"a+b": [70.0, 71.0, 69.0], "a+b+c": [72.0, 73.0, 71.0]}
    assert winner([two, three], fresh, margin=1.0) == three and winner([two, three], fresh, margin=3.0) == two


def test_the_smaller_of_tied_sets_is_chosen_too():
    """Whoever confirms the pair alone never learns that its first task does as much."""
    space = read_space(None, ("a", "b", "c"))
    scores = {(): 50.0, ("a",): 60.0, ("b",): 51.0, ("c",): 52.0, ("a", "b"): 60.5, ("b", "c"): 53.0}
    trials = [Finished(Candidate(tasks), (score,)) for tasks, score in scores.items()]
    assert ["+".join(c.candidate.tasks) for c in choose(trials, 1, space=space)] == ["a+b"]
    assert ["+".join(c.candidate.tasks) for c in choose(trials, 1, space=space, tied=5.0)] == ["a+b", "a"]
    assert ["+".join(c.candidate.tasks) for c in choose(trials, 1, space=space, tied=0.0)] == ["a+b"]
    assert ["+".join(c.candidate.tasks) for c in choose(trials, 2, space=space, tied=5.0)] == ["a+b", "a"]


def test_sets_tied_on_dev_are_tied_whatever_the_estimates_of_sums_say():
    """All of these solve the dev set; a sum of effects makes more of three tasks than of one."""
    scores = {
        (): 58.0, ("a",): 100.0, ("null",): 75.0, ("b",): 48.0, ("c",): 64.0, ("a", "c"): 100.0,
        ("a", "null"): 100.0, ("a", "b", "c", "null"): 100.0,
    }  # fmt: skip
    trials = [Finished(Candidate(tasks), (score,)) for tasks, score in scores.items()]
    space = read_space(None, ("a", "b", "c", "null"))
    chosen = choose(trials, 3, space=space, unseen=True, tied=1.0)
    alone = next(c for c in estimates(trials, space=space) if c.candidate.tasks == ("a",))
    assert chosen[0].estimate - alone.estimate > 1.0, "the estimates alone would not call it tied"
    assert ("a",) in [c.candidate.tasks for c in chosen]


def test_probes_of_pruned_trials_are_evidence():
    """What is pruned counts as its last probe and the rise that others had after that step."""

    def run(trial):
        value = truth(trial.candidate)
        trial.report(33, value - 20.0, "probe")
        if "d" in trial.candidate.tasks:
            raise Pruned(33, "probe")
        return TrialResult((value,), ((value,),), {"tokens": 1.0})

    study = optuna.create_study(direction="maximize")
    run_trials(study, SPACE, run, Budget(n_trials=12), sampler="random")
    found = finished_trials(study, SPACE)
    foretold = [t for t in found if t.foretold]
    assert (
        len(found) == 12
        and foretold
        and all(t.pruned and t.values[0] == pytest.approx(truth(t.candidate)) for t in foretold)
    )
    by_key = {c.candidate.key: c for c in estimates(found, space=SPACE)}
    assert all(by_key[t.candidate.key].n == 0 and math.isnan(by_key[t.candidate.key].score) for t in foretold)


@pytest.mark.parametrize("score", [50.0, 100.0])
def test_trials_that_tie_leave_the_word_to_the_confirmation(score):
    trials = [Finished(Candidate(tasks), (score,)) for tasks in ((), ("a",), ("b",), ("a", "b"))]
    chosen = choose(trials, 3)
    fresh = {"a": [60.0, 62.0, 61.0], "b": [61.0, 62.0, 60.0], "a+b": [90.0, 92.0, 91.0]}
    for margin in (0.0, 1.0):
        assert winner(chosen, fresh, margin).candidate.key == "a+b"
    assert all(choice.high - choice.low > 0.5 for choice in chosen)
    unseen = choose(trials[1:2], 3, space=read_space(None, ("a", "b")), unseen=True)
    assert len(unseen) == 3 and all(choice.high - choice.low > 0.5 for choice in unseen)
