"""Reads the files of an XTREME submission as XTREME's ``evaluate.py`` reads them,
but says what is wrong with one.

Lines end at LF, CRLF or CR and lose outer white space; files are UTF-8 (a byte order mark is passed over). A
file that is damaged ends in an error with its name and line. One whose labels were stripped is
:class:`Unscored`, not 33 % right.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.lines import ordinary, scalar_text


class Unscored(XferError):
    """The reference file holds no labels: nothing can be said about the predictions."""


def text(path: Path) -> str:
    """The file's text.

    Raises:
        XferError: if it cannot be read, is not UTF-8 or holds NUL bytes.
    """
    try:
        ordinary(path)
        raw = path.read_bytes()
    except OSError as error:
        raise XferError(f"{path}: {error.strerror or error}.", "A readable file is needed here.") from None
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise XferError(f"{path} is UTF-16.", "Convert it: iconv -f UTF-16 -t UTF-8.")
    if (at := raw.find(b"\0")) >= 0:
        line = raw.count(b"\n", 0, at) + 1
        raise XferError(
            f"{path}:{line} holds a NUL byte.", "The file is damaged or not text; write it again."
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise XferError(
            f"{path}:{line} is not UTF-8 (byte {error.start}).", "Save the file as UTF-8."
        ) from None


def lines(path: Path) -> list[str]:
    """All lines, stripped; blank ones stay, since they stand for an example."""
    # str.splitlines would also cut at U+2028, form feeds and others, which file iteration does not.
    parts = text(path).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if parts[-1] == "":
        parts.pop()
    return [part.strip() for part in parts]


def labels(path: Path) -> list[str]:
    """One label a line.

    Raises:
        XferError: if a line has several columns; the hint names the column that looks like labels.
    """
    found = lines(path)
    odd = next((number for number, line in enumerate(found) if "\t" in line), None)
    if odd is None:
        return found
    rows = [line.split("\t") for line in found if "\t" in line]
    likely = min(range(min(map(len, rows)), 0, -1), key=lambda column: len({row[column - 1] for row in rows}))
    raise XferError(
        f"{path}:{odd + 1} has several columns, {found[odd][:60]!r}; one label a line is expected.",
        f"Give files of the labels alone. Column {likely} has the fewest different values, as they have: "
        f"cut -f{likely} {shlex.quote(path.name)}",
    )


def tagged(path: Path) -> list[list[str]]:
    """Tags, one a line; each blank line ends a sentence, so that a second one in a row
    is a sentence without words."""
    complete: list[list[str]] = []
    now: list[str] = []
    for line in lines(path):
        if line:
            now.append(line)
        else:
            complete.append(now)
            now = []
    return [*complete, now] if now else complete


def sentences(path: Path) -> list[list[str]]:
    """As :func:`tagged`, without sentences without words."""
    return [sentence for sentence in tagged(path) if sentence]


def parsed(content: str, where: str) -> tuple[Any, list[str]]:
    """A JSON document, and the keys that one of its objects holds twice (the last value counts, as in
    Python).

    Raises:
        XferError: for anything that is not one JSON document, naming ``where`` and the line.
    """
    repeated: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict:
        record = dict(items)
        if len(record) < len(items):
            seen: set[str] = set()
            for key, _ in items:
                if key in seen:
                    repeated.append(key)
                seen.add(key)
        return record

    try:
        return json.loads(content, object_pairs_hook=pairs), repeated
    except json.JSONDecodeError as error:
        raise XferError(
            f"{where}:{error.lineno} is not JSON: {error.msg} (column {error.colno}).",
            "The file is cut off or damaged; write it again.",
        ) from None
    except (ValueError, RecursionError) as error:
        raise XferError(
            f"{where} cannot be read as JSON: {type(error).__name__}: {str(error)[:200]}."
        ) from None


def mapping(path: Path) -> tuple[dict[str, Any], list[str]]:
    """A JSON object, or what it holds under ``data`` (as XTREME reads it), and its repeated keys."""
    document, repeated = parsed(text(path), str(path))
    if isinstance(document, dict) and "data" in document:
        document = document["data"]
    if not isinstance(document, dict):
        raise XferError(
            f"{path} holds a {type(document).__name__}.", 'A JSON object is needed: {"id": …, …}.'
        )
    return document, repeated


def answers(path: Path) -> dict[str, str]:
    """Predicted answers: question id to text."""
    by_id, _ = mapping(path)
    for key, value in by_id.items():
        if not isinstance(value, str):
            raise XferError(
                f"{path}: the answer to {key!r} is not a text: {value!r:.80}.", '{"id": "answer", …}'
            )
    return by_id


def questions(path: Path) -> list[tuple[str, list[str]]]:
    """Question ids and their gold texts, from SQuAD's format; an id that occurs
    twice stays twice, as in XTREME.

    Raises:
        Unscored: if no question has a gold text.
    """
    document, _ = parsed(text(path), str(path))
    articles = document.get("data", document) if isinstance(document, dict) else document
    try:
        asked = [
            (scalar_text(question["id"]), [answer["text"] for answer in question["answers"]])
            for article in articles
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        ]
        bad = next((key for key, golds in asked if not all(isinstance(gold, str) for gold in golds)), None)
    except (KeyError, TypeError, AttributeError) as error:
        raise XferError(
            f"{path} is not in SQuAD's format: {type(error).__name__} {error}.",
            '{"data": [{"paragraphs": [{"qas": [{"id": …, "answers": [{"text": …}]}]}]}]}',
        ) from None
    if bad is not None:
        raise XferError(f"{path}: a gold answer of {bad!r} is not a text.")
    if asked and not any(gold for _, golds in asked for gold in golds):
        raise Unscored(
            f"{path}: no question has an answer.", "The test labels were stripped; use the original file."
        )
    empty = next((key for key, golds in asked if not golds), None)
    if empty is not None:
        raise XferError(f"{path}: question {empty!r} has no gold answer.")
    return asked


def choices(path: Path) -> list[int]:
    """Labels of XCOPA's rows: one JSON object a line with an integer ``label``."""
    numbers = []
    for number, line in enumerate(lines(path), 1):
        row, _ = parsed(line, f"{path} line {number}")
        label = row.get("label") if isinstance(row, Mapping) else None
        if isinstance(label, float) and label.is_integer():
            label = int(label)
        if not isinstance(label, int) or isinstance(label, bool):
            raise XferError(
                f"{path}:{number} has no integer label.", '{"label": 0}, counted from 0, one row a line.'
            )
        numbers.append(label)
    return numbers


def ranked(path: Path) -> dict[str, list]:
    """Lists of ids per query (Mewsli-X, LAReQA): ``{"query": ["Q42", …]}``; 42 and "42" are one id."""
    by_query, _ = mapping(path)
    for key, value in by_query.items():
        if not isinstance(value, list):
            raise XferError(f"{path}: {key!r} has no list of ids: {value!r:.80}.", '{"query": ["Q42", …], …}')
        odd = next((item for item in value if not _is_id(item)), None)
        if odd is not None or None in value:
            raise XferError(
                f"{path}: {key!r} lists {odd!r:.80}, which is not an id.", '{"query": ["Q42", …], …}'
            )
    return {key: list(map(scalar_text, value)) for key, value in by_query.items()}


def _is_id(item: Any) -> bool:
    whole = isinstance(item, float) and item.is_integer()
    return isinstance(item, str | int) and not isinstance(item, bool) or whole
