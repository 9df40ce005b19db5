"""The kind ``span_cases``: questions in test cases, each of which passes if all its questions are right."""
