"""Proxies on tiny models of both families:
every method, every kind, a planted order, and what is refused.
"""

from __future__ import annotations

import json
import math
import random

import pytest

import mlflow_xfer
from mlflow_xfer.cli import main
from mlflow_xfer.data.mini import rows, text
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.load import save
from mlflow_xfer.models.scratch import build_scratch
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.params import parse
from mlflow_xfer.params.questions import RANK_METHODS
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.references import References, task_file_tasks
from mlflow_xfer.ranking.order import ALL, Ranking
from mlflow_xfer.ranking.proxies import AUTO, PROXIES
from mlflow_xfer.ranking.quality import by_english_accuracy, quality
from mlflow_xfer.ranking.rank import order, transfer_of
from mlflow_xfer.searching.command import read
from mlflow_xfer.searching.proposing import single_tasks
from mlflow_xfer.stats.ranking import MEASURES
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tracking.store import Store

LABELLED = {"classification", "tagging", "multiple_choice", "span_qa"}
POOL, TARGETS = ("attribute", "roles", "same_kind", "questions"), ("mood", "pos", "choice", "qa")
QUICK = {"max_steps": "60", "learning_rate": "3e-3", "train_batch_size": "16"}


@pytest.fixture(autouse=True)
def quick(own_store, caches):
    """A store with its tables, and caches that the session shares."""


@pytest.fixture
def client():
    from mlflow import MlflowClient

    return MlflowClient()


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Folders of a tiny encoder and a tiny decoder with random weights."""
    texts = [row["text"] for row in text("en")[:300]] + [row["text_a"] for row in rows("mood", "train", "en")]
    found = {}
    for family in ("xlm-roberta", "llama"):
        tokenizer = train_tokenizer(texts, 500, family)
        found[family] = str(
            save(build_scratch(family, "tiny", tokenizer, 0), tokenizer, tmp_path_factory.mktemp(family))
        )
    return found


@pytest.fixture
def planted(tmp_path):
    """A task file: the target's label shows in its words;
    one candidate has the same labels, one permuted ones, one others.
    """
    draw = random.Random(0)
    words = {"good": ["happy", "nice", "lovely", "fine"], "bad": ["awful", "sad", "nasty", "poor"]}
    things, deeds = ["dog", "cat", "house", "tree", "river", "stone"], ["runs", "sees", "eats", "finds"]

    def lines(n: int, how: str) -> str:
        made = []
        for _ in range(n):
            mood, deed = draw.choice(["good", "bad"]), draw.choice(deeds)
            label = {
                "same": mood,
                "noise": draw.choice(["good", "bad"]),
                "deed": "good" if deed in deeds[:2] else "bad",
            }[how]
            made.append(
                f"{draw.choice(words[mood])} {draw.choice(things)} {deed} {draw.choice(things)}\t{label}\n"
            )
        return "".join(made)

    entries = []
    for name, how, n in (
        ("wanted", "same", 60),
        ("same", "same", 200),
        ("noise", "noise", 200),
        ("deed", "deed", 200),
    ):
        for split, size in (("train", n), ("dev", 60), ("test", 20)):
            (tmp_path / f"{name}-{split}.tsv").write_text(lines(size, how))
        entries.append(
            f"  {name}:\n    kind: classification\n    labels: [good, bad]\n    format: tsv\n    columns: "
            f"{{text_a: 0, label: 1}}\n    files: {{train: {name}-train.tsv, validation: {name}-dev.tsv, "
            f"test: {{en: {name}-test.tsv}}}}\n"
        )
    (tmp_path / "tasks.yaml").write_text("tasks:\n" + "".join(entries))
    return {"task_file": str(tmp_path / "tasks.yaml"), "pool": "deed,noise,same", "target": "wanted"}


@pytest.mark.parametrize("family", ["xlm-roberta", "llama"])
def test_every_kind_by_every_method_that_trains_nothing(models, family):
    untrained = [name for name, method in PROXIES.items() if not method.checkpoints and name != "task_emb"]
    found = mlflow_xfer.rank(
        model=models[family], pool=POOL, target=TARGETS, method=untrained, max_examples=24
    )
    assert {TASKS.get(name).kind for name in POOL} == {
        TASKS.get(name).kind for name in TARGETS
    } == LABELLED and len(LABELLED) == 4
    values = [
        found.scores[method][target][name] for method in untrained for target in TARGETS for name in POOL
    ]
    assert len(values) == 5 * 4 * 4 and all(map(math.isfinite, values))
    assert sorted(found.order()) == sorted(POOL) == sorted(found.order("pos"))
    assert (
        found.scores["kind"]["qa"] == {"attribute": 0, "roles": 0, "same_kind": 0, "questions": 1}
        and found.scores["size"]["qa"]["roles"] == 1200
    )
    assert not found.checkpoints and "through a linear probe" in found.notes[0]


@pytest.mark.parametrize("family", ["xlm-roberta", "llama"])
def test_the_planted_order_is_found(models, family, planted):
    found = mlflow_xfer.rank(model=models[family], method="logme,h_score", **planted)
    for method in ("logme", "h_score"):
        assert max(found.scores[method]["wanted"], key=found.scores[method]["wanted"].get) == "same"
    assert found.order()[0] == "same" and found.ranks()["same"] == 1


@pytest.mark.slow
def test_every_method_from_checkpoints(models, planted, client, capsys):
    asked = {"model": models["xlm-roberta"], **planted, **QUICK}
    found = mlflow_xfer.rank(method=list(PROXIES), checkpoints="train", steps=30, **asked)
    assert set(found.scores) == set(PROXIES) == set(RANK_METHODS) and len(PROXIES) == 8 and found.checkpoints
    for method in ("logme", "h_score", "few_shot", "english"):
        scores = found.scores[method]["wanted"]
        assert scores["same"] > scores["noise"], method
    assert found.scores["english"]["wanted"]["same"] > 80 > found.scores["english"]["wanted"]["noise"]
    assert found.order()[0] == "same"
    trained = client.search_runs(["1"])
    assert len(trained) == 3 and all(
        run.data.tags["xfer.phase"] == "intermediate" for run in trained
    )  # nothing else leaves a run
    # A transfer with the same parameters takes what was trained here.
    preview = mlflow_xfer.plan(
        **{name: value for name, value in asked.items() if name != "pool"}, intermediate="same"
    )
    assert [phase.kind for phase in preview.plan.phases if phase.spec_hash in preview.existing] == [
        "intermediate"
    ]
    # A search asks for the order of its queue, and afterwards for the rule to compare with.
    params = transfer_of(parse("rank", asked))
    with Store.open() as store:
        given = (params, Executor(store), References(lambda: store), task_file_tasks(params))
        assert order(*given, pool=("deed", "noise", "same"), methods=("logme", "few_shot"))[0] == "same"
        assert (
            by_english_accuracy(*given, pool=("deed", "noise", "same"))["english"]["wanted"]
            == found.scores["english"]["wanted"]
        )
        assert by_english_accuracy(*given, pool=("deed", "noise", "same"), seed=1) == {}
    # What was trained is read from now on, and the ranking is what it was.
    typed = [
        part
        for name, value in (asked | {"method": "logme", "output": "json", "track": "true"}).items()
        for part in (f"--{name}", value)
    ]
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["rank", *typed])
    again = json.loads(capsys.readouterr().out)
    assert (
        ended.value.code == 0
        and again["checkpoints"]
        and again["scores"]["logme"]["wanted"] == pytest.approx(found.scores["logme"]["wanted"], abs=1e-6)
    )
    (logged,) = client.search_runs(["1"], "tags.xfer.study = 'rank'")
    assert (
        logged.info.status == "FINISHED"
        and logged.data.metrics["rank/same"] == 1
        and len(client.search_runs(["1"])) == 4
    )


def test_targets_without_labels_are_ranked_by_what_needs_none(models):
    found = mlflow_xfer.rank(
        model=models["xlm-roberta"], pool=POOL[:2], target="retrieval,mood", max_examples=24
    )
    assert {method: set(of) for method, of in found.scores.items()} == {
        "logme": {"mood"},
        "h_score": {"mood"},
        "size": {"retrieval"},
    }
    assert "retrieval: no labelled training rows" in found.notes[1] and set(found.targets) == {
        "retrieval",
        "mood",
    }
    assert "mean rank" in found.text() and "all targets" in found.text()
    alone = mlflow_xfer.rank(
        model=models["xlm-roberta"], pool=POOL[:2], target="retrieval", method="size,kind"
    )
    assert set(alone.scores) == {"size", "kind"} and alone.targets == ("retrieval",)


def test_a_search_tries_the_most_promising_first(models, planted):
    import optuna

    typed = {"model": models["xlm-roberta"], **planted, "n_trials": "4"}
    study = optuna.create_study()
    with Store.open() as store:
        command = read(
            parse("search", typed), References(lambda: store), task_file_tasks(parse("search", typed))
        )
        single_tasks.arrange(command, Executor(store), study)
        assert single_tasks.order_of(study)[0] == "same"
        assert set(study.user_attrs[single_tasks.RANKING]["scores"]) == set(AUTO)
        before = dict(study.user_attrs)
        single_tasks.arrange(command, Executor(store), study)
        assert study.user_attrs == before  # a search that goes on keeps its order
        assert (
            single_tasks.judge(command, Executor(store), study) is None and single_tasks.described(None) == ""
        )  # nothing was run
    with pytest.raises(XferError, match="2 problems") as caught:
        mlflow_xfer.search(**typed, rank_by="few_shot,logmee")
    assert "rank_by=few_shot needs a checkpoint of every task" in str(
        caught.value
    ) and "Did you mean 'logme'" in str(caught.value)


def refused(models, **typed) -> str:
    with pytest.raises(XferError) as caught:
        mlflow_xfer.rank(**{"model": models["xlm-roberta"], "pool": POOL, "target": "mood"} | typed)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_what_is_wrong_is_said_at_once(models, planted, tmp_path):
    text = refused(models, pool="atribute,roles,mood,roles", target="mood,chioce", method="logmee,size")
    assert text.startswith("6 problems")
    assert (
        "Did you mean 'logme'" in text
        and "Did you mean 'attribute'" in text
        and "Did you mean 'choice'" in text
    )
    assert (
        "'mood' is in the pool and a target" in text
        and "names 'roles' more than once" in text
        and "'mood' cannot be used as intermediate" in text
    )
    assert "leaves nothing to rank by" in refused(models, method="none") and "The pool is empty" in refused(
        models, pool="none"
    )
    assert "one candidate (roles)" in refused(models, pool="roles")
    assert "no finished checkpoint of attribute, roles, same_kind, questions" in refused(
        models, method="few_shot,size"
    )
    text = refused(models, target="retrieval", method="logme")
    assert "retrieval has no labelled training rows" in text and "size, kind" in text
    assert "random weights" in refused(models, model="scratch:xlm-roberta:tiny")
    with pytest.raises(XferError, match="Unknown command to plan 'rank'"):
        mlflow_xfer.plan("rank")
    (tmp_path / "same-train.tsv").write_text("happy dog\tgood\n" * 8)
    assert "Task 'same': all 8 labels that were read are the same" in refused(models, **planted)


def test_candidates_of_equal_mean_rank_are_equals():
    by_method = {
        "x": {"t": (1, 0, 2, 3), "u": (3, 1, 0, 2), "v": (3, 0, 1, 2)},
        "y": {"t": (3, 2, 1, 0), "u": (3, 2, 0, 1), "v": (0, 1, 2, 3)},
        "z": {"t": (0, 2, 3, 1), "u": (1, 3, 2, 0), "v": (0, 3, 2, 1)},
    }
    found = Ranking(
        {
            method: {target: dict(zip("abcd", scores, strict=True)) for target, scores in of.items()}
            for method, of in by_method.items()
        }
    )
    assert found.order() == ("a", "b", "c", "d") and found.ranks()["a"] == found.ranks()["b"]


def test_quality_of_a_ranking_against_full_runs():
    good = {"a": 3.0, "b": 2.0, "c": 1.0, "d": 0.0}
    bad = {name: -score for name, score in good.items()}
    ranking = Ranking({"good": {"t": good, "u": good}, "bad": {"t": bad}})
    observed = {
        "t": {"a": 70.0, "b": 60.0, "c": 50.0},
        "u": {"a": 40.0, "d": 30.0, "outside": 99.0},
        "v": {"a": 1.0},
    }  # d was never run for t
    found = {
        (one.method, one.measure): one
        for one in quality(ranking, observed, {"english": {"t": bad, "u": bad}})
    }
    assert len(found) == 5 * len(MEASURES) and {method for method, _ in found} == {
        "good",
        "bad",
        "fused",
        "english",
        "random",
    }
    assert (
        found["good", "regret@1 points"].estimate.estimate == 0
        and found["good", "Kendall"].estimate.estimate == 1
    )
    assert (
        found["bad", "regret@1 points"].by_target == {"t": 20.0}
        and found["fused", "regret@1 points"].by_target["u"] == 0
    )
    assert found["random", "regret@1 points"].estimate.estimate == pytest.approx((10 + 5) / 2)
    over_all = {
        one.method: one
        for one in quality(ranking, {ALL: {"a": 60.0, "b": 50.0, "c": 40.0}})
        if one.measure == "regret@1 points"
    }
    assert {method: one.estimate.estimate for method, one in over_all.items()} == {
        "good": 0,
        "bad": 20,
        "fused": 0,
        "random": 10,
    }
    with pytest.raises(XferError, match="no order to judge"):
        quality(ranking, {"t": {"a": 1.0}})
