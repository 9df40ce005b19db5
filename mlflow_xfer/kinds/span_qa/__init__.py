"""The kind ``span_qa``: a span of the context that answers a question."""
