"""How questions read that a span of their context answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlflow_xfer.data import subwords
from mlflow_xfer.data.answers import answers_of
from mlflow_xfer.data.canonical import Convert, getter, mapped, row_id, text_of
from mlflow_xfer.data.encoded import Encoded, Rows, column
from mlflow_xfer.data.labels import BadRow, absent, truth_of
from mlflow_xfer.data.unlabelled import text_in
from mlflow_xfer.data.words import words as words_of
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.kind import Data
from mlflow_xfer.lines import Unscored
from mlflow_xfer.tasks.task import Files, Hub, Task

STRIDE = 128  # tokens that neighbouring windows of a context share (XTREME's run_squad.py)
MAX_QUESTION = 64  # tokens of a question (ibid.)
IMPOSSIBLE = {
    True: "says is_impossible, and has answers: SQuAD 2.0 leaves them empty; or leave out is_impossible",
    False: "has no answers, and is_impossible is false: give its answers, or is_impossible: true",
}
"""What is wrong where SQuAD 2.0's field says other than the answers."""


class SpanQA(Data):
    name = "span_qa"
    columns = {"original_id": "text", "context": "text", "question": "text", "answers": "spans"}
    texts = ("context", "question")
    answers = ("answers",)
    declared = ("context", "question", "answers", "title")
    group = "context"
    filled = ("context", "question")
    paragraphs = True
    windows = True
    asked = ("context", "question")
    foretold = True

    def convert(self, task: Task, source: Hub | Files) -> Convert:
        (get_context, context), (get_question, question), (get_answers, _) = (
            mapped(source, name) for name in ("context", "question", "answers")
        )
        get_id, get_impossible = row_id(source), getter("is_impossible")

        def convert(raw: Any) -> dict[str, Any] | None:
            text = text_of(get_context(raw), context)
            given, impossible = get_answers(raw), _impossible(get_impossible(raw))
            given = [] if impossible and absent(given) else given
            spans, starts = answers_of(given, text, source.offsets)
            if impossible is not None and impossible == bool(spans):
                raise BadRow(IMPOSSIBLE[impossible])
            return {
                "original_id": get_id(raw) or "",
                "context": text,
                "question": text_of(get_question(raw), question),
                "answers": {"text": spans, "answer_start": starts},
            }

        return convert

    def unlabelled(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        return {"context": text_in(raw, "context"), "question": text_in(raw, "question")}

    def encode(self, dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
        """Question and context, long contexts as overlapping windows.

        ``token_begin`` and ``token_end`` are character offsets in the context, -1 outside it. ``start`` and
        ``end`` are the tokens of the first of the answers that a window holds whole; where it holds none, the
        place that says "not here": the first token, for decoders the last, which alone has read everything.
        ``answered``: whether the example has an answer at all.
        """
        answers = column(dataset, "answers")
        rows = Rows(("token_begin", "token_end"), ("example", "second", "start", "end", "answered"))
        contexts, questions = dataset["context"][:], dataset["question"][:]
        asked, stride = _window_sizes(tokenizer, limit)
        for begin in range(0, len(contexts), subwords.CHUNK // 8):
            numbers = range(begin, min(begin + subwords.CHUNK // 8, len(contexts)))
            cut = subwords.cut(tokenizer, [questions[n] for n in numbers], asked)
            batch = tokenizer(
                cut,
                [contexts[n] for n in numbers],
                truncation="only_second",
                max_length=limit,
                stride=stride,
                return_overflowing_tokens=True,
            )
            read = [0] * len(numbers)  # windows of each example
            for window, mine in zip(batch.encodings, batch["overflow_to_sample_mapping"], strict=True):
                n, sides = numbers[mine], window.sequence_ids
                given = answers[n] if answers is not None else {"text": [], "answer_start": []}
                rows.add(**_window(window, sides, given, n, decoder))
                # Of each further window only what the one before has not read; the question was counted with
                # the first.
                rows.count(
                    subwords=sides.count(1) - stride if read[mine] else sides.count(0) + sides.count(1)
                )
                read[mine] += 1
            for place, n in enumerate(numbers):
                rows.count(
                    examples=1,
                    truncated=read[place] > 1,
                    words=len(words_of(cut[place])) + len(words_of(contexts[n])),
                )
        return rows.done()

    def across(self, task: Task, splits: Mapping[tuple[str, str], Any]) -> list[XferError]:
        """Questions without an answer that would be scored by a metric which knows none such, and splits
        without any answer: hidden ones look so."""
        errors = []
        for (split, code), rows in splits.items():
            empty = [n for n, one in zip(rows["id"][:], rows["answers"][:], strict=True) if not one["text"]]
            what, known = f"Task {task.name!r}, {split} split, {code}", task.metric == "squad_v2"
            if empty and len(empty) == len(rows) and (split == "test" or not known):
                errors.append(
                    Unscored(
                        f"{what}: none of its {len(rows)} questions has an answer.",
                        "Public test sets often hide their answers; use a copy that has them.",
                    )
                )
            elif empty and split == "test" and not known:
                errors.append(
                    XferError(
                        f"{what}: {len(empty)} questions have no answer, "
                        f"such as {empty[0]!r}; {task.metric} scores none such.",
                        "metric: squad_v2 does; or leave them out.",
                    )
                )
        return errors

    def remarks(self, task: Task, table: Any) -> list[str]:
        """Questions without an answer."""
        empty = sum(not one["text"] for one in table["answers"].to_pylist())
        return [f"{empty:,} of {len(table):,} questions have no answer"] if empty else []

    def gold(self, task: Task, splits: Mapping[str, Any]) -> dict[str, list]:
        return {name: [answers["text"] for answers in split["answers"][:]] for name, split in splits.items()}

    def format_of(self, suffixes: set[str], columns: Mapping[str, Any]) -> str | None:
        return "squad" if suffixes <= {".json"} else None


KIND = SpanQA()


def _impossible(said: Any) -> bool | None:
    """What SQuAD 2.0's field says; None: nothing."""
    if absent(said) or said == "":
        return None
    value = truth_of(said)
    if value is None:
        raise BadRow(f"has is_impossible {str(said)[:40]!r}: true or false is read, also 1 or 0")
    return value


def _window_sizes(tokenizer: Any, limit: int) -> tuple[int, int]:
    """(longest question, tokens that neighbouring windows share): every window holds a new token of its
    context."""
    room = limit - tokenizer.num_special_tokens_to_add(pair=True)
    asked = min(MAX_QUESTION, limit // 2, room - 1)
    if asked < 1:
        raise XferError(
            f"max_seq_length={limit} leaves no room for a question and a context.",
            f"Use at least {limit - room + 2}.",
        )
    stride = min(STRIDE, (limit - min(MAX_QUESTION, limit // 2)) // 2 - 4, room - asked - 1)
    return asked, max(0, stride)


def _window(
    window: Any, sides: Sequence[int | None], answers: Mapping[str, Any], example: int, decoder: bool
) -> dict[str, Any]:
    """The row of one window; ``sides`` says which text each token is of (0, 1, or None for special ones)."""
    inside = np.array([s == 1 for s in sides])
    begins, ends = (np.where(inside, side, -1) for side in np.array(window.offsets).T)
    nowhere = len(inside) - 1 if decoder else 0
    start = end = nowhere
    for text, first in zip(answers["text"], answers["answer_start"], strict=True):
        covered = np.flatnonzero(inside & (ends > first) & (begins < first + len(text)))
        if len(covered) and begins[covered[0]] <= first and ends[covered[-1]] >= first + len(text):
            start, end = int(covered[0]), int(covered[-1])
            break
    return {
        "ids": window.ids,
        "token_begin": begins,
        "token_end": ends,
        "example": example,
        "second": int(np.argmax(inside)) if inside.any() else len(inside),
        "start": start,
        "end": end,
        "answered": int(bool(answers["text"])),
    }
