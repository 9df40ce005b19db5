"""Metrics: one module per family, 0-100, with an interval over examples."""
