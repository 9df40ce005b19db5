"""How sentences read whose words have tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlflow_xfer.data.canonical import Convert, getter, text_of
from mlflow_xfer.data.encoded import IGNORED, Encoded, Rows, column
from mlflow_xfer.data.labels import MISSING, BadRow, NoLabel, absent, directed_label, labeller
from mlflow_xfer.data.subwords import specials, windows, words
from mlflow_xfer.data.unlabelled import text_in
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.kind import Data
from mlflow_xfer.kinds.tagging.schemes import chunks, is_prefixed, scheme_of, told_apart
from mlflow_xfer.tasks.task import Files, Hub, Task

LISTS = 'lists are read from jsonl, json and parquet ("words": ["Anna", "sings"]), a word a line from conll'


class Tagging(Data):
    name = "tagging"
    columns = {"words": "texts", "tags": "texts"}
    texts = ("words",)
    answers = ("tags",)
    declared = ("words", "tags")
    labels = "names"
    counted = "tags"
    group = "words"
    asked = ("words",)
    foretold = True
    windows = True

    def convert(self, task: Task, source: Hub | Files) -> Convert:
        in_lines = isinstance(source, Files) and source.format in ("conll", "conllu")
        where = {name: name if in_lines else source.columns.get(name, name) for name in ("words", "tags")}
        get_words, get_tags = getter(where["words"]), getter(where["tags"])
        directed = isinstance(where["tags"], tuple | list)  # (dependency label, head)
        label_of = labeller(task, source)

        def convert(raw: Any) -> dict[str, Any] | None:
            words, tags = get_words(raw), get_tags(raw)
            if absent(words) or words in ([], ""):
                raise BadRow("has no words", words is MISSING)
            if not isinstance(words, list):
                raise BadRow(f"has words that are no list: {str(words)[:40]!r}; {LISTS}")
            if absent(tags):
                raise NoLabel("has no tags", tags is MISSING)
            if directed:
                words, tags = _directed(words, *tags)
            if not isinstance(tags, list) or len(tags) != len(words):
                raise BadRow(
                    f"has {len(words)} words and {len(tags) if isinstance(tags, list) else 'no list of'} tags"
                )
            named = [_named(label_of, tag, words, number) or "O" for number, tag in enumerate(tags)]
            if task.labels and "O" in named and "O" not in task.labels:
                raise BadRow("has a tag that drop leaves out, which needs the label O")
            return {"words": [text_of(word, "words") for word in words], "tags": named}

        return convert

    def unlabelled(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        words = raw.get("words")
        if isinstance(words, list):
            if not words or not all(isinstance(word, str) and word.strip() for word in words):
                raise ValueError("words is not a list of words")
            return {"words": words}
        return {"words": text_in(raw, "words", "text").split()}

    def encode(self, dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
        """Words tokenised one by one, long sentences as overlapping windows in which each word is labelled
        once.

        ``token_word`` is the number of the word (within the example) whose tag is read at a token, else -1:
        its first subword for encoders (Devlin et al. 2019), its last for decoders, which have not read the
        rest before that.
        """
        index = {label: i for i, label in enumerate(task.labels)}
        sentences, tags = dataset["words"][:], column(dataset, "tags")
        pieces = words(tokenizer, {word for sentence in sentences for word in sentence}, limit)
        before, after = specials(tokenizer)
        room = limit - len(before) - len(after)
        rows = Rows(("token_word", "token_label"), ("example",))
        for example, sentence in enumerate(sentences):
            parts = [pieces[word] for word in sentence]
            labels = (
                [index.get(tag, -1) for tag in tags[example]] if tags is not None else [IGNORED] * len(parts)
            )
            if tags is not None and (-1 in labels or len(labels) != len(parts)):
                raise XferError(
                    f"Task {task.name!r}, sentence {example + 1}: "
                    f"{_tag_fault(tags[example], len(parts), index)}"
                )
            spans = windows([len(part) for part in parts], room)
            for begin, end, first, last in spans:
                ids, word, label = list(before), [-1] * len(before), [IGNORED] * len(before)
                for number in range(begin, end):
                    at = len(ids) + (len(parts[number]) - 1 if decoder else 0)
                    ids += parts[number]
                    word += [-1] * len(parts[number])
                    label += [IGNORED] * len(parts[number])
                    if first <= number < last:
                        word[at], label[at] = number, labels[number]
                tail = len(after)
                rows.add(
                    [*ids, *after],
                    token_word=word + [-1] * tail,
                    token_label=label + [IGNORED] * tail,
                    example=example,
                )
            rows.count(examples=1, truncated=len(spans) > 1, words=len(parts), subwords=sum(map(len, parts)))
        return rows.done()

    def remarks(self, task: Task, table: Any) -> list[str]:
        """Entities that begin with I-, where the scheme has them begin with B-."""
        if task.option("scheme") != "iob2":
            return []
        sentences = table["tags"].to_pylist()
        if told_apart(sentences, "iob2") == "iob1":
            return ["its tags are IOB1 and read so: I- begins an entity, B- parts neighbours of one type"]
        all_, strict = (len(chunks(sentences, "iob2", strict)) for strict in (False, True))
        if all_ == strict:
            return []
        return [f"{all_ - strict:,} of {all_:,} entities begin with I-, the others with B-"]

    def gold(self, task: Task, splits: Mapping[str, Any]) -> dict[str, list]:
        return {name: list(split["tags"][:]) for name, split in splits.items()}

    def default_metric(self, labels: Sequence[str], columns: Mapping[str, Any], splits: Sequence[str]) -> str:
        return "entity_f1" if "O" in labels or any(map(is_prefixed, labels)) else "tag_f1"

    def options_of(self, labels: Sequence[str]) -> Mapping[str, Any]:
        return {"scheme": scheme_of(labels)}

    def format_of(self, suffixes: set[str], columns: Mapping[str, Any]) -> str | None:
        return "conll" if suffixes <= {".tsv", ".conll", ".txt", ".bio", ".iob", ".iob2"} else None


KIND = Tagging()


def _named(label_of: Callable[[Any], str | None], tag: Any, words: list, number: int) -> str | None:
    """The label of a tag; what is wrong with it is said with its word: a sentence may have hundreds."""
    try:
        return label_of(tag)
    except NoLabel:
        raise
    except BadRow as error:
        raise BadRow(f"word {number + 1} of the sentence, {str(words[number])[:40]!r}, {error}") from None


def _directed(words: list, labels: list, heads: list) -> tuple[list, list]:
    """Words and dependency labels with the side of the head;
    fused forms (``1-2``), which have no head, are left out.
    """
    own = [
        (word, str(label), int(head))
        for word, label, head in zip(words, labels, heads, strict=True)
        if str(head).isdigit()
    ]
    return [word for word, _, _ in own], [
        directed_label(label, head, number) for number, (_, label, head) in enumerate(own, 1)
    ]


def _tag_fault(tags: Sequence[str], n: int, index: Mapping[str, int]) -> str:
    unknown = sorted({str(tag) for tag in tags if tag not in index})
    return f"tags {', '.join(unknown)} are not declared." if unknown else f"{n} words but {len(tags)} tags."
