import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.reporting.changes import changes
from mlflow_xfer.tracking.store import Store


@pytest.fixture
def store(own_store):
    with Store.open() as opened:
        yield opened


def evaluation(store, right, score, buckets, language="sw", seed=0, tasks=""):
    """An evaluation of questions, each of which it gets right or wrong."""
    tags = {"xfer.phase": "evaluate", "xfer.seed": str(seed), "xfer.tasks": tasks}
    run = store.start("phase", f"evaluate {score}", tags=tags)
    store.table(
        run,
        [{"task": "qa", "language": language, "score": score, "n": len(right)}],
        "results/per_language.json",
    )
    store.table(
        run,
        [
            {"language": language, "attribute": "length", "low": low, "high": low + 2, "n": 2, "score": value}
            for low, value in buckets.items()
        ],
        "results/buckets.json",
    )
    store.table(
        run,
        [{"language": language, "id": str(n), "right": one} for n, one in enumerate(right)],
        "results/examples.json",
    )
    store.finish(run)
    store.flush()
    return run


def test_two_runs_are_compared_by_language_bucket_and_example(store):
    one = evaluation(store, [True, True, False, False], 50.0, {1: 100.0, 3: 0.0})
    other = evaluation(store, [False, True, True, True], 75.0, {1: 50.0, 3: 100.0})
    found = changes(store, one, other)
    said = found[["attribute", "low", "high", "n", "one", "other", "difference"]].to_numpy().tolist()
    assert said == [
        ["all", "", "", 4, 50.0, 75.0, 25.0],
        ["length", "1", "3", 2, 100.0, 50.0, -50.0],
        ["length", "3", "5", 2, 0.0, 100.0, 100.0],
    ]
    assert found[["gained", "lost"]].iloc[0].tolist() == [2, 1] and found["gained"].isna().sum() == 2


def test_runs_on_other_languages_cannot_be_compared(store):
    one, other = (evaluation(store, [True], 100.0, {}, language) for language in ("sw", "de"))
    with pytest.raises(XferError, match="no task and language in common"):
        changes(store, one, other)


def of_seeds(store, *evaluations):
    """A condition whose transfers stand on these evaluations, by seed."""
    condition = store.start("condition", "c")
    for seed, run in enumerate(evaluations):
        tags = {"xfer.seed": str(seed), "xfer.input_run_ids": run}
        store.finish(store.start("transfer", f"s{seed}", tags=tags, parent=condition))
    store.finish(condition)
    store.flush()
    return condition


def test_the_seeds_that_both_have_are_compared(store):
    right = [[True, False], [False, False], [True, True]]
    runs = [evaluation(store, of, 50.0 * sum(of), {}, seed=seed) for seed, of in enumerate(right)]
    better = evaluation(store, [True, True], 100.0, {}, seed=1)
    found = changes(store, of_seeds(store, *runs), better).iloc[0]
    assert found[["one", "other", "difference", "gained", "lost"]].tolist() == [0.0, 100.0, 100.0, 2, 0]


def test_several_conditions_are_not_averaged(store):
    runs = [evaluation(store, [True], 100.0, {}, tasks=tasks) for tasks in ("", "nli")]
    with pytest.raises(XferError, match="has several conditions: none, nli"):
        changes(store, of_seeds(store, *runs), runs[0])
