"""By which commands runs were made: noted on runs as they are made, and found again behind any of them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlflow_xfer.errors import XferError
from mlflow_xfer.tracking import runs
from mlflow_xfer.tracking.references import run_of
from mlflow_xfer.tracking.runs import RESULT_TAG, RunView

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

COMMAND_TAG = "xfer.command"
PROGRAM = "mlflow-xfer"
LEFT_OUT = frozenset({"output", "verbose", "reuse", "keep", "workers"})
"""Parameters that say how a command is carried out and what it prints."""
FROM_RUNS = ("model", "tokenizer", "adapter")
"""Parameters that may name runs."""
CELLS = ("phase", "transfer", "condition")
"""Kinds of runs that one command makes."""
MOST_NAMED = 12

_RUN = re.compile(r"\b[0-9a-f]{32}\b")


@dataclass(frozen=True)
class Command:
    """One command. ``name``: what later ones call the run that it makes, ``$name`` in their parameters;
    ``run_id``: the run that it made."""

    verb: str
    given: Mapping[str, str]
    name: str = ""
    run_id: str = ""

    def text(self) -> str:
        """As it is typed."""
        words = [word for name, value in self.given.items() for word in (f"--{name}", value)]
        return shlex.join([PROGRAM, self.verb, *words])


def of_text(text: str) -> Command:
    """The command of :meth:`Command.text`."""
    _, verb, *words = shlex.split(text)
    return Command(verb, {name.removeprefix("--"): value for name, value in _pairs(words)})


def _pairs(words: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(words[::2], words[1::2], strict=True))


def note(store: Store, run_id: str, verb: str, given: Mapping[str, str]) -> None:
    """Note the command that makes a run, where none is noted yet."""
    if COMMAND_TAG not in store.get(run_id).tags:
        store.tags(run_id, tag(verb, given))


def tag(verb: str, given: Mapping[str, str]) -> dict[str, str]:
    """The tag that says by which command a run is made."""
    kept = {name: value for name, value in given.items() if name not in LEFT_OUT}
    return {COMMAND_TAG: Command(verb, kept).text()}


def cell(store: Store, reference: str) -> tuple[RunView, RunView]:
    """The finished run of that name, and the one whose command made it.

    Raises:
        XferError: it is not finished, or no single command made it.
    """
    run = store.get(run_of(store, reference))
    if result := run.tags.get(RESULT_TAG):
        run = store.get(result)
    if run.kind not in CELLS:
        raise XferError(
            f"{run.name or run.run_id} is a {run.kind or 'run of something else'}: not one cell but many.",
            _parts(store, run) or "Name a condition, a transfer or a phase.",
        )
    if run.status != "FINISHED":
        raise XferError(
            f"{run.name} is {run.status}: there is no result to repeat.",
            "Repeat its command first: it goes on from the last checkpoint.",
        )
    return run, run if COMMAND_TAG in run.tags else _maker(store, run)


def _parts(store: Store, run: RunView) -> str:
    """Names the finished cells that a run is made of."""
    found: list[str] = []
    left = [run]
    while left and len(found) <= MOST_NAMED:
        below = store.children(left.pop(0).run_id)
        found += [
            f"{one.run_id} ({one.name})"
            for one in below
            if one.kind in CELLS and one.kind != "phase" and one.status == "FINISHED"
        ]
        left += [one for one in below if one.kind not in CELLS]
    more = ", …" if len(found) > MOST_NAMED else ""
    return "Name one of: " + ", ".join(found[:MOST_NAMED]) + more if found else ""


def _maker(store: Store, run: RunView) -> RunView:
    """The transfer that a phase is part of."""
    query = (
        f"tags.`xfer.kind` = 'transfer' AND tags.`xfer.input_run_ids` LIKE '%{run.run_id}%' "
        f"AND tags.`{COMMAND_TAG}` LIKE '%'"
    )
    found = store.ask(lambda: runs.search(store.client, query, limit=1))
    if not found:
        raise XferError(
            f"{run.name}: no run says by which command it was made; it is of an earlier version.",
            "Repeat its command: what is finished is taken, and the command is noted.",
        )
    return found[0]


def behind(store: Store, made: RunView) -> list[Command]:
    """The commands that make a run again, in order: those of the runs that it starts from come first."""
    commands: dict[str, Command] = {}

    def add(run: RunView) -> str:
        if run.run_id not in commands:
            text = run.tags[COMMAND_TAG]
            try:
                command = of_text(text)
            except ValueError:
                raise XferError(f"{run.name}: its command is damaged or cut short: {text[-80:]}") from None
            given = dict(command.given)
            for name in FROM_RUNS:
                for run_id in _RUN.findall(given.get(name, "")):
                    before = add(cell(store, run_id)[1])
                    given[name] = given[name].replace(run_id, f"${before}")
            commands[run.run_id] = replace(
                command, given=given, name=f"run{len(commands) + 1}", run_id=run.run_id
            )
        return commands[run.run_id].name

    add(made)
    return list(commands.values())
