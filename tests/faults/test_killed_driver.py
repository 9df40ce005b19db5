"""A driver that is killed takes its workers with it, and the same command goes on from there."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from tempfile import gettempdir

import pytest

from mlflow_xfer.durable.locks import held
from mlflow_xfer.searching.storage.history import KEY, History
from mlflow_xfer.searching.storage.place import place as spot
from mlflow_xfer.searching.storage.studies import known_study
from mlflow_xfer.tracking.checkpoints import DROPPED
from tests.conditions.conftest import TINY
from tests.conftest import ROOT, part_of

pytestmark = pytest.mark.slow


def transfer(**more: object) -> list[str]:
    """The command of a tiny transfer on two workers."""
    typed = {**TINY, "seeds": "0,1", "workers": 2, **more}
    return ["transfer", *(part for name, value in typed.items() for part in (f"--{name}", str(value)))]


COMMAND = transfer()


def children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(one) for one in found.stdout.split()]


def is_gone(pid: int) -> bool:
    return not subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout


def test_workers_end_with_their_driver_and_nothing_is_done_twice(command, tmp_path):
    from mlflow import MlflowClient

    there = place(tmp_path)
    victim = command(*COMMAND, **there)
    victim.until(lambda: "target choice · baseline · s0: to run (new)" in victim.text)
    workers = children(victim.process.pid)
    assert len(workers) == 2
    victim.kill()
    again = command(*COMMAND, **there)
    assert again.wait() == 0, again.text
    assert all(is_gone(pid) for pid in workers)
    assert "Traceback" not in victim.text, "workers end quietly"
    client = MlflowClient(there["MLFLOW_TRACKING_URI"])
    runs = client.search_runs([client.get_experiment_by_name("mlflow-xfer").experiment_id])
    done = [run for run in runs if run.data.tags["xfer.kind"] == "phase" and run.info.status == "FINISHED"]
    hashes = [run.data.tags["xfer.spec_hash"] for run in done]
    assert len(hashes) == len(set(hashes)) == 9
    assert "RUNNING" not in {run.info.status for run in runs}
    parents = [run for run in runs if run.data.tags["xfer.kind"] in ("transfer", "condition")]
    assert {run.info.status for run in parents} == {"FINISHED"} and len(parents) == 3, "it went on in them"


def test_what_nobody_goes_on_with_is_ended_by_the_doctor(command, tmp_path):
    from mlflow import MlflowClient

    there = place(tmp_path)
    victim = command(*COMMAND, **there)
    victim.until(lambda: "to run (new)" in victim.text)
    said = command("doctor", "--fix", "true", **there)
    assert said.wait() == 0 and "its command is running" in said.text and "ended" not in said.text
    victim.kill()
    said = command("doctor", **there)
    assert said.wait() == 0 and "its command has died" in said.text
    said = command("doctor", "--fix", "true", **there)
    assert said.wait() == 0 and "ended" in said.text
    client = MlflowClient(there["MLFLOW_TRACKING_URI"])
    runs = client.search_runs([client.get_experiment_by_name("mlflow-xfer").experiment_id])
    left = {run.data.tags["xfer.kind"] for run in runs if run.info.status == "RUNNING"}
    assert left <= {"phase"} and "KILLED" in {run.info.status for run in runs}


def test_a_study_that_is_told_to_end_begins_no_more_phases(command, tmp_path):
    from mlflow import MlflowClient

    there = place(tmp_path)
    told = command(*study(tmp_path), **there)
    told.until(lambda: "Registered before the first run" in told.text)
    client = MlflowClient(there["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name("mlflow-xfer").experiment_id

    def states() -> Counter:
        runs = client.search_runs([experiment], "tags.xfer.kind = 'phase'")
        return Counter(run.info.status for run in runs)

    told.until(lambda: states()["FINISHED"] and states()["RUNNING"], every=0.1)
    before, began = states()["FINISHED"], time.monotonic()
    told.process.send_signal(signal.SIGTERM)
    assert told.wait(60) == 75, told.text
    assert time.monotonic() - began < 30, "schedulers kill after that"
    assert states()["FINISHED"] <= before + 2 + 1, "what two workers had begun, and what ended meanwhile"
    assert states().keys() <= {"FINISHED", "KILLED"} and "Traceback" not in told.text


def demo() -> list[str]:
    """The demo, short."""
    typed = {
        "model": "scratch:xlm-roberta:tiny", "text": TINY["text"], "seeds": "0,1", "workers": 2,
        "max_steps": 3, "pretrain.max_steps": 40, "max_train_examples": 16, "max_eval_examples": 8,
    }  # fmt: skip
    return ["transfer", *(part for name, value in typed.items() for part in (f"--{name}", str(value)))]


def search(storage: str) -> list[str]:
    """A search in batches, so that what it tries depends on no timing."""
    typed = {
        name: value for name, value in TINY.items() if name not in ("intermediate", "target", "languages")
    } | {
        "pool": "nli,attribute,types", "target": "choice", "seeds": "0", "n_trials": 5, "batches": 2,
        "workers": 2, "rank_by": "none", "sampler": "tpe", "max_steps": 40, "save_every_steps": 10,
        "confirm_top": 1, "confirm_seeds": 2, "study_name": "tiny", "storage": storage,
    }  # fmt: skip
    return ["search", *(part for name, value in typed.items() for part in (f"--{name}", str(value)))]


STUDY = f"""
name: killed
question: Is anything left of a study that is killed?
shared:
  model: scratch:xlm-roberta:tiny
  text: {TINY["text"]}
  target: choice
  languages: en,de
  seeds: "0,1"
  max_steps: 20
  save_every_steps: 5
  train_batch_size: 4
  max_train_examples: 16
  max_eval_examples: 8
arms:
  - {{name: none, params: {{intermediate: none}}}}
  - {{name: nli, params: {{intermediate: nli}}, against: none}}
contrasts:
  - {{name: nli, weights: {{nli: 1, none: -1}}, primary: true}}
margin: 2.0
sd: 4.0
sections: [arms by targets]
"""

WHAT = ("transfer", "demo", "study", "journal", "sqlite", "postgresql")


def study(folder) -> list[str]:
    """A study of two conditions over two seeds, declared in a file."""
    declared = folder / "study.yaml"
    declared.write_text(STUDY, encoding="utf-8")
    return ["study", "--study", str(declared), "--workers", "2"]


@pytest.mark.nightly
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("what", part_of(WHAT))
def test_drivers_and_workers_killed_at_random_change_nothing(command, tmp_path, request, project, what):
    """``XFER_KILLS`` SIGKILLs of drivers and workers at random moments and at random file operations
    (``XFER_SEED``), in as many rounds as that takes, every other one without workers; each round ends as the
    calm one does. Searches are kept in a journal, SQLite and PostgreSQL. With ``XFER_TABLES`` each round that
    passes is added to its row of ``docs/kills.md``.
    """
    wanted, rng = (
        int(os.environ.get("XFER_KILLS", "34")),
        random.Random(int(os.environ.get("XFER_SEED", "0"))),
    )

    def own(folder) -> list[str]:
        if what == "transfer":
            return transfer(seeds="0,1,2", max_steps=40, save_every_steps=10)
        if what == "demo":
            return demo()
        if what == "study":
            return study(folder)
        if what == "postgresql":
            return search(request.getfixturevalue("postgresql").database())
        return search("auto" if what == "journal" else f"sqlite:///{folder / 'search.db'}")

    calm = tmp_path / "calm"
    calm.mkdir()
    began = time.monotonic()
    assert command(*(asked := own(calm)), **place(calm)).wait(3600) == 0
    longest = time.monotonic() - began
    expected, kills, rounds = found(calm, asked), Counter(), 0
    while kills.total() < wanted:
        rounds += 1
        folder = tmp_path / f"round {rounds}"
        folder.mkdir()
        asked = own(folder)
        if rounds % 2 == 0:  # the driver runs the phases itself
            asked[asked.index("--workers") + 1] = "1"
        kills += (new := round_of(command, asked, folder, rng, longest))
        assert found(folder, asked) == expected
        assert left(folder) == []
        print(f"{what}, round {rounds}: {dict(new)}", flush=True)
        if os.environ.get("XFER_TABLES"):
            write(project / "docs" / "kills.md", what, new)


def place(folder):
    return {"XFER_HOME": str(folder / "home"), "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}


def dying(folder, rng) -> dict[str, str]:
    """Where a process of the next life is to die by itself: at one of its file operations."""
    once = folder / "once"
    once.touch()
    path = os.pathsep.join([str(Path(__file__).parent / "dying"), str(ROOT)])
    at = int(10 ** rng.uniform(0, 2.6))  # as often within the first 10 as within the first 100
    return {"PYTHONPATH": path, "XFER_DIE_AT": str(at), "XFER_DIE_ONCE": str(once)}


def round_of(command, own, folder, rng, longest: float) -> Counter:
    """Kill the command or one of its workers again and again until it comes to its end.

    Args:
        longest: seconds that the undisturbed command took; lives last up to a third of that, later ones
            longer, so that the round ends.
    """
    kills: Counter[str] = Counter()

    def begin():
        by_itself = rng.random() < 0.5
        return command(*own, **place(folder), **(dying(folder, rng) if by_itself else {})), by_itself

    life, by_itself = begin()
    while True:
        try:
            code = life.wait(longest * rng.uniform(0.05, 0.3 + 0.05 * kills.total()))
            if by_itself and not (folder / "once").exists():
                kills["file operation"] += 1
                by_itself = False
            if code == -9:
                life, by_itself = begin()
                continue
            assert code == 0, life.text
            return kills
        except subprocess.TimeoutExpired:
            if by_itself and not (folder / "once").exists():
                kills["file operation"] += 1
                by_itself = False
            workers = children(life.process.pid)
            if workers and rng.random() < 0.5:
                os.kill(rng.choice(workers), 9)
                kills["worker"] += 1
            else:
                life.kill()
                kills["driver"] += 1
                life, by_itself = begin()
                time.sleep(0.1)


def found(folder, asked) -> dict:
    """What a store and a study say in the end: scores by task, language and seed, trials; no run open, no
    phase twice."""
    from mlflow import MlflowClient

    client = MlflowClient(place(folder)["MLFLOW_TRACKING_URI"])
    runs = client.search_runs([client.get_experiment_by_name("mlflow-xfer").experiment_id], max_results=5000)
    statuses = Counter((run.data.tags["xfer.kind"], run.info.status) for run in runs)
    phases = [run for run in runs if run.data.tags["xfer.kind"] == "phase" and run.info.status == "FINISHED"]
    twice = Counter(run.data.tags["xfer.spec_hash"] for run in phases)
    assert not [kind for kind, status in statuses if status == "RUNNING"], statuses
    assert set(twice.values()) == {1}, "a phase was done twice"
    scores = {
        (run.data.tags["xfer.spec_hash"], name): value
        for run in phases
        for name, value in run.data.metrics.items()
        if name.startswith("eval/") or name.endswith("/selected")
    }
    conditions = {
        (run.info.run_name, name): value
        for run in runs
        if run.data.tags["xfer.kind"] == "condition"
        for name, value in run.data.metrics.items()
    }
    given = {(run.data.tags["xfer.spec_hash"], "params"): dict(run.data.params) for run in phases}
    digests = {name: digest for run in phases for name, digest in weights(client, run).items()}
    return scores | conditions | given | digests | trials(folder, asked)


def left(folder) -> list[str]:
    """What is there twice or was left behind, once the next command has begun: points of metrics, files that
    were begun, states of phases, spools, locks of drivers."""
    from mlflow import MlflowClient

    from mlflow_xfer.commands.running import opened

    with pytest.MonkeyPatch.context() as there:
        for name, value in place(folder).items():
            there.setenv(name, value)
        with opened():
            pass
    home = folder / "home"
    files = [*home.rglob("*.partial"), *(home / "work").glob("*-*"), *home.glob("spool/*/*/log.jsonl")]
    files += [file for file in (home / "locks").glob("driver-*.lock") if f"-{os.getpid()}-" not in file.name]
    client = MlflowClient(place(folder)["MLFLOW_TRACKING_URI"])
    runs = client.search_runs([client.get_experiment_by_name("mlflow-xfer").experiment_id], max_results=5000)
    twice = [
        f"{run.info.run_name}: {name} at {step}"
        for run in runs
        for name in run.data.metrics
        for step, count in Counter(p.step for p in client.get_metric_history(run.info.run_id, name)).items()
        if count > 1
    ]
    return twice + [str(file.relative_to(folder)) for file in files]


def weights(client, run) -> dict:
    """The digests of a phase's weights, by file; of weights that were not to be kept, that they are gone."""
    if "xfer.model_id" not in run.data.tags:
        return {}
    if DROPPED in run.data.tags:
        return {(run.data.tags["xfer.spec_hash"], "weights"): "dropped"}
    place = client.get_logged_model(run.data.tags["xfer.model_id"]).artifact_location
    folder = Path(place.removeprefix("file://"))
    return {
        (run.data.tags["xfer.spec_hash"], file.name): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*.safetensors")
    }


HEAD = """# Kills: what is left of a command that is killed

SIGKILL to commands and their workers, at random moments and at random changes of files; the same command
is repeated until it comes to its end. In every round weights, scores, parameters and the trials of
searches were equal to those of the command that nobody disturbed, no run was left RUNNING, no metric had
a step twice, and the next command left no state, no half-written file, no spool and no lock of the
killed ones. `make soak PART=i/n` runs a part and adds each round that passes to its row: {total} kills so
far.

| command | kills | of drivers | of workers | at a file operation | rounds | different | left |
|---|---|---|---|---|---|---|---|
"""


def write(page: Path, what: str, kills: Counter) -> None:
    """Add a round that passed to its row of the page's table."""
    with held(Path(gettempdir()) / "xfer-kills.lock"):  # several parts may run at once
        rows = {}
        for line in page.read_text("utf-8").splitlines() if page.exists() else ():
            if (cells := [cell.strip() for cell in line.split("|")])[-3:] == ["0", "0", ""]:
                rows[cells[1]] = [int(cell) for cell in cells[2:-1]]
        new = (kills.total(), kills["driver"], kills["worker"], kills["file operation"], 1, 0, 0)
        rows[what] = [a + b for a, b in zip(rows.get(what, [0] * len(new)), new, strict=True)]
        total = sum(row[0] for row in rows.values())
        lines = [f"| {name} | {' | '.join(map(str, rows[name]))} |" for name in WHAT if name in rows]
        page.write_text(HEAD.format(total=total) + "\n".join(lines) + "\n", encoding="utf-8")


def trials(folder, asked) -> dict:
    """What a search tried, in order; trials that died and were retried aside."""
    if asked[0] != "search":
        return {}
    storage = asked[asked.index("--storage") + 1]
    where = spot(str(folder / "home" / "studies" / "tiny.log") if storage == "auto" else storage, "tiny")
    history = History.of(known_study(where, "tiny"))
    assert all(trial.state.is_finished() for trial in history.trials)
    return {n: (one.user_attrs[KEY], one.state.name, one.values) for n, one in enumerate(history.live)}
