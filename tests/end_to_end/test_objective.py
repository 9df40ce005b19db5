"""One trial on tiny models: what it reports,
that it can be pruned inside a phase, and what each objective reads.
"""

from __future__ import annotations

import pytest

from mlflow_xfer import params
from mlflow_xfer.conditions.crew import Crew
from mlflow_xfer.errors import XferError
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.references import References
from mlflow_xfer.searching import command as commands
from mlflow_xfer.searching.space.candidate import Candidate
from mlflow_xfer.searching.trying.on_engine import OnEngine
from mlflow_xfer.searching.trying.running_trial import Objective
from mlflow_xfer.searching.trying.trials import PROBE, SEED_DONE, Pruned, Trial, TrialResult
from mlflow_xfer.tracking.store import Store
from tests.end_to_end.conftest import ENCODER, QUICK

SHARED = {
    name: value for name, value in QUICK.items() if name not in ("intermediate", "target", "max_steps")
} | {"model": ENCODER, "target": "choice,mood", "num_train_epochs": 2, "max_train_examples": 12}


@pytest.fixture
def tracked():
    with Store.open(probe=False) as opened:
        yield opened


def trial(number, tasks, stop_at=None, seeds=(0,)):
    """A trial whose pruner stops it at a step of its probes; ``heard`` are its reports."""
    heard = []

    def report(step, value, stage):
        heard.append((step, value, stage))
        if stage == PROBE and stop_at is not None and step >= stop_at:
            raise Pruned(step, stage)

    return Trial(number, Candidate(tasks), tuple(seeds), report), heard


def run(objective, *trials, workers=1):
    """What the trials found, by number; raises what ended one alone."""
    with OnEngine(objective, Executor(objective.store), Crew(workers)) as runs:
        for one in trials:
            runs.begin(one)
        found = {one.number: outcome for one, outcome in (runs.ended() for _ in trials)}
    if len(trials) > 1:
        return found
    (outcome,) = found.values()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def test_a_trial_pruned_inside_a_phase_leaves_it_for_the_next(tracked, all_runs):
    objective = Objective(tracked, SHARED)
    stopped, heard = trial(0, ("attribute",), stop_at=25)
    with pytest.raises(Pruned):
        run(objective, stopped)
    tracked.flush()
    assert [(step, stage) for step, _, stage in heard] == [(1, "intermediate"), (25, PROBE)], (
        "half of the first target's training is a quarter of all"
    )
    killed = [run for run in all_runs("phase") if run.info.status == "KILLED"]
    assert [run.data.tags["mlflow.runName"] for run in killed] == [
        "target choice · attribute · s0"
    ] and killed[0].data.metrics["train/optimizer_steps"] == 3
    assert stopped.attrs["xfer.cost"]["optimizer_steps"] == 4 + 6 + 3, (
        "the base, the intermediate task, half a target"
    )

    whole, heard = trial(1, ("attribute",))
    outcome = run(objective, whole)
    tracked.flush()
    assert [(step, stage) for step, _, stage in heard] == [
        (1, "intermediate"),
        (50, PROBE),
        (75, PROBE),
        (1, SEED_DONE),
    ]
    assert {run.info.status for run in all_runs("phase")} == {"FINISHED"} and len(all_runs("phase")) == 4
    assert outcome.cost["optimizer_steps"] == 3 + 6, "the rest of the first target and the second"
    dev = [
        run.data.metrics[f"dev/{name}/en/selected"]
        for name in ("choice", "mood")
        for run in all_runs("phase")
        if f"dev/{name}/en/selected" in run.data.metrics
    ]
    assert (
        outcome.values == (pytest.approx(sum(dev) / 2),)
        and len(dev) == 2
        and heard[-1][1] == outcome.values[0]
    )
    naive = 2 * 6 + 2 * 6
    assert outcome.saved["optimizer_steps"] == naive - outcome.cost["optimizer_steps"]


@pytest.mark.parametrize(
    ("stop", "workers"), [((25, None), 1), ((25, 25), 1), pytest.param((25, 25), 2, marks=pytest.mark.slow)]
)
def test_a_phase_that_two_trials_wait_for_ends_when_neither_does(tracked, all_runs, stop, workers):
    """One candidate twice, so that all phases are shared; the first is pruned, then the second or not."""
    objective = Objective(tracked, SHARED | {"target": "choice", "target.num_train_epochs": 60})
    (first, _), (second, heard) = trial(0, ("attribute",), stop[0]), trial(1, ("attribute",), stop[1])
    found = run(objective, first, second, workers=workers)
    tracked.flush()
    assert isinstance(found[0], Pruned)
    runs = all_runs("phase")
    assert len(runs) == 3, "base, intermediate task and target, once each"
    cost = [one.attrs["xfer.cost"]["optimizer_steps"] for one in (first, second)]
    if stop[1] is None:
        assert isinstance(found[1], TrialResult) and {run.info.status for run in runs} == {"FINISHED"}
        assert cost == [4 + 6, 180], "who waits for a phase to its end pays for it"
        assert heard[-1][2] == SEED_DONE
    else:
        assert isinstance(found[1], Pruned)
        assert sorted(run.info.status for run in runs) == ["FINISHED", "FINISHED", "KILLED"]
        trained = sum(run.data.metrics["train/optimizer_steps"] for run in runs)
        assert sum(cost) == trained and 4 + 6 < trained < 4 + 6 + 180


def test_what_fails_a_phase_fails_the_trials_that_wait_for_it(tracked, all_runs):
    objective = Objective(tracked, SHARED | {"target": "choice", "target.precision": "fp16"})
    (first, _), (second, _) = trial(0, ("attribute",)), trial(1, ("attribute",))
    found = run(objective, first, second)
    assert all("fp16 needs a GPU" in str(one) for one in found.values())
    assert first.attrs["xfer.cost"]["optimizer_steps"] + second.attrs["xfer.cost"]["optimizer_steps"] == 10
    tracked.flush()
    assert sorted(run.info.status for run in all_runs("phase")) == ["FAILED", "FINISHED", "FINISHED"]


def test_a_trial_that_diverges_fails_and_says_where(tracked, all_runs):
    objective = Objective(
        tracked, SHARED | {"target": "choice", "intermediate.learning_rate": 1e30}, prune=True
    )
    with pytest.raises(XferError, match="intermediate attribute s0: .*learning_rate=1e\\+30") as caught:
        run(objective, trial(0, ("attribute",))[0])
    assert not isinstance(caught.value, Pruned) and caught.value.exit_code == 2
    tracked.flush()
    assert sorted(run.info.status for run in all_runs("phase")) == ["FAILED", "FINISHED"]


@pytest.mark.slow
def test_short_chains_come_before_the_whole_one(tracked, all_runs):
    """Two rungs of a chain of 60 intermediate steps and 6 of the target: what they report, cost and leave."""
    objective = Objective(
        tracked, SHARED | {"target": "choice", "intermediate.max_train_examples": 120}, rungs=True
    )
    stopped, heard = trial(0, ("attribute",), stop_at=11)
    with pytest.raises(Pruned):
        run(objective, stopped)
    assert [(step, stage) for step, _, stage in heard] == [(11, PROBE)]
    assert stopped.attrs["xfer.cost"]["optimizer_steps"] == 4 + 7 + 6, (
        "the base, a ninth of the intermediate steps; the target keeps all of so few"
    )
    assert (
        stopped.attrs["xfer.naive"]["optimizer_steps"]
        == stopped.attrs["xfer.alone"]["optimizer_steps"]
        == 60 + 6
    )

    whole, heard = trial(1, ("attribute",))
    outcome = run(objective, whole)
    assert [(step, stage) for step, _, stage in heard] == [
        (11, PROBE),
        (33, PROBE),
        (1, "intermediate"),
        (66, PROBE),
        (1, SEED_DONE),
    ]
    assert whole.attrs["xfer.rungs"]["optimizer_steps"] == 20 + 6, "the first rung is there already"
    assert outcome.cost["optimizer_steps"] == 26 + 66 and outcome.saved["optimizer_steps"] == -26, (
        "nobody shared anything; short chains are extra"
    )
    assert stopped.attrs["xfer.naive"]["tokens"] == pytest.approx(
        outcome.cost["tokens"] + outcome.saved["tokens"], rel=0.1
    ), "foretold from a ninth"
    tracked.flush()
    names = [run.data.tags["mlflow.runName"] for run in all_runs("phase")]
    assert (
        names.count("intermediate attribute rung 11 % · s0")
        == names.count("target choice rung 33 % · attribute · s0")
        == names.count("intermediate attribute · s0")
        == 1
    )
    assert {run.info.status for run in all_runs("phase")} == {"FINISHED"} and len(names) == 1 + 3 * 2

    baseline, heard = trial(2, ())
    run(objective, baseline)
    assert [stage for _, _, stage in heard] == [SEED_DONE], (
        "no step of the baseline is comparable with those of short chains"
    )


def test_oracle_label_free_and_cost_read_dev_splits_and_counters_alone(tracked, all_runs):
    objective = Objective(
        tracked,
        SHARED | {"target": "choice,retrieval", "select_by": "label_free"},
        ("label_free", "oracle", "cost", "retrieval"),
    )
    own, heard = trial(0, ())
    outcome = run(objective, own)
    tracked.flush()
    evaluations = [run for run in all_runs("phase") if run.data.tags["xfer.phase"] == "evaluate"]
    assert [
        (run.data.tags["xfer.target"], run.data.tags["xfer.split"], run.data.tags.get("xfer.oracle"))
        for run in evaluations
    ] == [("choice", "validation", "true"), ("retrieval", "validation", None)]
    assert outcome.values[3] == evaluations[1].data.metrics["dev/retrieval/de"]
    metrics = evaluations[0].data.metrics
    assert (
        set(metrics) == {"dev/choice/de", "dev/choice", "predict/seconds"}
        and outcome.values[1] == metrics["dev/choice/de"]
    )
    contexts = {
        tag.value
        for run in all_runs("phase")
        for i in run.inputs.dataset_inputs
        for tag in i.tags
        if tag.key == "mlflow.data.context"
    }
    assert contexts == {"train", "dev", "selection (label_free)"}, "no test split is read"
    trained = [run for run in all_runs("phase") if run.data.tags["xfer.phase"] == "target"]
    (estimate,) = [run.data.metrics["label_free/choice/de/selected"] for run in trained]
    assert outcome.values[0] == estimate and [stage for _, _, stage in heard] == [PROBE, SEED_DONE], (
        "a trial with one target is probed halfway"
    )
    assert outcome.values[2] == -sum(run.data.metrics["train/tokens"] for run in trained) / 1e6 < 0


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"pool": "none"}, ["The pool is empty"]),
        (
            {"pool": "attribut,choice,nli,nli", "target": "choice"},
            [
                "4 problems",
                "Did you mean 'attribute'",
                "'choice' is in the pool and a target",
                "'nli' more than once",
            ],
        ),
        (
            {"target": "choice,retrieval"},
            ["'retrieval' is not trained", "Leave it out of target=", "objective=english_dev,retrieval"],
        ),
        ({"objective": "retrieval"}, ["there is no retrieval target", "chooses nothing"]),
        (
            {"objective": "retrieval", "target": "tatoeba", "data": "hub", "pool": "mnli"},
            ["tatoeba has a test split only", "chooses nothing"],
        ),
        ({"objective": "english_dv"}, ["Unknown objective 'english_dv'", "english_dev"]),
        ({"objective": "cost"}, ["best by training nothing"]),
        ({"objective": "label_free", "select_by": "last"}, ["needs select_by=label_free, not last"]),
        ({"objective": "english_dev,cost", "pruner": "asha"}, ["pruner=asha with 2 objectives"]),
        ({"pool": "auto", "sampler": "brute_force"}, ["131,072 candidates", "n_trials=40"]),
        ({"space": "mlm_share=0.5:0.1"}, ["from 0.5 down to 0.1"]),
        ({"space": "mixing_cap=64:256", "combine": "sequential"}, ["mixing_cap", "sequential"]),
        ({"n_trials": "none"}, ["no end"]),
        ({"seeds": "1,1"}, ["names a seed twice"]),
        (
            {"register": "a/b", "confirm_top": "0"},
            ["2 problems", "no name of a registered model", "nothing would be registered"],
        ),
        (
            {"data": "hub", "pool": "mnli,paws", "target": "xnli,pawsx"},
            [
                "2 problems",
                "'mnli' leaks into target 'xnli'",
                "'paws' leaks into target 'pawsx'",
                "exclude_overlap=true",
            ],
        ),
    ],
)
def test_bad_input_is_refused_before_anything_runs(typed, says, all_runs):
    import mlflow_xfer
    from mlflow_xfer.errors import XferError

    given = {"model": ENCODER, "text": "mini", "pool": "attribute,nli", "target": "choice"} | typed
    with pytest.raises(XferError) as caught:
        mlflow_xfer.search(**given)
    assert caught.value.exit_code == 2
    for part in says:
        assert part in str(caught.value)
    assert not all_runs()


def test_pairs_of_the_paper_are_candidates_once_overlaps_are_left_out():
    """Phang et al. train on MNLI before XNLI, which is fine-tuned on MNLI."""
    typed = {
        "model": ENCODER,
        "text": "mini",
        "data": "hub",
        "pool": "mnli,qqp",
        "target": "xnli",
        "exclude_overlap": "true",
    }
    found = commands.read(
        params.parse("search", typed), References(lambda: pytest.fail("no store is needed")), {}
    )
    assert found.space.pool == ("mnli", "qqp")


def test_the_same_command_is_the_same_search_and_another_is_refused(tracked):
    def read(**typed):
        return commands.read(
            params.parse(
                "search",
                {"model": ENCODER, "text": "mini", "pool": "attribute,nli", "target": "choice", **typed},
            ),
            References(lambda: pytest.fail("no store is needed")),
            {},
        )

    first = read()
    assert (
        read(n_trials=7, workers=1, sampler="random", confirm_top=1, pool="nli,attribute").study_name
        == first.study_name
    )
    names = {
        read(**more).study_name
        for more in (
            {"pool": "attribute"},
            {"target": "mood"},
            {"seeds": "1"},
            {"max_steps": "9"},
            {"objective": "oracle"},
            {"space": "mlm_share=0:0.5"},
            {"max_tasks": "1"},
        )
    }
    assert len(names) == 7 and first.study_name not in names
