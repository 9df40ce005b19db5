"""The kind ``retrieval``: the right candidates of a query."""
