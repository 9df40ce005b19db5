"""The answer in two lines, and what stands under it: who gains, by how much, how sure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mlflow_xfer.reporting.analysis import Analysis
from mlflow_xfer.reporting.by_task import DEMONSTRATION, Finding, bracketed, who_gains
from mlflow_xfer.reporting.same_task import STATUS
from mlflow_xfer.reporting.verdict import BETTER, EQUIVALENT, REGISTERED, WORSE, Contrast, points

WORDS = ("languages", "against")  # the last columns of a table by condition
TASKS = 3  # further tasks that the second line names


def headline(analysis: Analysis) -> str:
    """The verdict in one line: the best condition (or the registered one) on average, and where most of its
    difference is."""
    one = primary(analysis)
    if one is None:
        name, mean = next(iter(analysis.means.items()))
        interval = f" [{points(mean.low)}, {points(mean.high)}]" if math.isfinite(mean.low) else ""
        over = f"{_several(mean.n['tasks'], 'task')} and {_several(mean.n['languages'], 'language')}"
        return f"{name} scores {points(mean.estimate)}{interval} over {over}"
    average = bracketed(one.estimate, one.low, one.high)
    within = bracketed(one.estimate, one.equivalence_low, one.equivalence_high)
    said = {
        BETTER: f"{one.condition} is better than {one.baseline}: {average} points",
        WORSE: f"{one.condition} is worse than {one.baseline}: {average} points",
        EQUIVALENT: f"{one.condition} and {one.baseline} are equivalent within {one.margin:g}: {within} "
        f"({100 * one.equivalence_level:.0f} % interval)",
    }.get(one.verdict, f"Undecided whether {one.condition} differs from {one.baseline}: {average} points")
    found = lead(analysis)
    if found is None:
        return said
    tail = f"; {gains}" if _may_be_told(found) and (gains := who_gains(found.effects)) else ""
    if len(_tasks(analysis)) == 1:
        return said + tail
    own = found.contrast
    who = "" if own.condition == one.condition else f"{own.condition} "
    return f"{said} on average; {who}on {found.task} {bracketed(own.estimate, own.low, own.high)}{tail}"


def second_line(analysis: Analysis) -> str:
    """What the first line leaves out: the condition's other tasks, and whether this is a demonstration."""
    found = lead(analysis)
    said = []
    if found is not None:
        name = found.contrast.condition
        others = [f for f in of_condition(analysis, name) if f.task != found.task]
        others.sort(key=lambda f: f.contrast.estimate)
        shown = [
            f"{f.task} {bracketed(f.contrast.estimate, f.contrast.low, f.contrast.high)}"
            for f in others[:TASKS]
        ]
        more = f" and {len(others) - TASKS} more tasks above these" if len(others) > TASKS else ""
        if shown:
            said.append(f"{name} elsewhere: {', '.join(shown)}{more}.")
    return " ".join([*said, demonstration(analysis)]).strip()


def short(analysis: Analysis) -> str:
    """The verdict in a few words, for places that show one line."""
    one, found = primary(analysis), lead(analysis)
    if one is None:
        return headline(analysis)
    said = f"{one.condition} {bracketed(one.estimate, one.low, one.high)}"
    if one.verdict not in (BETTER, WORSE, EQUIVALENT):
        said = f"undecided: {said}"
    if found is None:
        return said
    own = found.contrast
    who = "" if own.condition == one.condition else f"{own.condition} on "
    on = "" if len(_tasks(analysis)) == 1 else f"; {who}{found.task} {points(own.estimate, True)}"
    gain = _gaining(found)
    return f"{said}{on}{f', {gain}' if gain else ''}"


def _may_be_told(found: Finding) -> bool:
    """Whether the languages that gain or lose may be told: the task is chosen among several, so only where
    its own difference is found; that there are none may always be told."""
    return found.decided or found.effects is None or not found.effects.gain + found.effects.lose


def _gaining(found: Finding) -> str:
    effects = found.effects
    if effects is None or not effects.gain + effects.lose or not _may_be_told(found):
        return ""
    most = max(effects.gain, effects.lose)
    return f"{most} of {effects.languages} {'gain' if effects.gain >= effects.lose else 'lose'}"


def demonstration(analysis: Analysis) -> str:
    """Says so where there are too few seeds for a verdict; else how many there are."""
    seeds = min(mean.n["seeds"] for mean in analysis.means.values())
    if seeds < DEMONSTRATION:
        return f"{_several(seeds, 'seed')}: a demonstration, not a verdict."
    return f"{seeds} seeds."


def primary(analysis: Analysis) -> Contrast | None:
    """The comparison that the answer is about: registered, else the best against the baseline.

    What others are compared with, such as a random encoder, is no candidate.
    """
    controls = set(analysis.against.values())
    registered = [one for one in analysis.contrasts if one.status == REGISTERED]
    own = [one for one in analysis.contrasts if one.baseline == analysis.baseline]
    candidates = [one for one in own if one.condition not in controls]
    return next(iter(registered or candidates or own), None)


def lead(analysis: Analysis) -> Finding | None:
    """The task that the answer names: of those decided, where its condition's difference is largest; where it
    has none, the largest gain of any condition; else the largest difference."""
    one = primary(analysis)
    if one is None:
        return None
    own = of_condition(analysis, one.condition)
    others = [f for f in analysis.findings if f.contrast.verdict == BETTER]
    controls = set(analysis.against.values())
    others = [
        f for f in others if f.contrast.baseline == one.baseline and f.contrast.condition not in controls
    ]
    for among in ([f for f in own if f.decided], others, own):
        if among:
            return max(among, key=lambda f: abs(f.contrast.estimate))
    return None


def of_condition(analysis: Analysis, name: str) -> list[Finding]:
    """The findings of one condition, task by task."""
    return [f for f in analysis.findings if f.contrast.condition == name]


def by_condition(analysis: Analysis) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table: of each condition its difference on average and on every task, best first;
    last the scores of the baseline."""
    tasks = _tasks(analysis)
    found = lead(analysis)
    if found is not None:  # the task of the answer stands first
        tasks = [found.task, *(task for task in tasks if task != found.task)]
    alone = len(tasks) == 1
    head = ["condition", *([] if alone else ["average"]), *tasks, *WORDS]
    rows = []
    for one in analysis.contrasts:
        own = {f.task: f for f in of_condition(analysis, one.condition)}
        cells = [
            bracketed(own[t].contrast.estimate, own[t].contrast.low, own[t].contrast.high)
            if t in own
            else STATUS
            for t in tasks
        ]
        average = [] if alone else [bracketed(one.estimate, one.low, one.high)]
        first = [own[t] for t in tasks[:1] if t in own]
        rows.append([one.condition, *average, *cells, _counts(first), one.baseline])
    if base := analysis.baseline:
        scores = analysis.by_task.reindex(tasks)[base].tolist()
        average = [] if alone else [points(analysis.means[base].estimate)]
        rows.append([f"{base}: scores", *average, *map(points, scores), "", ""])
    return head, rows


def split(head: Sequence[str]) -> tuple[list[int], list[int]]:
    """Places of the columns of :func:`by_condition` that the answer needs (the average, the task that it
    names, how many languages gain), and of those of a second table: other tasks, and what it is beside."""
    end = len(head) - len(WORDS)
    needed = min(end, 3)
    return [*range(needed), end], [0, *range(needed, end), end + 1]


def _counts(found: Sequence[Finding]) -> str:
    """``8 of 10 gain``: by joint intervals, on the first task."""
    effects = found[0].effects if found else None
    if effects is None or not effects.table["low"].notna().any():
        return "–"
    if effects.gain and effects.lose:
        return f"{effects.gain} gain, {effects.lose} lose of {effects.languages}"
    return f"{max(effects.gain, effects.lose)} of {effects.languages} {'lose' if effects.lose else 'gain'}"


def _tasks(analysis: Analysis) -> list[str]:
    return list(dict.fromkeys(f.task for f in analysis.findings))


def _several(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
