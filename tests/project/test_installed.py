"""Installed outside of the checkout, in an empty home; and what the recipe says of its own cost."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlflow_xfer import api
from mlflow_xfer.tasks.paraphrase import PAWSX_LANGUAGES

pytestmark = pytest.mark.slow


@pytest.fixture
def elsewhere(project, tmp_path) -> dict[str, str]:
    """The environment of a user with an empty home, where the package is installed without the checkout."""
    source, site, home = tmp_path / "source", tmp_path / "site", tmp_path / "empty"
    shutil.copytree(
        project / "mlflow_xfer", source / "mlflow_xfer", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(project / name, source)
    installed = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(site),
        str(source),
    ]
    subprocess.run(installed, check=True)
    home.mkdir()
    shutil.rmtree(source)
    return {
        "HOME": str(home),
        "PYTHONPATH": str(site),
        "PATH": str(Path(sys.executable).parent),
        "HF_HUB_OFFLINE": "1",
    }


def test_it_runs_in_an_empty_home(elsewhere, tmp_path):
    work = tmp_path / "work"
    work.mkdir()

    def said(*words: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "mlflow_xfer.cli", *words],
            cwd=work, env=elsewhere, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    where = "import mlflow_xfer; print(mlflow_xfer.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where], cwd=work, env=elsewhere, capture_output=True, text=True
    )
    assert found.stdout.startswith(elsewhere["PYTHONPATH"])
    assert "mlflow" in said("doctor")
    assert "CC BY-NC 4.0" in said("fetch", "xtreme", "--dry_run", "true")
    assert "16 phases: 16 to run" in said(
        "plan", "--intermediate", "nli", "--target", "pos,choice", "--seeds", "1,2,3"
    )
    tiny = "--model scratch:xlm-roberta:tiny --text mini --text_languages en,de --languages de --max_steps 2"
    said("transfer", *shlex.split(tiny), "--intermediate", "nli", "--target", "pos")
    assert "pos" in said("results")
    assert {path.name for path in work.iterdir()} <= {
        "mlflow.db",
        "mlflow.db-shm",
        "mlflow.db-wal",
        "mlruns",
        "mlartifacts",
    }
    assert (Path(elsewhere["HOME"]) / ".cache" / "mlflow-xfer").is_dir()


def test_the_recipe_says_what_plan_says(project, tmp_path):
    """On files with as many lines as the real ones have rows."""
    row = "premise {}\thypothesis\t{}\n"
    for name, count, label in (
        ("xnli/train-en", 392_702, "neutral"),
        ("xnli/dev-en", 2_490, "neutral"),
        ("pawsx/train-en", 49_401, "1"),
        ("pawsx/dev-en", 2_000, "1"),
        *((f"pawsx/test-{code}", 2_000, "1") for code in PAWSX_LANGUAGES),
    ):
        path = tmp_path / "download" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(row.format(number, label) for number in range(count)))
    page = (project / "docs" / "recipe.md").read_text("utf-8")
    claimed = re.findall(r"\| (at most [\d.,]+ million tokens .*?) \|", page)
    assert len(claimed) == 2
    shared = {"model": "xlm-roberta-base", "data": "download", "target": "pawsx", "seeds": "1,2,3,4,5"}
    for intermediate, cost in zip(("none", "mnli"), claimed, strict=True):
        made = api.plan(intermediate=intermediate, gpu="A100-40", price=2, **shared)
        assert made.cost.startswith(cost + " (by the arithmetic"), made.cost


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_the_readme_word_for_word_in_an_empty_home(project, tmp_path):
    """Its commands that need no network of data sets: `make demo`, the installation, a first training."""
    readme = (project / "README.md").read_text("utf-8")
    demo, install, *_ = re.findall(r"```bash\n(.*?)```", readme, re.DOTALL)
    using = next(
        block for block in re.findall(r"```bash\n(.*?)```", readme, re.DOTALL) if "-e intermediate" in block
    )
    checkout, home, programs = tmp_path / "checkout", tmp_path / "empty", tmp_path / "programs"
    subprocess.run(["git", "clone", "--quiet", str(project), str(checkout)], check=True)
    home.mkdir()
    programs.mkdir()
    (programs / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    env = {
        "HOME": str(home),
        "PATH": f"{programs}:/usr/bin:/bin",
        "PIP_CONSTRAINT": str(project / "constraints.txt"),
    }

    def said(script: str, folder: Path) -> str:
        ran = subprocess.run(
            ["bash", "-euxc", script],
            cwd=folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert ran.returncode == 0, ran.stdout[-4000:]
        return ran.stdout

    assert "attribute" in said(demo.splitlines()[0], checkout)
    folder = tmp_path / "work"
    folder.mkdir()
    installed = install.replace("/path/to/this/folder", str(checkout))
    first, *projects = using.splitlines()
    assert "mlflow" in said(f"{installed}{first}", folder)
    said(f". {folder}/xfer/bin/activate\n{projects[0]}", checkout)
