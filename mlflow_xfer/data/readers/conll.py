"""A word and its tag per line, in fields."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from mlflow_xfer.data.readers import Numbered, each_file
from mlflow_xfer.languages import code_of
from mlflow_xfer.lines import Malformed, numbered
from mlflow_xfer.tasks.task import Files, name_in

NUMBER = re.compile(r"[0-9]+([-.][0-9]+)?")  # of a word in its sentence, as CoNLL-U writes it
COUNT = re.compile(r"([0-9]+-)?([0-9]{1,9})(\.[0-9]+)?")  # the same, also after the number of its sentence
OF_A_HASH = re.compile("SYM|PUNCT|X|[BIESLU]-.+")  # tags that no comment of one word reads like
ONE_WORD = "One token and its tag per line, separated by a tab or by blanks."


@each_file
def read(path: Path, source: Files, language: str) -> Numbered:
    """One token per line, a blank line between sentences (several count as one).

    Fields are separated by tabs, or by blanks where no line has a tab. ``columns`` says where ``words`` and
    ``tags`` stand (default: first and last; a file of one column has no tags). ``-DOCSTART-`` and comments
    before a sentence are skipped, and where another column numbers the words also ranges (``1-2``) and empty
    nodes (``1.1``). PAN-X's raw files write ``en:token``: where most tokens begin so, the prefix is cut at
    the first colon, and a token without tag is ``O`` there.
    """
    at_word, at_tag = source.columns.get("words", 0), source.columns.get("tags", -1)
    table = _table(path, list(numbered(path)), at_tag)
    column = [[_field(fields, at_word) or "" for _, fields in sentence] for sentence in table.sentences]
    if table.width > 2 and _counts(column):
        raise Malformed(
            f"{path}:{table.sentences[0][0][0]}: column {at_word} counts the words.",
            "Say where words and tags stand (from 0), for example: columns: {words: 1, tags: 2}.",
        )
    prefix = _prefix(path, [word for words in column for word in words], source, language)
    firsts = [fields[0] for sentence in table.sentences for _, fields in sentence]
    numbered_words = at_word != 0 and all(map(NUMBER.fullmatch, firsts)) and any(map(str.isdigit, firsts))
    for sentence in table.sentences:
        words: list[str] = []
        tags: list[str | None] = []
        for number, fields in sentence:
            if numbered_words and not fields[0].isdigit():
                continue
            word = (_field(fields, at_word) or "").removeprefix(prefix)
            tag = (_field(fields, at_tag) or "").strip(" ") if table.width > 1 and len(fields) > 1 else None
            if table.width > 1 and not tag:
                if not prefix:
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
    """What the lines hold. Every line has as many fields as most have, save where the tag is counted from the
    first field or lacks."""
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

    table = [fields_of(line) for line in sure]
    known = {_field(fields, at_tag) for fields in table}
    shapes = set(map(_shape, known))
    usual, usual_filled = (_most([count(fields) for fields in table]) for count in (len, _filled))
    sentences: list[list[tuple[int, list[str]]]] = [[]]
    for number, line in lines:
        if not line.strip() or _is_start(line):
            sentences.append([])
            continue
        fields = fields_of(line)
        # several tabs may stand between two fields, to bring tags below each other
        odd = len(fields) != usual and not (tabs and _filled(fields) == usual_filled)
        if line[0] == "#" and not sentences[-1]:  # a comment, or a token that has a tag as others have
            spoken, tag = not tabs or fields[0].startswith("# "), _field(fields, at_tag)
            # its tag may be one that no other word has
            alike = _shape(tag) in shapes
            own = alike and (fields[0][1:2] not in ("", " ") or OF_A_HASH.fullmatch(tag or ""))
            tagged = tag in known or own
            if odd or (spoken and not tagged):
                continue
        if odd and not (tabs and (at_tag >= 0 or len(fields) == 1)):
            raise Malformed(f"{path}:{number}: has {len(fields)} fields, other lines have {usual}.", ONE_WORD)
        sentences[-1].append((number, fields))
    return Table([sentence for sentence in sentences if sentence], tabs, width)


def _filled(fields: Sequence[str]) -> int:
    """How many fields are not blank."""
    return sum(bool(field.strip()) for field in fields)


def _most(counts: Sequence[int]) -> int:
    """The most frequent count, of lines with more than one field if there are any; 0: there is no line."""
    several = Counter([count for count in counts if count > 1] or counts)
    return several.most_common(1)[0][0] if several else 0


def _shape(tag: str | None) -> str:
    """How a tag is written: ``A-A`` for B-PER, ``a`` for noun."""
    return re.sub("[0-9]+", "9", re.sub("[a-z]+", "a", re.sub("[A-Z]+", "A", tag or "")))


def _between_blanks(line: str) -> list[str]:
    """Other space (U+00A0, U+3000) stands inside of words."""
    return [field for field in line.split(" ") if field]


def _is_start(line: str) -> bool:
    """Whether a line says that a document starts or ends."""
    return line.startswith(("-DOCSTART-", "#begin document", "#end document"))


def _counts(column: Sequence[Sequence[str]]) -> bool:
    """Whether a column, by sentence, counts words: those of each sentence from 1, or all of it are numbers
    that rise in each sentence (from 0, through the file, or after the sentence's own: 1-1, 1-2)."""
    found = [[COUNT.fullmatch(name) for name in names] for names in column]
    whole = any(name.isdigit() for names in column for name in names)  # then 1-2 is a range
    numbers = [[int(one[2]) for one in row if one and not one[3] and bool(one[1]) != whole] for row in found]
    if whole and all(row and row == list(range(1, len(row) + 1)) for row in numbers):
        return True
    rising = all(row and all(a < b for a, b in pairwise(row)) for row in numbers)
    return rising and all(map(all, found)) and any(len(row) > 1 for row in numbers)


def _prefix(path: Path, words: Sequence[str], source: Files, language: str) -> str:
    """The language's code that stands before most words, as in PAN-X's raw files; empty: there is none.

    Raises:
        Malformed: what stands before most words is no code of this language.
    """
    own = name_in(source, language)
    begin = re.compile(rf"({re.escape(own)}|[a-z-]{{2,12}}):(?!//)")
    found = Counter(one[1] for one in map(begin.match, words) if one)
    code, times = found.most_common(1)[0] if found else ("", 0)
    if times * 2 <= len(words):
        return ""
    if code in (own, language) or code_of(code) == (code_of(language) or language):
        return f"{code}:"
    if times == 1:
        return ""
    raise Malformed(
        f"{path}: {times:,} of {len(words):,} words begin with '{code}:', which does not name {language}.",
        f"Is it the file of {language}? If so, cut what stands before its words.",
    )


def _field(fields: Sequence[str], position: int) -> str | None:
    return fields[position] if -len(fields) <= position < len(fields) else None
