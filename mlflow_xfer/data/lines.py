"""Text files, line by line: UTF-8, any line end, errors with file and line."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlflow_xfer.errors import XferError

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Malformed(XferError):
    """A file that does not read as its format says; ``what`` begins with file and line."""


class Unscored(XferError):
    """A split without usable labels: its score would mean nothing."""


def numbered(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of ``path`` from 1, without line end, a byte order mark dropped.

    Only LF ends a line (a CR before it belongs to the end): characters such as U+2028 or U+0085, which
    ``str.splitlines`` also cuts at, stand inside sentences of real corpora.

    Raises:
        Malformed: other encodings than UTF-8, or NUL bytes.
    """
    try:
        with path.open("rb") as stream:
            for number, raw in enumerate(stream, 1):
                if number == 1:
                    raw = _first(path, raw)
                if b"\0" in raw:
                    raise Malformed(
                        f"{path}:{number}: holds a NUL byte.", "The file is damaged, or is not UTF-8 text."
                    )
                try:
                    line = raw.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise not_utf8(path, number, error) from None
                yield number, line.removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise XferError(
            f"{path}: cannot be read ({error.strerror or error}).", "Check the path and its permissions."
        ) from None


def whole(path: Path) -> str:
    """The text of ``path``, line ends made LF.

    Raises:
        Malformed: as for :func:`numbered`.
    """
    return "\n".join(line for _, line in numbered(path))


def parsed(path: Path, text: str, first_line: int) -> Any:
    """JSON, or an error with the line.

    Raises:
        Malformed: with line and column; says so where the text ends too early.
    """
    try:
        content = json.loads(text)
        half = SURROGATE.search(text)  # JSON alone can write half a surrogate pair, which is no text
        if half:
            _encodable(content)
        return content
    except UnicodeEncodeError:
        assert half is not None
        where = first_line + text.count("\n", 0, half.start())
        raise Malformed(
            f"{path}:{where}: holds half a surrogate pair (\\ud800-\\udfff), which is not text."
        ) from None
    except json.JSONDecodeError as error:
        where = first_line + error.lineno - 1
        end = " The text ends there: the file may be truncated." if not text[error.pos :].strip() else ""
        raise Malformed(f"{path}:{where}: is not JSON ({error.msg} at column {error.colno}).{end}") from None
    except (RecursionError, ValueError) as error:
        raise Malformed(f"{path}:{first_line}: is not JSON ({error}).") from None


def _encodable(content: Any) -> None:
    """Raises ``UnicodeEncodeError`` for half surrogate pairs anywhere inside."""
    json.dumps(content, ensure_ascii=False).encode()


def ends_with_crlf(path: Path) -> bool:
    """Whether the first line ends with CR LF."""
    with path.open("rb") as stream:
        return stream.readline().endswith(b"\r\n")


def not_utf8(path: Path, number: int, error: UnicodeDecodeError) -> Malformed:
    byte = error.object[error.start]
    return Malformed(
        f"{path}:{number}: is not UTF-8 (byte 0x{byte:02x} at column {error.start + 1}).",
        f"Convert the file, for example: iconv -f latin1 -t utf-8 {path.name} > utf8-{path.name}",
    )


def _first(path: Path, raw: bytes) -> bytes:
    if raw.startswith(UTF16):
        raise Malformed(
            f"{path}:1: is UTF-16.",
            f"Convert the file: iconv -f utf-16 -t utf-8 {path.name} > utf8-{path.name}",
        )
    return raw.removeprefix(codecs.BOM_UTF8)
