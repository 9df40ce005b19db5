"""The start of a command refuses what `tasks --check` refuses, before anything is trained."""

from __future__ import annotations

import json

import pytest

from mlflow_xfer import params
from mlflow_xfer.data.task_file_check import check_task_file
from mlflow_xfer.errors import XferError
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.phases.validation import validate
from mlflow_xfer.tasks.task_file import load_task_file

PAIR = {"text_a": "one", "label": "x"}
OTHER = {"text_a": "two", "label": "y"}
SPAN = {"context": "a ship", "question": "what?", "answers": {"text": ["ship"], "answer_start": [2]}}
CLASSES = "kind: classification, labels: [x, y]"
FAULTS = {
    "NaN": (CLASSES, {"train": [PAIR, OTHER | {"text_a": float("nan")}]}),
    "no label": (CLASSES, {"test": [PAIR, OTHER | {"label": None}]}),
    "another label": (CLASSES, {"validation": [PAIR, OTHER | {"label": "z"}]}),
    "no column": (CLASSES, {"train": [{"Text": "one", "label": "x"}]}),
    "a place in UTF-16": (
        "kind: span_qa",
        {"train": [SPAN | {"context": "🚢 ship", "answers": {"text": ["ship"], "answer_start": [3]}}]},
    ),
    "no answer": ("kind: span_qa", {"test": [SPAN, SPAN | {"answers": {"text": [], "answer_start": []}}]}),
    "a blank question": ("kind: span_qa", {"validation": [SPAN | {"question": " "}]}),
    "a right answer that is not there": (
        "kind: retrieval, columns: {source: q, target: a, gold: g}",
        {"test": [{"q": "one", "g": 2}], "pool": [{"id": 1, "a": "x"}]},
    ),
    "no right answer": (
        "kind: retrieval, columns: {source: q, target: a, gold: g}",
        {"test": [{"q": "one"}, {"id": 1, "a": "x"}]},
    ),
    "no pair": (
        "kind: retrieval, metric: retrieval_accuracy",
        {"test": [{"source": "one"}, {"source": "two", "target": "zwei"}]},
    ),
    "a choice too many": (
        "kind: multiple_choice",
        {"train": [{"question": "q", "choices": ["a", "b"], "label": 2}]},
    ),
    "choices from 1": (
        "kind: multiple_choice",
        {"train": [{"question": f"q{n}", "choices": ["a", "b", "c"], "label": 1 + n % 2} for n in range(40)]},
    ),
}
GOOD = {"classification": [PAIR, OTHER], "span_qa": [SPAN]}


@pytest.mark.parametrize("name", FAULTS)
def test_a_command_refuses_what_the_check_refuses(tmp_path, caches, name):
    entry, odd = FAULTS[name]
    good = next((rows for kind, rows in GOOD.items() if kind in entry), None)
    splits = dict.fromkeys(("train", "validation", "test"), good) if good else {}
    if "multiple_choice" in entry:
        splits = {"test": [{"question": "q", "choices": ["a", "b"], "label": 0}]}
    splits |= odd
    for split, rows in splits.items():
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "tasks.yaml"
    files = ", ".join(f"{split}: {split}.jsonl" for split in splits)
    path.write_text(f"tasks: {{t: {{{entry}, files: {{{files}}}}}}}")
    with pytest.raises(XferError) as said:
        check_task_file(path)
    tasks = {task.name: task for task in load_task_file(path)}
    typed = params.parse("transfer", {"target": "t", "intermediate": "none", "task_file": str(path)})
    plan = make_plan("transfer", typed, References(lambda: None), tasks)
    with pytest.raises(XferError) as refused:
        validate(phase for phase in plan.phases if phase.kind != "pretrain")
    assert str(refused.value) == str(said.value)


def test_more_shots_than_there_are_rows_are_refused(caches):
    """They would be shown as used."""

    def shots(number: int):
        typed = {"intermediate": "none", "target": "choice", "languages": "de", "target_shots": str(number)}
        return make_plan("transfer", params.parse("transfer", typed), References(lambda: None)).phases

    validate(plan := shots(2))
    with pytest.raises(XferError, match=r"target_shots=5000: 'choice' has [\d,]+ train rows in de"):
        validate(shots(5000))
    assert [rows.language for rows in plan[-2].shot_rows] == ["de"]
