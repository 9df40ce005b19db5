"""Where a phase begins: a checkpoint, random weights of a named size,
or a checkpoint's shape with random weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from mlflow_xfer.models import load
from mlflow_xfer.models.scratch import SIZES, build_scratch, parse_scratch, randomised
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.phases.phase import BaseModel, Phase

COMPLETE = ".complete"
Texts = Callable[[], Iterable[str]]


def starting_point(phase: Phase, start: Path | BaseModel, out: Path, texts: Texts = tuple) -> Path:
    """The directory to start from; made in ``out`` where ``start`` holds no weights or ``control=random``
    asks so.

    ``texts`` gives what a scratch model's tokenizer is trained on, where it has none.
    Deterministic: made again with the same phase it has the same bytes.
    """
    folder = Path(start.path) if isinstance(start, BaseModel) else start
    random = phase.settings.control == "random"
    scratch = start if isinstance(start, BaseModel) and start.identity.startswith("scratch:") else None
    if not (random or scratch):
        return folder
    if not (out / COMPLETE).is_file():
        if scratch:
            _scratch(phase, scratch, folder, out, texts)
        else:
            assert phase.settings.control_seed is not None, "stated beside the control"
            randomised(folder, out, phase.settings.control_seed)
        (out / COMPLETE).touch()
    return out


def _scratch(phase: Phase, start: BaseModel, folder: Path, out: Path, texts: Texts) -> None:
    architecture, size = parse_scratch(start.reference)
    tokenizer = (
        load.load_tokenizer(folder)
        if start.path
        else train_tokenizer(texts(), SIZES[size]["vocab_size"], architecture)
    )
    assert phase.seed is not None, "stated where random weights are made"
    with load.quiet():
        build_scratch(architecture, size, tokenizer, phase.seed).save_pretrained(out)
    tokenizer.save_pretrained(out)
