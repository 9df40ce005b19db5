"""Turns examples into token ids, one table from :class:`TaskKind` to the encoding.

An :class:`Encoded` split is flat arrays, so that it is cheap to cache, to sort by length and to cut into batches;
nothing is padded here. Tokenizers are passed in; this module knows neither torch nor models.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from mlflow_xfer.errors import XferError
from mlflow_xfer.home import home
from mlflow_xfer.tasks.task import Task, TaskKind

IGNORED = -100  # what cross-entropy leaves out
CHUNK = 8192  # examples tokenised at once: bounds memory, keeps the tokenizer's threads busy


@dataclass(frozen=True)
class Encoded:
    """One split as token ids. A row is what a model reads at once; an example may have several (windows, choices).

    Attributes:
        tokens: ids of all rows, one after the other, int32.
        starts: [rows + 1] where each row begins in ``tokens``.
        columns: per row (``label`` of classification, ``example``, ``second`` = where the second text begins) or,
            with names that begin with ``token_``, as long as ``tokens``.
        counts: ``examples``, ``truncated`` examples, ``words`` and ``subwords`` (without special tokens).
    """

    tokens: np.ndarray
    starts: np.ndarray
    columns: Mapping[str, np.ndarray]
    counts: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.starts)

    def row(self, index: int) -> np.ndarray:
        return self.tokens[self.starts[index] : self.starts[index + 1]]

    def token_column(self, name: str, index: int) -> np.ndarray:
        return self.columns[name][self.starts[index] : self.starts[index + 1]]

    @property
    def truncation_rate(self) -> float:
        """Share of examples that lost tokens at the length limit (0-1)."""
        return self.counts.get("truncated", 0) / max(self.counts.get("examples", 0), 1)

    @property
    def fertility(self) -> float:
        """Subwords per blank-separated word (Ács 2019); per given word for tagging."""
        return self.counts.get("subwords", 0) / max(self.counts.get("words", 0), 1)


def encode(
    dataset: Any, task: Task, tokenizer: Any, max_seq_length: int, *, decoder: bool = False, cached: bool = True
) -> Encoded:
    """Encode ``dataset`` (canonical columns of the task's kind), from the cache if it was encoded before.

    Args:
        dataset: a ``datasets.Dataset``.
        task: gives the kind and the labels' order.
        tokenizer: a fast tokenizer.
        max_seq_length: longest row, special tokens included.
        decoder: whether the model reads from left to right (tags then sit on a word's last subword).
        cached: whether to read and write the cache under ``home()/encoded``.

    Raises:
        XferError: if a label is not one of the task's, or the kind has no encoding.
    """
    if task.kind not in ENCODERS:
        raise XferError(f"Tasks of kind {task.kind} cannot be encoded.", f"Encoded kinds: {', '.join(ENCODERS)}")
    if max_seq_length < 8:
        raise XferError(f"max_seq_length={max_seq_length} leaves no room for a text.", "Use at least 8.")

    def made() -> Encoded:
        return ENCODERS[task.kind](dataset, task, tokenizer, max_seq_length, decoder)

    if not cached:
        return made()
    return _from_cache(_key(dataset, task, tokenizer, max_seq_length, decoder), made)


# -- kinds -----------------------------------------------------------------------------------------------------------
def _classification(dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
    index = {label: i for i, label in enumerate(task.labels)}
    rows = texts(tokenizer, dataset["text_a"], _column(dataset, "text_b"), limit)
    labels = _column(dataset, "label")
    if labels is not None:
        try:
            rows.columns["label"] = np.array([IGNORED if label is None else index[label] for label in labels], np.int64)
        except KeyError as error:
            raise XferError(
                f"Task {task.name!r}: label {error.args[0]!r} is none of {', '.join(task.labels)}."
            ) from None
    return rows.done()


def _language_model(dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
    """Every token of every text: a text longer than the limit becomes several rows, none is cut off."""
    return texts(tokenizer, dataset["text"], _column(dataset, "text_b"), limit, split=True).done()


def _retrieval(dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
    """The sources, then the targets: row i and row n + i are a pair."""
    return texts(tokenizer, [*dataset["source"], *dataset["target"]], None, limit).done()


def _tagging(dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
    """Words tokenised one by one, long sentences as overlapping windows in which each word is labelled once.

    ``token_word`` is the number of the word (within the example) whose tag is read at a token, else -1: its first
    subword for encoders (Devlin et al. 2019), its last for decoders, which have not read the rest before that.
    """
    index = {label: i for i, label in enumerate(task.labels)}
    sentences, tags = dataset["words"], _column(dataset, "tags")
    pieces = words(tokenizer, {word for sentence in sentences for word in sentence}, limit)
    before, after = _specials(tokenizer)
    room = limit - len(before) - len(after)
    rows = Rows(("token_word", "token_label"), ("example",))
    for example, sentence in enumerate(sentences):
        parts = [pieces[word] for word in sentence]
        labels = [index.get(tag, -1) for tag in tags[example]] if tags is not None else [IGNORED] * len(parts)
        if -1 in labels or len(labels) != len(parts):
            raise XferError(
                f"Task {task.name!r}, sentence {example + 1}: {_tag_fault(tags[example], len(parts), index)}"
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
                [*ids, *after], token_word=word + [-1] * tail, token_label=label + [IGNORED] * tail, example=example
            )
        rows.count(examples=1, truncated=len(spans) > 1, words=len(parts), subwords=sum(map(len, parts)))
    return rows.done()


def _tag_fault(tags: Sequence[str], n: int, index: Mapping[str, int]) -> str:
    unknown = sorted({str(tag) for tag in tags if tag not in index})
    return f"tags {', '.join(unknown)} are not declared." if unknown else f"{n} words but {len(tags)} tags."


ENCODERS: dict[TaskKind, Callable[..., Encoded]] = {
    TaskKind.CLASSIFICATION: _classification,
    TaskKind.TAGGING: _tagging,
    TaskKind.RETRIEVAL: _retrieval,
    TaskKind.MASKED_LM: _language_model,
    TaskKind.CAUSAL_LM: _language_model,
}


# -- pieces ----------------------------------------------------------------------------------------------------------
class Rows:
    """Collects rows of an :class:`Encoded`."""

    def __init__(self, token_columns: Sequence[str] = (), row_columns: Sequence[str] = ()):
        self.ids: list[np.ndarray] = []
        self.token = {name: [] for name in token_columns}
        self.per_row: dict[str, list[int]] = {name: [] for name in row_columns}
        self.columns: dict[str, np.ndarray] = {}
        self.counts: dict[str, int] = {"examples": 0, "truncated": 0, "words": 0, "subwords": 0}

    def add(self, ids: Sequence[int], **columns: Any) -> None:
        self.ids.append(np.asarray(ids, np.int32))
        for name, value in columns.items():
            (self.token if name in self.token else self.per_row)[name].append(value)

    def count(self, **counts: int) -> None:
        for name, value in counts.items():
            self.counts[name] += int(value)

    def done(self) -> Encoded:
        starts = np.zeros(len(self.ids) + 1, np.int64)
        np.cumsum([len(ids) for ids in self.ids], out=starts[1:])
        columns = dict(self.columns)
        columns |= {name: np.asarray(values, np.int64) for name, values in self.per_row.items()}
        columns |= {name: _flat([np.asarray(v, np.int32) for v in values]) for name, values in self.token.items()}
        return Encoded(_flat(self.ids), starts, columns, self.counts)


def _flat(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts).astype(np.int32, copy=False) if len(parts) else np.zeros(0, np.int32)


def texts(
    tokenizer: Any, first: Sequence[str], second: Sequence[str | None] | None, limit: int, split: bool = False
) -> Rows:
    """Single texts and pairs, each with the tokenizer's special tokens.

    What is too long is cut at the end (of the longer text, for pairs), or with ``split`` goes on in further rows.
    """
    first, second = list(first), list(second) if second is not None else None  # a column of datasets is slow by index
    rows = Rows(row_columns=("example", "second"))
    single_specials = sum(map(len, _specials(tokenizer)))
    for begin in range(0, len(first), CHUNK):
        numbers = range(begin, min(begin + CHUNK, len(first)))
        paired = {i for i in numbers if second is not None and second[i] is not None}
        done = _tokenised(tokenizer, first, second, [i for i in numbers if i in paired], limit, split=False)
        done |= _tokenised(tokenizer, first, None, [i for i in numbers if i not in paired], limit, split)
        for i in numbers:
            encoding = done[i]
            pieces = [encoding, *encoding.overflowing] if split and i not in paired else [encoding]
            for piece in pieces:
                ids = piece.ids
                if split and len(pieces) > 1 and len(ids) <= single_specials:
                    continue
                where = piece.sequence_ids.index(1) if 1 in piece.sequence_ids else len(ids)
                rows.add(ids, example=i, second=where)
            kept = sum(1 - s for piece in pieces for s in piece.special_tokens_mask)
            n_words = len(first[i].split()) + (len(second[i].split()) if i in paired else 0)
            rows.count(examples=1, truncated=bool(encoding.overflowing), words=n_words, subwords=kept)
    return rows


def _tokenised(
    tokenizer: Any, first: Sequence[str], second: Any, numbers: list[int], limit: int, split: bool
) -> dict[int, Any]:
    if not numbers:
        return {}
    one = [first[i] for i in numbers]
    two = [second[i] for i in numbers] if second is not None else None
    batch = tokenizer(
        one,
        two,
        truncation="longest_first",
        max_length=limit,
        return_attention_mask=False,
        return_special_tokens_mask=False,
    )
    return dict(zip(numbers, batch.encodings, strict=True))


def words(tokenizer: Any, vocabulary: Iterable[str], limit: int) -> dict[str, list[int]]:
    """Subwords of each word by itself, as in running text; never none, and never more than a row holds.

    A word that the tokenizer drops (control characters, unknown signs) becomes the unknown token, as in XTREME's
    tagging script, so that every word has a place where its tag is read.
    """
    vocabulary = sorted(vocabulary)
    if not vocabulary:
        return {}
    # A tokenizer that puts no blank before a text would take words for beginnings of sentences.
    blank = "" if _ids(tokenizer, ["a a"])[0] == _ids(tokenizer, ["a"])[0] * 2 else " "
    unknown = [tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.eos_token_id]
    room = limit - sum(map(len, _specials(tokenizer)))
    found = _ids(tokenizer, [blank + word for word in vocabulary])
    return {word: ids[:room] or unknown for word, ids in zip(vocabulary, found, strict=True)}


def _ids(tokenizer: Any, batch: list[str]) -> list[list[int]]:
    return tokenizer(batch, add_special_tokens=False, return_attention_mask=False, truncation=False, verbose=False)[
        "input_ids"
    ]


def _specials(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special tokens before and after a single text."""
    plain, full = _ids(tokenizer, ["a"])[0], tokenizer(["a"])["input_ids"][0]
    if not plain:
        return full[:1], full[1:]
    at = next(i for i in range(len(full)) if full[i : i + len(plain)] == plain)
    return full[:at], full[at + len(plain) :]


def windows(lengths: Sequence[int], room: int) -> list[tuple[int, int, int, int]]:
    """Windows over words of so many subwords, each at most ``room``: (begin, end, first, last) in words.

    A window reads words ``begin`` to ``end`` and answers for ``first`` to ``last``; every word is answered for
    exactly once. Windows overlap by half, so that words at a border are read with context on both sides.
    """
    if sum(lengths) <= room:
        return [(0, len(lengths), 0, len(lengths))]
    spans: list[tuple[int, int]] = []
    begin = 0
    while True:
        end, used = begin, 0
        while end < len(lengths) and used + lengths[end] <= room:
            used += lengths[end]
            end += 1
        spans.append((begin, end))
        if end == len(lengths):
            break
        used, back = 0, end
        while back - 1 > begin and used + lengths[back - 1] <= room // 2:
            back -= 1
            used += lengths[back]
        begin = back
    cuts = [0, *((spans[i][1] + spans[i + 1][0]) // 2 for i in range(len(spans) - 1)), len(lengths)]
    return [(*span, *mine) for span, mine in zip(spans, pairwise(cuts), strict=True)]


def join(splits: Sequence[Encoded]) -> Encoded:
    """Several splits as one, in order; ``example`` numbers go on from split to split."""
    starts, columns, offset = [np.zeros(1, np.int64)], {}, 0
    for split in splits:
        starts.append(np.asarray(split.starts[1:]) + offset)
        offset += len(split.tokens)
    for name in splits[0].columns:
        columns[name] = np.concatenate([np.asarray(split.columns[name]) for split in splits])
    firsts = np.cumsum([0, *(split.counts["examples"] for split in splits)])
    columns["example"] = np.concatenate(
        [np.asarray(s.columns["example"]) + n for s, n in zip(splits, firsts, strict=False)]
    )
    counts = {name: sum(split.counts[name] for split in splits) for name in splits[0].counts}
    return Encoded(_flat([np.asarray(split.tokens) for split in splits]), np.concatenate(starts), columns, counts)


def _column(dataset: Any, name: str) -> Any:
    return dataset[name] if name in dataset.column_names else None


# -- cache -----------------------------------------------------------------------------------------------------------
def fingerprint(dataset: Any) -> str:
    """sha256 of a dataset's rows and column names, whatever file or selection they come from."""
    import pyarrow as pa

    digest = hashlib.sha256()

    class Sink:
        closed = False

        def write(self, data: Any) -> int:
            digest.update(memoryview(data))
            return len(data)

        def flush(self) -> None: ...

        def close(self) -> None: ...

    table = dataset.with_format("arrow")[:].combine_chunks().replace_schema_metadata(None)
    with pa.PythonFile(Sink(), mode="w") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return digest.hexdigest()


def _key(dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> str:
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state.pop("truncation", None), state.pop("padding", None)
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    parts = [fingerprint(dataset), str(task.kind), list(task.labels), state, limit, decoder, code]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _from_cache(key: str, made: Callable[[], Encoded]) -> Encoded:
    """The entry ``key``, made and stored if it is not there. Entries appear whole: a folder renamed into place."""
    folder = home() / "encoded" / key[:2] / key
    try:
        return _read(folder)
    except (OSError, ValueError, KeyError):
        pass
    encoded = made()
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    try:
        _write(encoded, partial)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)  # another process stored it first, or the disk is full
    return encoded


def _write(encoded: Encoded, folder: Path) -> None:
    arrays = {"tokens": encoded.tokens, "starts": encoded.starts, **encoded.columns}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    about = {"columns": sorted(encoded.columns), "counts": dict(encoded.counts), "tokens": len(encoded.tokens)}
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")


def _read(folder: Path) -> Encoded:
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ("tokens", "starts", *about["columns"])
    }
    if len(arrays["tokens"]) != about["tokens"]:
        raise ValueError("cut short")
    return Encoded(arrays.pop("tokens"), arrays.pop("starts"), arrays, about["counts"])
