"""Questions with short rows: all of the context is read, or the length is refused."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset

from mlflow_xfer.data.encode import encode
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.task import Task
from tests.families import make_tokenizer

TASK = Task("harbours", "span_qa", metric="squad", languages=("en",), sources={})
CONTEXT = "the ship number 7 left the old harbour of Lima at noon, and the sea was calm"
QUESTIONS = ["when", "at which noon and from which old harbour of which calm sea did the ship leave"]


def split(contexts, questions, answer="Lima"):
    spans = [{"text": [answer], "answer_start": [c.index(answer)]} for c in contexts]
    rows = zip(contexts, questions, spans, strict=True)
    return Dataset.from_list(
        [{"id": str(i), "context": c, "question": q, "answers": a} for i, (c, q, a) in enumerate(rows)]
    )


@pytest.mark.parametrize("style", ["roberta", "bert", "gpt2", "xglm"])
@pytest.mark.parametrize("limit", [8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 24])
def test_every_word_of_the_context_is_read(style, limit):
    found = encode(split([CONTEXT] * 2, QUESTIONS), TASK, make_tokenizer(style), limit, cached=False)
    assert found.lengths.max() <= limit
    for example in (0, 1):
        read = set()
        for row in np.flatnonzero(found.columns["example"] == example):
            begins, ends = (found.token_column(name, row) for name in ("token_begin", "token_end"))
            inside = begins >= 0
            assert inside.any()
            read |= {at for b, e in zip(begins[inside], ends[inside], strict=True) for at in range(b, e)}
        assert {at for at, sign in enumerate(CONTEXT) if sign != " "} <= read


@pytest.mark.parametrize(("style", "limit"), [("roberta", 8), ("roberta", 12), ("bert", 8), ("gpt2", 8)])
def test_an_answer_that_fits_a_window_is_found_in_one(style, limit):
    encoded = encode(split([CONTEXT], ["when"], "at"), TASK, make_tokenizer(style), limit, cached=False)
    spans = {
        CONTEXT[encoded.token_column("token_begin", r)[a] : encoded.token_column("token_end", r)[b]].strip()
        for r, (a, b) in enumerate(zip(encoded.columns["start"], encoded.columns["end"], strict=True))
        if encoded.token_column("token_begin", r)[a] >= 0
    }
    assert spans == {"at"}


def test_a_tokenizer_whose_special_tokens_fill_the_row_is_refused():
    from tokenizers import processors

    tokenizer = make_tokenizer("bert")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] [CLS] [CLS] [CLS] $A [SEP]",
        pair="[CLS] [CLS] [CLS] [CLS] $A [SEP] [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    with pytest.raises(XferError, match="leaves no room for a question and a context.\n.*at least 9"):
        encode(split([CONTEXT], ["when"]), TASK, tokenizer, 8, cached=False)
    assert len(encode(split([CONTEXT], ["when"]), TASK, tokenizer, 9, cached=False)) > 10
