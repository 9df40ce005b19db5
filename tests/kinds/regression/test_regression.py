"""Graded pairs from files to a score with an interval, for an encoder and a decoder."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from datasets import Dataset
from scipy import stats

from mlflow_xfer.data import sources
from mlflow_xfer.data.encode import encode
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.checkpoint import heads_of
from mlflow_xfer.models.load import load_tokenizer, save
from mlflow_xfer.models.scratch import build_scratch
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.params.settings import TrainingSettings
from mlflow_xfer.phases.prediction import predict_file
from mlflow_xfer.scoring.baselines import baselines
from mlflow_xfer.scoring.formats import read, write_predictions
from mlflow_xfer.scoring.score import score
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.tasks.task_file import load_task_file
from mlflow_xfer.training.parts import Part
from mlflow_xfer.training.predict import predict
from mlflow_xfer.training.trainer import train

GRADES = Task(name="grades", kind="regression", metric="pearson", languages=("en",), sources={})
SETTINGS = TrainingSettings(
    max_steps=120, train_batch_size=16, max_seq_length=24, learning_rate=3e-3, dropout=0.0, evaluations=2
)
GOOD, BAD = ("happy", "nice"), ("awful", "poor")


def graded(n, seed=0):
    """A pair's grade is the share of its words that are good, times 5."""
    draw = random.Random(seed)
    made = []
    for i in range(n):
        words = [draw.choice(GOOD if draw.random() < draw.random() else BAD) for _ in range(4)]
        grade = 5 * sum(word in GOOD for word in words) / 4
        made.append(
            {"id": str(i), "text_a": " ".join(words[:2]), "text_b": " ".join(words[2:]), "label": grade}
        )
    return Dataset.from_list(made)


@pytest.fixture(scope="module", params=["xlm-roberta", "llama"])
def any_model(request, tmp_path_factory):
    """A tiny encoder, then a tiny decoder, with random weights."""
    tokenizer = train_tokenizer([" ".join(GOOD + BAD)] * 20, 60, request.param)
    folder = tmp_path_factory.mktemp(request.param)
    return save(build_scratch(request.param, "tiny", tokenizer, 0), tokenizer, folder)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    def write(rows, **more):
        folder = tmp_path_factory.mktemp("graded")
        for split in ("train", "validation", "test"):
            lines = "\n".join(json.dumps(row) for row in rows)
            (folder / f"{split}.jsonl").write_text(lines + "\n", encoding="utf-8")
        files = ", ".join(f"{split}: {split}.jsonl" for split in ("train", "validation", "test"))
        fields = "".join(f"\n    {name}: {value}" for name, value in more.items())
        path = folder / "tasks.yaml"
        path.write_text(
            f"tasks:\n  mine:\n    kind: regression\n    files: {{{files}}}{fields}\n", encoding="utf-8"
        )
        return path

    return write


def test_a_head_learns_grades_and_is_told_from_a_classifier(any_model, tmp_path):
    done = train(any_model, [Part(GRADES, graded(300), {"en": graded(60, 1)})], None, SETTINGS, tmp_path)
    assert done.metrics["dev/grades/en"] > 70 and not done.collapsed
    (head,) = heads_of(done.directory).values()
    assert head.kind == "regression" and head.labels == ()
    test = graded(80, 2)
    found = predict(done.directory, GRADES, {"en": test})["en"]
    assert found == pytest.approx(predict(done.directory, GRADES, {"en": test.remove_columns("label")})["en"])
    scored = score("pearson", found, test["label"][:], "en")
    assert scored.value == pytest.approx(100 * stats.pearsonr(found, test["label"][:])[0])
    assert scored.low < scored.value < scored.high and scored.value > 70
    assert scored.components["spearman"] == pytest.approx(100 * stats.spearmanr(found, test["label"][:])[0])


def test_predict_gives_a_number_for_each_line(any_model, tmp_path):
    done = train(
        any_model,
        [Part(GRADES, graded(20))],
        None,
        TrainingSettings(max_steps=1, max_seq_length=24),
        tmp_path / "work",
    )
    own = tmp_path / "own.txt"
    own.write_text("happy nice\tawful poor\nhappy happy\tnice nice\n", encoding="utf-8")
    rows = predict_file(str(done.directory), own, None, lambda: None)
    assert [type(row["prediction"]) for row in rows] == [float, float] and rows[0]["text_b"] == "awful poor"


def test_fractions_are_not_cut(any_model):
    tokenizer = load_tokenizer(any_model)
    encoded = encode(
        Dataset.from_list([{"id": "0", "text_a": "a", "text_b": "b", "label": 2.75}]), GRADES, tokenizer, 16
    )
    assert np.asarray(encoded.columns["label"]).tolist() == [2.75]


def test_a_task_file_declares_grades(written):
    rows = [{"text_a": "a b", "text_b": "c", "label": n / 2} for n in range(9)]
    (task,) = load_task_file(written(rows))
    assert task.metric == "pearson" and task.labels == ()
    found = sources.locate(task, "test", "en", "hub")
    assert sources.check(task, found) == []
    assert sources.read(task, found)["label"][:] == [n / 2 for n in range(9)]
    assert load_task_file(written(rows, metric="spearman"))[0].metric == "spearman"


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ("good", "is no number"),
        ("1_000", "is no number"),
        pytest.param(10**400, "is no number", id="huge"),
        (float("nan"), "is no finite number"),
        (True, "is no finite number"),
    ],
)
def test_grades_are_finite_numbers(written, label, says):
    rows = [{"text_a": "a", "text_b": "b", "label": value} for value in (1.0, label)]
    (task,) = load_task_file(written(rows))
    (fault,) = sources.check(task, sources.locate(task, "train", "en", "hub"))
    assert "train.jsonl:2" in str(fault) and says in str(fault)


@pytest.mark.parametrize("said", [-1, -1.0, "-1", "-1.0"])
@pytest.mark.parametrize("drop", ["[-1]", "['-1']", "['-1.0']"])
def test_grades_that_are_left_out(written, said, drop):
    """In whatever spelling: a grade of -1 that stands for none would else be learned."""
    rows = [{"text_a": "a", "text_b": "b", "label": value} for value in (1.0, said, 2.0)]
    (task,) = load_task_file(written(rows, drop=drop))
    assert sources.read(task, sources.locate(task, "train", "en", "hub"))["label"][:] == [1.0, 2.0]


def test_a_test_set_of_one_grade_is_unscored(written):
    (task,) = load_task_file(written([{"text_a": f"a{n}", "text_b": "b", "label": 0.0} for n in range(9)]))
    (fault,) = sources.check(task, sources.locate(task, "test", "en", "hub"))
    assert isinstance(fault, sources.Unscored) and "placeholder" in str(fault)


def test_chance_and_a_constant_are_nothing():
    assert baselines("pearson", [1.0, 2.0, 4.0]) == {"chance": 0.0, "majority": 0.0}
    assert score("pearson", [3.0] * 4, [1.0, 2.0, 3.0, 4.0], "en").value == 0


def test_files_hold_a_number_a_line(tmp_path):
    gold = [1.0, 2.5, 4.75]
    path = write_predictions(tmp_path / "mine", GRADES, "en", [1, 2.25, 4.5])
    labels = write_predictions(tmp_path / "labels", GRADES, "en", gold)
    assert read(path, labels, GRADES) == ([1.0, 2.25, 4.5], gold)
    path.write_text("1\nfine\n3\n", encoding="utf-8")
    with pytest.raises(XferError, match=r"test-en.tsv:2: 'fine' is no finite number"):
        read(path, labels, GRADES)
