"""Raw rows become the columns of a task's kind (the table in ``tasks/task.py``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlflow_xfer.data.labels import MISSING, BadRow, NoLabel, directed_label, labeller
from mlflow_xfer.data.sentences import sentence_at
from mlflow_xfer.tasks.task import Files, Hub, Task, TaskKind

Get = Callable[[Any], Any]


def converter(task: Task, source: Hub | Files) -> Callable[[Any], dict[str, Any] | None]:
    """A function from a raw row to a row of ``task``'s kind, without ``id``; None for rows that are left out.

    The function raises :class:`BadRow` for values that are missing or of a wrong type and :class:`NoLabel`
    for rows without a gold label.
    """
    return CONVERTERS[task.kind](task, source)


def row_id(source: Hub | Files) -> Get:
    """A function from a raw row to its id in the file, or None."""
    get = getter(source.columns.get("id", "id"))

    def found(raw: Any) -> str | None:
        value = get(raw)
        return None if value is MISSING or value is None or value == "" else str(value)

    return found


def kept(source: Hub | Files, language: str) -> Callable[[Any], bool]:
    """Whether ``where`` keeps a raw row."""
    code = source.codes.get(language, language)
    wanted = [(getter(column), value.replace("{language}", code)) for column, value in source.where.items()]

    def keep(raw: Any) -> bool:
        for get, value in wanted:
            found = str(get(raw))
            if not (found.startswith(value[:-1]) if value.endswith("*") else found == value):
                return False
        return True

    return keep


# -- values --------------------------------------------------------------------------------------------------
def getter(where: Any) -> Get:
    """A function that takes a value out of a raw row: by position, name, dotted path (through a list: of each
    of its objects), or a list of these."""
    if isinstance(where, list | tuple):
        parts = [getter(part) for part in where]

        def several(raw: Any) -> Any:
            values = [part(raw) for part in parts]
            return MISSING if any(value is MISSING for value in values) else values

        return several
    if isinstance(where, int):

        def positional(raw: Any) -> Any:
            raw = list(raw.values()) if isinstance(raw, Mapping) else raw
            return raw[where] if isinstance(raw, list) and -len(raw) <= where < len(raw) else MISSING

        return positional
    path = where.split(".")

    def named(raw: Any) -> Any:
        if isinstance(raw, list):
            return MISSING
        if where in raw:
            return raw[where]
        for name in path:
            if isinstance(raw, list) and raw and all(isinstance(one, Mapping) and name in one for one in raw):
                raw = [one[name] for one in raw]
            elif not isinstance(raw, Mapping) or name not in raw:
                return MISSING
            else:
                raw = raw[name]
        return raw

    return named


def text_of(value: Any, column: str) -> str:
    """A text; a list of texts is joined with blanks."""
    if isinstance(value, str):
        return value
    if value is MISSING or value is None:
        raise BadRow(f"has no {column}")
    if isinstance(value, list):
        return " ".join(text_of(part, column) for part in value)
    if isinstance(value, bool | Mapping):
        raise BadRow(f"{column} is {type(value).__name__}, not text")
    return str(value)


def _column(source: Hub | Files, name: str) -> tuple[Get, str]:
    where = source.columns.get(name, name)
    return getter(where), f"{name} (column {where!r})" if where != name else name


# -- kinds ---------------------------------------------------------------------------------------------------
def _classification(task: Task, source: Hub | Files) -> Callable[[Any], dict[str, Any] | None]:
    (get_a, a), (get_b, b), (get_label, _) = (_column(source, name) for name in ("text_a", "text_b", "label"))
    label_of, pair = labeller(task, source), "text_b" in source.columns

    def convert(raw: Any) -> dict[str, Any] | None:
        second = get_b(raw)
        if second is MISSING and not pair:
            second = None
        text_a, text_b = text_of(get_a(raw), a), None if second is None and not pair else text_of(second, b)
        label = label_of(get_label(raw))
        if not text_a.strip() and not (text_b or "").strip():
            raise BadRow("has no text")
        return label and {"text_a": text_a, "text_b": text_b, "label": label}

    return convert


def _tagging(task: Task, source: Hub | Files) -> Callable[[Any], dict[str, Any] | None]:
    in_lines = isinstance(source, Files) and source.format in ("conll", "conllu")
    where = {name: name if in_lines else source.columns.get(name, name) for name in ("words", "tags")}
    get_words, get_tags = getter(where["words"]), getter(where["tags"])
    directed = isinstance(where["tags"], tuple | list)  # (dependency label, head)
    label_of = labeller(task, source)

    def convert(raw: Any) -> dict[str, Any] | None:
        words, tags = get_words(raw), get_tags(raw)
        if not isinstance(words, list) or not words:
            raise BadRow("has no words")
        if tags is MISSING or tags is None:
            raise NoLabel("has no tags")
        if directed:
            words, tags = _directed(words, *tags)
        if not isinstance(tags, list) or len(tags) != len(words):
            raise BadRow(
                f"has {len(words)} words and {len(tags) if isinstance(tags, list) else 'no list of'} tags"
            )
        return {
            "words": [text_of(word, "words") for word in words],
            "tags": [label_of(tag) or "O" for tag in tags],
        }

    return convert


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


def _multiple_choice(task: Task, source: Hub | Files) -> Callable[[Any], dict[str, Any] | None]:
    (get_context, context), (get_question, question), (get_choices, _), (get_label, _) = (
        _column(source, name) for name in ("context", "question", "choices", "label")
    )
    order, dropped = [str(name) for name in source.labels], set(source.drop)

    def index_of(value: Any) -> int | None:
        said = "" if value is MISSING or value is None else str(value)
        if said in dropped:
            return None
        if said in ("", "-1"):
            raise NoLabel("has no label")
        if said in order:
            return order.index(said)
        if order or not said.isdecimal():
            raise BadRow(
                (
                    f"has label {said!r}, which is not "
                    f"{'among ' + ', '.join(order) if order else 'the number of a choice'}"
                )
            )
        return int(said)

    def convert(raw: Any) -> dict[str, Any] | None:
        choices = get_choices(raw)
        if not isinstance(choices, list) or len(choices) < 2:
            raise BadRow("has fewer than two choices")
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


def _optional(value: Any, column: str, required: bool) -> str:
    return "" if value is MISSING and not required else text_of(value, column)


def _prompted(prompt: str, question: str) -> str:
    return prompt.replace("{question}", question) if prompt and question else question


def _span_qa(task: Task, source: Hub | Files) -> Callable[[Any], dict[str, Any] | None]:
    (get_context, context), (get_question, question), (get_answers, _) = (
        _column(source, name) for name in ("context", "question", "answers")
    )
    get_id = row_id(source)

    def convert(raw: Any) -> dict[str, Any] | None:
        text, answers = text_of(get_context(raw), context), get_answers(raw)
        if not isinstance(answers, Mapping):
            raise NoLabel("has no answers")
        spans, starts = (
            list(answers.get("text", ())),
            [int(start) for start in answers.get("answer_start", ())],
        )
        if spans and not any(spans):  # XTREME's scripts blank the answers of test sets: start 0, text ""
            raise NoLabel("has a blank answer")
        for span, start in zip(spans, starts, strict=True):
            if not isinstance(span, str) or text[start : start + len(span)] != span:
                raise BadRow(f"answer {str(span)[:40]!r} does not stand at character {start} of its context")
        return {
            "original_id": get_id(raw) or "",
            "context": text,
            "question": text_of(get_question(raw), question),
            "answers": {"text": spans, "answer_start": starts},
        }

    return convert


def _retrieval(task: Task, source: Hub | Files) -> Callable[[Any], dict[str, Any] | None]:
    """Queries, candidates and pairs; with a column ``answers`` the candidate is the sentence that holds the
    answer, in its context (``target``), as XTREME-R trains LAReQA on SQuAD."""
    (get_source, s), (get_target, t), (get_gold, _), (get_context, c) = (
        _column(source, name) for name in ("source", "target", "gold", "context")
    )
    get_answers = getter(source.columns["answers"]) if "answers" in source.columns else None

    def convert(raw: Any) -> dict[str, Any] | None:
        query, candidate, context, gold = get_source(raw), get_target(raw), get_context(raw), get_gold(raw)
        if query in (MISSING, None) and candidate in (MISSING, None):
            raise BadRow(f"has neither {s} nor {t}")
        if get_answers:
            context = text_of(candidate, t)
            candidate = sentence_at(context, _first_answer(get_answers(raw)))
        return {
            "source": None if query in (MISSING, None) else text_of(query, s),
            "target": None if candidate in (MISSING, None) else text_of(candidate, t),
            "context": None if context in (MISSING, None) else text_of(context, c),
            "gold": None
            if gold in (MISSING, None)
            else [str(name) for name in (gold if isinstance(gold, list) else [gold])],
        }

    return convert


def _first_answer(answers: Any) -> int:
    """Where the first answer begins, in characters."""
    if not isinstance(answers, Mapping) or not any(answers.get("text") or ()):
        raise NoLabel("has no answer")
    return int(answers["answer_start"][0])


def _text(task: Task, source: Hub | Files) -> Callable[[Any], dict[str, Any] | None]:
    get, name = _column(source, "text")

    def convert(raw: Any) -> dict[str, Any] | None:
        text = text_of(get(raw), name)
        return {"text": text} if text.strip() else None

    return convert


CONVERTERS: dict[TaskKind, Callable[[Task, Any], Callable[[Any], dict[str, Any] | None]]] = {
    TaskKind.CLASSIFICATION: _classification,
    TaskKind.TAGGING: _tagging,
    TaskKind.MULTIPLE_CHOICE: _multiple_choice,
    TaskKind.SPAN_QA: _span_qa,
    TaskKind.RETRIEVAL: _retrieval,
    TaskKind.MASKED_LM: _text,
    TaskKind.CAUSAL_LM: _text,
}


def group_of(task: Task, row: Mapping[str, Any]) -> str:
    """The text whose rows stay on the same side of a cut: no premise or paragraph in both."""
    value = row.get(GROUPED_BY[task.kind]) or row.get("question") or row.get("source") or row.get("target")
    return " ".join(value) if isinstance(value, list) else value


GROUPED_BY = {
    TaskKind.CLASSIFICATION: "text_a",
    TaskKind.TAGGING: "words",
    TaskKind.MULTIPLE_CHOICE: "context",
    TaskKind.SPAN_QA: "context",
    TaskKind.RETRIEVAL: "context",
    TaskKind.MASKED_LM: "text",
    TaskKind.CAUSAL_LM: "text",
}
