"""Training: what comes out, what it costs, and what it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny_world import PAIRS, POS, SENTIMENT, rows, texts
from transformers import AutoModel, AutoModelForTokenClassification

from mlflow_xfer.data.mixing import key_of
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.checkpoint import load_task_model
from mlflow_xfer.models.heads import build, head_tensors
from mlflow_xfer.models.load import has_lm_head, load_tokenizer
from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings
from mlflow_xfer.tasks.task import Mixture
from mlflow_xfer.training import loop
from mlflow_xfer.training import trainer as module
from mlflow_xfer.training.dev import Dev
from mlflow_xfer.training.lm import lm_loss
from mlflow_xfer.training.parts import Displaced, LanguageModelPart, Part
from mlflow_xfer.training.predict import predict
from mlflow_xfer.training.state import Claim
from mlflow_xfer.training.trainer import read_outcome, train

FAST = TrainingSettings(num_train_epochs=2, train_batch_size=16, max_seq_length=64, learning_rate=2e-3)


def part(task, n=160, dev=True):
    return Part(
        task,
        rows(task, "en", n),
        {"en": rows(task, "en", 40, 1), "de": rows(task, "de", 20, 1)} if dev else {},
    )


def lm_part():
    return LanguageModelPart({code: texts(code, 200) for code in ("en", "de")}, {"en": texts("en", 30, 1)})


def test_one_task_is_learnt_and_published(any_model, tmp_path):
    seen = []
    done = train(any_model, [part(POS)], None, FAST, tmp_path, log=lambda m, s: seen.append((s, m)))
    assert done.metrics["dev/pos/en"] > 95 and not done.collapsed and done.steps == 20
    assert (
        done.tokens
        == sum(
            len(load_tokenizer(any_model)(r["words"], is_split_into_words=True)["input_ids"])
            for r in rows(POS, "en", 160)
        )
        * 2
    )
    loaded = AutoModelForTokenClassification.from_pretrained(done.directory)
    assert loaded.config.id2label == {0: "ADJ", 1: "NOUN", 2: "VERB"}
    AutoModel.from_pretrained(done.directory)
    found = predict(done.directory, POS, {"en": rows(POS, "en", 30, 2)})["en"]
    assert found == rows(POS, "en", 30, 2)["tags"][:]
    names = {name for _, metrics in seen for name in metrics}
    assert {"train/loss", "train/learning_rate", "train/tokens", "dev/pos/en", "dev/pos/de"} <= names


def test_pretraining_lowers_the_loss_and_its_head_travels(any_model, tmp_path):
    settings = FAST.model_copy(update={"max_steps": 30, "dropout": 0.0, "select_by": "last"})
    done = train(any_model, [lm_part()], None, settings, tmp_path / "pre")
    held_out = {"en": texts("en", 30, 1)}
    before, after = lm_loss(any_model, held_out)["en"], lm_loss(done.directory, held_out)["en"]
    assert after < before - 0.5 and has_lm_head(done.directory)
    assert done.metrics["dev/lm/en"] == pytest.approx(after, abs=1e-4)
    tuned = train(
        done.directory, [part(SENTIMENT)], None, FAST.model_copy(update={"max_steps": 2}), tmp_path / "task"
    )
    assert not has_lm_head(tuned.directory) and lm_loss(tuned.directory, held_out)["en"] < before - 0.3


def test_a_mixture_trains_every_head_and_the_language_model(any_model, tmp_path):
    mixture = Mixture((PAIRS.name, POS.name), mlm_share=0.4)
    parts = [part(PAIRS), part(POS), lm_part()]
    done = train(any_model, parts, mixture, FAST, tmp_path / "mix")
    assert done.steps == round((20 + 20) / 0.6)
    fresh = build(any_model, [PAIRS, POS], True, 0)
    for name in (PAIRS.name, POS.name):
        saved = load_file(done.directory / "heads" / name / "model.safetensors")
        first = fresh.head(name).state_dict()
        assert any(not torch.equal(saved[key], first[key]) for key in saved)
    assert {f"dev/{name}/{code}" for name in (PAIRS.name, POS.name) for code in ("en", "de")} | {
        "dev/lm/en"
    } <= set(done.metrics)
    assert has_lm_head(done.directory)
    sequel = train(
        done.directory, [part(SENTIMENT)], None, FAST.model_copy(update={"max_steps": 2}), tmp_path / "next"
    )
    assert (sequel.directory / "lm_head").is_dir() and not (sequel.directory / "heads").exists()


def test_a_finished_training_is_not_repeated(encoder, tmp_path, monkeypatch):
    done = train(encoder, [part(POS)], None, FAST.model_copy(update={"max_steps": 3}), tmp_path)
    monkeypatch.setattr(module, "Training", None)
    assert (
        train(encoder, [part(POS)], None, FAST.model_copy(update={"max_steps": 3}), tmp_path)
        == done
        == read_outcome(tmp_path)
    )
    (done.directory / "model.safetensors").write_bytes(b"cut")
    assert read_outcome(tmp_path) is None


def test_the_best_by_english_dev_is_published(encoder, tmp_path, monkeypatch):
    """The score is made up: highest in the middle, with other languages speaking for the end."""
    made_up = {5: 10.0, 10: 90.0, 15: 50.0, 20: 20.0}
    steps = iter(made_up.values())

    def scored(self):
        score = next(steps)
        return {"dev/pos/en": score, "dev/pos/de": 100 - score}, score, False

    monkeypatch.setattr(Dev, "evaluate", scored)
    settings = FAST.model_copy(update={"num_train_epochs": 4, "max_steps": 20})
    best = train(encoder, [part(POS, 80)], None, settings, tmp_path / "best")
    assert (best.selected_step, best.metrics["dev/pos/en"], best.steps) == (10, 90.0, 20)
    monkeypatch.undo()
    scored_at = []
    last = train(
        encoder,
        [part(POS, 80)],
        None,
        settings.model_copy(update={"select_by": "last"}),
        tmp_path / "last",
        log=lambda metrics, step: scored_at.extend([step] if "dev/pos/en" in metrics else []),
    )
    assert last.selected_step == 20 and scored_at == [20]  # what selects nothing is not computed
    differs = [
        not torch.equal(a, b)
        for a, b in zip(
            load_file(best.directory / "model.safetensors").values(),
            load_file(last.directory / "model.safetensors").values(),
            strict=True,
        )
    ]
    assert any(differs)


def test_the_average_is_the_mean_over_epoch_ends(encoder, tmp_path, monkeypatch):
    from mlflow_xfer.training.tally import Tally

    kept, original = [], Tally.average
    monkeypatch.setattr(
        Tally,
        "average",
        lambda self, tensors: (
            kept.append({n: t.cpu().clone() for n, t in tensors.items()}),
            original(self, tensors),
        ),
    )
    done = train(
        encoder,
        [part(POS, 64)],
        None,
        FAST.model_copy(update={"num_train_epochs": 3, "select_by": "average"}),
        tmp_path,
    )
    assert len(kept) == 3
    name = "backbone.embeddings.word_embeddings.weight"
    wanted = torch.stack([weights[name] for weights in kept]).mean(0)
    got = AutoModelForTokenClassification.from_pretrained(done.directory).get_input_embeddings().weight
    assert torch.allclose(got, wanted, atol=1e-6)


def test_dev_is_scored_at_most_so_often(encoder, tmp_path):
    seen = []
    train(
        encoder,
        [part(POS)],
        None,
        FAST.model_copy(update={"num_train_epochs": 8, "evaluations": 3}),
        tmp_path,
        log=lambda m, s: seen.append(s) if "dev/pos/en" in m else None,
    )
    assert seen == [27, 53, 80]


def test_seeds_differ_and_repeat(encoder, tmp_path):
    def weights(seed, name):
        done = train(
            encoder,
            [part(POS, 48)],
            None,
            FAST.model_copy(update={"max_steps": 4}),
            tmp_path / name,
            seed=seed,
        )
        return load_file(done.directory / "model.safetensors")

    one, same, other = weights(0, "a"), weights(0, "b"), weights(1, "c")
    assert all(torch.equal(one[k], same[k]) for k in one) and any(
        not torch.equal(one[k], other[k]) for k in one
    )


def test_micro_batches_change_no_step(encoder, tmp_path):
    settings = FAST.model_copy(update={"max_steps": 4, "dropout": 0.0})
    whole = train(encoder, [part(SENTIMENT, 64)], None, settings, tmp_path / "whole")
    parts = train(
        encoder,
        [part(SENTIMENT, 64)],
        None,
        settings,
        tmp_path / "parts",
        runtime=RuntimeOptions(micro_batch=3),
    )
    ours, theirs = (load_file(done.directory / "model.safetensors") for done in (whole, parts))
    assert all(torch.allclose(ours[k], theirs[k], atol=1e-5) for k in ours)


def test_a_model_that_learns_nothing_is_flagged(encoder, tmp_path):
    still = train(
        encoder,
        [part(SENTIMENT)],
        None,
        FAST.model_copy(update={"learning_rate": 1e-12, "max_steps": 2}),
        tmp_path,
    )
    assert still.collapsed


def test_dropout_is_on_in_every_step(encoder, tmp_path, monkeypatch):
    """Loaded parts are in evaluation mode, and scoring dev puts them there again."""
    from mlflow_xfer.training.loop import Loop

    modes, compute = [], Loop.compute_loss_context_manager
    monkeypatch.setattr(
        Loop,
        "compute_loss_context_manager",
        lambda self: modes.append({m.training for m in self.model.modules()}) or compute(self),
    )
    done = train(encoder, [part(SENTIMENT, 48)], None, FAST, tmp_path)
    assert modes == [{True}] * done.steps + [{False}], "after the last step their loss is looked at once more"


def test_a_task_called_lm_is_none_of_the_language_models_business(encoder, tmp_path, monkeypatch):
    """Both are trained, and their losses and heads are told apart."""
    monkeypatch.setattr(loop, "LOGGED", 2)
    task, seen = replace(SENTIMENT, name="lm"), {}
    done = train(
        encoder,
        [part(task, 64), LanguageModelPart({"en": texts("en", 60)})],
        Mixture(("lm",), mlm_share=0.5),
        FAST.model_copy(update={"max_steps": 8, "select_by": "last"}),
        tmp_path,
        log=lambda metrics, step: seen.update(metrics),
    )
    assert seen["train/lm/loss"] > 2 > seen["train/task lm/loss"], "over a vocabulary, and over two labels"
    assert (
        0 <= done.metrics["dev/lm/en"] <= 100
        and len(predict(done.directory, task, {"en": rows(task, "en", 9)})["en"]) == 9
    )
    fresh, trained = build(encoder, [task], True, 0), build(done.directory, [task], True, 0)
    assert not torch.equal(fresh.lm.lm_head.dense.weight, trained.lm.lm_head.dense.weight)
    head = load_task_model(done.directory, task)
    assert not torch.equal(fresh.head("lm").classifier.out_proj.weight, head.classifier.out_proj.weight)


@pytest.mark.parametrize("kind", ["classification", "tagging", "span_qa", "multiple_choice"])
def test_a_head_is_drawn_by_its_tasks_key(any_model, kind):
    """A language model's head is drawn by ``lm``, so that of a task of this name is not."""
    task = replace(SENTIMENT, kind=kind)
    one, other = (build(any_model, [replace(task, name=name)], False, 0) for name in ("lm", key_of("lm")))
    heads = [
        head_tensors(one.head("lm"), one.backbone),
        head_tensors(other.head(key_of("lm")), other.backbone),
    ]
    assert heads[0] and all(torch.equal(tensor, heads[1][name]) for name, tensor in heads[0].items())


def test_training_without_dev_takes_the_last(encoder, tmp_path):
    done = train(encoder, [part(POS, dev=False)], None, FAST.model_copy(update={"max_steps": 3}), tmp_path)
    assert done.selected_step == 3 and not any(name.startswith("dev/") for name in done.metrics)


def test_dropout_can_be_set_for_training_and_is_not_published(encoder, tmp_path):
    done = train(
        encoder, [part(POS, 32)], None, FAST.model_copy(update={"max_steps": 1, "dropout": 0.0}), tmp_path
    )
    assert AutoModelForTokenClassification.from_pretrained(done.directory).config.hidden_dropout_prob == 0.1


REFUSED = {
    "nothing": (lambda m: ([], None, {}), "Nothing to train on"),
    "no rows": (lambda m: ([Part(POS, rows(POS, "en", 1).select([]))], None, {}), "no training examples"),
    "a task twice": (lambda m: ([part(POS), part(POS)], None, {}), "stands twice"),
    "another mixture": (lambda m: ([part(POS)], Mixture(("pos", "nli")), {}), "different tasks: nli"),
    "a share without text": (
        lambda m: ([part(POS), part(PAIRS)], Mixture((POS.name, PAIRS.name), mlm_share=0.2), {}),
        "there is no language-model part",
    ),
    "too long": (lambda m: ([part(POS)], None, {"max_seq_length": 4096}), "reads at most 512"),
    "no text": (lambda m: ([LanguageModelPart({"en": texts("en", 0)})], None, {}), "no text to train"),
    "two dev scores of one name": (
        lambda m: (
            [part(replace(POS, name="lm")), lm_part()],
            Mixture(("lm",), mlm_share=0.5),
            {},
        ),
        "would have one name",
    ),
    "half precision without a GPU": (lambda m: ([part(POS)], None, {"precision": "fp16"}), "needs a GPU"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_cannot_train_is_refused(any_model, tmp_path, fault):
    parts, mixture, changes = REFUSED[fault][0](any_model)
    with pytest.raises(XferError, match=REFUSED[fault][1]):
        train(
            any_model,
            parts,
            mixture,
            FAST.model_copy(update=changes),
            tmp_path,
            runtime=RuntimeOptions(device="cpu"),
        )


def test_a_model_and_a_tokenizer_that_do_not_belong_together(encoder, tmp_path):
    import shutil

    from mlflow_xfer.models.tokenizer import train_tokenizer

    folder = shutil.copytree(encoder, tmp_path / "model")
    train_tokenizer(
        list(texts("en", 50)["text"]) + ["ж" * 9, "日本語 テキスト"], 8300, "xlm-roberta"
    ).save_pretrained(folder)
    with pytest.raises(XferError, match="do not belong together"):
        train(folder, [part(POS)], None, FAST, tmp_path / "work")


def test_a_command_that_torchrun_started_is_refused(encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(XferError, match="WORLD_SIZE"):
        train(encoder, [part(POS, 32)], None, FAST, tmp_path)


def test_nothing_is_printed_where_there_is_no_terminal(encoder, tmp_path, capfd):
    train(encoder, [part(POS, 48)], None, FAST.model_copy(update={"max_steps": 3}), tmp_path)
    out, err = capfd.readouterr()
    assert out == "" and err == ""


def test_the_settings_module_needs_no_torch():
    code = (
        "import sys; import mlflow_xfer.training.trainer; assert not {'torch', 'transformers', 'mlflow'} & "
        "set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )


def test_sigterm_stops_with_an_error_that_says_how_to_go_on(encoder, tmp_path):
    from mlflow_xfer.training.parts import Interrupted

    before = signal.getsignal(signal.SIGTERM)

    def log(metrics, step):
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match="after step 4") as stopped:
        train(encoder, [part(POS)], None, FAST, tmp_path, log=log)
    assert stopped.value.exit_code == 75 and signal.getsignal(signal.SIGTERM) is before
    assert train(encoder, [part(POS)], None, FAST, tmp_path).steps == 20


def test_sigterm_at_the_last_step_is_for_the_handler_of_the_command(encoder, tmp_path):
    class Told(BaseException):
        pass

    def tell(*_):
        raise Told

    def log(metrics, step):
        if step == 20:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, tell)
    try:
        with pytest.raises(Told):
            train(encoder, [part(POS)], None, FAST, tmp_path, log=log)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert list(tmp_path.rglob("step-20")), "nothing is lost"


def test_a_training_whose_folder_another_process_claims_writes_no_more(encoder, tmp_path):
    def log(metrics, step):
        if step == 2:
            Claim(tmp_path)  # as another process does that takes the training over
            (tmp_path / "resume").mkdir(exist_ok=True)

    with pytest.raises(Displaced, match="not been heard of"):
        train(encoder, [part(SENTIMENT, 48)], None, FAST, tmp_path, log=log)
    assert not any((tmp_path / "resume").iterdir()) and read_outcome(tmp_path) is None
