"""Heads that others trained: which output stands for which label, and whether outputs are labels at all."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    T5Config,
    XLMConfig,
    XLNetConfig,
)

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind as kinds
from mlflow_xfer.models.checkpoint import heads_of, load_task_model, saved_head
from mlflow_xfer.models.load import load_tokenizer
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.predict import allowed_labels
from tests.families import make_tokenizer

POLAR = Task("polar", "classification", "accuracy", ("en",), {}, ("no", "yes"))
GRADES = Task("grades", "regression", "pearson", ("en",), {})


def published(source, folder, auto=AutoModelForSequenceClassification, **config):
    """A checkpoint as ``save_pretrained`` leaves it, with no names but those of ``config``."""
    model = auto.from_pretrained(source, local_files_only=True, **config)
    model.save_pretrained(folder)
    load_tokenizer(source).save_pretrained(folder)
    return folder, model.eval()


@pytest.mark.parametrize("auto", [AutoModelForSequenceClassification, AutoModelForTokenClassification])
@pytest.mark.parametrize("n", [2, 3])
def test_outputs_without_names_are_no_labels(any_model, tmp_path, auto, n):
    """Two are not written out, and would else be taken in the task's order."""
    folder, _ = published(any_model, tmp_path, auto, num_labels=n)
    kind = "classification" if auto is AutoModelForSequenceClassification else "tagging"
    with pytest.raises(XferError, match=r"is for labels LABEL_0, LABEL_1(.|\n)*id2label in its config\.json"):
        saved_head(folder, replace(POLAR, kind=kind, labels=("no", "yes", "so")[:n]))


def test_named_outputs_are_labels_in_their_own_order(any_model, tmp_path):
    names = {"id2label": {0: "yes", 1: "no"}, "label2id": {"yes": 0, "no": 1}}
    folder, model = published(any_model, tmp_path, **names)
    batch = load_tokenizer(folder)(["the quick fox"], return_tensors="pt")
    head = load_task_model(folder, POLAR).eval()
    assert head.config.id2label == names["id2label"]
    with torch.no_grad():
        assert torch.allclose(head(**batch).logits, model(**batch).logits)


def test_a_single_output_is_a_number(any_model, tmp_path):
    """As cross-encoders of similarity are published: nothing says what the output is."""
    folder, model = published(any_model, tmp_path, num_labels=1)
    assert [task.kind for task in heads_of(folder).values()] == ["regression"]
    batch = load_tokenizer(folder)(["the quick fox"], return_tensors="pt")
    with torch.no_grad():
        assert torch.allclose(load_task_model(folder, GRADES).eval()(**batch).logits, model(**batch).logits)
    with pytest.raises(XferError, match="no head for task 'polar'.*a head for regression"):
        saved_head(folder, POLAR)


def test_names_of_outputs_may_be_written_as_numbers(any_model, tmp_path):
    """As ``dict(enumerate(sorted(set(labels))))`` leaves them."""
    folder, _ = published(any_model, tmp_path, id2label={0: 1, 1: 0}, label2id={1: 0, 0: 1})
    task = replace(POLAR, labels=("0", "1"))
    assert saved_head(folder, task)[0].labels == ("1", "0")
    head = load_task_model(folder, task).eval()
    assert allowed_labels(head, task)[0] == ["1", "0"]
    with pytest.raises(XferError, match=r"is for labels 1, 0; task 'polar' has no, yes"):
        saved_head(folder, POLAR)


def test_outputs_are_counted_from_zero(any_model, tmp_path):
    folder, _ = published(any_model, tmp_path, id2label={0: "no", 1: "yes"})
    config = json.loads((folder / "config.json").read_text()) | {"id2label": {"1": "no", "2": "yes"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(XferError, match=r"numbers the outputs of the head 1, 2\.(.|\n)*expected 0, 1"):
        saved_head(folder, POLAR)


def test_outputs_that_are_none_of_the_tasks_labels_are_said_once(any_model, tmp_path, caplog):
    folder, _ = published(any_model, tmp_path, id2label={0: "no", 1: "perhaps", 2: "yes"})
    for _ in range(2):
        assert saved_head(folder, POLAR)[0].labels == ("no", "perhaps", "yes")
    (said,) = (one.getMessage() for one in caplog.records if one.name.startswith("mlflow_xfer"))
    assert "also gives perhaps, which task 'polar' does not declare" in said


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"num_labels": 1, "problem_type": "regression"}, "regression"),
        ({"num_labels": 2}, "classification"),
        ({"num_labels": 3, "problem_type": "single_label_classification"}, "classification"),
        ({"num_labels": 1, "problem_type": "multi_label_classification"}, "classification"),
    ],
)
def test_what_a_head_gives(any_model, tmp_path, config, kind):
    folder, _ = published(any_model, tmp_path, **config)
    assert [task.kind for task in heads_of(folder).values()] == [kind]


@pytest.mark.parametrize("name", ["XLMRobertaForQuestionAnswering", "XLNetForQuestionAnsweringSimple"])
def test_heads_for_questions_are_known_by_either_name(name):
    assert kinds.model("span_qa").loaded({"architectures": [name]})


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"num_labels": 3, "problem_type": "multi_label_classification"}, "several labels a text"),
        ({"num_labels": 3, "problem_type": "regression"}, "several numbers a text"),
    ],
)
def test_heads_of_several_answers_are_refused(any_model, tmp_path, config, said):
    folder, _ = published(any_model, tmp_path, **config)
    (task,) = heads_of(folder).values()
    with pytest.raises(XferError, match=said):
        load_task_model(folder, task)


def test_outputs_of_one_name_are_refused(any_model, tmp_path):
    folder, _ = published(any_model, tmp_path, id2label={0: "yes", 1: "no", 2: "yes"})
    with pytest.raises(XferError, match=r"calls several outputs of the head yes\.(.|\n)*name of its own"):
        heads_of(folder)


XLNET = {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 16}
XLM = {"emb_dim": 16, "n_layers": 1, "n_heads": 2}


def headed(auto, config, folder):
    """A random head of ``config``."""
    tokenizer = make_tokenizer("roberta")
    config.vocab_size, config.pad_token_id = len(tokenizer), tokenizer.pad_token_id
    auto.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (XLNetConfig(d_model=16, n_layer=1, n_head=2, d_inner=16), "last place of a row"),
        (
            XLNetConfig(d_model=16, n_layer=1, n_head=2, d_inner=16, summary_type="mean"),
            "all places of a row",
        ),
        (XLMConfig(emb_dim=16, n_layers=1, n_heads=2, summary_type="mean"), "all places of a row"),
    ],
)
def test_a_saved_head_that_reads_padding_is_refused(config, said, tmp_path):
    folder = headed(AutoModelForSequenceClassification, config, tmp_path)
    (task,) = heads_of(folder).values()
    for read in (saved_head, load_task_model):
        with pytest.raises(XferError, match=said):
            read(folder, task)


def test_a_saved_head_that_reads_the_first_token_is_read(tmp_path):
    folder = headed(AutoModelForSequenceClassification, XLMConfig(**XLM), tmp_path)
    (task,) = heads_of(folder).values()
    assert type(load_task_model(folder, task)).__name__ == "XLMForSequenceClassification"


def test_heads_that_read_with_a_decoder_too_are_refused(tmp_path):
    config = T5Config(d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    folder = headed(AutoModelForSequenceClassification, config, tmp_path)
    (task,) = heads_of(folder).values()
    with pytest.raises(XferError, match="holds a T5ForSequenceClassification, a class that is not supported"):
        load_task_model(folder, task)
