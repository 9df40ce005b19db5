"""Rows: where they come from, how they become inputs, how tasks are mixed."""
