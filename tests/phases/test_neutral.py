"""What is left out of a spec: settings, options and fields at their neutral values, which never change."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace

import pytest

from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.settings import EvaluationSettings, MergeSettings, TrainingSettings
from mlflow_xfer.phases.phase import BaseModel, Phase, canonical
from mlflow_xfer.tasks.task import Files, Generated, Hub, Part, Task

SHAPES = (TrainingSettings, MergeSettings, EvaluationSettings)
DECLARED = {name: one for shape in SHAPES for name, one in parameters(shape).items()}
NEVER_CHANGED = "a neutral value never changes: finished runs whose specs leave it out would mean another one"
SETTINGS = {
    "attention": "causal",
    "adapted": (),
    "control": "none",
    "control_seed": None,
    "dropout": None,
    "evaluations": 10,
    "exclude_overlap": False,
    "head_reads": "last",
    "lora_alpha": 32.0,
    "lora_dropout": 0.0,
    "lora_layers": "linear",
    "lora_rank": 16,
    "max_dev_examples": None,
    "max_eval_examples": None,
    "max_grad_norm": 1.0,
    "max_steps": 0,
    "max_train_examples": None,
    "mixing": "proportional",
    "mixing_cap": None,
    "mixing_temperature": 1.0,
    "mlm_probability": 0.15,
    "mlm_share": 0.0,
    "optimizer": "adamw",
    "precision": "auto",
    "prompt_length": 20,
    "quantize": "none",
    "scored": (),
    "shots": None,
    "start_adapter": "merge",
    "target_shots": 0,
    "text_words": None,
    "trainable": "all",
}
SPLITS = {split: split for split in ("train", "validation", "test")}
FIELDS = {
    Task: {"labels": (), "trained": True, "options": {}, "version": 1},
    Hub: {
        "config": "",
        "revision": "",
        "splits": SPLITS,
        "columns": {},
        "labels": (),
        "where": {},
        "codes": {},
        "drop": (),
        "languages": {},
        "files": {},
        "also": (),
        "format": "",
        "prompt": "",
        "questions": (),
    },
    Files: {
        "format": "tsv",
        "header": False,
        "columns": {},
        "labels": {},
        "where": {},
        "codes": {},
        "drop": (),
        "languages": {},
        "label_file": "",
        "prompt": "",
    },
    Part: {"ids": "", "exclude_ids": "", "share": (0.0, 1.0)},
    Generated: {"splits": ("train", "validation", "test")},
}
TASK = Task("mine", "retrieval", "retrieval_accuracy", ("en",), {"file": (Files({"test": "a.tsv"}),)})


def phase(settings=None, task=TASK):
    return Phase(
        "evaluate", settings or EvaluationSettings(), None, (task,), (), (BaseModel("m", "m"),)
    ).spec_hash


def test_neutral_values_of_settings_are_those_of_ever():
    assert {name: one.facts.neutral for name, one in DECLARED.items() if not one.facts.always} == SETTINGS, (
        NEVER_CHANGED
    )


@pytest.mark.parametrize("entry", FIELDS)
def test_defaults_of_declarations_are_those_of_ever(entry):
    found = {
        one.name: one.default if one.default_factory is MISSING else one.default_factory()
        for one in fields(entry)
        if one.name in FIELDS[entry]
    }
    assert found == FIELDS[entry], NEVER_CHANGED


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_counts_if_it_is_not_neutral(name):
    shape = next(one for one in SHAPES if name in one.model_fields)
    neutral, another = (shape.of({name: value}) for value in (SETTINGS[name], "another"))
    assert phase(neutral) == phase() != phase(another)


def test_a_setting_that_is_always_stated_counts_at_any_value():
    assert phase(EvaluationSettings.of({"layer": "auto"})) != phase(EvaluationSettings.of({}))


def test_a_task_says_what_is_not_neutral():
    assert canonical(TASK, {"file"}) == {
        "name": "mine",
        "kind": "retrieval",
        "metric": "retrieval_accuracy",
        "sources": [{"type": "Files"}],
    }
    assert canonical(replace(TASK, sources={"hub": (Hub("a/b", splits={"train": Part(("x",))}),)}), {"hub"})[
        "sources"
    ] == [{"type": "Hub", "path": "a/b", "splits": {"train": {"paths": ["x"]}}}]
    headed = replace(TASK, sources={"file": (Files({"test": "b.tsv"}, header=True),)})
    assert canonical(headed, {"file"})["sources"] == [{"type": "Files", "header": True}]


def test_an_option_counts_if_it_is_not_the_kinds_default():
    assert phase(task=TASK.with_options(pooled=False, pooling="auto")) == phase()
    assert phase(task=TASK.with_options(pooled=True)) != phase()
    assert canonical(TASK.with_options(pooled=True), set())["options"] == {"pooled": True}


def test_what_describes_a_task_does_not_count():
    assert phase(task=replace(TASK, verified=True, description="words", size=3)) == phase()
