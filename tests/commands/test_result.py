"""What the verbs return says itself in one short line."""

from __future__ import annotations

import mlflow_xfer
from mlflow_xfer.commands.result import Reported, Result
from mlflow_xfer.ranking.order import Ranking
from mlflow_xfer.tasks.catalogue import TASKS


def test_everything_says_itself_shortly(own_store):
    plan = mlflow_xfer.plan(intermediate="nli,attribute", target="pos,choice", seeds="1,2,3")
    search = mlflow_xfer.plan("search", pool="attribute,position", target="choice")
    scores = {"size": {"pos": {"nli": 3.0, "attribute": 2.0}}}
    said = [
        (plan, "<Preview of transfer: 16 phases, 0 exist>"),
        (search, f"<SearchPreview of {search.command.study_name}: 4 candidates, 8 phases, 0 exist>"),
        (Ranking(scores), "<Ranking by size for pos: nli, attribute>"),
        (Ranking({}), "<Ranking without scores>"),
        (Result("r1", {"a": 1.0}, ("r2",)), "<Result run r1: 1 metrics, 1 runs made, 0 reused>"),
        (Result("", {}), "<Result run none: 0 metrics, 0 runs made, 0 reused>"),
        (Reported("r1", None, "http://here"), "<Reported run r1: http://here>"),
        (TASKS.get("nli"), "<Task nli: classification, 10 languages>"),
    ]
    for thing, text in said:
        assert repr(thing) == text
    parts = [plan.plan, *plan.plan.phases, *plan.plan.transfers, *TASKS]
    assert len(parts) > 100 and max(len(repr(part)) for part in parts) < 120
