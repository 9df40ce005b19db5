"""Checkpoints that hold adapters and heads alone: made of a phase's whole checkpoint, and made whole again.

Whoever reads weights asks :func:`at_hand` for them. What is made whole is a copy that lies in the work folder
of the phase that reads it and goes with it, or under ``home()/checkpoints``, which may be emptied.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_xfer.durable.files import whole_folder
from mlflow_xfer.errors import XferError
from mlflow_xfer.home import home
from mlflow_xfer.models import files
from mlflow_xfer.models.trainable import continues
from mlflow_xfer.phases import references
from mlflow_xfer.phases.phase import BaseModel, Phase, identity
from mlflow_xfer.tracking import checkpoints, published

if TYPE_CHECKING:
    from mlflow_xfer.tracking.store import Store

logger = logging.getLogger(__name__)

REDUCED, INPUTS = "reduced", "inputs"


def reduced(phase: Phase, whole: Path, start: Path | BaseModel, base_run: str | None, work: Path) -> Path:
    """What ``checkpoint=adapter`` publishes of the checkpoint ``whole`` that ``phase`` made from ``start``:
    ``whole`` itself where all weights were trained, or those of its base are nowhere else.

    Args:
        base_run: the run that made ``start``, if one did.
    """
    if phase.procedure == "merge" or phase.training.trainable == "all":
        return whole
    if phase.settings.control != "none" or (isinstance(start, BaseModel) and not _lies(start)):
        logger.info("%s: published whole, its random base is nowhere else", phase.title)
        return whole
    from mlflow_xfer.models import derived

    folder = Path(start.path) if isinstance(start, BaseModel) else start
    source = phase.inputs[0]
    reference = f"run {base_run}" if base_run else getattr(source, "reference", "")
    about = {"identity": identity(source), "run_id": base_run or "", "reference": reference}
    out = work / REDUCED
    with whole_folder(out) as filled:
        small = phase.training.quantize == "nf4"
        left_out = derived.reduce(whole, folder, filled, about, continues(phase.training), small)
    logger.info("%s: %.1f MB of weights are those of %s", phase.title, left_out / 1e6, reference)
    return out


def _lies(start: BaseModel) -> bool:
    """Whether a base's weights lie somewhere."""
    return start.identity.startswith(("dir:", "hub:"))


def at_hand(store: Store, reference: str, work: Path | None = None) -> Path:
    """The folder of a published checkpoint with all its weights, verified; to be read only.

    Args:
        work: where what is made whole lies; None: under ``home()/checkpoints``.

    Raises:
        XferError: it is not as it was published, or its base is not there or another one.
    """
    folder = checkpoints.fetch(store, reference)
    if files.stands_alone(folder):
        return folder
    model = published.find(store, reference)
    out = (work / INPUTS if work else home() / "checkpoints") / f"{model.model_id if model else ''}-whole"
    return made_whole(store, folder, out, f"The checkpoint of {reference}")


def made_whole(store: Store, folder: Path, out: Path, what: str) -> Path:
    """The checkpoint in ``folder`` with all its weights, at ``out``."""
    from mlflow_xfer.models import derived

    if not out.is_dir():
        out.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(out, replace=False) as filled:
            derived.restore(folder, _base(store, derived.read(folder)["base"], out, what), filled)
    return out


def check(store: Store, folder: Path, reference: str) -> None:
    """Raise :class:`XferError` where the base of the checkpoint in ``folder`` is not there or another one."""
    from mlflow_xfer.models import derived

    about = derived.read(folder)
    if about["base"]["run_id"]:
        base = _fetched(store, about["base"], f"The checkpoint of {reference}")
        if not files.stands_alone(base):
            return check(store, base, about["base"]["reference"])
    else:
        base = _folder(about["base"], f"The checkpoint of {reference}")
    return derived.check_base(about, base)


def _base(store: Store, base: Mapping[str, Any], out: Path, what: str) -> Path:
    if not base["run_id"]:
        return _folder(base, what)
    folder = _fetched(store, base, what)
    if files.stands_alone(folder):
        return folder
    return made_whole(store, folder, out.with_name(f"{base['run_id']}-whole"), base["reference"])


def _fetched(store: Store, base: Mapping[str, Any], what: str) -> Path:
    try:
        return checkpoints.fetch(store, base["run_id"])
    except XferError as error:
        raise _absent(base, what, error) from error


def _folder(base: Mapping[str, Any], what: str) -> Path:
    """The folder of a base that no run made."""
    name, kind = base["reference"], base["identity"].partition(":")[0]
    try:
        found = (
            references.hub(name, base["identity"].rpartition("@")[2], fetch=True)
            if kind == "hub"
            else references.directory(name, Path(name).expanduser())
        )
    except XferError as error:
        raise _absent(base, what, error) from error
    return Path(found.path)


def _absent(base: Mapping[str, Any], what: str, error: XferError) -> XferError:
    return XferError(
        f"{what} holds an adapter to {base['reference']}, which is not there: {error.what}",
        f"Put its base ({base['identity']}) where it was; or train again with checkpoint=whole.",
    )
