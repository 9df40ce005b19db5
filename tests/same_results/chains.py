"""Chains that take seconds, declared once: two commits are compared on them, their inputs are kept in files.

``benchmarks/same_results.py`` runs them with an earlier commit and with this one; ``golden.py`` keeps their
specs, encodings and batches. Nothing of the package is imported: the declarations serve both.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

TEXTS = Path(__file__).resolve().parents[1] / "texts"
ENCODER, DECODER = "scratch:xlm-roberta:tiny", "scratch:llama:tiny"

STEPS = {
    "text": "{data}/texts",
    "pretrain.max_steps": 20,
    "max_steps": 20,
    "train_batch_size": 8,
    "max_seq_length": 64,
    "workers": 1,
}
MINI = STEPS | {"max_train_examples": 120, "max_eval_examples": 24, "languages": "en,de,sw"}
FOLDER = STEPS | {"data": "{data}/download", "suite": "xtreme-r", "intermediate": "none"}

EVERY_KIND = {"target": "holds,pos,choice,qa,retrieval,retrieval_centred"}
JOINT = {"intermediate": "nli,roles,same_kind,questions", "mlm_share": 0.25, "mixing": "temperature"}
MERGED = {"intermediate": "attribute,nli,types", "combine": "merge"}

CHAINS: Mapping[str, Mapping[str, object]] = {
    "every kind, encoder": MINI | EVERY_KIND | {"model": ENCODER, "intermediate": "nli"},
    "every kind, decoder": MINI | EVERY_KIND | {"model": DECODER, "intermediate": "nli"},
    "joint with mlm_share, encoder": MINI | JOINT | {"model": ENCODER, "target": "holds"},
    "joint with mlm_share, decoder": MINI | JOINT | {"model": DECODER, "target": "pos"},
    "merge by average, encoder": MINI | MERGED | {"model": ENCODER, "target": "holds"},
    "merge by ties, decoder": MINI | MERGED | {"model": DECODER, "target": "pos", "merge_method": "ties"},
    "sequential, few shots": MINI
    | {
        "model": ENCODER,
        "intermediate": "roles,questions",
        "combine": "sequential",
        "target": "qa",
        "target_shots": 3,
    },
    "label_free": MINI
    | {
        "model": ENCODER,
        "intermediate": "none",
        "target": "choice,pos",
        "select_by": "label_free",
        "target.max_steps": "auto",
    },
    "average of epochs": MINI
    | {
        "model": ENCODER,
        "intermediate": "none",
        "target": "mood",
        "select_by": "average",
        "target.max_steps": "auto",
    },
    "likelihood": MINI
    | {"model": DECODER, "intermediate": "same_kind", "target": "choice", "choice_scoring": "likelihood"},
    "random control, two seeds": MINI
    | {"model": ENCODER, "intermediate": "none", "target": "holds", "control": "random", "seeds": "1,2"},
    "overlap left out": MINI
    | {"model": ENCODER, "intermediate": "attribute", "target": "holds", "exclude_overlap": "true"},
    "ranked lists and mined pairs, encoder": FOLDER | {"model": ENCODER, "target": "lareqa,mewslix,bucc2018"},
    "ranked lists and mined pairs, decoder": FOLDER | {"model": DECODER, "target": "lareqa,mewslix,bucc2018"},
    "pooled retrieval of a task file": STEPS
    | {
        "model": ENCODER,
        "task_file": "{data}/tasks.yaml",
        "target": "faq",
        "intermediate": "none",
        "pooling": "mean",
    },
}
"""Parameters of ``transfer``; ``{data}`` is the folder that :func:`write_data` filled."""


def parameters(chain: str, data: Path) -> dict[str, str]:
    """What is typed for ``chain``, by name."""
    return {name: str(value).replace("{data}", str(data)) for name, value in CHAINS[chain].items()}


NOUNS = ("river", "tree", "stone", "house", "dog", "cat", "fox", "road")
LAREQA = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
MEWSLI = ("ar", "de", "en", "es", "fa", "ja", "pl", "ro", "ta", "tr", "uk")
TASK_FILE = """\
tasks:
  faq:
    kind: retrieval
    files: {train: train.jsonl, validation: dev.jsonl, test: "test-{language}.jsonl", pool: answers.jsonl}
    columns: {source: asked, target: answer, gold: right}
"""


def write_data(folder: Path) -> None:
    """Texts, small files in XTREME's layout and a task file with its data, the same on every machine."""

    def put(name: str, text: str) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    shutil.copytree(TEXTS, folder / "texts")
    put("download/squad/train-v1.1.json", _squad(times=30))
    for code in LAREQA:
        put(f"download/lareqa/xquad-r/{code}.json", _squad(code, breaks=True))
    pairs = [
        {
            "contextual_mention": _mention(n, "en"),
            "entity": {"entity_id": f"Q{n}", "description": f"the {noun} of old"},
        }
        for n, noun in enumerate(NOUNS)
    ]
    for split in ("train", "dev"):
        put(f"download/mewslix/wikipedia_pairs-{split}.jsonl", _lines(pairs))
    mentions = [_mention(n, code) for code in MEWSLI for n in range(len(NOUNS))]
    put(
        "download/mewslix/wikinews_mentions-test.jsonl",
        _lines({"context": one["context"], "mentions": [one["mention"]]} for one in mentions),
    )
    entities = ({"entity_id": f"Q{n}", "description": f"the {NOUNS[n % 8]} {n} of old"} for n in range(30))
    put("download/mewslix/candidate_set_entities.jsonl", _lines(entities))
    for code, split in (("de", "dev"), ("de", "test"), ("zh", "dev")):  # zh has dev alone, which is mined
        name = f"download/bucc2018/{code}-en.{split}"
        put(
            f"{name}.{code}",
            "".join(f"{code}-{n}\t{split} {noun} {noun} {code} {n}\n" for n, noun in enumerate(NOUNS)),
        )
        put(f"{name}.en", "".join(f"en-{n}\t{split} {noun} {noun} {n}\n" for n, noun in enumerate(NOUNS * 2)))
        put(f"{name}.gold", "".join(f"{code}-{n}\ten-{n}\n" for n in range(5)))
    put("tasks.yaml", TASK_FILE)
    put(
        "answers.jsonl",
        _lines({"id": f"a{n}", "answer": f"the {noun} is number {n}"} for n, noun in enumerate(NOUNS)),
    )
    for name, asked in (
        ("train", "which is the {}"),
        ("dev", "the {}"),
        ("test-en", "{} here"),
        ("test-sw", "{} hapa"),
    ):
        rows = ({"asked": asked.format(noun), "right": [f"a{n}"]} for n, noun in enumerate(NOUNS))
        put(f"{name}.jsonl", _lines(rows))


def _lines(rows: Iterable[object]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _squad(language: str = "", times: int = 1, breaks: bool = False) -> str:
    """Paragraphs of two sentences with a question each; with ``breaks`` they say where sentences end."""
    paragraphs = []
    for n, noun in enumerate(NOUNS * times):
        first = f"{language}{noun} is number {n}."
        context = f"{first} It is far away."
        answer = {"text": f"number {n}", "answer_start": context.index("number")}
        paragraph = {
            "context": context,
            "qas": [{"id": f"q{n}", "question": f"which is the {language}{noun}?", "answers": [answer]}],
        }
        if breaks:
            paragraph["sentence_breaks"] = [[0, len(first)], [len(first) + 1, len(context)]]
        paragraphs.append(paragraph)
    return json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]})


def _mention(number: int, language: str) -> dict[str, object]:
    noun = NOUNS[number]
    text = f"We saw the {noun} there."
    span = {"start": 11, "end": 11 + len(noun), "text": noun}
    return {
        "context": {"language": language, "text": text, "sentence_spans": [[0, len(text)]]},
        "mention": {
            "example_id": f"{language}{number}",
            "entity_id": f"Q{number}",
            "mention_span": span,
        },
    }
