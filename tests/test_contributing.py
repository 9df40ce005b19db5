"""What CONTRIBUTING.md shows works: each recipe is carried out on a copy of the package, and tiny real tasks,
models and runs show that what it added is there.
"""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, Features, Value

import mlflow_xfer
from tests.conftest import TEXTS

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"# ([\w/]+\.(?:py|yaml))\n")
PROGRAMS = {"mlflow-xfer": [sys.executable, "-m", "mlflow_xfer.cli"], "python": [sys.executable]}
RECIPES = ("A task", "A kind of task", "A setting", "A study", "A metric")


@pytest.fixture(scope="module")
def page(project) -> str:
    return (project / "CONTRIBUTING.md").read_text("utf-8")


def recipe(page: str, title: str) -> str:
    """What stands under a heading, up to the next one."""
    return page.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.fixture
def copy(project, tmp_path, own_store, caches, monkeypatch) -> Path:
    """A folder with a copy of the package, which programs that are started there import, and a few texts."""
    root = tmp_path / "copy"
    shutil.copytree(
        Path(mlflow_xfer.__file__).parent,
        root / "mlflow_xfer",
        ignore=shutil.ignore_patterns("*.parquet"),
    )
    (root / "texts").symlink_to(TEXTS)
    monkeypatch.setenv("PYTHONPATH", str(root))
    return root


@pytest.fixture
def carry_out(page, copy) -> Callable[[str], str]:
    """Carries out the recipe of that title in the copy; what its commands print."""

    def carried(title: str) -> str:
        printed = ""
        for language, text in BLOCK.findall(recipe(page, title)):
            if language == "diff":
                add(copy, text)
            elif language == "bash":
                lines = text.replace("\\\n", " ").splitlines()
                printed += "".join(
                    run(copy, *PROGRAMS[first], *rest) for first, *rest in map(shlex.split, lines)
                )
            else:
                name = NAMED.match(text)
                assert name, f"a block of {title!r} that names no file: {text[:60]!r}"
                (copy / name[1]).parent.mkdir(exist_ok=True)
                (copy / name[1]).write_text(text.removeprefix(name[0]), "utf-8")
        return printed

    return carried


def add(root: Path, diff: str) -> None:
    """Change a file as a diff says: where what it begins from stands exactly once."""
    first, *lines = diff.splitlines(keepends=True)
    path = root / first.removeprefix("--- ").strip()
    text = path.read_text("utf-8")
    before, after = ("".join(line[1:] for line in lines if line[0] in signs) for signs in (" -", " +"))
    assert text.count(before) == 1, f"{first.strip()} holds {text.count(before)} times: {before}"
    path.write_text(text.replace(before, after), "utf-8")


def run(root: Path, *command: str) -> str:
    """What a program prints that is run in ``root``."""
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def said(root: Path, program: str) -> dict:
    """What a Python program that is run in ``root`` prints last, as JSON."""
    return json.loads(run(root, sys.executable, "-c", program).splitlines()[-1])


def runs(**tags: str) -> list:
    """The runs of the store that carry these ``xfer.`` tags, all of them finished."""
    from mlflow import MlflowClient

    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    query = " and ".join(f"tags.`xfer.{name}` = '{value}'" for name, value in tags.items())
    found = client.search_runs([one.experiment_id for one in client.search_experiments()], query)
    assert all(one.info.status == "FINISHED" for one in found)
    return list(found)


def test_every_recipe_is_carried_out_here(page):
    assert tuple(re.findall(r"^## (.*)$", page, re.MULTILINE)) == RECIPES
    assert all(len(BLOCK.findall(recipe(page, title))) >= 3 for title in RECIPES)


def test_a_diff_that_fits_nowhere_or_twice_is_refused(tmp_path):
    (tmp_path / "a.py").write_text("one\ntwo\ntwo\n")
    for line, times in (("three", 0), ("two", 2)):
        with pytest.raises(AssertionError, match=f"holds {times} times"):
            add(tmp_path, f"--- a.py\n {line}\n+more\n")
    add(tmp_path, "--- a.py\n-one\n+zero\n+more\n")
    assert (tmp_path / "a.py").read_text() == "zero\nmore\ntwo\ntwo\n"


@pytest.mark.slow
def test_a_task_is_one_entry_and_trains(copy, carry_out, tmp_path, monkeypatch):
    monkeypatch.setenv("XFER_HUB_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    tweets(tmp_path / "mirror" / "cardiffnlp" / "tweet_eval")
    (copy / "films.txt").write_text("__label__positive a good film\n__label__negative a dull one\n" * 4)
    printed = carry_out("A task")
    assert "Barbieri et al. 2020" in printed and "positive 4" in printed
    (phase,) = runs(kind="phase")
    assert (phase.data.tags["xfer.phase"], phase.data.tags["xfer.tasks"]) == (
        "intermediate",
        "tweet-sentiment",
    )
    assert phase.data.metrics["train/optimizer_steps"] == 2


def tweets(folder: Path) -> None:
    """A copy of the data set's repository with a few rows, in its own schema."""
    schema = Features(
        {"text": Value("string"), "label": ClassLabel(names=["negative", "neutral", "positive"])}
    )
    files = []
    for split in ("train", "validation", "test"):
        made = [
            {"text": f"that was {word} {n}", "label": n % 3} for n, word in enumerate(["so", "very"] * 15)
        ]
        Dataset.from_list(made, features=schema).to_parquet(folder / "sentiment" / f"{split}.parquet")
        files += [f"  - split: {split}", f"    path: sentiment/{split}.parquet"]
    head = ["---", "configs:", "- config_name: sentiment", "  data_files:"]
    (folder / "README.md").write_text("\n".join([*head, *files, "---", ""]))


@pytest.mark.slow
def test_a_kind_is_one_folder_and_goes_through_the_chain(copy, carry_out):
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghi", k=5)) for _ in range(60)]
    rows = [{"text_a": word, "label": sum(letter in "aei" for letter in word)} for word in words]
    (copy / "vowels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    carry_out("A kind of task")
    (trained,), (scored,) = runs(phase="target"), runs(phase="evaluate")
    assert trained.data.tags["xfer.target"] == scored.data.tags["xfer.target"] == "vowels"
    assert "dev/vowels/en" in trained.data.metrics and 0 <= scored.data.metrics["eval/vowels/en"] <= 100


@pytest.mark.slow
def test_a_setting_is_known_everywhere(project, copy, carry_out):
    for name in ("MLproject", "conda.yaml", "README.md", "docs/parameters.md"):
        (copy / name).parent.mkdir(exist_ok=True)
        shutil.copy(project / name, copy / name)
    printed = carry_out("A setting")
    assert "target pos · nli · s0" in printed
    for name in ("docs/parameters.md", "mlflow_xfer/__init__.pyi"):
        assert "adam_epsilon" in (copy / name).read_text("utf-8")
    found = said(copy, EPSILON.format(root=str(project)))
    assert found["arguments"] == 1e-6
    assert found["arrived"] and all(found["arrived"].values()), found["arrived"]


EPSILON = """
import json, sys
from pathlib import Path
import torch
import mlflow_xfer
from mlflow_xfer.params.settings import TrainingSettings
from mlflow_xfer.training.arguments import arguments
sys.path.append({root!r})
from tests.params.new_setting import arrived
made = arguments(TrainingSettings(adam_epsilon=1e-6), torch.device("cpu"), Path("work"), 10, True, 0)
known = arrived("adam_epsilon", Path.cwd(), "epsilon of AdamW", 1e-8)
print(json.dumps({{"arguments": made.adam_epsilon, "arrived": known}}))
"""


@pytest.mark.slow
def test_a_study_is_one_file_and_runs(carry_out):
    carry_out("A study")
    (study,) = runs(kind="study")
    conditions = runs(kind="condition")
    assert (
        study.data.tags["xfer.study"] == "forgetting"
        and "at a lower rate" in study.data.tags["mlflow.note.content"]
    )
    assert {one.data.tags["mlflow.parentRunId"] for one in conditions} == {study.info.run_id}
    assert [one.data.metrics["n"] for one in conditions] == [1, 1, 1]
    assert sum("selected/delta" in one.data.metrics for one in conditions) == 2


def test_a_metric_scores_as_it_is_defined(copy, carry_out):
    printed = carry_out("A metric")
    assert "value=77.77" in printed and "n=4" in printed
    found = said(copy, MACRO)
    for mine, theirs in found["compared"]:
        assert mine == pytest.approx(100 * theirs)
    assert len(found["compared"]) == 20
    row = found["row"]
    assert row["metric"] == "macro_f1" and row["low"] < row["score"] < row["high"]
    assert row["majority"] < row["chance"] < row["score"]


MACRO = """
import json, random
from sklearn.metrics import f1_score
from mlflow_xfer.scoring.evaluation import Compared, row
from mlflow_xfer.scoring.score import score
from mlflow_xfer.tasks.task import Task
draw, compared = random.Random(0), []
for n in range(1, 21):
    gold = draw.choices("abcd", [8, 4, 2, 1], k=n * 5)
    told = [draw.choice([label, draw.choice("abcde")]) for label in gold]
    theirs = float(f1_score(gold, told, average="macro", zero_division=0))
    compared.append([score("macro_f1", told, gold, "en").value, theirs])
task = Task("letters", "classification", "macro_f1", ("en",), {}, labels=tuple("abcde"))
print(json.dumps({"compared": compared, "row": row(task, "en", Compared(told, gold, task.labels))}))
"""
