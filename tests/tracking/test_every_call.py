"""Every call that the product makes of a tracking server, and what networks do to it: it goes on, or ends
with 75, and the same command, repeated, ends with everything there once.

``make outages`` tries every fault at every call and writes ``docs/outages.md``; here a sample is tried.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from tempfile import gettempdir

import pytest

from mlflow_xfer.commands.running import opened
from mlflow_xfer.data.sources import Rows
from mlflow_xfer.durable.locks import held
from mlflow_xfer.errors import XferError
from mlflow_xfer.home import home, work
from mlflow_xfer.phases import endings, record
from mlflow_xfer.tracking import checkpoints, front, ledger, published, registering, reuse, sync
from mlflow_xfer.tracking.lease import across_hosts
from mlflow_xfer.tracking.score_tables import TABLE
from mlflow_xfer.tracking.store import Store
from tests.conftest import part_of
from tests.proxy import FAULTS, Proxy

AWAY = "away from then on"
UNTRIED, FAILS = "·", "**fails**"
STATES = ("RUNNING", "FAILED", "KILLED")
ROWS = Rows("xnli", "test", "sw", "folder", "/data/x", "sha256:" + "ab" * 32, paths=("/data/x",))
CALLS = (
    "DELETE artifacts",
    "GET artifacts",
    "GET experiments/get",
    "GET experiments/get-by-name",
    "GET logged-models/ID",
    "GET model-versions/search",
    "GET registered-models/get",
    "GET registered-models/search",
    "GET runs/get",
    "GET server-info",
    "PATCH logged-models/ID",
    "PATCH logged-models/ID/tags",
    "POST experiments/create",
    "POST experiments/search",
    "POST experiments/set-experiment-tag",
    "POST logged-models",
    "POST logged-models/search",
    "POST model-versions/create",
    "POST registered-models/alias",
    "POST registered-models/create",
    "POST runs/create",
    "POST runs/log-batch",
    "POST runs/log-inputs",
    "POST runs/log-parameter",
    "POST runs/outputs",
    "POST runs/search",
    "POST runs/set-tag",
    "POST runs/update",
    "PUT artifacts",
)
"""What it calls, as recorded; :func:`test_these_are_the_calls` says when it calls something else."""
LATER = ("GET artifacts", "GET runs/get", "POST runs/log-batch", "PUT artifacts")
"""Those that are made again and again: the third one is tried, too."""
ROWS_OF_TABLE = (*CALLS, *(f"{call} #3" for call in LATER))
ALWAYS = (
    ("POST runs/create", "answer lost"),
    ("PUT artifacts", "404 page"),
    ("PUT artifacts #3", "200 page"),
)
CASES = [(call, fault) for call in ROWS_OF_TABLE for fault in (*FAULTS, AWAY)]


def command(spec: str, checkpoint: Path, base: str) -> None:
    """What a command does with a phase in a store, from opening it to the registry."""
    folder = work() / f"{spec}-code"
    tags = {
        "xfer.spec_hash": spec,
        "xfer.code_hash": "code",
        reuse.ARTIFACTS_TAG: f"model,{TABLE}",
    }
    with opened() as store:
        with across_hosts(store, spec, lambda: False) as lease:
            run = store.find_phase(spec, "code")
            if run is None:
                held = endings.held_run(store, folder, STATES)
                run = store.start("phase", "p", tags=tags, params={"seed": 1}, run_id=held)
                endings.hold_run(folder, run)
                with endings.ending(store, run, lease.holder):
                    for step in range(3):
                        store.metrics(run, {"train/loss": 1 / (step + 1)}, step)
                    store.input(run, ROWS, "train")
                    store.model_input(run, base)
                    store.table(run, [{"language": "sw", "score": 1.0}], TABLE)
                    lease.confirm()
                    store.confirm(run)
                    checkpoints.publish(store, run, checkpoint)
                shutil.rmtree(folder)
        assert record.read_table(store, run) == [{"language": "sw", "score": 1.0}]
        assert not checkpoints.damage(store, checkpoints.fetch(store, run) and run)
        registering.register(store, run, f"model-{spec}", {})
        front.update(store)


@pytest.fixture
def base(server, checkpoint, monkeypatch) -> str:
    """A model in the store that others start from, in an experiment and with a ledger of the test's own."""
    monkeypatch.setattr(ledger, "EXPERIMENT", f"ledger-{os.urandom(4).hex()}")
    with Store.open("bases") as store:
        run = store.start("phase", "base")
        made = checkpoints.publish(store, run, checkpoint)
        store.finish(run)
    return made


def outcome(server, checkpoint: Path, base: str, call: str, fault: str, monkeypatch) -> str:
    """What comes of a fault at a call, the first of its kind or the one that ``#`` says; then everything is
    there once."""
    spec, down = os.urandom(8).hex(), False
    what, _, place = call.partition(" #")

    def happens(kind: str, n: int) -> str | None:
        nonlocal down
        if fault == AWAY:
            down = down or (kind, n) == (what, int(place or 1))
            return "refused" if down else None
        return fault if (kind, n) == (what, int(place or 1)) else None

    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"outage-{spec}")
    monkeypatch.setenv("XFER_SERVER_PATIENCE", "0.3" if fault == AWAY else "20")
    with Proxy(server.uri, happens) as proxy:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.uri)
        said = "goes on"
        try:
            command(spec, checkpoint, base)
        except XferError as error:
            assert error.exit_code == 75 or fault == "401" and error.exit_code == 2, error
            said = "75, then whole" if error.exit_code == 75 else "2: credentials"
        assert proxy.done, f"{call} is never called"
        proxy.fault = lambda kind, n: None
        monkeypatch.setenv("XFER_SERVER_PATIENCE", "20")
        if said != "goes on":
            command(spec, checkpoint, base)
        assert not any(one.left for one in sync.sync())
        check(spec, base)
    return said


def check(spec: str, base: str) -> None:
    """Everything is there once, and nothing is left."""
    with Store.open(probe=False) as store:
        (run,) = store.search({"xfer.spec_hash": spec})
        assert run.status == "FINISHED" and run.params["seed"] == "1"
        points = store.client.get_metric_history(run.run_id, "train/loss")
        assert sorted((one.step, one.value) for one in points) == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
        (model,) = published.of_run(store, run.run_id)
        assert str(model.status) == "READY" and model.model_id in run.models
        inputs = store.client.get_run(run.run_id).inputs
        assert [one.model_id for one in inputs.model_inputs] == [base] and len(inputs.dataset_inputs) == 1
        assert [one.version for one in store.client.search_model_versions(f"name = 'model-{spec}'")] in (
            [1],
            ["1"],
        )
        of_ledger = store.client.get_experiment_by_name(ledger.EXPERIMENT)
        assert len(store.client.search_runs([of_ledger.experiment_id])) == 1
    assert not [path for path in work().glob("*-*") if path.name.startswith(spec)]
    assert not [path for path in (home() / "spool").glob("*/*") if (path / "log.jsonl").exists()]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_these_are_the_calls(server, checkpoint, base, monkeypatch):
    with Proxy(server.uri) as proxy:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.uri)
        command(os.urandom(8).hex(), checkpoint, base)
        assert proxy.seen.keys() ^ set(CALLS) == set()


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_a_sample_of_faults_at_calls(server, checkpoint, base, monkeypatch):
    """Drawn anew with ``XFER_SEED``, beside those of ``ALWAYS``."""
    drawn = random.Random(int(os.environ.get("XFER_SEED", "0"))).sample(CASES, 5)
    for call, fault in [*ALWAYS, *drawn]:
        said = outcome(server, checkpoint, base, call, fault, monkeypatch)
        print(f"{call}: {fault}: {said}")


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_every_fault_at_every_call(server, checkpoint, base, monkeypatch, project):
    """Of the part ``XFER_PART`` (``i/n``) of all cases, in an order of their own, so that each part has some
    of every kind; with ``XFER_TABLES`` what comes of each is written into the page, and what the page has is
    not tried again."""
    cases, failed = random.Random(1).sample(CASES, len(CASES)), {}
    known = known_of(project / "docs" / "outages.md") if os.environ.get("XFER_TABLES") else {}
    for case in part_of(cases):
        if known.get(case, UNTRIED) not in (UNTRIED, FAILS):
            continue
        try:
            said = outcome(server, checkpoint, base, *case, monkeypatch)
        except Exception as error:  # the others are tried all the same
            failed[case], said = error, FAILS
            shutil.rmtree(home() / "spool", ignore_errors=True)
            monkeypatch.setattr(ledger, "EXPERIMENT", f"ledger-{os.urandom(4).hex()}")
        print(*case, said, failed.get(case, ""), sep=": ", flush=True)
        if os.environ.get("XFER_TABLES"):
            write(project / "docs" / "outages.md", {case: said})
    assert not failed


HEAD = """# Outages: what comes of a fault at each call

Every call that a command makes of a tracking server, and what networks do to it. *goes on*: the command
waits, asks again and ends as if nothing had been. *75*: it ends with exit code 75, all that it logged is
kept, and the same command, repeated, ends with everything there once: one run, one point of each step,
one model, one version, nothing in the spool. *2*: new credentials are needed. Written by `make outages`;
`·` was not tried yet.

"""


def write(page: Path, found: dict[tuple[str, str], str]) -> None:
    """Put what was found into the page's table, beside what other parts found."""
    short = {"75, then whole": "75", "2: credentials": "2"}
    columns = (*FAULTS, AWAY)
    with held(Path(gettempdir()) / "xfer-outages.lock"):  # several parts may run at once
        known = known_of(page) | {case: short.get(said, said) for case, said in found.items()}
        lines = [f"| call | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        lines += [
            f"| `{call}` | " + " | ".join(known.get((call, fault), UNTRIED) for fault in columns) + " |"
            for call in ROWS_OF_TABLE
        ]
        tried = sum(known.get(case, UNTRIED) != UNTRIED for case in CASES)
        said = f"{HEAD}{tried} of {len(CASES)} tried.\n\n" + "\n".join(lines) + "\n"
        page.write_text(said, encoding="utf-8")


def known_of(page: Path) -> dict[tuple[str, str], str]:
    """What the page's table says already."""
    known = {}
    for line in page.read_text("utf-8").splitlines() if page.exists() else ():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == len(FAULTS) + 2 and cells[0].startswith("`"):
            known |= {
                (cells[0].strip("`"), fault): cell
                for fault, cell in zip((*FAULTS, AWAY), cells[1:], strict=True)
            }
    return known
