"""The parameters of the verbs about studies: one that runs one, and those that say what there is."""

from __future__ import annotations

from typing import Literal, get_args

from mlflow_xfer.params.chain import (
    BaseSeeds,
    Combining,
    Data,
    Evaluation,
    Model,
    Output,
    RawText,
    Reuse,
    Targets,
    Trained,
    Workers,
)
from mlflow_xfer.params.declare import Shape, setting, with_default
from mlflow_xfer.params.settings import Overlaps
from mlflow_xfer.params.values import Place, PlaceOrNone, SeedsOrAuto, Text

ScaleName = Literal["mini", "small", "full"]
Effort = Literal["quick", "registered"]
EFFORTS: tuple[str, ...] = get_args(Effort)


class Asked(Shape, group="study", effect="command"):
    study: Place = setting("demo", "which study (see: mlflow-xfer studies), or a YAML file that declares one")
    scale: ScaleName = setting(
        "mini",
        "on which data: mini; small: a small real model on a folder; full: a large one on all of XTREME",
    )
    effort: Effort = setting(
        "quick", "how many seeds: quick: a demonstration in minutes; registered: what a verdict needs"
    )


class Study(
    Model,
    Data,
    RawText,
    Combining,
    Targets,
    Overlaps,
    Evaluation,
    Trained,
    BaseSeeds,
    Reuse,
    Workers,
    Asked,
    Output,
    group="study",
    effect="command",
):
    """Answers a research question: a declared grid of transfers, a registered contrast, a report.

    What is given besides wins over what the study says of all its arms, and makes it another study:
    exploratory, if one is registered. Seeds and where it runs may differ.
    """

    text: PlaceOrNone = with_default(RawText, "text", None)
    seeds: SeedsOrAuto = with_default(BaseSeeds, "seeds", "auto")


class Studies(Shape, group="studies", effect="command"):
    """The studies that there are: question, arms, contrasts, cost and needs; or all that one of them says."""

    name: Text = setting(None, "explain this study (a name, or a YAML file)", positional=True)


class Claims(Shape, group="claims", effect="command"):
    """What the paper under study is said to have found, each claim tested on runs of the study `replicate`.

    A claim is an effect, an equivalence, an order, a method that the product carries out, or untestable here.
    """

    run: Text = setting(
        None, "a run of the study `replicate`: id or name; none: the newest finished one", positional=True
    )
    tables: PlaceOrNone = setting(
        None, "a folder of tables of scores (benchmarks/real_models) in place of a run: what is there counts"
    )
    format: Literal["table", "json"] = setting("table", "what the command prints")
