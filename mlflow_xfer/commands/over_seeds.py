"""What runs over several seeds found: a condition, and a study of conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlflow_xfer.commands.one_seed import INTERVAL, SCORED, Rows, by_task, mean, named, versions
from mlflow_xfer.conditions.comparison import Place, place_of, repeats, replicates_interval
from mlflow_xfer.phases import record
from mlflow_xfer.phases.remarks import remarks
from mlflow_xfer.reporting.by_task import DEMONSTRATION, DRAWN
from mlflow_xfer.reporting.columns import Summary, Table, of_metrics
from mlflow_xfer.studies.run import CONDITIONS
from mlflow_xfer.tracking.links import VERDICT
from mlflow_xfer.tracking.runs import RunView
from mlflow_xfer.tracking.store import Store

DIFFERENCE, DIFFERENCES = "difference", "95 % interval of it"


def condition(store: Store, run: RunView) -> Summary:
    """A condition: means over its seeds with intervals, and what they differ by from the baseline."""
    replicates = [record.read_table(store, one) for one in run.inputs]
    if not replicates or not any(name.startswith(SCORED) for name in run.metrics):
        return Summary(run.name)
    scores = _means(replicates)
    places = [place_of(store.get(one)) for one in run.inputs]
    baselines = {row["task"]: (row.get("chance"), row.get("majority")) for row in replicates[0]}
    data = versions(store, replicates[0])
    compared = "selected/delta" in run.metrics
    head = ["task", "data", "mean", INTERVAL, "English", "others", "chance", "majority"]
    body = [
        [
            named(task, by_task(replicates[0])[task]),
            data.get(task, ""),
            *_over_seeds([mean(list(by.values())) for by in per_seed], places),
            mean([by.get("en") for by in per_seed]),
            mean([score for by in per_seed for language, score in by.items() if language != "en"]),
            *baselines[task],
            *([run.metrics.get(f"delta/{task}"), None] if compared else []),
        ]
        for task, per_seed in scores.items()
    ]
    if len(body) > 1:
        average = [run.metrics.get("selected/avg"), of_metrics(run.metrics, "selected/avg")]
        difference = [run.metrics.get("selected/delta"), of_metrics(run.metrics, "selected/delta")]
        body.append(["mean", "", *average, *[None] * 4, *(difference if compared else [])])
    elif compared:
        body[0][-1] = of_metrics(run.metrics, "selected/delta")
    signed = (DIFFERENCE, DIFFERENCES) if compared else ()
    tables = [Table("Scores by task", [*head, *signed], body, signed)]
    tables += [_languages(task, per_seed, places) for task, per_seed in scores.items()]
    baseline = (
        ["Differences are paired by seed, to the same transfers without intermediate task."]
        if compared
        else ["Not compared: the same transfer with --intermediate none has not been run on these seeds."]
        if run.tags.get("xfer.tasks", "none") != "none"
        else []
    )
    few = _few(repeats(places))
    return Summary(run.name, tables, [_said(places), *baseline, *few, *remarks(run, replicates[0])])


def _said(places: Sequence[Place]) -> str:
    """What means and intervals are over."""
    bases, seeds = (len(set(of)) for of in zip(*places, strict=True))
    if bases == 1:
        return f"Means over {len(places)} seeds; intervals over seeds (Student's t)."
    if seeds == 1:
        return f"Means over {bases} bases; intervals over bases (Student's t)."
    return f"Means over {bases} bases with {seeds} seeds each; intervals over bases crossed with seeds."


def _languages(task: str, per_seed: Sequence[Mapping[str, float]], places: Sequence[Place]) -> Table:
    languages = [language for language in per_seed[0] if all(language in by for by in per_seed)]
    body = [(language, *_over_seeds([by[language] for by in per_seed], places)) for language in languages]
    return Table(task, ("language", "mean", INTERVAL), body)


def study(store: Store, run: RunView) -> Summary:
    """A study: its answer, its conditions beside each other, and the languages of the task that the answer
    names: what the study's page says."""
    rows = store.read_table(run.run_id, CONDITIONS)
    if not rows:
        return Summary(run.name)
    transfers = store.get(run.inputs[0]).inputs
    places = [place_of(store.get(one)) for one in transfers]
    targets = [name.removeprefix("delta/") for name in rows[0] if name.startswith("delta/")]
    head = [
        "condition",
        "mean",
        *(column for target in targets for column in (target, f"± {target}")),
        DIFFERENCE,
        INTERVAL,
        "compared with",
        "seeds" if len({base for base, _ in places}) == 1 else "bases with seeds",
    ]
    body = [
        [
            row["condition"],
            row["selected/avg"],
            *(value for target in targets for value in (row[f"selected/{target}"], row[f"delta/{target}"])),
            row["selected/delta"],
            (row["selected/delta_low"], row["selected/delta_high"]),
            row["compared with"],
            int(row["n"]),
        ]
        for row in rows
    ]
    signed = [*(f"± {target}" for target in targets), DIFFERENCE, INTERVAL]
    tables = [Table("Conditions (±: difference to the one compared with)", head, body, signed)]
    answer = store.read_json(run.run_id, VERDICT) or {}
    tables += _lead(answer)
    chance = {
        row["task"]: row["chance"]
        for row in record.read_table(store, transfers[0])
        if row.get("chance") is not None
    }
    said = "Chance: " + ", ".join(f"{task} {value:.1f}" for task, value in chance.items()) + "."
    headline = [f"{answer['headline']}."] if "headline" in answer else []
    return Summary(run.name, tables, [*headline, *([said] if chance else []), *_few(repeats(places))])


def _lead(answer: Mapping[str, Any]) -> Iterator[Table]:
    """Language by language, the differences on the task that the study's answer names."""
    lead = answer.get("lead")
    for one in answer.get("by_task", ()):
        if lead == {"condition": one["condition"], "task": one["task"]} and "languages" in one:
            body = [
                (row["language"], row["estimate"], (row["low"], row["high"]), row["raw"])
                for row in one["languages"]["effects"]
            ]
            title = f"{one['task']}: {one['condition']} against {one['baseline']} ({DRAWN})"
            yield Table(title, ("language", DIFFERENCE, INTERVAL, "raw"), body, (DIFFERENCE, INTERVAL, "raw"))


# -- parts ---------------------------------------------------------------------------------------------------


def _means(replicates: Sequence[Rows]) -> dict[str, list[dict[str, float]]]:
    """By task, for each seed the score of each language."""
    return {
        task: [{row["language"]: row["score"] for row in rows if row["task"] == task} for rows in replicates]
        for task in by_task(replicates[0])
    }


def _over_seeds(
    values: Sequence[float | None], places: Sequence[Place]
) -> tuple[float | None, tuple[float, float]]:
    """Mean and interval."""
    known = {place: value for value, place in zip(values, places, strict=True) if value is not None}
    return mean(values), replicates_interval([*known.values()], [*known])


def _few(seeds: int) -> list[str]:
    return [f"A demonstration: {seeds} seeds decide little."] if seeds < DEMONSTRATION else []
