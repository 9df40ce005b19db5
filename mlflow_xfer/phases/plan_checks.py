"""What a plan would do without meaning it: replicates that are counted twice, shots that are not used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlflow_xfer.errors import XferError
from mlflow_xfer.params.settings import TrainingSettings

if TYPE_CHECKING:
    from mlflow_xfer.phases.plan import Plan


def check_shots(plan: Plan, shots: int) -> None:
    """Refuse ``target_shots`` that no training of the plan takes.

    Raises:
        XferError: no target is trained, or each is evaluated in its training language alone.
    """
    settings = [phase.settings for phase in plan.phases]
    if shots and not any(isinstance(one, TrainingSettings) and one.target_shots for one in settings):
        raise XferError(
            f"target_shots={shots} are rows of evaluated languages besides the one that is trained on; no "
            "target of these is trained on any.",
            "Evaluate further languages (languages=…), name a target that is trained, or leave it out.",
        )


def check_bases(plans: Iterable[Plan]) -> None:
    """Refuse several base seeds that make no phase of any of the plans.

    Raises:
        XferError: they make none: each replicate would count once for every base seed.
    """
    plans = list(plans)
    made: dict[int, list[str]] = {}
    for transfer in (transfer for plan in plans for transfer in plan.transfers):
        made.setdefault(transfer.base_seed, []).append(transfer.plan_hash)
    if len(made) > 1 and len(set(map(tuple, made.values()))) == 1:
        root = plans[0].requested[0].root().reference
        seeds = ",".join(map(str, made))
        raise XferError(
            f"base_seeds={seeds}: model={root} without text is the same for all of them, and every replicate "
            f"would count {len(made)} times.",
            "Give one base seed and more seeds; or text=…, on which each base seed trains a base.",
        )
