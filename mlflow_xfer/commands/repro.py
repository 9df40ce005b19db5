"""The verb ``repro``: a finished run as a folder, and the check that repeats it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mlflow_xfer.commands import phases
from mlflow_xfer.commands.running import opened
from mlflow_xfer.durable.files import check_new_folder, write_json
from mlflow_xfer.errors import Problems, XferError
from mlflow_xfer.params import questions
from mlflow_xfer.params.declare import parameters
from mlflow_xfer.params.verbs import VERBS
from mlflow_xfer.phases.plan import Plan, make_plan
from mlflow_xfer.phases.references import References, task_file_tasks
from mlflow_xfer.reporting import repro as folders
from mlflow_xfer.reporting.cell import SHORT, Cell, cell_of
from mlflow_xfer.reporting.repeated import Repeated, compared
from mlflow_xfer.reporting.repro import Kept
from mlflow_xfer.tracking import commands
from mlflow_xfer.tracking.apart import apart
from mlflow_xfer.tracking.commands import FROM_RUNS, Command
from mlflow_xfer.tracking.reuse import differences

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

AGAIN = "again"
FOUND = "check.json"
NOT_REPEATED = 1


def repro(params: questions.Repro) -> str | Repeated:
    """Raises :class:`XferError` for a run that is not one finished cell, and for files that are not here."""
    if bool(params.run and params.out) == bool(params.check) or (params.check and (params.run or params.out)):
        raise XferError(
            "repro either writes the folder of a run or checks one.",
            "mlflow-xfer repro RUN --out FOLDER, or mlflow-xfer repro --check FOLDER",
        )
    if params.check:
        return check(Path(params.check), params.files)
    assert params.run and params.out, "as just seen"
    return write(params.run, Path(params.out))


def write(reference: str, out: Path) -> str:
    """Write the folder of a run; returns what there is to say of it."""
    check_new_folder("out", out)
    with opened(probe=False, make=False) as store:
        run, made = commands.cell(store, reference)
        chain = commands.behind(store, made)
        places = _places(chain)
        folders.write(cell_of(store, run, made), run, chain, places, out)
    missing = f" Not in it, but named by its commands: {', '.join(places.values())}." if places else ""
    return f"{run.name} is written to {out}; to repeat it there: mlflow-xfer repro --check {out}.{missing}"


def _places(chain: Sequence[Command]) -> dict[str, str]:
    """Files and folders of this machine that commands name."""
    return {
        f"{one.name}.{name}": value
        for one in chain
        for name, value in one.given.items()
        if (declared := parameters(VERBS[one.verb].shape).get(name)) and declared.is_place
        if os.path.isabs(value)
    }


def check(folder: Path, moved: Sequence[str]) -> Repeated:
    """Run the folder's commands in a home and store of their own, and compare.

    Raises:
        XferError: files that commands name are not here, or are others; a command fails; or the result is
            another (exit code 1).
    """
    kept = folders.read(folder)
    chain = _with_files(kept, moved)
    with apart(folder / AGAIN):
        runs: dict[str, str] = {}
        for one in chain:
            given = {
                name: _filled(value, runs) if name in FROM_RUNS else value
                for name, value in one.given.items()
            }
            _same_phases(kept, Command(one.verb, given), runs)
            runs[one.name] = _run(Command(one.verb, given))
        with opened(probe=False, make=False) as store:
            again = _again(store, kept, runs[chain[-1].name])
    found = _compare(kept, again)
    write_json(folder / AGAIN / FOUND, found.as_dict())
    if not found.ok:
        raise XferError(found.table().plain(), f"All of it: {folder / AGAIN / FOUND}", exit_code=NOT_REPEATED)
    return found


def _with_files(kept: Kept, moved: Sequence[str]) -> list[Command]:
    """The commands, with places where files lie on this machine."""
    problems = Problems()
    told = _told(kept, moved)
    for name in told.keys() - kept.places.keys():
        problems.add(f"files={name}: no command names it.", f"Accepted: {', '.join(kept.places) or 'none'}")
    for name in [name for name, place in told.items() if not place]:
        problems.add(f"files={name} says no place.", f"Spelled: --files {name}=PATH")
    here = {name: told.get(name) or place for name, place in kept.places.items()}
    for name, place in here.items():
        if not Path(place).expanduser().exists():
            problems.add(
                f"{name}={place}: the run read it, and it is not part of the folder; here it does not exist.",
                f"Bring it (its digests are in {folders.DIGESTS}) and say where: --files {name}=PATH",
            )
    problems.raise_if_any()
    return [
        Command(
            one.verb,
            {name: here.get(f"{one.name}.{name}", value) for name, value in one.given.items()},
            one.name,
        )
        for one in kept.commands
    ]


def _told(kept: Kept, moved: Sequence[str]) -> dict[str, str]:
    """Where files lie, by what commands call them; a part after a comma that names none is of the place
    before it, if there is something of that name."""
    told: dict[str, str] = {}
    for one in moved:
        name, _, place = one.partition("=")
        before = next(reversed(told), None)
        joined = f"{told[before]},{one}" if before else ""
        if before and name not in kept.places and Path(joined).expanduser().exists():
            told[before] = joined
        else:
            told[name] = place
    return told


def _filled(value: str, runs: Mapping[str, str]) -> str:
    """``value`` with the runs in place of the names that commands call them by."""
    for name in sorted(runs, key=len, reverse=True):
        value = value.replace(f"${name}", runs[name])
    return value


def _same_phases(kept: Kept, command: Command, runs: Mapping[str, str]) -> None:
    """Raise where the plan here is another than the one that was run, before anything trains: other data,
    another base, another version."""
    if any(run_id in value for run_id in runs.values() for value in command.given.values()):
        return  # what it starts from is not planned but made; the comparison says whether it is the same
    plan = _plan(command)
    first = {one["spec_hash"]: one for one in kept.cell.phases}
    new = [one for one in plan.phases if one.spec_hash not in first]
    if not new:
        return
    one = new[0]
    likely = next((p for p in first.values() if p["name"] == one.title), None)
    what = (
        "; ".join(differences(likely["spec"], one.spec())[:5]) if likely else "no phase of that name was run"
    )
    raise XferError(
        f"{one.title} would be another phase here than the one to be repeated: {what}.",
        f"Bring the data and the base that were used ({folders.DIGESTS}), and the version of {folders.LOCK}.",
    )


def _plan(command: Command) -> Plan:
    def no_store() -> NoReturn:
        raise XferError(f"{command.text()} names a run that is not part of the folder.")

    params = VERBS[command.verb].read(command.given)
    return make_plan(
        command.verb, params, References(no_store, fetch=True), task_file_tasks(params), online=True
    )


def _run(command: Command) -> str:
    """Run a command; returns the id of its run."""
    carry_out = getattr(phases, command.verb, None)
    if carry_out is None:
        raise XferError(f"{command.verb} is no command that repro repeats.")
    return str(carry_out(VERBS[command.verb].read(command.given)).run_id)


def _again(store: Store, kept: Kept, run_id: str) -> Cell:
    """The cell that the last command made; of a phase that it made on the way, the same phase's."""
    made = store.get(run_id)
    if kept.run["kind"] != "phase":
        return cell_of(store, made, made)
    first = next(one for one in kept.cell.phases if one["run"] == kept.run["id"])
    found = store.search({"xfer.kind": "phase", "xfer.spec_hash": first["spec_hash"]}, status="FINISHED")
    return cell_of(store, found[0], made) if found else cell_of(store, made, made)


def _compare(kept: Kept, again: Cell) -> Repeated:
    first = kept.cell
    rows = compared(first.scores, first.predictions, again.scores, again.predictions, SHORT)
    by_hash = {one["spec_hash"]: one for one in again.phases}
    remarks = [
        f"{p['name']}: not the same phase was run" for p in first.phases if p["spec_hash"] not in by_hash
    ]
    pairs = [(p, by_hash[p["spec_hash"]]) for p in first.phases if p["spec_hash"] in by_hash]
    remarks += [f"{p['name']}: its code is another" for p, q in pairs if p["code_hash"] != q["code_hash"]]
    libraries = {line for p, q in pairs for line in differences(p["versions"], q["versions"])}
    weights = [p for p, q in pairs if p["checkpoint"] and q["checkpoint"]]
    equal = [p for p, q in pairs if p["checkpoint"] and _weights(p) == _weights(q)]
    remarks += [
        *sorted(libraries),
        *([f"checkpoints equal to the byte: {len(equal)} of {len(weights)}"] if weights else []),
    ]
    same = bool(first.predictions) and all(
        again.predictions.get(name) == content for name, content in first.predictions.items()
    )
    return Repeated(rows, remarks, same, (len(weights), len(equal)))


def _weights(phase: Mapping) -> dict[str, str]:
    return {name: one for name, one in phase["checkpoint"].items() if name.endswith(".safetensors")}


def printed(params: questions.Repro, found: str | Repeated) -> str:
    """The table of a check, or where the folder is; with ``output=json`` for programs."""
    if isinstance(found, str):
        return json.dumps({"out": params.out, "said": found}) if params.output == "json" else found
    return json.dumps(found.as_dict(), indent=2) if params.output == "json" else found.table().text()
