"""Tables for other programs: CSV that no spreadsheet mistakes for formulas, parquet, LaTeX and markdown."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pandas as pd

from mlflow_xfer.durable.files import whole_file
from mlflow_xfer.errors import XferError
from mlflow_xfer.markdown import plain, table

FORMULA = ("=", "+", "-", "@", "\t", "\r")
LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def safe(value: object) -> object:
    """A cell that spreadsheets show and do not run: text that starts like a formula gets
    an apostrophe. Numbers stay."""
    if isinstance(value, str):
        return "'" + value if value.startswith(FORMULA) else value
    return value


def latex(value: object) -> str:
    """Text with LaTeX's special characters escaped."""
    return "".join(LATEX.get(c, c if ord(c) >= 32 else " ") for c in str(value))


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """RFC 4180 CSV, UTF-8; missing = ``NA`` (what R's ``read.csv`` takes by default),
    names and texts formula-safe."""
    shown = frame.rename(columns=lambda c: safe(str(c)))
    texts = [c for c in shown if not pd.api.types.is_numeric_dtype(shown[c])]
    shown = shown.assign(**{str(c): shown[c].map(safe) for c in texts})
    with whole_file(path) as part:
        shown.to_csv(part, index=False, na_rep="NA", quoting=csv.QUOTE_MINIMAL, lineterminator="\n")


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Parquet with the frame's own types; columns of mixed types become text."""
    mixed = [str(c) for c in frame if frame[c].dtype == object]
    with whole_file(path) as part:
        frame.assign(**{c: frame[c].astype("string") for c in mixed}).to_parquet(part, index=False)


def export(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a tidy frame as ``.csv`` or ``.parquet`` (``arrow::read_parquet`` in R).

    Raises:
        XferError: another ending, or a folder that cannot be written to.
    """
    path = Path(path)
    writers = {".csv": write_csv, ".parquet": write_parquet}
    if path.suffix not in writers:
        raise XferError(
            f"Results cannot be written as {path.suffix or 'a file without ending'}.",
            f"Accepted: {', '.join(writers)}",
        )
    try:
        writers[path.suffix](frame, path)
    except OSError as error:
        raise XferError(
            f"{path} cannot be written: {error.strerror or error}", "Name another place."
        ) from error
    return path


def number(value: object, digits: int = 1) -> str:
    if isinstance(value, float):
        return "–" if not math.isfinite(value) else f"{value:z.{digits}f}"
    return str(value)


def latex_table(frame: pd.DataFrame, caption: str, label: str) -> str:
    """A booktabs table; texts are escaped, numbers have one decimal and are aligned right."""
    numeric = [pd.api.types.is_numeric_dtype(frame[c]) for c in frame]
    lines = [
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{latex(caption)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{{''.join('r' if n else 'l' for n in numeric)}}}",
        r"\toprule",
        " & ".join(latex(c) for c in frame) + r" \\",
        r"\midrule",
    ]
    for row in frame.itertuples(index=False):
        shown = (
            number(v).replace("–", "--").replace("-", "$-$", 1)
            if n and number(v).startswith("-")
            else latex(number(v)).replace("–", "--")
            for v, n in zip(row, numeric, strict=True)
        )
        lines.append(" & ".join(shown) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def markdown_table(frame: pd.DataFrame) -> str:
    """A pipe table; texts are escaped, numbers have one decimal and are aligned right."""
    numeric = [pd.api.types.is_numeric_dtype(frame[c]) for c in frame]
    rows = ([plain(number(value)) for value in row] for row in frame.itertuples(index=False))
    right = [place for place, n in enumerate(numeric) if n]
    return table([plain(column) for column in frame], rows, right) + "\n"
