"""What may be tried: subsets of tasks, and ranges of settings."""
