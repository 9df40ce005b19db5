"""What a tokenizer makes of texts, pairs and words.

Tokenizers are passed in (transformers' fast ones); nothing here imports them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from mlflow_xfer.data.encoded import Rows
from mlflow_xfer.data.words import words as words_of

CHUNK = 8192  # examples tokenised at once: bounds memory, keeps the tokenizer's threads busy


def texts(
    tokenizer: Any, first: Sequence[str], second: Sequence[str | None] | None, limit: int, split: bool = False
) -> Rows:
    """Single texts and pairs, each with the tokenizer's special tokens.

    What is too long is cut at the end (of the longer text, for pairs), or with ``split`` goes on in further
    rows.
    """
    first, second = (
        list(first),
        list(second) if second is not None else None,
    )  # a column of datasets is slow by index
    rows = Rows(row_columns=("example", "second"))
    singlespecials = sum(map(len, specials(tokenizer)))
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
                if split and len(pieces) > 1 and len(ids) <= singlespecials:
                    continue
                where = piece.sequence_ids.index(1) if 1 in piece.sequence_ids else len(ids)
                rows.add(ids, example=i, second=where)
            read = [first[i], second[i]] if second is not None and i in paired else [first[i]]
            if encoding.overflowing:
                rows.truncated.add(i)
                whole = sum(map(len, _ids(tokenizer, read)))
            else:
                whole = len(encoding.ids) - sum(encoding.special_tokens_mask)
            rows.count(
                examples=1,
                truncated=i in rows.truncated,
                words=sum(len(words_of(text)) for text in read),
                subwords=whole,
            )
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


def continuations(tokenizer: Any, prompts: Sequence[str], ends: Sequence[str], limit: int) -> Rows:
    """Each prompt and its end as one running text;
    ``token_scored`` is 1 at the tokens of the end, and 0 before it.

    Begins with the token that texts begin with, so that a first word has something before it; has no token
    after the end. What is too long is cut at the beginning.
    """
    rows = Rows(("token_scored",), ("example",))
    start = (
        specials(tokenizer)[0]
        or [t for t in (tokenizer.bos_token_id, tokenizer.eos_token_id) if t is not None][:1]
    )
    for begin in range(0, len(prompts), CHUNK):
        some = [
            f"{prompt} {end}" if prompt else end
            for prompt, end in zip(prompts[begin : begin + CHUNK], ends[begin : begin + CHUNK], strict=True)
        ]
        batch = tokenizer(
            some, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
        )
        for n, (ids, offsets) in enumerate(
            zip(batch["input_ids"], batch["offset_mapping"], strict=True), begin
        ):
            scored = [int(stop > len(prompts[n])) for _, stop in offsets]
            room = limit - len(start)
            rows.add([*start, *ids[-room:]], token_scored=[0] * len(start) + scored[-room:], example=n)
            if len(ids) > room:
                rows.truncated.add(n)
            rows.count(
                examples=1, truncated=len(ids) > room, words=len(words_of(some[n - begin])), subwords=len(ids)
            )
    return rows


def cut(tokenizer: Any, batch: Sequence[str], limit: int) -> list[str]:
    """Texts without what goes beyond ``limit`` of their subwords."""
    offsets = tokenizer(
        list(batch), add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
    )["offset_mapping"]
    return [
        text if len(at) <= limit else text[: at[limit - 1][1]]
        for text, at in zip(batch, offsets, strict=True)
    ]


def words(tokenizer: Any, vocabulary: Iterable[str], limit: int) -> dict[str, list[int]]:
    """Subwords of each word by itself, as in running text; never none, and never more than a row holds.

    A word that the tokenizer drops (control characters, unknown signs) becomes the unknown token, as in
    XTREME's tagging script, so that every word has a place where its tag is read.
    """
    vocabulary = sorted(vocabulary)
    if not vocabulary:
        return {}
    # A tokenizer that puts no blank before a text would take words for beginnings of sentences.
    blank = "" if _ids(tokenizer, ["a a"])[0] == _ids(tokenizer, ["a"])[0] * 2 else " "
    unknown = [tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.eos_token_id]
    room = limit - sum(map(len, specials(tokenizer)))
    found = _ids(tokenizer, [blank + word for word in vocabulary])
    return {word: ids[:room] or unknown for word, ids in zip(vocabulary, found, strict=True)}


def _ids(tokenizer: Any, batch: list[str]) -> list[list[int]]:
    return tokenizer(
        batch, add_special_tokens=False, return_attention_mask=False, truncation=False, verbose=False
    )["input_ids"]


def specials(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special tokens before and after a single text."""
    plain, full = _ids(tokenizer, ["a"])[0], tokenizer(["a"])["input_ids"][0]
    if not plain:
        return full[:1], full[1:]
    at = next(i for i in range(len(full)) if full[i : i + len(plain)] == plain)
    return full[:at], full[at + len(plain) :]


def windows(lengths: Sequence[int], room: int) -> list[tuple[int, int, int, int]]:
    """Windows over words of so many subwords, each at most ``room``: (begin, end, first, last) in words.

    A window reads words ``begin`` to ``end`` and answers for ``first`` to ``last``; every word is answered
    for exactly once. Windows overlap by half, so that words at a border are read with context on both sides.
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
