"""What local data will be before they are read by a phase: held to what is read then."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

import mlflow_xfer
from mlflow_xfer.data import reading, sources
from mlflow_xfer.data.encode import encode
from mlflow_xfer.models.load import build_scratch, load_tokenizer, save
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.phases import ahead
from mlflow_xfer.phases.phase import BaseModel
from mlflow_xfer.tasks.catalogue import TASKS

SENTENCES = [f"The cat number {n} sat on {'a very long ' * (n % 5)}mat ." for n in range(60)]


def pairs(folder: Path) -> None:
    lines = [f"{one}\t{two}\tentailment" for one, two in zip(SENTENCES, SENTENCES[1:], strict=False)]
    write(folder / "xnli" / "train-en.tsv", lines)


def tagged(folder: Path) -> None:
    write(
        folder / "udpos" / "train-en.tsv",
        ["\n".join(f"{w}\tNOUN" for w in s.split()) + "\n" for s in SENTENCES],
    )


def choices(folder: Path) -> None:
    rows = [
        {
            "premise": s,
            "choice1": s,
            "choice2": "No.",
            "question": "cause",
            "label": 0,
            "idx": n,
            "changed": False,
        }
        for n, s in enumerate(SENTENCES)
    ]
    write(folder / "xcopa" / "train-en.jsonl", map(json.dumps, rows))


def questions(folder: Path) -> None:
    asked = [
        {"id": str(n), "question": "Where?", "answers": [{"text": "cat", "answer_start": s.index("cat")}]}
        for n, s in enumerate([" ".join(SENTENCES)] * 3)
    ]
    paragraphs = [{"context": " ".join(SENTENCES), "qas": asked}]
    write(
        folder / "squad" / "train-v1.1.json",
        [json.dumps({"data": [{"title": "", "paragraphs": paragraphs}], "version": "1.1"})],
    )


def write(file: Path, lines) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    tokenizer = train_tokenizer(SENTENCES, 300, "xlm-roberta")
    folder = tmp_path_factory.mktemp("model")
    save(build_scratch("xlm-roberta", "tiny", tokenizer, 0), tokenizer, folder)
    return folder


@pytest.mark.parametrize(
    "name, made", [("xnli", pairs), ("udpos", tagged), ("xcopa", choices), ("xquad", questions)]
)
def test_rows_and_their_tokens_are_known_before(name, made, model, tmp_path):
    made(tmp_path)
    task = TASKS.get(name)
    rows = sources.locate(task, "train", "en", str(tmp_path))
    read = reading.read(task, rows)
    assert ahead.count(task, rows) == len(read)
    told = ahead.tokens_per_row(task, rows, BaseModel("x", "sha256:x", str(model)), 64, False)
    exact = encode(read, task, load_tokenizer(model), 64).lengths.sum() / len(read)
    assert told == pytest.approx(exact)
    assert name != "xquad" or told > 64  # in several windows


def test_what_is_not_at_hand_is_not_known(model, tmp_path):
    pairs(tmp_path)
    task = TASKS.get("xnli")
    rows = sources.locate(task, "train", "en", str(tmp_path))
    assert math.isnan(ahead.tokens_per_row(task, rows, BaseModel("x", "hub:x@1"), 64, False))


def test_a_plan_goes_by_the_rows_of_a_tagged_file(model, tmp_path):
    tagged(tmp_path)
    write(tmp_path / "udpos" / "dev-en.tsv", ["A\tDET\n"])
    given = {"model": str(model), "target": "udpos", "data": str(tmp_path), "num_train_epochs": 4}
    said = mlflow_xfer.plan("target", gpu="H100", train_batch_size=10, **given).text()
    assert re.search(r"about \d[\d,]* tokens in 24 steps", said), said
