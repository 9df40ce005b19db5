"""Searches over subsets of intermediate tasks and their settings, with Optuna."""
