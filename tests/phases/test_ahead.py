"""What local data will be before they are read by a phase: held to what is read then."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import mlflow
import pytest

import mlflow_xfer
from mlflow_xfer.data import mini, reading, sources
from mlflow_xfer.data.encode import encode
from mlflow_xfer.models.load import load_tokenizer, save
from mlflow_xfer.models.scratch import build_scratch
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.phases import ahead
from mlflow_xfer.phases.estimate import steps_of
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


@pytest.mark.parametrize("given", [{}, {"text_words": 800, "text_languages": "en,de"}])
def test_steps_on_raw_text_are_known_before(given, model, tmp_path):
    for code in ("en", "de", "sw"):
        write(tmp_path / f"{code}.txt", SENTENCES * (3 if code == "en" else 2))
    asked = {"text": str(tmp_path), "model": str(model), "max_seq_length": 32, "train_batch_size": 4} | given
    planned = mlflow_xfer.plan("pretrain", **asked).plan.phases[-1]
    trained = mlflow.get_run(mlflow_xfer.pretrain(**asked).run_id)
    assert steps_of(planned) == pytest.approx(trained.data.metrics["train/optimizer_steps"], rel=0.05)


def test_what_is_not_known_is_told_beside_the_rest(tmp_path, model):
    write(tmp_path / "en.txt", SENTENCES)
    write(tmp_path / "t" / "xnli" / "train-en.tsv", [f"{one}\t{one}\tneutral" for one in SENTENCES])
    write(tmp_path / "t" / "xnli" / "dev-en.tsv", ["A\tB\tneutral"])
    write(tmp_path / "t" / "xnli" / "test-de.tsv", ["A\tB\tneutral"])
    given = {
        "model": "xlm-roberta-base",
        "text": str(tmp_path),
        "target": "xnli",
        "data": str(tmp_path / "t"),
    }
    said = mlflow_xfer.plan("transfer", seeds=1, **given).text()
    assert "tokens in" in said and "besides 1 trainings for which the number of rows is not known" in said


@pytest.mark.parametrize("more", [0, 1])
def test_the_size_of_the_embedded_text_is_known_without_making_it(more):
    words, tokens, every = 0.0, 0.0, 0
    for code in ("en", "sw", "vi", "eu"):
        documents, words_each, tokens_each = mini.text_size(code, more)
        made = mini.text(code, more)
        assert documents == len(made)
        every, words = every + len(made), words + sum(len(row["text"].split()) for row in made)
        # Nearly each word is one token of a tokenizer that is trained on them; two or three stand between.
        tokens += sum(
            len(f"{row['text']} {row['text_b'] or ''}".split()) + 2 + bool(row["text_b"]) for row in made
        )
    assert words_each == pytest.approx(words / every, rel=0.1)
    assert tokens_each == pytest.approx(tokens / every, rel=0.1)
