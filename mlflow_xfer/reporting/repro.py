"""Writes a cell as a folder that stands alone, and reads it again."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from mlflow_xfer.durable.files import whole_folder, write_json, write_whole
from mlflow_xfer.errors import XferError
from mlflow_xfer.markdown import table
from mlflow_xfer.reporting.cell import SHORT, Cell, sha256
from mlflow_xfer.tracking import versions
from mlflow_xfer.tracking.commands import FROM_RUNS, PROGRAM, Command
from mlflow_xfer.tracking.runs import RunView
from mlflow_xfer.version import __version__

SCHEMA = 1
SPEC, DIGESTS, RESULTS, LOCK = "spec.json", "digests.json", "results.json", "requirements.lock"
COMMANDS, PREDICTIONS = "commands.sh", "predictions"
RUN_ID = """python -c 'import json, sys; print(json.load(sys.stdin)["run_id"])'"""


@dataclass(frozen=True)
class Kept:
    """A folder of :func:`write` as it was read.

    Attributes:
        run: id, kind and name of the run.
        places: files and folders that commands name, by ``<command>.<parameter>``.
    """

    folder: Path
    run: Mapping[str, str]
    commands: Sequence[Command]
    places: Mapping[str, str]
    cell: Cell


def write(
    cell: Cell, run: RunView, commands: Sequence[Command], places: Mapping[str, str], out: Path
) -> None:
    """Write the folder ``out``, whole or not at all."""
    about = {"id": run.run_id, "kind": run.kind, "name": run.name}
    asked = [{"name": one.name, "verb": one.verb, "given": dict(one.given)} for one in commands]
    spec = {"schema": SCHEMA, "run": about, "commands": asked, "files": dict(places)}
    with whole_folder(out) as folder:
        write_json(folder / SPEC, spec | {"phases": list(cell.phases)})
        write_json(folder / DIGESTS, cell.digests)
        write_json(
            folder / RESULTS, {"scores": list(cell.scores), "predictions": cell.digests["predictions"]}
        )
        write_whole(folder / LOCK, installed().encode())
        write_whole(folder / COMMANDS, script(commands).encode())
        write_whole(folder / "README.md", _readme(cell, run, commands, places).encode())
        for name, content in cell.predictions.items():
            path = folder / PREDICTIONS / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)


def read(folder: Path) -> Kept:
    """Raises :class:`XferError` for a folder that is none, or not as it was written."""
    try:
        spec, results, digests = (
            json.loads((folder / name).read_text("utf-8")) for name in (SPEC, RESULTS, DIGESTS)
        )
        if spec["schema"] != SCHEMA:
            raise XferError(f"check={folder}: written by another version of {PROGRAM}.", "Use that version.")
        commands = [Command(one["verb"], one["given"], one["name"]) for one in spec["commands"]]
        predictions = {name: (folder / PREDICTIONS / name).read_bytes() for name in results["predictions"]}
        cell = Cell(spec["phases"], results["scores"], predictions)
        places, run, written = spec["files"], spec["run"], digests["predictions"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise XferError(
            f"check={folder}: is no folder of repro, or is damaged ({type(error).__name__}: {error}).",
            f"Write it first: {PROGRAM} repro RUN --out {folder}",
        ) from None
    changed = [name for name, kept in results["predictions"].items() if sha256(predictions[name]) != kept]
    changed += sorted(written.keys() - predictions.keys())
    scored = {f"{one['spec_hash'][:SHORT]}/{one['task']}" for one in results["scores"]}
    changed += [name for name in predictions if name.rpartition("/")[0] not in scored]
    if changed:
        raise XferError(
            f"check={folder}: {PREDICTIONS}/{changed[0]}, or what {RESULTS} says of it, is not as it was "
            "written.",
            "Write the folder again.",
        )
    return Kept(folder, run, commands, places, cell)


def installed() -> str:
    """The packages of this environment besides the program itself, one ``name==version`` a line, as pip reads
    them: without the part of a version that says how one was built, which an index of its own would have."""
    found = {one.metadata["Name"].lower(): one.version for one in distributions() if one.metadata["Name"]}
    found.pop(PROGRAM, None)
    lines = []
    for name, version in sorted(found.items()):
        public, _, built = version.partition("+")
        lines.append(f"{name}=={public}" + (f"  # here: {version}" if built else ""))
    return f"# Python {versions.tags()[versions.PREFIX + 'python']}\n" + "\n".join(lines) + "\n"


def script(commands: Sequence[Command]) -> str:
    """The commands in order, for a shell; each names the runs of those before it."""
    lines = [
        "#!/bin/sh",
        "# In a home and store of their own: set XFER_HOME and MLFLOW_TRACKING_URI first.",
        "set -e",
    ]
    runs = [one.name for one in commands]
    for one in commands:
        words = [PROGRAM, one.verb]
        for name, value in one.given.items():
            words += [f"--{name}", _quoted(value, runs) if name in FROM_RUNS else shlex.quote(value)]
        lines.append(f"{one.name}=$({' '.join([*words, '--output json'])} | {RUN_ID})")
    return "\n".join([*lines, f"echo ${commands[-1].name}"]) + "\n"


def _quoted(value: str, runs: Sequence[str]) -> str:
    """A value for a shell, in which only the names of ``runs`` are replaced by what they stand for."""
    names = "|".join(re.escape(f"${name}") for name in sorted(runs, key=len, reverse=True))
    parts = re.split(f"({names})", value)  # every second one is a name
    return "".join(f'"{one}"' if n % 2 else shlex.quote(one) for n, one in enumerate(parts) if one)


def _readme(cell: Cell, run: RunView, commands: Sequence[Command], places: Mapping[str, str]) -> str:
    with_version = next(iter(cell.phases))["versions"] if cell.phases else {}
    said = ", ".join(f"{k.removeprefix(versions.PREFIX)} {v}" for k, v in sorted(with_version.items()))
    scores = [(one["task"], one["language"], f"{one['score']:.2f}") for one in cell.scores]
    named = [f"- `{name}`: {place}" for name, place in places.items()] or ["- none"]
    return "\n".join(
        [
            f"# {run.name}",
            "",
            f"A finished {run.kind} of mlflow-xfer (run {run.run_id}), with all that is needed to repeat it.",
            "",
            "## Repeat it",
            "",
            f"1. Install the packages: `pip install -r {LOCK}`, then {PROGRAM} {__version__} without them: "
            f"`pip install --no-deps` and its folder or wheel. The run was made with {said}.",
            "2. Bring the files that the commands name and that are not in this folder:",
            "",
            *named,
            "",
            f"3. Run and compare: `{PROGRAM} repro --check .` It runs the commands of `{COMMANDS}` in a home "
            "and store of their own (`again/`), and says how many predictions are equal and how far each "
            "score moved. Where a file lies elsewhere: `--files run1.text=PATH`.",
            "",
            "## What is here",
            "",
            f"- `{SPEC}`: the commands ({len(commands)}), and all that decides the result of each phase",
            f"- `{DIGESTS}`: sha256 of inputs, data, checkpoints and predictions",
            f"- `{RESULTS}`, `{PREDICTIONS}/`: scores by language, and predictions in XTREME's format",
            f"- `{LOCK}`: what was installed where this folder was written",
            "",
            "## Scores",
            "",
            table(("task", "language", "score"), scores),
            "",
        ]
    )
