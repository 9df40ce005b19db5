"""Questions in test cases are answered by the heads of span questions."""

from __future__ import annotations

from mlflow_xfer.kinds.span_qa.model import SpanQA


class SpanCases(SpanQA):
    name = "span_cases"


KIND = SpanCases()
