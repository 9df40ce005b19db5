"""File formats of single benchmarks: XCOPA, BUCC, LAReQA, Mewsli-X, CCG as jiant writes it.

As in ``readers.py`` a reader yields raw rows with their places; retrieval rows already have the kind's
columns, with None for the side that a query or a candidate does not have. ``ROWS`` holds those that serve the
hub's copies too: they take one row of the data set after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlflow_xfer.data.lines import Malformed, numbered, parsed, whole
from mlflow_xfer.data.sentences import sentence_breaks

Places = Iterator[tuple[Path, int, dict[str, Any]]]


def xcopa(paths: tuple[Path, ...], language: str) -> Places:
    """A language's XCOPA file with ``question`` (cause, effect) taken from English COPA by ``idx``.

    XCOPA's own field differs from COPA's in some languages (Turkish: 449 of 500 test rows agree, Thai: 250),
    labels do not; a prompt built on it would ask for a cause where the choices are effects.
    """
    own, english = paths
    asked = {row["idx"]: row["question"] for _, _, row in _objects(english, ("idx", "question"))}
    for path, number, row in _objects(own, ("idx", "premise", "choice1", "choice2")):
        if row["idx"] not in asked:
            raise Malformed(
                f"{path}:{number}: {english.name} has no row with idx {row['idx']}.",
                "COPA says whether a row asks for the cause or the effect.",
            )
        yield path, number, row | {"id": str(row["idx"]), "question": asked[row["idx"]]}


def bucc(paths: tuple[Path, ...], language: str) -> Places:
    """BUCC: two files ``id<TAB>sentence`` and a file of gold pairs ``id<TAB>English id``.

    Every sentence of both sides is a row, with the gold pairs as they stand: that XTREME leaves out sentences
    which occur twice is part of its mining, and a gold pair of theirs then counts as missed.
    """
    foreign, english, gold = paths
    sides = [list(_two_fields(path)) for path in (foreign, english)]
    known = [{name for _, name, _ in side} for side in sides]
    pairs: dict[str, list[str]] = {}
    for number, left, right in _two_fields(gold):
        if left not in known[0] or right not in known[1]:
            raise Malformed(
                f"{gold}:{number}: {left} or {right} is not an id of {foreign.name} and {english.name}."
            )
        pairs.setdefault(left, []).append(right)
    for number, name, sentence in sides[0]:
        yield foreign, number, {"id": name, "source": sentence, "target": None, "gold": pairs.get(name, [])}
    for number, name, sentence in sides[1]:
        yield english, number, {"id": name, "source": None, "target": sentence, "gold": []}


def lareqa(paths: tuple[Path, ...], language: str) -> Places:
    """XQuAD-R or MLQA-R: questions, and every sentence of every paragraph, in its paragraph, as a candidate.

    A question's id is the same in all languages, a candidate's is ``<language>:<paragraph>.<sentence>``.
    """
    for path in paths:
        content, number = parsed(path, whole(path), 1), 0
        try:
            for article in content["data"]:
                for paragraph in article["paragraphs"]:
                    number += 1
                    yield from _answers(path, language, number, paragraph)
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed(
                f"{path}: paragraph {number} is not in LAReQA's format ({error!r}).",
                "SQuAD's format with sentence_breaks [[from, to], …] per paragraph",
            ) from None


def _answers(path: Path, language: str, number: int, paragraph: dict) -> Places:
    context, breaks = paragraph["context"], paragraph["sentence_breaks"]
    names = [f"{language}:{number}.{place}" for place in range(len(breaks))]
    for name, (begin, end) in zip(names, breaks, strict=True):
        yield (
            path,
            number,
            {
                "id": name,
                "source": None,
                "target": context[begin:end].strip(),
                "context": context,
                "gold": [],
            },
        )
    for question in paragraph["qas"]:
        starts = [answer["answer_start"] for answer in question["answers"]]
        gold = [
            name
            for name, (begin, end) in zip(names, breaks, strict=True)
            if any(begin <= start < end for start in starts)
        ]
        if not gold:
            raise Malformed(
                f"{path}: question {question['id']!r} has its answer in no sentence of its paragraph."
            )
        yield (
            path,
            number,
            {"id": str(question["id"]), "source": question["question"], "target": None, "gold": gold},
        )


def answer_sentences(rows: Places, language: str) -> Places:
    """LAReQA from questions with answers (XQuAD), whose sentences are cut by rules here: the released breaks
    differ in places, so figures do not compare to the digit."""
    paragraphs: dict[str, dict] = {}
    for path, _, row in rows:
        context, answers = row["context"], row["answers"]
        paragraph = paragraphs.setdefault(
            context,
            {"path": path, "context": context, "sentence_breaks": sentence_breaks(context), "qas": []},
        )
        given = [{"answer_start": start} for start in answers["answer_start"]]
        paragraph["qas"].append({"id": row["id"], "question": row["question"], "answers": given})
    for number, paragraph in enumerate(paragraphs.values(), 1):
        yield from _answers(paragraph["path"], language, number, paragraph)


def mewsli_mentions(rows: Places, language: str) -> Places:
    """Mewsli-X's WikiNews mentions in one language: ``span:
    left { span } right`` within the mention's sentence.
    """
    for path, number, row in _having(rows, "context", "mentions"):
        if row["context"].get("language") != language:
            continue
        for mention in row["mentions"]:
            yield (
                path,
                number,
                {
                    "id": mention["example_id"],
                    "source": _marked(path, number, row["context"], mention),
                    "target": None,
                    "gold": [mention["entity_id"]],
                },
            )


def mewsli_pairs(rows: Places, language: str) -> Places:
    """Mewsli-X's Wikipedia pairs (English): a mention and the description of its entity, in one row."""
    for path, number, row in _having(rows, "contextual_mention", "entity"):
        context, mention = row["contextual_mention"]["context"], row["contextual_mention"]["mention"]
        yield (
            path,
            number,
            {
                "id": mention["example_id"],
                "source": _marked(path, number, context, mention),
                "target": row["entity"]["description"],
            },
        )


def mewsli_entities(rows: Places, language: str) -> Places:
    """Mewsli-X's candidates: descriptions of entities, each in some language."""
    for path, number, row in _having(rows, "entity_id", "description"):
        yield path, number, {"id": row["entity_id"], "source": None, "target": row["description"], "gold": []}


def _marked(path: Path, number: int, context: dict, mention: dict) -> str:
    """The sentence of a mention, the mention named before and marked inside (XTREME-R's baseline)."""
    try:
        text, span = context["text"], mention["mention_span"]
        start, end = span["start"], span["end"]
        begin, stop = next(
            ((b, e) for b, e in context.get("sentence_spans") or () if b <= start < e), (0, len(text))
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(f"{path}:{number}: is not in Mewsli-X's format ({error!r}).") from None
    if text[start:end] != span["text"]:
        raise Malformed(
            f"{path}:{number}: {span['text']!r} does not stand at character {start} of its text.",
            "Released files have no article text: run the data set's script that fills it in.",
        )
    return f"{span['text']}: {text[begin:start]}{{ {span['text']} }}{text[end:stop]}".strip()


def words_and_tags(paths: tuple[Path, ...], language: str) -> Places:
    """jiant's CCG files: a sentence per line, words, a tab, tags, both separated by blanks."""
    for path in paths:
        for number, left, right in _two_fields(path):
            yield path, number, {"words": left.split(" "), "tags": right.split(" ")}


def _objects(path: Path, needed: tuple[str, ...] = ()) -> Places:
    yield from _having(
        ((path, number, parsed(path, line, number)) for number, line in numbered(path) if line.strip()),
        *needed,
    )


def _having(rows: Places, *needed: str) -> Places:
    for path, number, row in rows:
        missing = [name for name in needed if not isinstance(row, dict) or row.get(name) is None]
        if missing:
            raise Malformed(f"{path}:{number}: has no {', '.join(missing)}.")
        yield path, number, row


def _lines_of(convert: Callable[[Places, str], Places]) -> Callable[[tuple[Path, ...], str], Places]:
    """A reader of JSON lines from a converter of rows."""
    return lambda paths, language: convert((place for path in paths for place in _objects(path)), language)


def _two_fields(path: Path) -> Iterator[tuple[int, str, str]]:
    for number, line in numbered(path):
        if line.strip():
            fields = line.split("\t")
            if len(fields) != 2:
                raise Malformed(f"{path}:{number}: has {len(fields)} fields, expected 2, separated by a tab.")
            yield number, fields[0], fields[1]


BENCHMARKS: dict[str, Callable[[tuple[Path, ...], str], Places]] = {
    "xcopa": xcopa,
    "bucc": bucc,
    "lareqa": lareqa,
    "mewsli-mentions": _lines_of(mewsli_mentions),
    "mewsli-pairs": _lines_of(mewsli_pairs),
    "mewsli-entities": _lines_of(mewsli_entities),
    "words-tags": words_and_tags,
}

ROWS: dict[str, Callable[[Places, str], Places]] = {
    "answer-sentences": answer_sentences,
    "mewsli-mentions": mewsli_mentions,
    "mewsli-pairs": mewsli_pairs,
    "mewsli-entities": mewsli_entities,
}
