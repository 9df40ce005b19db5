"""The hub's layout, from a local copy:
``<mirror>/<org>/<name>`` with parquet files and a README of configurations.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, Features, Sequence, Value

from mlflow_xfer.data import hub, sources
from mlflow_xfer.data.sources import Unscored
from mlflow_xfer.errors import XferError
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.task import Hub, Task


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Write one configuration of a data set into the local copy of the hub."""
    root = tmp_path / "mirror"
    monkeypatch.setenv("XFER_HUB_MIRROR", str(root))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf")
    configs: dict[str, dict[str, list[str]]] = {}

    def write(
        path: str,
        config: str,
        splits: dict[str, list[dict]],
        features: Features | None = None,
        file: str = "{split}-00000.parquet",
    ) -> Path:
        folder = root / path
        for split, rows in splits.items():
            name = f"{config or 'data'}/{file.format(split=split)}"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Dataset.from_list(rows, features=features).to_parquet(folder / name)
            configs.setdefault(path, {}).setdefault(config or "default", []).append(
                f"  - split: {split}\n    path: {name}\n"
            )
        head = "".join(
            f"- config_name: {c}\n  data_files:\n{''.join(files)}" for c, files in configs[path].items()
        )
        (folder / "README.md").write_text(f"---\nconfigs:\n{head}---\n")
        return folder

    return write


def read(task: Task, split: str, language: str) -> list[dict]:
    return sources.read(task, sources.locate(task, split, language, "hub")).to_list()


def pair(label, language="de", **more) -> dict:
    return {"language": language, "sentence1": f"a {language}", "sentence2": "b", "gold_label": label} | more


def test_one_configuration_for_all_languages(mirror):
    mirror(
        "google/xtreme",
        "XNLI",
        {
            "validation": [pair("neutral")],
            "test": [pair("neutral"), pair("entailment", "sw"), pair("contradiction")],
        },
    )
    task = TASKS.get("xnli")
    assert [r["label"] for r in read(task, "test", "de")] == ["neutral", "contradiction"]
    assert read(task, "test", "sw")[0]["text_a"] == "a sw"
    [problem] = sources.check(task, sources.locate(task, "test", "ur", "hub"))
    assert "ur" in problem.what and "is empty" in problem.what


def test_training_data_of_another_data_set_with_integer_labels(mirror):
    features = Features(
        {
            "premise": Value("string"),
            "hypothesis": Value("string"),
            "label": ClassLabel(names=["entailment", "neutral", "contradiction"]),
            "idx": Value("int32"),
        }
    )
    rows = [{"premise": "p", "hypothesis": "h", "label": n % 3, "idx": n} for n in range(6)]
    mirror("nyu-mll/glue", "mnli", {"train": rows, "validation_matched": rows[:3]}, features)
    for name in ("xnli", "mnli"):
        assert [(r["id"], r["label"]) for r in read(TASKS.get(name), "validation", "en")] == [
            ("0", "entailment"),
            ("1", "neutral"),
            ("2", "contradiction"),
        ]
        assert len(read(TASKS.get(name), "train", "en")) == 6
    assert sources.locate(TASKS.get("xnli"), "train", "de", "hub") is None


def test_another_order_of_label_names_is_refused(mirror):
    features = Features(
        {
            "premise": Value("string"),
            "hypothesis": Value("string"),
            "label": ClassLabel(names=["contradiction", "neutral", "entailment"]),
            "idx": Value("int32"),
        }
    )
    mirror(
        "nyu-mll/glue",
        "mnli",
        {"train": [{"premise": "p", "hypothesis": "h", "label": 0, "idx": 0}]},
        features,
    )
    with pytest.raises(XferError, match="declares them as entailment, neutral, contradiction"):
        read(TASKS.get("mnli"), "train", "en")


def test_language_names_in_configurations_and_tags_as_numbers(mirror):
    task = TASKS.get("udpos")
    features = Features(
        {"tokens": Sequence(Value("string")), "pos_tags": Sequence(ClassLabel(names=list(task.labels)))}
    )
    mirror(
        "google/xtreme",
        "udpos.Basque",
        {"test": [{"tokens": ["a", "b"], "pos_tags": ["NOUN", "X"]}]},
        features,
    )
    assert read(task, "test", "eu") == [{"id": "0", "words": ["a", "b"], "tags": ["NOUN", "X"]}]
    assert (
        sources.locate(task, "train", "kk", "hub") is None
        and sources.locate(task, "test", "kk", "hub") is not None
    )


def test_three_letter_codes_and_renamed_splits(mirror):
    mirror(
        "google/xtreme",
        "tatoeba.swh",
        {"validation": [{"source_sentence": "moja", "target_sentence": "one"}]},
    )
    assert read(TASKS.get("tatoeba"), "test", "sw") == [
        {"id": "0", "source": "moja", "target": "one", "context": None, "gold": ["0"]}
    ]


def test_hidden_labels_are_unscored_and_dropped_ones_left_out(mirror):
    rows = [{"s": "a", "label": n} for n in (0, -1, 1)]
    mirror("org/hidden", "", {"train": rows, "test": [{"s": "a", "label": -1}] * 9})
    source = Hub("org/hidden", columns={"text_a": "s"}, labels=("x", "y"), drop=("-1",))
    task = Task("t", "classification", "accuracy", ("en",), {"hub": (source,)}, ("x", "y"))
    assert [r["label"] for r in read(task, "train", "en")] == ["x", "y"]
    with pytest.raises(XferError, match="is empty"):
        read(task, "test", "en")
    kept = Task(
        "t",
        "classification",
        "accuracy",
        ("en",),
        {"hub": (Hub("org/hidden", columns={"text_a": "s"}, labels=("x", "y")),)},
        ("x", "y"),
    )
    with pytest.raises(Unscored, match="no row has a label"):
        read(kept, "test", "en")


def test_truncated_conversions_are_refused(mirror):
    mirror(
        "google/xtreme",
        "XNLI",
        {"test": [pair("neutral"), pair("entailment")]},
        file="partial-{split}/0000.parquet",
    )
    with pytest.raises(XferError, match="truncated conversion"):
        read(TASKS.get("xnli"), "test", "de")


def test_missing_configurations_and_splits_are_named(mirror):
    mirror("google/xtreme", "XNLI", {"test": [pair("neutral")]})
    with pytest.raises(XferError, match=r"PAWS-X.de.*\n.*extends: pawsx"):
        read(TASKS.get("pawsx"), "test", "de")
    with pytest.raises(XferError, match="validation"):
        read(TASKS.get("xnli"), "validation", "de")


def test_data_sets_that_need_a_script_are_refused(mirror, tmp_path):
    folder = tmp_path / "mirror" / "google" / "xtreme"
    folder.mkdir(parents=True)
    (folder / "xtreme.py").write_text("raise SystemExit('ran')")
    with pytest.raises(XferError, match="(?i)script|no.*data files"):
        read(TASKS.get("xnli"), "test", "de")


def test_without_network_the_error_is_one_and_names_the_way_out():
    task = TASKS.get("xnli")
    rows = sources.locate(task, "test", "de", "hub")
    assert rows.identity == "unresolved:hub:google/xtreme@main:XNLI:test" and not rows.resolved
    assert sources.check(task, rows) == []
    for attempt in (lambda: sources.read(task, rows), lambda: sources.resolve(task, rows)):
        with pytest.raises(XferError, match="google/xtreme cannot be loaded from the hub.*\n.*task file"):
            attempt()


def test_the_commit_is_declared_or_taken_from_the_local_cache(tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    pinned = Task(
        "t", "language_model", "", ("en",), {"hub": (Hub("org/name", config="c", revision=commit),)}
    )
    assert sources.locate(pinned, "train", "en", "hub").identity == f"hub:org/name@{commit}:c:train"
    assert sources.resolve(pinned, sources.locate(pinned, "train", "en", "hub")).resolved
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    refs = tmp_path / "hub" / "datasets--google--xtreme" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text(commit)
    assert (
        sources.locate(TASKS.get("xnli"), "test", "de", "hub").identity
        == f"hub:google/xtreme@{commit}:XNLI:test"
    )


def test_resolving_asks_once_per_data_set(monkeypatch):
    asked = []

    class Api:
        def dataset_info(self, path, revision, timeout):
            asked.append((path, revision))
            return type("Info", (), {"sha": "f" * 40})

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    hub._asked.cache_clear()
    task = TASKS.get("xnli")
    found = [sources.resolve(task, sources.locate(task, "test", code, "hub")) for code in ("de", "sw")]
    assert [rows.identity for rows in found] == [f"hub:google/xtreme@{'f' * 40}:XNLI:test"] * 2
    assert asked == [("google/xtreme", "main")]
    hub._asked.cache_clear()


def test_a_changed_copy_has_another_identity(mirror):
    task = TASKS.get("xnli")
    mirror("google/xtreme", "XNLI", {"test": [pair("neutral")]})
    first = sources.locate(task, "test", "de", "hub").identity
    mirror("google/xtreme", "XNLI", {"test": [pair("entailment")]})
    assert (
        first.startswith("hub:google/xtreme@mirror-")
        and sources.locate(task, "test", "de", "hub").identity != first
    )
