"""How questions read that stand in test cases: as span questions, whose ids say the test and the case."""

from __future__ import annotations

from typing import Any

from mlflow_xfer.data.canonical import Convert, mapped, row_id, text_of
from mlflow_xfer.data.labels import NoLabel
from mlflow_xfer.kinds.span_qa.data import SpanQA
from mlflow_xfer.tasks.task import Files, Hub, Task


class SpanCases(SpanQA):
    name = "span_cases"
    across = SpanQA.across  # looked for in the class itself (data/reading.py)

    def convert(self, task: Task, source: Hub | Files) -> Convert:
        """As span questions; an answer may be a text alone, which need not stand in its context: a template's
        answer that no span can be counts as a question that every model fails."""
        placed, get_id = super().convert(task, source), row_id(source)
        (get_context, context), (get_question, question), (get_answers, _) = (
            mapped(source, name) for name in ("context", "question", "answers")
        )

        def convert(raw: Any) -> dict[str, Any] | None:
            answer = get_answers(raw)
            if not isinstance(answer, str):
                return placed(raw)
            if not answer.strip():
                raise NoLabel("has a blank answer")
            text = text_of(get_context(raw), context)
            return {
                "original_id": get_id(raw) or "",
                "context": text,
                "question": text_of(get_question(raw), question),
                "answers": {"text": [answer], "answer_start": [text.find(answer)]},
            }

        return convert

    def format_of(self, suffixes: set[str], columns: Any) -> str | None:
        return None


KIND = SpanCases()
