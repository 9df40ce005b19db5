"""The report of a study with contrasts: the answer first, then the figure that fits the question, how it was
made and what it cannot tell, and after these the report on all of its conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from mlflow_xfer.markdown import plain
from mlflow_xfer.reporting.columns import points
from mlflow_xfer.reporting.document import Report, report
from mlflow_xfer.reporting.drawing import standing_alone
from mlflow_xfer.reporting.exports import latex_table
from mlflow_xfer.reporting.hypertext import Raw, element, table
from mlflow_xfer.reporting.parts import paragraph, section
from mlflow_xfer.reporting.verdict import p_text
from mlflow_xfer.studies import sentences, training_data
from mlflow_xfer.studies.contrasts import Found
from mlflow_xfer.studies.figures import figures
from mlflow_xfer.studies.registration import Registration
from mlflow_xfer.studies.study import Study
from mlflow_xfer.tracking.results import costs
from mlflow_xfer.tracking.store import Store

HEAD = ("contrast", "estimate", "interval", "corrected p", "verdict", "finds", "status", "seeds")


def made(
    study: Study,
    frame: pd.DataFrame,
    found: Sequence[Found],
    registered: Registration,
    *,
    command: str,
    spent: pd.DataFrame | None = None,
    data: pd.DataFrame | None = None,
) -> tuple[Report, dict[str, str]]:
    """The report, and its drawings by the name of their file.

    Args:
        command: what runs the study again.
        spent: what its phases cost, see :func:`mlflow_xfer.tracking.results.costs`.
        data: what its arms are trained on, see :func:`mlflow_xfer.studies.training_data.described`.
    """
    parts = figures(study, frame, found)
    facts = _facts(frame)
    baseline = next(iter(study.against.values()), study.arms[0].name)
    against = {arm.name: arm.against or baseline for arm in study.arms if arm.name != baseline}
    whole = report(
        frame,
        question=study.question,
        baseline=baseline,
        against=against,
        margin=study.margin,
        population=study.population,
        missing="common",
        costs=spent,
        protocol={"Registration": registered.said(study), "Effort": f"{study.effort}, scale {study.scale}"},
        reproduce=[command],
        opening=[
            _answer(study, found, registered),
            *(_figure(name, shown) for name, _, shown in parts),
            *([_data(frame, data, baseline)] if data is not None and len(data) else []),
            _methods(study, found, registered, facts),
        ],
    )
    drawings = {
        f"plots/{name.replace(' ', '_')}.svg": str(standing_alone(drawing))
        for name, drawing, _ in parts
        if drawing
    }
    shown = pd.DataFrame(rows(found), columns=list(HEAD))
    contrasts = pd.DataFrame([_flat(one) for one in found])
    caption = f"{study.question} Contrasts ({study.population}); finds: in 8 of 10 cases."
    return replace(
        whole,
        latex=latex_table(shown, caption, "tab:contrasts") + "\n" + whole.latex,
        verdict=whole.verdict | verdict_of(study, found, registered),
        tables=whole.tables | {"contrasts": contrasts} | ({} if data is None else {"training_data": data}),
        description=_description(study, found, registered, whole.description),
    ), drawings


def _data(frame: pd.DataFrame, data: pd.DataFrame, baseline: str) -> Raw:
    """Whether arms are matched, and what the distance of their texts to the targets' goes with."""
    names = list(map(str, data))
    rows = [
        [str(row[0]), *(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row[1:])]
        for row in data.itertuples(index=False)
    ]
    left = ", ".join(
        f"{task} {points(value)}" for task, value in training_data.headroom(frame, baseline).items()
    )
    found = training_data.slope(frame, data, baseline)
    said = f"{points(found.estimate, True)} points" if math.isfinite(found.estimate) else "not known"
    if math.isfinite(found.low):
        said += f" [{points(found.low, True)}, {points(found.high, True)}]"
    return section(
        "What the arms are trained on",
        table(
            names,
            rows,
            caption="English training data: size, entropy of the labels in bits, and the Jensen-Shannon "
            "divergence of its words from the target's",
            numeric=set(range(1, len(names))),
        ),
        paragraph(f"Points that {baseline} leaves in English: {left or 'not known'}."),
        paragraph(
            "A tenth more divergence goes with a change of the gain, within arms and targets, of "
            f"{said} ({'; '.join(found.notes)})."
        ),
        name="training-data",
    )


def spent_on(store: Store, transfers: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """What the phases behind finished transfers cost, each once."""
    evaluations = [run for of in transfers.values() for one in of for run in store.get(one).inputs]
    return costs(store, list(dict.fromkeys(evaluations)))


def _answer(study: Study, found: Sequence[Found], registered: Registration) -> Raw:
    shown = table(
        list(HEAD),
        [list(row) for row in rows(found)],
        caption=f"The contrasts of the study, {study.population}",
        numeric={1, 2, 3, 7},
    )
    return section(
        "Answer",
        *(paragraph(text) for text in sentences.answer(found)),
        paragraph(registered.said(study)),
        shown,
        paragraph("finds: what such a design finds in 8 of 10 cases, corrected for the other contrasts."),
        name="study",
    )


def rows(found: Sequence[Found]) -> list[tuple[str, ...]]:
    return [
        (
            one.contrast.name,
            *_numbers(one),
            p_text(one.p_decisive),
            one.untold or one.verdict,
            _finds(one),
            one.status + (", demonstration" if one.demonstration else ""),
            _repeats(one.estimate.n),
        )
        for one in found
    ]


def _finds(one: Found) -> str:
    """What such a design finds; a dash where it is not known, or nothing."""
    return f"{one.detectable:.1f}" if 0 < one.detectable < math.inf else "–"


def _repeats(n: Mapping[str, int]) -> str:
    """Seeds, and of how many bases where there are several."""
    seeds = str(n.get("seeds", "–"))
    return f"{n['bases']} bases × {seeds}" if n.get("bases", 1) > 1 else seeds


def _flat(one: Found) -> dict[str, Any]:
    """For tables: what is one value."""
    return {name: value for name, value in one.as_dict().items() if not isinstance(value, dict | list)} | {
        "seeds": one.estimate.n.get("seeds")
    }


def _numbers(one: Found) -> tuple[str, str]:
    found = one.estimate
    if one.contrast.kind == "spread" and math.isfinite(found.estimate):
        ends = f"{found.low:.2f} to {found.high:.2f}" if math.isfinite(found.low) else "–"
        return f"{found.estimate:.2f}", ends + of_level(found.level)
    ends = f"{points(found.low, True)} to {points(found.high, True)}"
    return points(found.estimate, True), ends + of_level(found.level)


def of_level(level: float) -> str:
    """The level of an interval in a column of intervals of 95 %, where it is another one."""
    return "" if level == 0.95 else f" ({100 * level:.4g} %)"


def _figure(name: str, shown: Raw) -> Raw:
    return section(name[:1].upper() + name[1:], shown, name=f"figure-{name.replace(' ', '-')}")


def _methods(study: Study, found: Sequence[Found], registered: Registration, facts: dict[str, str]) -> Raw:
    limits = [*study.limits, *_notes(found)]
    return section(
        "How it was made, and what it cannot tell",
        paragraph(sentences.methods(study, found, registered, facts)),
        element("ul", [element("li", limit) for limit in limits]) if limits else None,
        name="methods",
    )


def _notes(found: Sequence[Found]) -> list[str]:
    """What is to be known of the estimates: what holds for all of them once, the rest with their names."""
    every = [set(one.estimate.notes) for one in found]
    common = (
        [note for note in found[0].estimate.notes if all(note in notes for notes in every)] if found else []
    )
    apart: dict[str, list[str]] = {}
    for one in found:
        for note in one.estimate.notes:
            if note not in common:
                apart.setdefault(note, []).append(one.contrast.name)
    return [*common, *(f"{note} ({', '.join(names)})" for note, names in apart.items())]


def _facts(frame: pd.DataFrame) -> dict[str, str]:
    """What the methods say of the runs."""
    spoken = sorted(frame["language"].unique())
    bases = frame["base_seed"].nunique() if "base_seed" in frame else 1
    models = ", ".join(sorted({str(name) for name in frame.get("base_model", pd.Series(dtype=str)) if name}))
    return {
        "seeds": str(frame["seed"].nunique()),
        "targets": ", ".join(sorted(frame["task"].unique())),
        "languages": str(len(spoken)),
        "model": models or "one base",
        "base": "one base checkpoint" if bases == 1 else f"{bases} base checkpoints taken as a sample",
    }


def verdict_of(study: Study, found: Sequence[Found], registered: Registration) -> dict[str, Any]:
    """What programs read of a study's answer."""
    return {
        "headline": sentences.headline(found),
        "answer": " ".join(sentences.answer(found)),
        "status": "pre-registered" if registered.stands else "exploratory",
        "study": {
            "name": study.name,
            "scale": study.scale,
            "effort": study.effort,
            "look": registered.look,
            "looks": study.looks,
            "why_exploratory": registered.why or None,
            "contrasts": [one.as_dict() for one in found],
            "limits": list(study.limits),
        },
    }


def _description(study: Study, found: Sequence[Found], registered: Registration, rest: str) -> str:
    lines = [
        f"**{plain(sentences.headline(found))}.**",
        "",
        *(plain(text) for text in sentences.answer(found)),
    ]
    return "\n".join([*lines, "", plain(registered.said(study)), "", rest])
