"""What a search says on its run page:
the answer first, then what each task contributes, what it cost, and where to look.
"""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING

import optuna

from mlflow_xfer import markdown
from mlflow_xfer.markdown import plain
from mlflow_xfer.phases.estimate import amount
from mlflow_xfer.reporting.by_task import bracketed
from mlflow_xfer.reporting.columns import Summary, points
from mlflow_xfer.reporting.verdict import BETTER, EQUIVALENT, WORSE, Contrast
from mlflow_xfer.searching.command import Command
from mlflow_xfer.searching.deciding.confirmation import Confirmation
from mlflow_xfer.searching.showing.accounting import Account, account
from mlflow_xfer.searching.showing.answer_tables import leaders, tables_of
from mlflow_xfer.searching.showing.mirror import Mirror
from mlflow_xfer.searching.storage.place import Place
from mlflow_xfer.searching.trying.measures import ORACLE
from mlflow_xfer.stats.estimate import Estimate

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

VERDICTS = {BETTER: "better", WORSE: "worse", EQUIVALENT: "equivalent within {margin} points"}


def described(
    command: Command, study: optuna.Study, found: Confirmation, store: Store, mirror: Mirror
) -> str:
    """The description in markdown: what MLflow shows of it before it is unfolded, then all of it."""
    tables = [table.markdown() for table in tables_of(command, study, found)]
    why, *said = answer(command, found).split("\n\n")
    parts = [
        *opening(command, study, found),
        *([why] if found.winners else []),
        *said,
        *tables,
        cost(account(study)),
        links(store, mirror),
    ]
    return "\n\n".join(parts)


def opening(command: Command, study: optuna.Study, found: Confirmation) -> list[str]:
    """The answer on one line, and a narrow table: what was confirmed, best first, or while nothing is what
    the search has seen."""
    if found.winners:
        head = (f"{len(found.seeds)} fresh seeds", "on test", "verdict")
        rows = [
            (
                plain(w.candidate.label),
                plain(bracketed(w.test.estimate, w.test.low, w.test.high)),
                w.contrast.shown,
            )
            for w in found.winners
        ]
        return [f"**{plain(short(found))}**", markdown.table(head, rows, right={1})]
    best = leaders(command, study)
    rows = [[plain(cell) for cell in row[1:]] for row in best.cells()] if best else []
    tables = [markdown.table(best.head[1:], rows, right=range(1, len(best.head) - 1))] if best else []
    return [f"**{plain(short(found))}**", *tables]


def summary(command: Command, study: optuna.Study, found: Confirmation, where: Place) -> Summary:
    """The same for the command's end."""
    verdict, *said = answer(command, found).replace("**", "").split("\n\n")
    remarks = [*said, cost(account(study)), f"To look at its trials: {dashboard(where)}"]
    return Summary(verdict, tables_of(command, study, found), remarks)


def dashboard(where: Place) -> str:
    """The command that shows the storage of a search in Optuna's own pages."""
    return f"optuna-dashboard {shlex.quote(where.shown)}"


def answer(command: Command, found: Confirmation) -> str:
    """The answer in one paragraph."""
    targets, objective = ", ".join(command.targets), ", ".join(command.params.objective)
    head = f"Question: which of {', '.join(command.space.pool)} help {targets}?"
    notes = []
    if ORACLE in command.params.objective:
        notes.append(
            "Chosen with labels in the target languages (oracle): not what a setting without labels allows."
        )
    if command.params.combine == "merge" and command.params.confirm_combine != "merge":
        notes.append("Searched on merged weights; what is confirmed was trained jointly.")
    if not found.winners:
        return "\n\n".join([f"{found.why or 'Nothing is confirmed yet.'}", head, *notes])
    best = found.winners[0]
    n = len(found.seeds)
    margin = f"{command.params.margin:g} point{'s' * (command.params.margin != 1)}"
    says = {
        BETTER: f"**{best.candidate.label}** is better than no intermediate task: "
        f"{_interval(best.test)} points on test",
        WORSE: f"**{best.candidate.label}** is worse than no intermediate task: "
        f"{_interval(best.test)} points on test{_all_worse(found)}",
        EQUIVALENT: f"**{best.candidate.label}** and no intermediate task are equivalent within "
        f"{margin}: {_within(best.contrast)} on test",
    }.get(
        best.contrast.verdict,
        f"Undecided, {best.contrast.shown}: **{best.candidate.label}** against no intermediate task: "
        f"{_interval(best.test)} points on test",
    )
    alone = best.contrast.verdict == EQUIVALENT
    reach = "of this comparison alone" if alone else f"joint over {len(found.winners)} candidates"
    interval = "" if best.contrast.alike else f"interval {reach}; "
    how = (
        f"{n} fresh seeds that took no part in the choice, paired; {interval}conditional on the base "
        f"{command.params.model}"
    )
    if best.contrast.alike:
        how += "; that is nothing to infer from, and more seeds change nothing"
    elif best.contrast.verdict not in VERDICTS:
        needed = (
            f"about {best.contrast.seeds_needed} seeds" if best.contrast.seeds_needed else "many more seeds"
        )
        how += f"; {needed} would tell a difference of {margin}"
    if found.registered:
        notes.append(f"Registered: {', '.join(found.registered)}")
    return "\n\n".join([f"{says} ({how}). Chosen by {objective}.", head, *notes])


def _all_worse(found: Confirmation) -> str:
    """How many of the other confirmed candidates harm too: the one that is named was not chosen by test."""
    others = found.winners[1:]
    if not others:
        return ""
    worse = sum(one.contrast.verdict == WORSE for one in others)
    if worse == len(others):
        return (
            f"; so are the other {len(others)} that were confirmed" if worse > 1 else "; so is the other one"
        )
    return f"; of the other {len(others)} that were confirmed {worse} are: see the table"


def short(found: Confirmation) -> str:
    """The answer in a few words, for places that show one line."""
    if not found.winners:
        return found.why or "nothing is confirmed yet"
    best = found.winners[0]
    undecided = "" if best.contrast.verdict in VERDICTS else "undecided: "
    return f"{undecided}{best.candidate.label} {bracketed(best.test.estimate, best.test.low, best.test.high)}"


def cost(found: Account) -> str:
    """What was spent and what was saved."""
    trials = ", ".join(f"{n} {state}" for state, n in found.trials.items() if n)
    if not found.naive("tokens"):
        return f"Trials: {trials}."
    spent_tokens = found.spent["tokens"]
    times = f", {found.naive('tokens') / spent_tokens:.1f} times as many" if spent_tokens else ""
    saved = ", ".join(
        f"{name} {amount(getattr(found, name)['tokens'])}" for name in ("sharing", "duplicates", "pruning")
    )
    spent = (
        f"{amount(found.spent['tokens'])} tokens in {found.spent['optimizer_steps']:,.0f} steps, "
        f"{found.spent['seconds']:,.0f} s"
    )
    return (
        f"Trials: {trials}. Trained: {spent}; with a chain of its own for every trial, target and seed it "
        f"would have been {amount(found.naive('tokens'))} tokens{times}. "
        f"Saved: {saved} (pruning: estimated). The confirmation is not counted."
    )


def links(store: Store, mirror: Mirror) -> str:
    from mlflow_xfer.tracking import links as addresses

    mine = {"mlflow.parentRunId": mirror.parent}
    flat = addresses.runs(
        store.uri,
        store.experiment_id,
        kind="condition",
        order_by="selected/avg",
        tags={**mine, "xfer.scored_on": mirror.objectives[0]},
    )
    chart = addresses.runs(
        store.uri,
        store.experiment_id,
        kind="trial",
        order_by=f"objective/{mirror.objectives[0]}",
        mode="CHART",
        tags=mine,
    )
    rows = list(mirror.rows.values())
    compare = (
        f" · [compare the candidates]({addresses.compare(store.uri, store.experiment_id, rows)})"
        if len(rows) > 1
        else ""
    )
    return (
        f"[Candidates, best first]({flat}) · [charts of all trials]({chart}){compare} · "
        "interactive plots: artifact `plots/search.html`"
    )


def _interval(found: Estimate) -> str:
    if not math.isfinite(found.low):
        return f"{points(found.estimate, True)} (no interval)"
    return (
        f"{points(found.estimate, True)} "
        f"(95 % interval {points(found.low, True)} to {points(found.high, True)})"
    )


def _within(found: Contrast) -> str:
    """A difference with the interval that decides on equivalence."""
    return (
        f"{points(found.estimate, True)} ({100 * found.equivalence_level:.0f} % interval "
        f"{points(found.equivalence_low, True)} to {points(found.equivalence_high, True)})"
    )
