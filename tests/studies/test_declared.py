"""Studies as they are declared: found by name and by file, refused where they contradict themselves."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pytest

from mlflow_xfer import api
from mlflow_xfer.errors import XferError
from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.reading import read
from mlflow_xfer.stats.multiplicity import spending
from mlflow_xfer.studies.checking import check
from mlflow_xfer.studies.foresight import foresee
from mlflow_xfer.studies.found import studies, study
from mlflow_xfer.studies.study import Arm, Contrast, Curve, Scale, Study, seeds_of
from mlflow_xfer.tasks.mini import LANGUAGES

TWO = Study(
    "two",
    "Does A help?",
    {"target": "choice,pos", "seeds": "0,1"},
    (Arm("none", {"intermediate": "none"}), Arm("a", {"intermediate": "attribute"}, "none")),
    (Contrast("a helps", {"a": 1, "none": -1}, primary=True),),
)
WRITTEN = """
name: two
question: Does A help?
shared: {target: "choice,pos", seeds: "0,1"}
arms:
  - {name: none, params: {intermediate: none}}
  - {name: a, params: {intermediate: attribute}, against: none}
contrasts:
  - {name: a helps, weights: {a: 1, none: -1}, primary: true}
"""


@pytest.fixture
def written(tmp_path) -> Path:
    path = tmp_path / "two.yaml"
    path.write_text(WRITTEN, "utf-8")
    return path


def test_every_study_is_sound_at_every_scale_and_effort():
    assert set(studies()) == {
        "demo",
        "replicate",
        "nli-variance",
        "domain",
        "task-count",
        "few-shot",
        "model-scale",
        "low-resource-pretraining",
    }
    seen = 0
    for one in studies().values():
        for scale in ("mini", *one.scales):
            for effort in ("quick", "registered"):
                there = one.at(scale, effort)
                check(there)
                assert len(
                    {read(Transfer, typed).model_dump_json() for typed in there.typed().values()}
                ) == len(there.arms)
                assert there.contrasts or one.name == "demo"
                assert there.curves == one.curves or scale != "mini" or effort in one.efforts
                assert bool(there.primary) == bool(there.contrasts)
                seen += 1
        assert _replicates(one.at(effort="registered")) >= 10 > _replicates(one)
        assert one.minutes["quick"] <= 15
    assert seen >= 16


def _replicates(one: Study) -> int:
    """Seeds; of a study about orders the random ones."""
    return sum(curve.random for curve in one.curves) or len(seeds_of(one))


@pytest.mark.parametrize("effort", ["quick", "registered"])
@pytest.mark.parametrize("name", [name for name, one in studies().items() if one.contrasts])
def test_no_study_of_mini_foresees_that_it_finds_nothing(name, effort):
    one = study(name).at("mini", effort)
    typed = read(Transfer, next(iter(one.typed().values())))
    spoken = dict.fromkeys(one.targets(), LANGUAGES)
    level = 1 - float(spending(one.looks)[0])
    foresee(one, len(typed.seeds), spoken, level, len(typed.base_seeds))


def test_no_other_scale_says_what_mini_cannot_tell():
    for one in studies().values():
        assert not [
            limit for scale in one.scales for limit in one.at(scale).limits if "mini" in limit.lower()
        ]
    assert study("task-count").at("small").limits != study("task-count").limits
    assert study("few-shot").at("full").limits == study("few-shot").limits, "none of its own: the study's"


def test_a_file_declares_the_same_study(written):
    assert study(str(written)) == replace(TWO, source=str(written))


def test_what_there_is_is_listed(written):
    listed = api.FUNCTIONS["studies"]()
    assert all(name in listed for name in studies()) and "14.7 min" in listed
    said = api.FUNCTIONS["studies"](str(written))
    assert "contrast a helps (effect, registered): +1·a -1·none" in said
    assert "scale full: needs one GPU of 80 GiB" in api.FUNCTIONS["studies"]("replicate")


def placed(*places: tuple[str, float], axis: str = "tasks", **more) -> dict:
    """Arms that lie at these places of an axis, on one curve in this order."""
    arms = tuple(Arm(name, {"intermediate": name}, facts={axis: at}) for name, at in places)
    curve = Curve("up", tuple(name for name, _ in places), axis)
    return {"arms": arms, "curves": (curve,), "contrasts": (), **more}


SIZED = (("a", 1e6), ("b", 1e6), ("c", 1e7), ("d", 1e7))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (placed(("none", 4), ("a", 0)), "tasks does not rise from arm to arm: none 4, a 0"),
        (placed(("none", 1), ("a", 1)), "tasks does not rise from arm to arm: none 1, a 1"),
        (placed(("none", 0)) | {"arms": TWO.arms, "curves": (Curve("up", ()),)}, "does not rise"),
        ({"sections": ("curve",)}, "the sections curve are about curves, and none is declared"),
        (placed(("none", 0), ("a", 1), sections=("contributions",)), "contributions: some with random: true"),
        (
            {
                "arms": (
                    Arm("none", {}, facts={"rows": 0, "tasks": 0}),
                    Arm("a", {}, facts={"rows": 4, "tasks": 1}),
                ),
                "curves": (Curve("one", ("none", "a"), "rows"), Curve("two", ("none", "a"))),
                "sections": ("curve",),
                "contrasts": (),
            },
            "its curves lie along rows, tasks",
        ),
        (
            placed(("a", 0), ("b", 4), ("c", 16), axis="rows", sections=("shots",))
            | {"curves": (Curve("one", ("a", "b"), "rows"), Curve("two", ("a", "c"), "rows"))},
            "arms at different rows",
        ),
        (
            placed(*SIZED, axis="parameters", curves=())
            | {"contrasts": (Contrast("c", {"a": 1, "b": -1, "c": 0.5, "d": -0.5}, "sizes"),)},
            "weights are not the same at every 'parameters'",
        ),
        (
            placed(*SIZED, axis="parameters", curves=())
            | {"contrasts": (Contrast("c", {"a": 1, "b": 1, "c": -1, "d": -1}, "sizes"),)},
            "weights are not the same at every 'parameters'",
        ),
        ({"arms": (*TWO.arms, TWO.arms[1])}, "2 arms are named 'a'"),
        ({"arms": TWO.arms[:1], "contrasts": ()}, "A study compares at least two"),
        ({"arms": (TWO.arms[0], Arm("a", {}, "nine"))}, "Unknown arm .*'nine'"),
        ({"margin": 0.0}, "margin=0.0 is not positive"),
        ({"population": "all"}, "unknown population 'all'"),
        ({"looks": 0}, "0 looks"),
        ({"contrasts": TWO.contrasts * 2}, "2 contrasts are named 'a helps'"),
        ({"contrasts": (Contrast("c", {"b": 1, "none": -1}),)}, "Unknown arm .*'b'"),
        ({"contrasts": (Contrast("c", {"a": 1, "none": -2}),)}, "do not add up to 0"),
        ({"contrasts": (Contrast("c", {"a": 1}),)}, "do not add up to 0"),
        ({"contrasts": (Contrast("c", {"a": 1, "none": -1}, targets=("qa",)),)}, "Unknown target .*'qa'"),
        (
            {"contrasts": (Contrast("c", {"a": 1, "none": -1}, targets=("pos",), less=("pos", "choice")),)},
            "1 targets less 2",
        ),
        ({"contrasts": (Contrast("c", {"a": 1, "none": -1}, "order", measure="up"),)}, "Unknown curve"),
        (
            {
                "curves": (Curve("up", ("none", "a")),),
                "contrasts": (Contrast("c", {"a": 1, "none": -1}, "order", measure="up"),),
            },
            "(?s)none, a have no 'tasks'.*no curve is random",
        ),
        ({"sections": ("spred",)}, "(?s)Unknown section .*Did you mean 'spread'"),
        ({"contrasts": (Contrast("c", {"a": 1, "none": -1}, "spread", margin=1.5),)}, "margin=1.5"),
        ({"contrasts": (Contrast("c", {"a": -1, "none": -1}, "best"),)}, "2 arms have a negative weight"),
        ({"contrasts": (Contrast("c", {"a": 1, "none": -1}, "sprad"),)}, "Did you mean 'spread'"),
        ({"contrasts": (Contrast("c", {"a": 1, "none": -1}, "sets"),)}, "at least 3 a side"),
        ({"arms": (TWO.arms[0], Arm("", {}))}, "arm '' has no name"),
        ({"arms": (TWO.arms[0], replace(TWO.arms[1], against="a"))}, "arm 'a' is compared with itself"),
        ({"arms": (TWO.arms[0], replace(TWO.arms[1], facts={"tasks": nan}))}, "arm 'a': tasks is nan"),
        ({"contrasts": (Contrast("c", {"a": nan, "none": -1}),)}, "the weight of a is nan"),
        ({"contrasts": (Contrast("c", {"a": inf, "none": -inf}),)}, "the weight of a is inf"),
        ({"contrasts": (Contrast("c", {"a": 0, "none": -1}, "best"),)}, "the weight of a is 0"),
        ({"contrasts": (Contrast("c", {"a": 1, "none": -1}, margin=inf),)}, "margin=inf"),
        ({"margin": inf}, "margin=inf is not positive and finite"),
        ({"margin": nan}, "margin=nan is not positive"),
        ({"sd": -4.0}, "sd=-4 is not positive"),
        ({"sd": nan}, "sd=nan is not positive"),
        ({"sd": 0.0}, "sd=0 is not positive"),
        ({"looks": 1_000_000}, "1000000 looks cannot be planned"),
        ({"minutes": {"quick": -5}}, "minutes of quick are -5"),
        ({"minutes": {"quik": 5}}, "Did you mean 'quick'"),
        ({"seeds": {"regsitered": "0,1"}}, "Did you mean 'registered'"),
        ({"scales": {"smal": Scale({})}}, "Did you mean 'small'"),
        ({"scales": {"mini": Scale({})}}, "Unknown scale"),
        ({"scales": {"small": Scale({}, seeds={"regsitered": "0"})}}, "Did you mean 'registered'"),
        ({"efforts": {"large": Scale({})}}, "Unknown effort"),
        (placed(("a", 0), ("b", 1), curves=(Curve("up", ("a", "b")),) * 2), "2 curves are named 'up'"),
        (
            {"contrasts": (Contrast("c", {"a": 1, "none": -1}, targets=("pos", "pos")),)},
            "its targets name pos twice",
        ),
        (
            {"contrasts": (Contrast("c", {"a": 1, "none": -1}, targets=("pos",), less=("pos",)),)},
            "pos less pos is 0 whatever comes out",
        ),
        (
            {"contrasts": (Contrast("c", {"a": 1, "none": -1}, "slope", ("pos",), ("choice",)),)},
            "(?s)kind=slope takes no `less`.*effect, equivalence, sets",
        ),
        ({"shared": {**TWO.shared, "max_stps": 3}}, "shared: .*'max_stps'.\n.*'max_steps'"),
        ({"shared": {**TWO.shared, "workers": 3}}, "(?s)workers is no part of a study.*--workers"),
        ({"shared": {**TWO.shared, "seeds": "0,0"}}, "shared: Parameter seeds=0,0 names a seed twice"),
        ({"arms": (TWO.arms[0], Arm("a", {"max_steps": "many"}))}, "arm 'a': Parameter max_steps=many"),
        *(
            (
                {"arms": (TWO.arms[0], Arm("a", {name: value}))},
                f"arm 'a': {name}={value} is not what the other",
            )
            for name, value in {
                "device": "cuda",
                "reuse": "never",
                "keep": "none",
                "workers": "3",
                "seeds": "5,6,7",
                "base_seeds": "1",
            }.items()
        ),
        (
            {"arms": (TWO.arms[0], Arm("a", {"micro-batch": 3}))},
            "arm 'a': micro_batch=3 is not what the other",
        ),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(change, says):
    with pytest.raises(XferError, match=says):
        check(replace(TWO, **change))


def test_all_faults_of_a_file_are_said_with_their_lines(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(WRITTEN.replace("against:", "agianst:").replace("question: Does A help?\n", ""), "utf-8")
    with pytest.raises(XferError, match=r"(?s)question: Field required.*wrong.yaml:6: arms.1.agianst"):
        study(str(path))
    with pytest.raises(XferError, match="Did you mean 'replicate'"):
        study("replicat")
    with pytest.raises(XferError, match=r"(?s)Unknown target .*'pos'"):
        on_pos = replace(TWO, contrasts=(replace(TWO.contrasts[0], targets=("pos",)),))
        check(on_pos, on_pos.targets({"target": "choice"}))
    with pytest.raises(XferError, match="Unknown scale of the study demo 'small'"):
        study("demo").at("small")


def test_what_no_design_of_a_file_can_run_with_is_refused_when_it_is_read(tmp_path):
    path = tmp_path / "wrong.yaml"
    small = 'scales: {small: {shared: {target: "panx", laguages: de}}}'
    for more, says in (
        (small, r"(?s)shared: Unknown parameter 'laguages'.*'languages'"),
        ("seeds: {registered: '0,0'}", "seeds=0,0 names a seed twice"),
        ("source: here.yaml", r"(?s)wrong.yaml:10: source is not said by a study.\n.*leave it out"),
        ("scale: small", "--scale"),
        ("effort: registered", "--effort"),
        ("sd: true", "sd: is true or false, not a number"),
    ):
        path.write_text(f"{WRITTEN}{more}\n", "utf-8")
        with pytest.raises(XferError, match=says):
            api.FUNCTIONS["studies"](str(path))
    path.write_text(WRITTEN.replace("a: 1,", "a: true,"), "utf-8")
    with pytest.raises(
        XferError, match="wrong.yaml:9: contrasts.0.weights.a: is true or false, not a number"
    ):
        study(str(path))


@pytest.mark.parametrize("content", ["", "# nothing\n", "- name: two\n", "two\n"])
def test_a_file_that_is_no_study_says_what_one_has(tmp_path, content):
    path = tmp_path / "empty.yaml"
    path.write_text(content, "utf-8")
    with pytest.raises(
        XferError, match=r"empty.yaml: (is empty|declares no study).\n  A study has name, question"
    ):
        study(str(path))


def test_what_all_arms_have_may_be_said_of_one_too():
    arms = (TWO.arms[0], Arm("a", {"intermediate": "attribute", "device": "cpu", "seeds": "0,1"}))
    check(replace(TWO, arms=arms, shared={**TWO.shared, "device": "cpu"}))


def test_only_what_decides_the_answer_is_frozen():
    assert TWO.spec() == replace(TWO, shared={**TWO.shared, "seeds": "0,1,2"}, minutes={"quick": 1}).spec()
    assert TWO.spec() != replace(TWO, margin=2.0).spec()
    assert TWO.spec() != replace(TWO, contrasts=(replace(TWO.contrasts[0], targets=("pos",)),)).spec()
