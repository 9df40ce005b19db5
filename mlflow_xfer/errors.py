"""Errors that a user reads: what was wrong, what is accepted, what to do next.

Every error that a command reports on purpose is an :class:`XferError`; its ``exit_code`` is what the
process ends with. Checks that can find several faults collect them in :class:`Problems`, so that a
user mends a command once, not once per fault.
"""

from __future__ import annotations

from collections.abc import Iterable

BAD_INPUT = 2
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: pre-empted, or the tracking store cannot be reached
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class XferError(Exception):
    """An error with a remedy.

    Args:
        what: what was wrong, naming the value, file and line.
        hint: what is accepted, or what to do next.
        exit_code: exit status of the command that ends with this error.
    """

    def __init__(self, what: str, hint: str = "", exit_code: int = BAD_INPUT):
        self.what, self.hint, self.exit_code = what, hint, exit_code
        super().__init__(f"{what}\n  {hint}" if hint else what)


def is_interruption(error: BaseException) -> bool:
    """Whether it ends a command that can be repeated: what was begun goes on then."""
    return not isinstance(error, Exception) or getattr(error, "exit_code", None) in (TRY_AGAIN, INTERRUPTED)


def few(names: Iterable[object], at_most: int = 8, longest: int = 40) -> str:
    """Names for an error, with commas: the first ones, each cut, and how many more there are."""
    listed = [str(name) for name in names]
    shown = [name if len(name) <= longest else name[: longest - 1] + "…" for name in listed[:at_most]]
    more = f" and {len(listed) - at_most} more" if len(listed) > at_most else ""
    return ", ".join(shown) + more


class Problems:
    """Collects faults and raises them together as one :class:`XferError`."""

    def __init__(self) -> None:
        self.found: list[XferError] = []

    def add(self, what: str | XferError, hint: str = "") -> None:
        """Record one fault; the same fault found twice is reported once."""
        problem = what if isinstance(what, XferError) else XferError(what, hint)
        if str(problem) not in map(str, self.found):
            self.found.append(problem)

    def __bool__(self) -> bool:
        return bool(self.found)

    def raise_if_any(self) -> None:
        """Raise what was collected; with several faults, one numbered list.

        Raises:
            XferError: if anything was added. Its exit code is the first fault's.
        """
        if not self.found:
            return
        if len(self.found) == 1:
            raise self.found[0]
        lines = [f"{n}. {str(problem)}" for n, problem in enumerate(self.found, 1)]
        raise XferError(f"{len(lines)} problems:\n" + "\n".join(lines), exit_code=self.found[0].exit_code)
