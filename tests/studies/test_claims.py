"""Claims on made-up scores of the study `replicate`, and what the product shows without any."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlflow_xfer import api
from mlflow_xfer.commands.study import replicate_of
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.verbs import VERBS
from mlflow_xfer.reporting.verdict import UNDECIDED
from mlflow_xfer.studies import claims
from mlflow_xfer.studies.claims_tested import TABLES
from mlflow_xfer.studies.found import study
from mlflow_xfer.studies.registration import enter
from mlflow_xfer.studies.run import dev_of
from mlflow_xfer.tracking.store import Store

CODES = ("en", "de")


def scores(asked, gains, seeds: int = 4) -> pd.DataFrame:
    """Scores of all arms: 50 points, what ``gains(arm, target)`` says beyond, and noise."""
    rng = np.random.default_rng(0)
    rows = [
        (arm.name, target, code, 0, seed, 50 + gains(arm.name, target) + rng.normal(0, 0.2), 500)
        for arm in asked.arms
        for target in asked.targets()
        for code in CODES
        for seed in range(seeds)
    ]
    columns = ["condition", "task", "language", "base_seed", "seed", "score", "n"]
    return pd.DataFrame(rows, columns=columns)


def verdicts(scale: str, gains, dev=None) -> dict[str, str]:
    asked = study("replicate").at(scale)
    judged = claims.judge(asked, scores(asked, gains), dev)
    return {one.claim.id: one.verdict for one in judged}


def as_the_paper_says(arm: str, target: str) -> float:
    if arm == "none" or target == "xnli":
        return 0.0
    every = 3.0 * arm.startswith("all")
    return 8.0 + every - 4.0 * arm.endswith("MLM") - 4.0 * arm.endswith("translated")


def test_what_the_paper_says_is_supported_where_it_is_so():
    found = verdicts("full", as_the_paper_says)
    assert all(found[f"C{n}"] == claims.SUPPORTED for n in range(1, 7)), found
    assert all(found[f"C{n}"] == claims.SHOWN for n in range(7, 11))


@pytest.mark.slow
def test_the_contrary_contradicts_it():
    found = verdicts("full", lambda arm, target: -as_the_paper_says(arm, target))
    assert {found[name] for name in ("C1", "C2", "C3", "C5", "C6")} == {claims.CONTRADICTED}
    assert found["C4"] == claims.PARTLY, "xnli does not gain"


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        (lambda arm, target: -8.0 * (target == "tydiqa"), claims.PARTLY),
        (lambda arm, target: {"tydiqa": 8.0, "xnli": 10.0}.get(target, 0.0), claims.PARTLY),
        (lambda arm, target: {"tydiqa": -8.0, "xnli": 10.0}.get(target, 0.0), claims.CONTRADICTED),
        (lambda arm, target: 8.0 * (target == "tydiqa" and arm != "PAWS-X"), claims.SUPPORTED),
    ],
)
def test_a_claim_of_two_halves_needs_both(gains, verdict):
    found = verdicts("full", lambda arm, target: 0.0 if arm == "none" else gains(arm, target))
    assert found["C4"] == verdict


def test_what_nothing_stands_for_is_untestable_and_says_what_is_missing():
    asked = study("replicate")
    by_id = {one.claim.id: one for one in claims.judge(asked, scores(asked, as_the_paper_says))}
    assert "no target of inference at scale mini" in by_id["C4"].evidence
    assert "English − translated +4" in by_id["C6"].evidence
    small = asked.at("small")
    found = {one.claim.id: one for one in claims.judge(small, scores(small, as_the_paper_says))}
    assert found["C4"].verdict == claims.UNTESTABLE and "no target of questions" in found["C4"].evidence
    assert "2 of the three tasks are in no arm" in found["C1"].evidence
    assert found["C1"].verdict == claims.PARTLY, "of one of three tasks nothing more can be said"
    assert "no translated data at scale small" in found["C6"].evidence


def test_cells_that_were_not_run_are_named_and_leave_a_claim_supported_in_part():
    asked = study("replicate").at("full")
    frame = scores(replace(asked, scale=TABLES), as_the_paper_says)
    there = frame[(frame["task"] != "tatoeba") | frame["condition"].isin(["none", "MNLI"])]
    whole, gaps = (claims.judge(replace(asked, scale=TABLES), one)[2] for one in (frame, there))
    assert whole.verdict == claims.SUPPORTED and gaps.verdict == claims.PARTLY
    assert "not run" not in whole.evidence and "–" not in gaps.evidence
    assert "SQuAD v1 on tatoeba" in gaps.evidence.split("not run: ")[1]


@pytest.mark.slow
def test_too_few_seeds_tell_nothing():
    asked = study("replicate")
    rng = np.random.default_rng(1)
    frame = scores(asked, lambda arm, target: rng.normal(0, 8), 3)
    found = {one.claim.id: one.verdict for one in claims.judge(asked, frame)}
    assert found["C1"] == found["C6"] == UNDECIDED


@pytest.mark.slow
def test_equivalence_is_asked_on_dev_and_on_test_apart():
    asked = study("replicate").at("full")
    dev = scores(asked, as_the_paper_says)
    dev = dev[dev["language"] == "en"][["condition", "task", "seed", "score"]]
    by_id = {one.claim.id: one for one in claims.judge(asked, scores(asked, as_the_paper_says), dev)}
    names = [one.contrast.name for one in by_id["C4"].found]
    assert "MNLI on xnli" in names and "MNLI on xnli (English dev)" in names


def test_dev_scores_of_several_bases_stand_apart(own_store):
    with Store.open() as store:
        made = []
        for base in (0, 1):
            target = store.start("phase", "target", tags={"xfer.phase": "target"})
            store.metrics(target, {"dev/xnli/en/selected": 70.0 + base})
            tags = {"xfer.phase": "evaluate", "xfer.target": "xnli", "xfer.input_run_ids": target}
            scored = store.start("phase", "evaluate", tags=tags)
            tags = {"xfer.base_seed": base, "xfer.seed": 3, "xfer.input_run_ids": scored}
            made.append(store.start("transfer", f"b{base}", tags=tags))
        store.settle()
        dev = dev_of(store, {"MNLI": made})
    assert dev[["base_seed", "seed", "score"]].to_numpy().tolist() == [[0, 3, 70], [1, 3, 71]]


def test_why_a_contrast_of_a_run_cannot_be_had_is_said():
    asked = study("replicate").at("small")
    (best,) = (
        one for one in claims.judge(asked, scores(asked, as_the_paper_says, seeds=3)) if one.claim.id == "C5"
    )
    assert best.verdict == claims.UNTESTABLE and "3 seeds are too few to choose" in best.evidence
    assert "not run" not in best.evidence


def test_claims_can_be_tested_over_several_bases():
    asked = study("replicate").at("small")
    frame = pd.concat([scores(asked, as_the_paper_says).assign(base_seed=base) for base in (0, 1)])
    dev = frame[frame["language"] == "en"][["condition", "task", "base_seed", "seed", "score"]]
    assert claims.judge(asked, frame, dev)[0].verdict == claims.PARTLY
    assert claims.judge(asked, frame, dev.drop(columns="base_seed"))[0].verdict == claims.PARTLY


def test_what_one_task_alone_beats_is_not_the_best():
    def gains(arm: str, target: str) -> float:
        return as_the_paper_says(arm, target) + 9.0 * (arm == "HellaSwag")

    assert verdicts("full", gains)["C2"] == claims.CONTRADICTED


def test_reported_figures_and_marks_are_shown_and_never_count():
    asked = study("replicate")
    judged = claims.judge(asked, scores(asked, as_the_paper_says))
    assert any(one.found for one in judged)
    for one in judged:
        for found in one.found if one.claim.margin else ():
            assert found.margin == one.claim.margin
            assert all(part not in str(found.as_dict()) for part in ("8.7", ".25-.27"))
    said = claims.text(judged, "made-up scores")
    assert "+8.7" in said and "shown, never evidence" in said


@pytest.mark.parametrize("name", claims.METHODS)
def test_a_method_is_shown_by_what_the_product_does(name):
    shown = claims.METHODS[name]()
    expected = {
        "C7": "starts from xlm-roberta-large",
        "C8": "→ intermediate → target → evaluate",
        "C9": "9 in the catalogue",
        "C10": "tagging: ccg-substitute",
    }
    assert expected[name] in shown


def test_the_gain_is_shown_without_the_tasks_of_each_format():
    asked = study("replicate")
    lone = {"roles": 40.0}  # the one tagging task, without which nothing is gained
    judged = claims.judge(asked, scores(asked, lambda arm, target: lone.get(arm, 0.0)))
    (one,) = (one for one in judged if one.claim.id == "C10")
    assert one.verdict == claims.SHOWN and "without tagging" in one.evidence
    gains = {found.contrast.name: found.estimate.estimate for found in one.found}
    assert gains["without tagging"] == pytest.approx(0.0, abs=0.2)
    assert gains["all formats"] == pytest.approx(40 / 6, abs=0.2)
    assert gains["without span_qa"] == pytest.approx(40 / 5, abs=0.2)


def test_without_a_run_the_command_says_what_to_run(own_store):
    found = api.FUNCTIONS["claims"]()
    verb = VERBS["claims"]
    assert {one["verdict"] for one in found["claims"]} == {claims.SHOWN, claims.NOT_RUN}
    assert "run: mlflow-xfer study --study replicate" in (api.printed(verb, verb.read({}), found) or "")
    read = json.loads(api.printed(verb, verb.read({"format": "json"}), found) or "")
    assert len(read["claims"]) == 10


def ran(store, asked, name="replicate") -> str:
    """A finished run of a study, registered as it is asked."""
    run = store.start("study", name, tags={"xfer.study": name})
    enter(store, run, asked, {}, (0, 1), ())
    store.finish(run, "FINISHED")
    return run


def test_only_runs_of_the_study_itself_count_whatever_others_are_called(store):
    own = study("replicate")
    shipped = [ran(store, own), ran(store, own.at("small"))]
    others = [
        ran(store, replace(own, arms=own.arms[:6], contrasts=())),
        ran(store, replace(own, contrasts=own.contrasts[:1])),
        ran(store, replace(own.at("small"), scale="mini")),
        ran(store, replace(own, scale="large")),
    ]
    assert replicate_of(store).run_id == shipped[-1]
    assert [replicate_of(store, run).run_id for run in shipped] == shipped
    for run in others:
        with pytest.raises(XferError, match="is no run of the study replicate that comes with the package"):
            replicate_of(store, run)
    other = ran(store, replace(own, name="own"), "own")
    with pytest.raises(XferError, match="is no run of the study replicate[.]"):
        replicate_of(store, other)
