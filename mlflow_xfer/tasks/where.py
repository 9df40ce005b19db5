"""Which rows ``where`` asks for: those whose column has a value, or begins with it."""

from __future__ import annotations


def fits(said: str, wanted: str, name: str) -> bool:
    """Whether ``said`` is what ``where`` calls ``wanted``, with ``name`` for ``{language}``.

    ``x*`` is what begins with x. A name right before ``*`` ends there: ``fil-1`` does not begin with fi, nor
    ``l12`` with l1.
    """
    value = wanted.replace("{language}", name)
    if not value.endswith("*"):
        return said == value
    start = value[:-1]
    ends = not wanted.endswith("{language}*") or not _goes_on(start[-1:], said[len(start) : len(start) + 1])
    return said.startswith(start) and ends


def _goes_on(last: str, following: str) -> bool:
    """Whether a word goes on after ``last``: letters follow a letter, digits a digit."""
    return (last.isalpha() and following.isalpha()) or (last.isdigit() and following.isdigit())
