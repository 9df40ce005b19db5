"""Turns examples into token ids, one table from :class:`TaskKind` to the encoding.

An :class:`Encoded` split is flat arrays, so that it is cheap to cache, to sort by length and to cut into
batches; nothing is padded here. Tokenizers are passed in; this module knows neither torch nor models.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from mlflow_xfer.data import encoded as cache
from mlflow_xfer.data import subwords
from mlflow_xfer.data import words as words_module
from mlflow_xfer.data.encoded import IGNORED, Encoded, Rows
from mlflow_xfer.data.subwords import continuations, specials, texts, windows, words
from mlflow_xfer.data.words import words as words_of
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.task import Task, TaskKind

STRIDE = 128  # tokens that neighbouring windows of a context share (XTREME's run_squad.py)
MAX_QUESTION = 64  # tokens of a question (ibid.)


def encode(
    dataset: Any,
    task: Task,
    tokenizer: Any,
    max_seq_length: int,
    *,
    decoder: bool = False,
    cached: bool = True,
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
        raise XferError(
            f"Tasks of kind {task.kind} cannot be encoded.", f"Encoded kinds: {', '.join(ENCODERS)}"
        )
    if max_seq_length < 8:
        raise XferError(f"max_seq_length={max_seq_length} leaves no room for a text.", "Use at least 8.")

    def made() -> Encoded:
        return ENCODERS[task.kind](dataset, task, tokenizer, max_seq_length, decoder)

    if not cached:
        return made()
    return cache.from_cache(_key(dataset, task, tokenizer, max_seq_length, decoder), made)


# -- kinds ---------------------------------------------------------------------------------------------------
def _classification(dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
    index = {label: i for i, label in enumerate(task.labels)}
    rows = texts(tokenizer, _column(dataset, "text_a"), _column(dataset, "text_b"), limit)
    labels = _column(dataset, "label")
    if labels is not None:
        try:
            rows.columns["label"] = np.array(
                [IGNORED if label is None else index[label] for label in labels], np.int64
            )
        except KeyError as error:
            raise XferError(
                f"Task {task.name!r}: label {error.args[0]!r} is none of {', '.join(task.labels)}."
            ) from None
    return rows.done()


def _language_model(dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
    """Every token of every text: a text longer than the limit becomes several rows, none is cut off.

    A column ``stage`` (whole numbers) is kept: texts of a lower stage are dealt first in each epoch.
    """
    encoded = texts(tokenizer, _column(dataset, "text"), _column(dataset, "text_b"), limit, split=True).done()
    stage = _column(dataset, "stage")
    if stage is None:
        return encoded
    by_row = np.array([int(value) for value in stage], np.int64)[encoded.columns["example"]]
    return replace(encoded, columns={**encoded.columns, "stage": by_row})


def _retrieval(dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
    """One row an example: the query's tokens, then the candidate's, each a text by itself;
    either may be missing.

    ``second`` is where the candidate begins, ``inner`` where its context does (within the candidate; as a
    pair, cut at its end). ``query`` and ``positive`` number the distinct texts of each side: what is equal is
    no negative.
    """
    sides = _column(dataset, "source"), _column(dataset, "target")
    contexts = _column(dataset, "context") or [None] * len(sides[0])
    rows = Rows((), ("example", "second", "inner", "query", "positive"))
    numbers = [
        _numbered(sides[0]),
        _numbered([text and (text, context) for text, context in zip(sides[1], contexts, strict=True)]),
    ]
    given = [[n for n, text in enumerate(side) if text is not None] for side in sides]
    made = [
        texts(tokenizer, [sides[0][n] for n in given[0]], None, limit),
        texts(tokenizer, [sides[1][n] for n in given[1]], [contexts[n] for n in given[1]], limit),
    ]
    found = [dict(zip(mine, part.ids, strict=True)) for mine, part in zip(given, made, strict=True)]
    inner = dict(zip(given[1], made[1].per_row["second"], strict=True))
    nothing = np.zeros(0, np.int32)
    for n in range(len(sides[0])):
        source, target = found[0].get(n, nothing), found[1].get(n, nothing)
        rows.add(
            np.concatenate([source, target]),
            example=n,
            second=len(source),
            inner=inner.get(n, 0),
            query=numbers[0][n],
            positive=numbers[1][n],
        )
    for part in made:
        rows.count(**part.counts)
    longer = {mine[n] for mine, part in zip(given, made, strict=True) for n in part.truncated}
    rows.counts |= {"examples": len(sides[0]), "truncated": len(longer)}
    return rows.done()


def _numbered(values: Sequence[Any]) -> list[int]:
    """Equal values with equal numbers, in the order of their first; -1 for None."""
    first: dict[Any, int] = {}
    return [-1 if value is None else first.setdefault(value, len(first)) for value in values]


def _tagging(dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
    """Words tokenised one by one, long sentences as overlapping windows in which each word is labelled once.

    ``token_word`` is the number of the word (within the example) whose tag is read at a token, else -1: its
    first subword for encoders (Devlin et al. 2019), its last for decoders, which have not read the rest
    before that.
    """
    index = {label: i for i, label in enumerate(task.labels)}
    sentences, tags = _column(dataset, "words"), _column(dataset, "tags")
    pieces = words(tokenizer, {word for sentence in sentences for word in sentence}, limit)
    before, after = specials(tokenizer)
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
                [*ids, *after],
                token_word=word + [-1] * tail,
                token_label=label + [IGNORED] * tail,
                example=example,
            )
        rows.count(examples=1, truncated=len(spans) > 1, words=len(parts), subwords=sum(map(len, parts)))
    return rows.done()


def _tag_fault(tags: Sequence[str], n: int, index: Mapping[str, int]) -> str:
    unknown = sorted({str(tag) for tag in tags if tag not in index})
    return f"tags {', '.join(unknown)} are not declared." if unknown else f"{n} words but {len(tags)} tags."


def _multiple_choice(dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
    """One row an example: its choices one after the other, ``token_choice`` says whose a token is.

    A choice is read as the pair (context and question, choice), as jiant does; examples may differ in their
    number. Scored by likelihood it is read as the continuation of context and question, and ``token_scored``
    marks its tokens.
    """
    contexts, questions, choices = (
        _column(dataset, "context"),
        _column(dataset, "question"),
        _column(dataset, "choices"),
    )
    labels = _column(dataset, "label")
    numbers = [n for n, options in enumerate(choices) for _ in options]
    asked = [" ".join(part for part in (contexts[n], questions[n]) if part) for n in numbers]
    likely = task.choice_scoring == "likelihood"
    read = continuations if likely else texts
    pairs = read(tokenizer, asked, [option for options in choices for option in options], limit)
    rows = Rows(("token_choice", *(["token_scored"] if likely else [])), ("example", "label", "choices"))
    at = 0
    for n, options in enumerate(choices):
        mine = pairs.ids[at : at + len(options)]
        at += len(options)
        owner = np.repeat(np.arange(len(options)), [len(ids) for ids in mine])
        label = IGNORED if labels is None or labels[n] is None else labels[n]
        if label != IGNORED and not 0 <= label < len(options):
            raise XferError(
                f"Task {task.name!r}, example {n + 1}: label {label}, but choices 0 to {len(options) - 1}."
            )
        more = (
            {"token_scored": np.concatenate(pairs.token["token_scored"][at - len(options) : at])}
            if likely
            else {}
        )
        rows.add(
            np.concatenate(mine), token_choice=owner, example=n, label=label, choices=len(options), **more
        )
    rows.count(**pairs.counts)
    rows.counts |= {"examples": len(choices), "truncated": len({numbers[pair] for pair in pairs.truncated})}
    return rows.done()


def _span_qa(dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
    """Question and context, long contexts as overlapping windows.

    ``token_begin`` and ``token_end`` are character offsets in the context, -1 outside it. ``start`` and
    ``end`` are the tokens of the first of the answers that a window holds whole; where it holds none, the
    place that says "not here": the first token, for decoders the last, which alone has read everything.
    ``answered``: whether the example has an answer at all.
    """
    answers = _column(dataset, "answers")
    rows = Rows(("token_begin", "token_end"), ("example", "second", "start", "end", "answered"))
    contexts, questions = _column(dataset, "context"), _column(dataset, "question")
    stride = min(STRIDE, (limit - min(MAX_QUESTION, limit // 2)) // 2 - 4)
    for begin in range(0, len(contexts), subwords.CHUNK // 8):
        numbers = range(begin, min(begin + subwords.CHUNK // 8, len(contexts)))
        cut = subwords.cut(tokenizer, [questions[n] for n in numbers], min(MAX_QUESTION, limit // 2))
        batch = tokenizer(
            cut,
            [contexts[n] for n in numbers],
            truncation="only_second",
            max_length=limit,
            stride=stride,
            return_overflowing_tokens=True,
        )
        read = [0] * len(numbers)  # windows of each example
        for window, mine in zip(batch.encodings, batch["overflow_to_sample_mapping"], strict=True):
            n, sides = numbers[mine], window.sequence_ids
            given = answers[n] if answers is not None else {"text": [], "answer_start": []}
            rows.add(**_window(window, sides, given, n, decoder))
            # Of each further window only what the one before has not read; the question was counted with the
            # first.
            rows.count(subwords=sides.count(1) - stride if read[mine] else sides.count(0) + sides.count(1))
            read[mine] += 1
        for place, n in enumerate(numbers):
            rows.count(
                examples=1,
                truncated=read[place] > 1,
                words=len(words_of(cut[place])) + len(words_of(contexts[n])),
            )
    return rows.done()


def _window(
    window: Any, sides: Sequence[int | None], answers: Mapping[str, Any], example: int, decoder: bool
) -> dict[str, Any]:
    """The row of one window; ``sides`` says which text each token is of (0, 1, or None for special ones)."""
    inside = np.array([s == 1 for s in sides])
    begins, ends = (np.where(inside, side, -1) for side in np.array(window.offsets).T)
    nowhere = len(inside) - 1 if decoder else 0
    start = end = nowhere
    for text, first in zip(answers["text"], answers["answer_start"], strict=True):
        covered = np.flatnonzero(inside & (ends > first) & (begins < first + len(text)))
        if len(covered) and begins[covered[0]] <= first and ends[covered[-1]] >= first + len(text):
            start, end = int(covered[0]), int(covered[-1])
            break
    return {
        "ids": window.ids,
        "token_begin": begins,
        "token_end": ends,
        "example": example,
        "second": int(np.argmax(inside)) if inside.any() else len(inside),
        "start": start,
        "end": end,
        "answered": int(bool(answers["text"])),
    }


ENCODERS: dict[TaskKind, Callable[..., Encoded]] = {
    TaskKind.CLASSIFICATION: _classification,
    TaskKind.TAGGING: _tagging,
    TaskKind.MULTIPLE_CHOICE: _multiple_choice,
    TaskKind.SPAN_QA: _span_qa,
    TaskKind.RETRIEVAL: _retrieval,
    TaskKind.MASKED_LM: _language_model,
    TaskKind.CAUSAL_LM: _language_model,
}


def _column(dataset: Any, name: str) -> list | None:
    """A column as a list (``datasets`` reads its own column objects one row at a time);
    None if there is none.
    """
    return dataset[name][:] if name in dataset.column_names else None


# -- the key of the cache ------------------------------------------------------------------------------------
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


_states: WeakKeyDictionary[Any, tuple[int, str]] = WeakKeyDictionary()


def _state(tokenizer: Any) -> str:
    """sha256 of what a tokenizer does to a text, computed once for each tokenizer:
    XLM-R's is 17 MB of JSON.
    """
    size, known = _states.get(tokenizer, (-1, ""))
    if size != len(tokenizer):  # tokens were added since
        state = json.loads(tokenizer.backend_tokenizer.to_str())
        state.pop("truncation", None), state.pop("padding", None)
        known = hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
        _states[tokenizer] = (len(tokenizer), known)
    return known


def _key(dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> str:
    code = hashlib.sha256(
        b"".join(
            Path(f).read_bytes() for f in (__file__, cache.__file__, subwords.__file__, words_module.__file__)
        )
    ).hexdigest()
    parts = [
        fingerprint(dataset),
        str(task.kind),
        list(task.labels),
        task.choice_scoring,
        _state(tokenizer),
        limit,
        decoder,
        code,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
