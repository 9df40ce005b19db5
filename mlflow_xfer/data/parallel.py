"""Texts that translate each other line by line: a folder of ``<language>.txt``, or a CSV with a column for
each language."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mlflow_xfer import languages
from mlflow_xfer.data.readers import reader
from mlflow_xfer.data.texts import load_texts
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.lines import numbered
from mlflow_xfer.tasks.task import Files


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
    rows = [fields for _, _, fields in reader("csv")((path,), Files({}, format="csv"), "")]
    if not rows:
        raise XferError(f"{path}: the file is empty.", "Its first line names languages: en,de,sw")
    problems = Problems()
    names: dict[str, str] = {}
    for name in map(str.strip, rows[0]):
        try:
            code = languages.get(name).code
        except XferError as error:
            problems.add(f"{path}:1: {error.what}", f"Columns are named after their language. {error.hint}")
            continue
        if code in names:
            problems.add(f"{path}:1: the columns {names[code]} and {name} are both {code}.")
        names[code] = name
    problems.raise_if_any()
    return {code: [row[place] for row in rows[1:]] for place, code in enumerate(names)}
