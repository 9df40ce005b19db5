"""The studies of model sizes and of low-resource pre-training: their contrasts on planted scores, and the
data that their arms read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset

from mlflow_xfer.data import sources
from mlflow_xfer.data.texts import few_words
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.settings import TextSampling
from mlflow_xfer.phases.train import dealt
from mlflow_xfer.reporting.verdict import BETTER, WORSE
from mlflow_xfer.stats.typology import diversity
from mlflow_xfer.studies import far
from mlflow_xfer.studies.checking import check
from mlflow_xfer.studies.contrasts import compute
from mlflow_xfer.studies.foresight import foresee
from mlflow_xfer.studies.found import study
from mlflow_xfer.studies.questions.model_scale import COUNTS, EQUAL, EVERY, REFERENCE
from mlflow_xfer.studies.study import Contrast, Study

CODES = ("en", "de", "tr", "sw", "id", "vi", "af", "ht", "eu")


def scores(asked: Study, gain, seeds: int = 4) -> pd.DataFrame:
    """50 points and ``gain(arm, language)``; seeds that all arms share, and noise of each cell."""
    rng = np.random.default_rng(0)
    shared = rng.standard_t(4, seeds)
    rows = [
        (arm.name, task, code, 0, seed, 50 + gain(arm.name, code) + shared[seed] + rng.normal(0, 0.5), 300)
        for arm in asked.arms
        for task in asked.targets()
        for code in CODES
        for seed in range(seeds)
    ]
    columns = ["condition", "task", "language", "base_seed", "seed", "score", "n"]
    return pd.DataFrame(rows, columns=columns)


def test_pretraining_and_task_are_told_from_their_interaction():
    asked = study("low-resource-pretraining")

    def gain(arm: str, code: str) -> float:
        together = 4.0 * (arm == "diverse, continued + task") * (1 + (code in ("af", "ht", "eu")))
        forgotten = -3.0 * (code == "en") * arm.startswith("diverse, continued")
        return 2.0 * arm.endswith("+ task") + 1.0 * ("diverse" in arm) + together + forgotten

    found = {one.contrast.name: one for one in compute(asked, scores(asked, gain), registered=True)}
    assert found["diverse text × task"].verdict == BETTER
    assert found["diverse text × task"].estimate.estimate == pytest.approx(4 * (1 + 3 / 9), abs=0.5)
    assert abs(found["control text × task"].estimate.estimate) < 0.6
    seen = found["the same in languages of the diverse text"].estimate
    unseen = found["the same in languages of no text"].estimate
    assert seen.estimate == pytest.approx(9, abs=0.7) and unseen.estimate == pytest.approx(5, abs=0.7)
    assert (seen.n["languages"], unseen.n["languages"]) == (3, 3)
    assert found["English after diverse text"].verdict == WORSE


def test_texts_are_alike_but_for_their_languages():
    asked = study("low-resource-pretraining")
    texts = [arm.params for arm in asked.arms if "text_languages" in arm.params]
    same = ("text", "text_words", "alpha", "pretrain.max_steps", "pretrain.train_batch_size")
    assert len({tuple(one[name] for name in same) for one in texts}) == 1
    assert {len(one["text_languages"].split(",")) for one in texts} == {1, 4}, "a quarter of English"
    _, shown = far.diversity(asked, pd.DataFrame(), [])
    assert "en,af,ht,eu" in shown and "families" in shown
    assert diversity(("af", "ht", "eu"))["families"] == 2 > diversity(("de", "nl"))["families"] == 1
    assert diversity(("de", "eu"))["entropy of families"] == pytest.approx(1)


def test_a_slope_over_sizes_takes_five_models():
    asked = study("model-scale").at(effort="registered")

    def gain(arm: str, code: str) -> float:
        size, _, name = arm.partition(": ")
        grown = 5 * np.log10(COUNTS[size.partition(" ")[0]] / COUNTS["mini-32"])
        return grown * (1 + (name == "English"))

    some = tuple(one for one in asked.contrasts if "FLOPs" not in one.name)
    found = {one.contrast.name: one for one in compute(replace(asked, contrasts=some), scores(asked, gain))}
    slope = found["gain of English over sizes"]
    assert slope.estimate.estimate == pytest.approx(5, abs=0.7) and slope.verdict == BETTER
    assert slope.estimate.n == {"models": 5} and slope.table is not None and len(slope.table) == 5
    assert found["gain of English, mini-256 against mini-32"].verdict == BETTER
    assert found["gain of many languages over sizes"].verdict != BETTER
    quick = study("model-scale")
    three = {
        name: weight
        for name, weight in slope.contrast.weights.items()
        if name.split(":")[0] in ("mini-32", "mini-64", "mini")
    }
    few = replace(quick, contrasts=(Contrast("few", three, "sizes"),))
    with pytest.raises(XferError, match="slope over 3 model sizes cannot be tested"):
        foresee(few, 3, {"choice": CODES})
    with pytest.raises(XferError, match="none, attribute have no 'parameters'"):
        named = study("task-count")
        check(replace(named, contrasts=(Contrast("c", {"none": -1, "attribute": 1}, "sizes"),)))


def test_equal_flops_are_equal():
    passes = {size: float(EQUAL[size]["pretrain.num_train_epochs"]) for size in EVERY if size != REFERENCE}
    assert all(passes[size] * COUNTS[size] == pytest.approx(COUNTS[REFERENCE], rel=0.01) for size in passes)


def test_rows_in_several_languages_are_as_many_and_each_meaning_once():
    tables = [Dataset.from_dict({"id": list("abcdef"), "in": [code] * 6}) for code in ("en", "de", "tr")]
    mixed = dealt(tables)
    assert sorted(mixed["id"]) == list("abcdef") and set(mixed["in"]) == {"en", "de", "tr"}
    assert dealt(tables[:1]) is tables[0]


def test_words_are_counted_over_all_languages_alike():
    texts = {code: Dataset.from_dict({"text": ["a b c", "d e", "f g h i"]}) for code in ("en", "af")}
    assert [len(rows) for rows in few_words(texts, 8).values()] == [2, 2]
    assert few_words(texts, None) is texts
    again = {"en": Dataset.from_dict({"text": ["the the the the"] * 3})}
    assert len(few_words(again, 8)["en"]) == 2, "running words"
    assert "running words" in parameters(TextSampling)["text_words"].description
    with pytest.raises(XferError, match=r"10 words of each language.*\(en: 9, af: 9\)"):
        few_words(texts, 20)


def test_further_text_of_mini_is_as_much_in_every_language_and_new():
    old, new = (sources.load_texts(name, ["eu", "en"]) for name in ("mini", "mini-more"))
    assert old["eu"].identity != new["eu"].identity
    rows = {code: sources.read_text(new[code]) for code in new}
    assert len(rows["eu"]) == len(rows["en"]) == 6000 and len(sources.read_text(old["eu"])) < 200
    assert sum(len(text.split()) for text in rows["en"]["text"][:]) > 36_000
