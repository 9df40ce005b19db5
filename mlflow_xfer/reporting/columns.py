"""What a command shows at its end: tables in aligned columns, for people and for programs."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from mlflow_xfer import markdown

UNKNOWN = "–"


def points(value: float | None, signed: bool = False) -> str:
    """A number of points for reading: one decimal, a real minus sign, a dash where there is none."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if abs(value) < 0.05:  # no sign that rounding left over
        return "0.0"
    return f"{value:+.1f}".replace("-", "−") if signed else f"{value:.1f}".replace("-", "−")


def size(number: float) -> str:
    """Bytes for reading."""
    return f"{number / 1e9:,.1f} GB" if number >= 1e8 else f"{number / 1e6:,.0f} MB"


def significant(metrics: Mapping[str, float]) -> dict[str, float]:
    """Metrics that nothing is computed from, for reading where they are shown as they are: with four
    significant digits, or so many more that they are the same number of points."""
    return {name: _significant(float(value)) for name, value in metrics.items()}


def _significant(value: float) -> float:
    """75.149999 is neither 75.15, which is read as 75.2, nor shown whole: 75.149."""
    rounded = [float(f"{value:.{digits}g}") for digits in (4, 5, 6)]
    cut = math.trunc(value * 1000) / 1000 if math.isfinite(value) else value
    return next((short for short in (*rounded, cut) if points(short) == points(value)), value)


def aligned(head: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    """Aligned columns, no blanks at the ends of lines.

    Args:
        right: places of the columns whose cells stand on the right.
    """
    lines, right = [list(head), *map(list, rows)], set(right)
    widths = [max(len(line[n]) for line in lines) for n in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if n in right else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


@dataclass(frozen=True)
class Table:
    """A table of values.

    Args:
        rows: cells are texts, numbers, None where nothing is known, or pairs of numbers: intervals.
        signed: columns of differences, by name.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Any]]
    signed: Sequence[str] = ()

    def cells(self) -> list[list[str]]:
        return [
            [shown(value, name in self.signed) for name, value in zip(self.head, row, strict=True)]
            for row in self.rows
        ]

    @property
    def right(self) -> set[int]:
        """Places of the columns without a text."""
        return {
            n
            for n in range(len(self.head))
            if not any(isinstance(row[n], str) and row[n] for row in self.rows)
        }

    def plain(self) -> str:
        return f"{self.title}\n{aligned(self.head, self.cells(), self.right)}"

    def markdown(self) -> str:
        return f"{self.title}\n\n{markdown.table(self.head, self.cells(), self.right)}"

    def as_dicts(self) -> list[dict[str, Any]]:
        return [
            {name: _jsonable(value) for name, value in zip(self.head, row, strict=True)} for row in self.rows
        ]


@dataclass(frozen=True)
class Summary:
    """What a command found.

    Args:
        heading: of which run, on one line.
        remarks: sentences below the tables.
    """

    heading: str
    tables: Sequence[Table] = ()
    remarks: Sequence[str] = ()

    def text(self) -> str:
        """In colours where standard output is a terminal, else plain."""
        return self._coloured() if sys.stdout.isatty() else self.plain()

    def plain(self) -> str:
        return "\n\n".join([self.heading, *(table.plain() for table in self.tables), *self._remarks()])

    def as_dict(self) -> dict[str, Any]:
        return {
            "heading": self.heading,
            "tables": {table.title: table.as_dicts() for table in self.tables},
            "remarks": list(self.remarks),
        }

    def _remarks(self) -> Iterator[str]:
        if self.remarks:
            yield "\n".join(self.remarks)

    def _coloured(self) -> str:
        from rich import box
        from rich.console import Console
        from rich.table import Table as Drawn
        from rich.text import Text

        console = Console(file=StringIO(), force_terminal=True, width=Console().width)
        console.print(Text(self.heading, "bold"))
        for table in self.tables:
            drawn = Drawn(title=Text(table.title, "italic"), title_justify="left", box=box.SIMPLE_HEAD)
            for n, name in enumerate(table.head):
                drawn.add_column(name, justify="right" if n in table.right else "left")
            for row in table.cells():
                drawn.add_row(*map(Text, row))
            console.print(drawn)
        for remark in self._remarks():
            console.print(Text(remark))
        assert isinstance(console.file, StringIO), "made above"
        return console.file.getvalue().rstrip("\n")


def shown(value: Any, signed: bool = False) -> str:
    """A cell for reading."""
    if isinstance(value, tuple):
        low, high = (points(end, signed) for end in value)
        return UNKNOWN if UNKNOWN in (low, high) else f"{low} … {high}"
    if value is None or isinstance(value, float):
        return points(value, signed)
    return str(value)


def _jsonable(value: Any) -> Any:
    """Numbers that are not finite are null in JSON."""
    if isinstance(value, tuple):
        return [_jsonable(end) for end in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def of_metrics(metrics: Mapping[str, float], name: str) -> tuple[float, float] | None:
    """The interval whose ends the metrics ``<name>_low`` and ``<name>_high`` hold."""
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return None if low is None or high is None else (low, high)
