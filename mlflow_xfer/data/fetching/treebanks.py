"""Makes XTREME's parts of speech of the treebanks of Universal Dependencies.

As XTREME's scripts do: all treebanks of a language one after the other; a fused form (``zum``) is one word
with the tag of its part nearest the root, of several equally near the first in :data:`PRECEDENCE`; blanks
and zero-width non-joiners leave the words; sentences whose text a treebank may not publish (``_``) are left
out.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from mlflow_xfer.tasks.tagging import SPLITS, UDPOS_LANGUAGES

PRECEDENCE = {
    "": "VERB NOUN PROPN PRON ADJ NUM ADV INTJ AUX ADP DET PART CCONJ SCONJ X PUNCT",
    "es": "VERB AUX PRON ADP DET",
    "fr": "VERB AUX PRON NOUN ADJ ADV ADP DET PART SCONJ CONJ",
    "it": "VERB AUX ADV PRON ADP DET INTJ",
}
ID, FORM, TAG, HEAD = 0, 1, 3, 6
Sentence = list[list[str]]


def udpos(files: list[Path], folder: Path) -> None:
    """``train-*``, ``dev-*`` and ``test-*``: word, tag, a blank line after a sentence."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        parts: dict[tuple[str, str], list[Path]] = {}
        with tarfile.open(files[0]) as archive:
            for member in archive:
                name = Path(member.name).name
                code, _, rest = name.partition("_")
                split = next((one for one in SPLITS.values() if f"-ud-{one}" in rest), "")
                if not (name.endswith(".conllu") and code in UDPOS_LANGUAGES and split):
                    continue
                stream = archive.extractfile(member)
                if stream:
                    part = Path(scratch) / name
                    with part.open("w", encoding="utf-8", newline="\n") as file:
                        file.writelines(
                            tagged(sentences(io.TextIOWrapper(stream, "utf-8", newline="\n")), code)
                        )
                    parts.setdefault((split, code), []).append(part)
        for (split, code), made in parts.items():
            text = "".join(part.read_text("utf-8") for part in sorted(made))
            if text:
                (folder / f"{split}-{code}.tsv").write_text(text, "utf-8", newline="\n")


def sentences(lines: Iterable[str]) -> Iterator[Sentence]:
    """The words of each sentence as their ten fields; comments and empty nodes (``1.1``) are left out."""
    found: Sentence = []
    for line in lines:
        fields = line.rstrip("\n").split("\t")
        if len(fields) == 10:
            if "." not in fields[ID]:
                found.append(fields)
        elif found and not line.strip():
            yield found
            found = []
    if found:
        yield found


def tagged(found: Iterable[Sentence], code: str) -> Iterator[str]:
    """``word<TAB>tag`` lines, and a blank one after each sentence."""
    order = PRECEDENCE.get(code, PRECEDENCE[""]).split()
    for sentence in found:
        words = [(_text(form), tag) for form, tag in _fused(sentence, order)]
        hidden = sum(word == "_" for word, _ in words)
        if words and (not hidden or hidden < len(words) - 1):
            yield "".join(f"{word}\t{tag}\n" for word, tag in words) + "\n"


def _text(form: str) -> str:
    return form.strip().replace("\u200c", "").replace(" ", "").replace("\u00a0", "") or "_"


def _fused(sentence: Sentence, order: list[str]) -> Iterator[tuple[str, str]]:
    """Form and tag of each word, fused forms in the place of their parts."""
    parts = {int(fields[ID]): fields for fields in sentence if "-" not in fields[ID]}
    ranges = {}
    for fields in sentence:
        first, dash, last = fields[ID].partition("-")
        if dash:
            ranges[int(first)] = (int(last), fields[FORM])
    done = 0
    for number, fields in parts.items():
        if number in ranges:
            done, form = ranges[number]
            span = [one for one in range(number, done + 1) if one in parts]
            yield form, parts[_nearest(span, parts, order)][TAG]
        elif number > done:
            yield fields[FORM], fields[TAG]


def _nearest(span: list[int], parts: dict[int, list[str]], order: list[str]) -> int:
    def rank(number: int) -> tuple[int, int]:
        tag = parts[number][TAG]
        return _depth(number, parts), order.index(tag) if tag in order else len(order)

    return min(span, key=rank)


def _depth(number: int, parts: dict[int, list[str]]) -> int:
    above: set[int] = set()
    while number in parts and number not in above:
        above.add(number)
        head = parts[number][HEAD]
        number = int(head) if head.isdigit() else 0
    return len(above)
