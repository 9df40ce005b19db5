"""Multiple choice and span questions: offsets in every script, windows, choices of different number."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset

from mlflow_xfer.data.encode import encode
from mlflow_xfer.data.encoded import IGNORED
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.tasks.task import Task

QA = Task(name="qa", kind="span_qa", metric="squad", languages=("en",), sources={})
MC = Task(name="mc", kind="multiple_choice", metric="accuracy", languages=("en",), sources={})
CONTEXTS = {
    "en": ("The River Tay is in Scotland. It is 193 km long, and the longest there.", "193 km"),
    "zh": ("泰河位于苏格兰。它长193公里，是那里最长的河流。", "193公里"),
    "hi": ("टे नदी स्कॉटलैंड में है। यह 193 किलोमीटर लंबी है।", "193 किलोमीटर"),
    "th": ("แม่น้ำเทย์อยู่ในสกอตแลนด์ ยาว193กิโลเมตร และยาวที่สุด", "193กิโลเมตร"),
    "ar": ("نهر تاي في اسكتلندا. يبلغ طوله 193 كم.", "193 كم"),
    "emoji": ("🦊🦊 the fox 🦊 runs 193 km\u00a0away 🦊.", "193 km"),
}


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([c for c, _ in CONTEXTS.values()] * 3, 500, "xlm-roberta")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XFER_HOME", str(tmp_path))


def questions(*rows):
    made = []
    for i, (context, answer) in enumerate(rows):
        answers = (
            {"text": [answer], "answer_start": [context.index(answer)]}
            if answer
            else {"text": [], "answer_start": []}
        )
        made.append({"id": str(i), "context": context, "question": "How long?", "answers": answers})
    return Dataset.from_list(made)


def span(encoded, row, context):
    begins, ends = (encoded.token_column(name, row) for name in ("token_begin", "token_end"))
    start, end = encoded.columns["start"][row], encoded.columns["end"][row]
    return context[begins[start] : ends[end]].strip()


@pytest.mark.parametrize("language", CONTEXTS)
def test_the_labelled_tokens_are_the_answer_in_every_script(tokenizer, language):
    context, answer = CONTEXTS[language]
    got = encode(questions((context, answer)), QA, tokenizer, 256)
    assert len(got) == 1 and got.columns["answered"].tolist() == [1]
    assert span(got, 0, context).rstrip("،,.") == answer


@pytest.mark.parametrize("decoder", [False, True])
def test_windows_overlap_and_point_nowhere_without_the_answer(tokenizer, decoder):
    filler = CONTEXTS["en"][0] + " "
    context = filler * 3 + "The answer is xylophone. " + filler * 3
    got = encode(questions((context, "xylophone")), QA, tokenizer, 64, decoder=decoder)
    assert len(got) >= 3 and got.lengths.max() <= 64 and got.counts["truncated"] == 1
    holding = []
    for row in range(len(got)):
        nowhere = got.lengths[row] - 1 if decoder else 0
        if got.columns["start"][row] != nowhere:
            assert span(got, row, context) == "xylophone"
            holding.append(row)
        else:
            assert got.columns["end"][row] == nowhere
    assert 1 <= len(holding) < len(got)
    covered = np.zeros(len(context), bool)
    for row in range(len(got)):
        for b, e in zip(
            got.token_column("token_begin", row), got.token_column("token_end", row), strict=True
        ):
            if b >= 0:
                covered[b:e] = True
    assert covered[np.array([not c.isspace() for c in context])].all()


def test_each_window_points_at_the_first_answer_that_it_holds(tokenizer):
    """Several annotators, several spans: a window that lacks the first may hold another."""
    filler = CONTEXTS["en"][0] + " "
    context = "The river is xylophone. " + filler * 4 + "They say zebra. " + filler
    answers = {
        "text": ["xylophone", "zebra"],
        "answer_start": [context.index("xylophone"), context.index("zebra")],
    }
    got = encode(
        Dataset.from_list([{"id": "0", "context": context, "question": "How long?", "answers": answers}]),
        QA,
        tokenizer,
        64,
    )
    pointed = {span(got, row, context) for row in range(len(got)) if got.columns["start"][row]}
    assert pointed == {"xylophone", "zebra"}


def test_a_question_without_an_answer_points_nowhere(tokenizer):
    got = encode(questions(CONTEXTS["en"], (CONTEXTS["en"][0], None)), QA, tokenizer, 256)
    assert (
        got.columns["answered"].tolist() == [1, 0] and got.columns["start"][1] == got.columns["end"][1] == 0
    )


def test_a_long_question_leaves_room_for_the_context(tokenizer):
    data = Dataset.from_list(
        [
            {
                "id": "0",
                "context": CONTEXTS["en"][0] * 4,
                "question": "why " * 500,
                "answers": {"text": [], "answer_start": []},
            }
        ]
    )
    got = encode(data, QA, tokenizer, 64)
    assert got.lengths.max() <= 64 and (got.columns["token_begin"] >= 0).sum() > 60


def test_choices_stay_with_their_example(tokenizer):
    rows = [
        {
            "id": "0",
            "context": "the river is long",
            "question": "how long?",
            "choices": ["193 km", "one", "a lot"],
            "label": 2,
        },
        {"id": "1", "context": "", "question": "which?", "choices": ["fox", "river"], "label": 0},
    ]
    got = encode(Dataset.from_list(rows), MC, tokenizer, 64)
    assert (
        len(got) == 2
        and got.columns["choices"].tolist() == [3, 2]
        and got.columns["label"].tolist() == [2, 0]
    )
    owner, ids = got.token_column("token_choice", 0), got.row(0)
    for n, option in enumerate(rows[0]["choices"]):
        assert ids[owner == n].tolist() == tokenizer("the river is long how long?", option)["input_ids"]
    assert (
        got.row(1)[got.token_column("token_choice", 1) == 1].tolist()
        == tokenizer("which?", "river")["input_ids"]
    )
    bare = encode(Dataset.from_list(rows).remove_columns("label"), MC, tokenizer, 64)
    assert bare.columns["label"].tolist() == [IGNORED] * 2 and bare.counts["examples"] == 2


def test_a_label_beyond_the_choices_is_an_error(tokenizer):
    row = {"id": "0", "context": "", "question": "?", "choices": ["a", "b"], "label": 2}
    with pytest.raises(XferError, match="label 2, but choices 0 to 1"):
        encode(Dataset.from_list([row]), MC, tokenizer, 64)
