"""Conditions × seeds: the phases of many transfers, run by one driver on an engine."""
