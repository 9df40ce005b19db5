"""Phases: what is run, whether it must be, and running it."""
