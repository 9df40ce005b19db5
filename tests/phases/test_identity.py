"""What changes the identity of which phases: every parameter and every file."""

from __future__ import annotations

import random
import shutil

import pytest

from mlflow_xfer import params
from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.settings import Recipe
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.tasks.task_file import load_task_file
from tests.families import make_model

BASE = {"intermediate": "nli", "target": "pos,retrieval", "seeds": "1"}
NOTHING, ALL = set(), {"pretrain", "intermediate", "target", "evaluate pos", "evaluate retrieval"}
AFTER_BASE = ALL - {"pretrain"}
TUNED = {"target", "evaluate pos"}
SCORED = {"evaluate pos", "evaluate retrieval"}

# parameter: (a value other than the default, what is another phase with it)
CHANGES = {
    "model": ("scratch:xlm-roberta:tiny", ALL),
    "revision": ("main", NOTHING),  # of hub models only
    "tokenizer": ("auto", NOTHING),
    "control": ("random", AFTER_BASE),
    "data": ("mini", NOTHING),
    "task_file": (None, NOTHING),
    "text": ("mini", NOTHING),  # what the embedded base was made from
    "text_languages": ("en,de", NOTHING),  # the embedded base keeps its languages
    "alpha": ("0.5", NOTHING),
    "text_words": ("100", NOTHING),
    "intermediate": ("none", AFTER_BASE - {"intermediate"}),
    "intermediate_language": ("de", AFTER_BASE),
    "adapter": ("none", NOTHING),  # runs: tests/end_to_end/test_languages_swapped.py
    "combine": ("sequential", NOTHING),  # one task: no order
    "merge_method": ("ties", NOTHING),  # of combine=merge
    "merge_weight": ("0.5", NOTHING),
    "merge_density": ("0.5", NOTHING),
    "mixing": ("uniform", NOTHING),
    "mixing_cap": ("10", NOTHING),
    "mixing_temperature": ("2", NOTHING),
    "mlm_share": ("0.5", AFTER_BASE),
    "target": ("pos", NOTHING),
    "source_language": ("de", TUNED),
    "target_shots": ("4", TUNED),
    "select_by": ("last", TUNED),
    "exclude_overlap": ("true", AFTER_BASE),
    "suite": ("mini", NOTHING),
    "languages": ("en,de", SCORED),
    "choice_scoring": ("likelihood", NOTHING),  # of multiple choice only
    "base_seen": ("nli", NOTHING),
    "template": ("{{ context }}", NOTHING),
    "prefix": ("query: ", {"evaluate retrieval"}),
    "passage_prefix": ("passage: ", {"evaluate retrieval"}),
    "layer": ("1", {"evaluate retrieval"}),
    "pooling": ("cls", {"evaluate retrieval"}),
    "max_eval_examples": ("5", SCORED),
    "learning_rate": ("0.01", AFTER_BASE),
    "num_train_epochs": ("7", AFTER_BASE),
    "max_steps": ("3", AFTER_BASE),
    "train_batch_size": ("3", AFTER_BASE),
    "max_seq_length": ("20", AFTER_BASE),
    "precision": ("bf16", AFTER_BASE),
    "max_train_examples": ("9", AFTER_BASE),
    "max_dev_examples": ("9", AFTER_BASE),
    "optimizer": ("adamw8bit", AFTER_BASE),
    "attention": ("bidirectional", AFTER_BASE),
    "head_reads": ("layers", AFTER_BASE),
    "trainable": ("head", AFTER_BASE),
    "lora_rank": ("4", NOTHING),  # of trainable=lora
    "lora_alpha": ("4", NOTHING),
    "lora_dropout": ("0.1", NOTHING),
    "lora_layers": ("attention", NOTHING),
    "prompt_length": ("4", NOTHING),  # of trainable=prompt
    "quantize": ("nf4", AFTER_BASE),
    "start_adapter": ("continue", NOTHING),
    "target.learning_rate": ("0.01", TUNED),
    "intermediate.max_steps": ("3", AFTER_BASE),
    "pretrain.max_steps": ("3", NOTHING),  # parameters never reach the embedded base
    "seeds": ("2", AFTER_BASE),
    "base_seeds": ("2", ALL),
    "warmup_ratio": ("0.2", AFTER_BASE),
    "weight_decay": ("0.2", AFTER_BASE),
    "device": ("cpu", NOTHING),
    "micro_batch": ("2", NOTHING),
    "compile": ("true", NOTHING),
    "gradient_checkpointing": ("true", NOTHING),
    "processes": ("2", NOTHING),
    "engine": ("ray", NOTHING),
    "ray_address": ("auto", NOTHING),
    "parallel": ("fsdp", NOTHING),
    "checkpoint": ("adapter", NOTHING),
    "save_every_s": ("5", NOTHING),
    "save_every_steps": ("5", NOTHING),
    "reuse": ("never", NOTHING),
    "workers": ("1", NOTHING),
    "output": ("json", NOTHING),
    "verbose": ("true", NOTHING),
    "keep": ("none", NOTHING),
}


def hashes(**typed):
    plan = make_plan("transfer", params.parse("transfer", BASE | typed), References(lambda: None))
    return {
        (f"evaluate {p.tasks[0].name}" if p.kind == "evaluate" else p.kind): p.spec_hash for p in plan.phases
    }


def test_every_parameter_is_in_the_table():
    declared = parameters(Transfer)
    assert {name for name in CHANGES if "." not in name} == set(declared) - {"train_on", "shots"}
    for name, one in declared.items():
        assert one.effect == "identity" or CHANGES[name][1] == NOTHING, f"{name} is {one.effect}"


@pytest.mark.parametrize("name", CHANGES)
def test_a_parameter_changes_exactly_what_depends_on_it(name):
    value, expected = CHANGES[name]
    before = hashes()
    typed = {name: value, **({"text": "mini"} if name == "model" else {})}
    after = hashes(**typed)
    changed = {kind for kind in after if after[kind] != before.get(kind)}
    if name == "max_seq_length":
        expected = expected | SCORED
    assert changed == expected


@pytest.mark.parametrize("text", ["mini", "own"])
@pytest.mark.parametrize("model", ["scratch:xlm-roberta:tiny", "own"])
def test_asking_for_what_a_recipe_says_makes_no_other_phase(tmp_path, model, text):
    """Also where a recipe says 1 and what is typed is read as 1.0."""
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "en.txt").write_text("words of a text\n" * 9)
    typed = {
        "target": "pos",
        "model": model if model != "own" else str(make_model("BERT", tmp_path / "bert", random.Random(0))),
        "text": text if text != "own" else str(tmp_path / "texts"),
    }
    plan = make_plan("transfer", params.parse("transfer", BASE | typed), References(lambda: None))
    before = hashes(**typed)
    for kind in ("pretrain", "intermediate", "target"):
        settings = next(phase.settings for phase in plan.phases if phase.kind == kind)
        said = {f"{kind}.{name}": str(getattr(settings, name)) for name in parameters(Recipe)}
        assert len(said) == 7
        for name, value in said.items():
            assert hashes(**typed, **{name: value}) == before, f"{name}={value}"


def test_epochs_that_steps_overrule_make_no_other_phase():
    by_steps = hashes(max_steps="2")
    assert by_steps == hashes(max_steps="2", num_train_epochs="5") != hashes(num_train_epochs="5")
    assert hashes(max_steps="0", num_train_epochs="5") == hashes(num_train_epochs="5")
    assert hashes(num_train_epochs="5") != hashes(num_train_epochs="6")


def test_other_training_data_make_another_target_phase():
    def target(**typed):
        return (
            make_plan(
                "transfer",
                params.parse("transfer", {"target": "mood", "intermediate": "none"} | typed),
                References(lambda: None),
            )
            .phases[1]
            .spec_hash
        )

    assert target() != target(train_on="polarity")


def test_choice_scoring_counts_for_multiple_choice():
    def found(**typed):
        plan = make_plan(
            "transfer",
            params.parse("transfer", {"target": "choice", "intermediate": "none"} | typed),
            References(lambda: None),
        )
        return {phase.kind: phase.spec_hash for phase in plan.phases}

    assert {kind for kind, hash_ in found(choice_scoring="likelihood").items() if hash_ != found()[kind]} == {
        "target",
        "evaluate",
    }


@pytest.mark.parametrize(
    ("name", "value"), [("mixing", "uniform"), ("mixing_cap", "10"), ("mixing_temperature", "2")]
)
def test_mixing_counts_where_tasks_are_mixed(name, value):
    def intermediate(**typed):
        return (
            make_plan(
                "intermediate",
                params.parse("intermediate", {"intermediate": "nli,attribute"} | typed),
                References(lambda: None),
            )
            .requested[0]
            .spec_hash
        )

    assert intermediate() != intermediate(**{name: value})


@pytest.mark.parametrize("by", ["label_free", "oracle"])
def test_what_selects_by_the_evaluated_languages_is_another_phase_for_other_languages(by):
    assert len({hashes(select_by=how)["target"] for how in ("english_dev", "label_free", "oracle")}) == 3
    assert hashes(select_by=by)["target"] != hashes(select_by=by, languages="en,de")["target"]


# of a merge of two tasks: (method, parameter, value, whether the merge is another phase with it)
MERGED = [
    ("average", "merge_weight", "0.3", False),
    ("average", "merge_density", "0.3", False),
    ("task_arithmetic", "merge_weight", "0.3", True),
    ("task_arithmetic", "merge_weight", "0.5", False),  # what auto is for two tasks
    ("task_arithmetic", "merge_density", "0.3", False),
    ("ties", "merge_weight", "0.3", True),
    ("ties", "merge_weight", "1", False),
    ("ties", "merge_density", "0.3", True),
    ("ties", "mixing", "uniform", False),
    ("ties", "learning_rate", "0.01", True),  # through the models that are merged
]


@pytest.mark.parametrize(("method", "name", "value", "another"), MERGED)
def test_what_makes_another_merge(method, name, value, another):
    def merge(**typed):
        own = {"intermediate": "nli,attribute", "combine": "merge", "merge_method": method}
        return (
            make_plan("intermediate", params.parse("intermediate", own | typed), References(lambda: None))
            .requested[0]
            .spec_hash
        )

    assert (merge() != merge(**{name: value})) == another


TASKS = """
tasks:
  fruit:
    kind: classification
    labels: [good, bad]
    format: tsv
    columns: {text_a: 0, label: 1}
    files:
      train: train.tsv
      validation: dev.tsv
      test: {en: test-en.tsv, de: test-de.tsv}
"""


def file_hashes(folder):
    extra = {task.name: task for task in load_task_file(str(folder / "tasks.yaml"))}
    typed = {"target": "fruit", "intermediate": "none"}
    plan = make_plan("transfer", params.parse("transfer", typed), References(lambda: None), extra)
    return {p.kind: p.spec_hash for p in plan.phases}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train.tsv", {"target", "evaluate"}),
        ("dev.tsv", {"target", "evaluate"}),
        ("test-en.tsv", {"evaluate"}),
        ("test-de.tsv", {"evaluate"}),
    ],
)
def test_a_byte_of_a_file_changes_exactly_what_reads_it(tmp_path, name, expected):
    (tmp_path / "tasks.yaml").write_text(TASKS)
    for file in ("train.tsv", "dev.tsv", "test-en.tsv", "test-de.tsv"):
        (tmp_path / file).write_text("apple\tgood\nstone\tbad\n")
    before = file_hashes(tmp_path)
    (tmp_path / name).write_text("apple\tgood\nstones\tbad\n")
    after = file_hashes(tmp_path)
    assert {kind for kind in after if after[kind] != before[kind]} == expected
    (tmp_path / name).write_text("apple\tgood\nstone\tbad\n")
    assert file_hashes(tmp_path) == before


def test_a_moved_folder_is_the_same_data(tmp_path):
    first = tmp_path / "a"
    first.mkdir()
    (first / "tasks.yaml").write_text(TASKS)
    for file in ("train.tsv", "dev.tsv", "test-en.tsv", "test-de.tsv"):
        (first / file).write_text("apple\tgood\nstone\tbad\n")
    before = file_hashes(first)
    shutil.move(first, tmp_path / "b")
    assert file_hashes(tmp_path / "b") == before
