"""Multiple choice and span questions, trained and predicted, for an encoder and a decoder."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from datasets import Dataset
from tiny_world import WORDS, texts

from mlflow_xfer.kinds.span_qa.model import best_spans
from mlflow_xfer.models.checkpoint import load_task_model
from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings
from mlflow_xfer.tasks.task import Mixture, Task
from mlflow_xfer.training.parts import LanguageModelPart, Part
from mlflow_xfer.training.predict import predict
from mlflow_xfer.training.trainer import train

MC = Task(name="mc", kind="multiple_choice", metric="accuracy", languages=("en",), sources={})
QA = Task(name="qa", kind="span_qa", metric="squad", languages=("en",), sources={})
SETTINGS = TrainingSettings(
    max_steps=60, train_batch_size=16, max_seq_length=48, learning_rate=3e-3, dropout=0.0, evaluations=1
)


def choices(n, seed=0):
    """Which one is an animal? Two choices, sometimes three."""
    draw, rows = random.Random(seed), []
    for i in range(n):
        options = [
            draw.choice(["dog", "cat"]),
            *draw.choices(["house", "tree", "river", "stone"], k=draw.choice([1, 1, 2])),
        ]
        right = options[0]
        draw.shuffle(options)
        rows.append(
            {"id": str(i), "context": "", "question": "", "choices": options, "label": options.index(right)}
        )
    return Dataset.from_list(rows)


def questions(n, seed=0, unanswerable=0.0):
    """Where is the verb?"""
    draw, rows = random.Random(seed), []
    for i in range(n):
        verb = draw.choice(WORDS["en"]["v"])
        words = [draw.choice(WORDS["en"]["n"]) for _ in range(draw.randrange(2, 5))]
        answers = {"text": [], "answer_start": []}
        if draw.random() >= unanswerable:
            words.insert(draw.randrange(len(words)), verb)
            context = " ".join(words)
            answers = {"text": [verb], "answer_start": [context.index(verb)]}
        rows.append({"id": str(i), "context": " ".join(words), "question": "sees ?", "answers": answers})
    return Dataset.from_list(rows)


def test_multiple_choice_is_learnt(any_model, tmp_path):
    done = train(any_model, [Part(MC, choices(200), {"en": choices(60, 1)})], None, SETTINGS, tmp_path)
    assert done.metrics["dev/mc/en"] > 90 and not done.collapsed
    found = predict(done.directory, MC, {"en": choices(20, 2), "de": choices(7, 3)}, token_budget=100)
    assert [len(found["en"]), len(found["de"])] == [20, 7]
    assert sum(a == b for a, b in zip(found["en"], choices(20, 2)["label"], strict=True)) > 16


def test_span_questions_are_learnt(any_model, tmp_path):
    done = train(any_model, [Part(QA, questions(300), {"en": questions(60, 1)})], None, SETTINGS, tmp_path)
    assert done.metrics["dev/qa/en"] > 80
    found = predict(done.directory, QA, {"en": questions(20, 2)}, max_seq_length=48)["en"]
    contexts = questions(20, 2)["context"]
    assert all(answer and answer in context for answer, context in zip(found, contexts, strict=True))


def test_only_a_model_trained_without_answers_may_give_none(encoder, tmp_path):
    parts = {share: Part(QA, questions(200, 0, share)) for share in (0.0, 0.9)}
    found = {}
    for share, part in parts.items():
        done = train(
            encoder, [part], None, SETTINGS.model_copy(update={"max_steps": 30}), tmp_path / str(share)
        )
        assert load_task_model(done.directory, QA).config.trained_without_answers == (share > 0)
        found[share] = predict(done.directory, QA, {"en": questions(30, 5, 0.9)})["en"]
    assert "" not in found[0.0] and found[0.9].count("") > 15


def test_a_model_trained_with_answers_after_that_gives_one(encoder, tmp_path):
    """As SQuAD 2.0 before XQuAD."""
    start = encoder
    for name, share in (("first", 0.9), ("then", 0.0)):
        part = Part(replace(QA, name=name), questions(200, 0, share))
        settings = SETTINGS.model_copy(update={"max_steps": 30})
        start = train(start, [part], None, settings, tmp_path / name).directory
        assert load_task_model(start, replace(QA, name=name)).config.trained_without_answers == (share > 0)
    assert "" not in predict(start, replace(QA, name="then"), {"en": questions(30, 5, 0.9)})["en"]


def test_all_kinds_in_one_mixture(any_model, tmp_path):
    parts = [
        Part(MC, choices(40), {"en": choices(10, 1)}),
        Part(QA, questions(40), {"en": questions(10, 1)}),
        LanguageModelPart({"en": texts("en", 60)}),
    ]
    done = train(
        any_model,
        parts,
        Mixture(("mc", "qa"), mlm_share=0.3),
        SETTINGS.model_copy(update={"max_steps": 6}),
        tmp_path,
        runtime=RuntimeOptions(micro_batch=5),
    )
    assert len(predict(done.directory, MC, {"en": choices(9, 2)})["en"]) == 9
    assert len(predict(done.directory, QA, {"en": questions(9, 2)})["en"]) == 9


@pytest.mark.parametrize("width", [1, 5, 40])
def test_the_best_span_is_the_best_of_all(width):
    draws = torch.Generator().manual_seed(width)
    starts, ends = torch.randn(6, width, generator=draws), torch.randn(6, width, generator=draws)
    inside = torch.rand(6, width, generator=draws) > 0.3
    inside[0] = False
    first, last, score = best_spans(starts, ends, inside)
    for row in range(6):
        spans = [
            (float(starts[row, i] + ends[row, j]), i, j)
            for i in range(width)
            for j in range(i, min(i + 30, width))
            if inside[row, i] and inside[row, j]
        ]
        if not spans:
            assert score[row] == float("-inf")
            continue
        best = max(spans)
        assert (float(score[row]), int(first[row]), int(last[row])) == (
            pytest.approx(best[0]),
            best[1],
            best[2],
        )
