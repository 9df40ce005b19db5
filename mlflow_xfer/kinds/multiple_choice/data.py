"""How questions read with choices, one of which is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlflow_xfer.data.canonical import Convert, mapped, text_of
from mlflow_xfer.data.encoded import IGNORED, Encoded, Rows, column
from mlflow_xfer.data.labels import MISSING, BadRow, NoLabel, absent, as_declared, in_any_spelling, spelled
from mlflow_xfer.data.subwords import continuations, texts
from mlflow_xfer.data.unlabelled import text_in
from mlflow_xfer.errors import XferError, few
from mlflow_xfer.kinds.kind import Data
from mlflow_xfer.kinds.multiple_choice.template import template_of
from mlflow_xfer.tasks.task import Files, Hub, Task


class MultipleChoice(Data):
    name = "multiple_choice"
    columns = {"context": "text", "question": "text", "choices": "texts", "label": "integer"}
    texts = ("context", "question", "choices")
    answers = ("label",)
    declared = ("context", "question", "choices", "label")
    labels = "order"
    counted = "label"
    group = "context"
    paragraphs = True
    filled = ("choices",)
    asked = ("context", "question", "choices")
    foretold = True

    def convert(self, task: Task, source: Hub | Files) -> Convert:
        (get_context, context), (get_question, question), (get_choices, _), (get_label, _) = (
            mapped(source, name) for name in ("context", "question", "choices", "label")
        )
        order = in_any_spelling({name: place for place, name in enumerate(source.labels)})
        dropped = {*source.drop, *map(spelled, source.drop)}
        declared = {*order, *dropped}

        def index_of(value: Any) -> int | None:
            said = "" if absent(value) else as_declared(value, declared)
            if said in dropped:
                return None
            if said in order:
                return order[said]
            said = spelled(said.strip())
            if said in ("", "-1"):
                raise NoLabel("has no label", value is MISSING)
            if order or not said.isdecimal():
                raise BadRow(
                    f"has label {said!r}, which is not "
                    f"{'among ' + few(source.labels) if order else 'the number of a choice'}"
                )
            return int(said)

        def convert(raw: Any) -> dict[str, Any] | None:
            choices = get_choices(raw)
            if not isinstance(choices, list) or len(choices) < 2:
                raise BadRow("has fewer than two choices", choices is MISSING)
            row = {
                "context": _optional(get_context(raw), context, "context" in source.columns),
                "question": _prompted(
                    source.prompt, _optional(get_question(raw), question, "question" in source.columns)
                ),
                "choices": [text_of(choice, "choices") for choice in choices],
            }
            label = index_of(get_label(raw))
            if label is not None and not 0 <= label < len(choices):
                raise BadRow(f"has label {label}, but choices 0 to {len(choices) - 1}")
            return None if label is None else row | {"label": label}

        return convert

    def unlabelled(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        choices = raw.get("choices", [raw[name] for name in raw if name.startswith("choice_") and raw[name]])
        if (
            not isinstance(choices, list)
            or len(choices) < 2
            or not all(isinstance(c, str) and c.strip() for c in choices)
        ):
            raise ValueError("has fewer than two choices")
        return {"context": text_in(raw, "context"), "question": text_in(raw, "question"), "choices": choices}

    def in_line(self, fields: list[str]) -> dict[str, Any]:
        return dict(zip(self.asked, [*fields[:2], fields[2:]], strict=False))

    def encode(self, dataset: Any, task: Task, tokenizer: Any, limit: int, decoder: bool) -> Encoded:
        """One row an example: its choices one after the other, ``token_choice`` says whose a token is, and
        ``token_second`` is 1 from a choice's own text on.

        A choice is read as the pair (context and question, choice), as jiant does; examples may differ in
        their number. Scored by likelihood it is read as the continuation of context and question, or as the
        task's template says, after its demonstrations; ``token_scored`` marks its tokens.
        """
        choices, labels = dataset["choices"][:], column(dataset, "label")
        numbers = [n for n, options in enumerate(choices) for _ in options]
        likely = task.option("choice_scoring") == "likelihood"
        asked, ends = _read(dataset, task.option("template") if likely else "")
        before = task.option("demonstrations") if likely else ""
        read = continuations if likely else texts
        pairs = read(tokenizer, [before + prompt for prompt in asked], ends, limit)
        more = "token_scored" if likely else "token_second"
        rows = Rows(("token_choice", more), ("example", "label", "choices"))
        at = 0
        for n, options in enumerate(choices):
            mine = pairs.ids[at : at + len(options)]
            at += len(options)
            owner = np.repeat(np.arange(len(options)), [len(ids) for ids in mine])
            label = IGNORED if labels is None or labels[n] is None else labels[n]
            if label != IGNORED and not 0 <= label < len(options):
                raise XferError(
                    f"Task {task.name!r}, example {n + 1}: label {label}, but choices 0 to "
                    f"{len(options) - 1}."
                )
            own = (
                pairs.token["token_scored"][at - len(options) : at]
                if likely
                else [
                    np.arange(len(ids)) >= begin
                    for ids, begin in zip(mine, pairs.per_row["second"][at - len(options) : at], strict=True)
                ]
            )
            rows.add(
                np.concatenate(mine),
                token_choice=owner,
                example=n,
                label=label,
                choices=len(options),
                **{more: np.concatenate(own)},
            )
        rows.count(**pairs.counts)
        rows.counts |= {
            "examples": len(choices),
            "truncated": len({numbers[pair] for pair in pairs.truncated}),
        }
        return rows.done()

    def demonstrations(self, task: Task, rows: Any) -> str:
        """Each row with its right choice, a blank line after each."""
        prompts, ends = _read(rows, task.option("template"))
        begins = np.cumsum([0, *map(len, rows["choices"][:])])
        right = [begin + label for begin, label in zip(begins, rows["label"][:], strict=False)]
        return "".join(f"{prompts[n]} {ends[n]}\n\n" for n in right)

    def needs_head(self, task: Task) -> bool:
        return task.option("choice_scoring") != "likelihood"

    def gold(self, task: Task, splits: Mapping[str, Any]) -> dict[str, list]:
        return {name: list(split["label"][:]) for name, split in splits.items()}


KIND = MultipleChoice()


def _read(dataset: Any, template: str) -> tuple[list[str], list[str]]:
    """What is read and what is scored, of every choice of every row."""
    columns = zip(dataset["context"][:], dataset["question"][:], dataset["choices"][:], strict=True)
    rows = [{"context": c, "question": q, "choices": options} for c, q, options in columns]
    if template:
        made = template_of(template)
        said = [made.of(row, choice) for row in rows for choice in row["choices"]]
    else:
        said = [
            (" ".join(part for part in (row["context"], row["question"]) if part), choice)
            for row in rows
            for choice in row["choices"]
        ]
    return [prompt for prompt, _ in said], [end for _, end in said]


def _optional(value: Any, column: str, required: bool) -> str:
    return "" if value is MISSING and not required else text_of(value, column)


def _prompted(prompt: str, question: str) -> str:
    return prompt.replace("{question}", question) if prompt and question else question
