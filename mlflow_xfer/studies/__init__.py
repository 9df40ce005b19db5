"""Studies: a declared grid of transfers that answers one question."""
