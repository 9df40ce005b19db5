"""Prompt tuning: vectors before every text that no head sees, on a backbone that stays as it is."""

from __future__ import annotations

import pytest
import torch
from test_answers import MC, QA, choices, questions
from test_dual_encoder import SEARCH, pairs
from tiny_world import POS, SENTIMENT, rows, texts

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.models import prompt
from mlflow_xfer.models.load import load_backbone
from mlflow_xfer.params.settings import TrainingSettings
from mlflow_xfer.tasks.task import Mixture
from mlflow_xfer.training.parts import LanguageModelPart, Part
from mlflow_xfer.training.predict import predict
from mlflow_xfer.training.trainer import train

SETTINGS = TrainingSettings(
    trainable="prompt", prompt_length=4, max_steps=4, train_batch_size=12, max_seq_length=48,
    learning_rate=0.03, select_by="last",
)  # fmt: skip


def trained(start, work, parts, mixture=None, **changes):
    return train(start, parts, mixture, SETTINGS.model_copy(update=changes), work)


def sentiment(n=160):
    return [Part(SENTIMENT, rows(SENTIMENT, "en", n), {"en": rows(SENTIMENT, "en", 60, 1)})]


def test_a_prompt_of_words_is_read_as_these_words(any_model):
    backbone = load_backbone(any_model).eval()
    ids = torch.arange(5, 45).reshape(4, 10)
    mask = torch.ones_like(ids)
    mask[1, 6:] = mask[2, 1:] = 0
    words = torch.tensor([7, 11, 150])
    prompted = prompt.Prompted(
        backbone, torch.nn.Parameter(backbone.get_input_embeddings().weight[words].detach())
    )
    with torch.no_grad():
        long = torch.cat([words.expand(4, 3), ids], 1)
        wanted = backbone(
            input_ids=long, attention_mask=torch.cat([torch.ones(4, 3, dtype=torch.long), mask], 1)
        )
        found = prompted(ids, attention_mask=mask, output_hidden_states=True)
    real = mask.bool()
    for states in (found.last_hidden_state, found.hidden_states[-1]):
        assert states.shape[:2] == ids.shape
        torch.testing.assert_close(states[real], wanted.last_hidden_state[:, 3:][real], atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("reads", ["last", "layers"])
def test_every_kind_answers_as_it_did_when_it_was_trained(any_model, tmp_path, reads):
    search = Part(SEARCH, pairs(60), {"en": pairs(24, 1)})
    parts = [
        *sentiment(60),
        Part(POS, rows(POS, "en", 60), {"en": rows(POS, "en", 20, 1)}),
        Part(MC, choices(40), {"en": choices(20, 1)}),
        Part(QA, questions(40), {"en": questions(20, 1)}),
        search,
    ]
    mixture = Mixture(tuple(part.name for part in parts))
    done = trained(any_model, tmp_path, parts, mixture, head_reads=reads, max_steps=10)
    before, after = (load_backbone(path).state_dict() for path in (any_model, done.directory))
    assert all(torch.equal(before[name], after[name]) for name in after if "pooler" not in name)
    for part in parts:
        gold = kind.data(part.task.kind).gold(part.task, part.dev)["en"]
        found = predict(done.directory, part.task, part.dev, max_seq_length=48)["en"]
        score = kind.model(part.task.kind).dev_score(part.task, found, gold)
        assert score == pytest.approx(done.metrics[f"dev/{part.name}/en"]), part.name


@pytest.mark.slow
def test_a_prompt_alone_teaches_a_language_model_to_choose(tmp_path, decoder_with_words):
    task = MC.with_options(choice_scoring="likelihood")
    dev = {"en": choices(40, 1)}
    plain = predict(decoder_with_words, task, dev, max_seq_length=48)["en"]
    done = trained(decoder_with_words, tmp_path, [Part(task, choices(200), dev)], max_steps=40)
    found = predict(done.directory, task, dev, max_seq_length=48)["en"]
    right = [
        sum(a == b for a, b in zip(answers, dev["en"]["label"], strict=True)) for answers in (plain, found)
    ]
    assert right[1] > right[0] and right[1] / 0.4 == pytest.approx(done.metrics["dev/mc/en"])


@pytest.fixture(scope="module")
def decoder_with_words(tmp_path_factory):
    from tiny_world import make_model

    return make_model(tmp_path_factory.mktemp("decoder"), "llama")


@pytest.mark.slow
def test_a_prompt_is_gone_on_with(encoder, tmp_path):
    def vectors(folder):
        return prompt.saved(folder, 4)

    one = trained(encoder, tmp_path / "one", sentiment()).directory
    pos = [Part(POS, rows(POS, "en", 60), {})]
    still = {"learning_rate": 1e-30, "max_steps": 1}
    two = trained(one, tmp_path / "two", pos, start_adapter="continue", **still).directory
    assert torch.equal(vectors(one), vectors(two))
    three = trained(one, tmp_path / "three", pos, **still).directory
    words = load_backbone(encoder).get_input_embeddings().weight
    assert all((words == vector).all(1).any() for vector in vectors(three))
    with pytest.raises(XferError, match="prompt_length 4, not 5"):
        trained(one, tmp_path / "four", pos, start_adapter="continue", prompt_length=5)
    with pytest.raises(XferError, match="has no prompt"):
        trained(encoder, tmp_path / "five", pos, start_adapter="continue")


def test_what_a_prompt_cannot_do_is_refused(any_model, tmp_path):
    with pytest.raises(XferError, match="trains no language model"):
        trained(any_model, tmp_path, [LanguageModelPart({"en": texts("en", 20)})])
    with pytest.raises(XferError, match="max_seq_length=514, but the model reads at most 512"):
        trained(any_model, tmp_path, sentiment(), max_seq_length=510)
