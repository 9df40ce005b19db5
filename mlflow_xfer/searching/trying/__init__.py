"""Candidates as trials: trained, reported, stopped early, told."""
