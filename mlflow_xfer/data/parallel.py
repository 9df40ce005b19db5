"""Texts that translate each other line by line: a folder of ``<language>.txt``, or a CSV with a column for
each language."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from mlflow_xfer import languages
from mlflow_xfer.data.texts import load_texts
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.lines import numbered


def lines_of(place: str, wanted: Iterable[str] | None = None) -> dict[str, list[str]]:
    """Lines by language.

    Args:
        wanted: only these languages; None: all there are.

    Raises:
        XferError: no such place, a file or column that is named after no known language, a language without
            one; all faults of the names at once.
    """
    path = Path(place).expanduser()
    if path.suffix.lower() == ".csv":
        texts = _columns(path)
        codes = list(texts) if wanted is None else [one.code for one in languages.resolve(wanted)]
        if absent := [code for code in codes if code not in texts]:
            raise XferError(
                f"texts={place} has no column {', '.join(absent)}.", f"It has: {', '.join(texts)}"
            )
        return {code: texts[code] for code in codes}
    found = load_texts(str(path.absolute()), wanted)
    return {code: [line for _, line in numbered(Path(rows.paths[0]))] for code, rows in found.items()}


def _columns(path: Path) -> dict[str, list[str]]:
    rows = list(csv.reader(line for _, line in numbered(path)))
    if not rows:
        raise XferError(f"{path}: the file is empty.", "Its first line names languages: en,de,sw")
    problems, codes = Problems(), []
    for name in rows[0]:
        try:
            codes.append(languages.get(name.strip()).code)
        except XferError as error:
            problems.add(f"{path}:1: {error.what}", f"Columns are named after their language. {error.hint}")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(rows[0]):
            problems.add(f"{path}:{number}: {len(row)} fields, and {len(rows[0])} languages.")
    problems.raise_if_any()
    return {code: [row[place] for row in rows[1:]] for place, code in enumerate(codes)}
