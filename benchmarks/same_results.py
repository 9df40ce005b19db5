"""Whether this tree gives the results that an earlier commit gives: weights, predictions, tables and figures.

    python benchmarks/same_results.py                          # the chains of tests/same_results/chains.py
    python benchmarks/same_results.py --keep DIR               # keeps what the earlier commit gave
    python benchmarks/same_results.py --what demo              # make demo; demo-search; all
    python benchmarks/same_results.py --only merge,likelihood  # chains whose names hold one of these

The commit is named in ``same_results.commit``; it is checked out beside. Both trees run the same commands,
one after the other, on this machine and in this environment, on one thread of the processor and with one
worker, each command with a home and a store of its own. What is compared is read from MLflow alone, step by
step, by the runs' names: published weights (every tensor, exactly), predictions (files, exactly), tables
(within 1e-9) and last metrics (within 1e-9, but for times). Exit code 1 if anything differs that
``CHANGED`` does not list.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))  # for the chains, which stand beside the tests

from demo_search import demo as demo_search_parameters  # noqa: E402

from tests.same_results.chains import CHAINS, write_data  # noqa: E402

COMMIT = HERE / "same_results.commit"
CHANGED: dict[str, str] = {}
"""Cells that are changed on purpose: ``chain / step / column`` (``*`` stands for anything) -> the reason."""

COLUMNS = ("weights", "predictions", "tables", "metrics")
TABLES = ("results/per_language.json", "results/buckets.json")
DIFFERS = "differs"
TOLERANCE = 1e-9
UNCOMPARED = ("seconds", "hours", "per_second", "memory")  # in names of metrics that no two runs share
LIBRARIES = (
    "accelerate",
    "datasets",
    "mlflow",
    "numpy",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
)
EXPERIMENT = "same results"
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")

RUNNER = """
import json, os, runpy, sys, time
from pathlib import Path

import datasets, git, mlflow.store.tracking.sqlalchemy_store, scipy.stats, torch, transformers.trainer
import transformers.models.llama.modeling_llama, transformers.models.xlm_roberta.modeling_xlm_roberta
import mlflow_xfer

tree = Path(mlflow_xfer.__file__).resolve().parents[1]
if tree != Path(sys.argv[1]):
    sys.exit(f"the package of {tree} is imported, not of {sys.argv[1]}")
for job in json.loads(sys.argv[2]):
    begun = time.monotonic()
    child = os.fork()  # all commands share what is imported above, and nothing else
    if not child:
        log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1), os.dup2(log, 2)
        os.chdir(job["folder"])
        os.environ |= job["environment"]
        sys.argv = ["mlflow-xfer", *job["command"]]
        runpy.run_module("mlflow_xfer.cli", run_name="__main__", alter_sys=True)
        sys.exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps({"chain": job["chain"], "code": code, "seconds": time.monotonic() - begun}), flush=True)
"""


# -- what is run ------------------------------------------------------------
@dataclass(frozen=True)
class Command:
    """One command: parameters of ``mlflow-xfer``, or of ``mlflow run`` on the tree."""

    chain: str
    typed: tuple[str, ...]
    by_mlflow: bool = False


def commands(what: str, only: Sequence[str]) -> list[Command]:
    found = []
    if what in ("chains", "all"):
        for chain in CHAINS:
            typed = [word for name, value in CHAINS[chain].items() for word in (f"--{name}", str(value))]
            found.append(Command(chain, ("transfer", *typed)))
    if what in ("demo", "all"):
        found.append(Command("demo", ("-P", "workers=1"), by_mlflow=True))
    if what in ("demo-search", "all"):
        typed = demo_search_parameters() | {"workers": "1"}
        words = [word for name, value in typed.items() for word in ("-P", f"{name}={value}")]
        found.append(Command("demo-search", ("-e", "search", *words), by_mlflow=True))
    return [one for one in found if not only or any(part in one.chain for part in only)]


def environment(tree: Path, folder: Path) -> dict[str, str]:
    """What a command of ``tree`` sees: home and store below ``folder``, one thread, no GPU, no network."""
    own = ("MLFLOW_", "XFER_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    fixed = {
        "PYTHONPATH": str(tree),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "CUDA_VISIBLE_DEVICES": "",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_EXPERIMENT_NAME": EXPERIMENT,
        "MLFLOW_TRACKING_URI": store(folder),
        "XFER_HOME": str(folder / "home"),
    }
    return inherited | dict.fromkeys(ONE_THREAD, "1") | fixed


def store(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def prepare(folder: Path, blank: Path) -> None:
    """An empty folder with an empty store, whose artifacts lie in the folder."""
    from mlflow import MlflowClient

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if not blank.is_file():
        MlflowClient(f"sqlite:///{blank}").search_experiments()  # makes its tables, which takes seconds
    shutil.copy(blank, folder / "mlflow.db")
    MlflowClient(store(folder)).create_experiment(EXPERIMENT, artifact_location=str(folder / "artifacts"))


def run(tree: Path, folders: Mapping[str, Path], asked: Sequence[Command], data: Path, blank: Path) -> None:
    """Run with ``tree`` what is not finished in its folder; a finished command leaves ``done.json`` there."""
    waiting = [one for one in asked if not (folders[one.chain] / "done.json").is_file()]
    for one in waiting:
        prepare(folders[one.chain], blank)
    if plain := [one for one in waiting if not one.by_mlflow]:
        run_plain(tree, folders, plain, data)
    for one in waiting:
        if one.by_mlflow:
            run_by_mlflow(tree, folders, one)


def run_plain(tree: Path, folders: Mapping[str, Path], asked: Sequence[Command], data: Path) -> None:
    """Run commands of ``mlflow-xfer``, each in a fork of one process that has imported the libraries."""
    jobs = [
        {
            "chain": one.chain,
            "command": [word.replace("{data}", str(data)) for word in one.typed],
            "folder": str(folder),
            "log": str(folder / "log"),
            "environment": environment(tree, folder),
        }
        for one in asked
        for folder in [folders[one.chain]]
    ]
    start = folders[asked[0].chain]
    words = [sys.executable, "-c", RUNNER, str(tree), json.dumps(jobs)]
    started = {"env": environment(tree, start), "cwd": start, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, **started) as runner:
        for line in runner.stdout:
            ended(tree, folders, json.loads(line))
    if runner.returncode:
        sys.exit(f"The commands did not run in {tree}.")


def run_by_mlflow(tree: Path, folders: Mapping[str, Path], one: Command) -> None:
    """Run an entry point of the tree's MLproject."""
    folder, begun = folders[one.chain], time.monotonic()
    mlflow = str(Path(sys.executable).parent / "mlflow")
    words = [mlflow, "run", str(tree), "--env-manager", "local", *one.typed]
    with open(folder / "log", "w") as log:
        found = subprocess.run(words, env=environment(tree, folder), cwd=folder, stdout=log, stderr=log)
    ended(
        tree,
        folders,
        {"chain": one.chain, "code": found.returncode, "seconds": time.monotonic() - begun},
    )


def ended(tree: Path, folders: Mapping[str, Path], found: dict[str, Any]) -> None:
    folder = folders[found["chain"]]
    said = f"{tree}: {found['chain']}: {found['seconds']:.1f} s, exit code {found['code']}"
    print(said, file=sys.stderr, flush=True)
    if found["code"]:
        print((folder / "log").read_text("utf-8", "replace")[-3000:], file=sys.stderr)
    else:
        shutil.rmtree(folder / "home", ignore_errors=True)
        (folder / "done.json").write_text(json.dumps(found))


@contextmanager
def checked_out(commit: str, beside: Path) -> Iterator[Path]:
    """The tree of ``commit``, as long as it is needed."""
    tree = beside / "earlier"
    subprocess.run(["git", "-C", ROOT, "worktree", "add", "--quiet", "--detach", tree, commit], check=True)
    try:
        yield tree.resolve()
    finally:
        subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", tree], check=True)


def key(commit: str, command: Command, data: Path) -> str:
    """What decides the earlier commit's results: itself, the command, its data, libraries and processor."""
    digest = hashlib.sha256()
    for path in sorted(path for path in data.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(data)}\n".encode() + path.read_bytes())
    libraries = {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()}
    parts = [commit, command.chain, command.typed, libraries, processor(), digest.hexdigest()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


# -- what is compared ------------------------------------------------------
Row = tuple[str, str, Mapping[str, str]]
"""Chain, step, and what each column says."""


@dataclass(frozen=True)
class Step:
    """What a run left: status, metrics, tables by name, and the files of its predictions and its model."""

    status: str
    metrics: Mapping[str, float]
    tables: Mapping[str, Any]
    predictions: Mapping[str, Path]
    weights: Mapping[str, Path]


def steps(folder: Path) -> dict[str, Step]:
    """The runs of a store by a name that no other has."""
    from mlflow import MlflowClient

    client = MlflowClient(store(folder))
    experiments = [found.experiment_id for found in client.search_experiments()]
    runs = [run for run in paged(client.search_runs, experiments) if "xfer.kind" in run.data.tags]
    runs.sort(key=lambda run: (run.info.start_time, run.info.run_name))
    models: dict[str, Path] = {}
    for model in paged(client.search_logged_models, experiments):
        if str(model.status) == "READY":
            models[model.source_run_id] = local(model.artifact_location)
    by_id = {run.info.run_id: run for run in runs}
    names, seen = Counter(run.info.run_name for run in runs), Counter()
    found = {}
    for run in runs:
        name = run.info.run_name if names[run.info.run_name] == 1 else described(run, by_id)
        seen[name] += 1
        name += f" #{seen[name]}" if seen[name] > 1 else ""
        artifacts = local(run.info.artifact_uri)
        tables = [path for path in TABLES if (artifacts / path).is_file()]
        found[name] = Step(
            run.info.status,
            {k: v for k, v in run.data.metrics.items() if not any(part in k for part in UNCOMPARED)},
            {path: json.loads((artifacts / path).read_text("utf-8")) for path in tables},
            files(artifacts / "predictions", "*"),
            files(models[run.info.run_id], "*.safetensors") if run.info.run_id in models else {},
        )
    return found


def paged(search: Any, experiments: list[str]) -> list[Any]:
    found, token = [], None
    while True:
        page = search(experiments, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def described(run: Any, by_id: Mapping[str, Any]) -> str:
    """A run's name and the names of what it was made from; of a run that only holds others, its parent's."""
    tags = run.data.tags
    if tags["xfer.kind"] == "phase":
        before = [by_id[one] for one in tags.get("xfer.input_run_ids", "").split(",") if one in by_id]
    else:
        before = [by_id[one] for one in [tags.get("mlflow.parentRunId")] if one in by_id]
    control = f" (control {tags['xfer.control']})" if "xfer.control" in tags else ""
    behind = " and ".join(described(one, by_id) for one in before)
    return f"{run.info.run_name}{control}{f' ← {behind}' if behind else ''}"


def local(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))


def files(folder: Path, pattern: str) -> dict[str, Path]:
    return {str(path.relative_to(folder)): path for path in sorted(folder.rglob(pattern)) if path.is_file()}


def compared(old: Step, new: Step) -> dict[str, str]:
    """Column -> ``equal``, ``–`` where neither side has anything, or what differs."""
    if old.status != new.status:
        return dict.fromkeys(COLUMNS, f"{DIFFERS}: {old.status}, {new.status}")
    return {
        "weights": differing(tensors(old), tensors(new), same_tensor),
        "predictions": differing(old.predictions, new.predictions, same_file),
        "tables": differing(old.tables, new.tables, lambda a, b: close(columns(a), columns(b))),
        "metrics": differing(old.metrics, new.metrics, close),
    }


def tensors(step: Step) -> dict[str, Any]:
    from safetensors.torch import load_file

    loaded = {path: load_file(file) for path, file in step.weights.items()}
    return {f"{path}: {name}": value for path, found in loaded.items() for name, value in found.items()}


def same_tensor(old: Any, new: Any) -> bool:
    import torch

    return old.dtype == new.dtype and torch.equal(old, new)


def same_file(old: Path, new: Path) -> bool:
    return old.read_bytes() == new.read_bytes()


def differing(old: Mapping[str, Any], new: Mapping[str, Any], same: Any) -> str:
    names = sorted({*old, *new})
    wrong = [name for name in names if name not in old or name not in new or not same(old[name], new[name])]
    if not names:
        return "–"
    return f"{DIFFERS}: {len(wrong)} of {len(names)}, {wrong[0]}" if wrong else "equal"


def columns(table: Mapping[str, Any]) -> dict[str, list]:
    """A table's columns by name, without the ids of runs."""
    kept = [(n, name) for n, name in enumerate(table["columns"]) if name != "run_id"]
    return {name: [row[n] for row in table["data"]] for n, name in kept}


def close(old: Any, new: Any) -> bool:
    """Equal, numbers within the tolerance."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(close(old[name], new[name]) for name in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(close, old, new))
    if isinstance(old, float | int) and isinstance(new, float | int):
        return math.isclose(old, new, rel_tol=0.0, abs_tol=TOLERANCE) or (math.isnan(old) and math.isnan(new))
    return old == new


def comparison(chain: str, old: Path, new: Path) -> list[Row]:
    """Rows (chain, step, cells) of one command."""
    sides = (("the earlier", old), ("this", new))
    if failed := [side for side, folder in sides if not (folder / "done.json").is_file()]:
        cell = f"{DIFFERS}: failed in {' and '.join(failed)} tree"
        return [(chain, "the command", dict.fromkeys(COLUMNS, cell))]
    before, after = steps(old), steps(new)
    rows = []
    for name in [*before, *(name for name in after if name not in before)]:
        if name in before and name in after:
            rows.append((chain, name, compared(before[name], after[name])))
        else:
            side = "the earlier" if name in before else "this"
            rows.append((chain, name, dict.fromkeys(COLUMNS, f"{DIFFERS}: only in {side} tree")))
    return rows


def reason(chain: str, step: str, column: str) -> str:
    """Why a cell is changed on purpose; empty if it is not to change."""
    cell = f"{chain} / {step} / {column}"
    return next((why for pattern, why in CHANGED.items() if fnmatchcase(cell, pattern)), "")


def judged(rows: Sequence[Row]) -> list[Row]:
    """The rows, where what differs on purpose says so."""
    found = []
    for chain, step, cells in rows:
        whys = {
            column: reason(chain, step, column) for column in COLUMNS if cells[column].startswith(DIFFERS)
        }
        purposes = {column: f"changed on purpose: {why}" for column, why in whys.items() if why}
        found.append((chain, step, {**cells, **purposes}))
    return found


def table(rows: Sequence[Row]) -> str:
    lines = [f"| chain | step | {' | '.join(COLUMNS)} |", f"|{'---|' * (2 + len(COLUMNS))}"]
    for chain, step, cells in rows:
        shown = (chain, step, *(cells[column] for column in COLUMNS))
        lines.append("| " + " | ".join(text.replace("|", "\\|") for text in shown) + " |")
    return "\n".join(lines)


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--what", choices=("chains", "demo", "demo-search", "all"), default="chains")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="folder for the earlier commit's results")
    parser.add_argument("--only", default="", help="comma list: only chains whose names hold one of these")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that the earlier tree is removed
    commit = COMMIT.read_text().strip()
    chosen = commands(asked.what, [part for part in asked.only.split(",") if part])
    with tempfile.TemporaryDirectory(prefix="same-results-") as name:
        work = Path(name).resolve()
        write_data(work / "data")
        kept = (asked.keep or work / "old").expanduser().absolute()
        old = {one.chain: kept / key(commit, one, work / "data") for one in chosen}
        new = {one.chain: work / f"new-{number}" for number, one in enumerate(chosen)}
        begun = time.monotonic()
        if not all((folder / "done.json").is_file() for folder in old.values()):
            with checked_out(commit, work) as tree:
                run(tree, old, chosen, work / "data", work / "blank.db")
        between = time.monotonic()
        run(ROOT, new, chosen, work / "data", work / "blank.db")
        end = time.monotonic()
        rows = [row for one in chosen for row in comparison(one.chain, old[one.chain], new[one.chain])]
    rows = judged(rows)
    print(table(rows))
    wrong = sum(text.startswith(DIFFERS) for _, _, cells in rows for text in cells.values())
    print(f"\n{len(rows)} steps of {len(chosen)} commands; {wrong} cells differ that are not to.")
    print(f"{commit[:7]} took {between - begun:.0f} s, this tree {end - between:.0f} s.")
    sys.exit(1 if wrong or not rows else 0)


if __name__ == "__main__":
    main()
