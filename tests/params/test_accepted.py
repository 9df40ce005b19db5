"""What is said to be accepted is accepted: by errors, help and tables alike."""

from __future__ import annotations

import re

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.lookups import PLANNED, SUITES
from mlflow_xfer.params.questions import RANK_METHODS
from mlflow_xfer.params.verbs import VERBS

NUMBER = re.compile(r"(whole )?number((?: [≥>≤<] [\d.]+)*)$")
CASES = [
    pytest.param(verb, one, id=f"{verb.name}-{one.name}")
    for verb in VERBS.values()
    for one in parameters(verb.shape).values()
]


def examples(accepted: str) -> tuple[list[str], list[str]]:
    """Of a text that says what is accepted: values that it names, and values that it leaves out."""
    named, refused = [], []
    for kind in accepted.split(" or "):
        if kind.startswith("comma list"):
            of = kind.removeprefix("comma list").removeprefix(" of ")
            inside, outside = examples(of) if of else (["one", "other"], [])
            named += [*inside, ",".join(inside)]
            refused += [f"{inside[0]},{value}" for value in outside]
        elif kind == "text":
            named += ["words"]
        elif found := NUMBER.match(kind):
            inside, outside = numbers(bool(found[1]), found[2])
            named, refused = named + inside, [*refused, *outside, "many"]
        else:
            named += kind.split("|")
    return named, refused


def numbers(whole: bool, bounds: str) -> tuple[list[str], list[str]]:
    """Numbers at the bounds: inside, outside."""
    inside, outside = ([], ["0.5"]) if whole else (["0.999"], [])
    for sign, text in re.findall(r"([≥>≤<]) ([\d.]+)", bounds):
        bound, step = float(text), {"≥": -1.0, ">": 1.0, "≤": 1.0, "<": -1.0}[sign]
        beyond = bound + (step if sign in "≥≤" else 0)
        near = bound if sign in "≥≤" else bound + (step if whole else step / 1000)
        inside, outside = [*inside, f"{near:g}"], [*outside, f"{beyond:g}"]
    low = [float(text) for sign, text in re.findall(r"([≥>]) ([\d.]+)", bounds)]
    return [value for value in inside if not low or float(value) >= low[0]], outside


@pytest.mark.parametrize(("verb", "one"), CASES)
def test_what_is_said_to_be_accepted_is(verb, one):
    rest = {other.name: "x" for other in parameters(verb.shape).values() if other.required}
    named, refused = examples(one.accepted)
    assert named
    for value in named:
        verb.read(rest | {one.name: value})
    for value in refused:
        with pytest.raises(XferError, match=re.escape(f"Parameter {one.name}={value} is not accepted")):
            verb.read(rest | {one.name: value})
    if verb.trains and one.group == "training":
        for value in named:
            verb.read({f"target.{one.name}": value})


def test_examples_are_found():
    assert len(CASES) > 300 and {case.values[0].name for case in CASES} >= set(VERBS) - {"sync", "doctor"}
    assert examples("auto or number > 0 ≤ 1") == (["auto", "0.999", "0.001", "1"], ["0", "2", "many"])
    assert examples("comma list of a|b or none") == (["a", "b", "a,b", "none"], [])
    assert examples("comma list of whole number ≥ 2")[0] == ["2", "2"]


def test_none_is_refused_where_it_is_not_named():
    for verb, one in (case.values for case in CASES):
        if one.accepted.startswith(("whole number", "number")) and "none" not in one.accepted:
            with pytest.raises(XferError, match="Accepted: "):
                verb.read({one.name: "none"})


def test_the_names_are_those_that_are_known():
    from mlflow_xfer.phases import plan
    from mlflow_xfer.ranking import proxies
    from mlflow_xfer.tasks.catalogue import SUITES as DECLARED

    assert set(RANK_METHODS) == set(proxies.PROXIES)
    assert set(PLANNED) == {*plan._PLANS, "search", "study"}
    assert (
        set(SUITES) == set(DECLARED.names()) == set(parameters(VERBS["transfer"].shape)["suite"].choices[1:])
    )
