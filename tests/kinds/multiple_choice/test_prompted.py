"""Decoders that are prompted: templates, solved examples, and their place beside what was trained."""

from __future__ import annotations

import pytest
from datasets import Dataset

import mlflow_xfer
from mlflow_xfer import params
from mlflow_xfer.data.encode import encode
from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds import kind
from mlflow_xfer.kinds.multiple_choice.template import Template
from mlflow_xfer.models.load import save
from mlflow_xfer.models.scratch import build_scratch
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.task import Task
from tests.models.tiny_texts import TEXTS

COPA = TASKS.get("copa").template
ROW = {
    "context": "I emptied my pockets. ",
    "question": "What was the effect?",
    "choices": ["I ran.", "It fell."],
}
PLAIN = Task("likely", "multiple_choice", "accuracy", ("en",), {}, options={"choice_scoring": "likelihood"})


def rows(*labels: int) -> Dataset:
    return Dataset.from_list([ROW | {"id": str(n), "label": label} for n, label in enumerate(labels)])


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, 200, "llama")


def test_a_template_says_what_is_read_and_what_is_scored():
    assert Template(COPA).of(ROW, "I ran.") == ("I emptied my pockets therefore", "i ran.")
    cause = ROW | {"question": "What was the cause?"}
    assert Template(COPA).of(cause, "It fell.") == ("I emptied my pockets because", "it fell.")
    assert Template("{{ context }}").of(ROW, "I ran.") == ("I emptied my pockets.", "I ran.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ premise }}", "names premise"),
        ("{{ context", "does not read"),
        ("a ||| b ||| c", "more than one"),
        ("{{ context }} ||| ", "leaves nothing to score"),
        ("{{ context / 2 }}", "fails on"),
        ("{{ context.__class__.__mro__ }}", "fails on"),
    ],
)
def test_a_wrong_template_is_refused(text, message):
    with pytest.raises(XferError, match=message):
        Template(text).of(ROW, "I ran.")


def test_rows_are_read_as_the_template_and_the_examples_say(tokenizer):
    asked = PLAIN.with_options(template=COPA)
    shown = kind.data("multiple_choice").demonstrations(asked, rows(1, 0))
    assert shown == "I emptied my pockets therefore it fell.\n\nI emptied my pockets therefore i ran.\n\n"
    found = encode(rows(0), asked.with_options(demonstrations=shown), tokenizer, 128)
    first = found.columns["token_choice"] == 0
    whole = tokenizer(shown + "I emptied my pockets therefore i ran.", add_special_tokens=False)["input_ids"]
    assert found.tokens[first].tolist()[1:] == whole
    scored = found.tokens[first & (found.columns["token_scored"] == 1)]
    assert tokenizer.decode(scored) == tokenizer.decode(whole[-len(scored) :]) and 0 < len(scored) < 8
    plain = encode(rows(0), PLAIN, tokenizer, 128)
    same = encode(rows(0), PLAIN.with_options(template="{{ context }}  {{ question }}"), tokenizer, 128)
    assert plain.tokens.tolist() == same.tokens.tolist()


BASE = {
    "data": "mini",
    "model": "scratch:llama:tiny",
    "text": "mini",
    "intermediate": "none",
    "target": "choice",
}


def planned(**typed):
    asked, references = params.parse("transfer", BASE | typed), References(lambda: None, weightless=True)
    plan = make_plan("transfer", asked, references)
    return {phase.kind: phase for phase in plan.phases}


def test_prompting_trains_nothing_and_its_examples_depend_on_the_seed():
    none, few = planned(shots="0"), planned(shots="4")
    assert set(none) == set(few) == {"pretrain", "evaluate"}
    asked = ({"shots": "0"}, {"shots": "4"}, {"shots": "4", "seeds": "1"}, {"shots": "0", "template": COPA})
    hashes = {planned(**typed)["evaluate"].spec_hash for typed in asked}
    assert len(hashes) == 4
    assert [one.split for one in few["evaluate"].rows].count("train") == 1
    assert planned(shots="none").keys() == planned().keys() == {"pretrain", "target", "evaluate"}


def test_other_kinds_and_encoders_say_so():
    with pytest.raises(XferError, match=r"'pos' \(tagging\) cannot be prompted"):
        planned(shots="0", target="pos")


@pytest.mark.slow
def test_prompted_and_trained_stand_in_one_table(tmp_path, own_store, tokenizer):
    folder = tmp_path / "decoder"
    save(build_scratch("llama", "tiny", tokenizer, 0), tokenizer, folder)
    typed = {
        "model": str(folder),
        "intermediate": "none",
        "target": "choice",
        "languages": "en,de",
        "max_eval_examples": 20,
        "max_seq_length": 128,
    }
    prompted = [mlflow_xfer.transfer(**typed, shots=k) for k in (0, 2)]
    mlflow_xfer.transfer(**typed, max_steps=2, choice_scoring="likelihood")
    assert "Prompted with 2 solved examples" in prompted[1].summary.plain()
    made = mlflow_xfer.report().report
    assert {one["condition"] for one in made.verdict["contrasts"]} == {
        "none (prompted, 0-shot)",
        "none (prompted, 2-shot)",
    }
    assert made.verdict["baseline"] == "none" and set(made.results["condition"]) > {"none"}
