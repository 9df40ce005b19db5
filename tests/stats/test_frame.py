import numpy as np
import pandas as pd
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.kind import KINDS, scoring
from mlflow_xfer.stats.frame import CORRELATIONS, average_examples, check
from mlflow_xfer.stats.means import difference
from tests.stats.score_tables import table

GOOD = table({"none": 0, "mnli": 2}, seeds=3)


def refused(frame, *words):
    with pytest.raises(XferError) as error:
        check(frame)
    for word in words:
        assert word in str(error.value), str(error.value)


def test_columns_and_rows_are_needed():
    refused(GOOD.drop(columns=["seed", "score"]), "lacks the columns seed, score")
    refused(GOOD.iloc[:0], "no rows")


def test_duplicates_are_shown():
    refused(pd.concat([GOOD, GOOD.iloc[3:4]]), "2 rows are duplicates", "task=xnli", "language=ru", "seed=1")


def test_scores_must_be_finite_numbers_within_bounds():
    refused(
        GOOD.assign(score=GOOD["score"].astype(object).where(GOOD.index != 5, "n/a")),
        "1 scores are no finite numbers",
        "score=n/a",
    )
    refused(GOOD.assign(score=GOOD["score"].where(GOOD.index != 5, np.inf)), "no finite numbers")
    refused(GOOD.assign(score=GOOD["score"].where(GOOD.index != 5, 101.0)), "outside 0-100", "score=101.0")
    refused(
        GOOD.assign(score=GOOD["score"].where(GOOD.index != 5, -1.0), metric="f1"), "score=-1.0", "pearson"
    )


def test_scores_of_no_examples_are_refused():
    refused(
        GOOD.assign(n=GOOD["n"].where(GOOD.index != 5, 0)),
        "1 scores are of fewer than one test example",
        "n=0",
    )
    check(GOOD.assign(n=GOOD["n"].where(GOOD.index != 5)))


def test_correlations_reach_below_zero():
    scored = {name for kind in KINDS for name, metric in scoring(kind.name).metrics.items() if metric.sample}
    assert scored == set(CORRELATIONS)
    below = GOOD["score"].where(GOOD["condition"] == "mnli", -GOOD["score"] / 20)
    assert len(check(GOOD.assign(score=below, metric="spearman"))) == len(GOOD)
    refused(GOOD.assign(score=-101.0, metric="pearson"), "outside 0-100", "from -100")


def test_mixed_scales_are_refused_and_hard_tasks_are_not():
    fractions = GOOD["score"].where(GOOD["condition"] != "mnli", GOOD["score"] / 100)
    refused(GOOD.assign(score=fractions), "two scales", "condition=mnli, task=xnli", "Multiply")
    refused(GOOD.assign(score=GOOD["score"] / 100), "look like fractions")
    check(
        GOOD.assign(score=GOOD["score"].where(GOOD["task"] != "udpos", 0.6))
    )  # a task at which everybody fails


def control(counts, of=1000):
    """A task at which one condition has these numbers of ``of`` test examples right, as percents."""
    at = (GOOD["condition"] == "none") & (GOOD["task"] == "udpos")
    right = np.resize(counts, int(at.sum()))
    return GOOD.assign(n=of), at, 100 * right / of


def test_tiny_percents_are_told_from_fractions_by_their_counts():
    """As of a random encoder that finds a few of 1,000 sentences, beside one that finds hundreds."""
    frame, at, score = control([4, 0, 7, 10, 1])
    checked = check(frame.assign(score=frame["score"].where(~at, pd.Series(score, frame.index[at]))))
    assert checked.loc[at, "score"].tolist() == score.tolist(), "as they are"


@pytest.mark.parametrize(
    ("counts", "of"),
    [
        ([412, 397, 688, 1000], 1000),  # fractions
        ([300, 400, 400, 300], 1000),  # fractions of round numbers, which could be percents
        ([100, 0], 150),  # a fraction that one answer to all has everywhere
        ([100], 100),
    ],
)
def test_fractions_are_no_tiny_percents(counts, of):
    frame, at, score = control(counts, of)
    mixed = frame.assign(score=frame["score"].where(~at, pd.Series(score / 100, frame.index[at])))
    refused(mixed, "two scales", "condition=none, task=udpos", "Multiply", "column n")


def test_tiny_percents_without_counts_are_taken_for_fractions():
    frame, at, score = control([4, 0, 7, 10, 1])
    tiny = frame.assign(score=frame["score"].where(~at, pd.Series(score, frame.index[at])))
    refused(tiny.drop(columns="n"), "two scales")
    refused(tiny.assign(n=np.nan), "two scales")


def test_what_runs_logged_is_never_taken_for_fractions():
    tiny = GOOD.assign(score=GOOD["score"].where(GOOD["condition"] != "none", 0.5))
    refused(tiny, "two scales")
    assert len(check(tiny.assign(run_id="a"))) == len(tiny)
    refused(tiny.assign(run_id=np.where(tiny["condition"] == "none", None, "a"), score=0.5), "at most 1")


def test_suites_protocols_and_metrics_do_not_mix():
    refused(
        GOOD.assign(suite=GOOD["condition"].map({"none": "mini", "mnli": "xtreme"})),
        "Different suites",
        "suite=xtreme",
    )
    protocol = GOOD["condition"].map({"none": "select_by=english_dev", "mnli": "select_by=oracle"})
    refused(
        GOOD.assign(protocol=protocol), "protocols", "condition=mnli, task=udpos, protocol=select_by=oracle"
    )
    check(
        GOOD.assign(protocol=GOOD["task"].map({"xnli": "select_by=english_dev", "udpos": ""}))
    )  # an untrained task has none
    refused(
        GOOD.assign(metric=GOOD["condition"].map({"none": "f1", "mnli": "accuracy"})),
        "'xnli' is scored by different metrics",
    )


def test_all_faults_come_at_once():
    frame = pd.concat([GOOD, GOOD.iloc[3:4]]).assign(suite=lambda f: f["condition"])
    refused(frame, "2 problems", "duplicates", "Different suites")


def test_examples_are_averaged():
    rows = GOOD.drop(columns="n").merge(pd.DataFrame({"example": range(4)}), how="cross")
    rows["score"] = np.where(rows["example"] < 3, 100.0, 0.0)
    found = average_examples(rows)
    assert (found["score"] == 75).all() and (found["n"] == 4).all() and len(found) == len(GOOD)
    assert difference(rows, "mnli", "none").estimate == 0


def test_examples_keep_what_is_said_of_their_cell():
    own = np.where((GOOD["condition"] == "mnli") & (GOOD["task"] == "xnli"), "xnli", "")
    said = GOOD.assign(
        same_task=own, majority=50.0, base_seen="", suite="mini", protocol="p", metric="accuracy"
    )
    rows = said.merge(pd.DataFrame({"example": range(4)}), how="cross").assign(low=0.0, high=100.0)
    found = check(rows)
    kept = ["condition", "task", "language", "seed", "same_task", "majority", "suite", "protocol", "metric"]
    pd.testing.assert_frame_equal(found[kept], check(said)[kept])
    assert not {"example", "low", "high"} & set(found) and (found["n"] == 4).all()
