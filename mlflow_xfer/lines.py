"""Text files, data and side files alike: UTF-8, any line end, errors with file and line."""

from __future__ import annotations

import codecs
import json
import re
import shlex
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from mlflow_xfer.errors import XferError

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
COMPRESSED = {
    b"\x1f\x8b": "gzip -dk",
    b"PK\x03\x04": "unzip",
    b"\xfd7zXZ\0": "xz -dk",
    b"BZh91AY&SY": "bzip2 -dk",
    b"\x28\xb5\x2f\xfd": "zstd -d",
}
"""What compressed files begin with, and the command that decompresses them."""
UNPACKED_BY: dict[str, str] = dict(
    zip((".gz", ".zip", ".xz", ".bz2", ".zst"), COMPRESSED.values(), strict=True)
)
"""By the ending of compressed files, the same."""
ENCODINGS = "cp1252 of western Europe, cp1251 of Cyrillic, gb18030 of Chinese, shift_jis of Japanese"


class Malformed(XferError):
    """A file that does not read as its format says; ``what`` begins with file and line."""


class Unscored(XferError):
    """A split without usable labels: its score would mean nothing."""


def numbered(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of ``path`` from 1, without line end, a byte order mark dropped.

    Only LF ends a line (a CR before it belongs to the end), or CR in a file without any LF: characters such
    as U+2028 or U+0085, which ``str.splitlines`` also cuts at, stand inside sentences of real corpora.

    Raises:
        Malformed: other encodings than UTF-8, or NUL bytes.
        XferError: it cannot be read, or is no regular file: a pipe would be waited on for ever.
    """
    try:
        ordinary(path)
        with path.open("rb") as stream:
            for number, raw in enumerate(_lines(stream), 1):
                if number == 1:
                    raw = _first(path, raw)
                if b"\0" in raw:
                    raise Malformed(
                        f"{path}:{number}: holds a NUL byte.",
                        f"The file is damaged, or is not UTF-8 text; if UTF-16: {_iconv(path, 'utf-16le')}",
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


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines that end with LF; of a file that has none, those that end with CR."""
    for first in stream:
        if not first.endswith(b"\n") and b"\r" in first:
            yield from first.removesuffix(b"\r").split(b"\r")
        else:
            yield first
        yield from stream


def ordinary(path: Path, limit: int | None = None) -> None:
    """Refuse what is no regular file, and files of more than ``limit`` bytes.

    Raises:
        OSError: no such file, or it may not be looked at.
        XferError: a folder, a pipe, a device, or too large.
    """
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        kind = "folder" if stat.S_ISDIR(about.st_mode) else "pipe or device"
        raise XferError(f"{path}: is a {kind}, not a file.", "Give the name of a file.")
    if limit is not None and about.st_size > limit:
        raise XferError(
            f"{path}: has {about.st_size / 2**20:,.0f} MiB; at most {limit / 2**20:g} MiB are read here.",
            "Is it the right file?",
        )


def looked_for(path: str | Path, what: str) -> str:
    """How a message says that there is no ``what`` (folder, file) at ``path``, and where that is."""
    place = Path(path).expanduser()
    absent = f"is no {what}" if _exists(place) else f"no such {what}"
    if str(path)[:1] in ("'", '"') and str(path)[:1] == str(path)[-1:]:
        absent += " (the quotes are part of the name)"
    if place.is_absolute():
        return f"{absent}." if str(place) == str(path) else f"{absent}: {place}."
    begin = "A relative path begins at the current folder (mlflow run: the project's)."
    return f"{absent}: {Path.cwd() / place}. {begin}"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL
        return False


def names_in(path: Path) -> tuple[str, ...]:
    """Names (labels, ids) that a file lists: lines, a JSON list, or the keys of a JSON object.

    Raises:
        XferError: not readable as that.
    """
    if path.suffix != ".json":
        names = (line.replace("\ufeff", "").strip() for _, line in numbered(path))  # of files put together
        return tuple(name for name in names if name)
    record = parsed(path, whole(path), 1)
    if isinstance(record, dict):
        return tuple(record)
    if not isinstance(record, list):
        raise XferError(f"{path}: is neither a JSON list nor a JSON object.")
    for number, name in enumerate(record, 1):
        if isinstance(name, bool) or not isinstance(name, str | int | float) or name != name:
            raise XferError(f"{path}: entry {number} is {name!r:.40}, not a name.")
    return tuple(map(scalar_text, record))


def scalar_text(value: Any) -> str:
    """A name or id as text, whatever type it was written in: 7, 7.0 and "7" are equal."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def whole(path: Path) -> str:
    """The text of ``path``, line ends made LF.

    Raises:
        Malformed: as for :func:`numbered`.
    """
    return "\n".join(line for _, line in numbered(path))


def parsed(path: Path, text: str, first_line: int) -> Any:
    """JSON, or an error with the line.

    Raises:
        Malformed: with line and column; says so where the text ends too early. Also where an object has a
            name twice: JSON would keep the last.
    """
    try:
        content = json.loads(text, object_pairs_hook=_distinct)
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
        if error.msg == "Extra data" and error.lineno > 1:
            end = " A document ends before it: one on each line is of the format jsonl."
        raise Malformed(f"{path}:{where}: is not JSON ({error.msg} at column {error.colno}).{end}") from None
    except _Twice as error:
        where = "" if "\n" in text else f":{first_line}"
        raise Malformed(f"{path}{where}: an object names {error.args[0]!r:.80} twice.") from None
    except (RecursionError, ValueError) as error:
        raise Malformed(f"{path}:{first_line}: is not JSON ({error}).") from None


class _Twice(ValueError):
    """The name that an object has twice."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _Twice(Counter(name for name, _ in pairs).most_common(1)[0][0])
    return made


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
        f"Convert the file from what it is in ({ENCODINGS}), for example: {_iconv(path, 'cp1252')}",
    )


def _first(path: Path, raw: bytes) -> bytes:
    if raw.startswith(UTF16):
        raise Malformed(f"{path}:1: is UTF-16.", f"Convert the file: {_iconv(path, 'utf-16')}")
    for begin, command in COMPRESSED.items():
        if raw.startswith(begin):
            raise Malformed(f"{path}:1: is compressed.", _unpack(path, command))
    while raw.startswith(codecs.BOM_UTF8):  # saved twice by programs that put one before what they find
        raw = raw.removeprefix(codecs.BOM_UTF8)
    return raw


def unpacking(path: Path) -> str:
    """What to do first about a file whose name says that it is compressed; empty: it does not."""
    command = UNPACKED_BY.get(path.suffix.lower())
    return _unpack(path, command) if command else ""


def _unpack(path: Path, command: str) -> str:
    return f"Decompress it, and give the name of what comes out: {command} {shlex.quote(path.name)}"


def _iconv(path: Path, encoding: str) -> str:
    return f"iconv -f {encoding} -t utf-8 {shlex.quote(path.name)} > {shlex.quote('utf8-' + path.name)}"
