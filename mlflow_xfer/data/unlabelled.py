"""A user's own examples, without labels, for ``predict``:
text, TSV, CSV or JSON lines in the columns of a task's kind.

=================  ===================================
=============================================================== kind               columns
a line of a ``.txt`` file =================  ===================================
=============================================================== classification     ``text_a`` (or ``text``),
``text_b``  a text, or two with a tab between them tagging            ``words`` (or ``text``)              a
sentence, words between blanks multiple_choice    ``context``, ``question``,           context, question and
the choices, with tabs between them
                   ``choices`` (or ``choice_1`` …)
span_qa            ``context``, ``question``            context and question, with a tab between them
retrieval          ``text``                             a text =================
===================================  ===============================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mlflow_xfer.data.lines import numbered, parsed
from mlflow_xfer.data.readers import MAX_PROBLEMS, comma_separated, tsv
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.tasks.task import Files, TaskKind

FORMATS = (".txt", ".tsv", ".csv", ".jsonl")
COLUMNS: Mapping[TaskKind, tuple[str, ...]] = {
    TaskKind.CLASSIFICATION: ("text_a", "text_b"),
    TaskKind.TAGGING: ("words",),
    TaskKind.MULTIPLE_CHOICE: ("context", "question", "choices"),
    TaskKind.SPAN_QA: ("context", "question"),
    TaskKind.RETRIEVAL: ("text",),
}
OPTIONAL = ("text_b",)


def read_unlabelled(path: Path | str, kind: TaskKind) -> list[dict[str, Any]]:
    """The examples of ``path`` in the canonical columns of ``kind``, with ids that are their line numbers.

    Raises:
        XferError: no such file, another format, or every line that does not read as the kind needs.
    """
    path, problems, rows = Path(path), Problems(), []
    if not path.is_file():
        raise XferError(
            f"{path}: no such file.",
            f"Accepted: a file {', '.join(FORMATS)}; the columns for {kind}: {wanted(kind)}",
        )
    if path.suffix not in FORMATS:
        raise XferError(
            f"{path}: unknown format {path.suffix or 'without an ending'}.",
            f"Accepted endings: {', '.join(FORMATS)}",
        )
    for number, raw in _raw(path, kind):
        if len(problems.found) >= MAX_PROBLEMS:
            break
        try:
            rows.append({"id": str(number)} | READ[kind](raw))
        except KeyError as error:
            problems.add(f"{path}:{number}: has no {error.args[0]}.", f"Columns for {kind}: {wanted(kind)}")
        except ValueError as error:
            problems.add(f"{path}:{number}: {error}.", f"Columns for {kind}: {wanted(kind)}")
    problems.raise_if_any()
    if not rows:
        raise XferError(f"{path} holds no example.", f"Columns for {kind}: {wanted(kind)}")
    return rows


def wanted(kind: TaskKind) -> str:
    """The columns of ``kind``, in words."""
    return ", ".join(f"{name} (optional)" if name in OPTIONAL else name for name in COLUMNS[kind])


def _raw(path: Path, kind: TaskKind) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(line, columns by name) of each example; empty lines are left out."""
    if path.suffix == ".jsonl":
        for number, line in numbered(path):
            if line.strip():
                found = parsed(path, line, number)
                if not isinstance(found, dict):
                    raise XferError(
                        f"{path}:{number}: is no JSON object.",
                        f'Expected an object with the columns {wanted(kind)}: {{"{COLUMNS[kind][0]}": …}}',
                    )
                yield number, found
    elif path.suffix == ".txt":
        for number, line in numbered(path):
            if line.strip():
                yield number, _by_position(line.split("\t"), kind)
    else:
        read = tsv if path.suffix == ".tsv" else comma_separated
        yield from read(path, Files({}, header=True), "")


def _by_position(fields: list[str], kind: TaskKind) -> dict[str, Any]:
    names = COLUMNS[kind]
    if names[-1] == "choices":
        return dict(zip(names, [*fields[:2], fields[2:]], strict=False))
    if len(fields) > len(names):
        raise XferError(
            f"{len(fields)} fields with tabs between them, but {kind} has {len(names)}: {fields[0][:40]!r} …",
            f"In a .txt file a line is: {' <tab> '.join(names)}",
        )
    return dict(zip(names, fields, strict=False))


def _text(raw: Mapping[str, Any], *names: str) -> str:
    """The first of the columns that is there, a text that is not blank."""
    found = next((raw[name] for name in names if raw.get(name) is not None), None)
    if found is None:
        raise KeyError(" or ".join(names))
    if not isinstance(found, str):
        raise ValueError(f"{names[0]} is {type(found).__name__}, not text")
    if not found.strip():
        raise ValueError(f"{names[0]} is empty")
    return found


def _classification(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "text_a": _text(raw, "text_a", "text"),
        "text_b": _text(raw, "text_b") if raw.get("text_b") not in (None, "") else None,
    }


def _tagging(raw: Mapping[str, Any]) -> dict[str, Any]:
    words = raw.get("words")
    if isinstance(words, list):
        if not words or not all(isinstance(word, str) and word.strip() for word in words):
            raise ValueError("words is not a list of words")
        return {"words": words}
    return {"words": _text(raw, "words", "text").split()}


def _multiple_choice(raw: Mapping[str, Any]) -> dict[str, Any]:
    choices = raw.get("choices", [raw[name] for name in raw if name.startswith("choice_") and raw[name]])
    if (
        not isinstance(choices, list)
        or len(choices) < 2
        or not all(isinstance(c, str) and c.strip() for c in choices)
    ):
        raise ValueError("has fewer than two choices")
    return {"context": _text(raw, "context"), "question": _text(raw, "question"), "choices": choices}


def _span_qa(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {"context": _text(raw, "context"), "question": _text(raw, "question")}


READ: Mapping[TaskKind, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    TaskKind.CLASSIFICATION: _classification,
    TaskKind.TAGGING: _tagging,
    TaskKind.MULTIPLE_CHOICE: _multiple_choice,
    TaskKind.SPAN_QA: _span_qa,
    TaskKind.RETRIEVAL: lambda raw: {"text": _text(raw, "text", "text_a", "source")},
}
