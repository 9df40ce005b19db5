"""What a study declares: a question, arms that differ in what is said of each, and the contrasts that answer
it. Nothing here runs or computes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from pydantic import ConfigDict

from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.reading import read
from mlflow_xfer.params.values import Number, Whole, typed
from mlflow_xfer.registry import unknown
from mlflow_xfer.stats.estimate import THESE

SECTIONS: dict[str, str] = {
    "spread": "τ of each arm, its mean, and the spread of seeds and languages",
    "domains": "differences of arms on the targets of each domain",
    "arms by targets": "differences of all arms on all targets, the average with and without untrained ones",
    "curve": "scores along each curve, its best place, its steps, its height and what the best arm has more",
    "shots": "scores over labelled rows with intervals, and how many rows a task is worth",
    "contributions": "what each task adds on average over random orders, if they have every step",
    "diversity": "how far the languages of each pre-training text are from each other",
    "dose": "what one more task and twice the rows of each do, where both vary",
    "morphology": "gains in languages far from English and from each other, and slopes over all distances",
}
SIZE = "parameters"
STRICT = ConfigDict(extra="forbid")

Kind = Literal["effect", "equivalence", "spread", "slope", "best", "sets", "order", "sizes"]
KINDS: dict[str, str] = {
    "effect": "weighted sum of arms, in points",
    "equivalence": "the same, asked whether it lies within the margin (TOST)",
    "spread": "ratio of the spreads across languages of two arms",
    "slope": "how the weighted sum changes with the distance to English",
    "sets": "the mean of at least three arms against that of as many others, as samples of such sets",
    "best": "of each target the arm that is best on dev, against one arm, on other seeds",
    "sizes": "how the weighted sum of each model size changes with the logarithm of its parameters",
    "order": "height of one curve among those of random orders, by its rank among them",
}


@dataclass(frozen=True)
class Arm:
    """One condition: what differs from the study's shared parameters, and the arm it is compared with.

    Args:
        facts: what it is in figures (``tasks``, ``rows a task``, ``parameters``): for curves and covariates.
    """

    __pydantic_config__ = STRICT  # where it is read from a file

    name: str
    params: Mapping[str, Any]
    against: str = ""
    facts: Mapping[str, Number] = field(default_factory=dict)

    def spec(self) -> dict[str, Any]:
        """What a registration freezes of it."""
        return {name: value for name, value in asdict(self).items() if name != "facts" or value}


@dataclass(frozen=True)
class Curve:
    """Arms along an axis.

    Args:
        arms: in the order of the axis.
        axis: which of the arms' ``facts`` it is.
        random: whether it is one of several that were drawn at random.
    """

    __pydantic_config__ = STRICT  # where it is read from a file

    name: str
    arms: tuple[str, ...]
    axis: str = "tasks"
    random: bool = False


@dataclass(frozen=True)
class Contrast:
    """One comparison of arms.

    Args:
        weights: arms with their weights: of ``effect`` and ``equivalence`` they are summed; of ``spread`` the
            positive one is compared with the negative one; of ``best`` the positive ones are chosen from; of
            ``order`` those of its curve are compared with those of the random ones.
        kind: see :data:`KINDS`.
        targets: the targets that it is about; empty: all of the study's.
        less: of as many other targets the same is subtracted (a difference of differences).
        languages: those that it is about; empty: all.
        measure: of ``slope``, which distance; of ``order``, which curve.
        primary: whether it is registered: fixed before the first run, and corrected with the others that are.
        margin: the smallest difference that matters; None: the study's. Of ``spread`` the ratio that matters.
    """

    __pydantic_config__ = STRICT  # where it is read from a file

    name: str
    weights: Mapping[str, Number]
    kind: Kind = "effect"
    targets: tuple[str, ...] = ()
    less: tuple[str, ...] = ()
    measure: str = ""
    primary: bool = False
    margin: Number | None = None
    languages: tuple[str, ...] = ()

    def spec(self) -> dict[str, Any]:
        """What a registration freezes of it."""
        return {name: value for name, value in asdict(self).items() if name != "languages" or value}


@dataclass(frozen=True)
class Scale:
    """A study on other data, or with another effort: what it shares there, and its own arms, contrasts and
    curves.

    Args:
        needs: what must be there, in words.
        seeds: of each effort; none: the study's.
        limits: what it cannot tell there, in place of what the study says.
    """

    __pydantic_config__ = STRICT  # where it is read from a file

    shared: Mapping[str, Any]
    arms: tuple[Arm, ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    needs: str = ""
    seeds: Mapping[str, str] = field(default_factory=dict)
    curves: tuple[Curve, ...] = ()
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """A grid of conditions that answers one question.

    Args:
        shared: parameters of ``transfer`` that all arms have; with the seeds of the quick effort.
        contrasts: what answers the question; none: every arm against the one it names.
        curves: arms along an axis, for parts of the report and contrasts that are about them.
        sections: further parts of its report, see :data:`SECTIONS`.
        margin: the smallest difference that matters, in points.
        population: what its answer is about: ``these languages`` or ``languages like these``.
        looks: how often the registered contrasts may be looked at as seeds are added; each look has its
            share of the 5 %.
        seeds: of each effort that is not the quick one.
        sd: what a registered contrast is expected to vary by between seeds, in points: for the power that is
            said before it is run; None: not known.
        minutes: what an effort takes on two idle cores.
        scales: the study on other data.
        efforts: of an effort on mini that is more than further seeds: the study with it.
        limits: what it cannot tell, in sentences.
        needs, scale, effort: of what :meth:`at` returned.
        source: the file that declares it, if one does.
    """

    __pydantic_config__ = STRICT  # where it is read from a file

    name: str
    question: str
    shared: Mapping[str, Any]
    arms: tuple[Arm, ...]
    contrasts: tuple[Contrast, ...] = ()
    curves: tuple[Curve, ...] = ()
    sections: tuple[str, ...] = ()
    margin: Number = 1.0
    population: str = THESE
    looks: Whole = 2
    seeds: Mapping[str, str] = field(default_factory=dict)
    sd: Number | None = None
    minutes: Mapping[str, Number] = field(default_factory=dict)
    scales: Mapping[str, Scale] = field(default_factory=dict)
    efforts: Mapping[str, Scale] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    needs: str = "nothing: mini comes with the package"
    scale: str = "mini"
    effort: str = "quick"
    source: str = ""

    @property
    def primary(self) -> tuple[Contrast, ...]:
        return tuple(one for one in self.contrasts if one.primary)

    @property
    def against(self) -> dict[str, str]:
        """With which arm each one is compared that is compared with any."""
        return {arm.name: arm.against for arm in self.arms if arm.against}

    def at(self, scale: str = "mini", effort: str = "quick") -> Study:
        """The study on the data of ``scale``, with the seeds of ``effort``."""
        if scale != "mini" and scale not in self.scales:
            raise unknown(f"scale of the study {self.name}", scale, ("mini", *self.scales))
        there = self.scales.get(scale) if scale != "mini" else self.efforts.get(effort)
        seeds = (there.seeds if there and there.seeds else self.seeds).get(effort)
        shared = dict(there.shared if there else self.shared) | ({"seeds": seeds} if seeds else {})
        own = ("arms", "contrasts", "curves")
        other = {name: getattr(there, name) for name in own} if there and there.arms else {}
        said = {name: getattr(there, name, ()) or getattr(self, name) for name in ("needs", "limits")}
        return replace(self, shared=shared, scale=scale, effort=effort, **said, **other)

    def typed(self, overrides: Mapping[str, Any] = {}) -> dict[str, dict[str, Any]]:  # noqa: B006 (read only)
        """The parameters of ``transfer`` of each arm, as a user would type them."""
        return {arm.name: {**self.shared, **arm.params, **overrides} for arm in self.arms}

    def targets(self, overrides: Mapping[str, Any] = {}) -> tuple[str, ...]:  # noqa: B006 (read only)
        """The targets that all arms share; empty where they are a suite's."""
        target = {**self.shared, **overrides}.get("target", "auto")
        names = target.split(",") if isinstance(target, str) else tuple(target)
        return () if names == ["auto"] else tuple(names)

    @property
    def design(self) -> str:
        """What registers by itself: the scale, and an effort with arms of its own."""
        return f"{self.scale} {self.effort}" if self.effort in self.efforts else self.scale

    def curve(self, name: str) -> Curve:
        """The curve of that name."""
        found = {one.name: one for one in self.curves}
        if name not in found:
            raise unknown(f"curve of the study {self.name}", name, found)
        return found[name]

    def spec(self) -> dict[str, Any]:
        """What its answer hangs on besides the seeds: what a registration freezes."""
        return {
            "question": self.question,
            "shared": {name: typed(value) for name, value in self.shared.items() if name != "seeds"},
            "arms": [arm.spec() for arm in self.arms],
            "contrasts": [one.spec() for one in self.contrasts],
            **({"curves": [asdict(one) for one in self.curves]} if self.curves else {}),
            "margin": self.margin,
            "population": self.population,
            "looks": self.looks,
        }

    def reported(self) -> dict[str, Any]:
        """What its report says besides, which no registration freezes."""
        return {name: getattr(self, name) for name in ("name", "sections", "limits", "scale", "effort")}


def seeds_of(study: Study, overrides: Mapping[str, Any] = {}) -> tuple[int, ...]:  # noqa: B006 (read only)
    """The seeds of its arms."""
    return read(Transfer, {"seeds": {**study.shared, **overrides}.get("seeds", "0")}).seeds
