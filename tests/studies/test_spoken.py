"""In which languages arms are scored, as their plans say it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.studies.run import plans_of
from mlflow_xfer.studies.spoken import spoken_by
from mlflow_xfer.studies.study import Arm, Contrast, Study

STUDY = Study(
    "two",
    "Does A help?",
    {"model": "scratch:xlm-roberta:tiny", "text": "mini", "target": "choice,pos", "languages": "en,de,sw"},
    (Arm("none", {"intermediate": "none"}), Arm("a", {"intermediate": "attribute"}, "none")),
    (Contrast("a helps", {"a": 1, "none": -1}, primary=True),),
)


def arms(**more: str) -> Study:
    return replace(STUDY, arms=(STUDY.arms[0], Arm("a", {"intermediate": "attribute", **more}, "none")))


def test_the_languages_of_all_targets(store):
    assert spoken_by(STUDY, plans_of(STUDY, {}, store)) == dict.fromkeys(
        ("choice", "pos"), ["de", "en", "sw"]
    )
    with_own = arms(target="choice,mood")
    assert [*spoken_by(with_own, plans_of(with_own, {}, store))] == ["choice", "pos", "mood"]


def test_arms_that_are_scored_in_other_languages_are_refused(store):
    fewer = arms(languages="en,de")
    with pytest.raises(XferError) as error:
        spoken_by(fewer, plans_of(fewer, {}, store))
    said = str(error.value)
    assert "on choice arm 'a' is scored in de, en, and 'none' in de, en, sw" in said and "on pos arm" in said
    assert "say `languages` in `shared`" in said
    spoken_by(fewer, plans_of(fewer, {"languages": "de"}, store))
