"""A word and its tag per line, in fields."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mlflow_xfer.data.readers import Numbered, each_file
from mlflow_xfer.lines import Malformed, numbered
from mlflow_xfer.tasks.task import Files

NUMBER = re.compile(r"[0-9]+([-.][0-9]+)?")  # of a word in its sentence, as CoNLL-U writes it
ONE_WORD = "One token and its tag per line, separated by a tab or by blanks."


@each_file
def read(path: Path, source: Files, language: str) -> Numbered:
    """One token per line, a blank line between sentences (several count as one).

    Fields are separated by tabs, or by blanks where no line has a tab. ``columns`` says where ``words`` and
    ``tags`` stand (default: first and last; a file of one column has no tags). ``-DOCSTART-`` and comments
    before a sentence are skipped, and where another column numbers the words also ranges (``1-2``) and empty
    nodes (``1.1``). PAN-X's raw files write ``en:token``: where all tokens begin so, the prefix is cut at the
    first colon, and a token without tag is ``O`` there.
    """
    at_word, at_tag = source.columns.get("words", 0), source.columns.get("tags", -1)
    lines = list(numbered(path))
    table = _table(path, lines, at_tag)
    prefix = f"{source.codes.get(language, language)}:"
    rows = [fields for sentence in table.sentences for _, fields in sentence]
    prefixed = bool(rows) and all(fields[0].startswith(prefix) for fields in rows)
    counted = [NUMBER.fullmatch(fields[0]) for fields in rows]
    if rows and at_word == 0 and table.width > 2 and _counts(table.sentences):
        raise Malformed(
            f"{path}:{table.sentences[0][0][0]}: the first column counts the words of each sentence.",
            "Say where words and tags stand (from 0): columns: {words: 1, tags: 2}.",
        )
    numbered_words = at_word != 0 and all(counted)
    for sentence in table.sentences:
        words: list[str] = []
        tags: list[str | None] = []
        for number, fields in sentence:
            if numbered_words and not fields[0].isdigit():
                continue
            word = _field(fields, at_word) or ""
            word = word.removeprefix(prefix) if prefixed else word
            tag = (_field(fields, at_tag) or "").strip(" ") if table.width > 1 and len(fields) > 1 else None
            if table.width > 1 and not tag:
                if not prefixed:
                    raise Malformed(f"{path}:{number}: token {word!r} has no tag.", ONE_WORD)
                tag = "O"
            # WikiAnn has words that consist of a space
            if not word.strip() and not (table.tabs and tag):
                raise Malformed(f"{path}:{number}: has no token.", ONE_WORD)
            words.append(word)
            tags.append(tag)
        if words:
            yield sentence[0][0], {"words": words, "tags": tags if table.width > 1 else None}


class Table(NamedTuple):
    """The fields of a file: sentences of numbered lines, whether tabs separate them, how many a line has."""

    sentences: list[list[tuple[int, list[str]]]]
    tabs: bool
    width: int


def _table(path: Path, lines: Sequence[tuple[int, str]], at_tag: int) -> Table:
    """What the lines hold. In a table of blanks every line has as many fields as most have."""
    sure = [line for _, line in lines if line.strip() and line[0] != "#" and not _is_start(line)]
    sure = sure or [line for _, line in lines if "\t" in line.strip()]
    tabs = any("\t" in line for line in sure)
    if not tabs:
        widths = Counter(len(_between_blanks(line)) for line in sure)
        width = widths.most_common(1)[0][0] if widths else 0
        if width < 2:  # words alone, which may hold blanks
            tabs = True
    if tabs:
        width = max((len(line.split("\t")) for line in sure), default=0)

    def fields_of(line: str) -> list[str]:
        if not tabs:
            return _between_blanks(line)
        fields = line.split("\t")
        while at_tag == -1 and len(fields) > 1 and not fields[-1].strip(" "):
            fields.pop()
        return fields

    known = {_field(fields_of(line), at_tag) for line in sure}
    sentences: list[list[tuple[int, list[str]]]] = [[]]
    for number, line in lines:
        if not line.strip() or _is_start(line):
            sentences.append([])
            continue
        fields = fields_of(line)
        odd = len(fields) != width
        if line[0] == "#" and not sentences[-1]:  # a comment, or a token that has a tag as others have
            spoken = not tabs or fields[0].startswith("# ")
            comment = odd or (spoken and _field(fields, at_tag) not in known)
            if comment:
                continue
        if odd and not tabs:
            raise Malformed(
                f"{path}:{number}: has {len(fields)} fields, other lines have {width}.",
                ONE_WORD,
            )
        sentences[-1].append((number, fields))
    return Table([sentence for sentence in sentences if sentence], tabs, width)


def _between_blanks(line: str) -> list[str]:
    """Other space (U+00A0, U+3000) stands inside of words."""
    return [field for field in line.split(" ") if field]


def _is_start(line: str) -> bool:
    """Whether a line says that a document starts or ends."""
    return line.startswith(("-DOCSTART-", "#begin document", "#end document"))


def _counts(sentences: Sequence[Sequence[tuple[int, list[str]]]]) -> bool:
    """Whether the first fields count the words of each sentence from 1."""
    firsts = ([fields[0] for _, fields in sentence] for sentence in sentences)
    whole: Iterator[list[str]] = ([name for name in names if name.isdigit()] for names in firsts)
    return all(names == [str(n) for n in range(1, len(names) + 1)] and names for names in whole)


def _field(fields: Sequence[str], position: int) -> str | None:
    return fields[position] if -len(fields) <= position < len(fields) else None
