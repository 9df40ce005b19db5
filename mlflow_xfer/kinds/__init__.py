"""Kinds of task: one folder each, behind the protocol of ``kind.py``."""
