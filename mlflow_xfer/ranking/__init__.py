"""Ranking candidate tasks by proxies: scores that need no full training."""
