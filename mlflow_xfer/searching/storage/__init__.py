"""Optuna's storage of a search, and what it says has been tried."""
