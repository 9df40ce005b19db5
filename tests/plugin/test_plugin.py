"""What MLflow loads at ``import mlflow``:
light, in every environment, and never the cause of a failed import.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mlflow_xfer.plugin
from mlflow_xfer.data.rows import Rows
from mlflow_xfer.errors import XferError
from mlflow_xfer.plugin.dataset_source import XferDatasetSource
from mlflow_xfer.plugin.run_context import VERB_VARIABLE, XferRunContext
from mlflow_xfer.tracking import inputs

OURS = {"run_context", "dataset_source"}  # what MLflow loads at import; evaluators are loaded when evaluating
MODULES = [
    path
    for path in sorted(Path(mlflow_xfer.plugin.__file__).parent.glob("*.py"))
    if path.stem in OURS | {"__init__"}
]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def declared() -> dict[str, dict[str, str]]:
    """The entry points of pyproject.toml, by group."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]


@pytest.fixture
def fresh(declared, tmp_path):
    """Runs Python code in a new process in which MLflow finds ``entry points`` (default:
    the declared ones).
    """

    def run(
        code: str,
        groups: dict[str, dict[str, str]] | None = None,
        files: dict[str, str] | None = None,
        **environment: str,
    ) -> str:
        site = tmp_path / "site"
        info = site / "xfer_under_test-0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: xfer-under-test\nVersion: 0\n")
        lines = []
        for group, entries in (groups or declared).items():
            lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        for name, text in (files or {}).items():
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            (site / name).write_text(text)
        path = os.pathsep.join([str(site), str(ROOT), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, "-W", "error::UserWarning:mlflow", "-c", code],
            env={**os.environ, "PYTHONPATH": path, **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


TASKS_YAML = """
tasks:
  mine:
    kind: classification
    labels: ["yes", "no"]
    format: csv
    columns: {text_a: text, label: label}
    files: {test: test.csv}
"""

# What a program sees of the plugins: registered twice here if the distribution is installed as well.
LOADED = """
import json, sys
import mlflow
from mlflow.data.dataset_source_registry import _dataset_source_registry as sources
from mlflow.tracking.context.registry import _run_context_provider_registry as contexts, resolve_tags
print(json.dumps({
    "heavy": sorted(
        {"torch", "transformers", "datasets", "mlflow_xfer.tracking", "mlflow_xfer.data"} & set(sys.modules)
    ),
    "contexts": [type(c).__name__ for c in contexts], "sources": [s.__name__ for s in sources.sources],
    "tags": resolve_tags({}),
}))
"""


def test_mlflow_finds_both_and_loads_nothing_heavy(fresh, declared):
    assert len(declared["mlflow.run_context_provider"]) == len(declared["mlflow.dataset_source"]) == 1
    seen = json.loads(fresh(LOADED, **{VERB_VARIABLE: ""}))
    assert "XferRunContext" in seen["contexts"] and "XferDatasetSource" in seen["sources"]
    assert seen["heavy"] == []
    assert not [name for name in seen["tags"] if name.startswith("xfer.")]


def test_runs_of_a_verb_are_tagged(fresh):
    code = (
        "import mlflow\nwith mlflow.start_run() as run: pass\nimport json; "
        "print(json.dumps(mlflow.get_run(run.info.run_id).data.tags))"
    )
    tags = json.loads(fresh(code, **{VERB_VARIABLE: "study"}).splitlines()[-1])
    assert (tags["xfer.verb"], tags["xfer.schema"]) == ("study", "2")
    assert tags["xfer.version.mlflow"]


def test_a_broken_installation_does_not_break_mlflow(fresh):
    """Half of the package is gone, or MLflow has moved the classes that we build on."""
    broken = {
        "mlflow_xfer/__init__.py": "__version__ = '0'\n",
        "mlflow_xfer/tracking/__init__.py": "raise RuntimeError('broken installation')\n",
    }
    for module in MODULES:
        broken[f"mlflow_xfer/plugin/{module.name}"] = module.read_text(encoding="utf-8")
    seen = json.loads(fresh(LOADED, files=broken, **{VERB_VARIABLE: "study"}))
    assert not [name for name in seen["tags"] if name.startswith("xfer.")]


@pytest.mark.parametrize("moved", ["mlflow.tracking.context.abstract_context", "mlflow.data.dataset_source"])
def test_an_mlflow_with_other_modules_does_not_break_on_us(fresh, moved, declared):
    code = f"import sys; sys.modules[{moved!r}] = None\n"
    for entries in declared.values():
        for target in entries.values():
            module, _, name = target.partition(":")
            if module.rpartition(".")[2] in OURS:
                code += f"import {module}; {module}.{name}()\n"
    fresh(code + "print('fine')")


def test_plugin_modules_import_the_standard_library_and_mlflow_only():
    """At module level; what functions import is loaded when they are called."""
    seen = 0
    for module in MODULES:
        tree = ast.parse(module.read_text(encoding="utf-8"))
        bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.Try))]
        for node in (node for body in bodies for node in body):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                seen += 1
                assert name.split(".")[0] in {"__future__", "os", "typing", "mlflow"}, (
                    f"{module.name} imports {name}"
                )
    assert seen >= 5 and len(MODULES) == 3


def test_tags_never_raise(monkeypatch):
    from mlflow_xfer.tracking import versions

    monkeypatch.setenv(VERB_VARIABLE, "target")
    monkeypatch.setattr(versions, "tags", lambda: 1 / 0)
    assert XferRunContext().in_context() and XferRunContext().tags() == {}


def test_a_logged_data_set_can_be_loaded_again(tmp_path):
    """From the run's input, by MLflow's own registry, to the rows."""
    from mlflow.data.dataset_source_registry import get_dataset_source_from_json, register_dataset_source

    from mlflow_xfer.data import sources
    from mlflow_xfer.tasks.catalogue import TASKS
    from mlflow_xfer.tracking.store import Store

    register_dataset_source(XferDatasetSource)
    rows = sources.locate(TASKS.get("nli"), "test", "en", "mini") or sources.locate(
        TASKS.get("nli"), "dev", "en", "mini"
    )
    with Store.open() as store:
        run = store.start("phase", "p")
        store.input(run, rows, "test")
        store.flush()
        (logged,) = store.client.get_run(run).inputs.dataset_inputs
    source = get_dataset_source_from_json(logged.dataset.source, logged.dataset.source_type)
    assert isinstance(source, XferDatasetSource) and source.to_dict()["identity"] == rows.identity
    assert source.load().to_list() == sources.read(TASKS.get("nli"), rows).to_list()


def test_files_that_changed_since_are_refused(tmp_path):
    from mlflow_xfer.data import sources
    from mlflow_xfer.tasks.task_file import load_task_file

    path = tmp_path / "test.csv"
    path.write_text("text,label\na,yes\nb,no\n")
    (tmp_path / "tasks.yaml").write_text(TASKS_YAML)
    (declared,) = load_task_file(tmp_path / "tasks.yaml")
    rows = sources.locate(declared, "test", "en", "hub")
    source = XferDatasetSource.from_dict(json.loads(inputs.describe(rows, "test")[0]["source"]))
    assert len(source.load(declared)) == 2
    path.write_text("text,label\na,no\nb,no\nc,yes\n")
    with pytest.raises(XferError, match="was changed since"):
        source.load(declared)
    path.unlink()
    with pytest.raises(XferError, match="does not exist"):
        source.load(declared)


def test_the_source_type_is_the_one_that_is_logged():
    assert XferDatasetSource._get_source_type() == inputs.SOURCE_TYPE
    rows = Rows("t", "test", "en", "mini", "mini", "mini:1:t:{}", {"a": 1})
    assert XferDatasetSource._can_resolve(rows) and not XferDatasetSource._can_resolve("s3://x")
    assert Rows(**XferDatasetSource._resolve(rows).to_dict()) == rows
