"""What commands cost in large stores: thousands of phase runs, and a hundred thousand runs of others.

A few small transfers are run; their runs are then copied, and foreign ones added, by SQL in the store's
file. Each command is a process of its own: its processor seconds, imports included. Writes ``scale.md``::

    python benchmarks/scale.py [--phases 3000] [--foreign 100000] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import uuid
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mlflow_xfer.markdown import table  # noqa: E402

HERE = Path(__file__).resolve()
CHAIN = ("--target", "choice", "--model", "scratch:xlm-roberta:tiny", "--text", "texts", "--max_steps", "2")
STUDY = ("study", "--study", "replicate", "--scale", "full", "--effort", "registered")
TRANSFER = ("transfer", "--intermediate", "attribute", *CHAIN)
POOL = ("search", "--pool", "attribute,polarity,position", *CHAIN)
SEARCH = (*POOL, "--n_trials", "2", "--rank_by", "none", "--confirm_top", "0", "--workers", "1")
LOOKED_UP = 50
LOOK_UP = f"""
import time
from mlflow_xfer.tracking.store import Store
with Store.open(sync=False, probe=False) as store:
    store.find_phase("none", "none")
    began = time.process_time()
    for n in range({LOOKED_UP}):
        assert store.find_phase(str(n), "none") is None
    print((time.process_time() - began) / {LOOKED_UP})
"""
PAGE = """# Commands in large stores

`python benchmarks/scale.py`: processor seconds of a whole process each, its imports included, on one thread
of a shared machine. The store is a SQLite file; "ours" are finished runs of phases (copies of a few small
transfers' with other hashes), "foreign" are runs without a tag of the product, nine
in ten of them in other experiments.

"""
COPIED = {
    "tags": "key, value",
    "params": "key, value",
    "latest_metrics": "key, value, timestamp, step, is_nan",
}
FOREIGN = {"tags": 4, "params": 5, "latest_metrics": 3}  # rows a foreign run


def processor(*arguments: str) -> float:
    """Processor seconds of one command line, and of the processes that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "mlflow_xfer.cli", *arguments], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def add_ours(database: sqlite3.Connection, count: int) -> None:
    """Copies of the finished phase runs that are there, each with a spec hash of its own."""
    found = database.execute(
        "SELECT run_uuid FROM tags JOIN runs USING (run_uuid) "
        "WHERE key = 'xfer.kind' AND tags.value = 'phase' AND status = 'FINISHED'"
    ).fetchall()
    for number in range(count):
        (source,), own = found[number % len(found)], f"{10**9 + number:032x}"
        database.execute(
            "INSERT INTO runs SELECT ?, name, source_type, source_name, entry_point_name, user_id, status, "
            "start_time - 1000000 - ?, end_time - 1000000 - ?, source_version, lifecycle_stage, "
            "artifact_uri, experiment_id, deleted_time FROM runs WHERE run_uuid = ?",
            (own, number, number, source),
        )
        for name, columns in COPIED.items():
            database.execute(
                f"INSERT INTO {name} ({columns}, run_uuid) "
                f"SELECT {columns}, ? FROM {name} WHERE run_uuid = ?",
                (own, source),
            )
        database.execute(
            "UPDATE tags SET value = ? WHERE run_uuid = ? AND key = 'xfer.spec_hash'", (uuid.uuid4().hex, own)
        )


def add_foreign(database: sqlite3.Connection, count: int, experiments: int = 20) -> None:
    """Runs of others: nine in ten in experiments of their own, the rest beside ours."""
    (ours,) = database.execute("SELECT experiment_id FROM runs LIMIT 1").fetchone()
    others = [1000 + n for n in range(experiments)]
    database.executemany(
        "INSERT INTO experiments (experiment_id, name, lifecycle_stage, artifact_location) "
        "VALUES (?, ?, 'active', '/nowhere')",
        [(n, f"foreign {n}") for n in others],
    )
    ids = [f"{n:032x}" for n in range(count)]
    database.executemany(
        "INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, end_time, "
        "lifecycle_stage, artifact_uri, experiment_id) "
        "VALUES (?, 'foreign', 'LOCAL', 'other', 'FINISHED', ?, ?, 'active', '/nowhere', ?)",
        [(own, 10**12 + n, 10**12 + n, ours if n % 10 == 0 else others[n % experiments])
         for n, own in enumerate(ids)],
    )  # fmt: skip
    for name, rows in FOREIGN.items():
        metric = name == "latest_metrics"
        database.executemany(
            f"INSERT INTO {name} (run_uuid, key, value{', timestamp, step, is_nan' if metric else ''}) "
            f"VALUES (?, ?, ?{', 0, 0, 0' if metric else ''})",
            ((own, f"{name} {n}", n if metric else f"value {n}") for own in ids for n in range(rows)),
        )


def transfer() -> str:
    """The newest transfer."""
    asked = (
        "SELECT run_uuid FROM tags JOIN runs USING (run_uuid) "
        "WHERE key = 'xfer.kind' AND tags.value = 'transfer' ORDER BY start_time DESC LIMIT 1"
    )
    with closing(sqlite3.connect("mlflow.db")) as database:
        return database.execute(asked).fetchone()[0]


def looked_up() -> float:
    """Processor seconds of asking MLflow for the run of one phase that is not there."""
    said = subprocess.run([sys.executable, "-c", LOOK_UP], capture_output=True, text=True, check=True)
    return float(said.stdout)


def measured(seed: int) -> dict[str, str]:
    """The rows of the page; ``seed`` is one that was not trained yet."""
    own = ("--seeds", str(seed))
    planned = processor("plan", *TRANSFER, *own)
    trained = processor(*TRANSFER, *own)
    seconds = {
        "`plan` of a transfer, new seed": planned,
        "`plan` of a transfer that was run": processor("plan", *TRANSFER, *own),
        "`plan search`": processor("plan", *POOL),
        "`plan study` of 4,659 phases": processor("plan", *STUDY),
        "`transfer` that trains three phases": trained,
        "`transfer` again: all reused": processor(*TRANSFER, *own),
        "`report` on that transfer": processor("report", transfer(), "--out", f"pages-{seed}"),
        "`search`, two trials": processor(*SEARCH, *own, "--study_name", f"of seed {seed}"),
    }
    rows = {name: f"{found:.1f}" for name, found in seconds.items()}
    return rows | {"one phase looked up, milliseconds": f"{1000 * looked_up():.1f}"}


def write(columns: dict[str, dict[str, str]]) -> None:
    """The page of what is measured so far."""
    body = [(name, *(found[name] for found in columns.values())) for name in columns["as it is"]]
    text = table(("processor seconds", *columns), body)
    HERE.with_suffix(".md").write_text(f"{PAGE}{text}\n", "utf-8")
    print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phases", type=int, default=3000)
    parser.add_argument("--foreign", type=int, default=100_000)
    parser.add_argument("--work", type=Path, help="a folder that is kept")
    asked = parser.parse_args()
    folder = asked.work or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "XFER_HOME": str(folder / "home"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(HERE.parents[1]),
    }
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    os.chdir(folder)
    shutil.copytree(HERE.parents[1] / "tests" / "texts", folder / "texts", dirs_exist_ok=True)
    processor(*TRANSFER, "--seeds", "0,1")
    columns = {"as it is": measured(10)}
    write(columns)
    for name, add, count in (("ours", add_ours, asked.phases), ("foreign", add_foreign, asked.foreign)):
        with closing(sqlite3.connect("mlflow.db")) as database, database:
            add(database, count)
        columns[f"+ {count:,} {name}"] = measured(20 if name == "ours" else 30)
        write(columns)
    if not asked.work:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
