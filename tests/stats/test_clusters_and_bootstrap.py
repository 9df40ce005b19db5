import numpy as np
import pandas as pd
import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.stats import clusters
from mlflow_xfer.stats.bootstrap import example_bootstrap
from mlflow_xfer.stats.estimate import LIKE_THESE
from mlflow_xfer.stats.means import difference
from tests.stats.score_tables import table


def test_effective_number():
    assert clusters.effective_number([1, 1, 1, 1]) == 4
    assert clusters.effective_number([10, 1]) == pytest.approx(121 / 101)
    assert clusters.effective_number([]) == 0


def test_families_of_xtreme_r_are_one_large_and_many_small():
    from mlflow_xfer import languages

    codes = [code for code, one in languages.table().items() if "xtreme-r" in one.benchmarks]
    found = clusters.by_family(codes)
    assert found["languages"].sum() == 50 and found.iloc[0]["family"] == "Indo-European"
    assert (found["languages"] == 1).sum() == 7
    assert clusters.effective_number(found["languages"]) < 6


def test_singleton_families_are_languages_like_these():
    frame = table({"none": 0, "mnli": 2}, tasks=("xnli",))
    alone = clusters.cluster_difference(frame, "mnli", "none", cluster=lambda code: code)
    plain = difference(frame, "mnli", "none", population=LIKE_THESE)
    assert (alone.estimate, alone.low, alone.p) == pytest.approx((plain.estimate, plain.low, plain.p))


def test_few_families_are_refused_with_their_effective_number():
    frame = table({"none": 0, "mnli": 2}, languages=("en", "de", "fr", "ru", "hi", "tr"))
    with pytest.raises(XferError, match=r"2 families count as 1\.4"):
        clusters.cluster_difference(frame, "mnli", "none")


def test_leaving_out_shows_what_the_answer_hangs_on():
    frame = table({"none": 0, "mnli": 0}, seed_sd=0.1, cell_sd=0.1)
    frame.loc[(frame["condition"] == "mnli") & (frame["language"] == "sw"), "score"] += 8
    found = clusters.leave_one_out(frame, "mnli", "none").set_index("left_out")
    assert found.loc["sw", "flips"] and not found.loc["de", "flips"] and len(found) == 8
    assert set(clusters.leave_one_out(frame, "mnli", "none", by="task")["left_out"]) == {"xnli", "udpos"}
    assert "Indo-European" in set(clusters.leave_one_out(frame, "mnli", "none", by="family")["left_out"])
    with pytest.raises(XferError, match="Unknown grouping"):
        clusters.leave_one_out(frame, "mnli", "none", by="script")
    with pytest.raises(XferError, match="only one task"):
        clusters.leave_one_out(frame[frame["task"] == "xnli"], "mnli", "none", by="task")


def test_cells_are_corrected_together():
    found = clusters.language_effects(table({"none": 0, "mnli": 4}, seeds=8), "mnli", "none")
    assert len(found) == 16 and (found["q"] >= found["p"]).all()


def examples(effect=0.1, languages=("de", "fr", "sw", "zh", "ar"), n=200, seed=0, parallel=False):
    rng = np.random.default_rng(seed)
    rows = []
    for language in languages:
        hard = rng.random(n)
        for condition, level in (("none", 0.6), ("mnli", 0.6 + effect)):
            for s in (1, 2):
                right = rng.random(n) < np.clip(level + 0.5 * (hard - 0.5), 0, 1)
                rows += [
                    (condition, "xnli", language, s, f"{'' if parallel else language}{i}", 100.0 * r)
                    for i, r in enumerate(right)
                ]
    return pd.DataFrame(rows, columns=["condition", "task", "language", "seed", "example", "score"])


@pytest.mark.parametrize("parallel", [False, True])
def test_bootstrap_given_models_is_the_normal_interval_on_large_test_sets(parallel):
    frame = examples(parallel=parallel)
    found = example_bootstrap(frame, "mnli", "none")
    gap = frame.groupby(["condition", "language", "example"])["score"].mean().unstack(0)
    gap = (gap["mnli"] - gap["none"]).unstack("language")
    variance = gap.mean(axis=1).var() / 200 if parallel else gap.var().sum() / 25 / 200
    assert found.estimate == pytest.approx(gap.mean().mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.08)
    assert found.p < 0.05 and "says nothing about new seeds" in found.notes[0]


def test_bootstrap_over_languages_is_widened_and_repeatable():
    frame = examples()
    these, like = (
        example_bootstrap(frame, "mnli", "none", population=p) for p in ("these languages", LIKE_THESE)
    )
    assert like.estimate == these.estimate and any("5 languages" in note for note in like.notes)
    assert example_bootstrap(frame, "mnli", "none") == these


def test_bootstrap_needs_the_same_examples():
    with pytest.raises(XferError, match="no column 'example'"):
        example_bootstrap(table({"none": 0, "mnli": 1}), "mnli", "none")
    frame = examples()
    with pytest.raises(XferError, match=r"1 examples exist in one condition only"):
        example_bootstrap(
            frame.drop(frame[(frame["condition"] == "mnli") & (frame["example"] == "de7")].index),
            "mnli",
            "none",
        )
    with pytest.raises(XferError, match="No examples of condition"):
        example_bootstrap(frame, "mnl", "none")
