"""How tags mark entities: which word begins one and which goes on, by the scheme of a user's tags.

XTREME reads the first letter of every tag (``f1.py``), which is right for its own tasks alone. Elsewhere a
prefix counts only before ``-``, only ``O`` is outside, and a tag without prefix is the type of its words;
where prefixes are all there is (``B``, ``I``, ``O``: key phrases, terms), they mark entities of one type
without a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from mlflow_xfer.errors import XferError

XTREME = "xtreme"
BARE = "bare"
SCHEMES = {
    BARE: "",
    "iob1": "BI",
    "iob2": "BI",
    "iobes": "BIES",
    "bilou": "BILU",
}
"""The prefixes of each scheme."""
MARKS = "BIESLUMW"
"""Letters that some scheme has for a prefix, those that are not read among them."""
PREFIXED = re.compile(r"([A-Z])-.+", re.DOTALL)
LIKE_A_PREFIX = (
    re.compile(r"([BIOESLU])[_/:.|+\u2010-\u2015\u2212].+", re.IGNORECASE),  # dashes that are no hyphen
    re.compile(r"([bioeslu])-.+"),
    re.compile(r".+[-_/:.|+\u2010-\u2015\u2212]([BIESLU])", re.IGNORECASE),
)
LIKE_OUTSIDE = {"o", "0", "_", "-", "none", "null", "out", "outside"}
HINT = (
    "scheme: bare (every tag is a type), iob1, iob2, iobes or bilou; "
    "labels: {in the file: name} spells tags anew (B_PER: B-PER)."
)

Chunk = tuple[int, str, int, int]


def scheme_of(labels: Iterable[str]) -> str:
    """The scheme that a task's tags are written in.

    Raises:
        XferError: it cannot be told.
    """
    labels = list(labels)
    inside = [label for label in labels if label != "O"]
    prefixes = {match.group(1) if (match := PREFIXED.fullmatch(label)) else "" for label in inside}
    if "B" in inside and {"I", "M"} & {*inside} and {*inside} <= {*MARKS}:  # B alone may be a type
        prefixes = {*inside}
    marks = "".join(sorted(prefixes - {""}))
    if not marks or not {*marks} <= {*MARKS}:
        _check_bare(inside, "O" in labels)
        return BARE
    if "" in prefixes:
        plain = next(label for label in inside if not PREFIXED.fullmatch(label))
        raise _unclear(f"some have a prefix ({marks[0]}-), {plain} has none")
    if marks == "I":
        return "iob1"
    if "B" in marks:
        for name in ("iob2", "iobes", "bilou"):
            if set(marks) <= set(SCHEMES[name]):
                return name
    raise _unclear(f"their prefixes are {', '.join(f'{mark}-' for mark in marks)}")


def is_prefixed(label: str) -> bool:
    """Whether a label begins as in one of the schemes."""
    return bool(re.match("[BIESLU]-.", label, re.DOTALL))


def _check_bare(inside: Sequence[str], outside: bool) -> None:
    for like in LIKE_A_PREFIX:
        matches = [like.fullmatch(label) for label in inside]
        marks = {one.group(1).upper() for one in matches if one}
        if all(matches) and {"B", "I"} & marks and len(inside) > 1:
            raise _unclear(f"{inside[0]} is like a prefix, which stands before -")
    odd = [label for label in inside if label.lower() in LIKE_OUTSIDE and not all(map(str.isdecimal, inside))]
    if odd and not outside:
        raise _unclear(f"{odd[0]} is like O, and only O is outside")


def _unclear(why: str) -> XferError:
    return XferError(f"how its tags mark entities is not clear: {why}.", HINT)


@cache
def split(tag: str, scheme: str) -> tuple[str, str]:
    """What a tag says of its word (B, I, E, S or O), and its type."""
    if tag == "O":
        return "O", ""
    if (len(tag) == 1 or PREFIXED.fullmatch(tag)) and tag[0] in SCHEMES[scheme]:
        return {"L": "E", "U": "S"}.get(tag[0], tag[0]), tag[2:]
    return "I", tag


def spans(tags: Sequence[str], scheme: str) -> Iterator[tuple[str, int, int]]:
    """(type, first word, last word) of each entity; what continues nothing begins one, as in conlleval."""
    kind, first = "", -1
    for place, tag in enumerate((*tags, "O")):
        mark, now = split(tag, scheme)
        begins = mark in "BS" or (mark != "O" and (first < 0 or kind != now))
        if first >= 0 and (mark == "O" or begins):
            yield kind, first, place - 1
            first = -1
        if begins:
            kind, first = now, place
        if mark in "ES":
            yield kind, first, place
            first = -1


def well_formed_spans(tags: Sequence[str], scheme: str) -> Iterator[tuple[str, int, int]]:
    """As :func:`spans`, those alone that are written as the scheme says; the rules are those of seqeval's
    strict mode."""
    if scheme == "iob1":
        yield from _well_formed_iob1(tags)
        return
    right = {"iob2": "B.*", "iobes": "S|BI*E", "bilou": "S|BI*E"}.get(scheme, ".*")
    for kind, first, last in spans(tags, scheme):
        if re.fullmatch(right, "".join(split(tag, scheme)[0] for tag in tags[first : last + 1])):
            yield kind, first, last


def _well_formed_iob1(tags: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """I- begins an entity, B- only after a word of its type; elsewhere it counts as outside. An entity of one
    B- is passed over before a B- of another type, as seqeval knows no end there."""
    read = [split(tag, "iob1") for tag in (*tags, "O")]
    before, place = ("O", ""), 0
    while place < len(tags):
        first, (mark, kind) = place, read[place]
        place += 1
        if mark == "I" or (mark == "B" and before[0] != "O" and before[1] == kind):
            while read[place] == ("I", kind):
                place += 1
            alone = mark == "B" and place == first + 1
            if not (alone and read[place][0] == "B" and read[place][1] != kind):
                yield kind, first, place - 1
        before = read[place - 1]


def told_apart(sentences: Iterable[Sequence[str]], scheme: str) -> str:
    """IOB1 where labels say IOB2, but B- only parts neighbours of one type, and I- begins all else."""
    if scheme != "iob2":
        return scheme
    begin = set()
    for tags in sentences:
        before = ("", -2)
        for kind, first, last in spans(tags, scheme):
            begin.add((tags[first][0], before == (kind, first - 1)))
            before = (kind, last)
    return "iob1" if ("I", False) in begin and ("B", False) not in begin else scheme


def chunks(sentences: Iterable[Sequence[str]], scheme: str, strict: bool = False) -> list[Chunk]:
    """Entities ``(sentence, type, first, last)``; positions count through all sentences, with one between."""
    entities: list[Chunk] = []
    start, find = 0, well_formed_spans if strict else spans
    for number, tags in enumerate(sentences):
        entities += [(number, kind, start + first, start + last) for kind, first, last in find(tags, scheme)]
        start += len(tags) + 1
    return entities
