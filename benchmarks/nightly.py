"""What takes too long for every merge:
numbered pieces, each a command of at most 40 minutes, run before a release.

    python benchmarks/nightly.py --part 2/5     # the second of five parts: pieces 2, 7, 12 ...
    python benchmarks/nightly.py --list         # what there is, and what is done on this commit

A piece that has passed on the present commit is not run again, and one that was interrupted goes on where its
command can: until the commit changes it keeps its folder, in the one that ``XFER_NIGHTLY`` names, else
``.nightly``. Each run of a piece appends a row to ``benchmarks/nightly.csv`` and writes
``benchmarks/nightly.md``, which are committed.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from mlflow_xfer.errors import TRY_AGAIN
from mlflow_xfer.studies.found import studies

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 40
"""Minutes that a piece may take on two cores."""
GOES_ON = "to be gone on with"  # its exit code is TRY_AGAIN
STUDIES = tuple(name for name, one in studies().items() if one.contrasts)
SMALL = shlex.join(
    [
        "sh",
        "-c",
        'sed "s#{{data}}#${{XFER_REAL_DATA:?is not set}}#" benchmarks/real_models_tasks.yaml'
        " > {kept}/tasks.yaml && MLFLOW_TRACKING_URI=sqlite:///{kept}/studies.db XFER_HOME={kept}/studies"
        " exec python -m mlflow_xfer.cli study --study task-count --scale small --workers 2"
        ' --data "$XFER_REAL_DATA/xtreme" --model "${{XFER_REAL_MODELS:?is not set}}/encoder"'
        " --task_file {kept}/tasks.yaml",
    ]
)
"""It takes the data and the model that these variables name. ``exec``: what is told to end is the study."""
HEAD = """# Nightly

The last run of every piece; all runs are in `nightly.csv`. Written by `python benchmarks/nightly.py`, which
declares them.

"""


@dataclass(frozen=True)
class Piece:
    """A command: ``{seed}`` is its seed, ``{folder}`` its own folder,
    ``{kept}`` one that outlives commits.
    """

    name: str
    command: str
    minutes: float
    seed: int = 0
    examples: int = 1
    """How many times as many examples the tests with random input draw (``XFER_EXAMPLES``)."""
    resumable: bool = False
    """Whether it is told to end after its minutes, and goes on where it was when it is run again."""


PIECES = (
    Piece("same results", "python benchmarks/same_results.py --what all --keep {kept}", 40),
    Piece("tests", "python -m pytest -m nightly -n 2 --dist worksteal --ignore=tests/faults", 30),
    Piece("soak", "python -m pytest -m nightly tests/faults", 20, seed=1),
    Piece(
        "fuzz",
        "python -m pytest -n 2 --timeout 2400 --hypothesis-seed={seed} tests/data/test_hostile_files.py"
        " tests/data/test_retrieval_rows.py tests/tasks/test_task_file_mistakes.py"
        " tests/scoring/test_submission.py",
        30,
        seed=1,
        examples=30,
    ),
    Piece("demo", "mlflow run . --env-manager local", 30),
    Piece("coverage", "python benchmarks/coverage.py --draws 4000 --out {folder}/coverage.md", 30),
    Piece("planted searches", "python benchmarks/search.py planted --out {folder}/search.jsonl", 15),
    Piece("searches of other shapes", "python benchmarks/search.py families --out {folder}/search.jsonl", 40),
    Piece("mini's effects", "python benchmarks/mini_effects.py --seeds {seed} --work {folder}", 20, seed=5),
    Piece("report", "python benchmarks/report.py", 5),
    Piece("tracking", "python benchmarks/tracking.py --steps 600", 15),
    Piece("planted studies", "python benchmarks/planted.py --draws 1000 --out {folder}/planted.md", 15),
    *(
        Piece(
            f"study {name}, {effort}",
            "env MLFLOW_TRACKING_URI=sqlite:///{kept}/studies.db XFER_HOME={kept}/studies "
            f"python -m mlflow_xfer.cli study --study {name} --effort {effort} --workers 2",
            minutes,
            resumable=effort == "registered",
        )
        for name in STUDIES
        for effort, minutes in (("quick", 20), ("registered", LIMIT))
    ),
    Piece("study task-count, small", SMALL, LIMIT, resumable=True),
)


@dataclass(frozen=True)
class Row:
    """One run of a piece."""

    name: str
    commit: str
    seconds: str
    result: str
    date: str


class Nightly:
    """The rows of a folder, and running pieces into them."""

    def __init__(self, folder: Path, work: Path, commit: str, pieces: Sequence[Piece] = PIECES):
        self.table, self.page, self.work = folder / "nightly.csv", folder / "nightly.md", work
        self.commit, self.pieces = commit, pieces

    def rows(self) -> list[Row]:
        if not self.table.exists():
            return []
        with self.table.open(newline="", encoding="utf-8") as file:
            return [Row(**row) for row in csv.DictReader(file)]

    def done(self, piece: Piece) -> bool:
        """Whether it has passed on this commit; a tree with changes has none."""
        return any(
            (row.name, row.commit, row.result) == (piece.name, self.commit, "passed") for row in self.rows()
        )

    def run(self, piece: Piece) -> bool:
        """Run it and write its row; whether it has not failed."""
        folder = self.work / piece.name.replace(" ", "-").replace("'", "")
        stands = folder / "commit.txt"
        if not stands.is_file() or stands.read_text() != self.commit:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            stands.write_text(self.commit)
        command = shlex.split(piece.command.format(seed=piece.seed, folder=folder, kept=self.work / "kept"))
        env = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "XFER_HOME": str(folder / "home"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
            "XFER_SEED": str(piece.seed),
            "XFER_EXAMPLES": str(piece.examples),
        }
        print(f"{piece.name}: {shlex.join(command)}", flush=True)
        began, log = time.monotonic(), folder / "log.txt"
        with log.open("w") as out:
            ran = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT)
            code = ended(ran, piece.minutes * 60 if piece.resumable else None)
        stopped = piece.resumable and code == TRY_AGAIN
        result = "passed" if code == 0 else GOES_ON if stopped else "failed"
        passed = result != "failed"
        date = datetime.datetime.now(datetime.UTC).date().isoformat()
        seconds = str(round(time.monotonic() - began))
        self.append(Row(piece.name, self.commit, seconds, result, date))
        if not passed:
            print(*log.read_text("utf-8", "replace").splitlines()[-30:], sep="\n")
        print(f"{piece.name}: {result} in {seconds} s; {log}", flush=True)
        return passed

    def append(self, row: Row) -> None:
        new = not self.table.exists()
        with self.table.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            if new:
                writer.writerow(Row.__dataclass_fields__)
            writer.writerow(astuple(row))
        self.write()

    def write(self) -> None:
        self.page.write_text(self.text(), "utf-8")

    def text(self) -> str:
        """The page: every declared piece with its last run."""
        last = {row.name: row for row in self.rows()}
        never = Row("", "", "", "not run", "")
        lines = [
            "| piece | command | seed | minutes, at most | result | seconds | commit | date |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for piece in self.pieces:
            row = last.get(piece.name, never)
            cells = (
                piece.name,
                f"`{piece.command}`",
                piece.seed,
                piece.minutes,
                row.result,
                row.seconds,
                row.commit,
                row.date,
            )
            lines.append(f"| {' | '.join(map(str, cells))} |")
        return HEAD + "\n".join(lines) + "\n"


def ended(ran: subprocess.Popen[Any], seconds: float | None) -> int:
    """The exit code of a command that is told to end (SIGTERM) after so many seconds; None: it is not."""
    with suppress(subprocess.TimeoutExpired):
        return ran.wait(seconds)
    ran.terminate()
    return ran.wait()


def part(pieces: Sequence[Piece], chosen: str) -> list[Piece]:
    """The pieces of part ``i/n``: every n-th, from the i-th on."""
    index, _, parts = chosen.partition("/")
    if not (index.isdigit() and parts.isdigit() and 1 <= int(index) <= int(parts)):
        raise SystemExit(f"--part {chosen}: expected i/n, with i from 1 to n")
    return list(pieces[int(index) - 1 :: int(parts)])


def present_commit() -> str:
    """The last commit that changed more than the results; with a ``+`` where the tree differs from it."""
    paths = ["--", ".", ":!benchmarks/nightly.csv", ":!benchmarks/nightly.md"]

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments, *paths], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()

    return git("log", "-1", "--format=%h") + ("+" if git("status", "--porcelain") else "")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", default="1/1", help="i/n: the i-th of n parts")
    parser.add_argument("--list", action="store_true", help="list the pieces and whether they are done")
    parser.add_argument("--write", action="store_true", help="only write the page")
    asked = parser.parse_args()
    work = Path(os.environ.get("XFER_NIGHTLY", ROOT / ".nightly")).resolve()
    nightly = Nightly(ROOT / "benchmarks", work, present_commit())
    chosen = part(PIECES, asked.part)
    if asked.list:
        for number, piece in enumerate(PIECES, 1):
            print(
                f"{number:2} {piece.name:20} {piece.minutes:3} min  {'done' if nightly.done(piece) else ''}"
            )
        return
    if asked.write:
        nightly.write()
        return
    passed = [nightly.done(piece) or nightly.run(piece) for piece in chosen]
    nightly.write()
    if not all(passed):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
