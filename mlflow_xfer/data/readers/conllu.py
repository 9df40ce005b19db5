"""CoNLL-U."""

from __future__ import annotations

from pathlib import Path

from mlflow_xfer.data.labels import directed_label
from mlflow_xfer.data.readers import Numbered, each_file
from mlflow_xfer.lines import Malformed, numbered
from mlflow_xfer.registry import unknown
from mlflow_xfer.tasks.task import Files

FORM = 1
TAGS = {"upos": 3, "xpos": 4, "deprel": 7}


@each_file
def read(path: Path, source: Files, language: str) -> Numbered:
    """CoNLL-U by syntactic word: comments, ranges (``1-2``) and empty nodes (``1.1``) are skipped.

    ``columns``: ``words`` may be ``form`` alone (or 1, its place); ``tags`` may be ``upos`` (default),
    ``xpos`` or ``deprel``; ``deprel-direction`` is the dependency label without subtype and the side on which
    the head stands (``<``, ``>``), a free stand-in for supertags.
    """
    chosen, words_in = source.columns.get("tags", "upos"), source.columns.get("words", "form")
    if words_in not in ("form", FORM):
        raise unknown("column of words of CoNLL-U", str(words_in), ("form",))
    if chosen not in (*TAGS, "deprel-direction"):
        raise unknown("column of tags of CoNLL-U", str(chosen), (*TAGS, "deprel-direction"))
    words: list[str] = []
    tags: list[str] = []
    start = number = last = 0
    for number, line in numbered(path):
        if not line.strip():
            if words:
                yield start, {"words": words, "tags": tags}
                words, tags = [], []
            continue
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 10:
            raise Malformed(f"{path}:{number}: has {len(fields)} fields, CoNLL-U has 10.")
        if not fields[0].isdigit():
            continue
        if words and int(fields[0]) <= last:
            raise Malformed(
                f"{path}:{number}: has the id {fields[0]} after {last}: ids rise within a sentence, from 1.",
                "A blank line ends a sentence.",
            )
        start, last = start if words else number, int(fields[0])
        words.append(fields[FORM].replace(" ", "").replace("\u00a0", "") or "_")
        tags.append(_conllu_tag(path, number, fields, chosen))
    if words:
        yield start, {"words": words, "tags": tags}


def _conllu_tag(path: Path, number: int, fields: list[str], chosen: str) -> str:
    if chosen != "deprel-direction":
        return fields[TAGS[chosen]]
    if not fields[6].isdigit():
        raise Malformed(f"{path}:{number}: the head {fields[6]!r} is not a number.")
    return directed_label(fields[7], int(fields[6]), int(fields[0]))
