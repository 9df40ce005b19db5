"""Where a phase begins: a checkpoint, random weights of a named size,
or a checkpoint's shape with random weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlflow_xfer.data import sources
from mlflow_xfer.models import load
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.phases.phase import Base, Phase

COMPLETE = ".complete"


def starting_point(phase: Phase, start: Path | Base, out: Path) -> Path:
    """The directory to start from; made in ``out`` where ``start`` holds no weights or ``control=random``
    asks so.

    Deterministic: made again with the same phase it has the same bytes.
    """
    folder = Path(start.path) if isinstance(start, Base) else start
    random = phase.settings.get("control") == "random"
    scratch = isinstance(start, Base) and start.identity.startswith("scratch:")
    if not (random or scratch):
        return folder
    if not (out / COMPLETE).is_file():
        if scratch:
            _scratch(phase, start, folder, out)
        else:
            load.randomised(folder, out, phase.settings["control_seed"])
        (out / COMPLETE).touch()
    return out


def _scratch(phase: Phase, start: Base, folder: Path, out: Path) -> None:
    architecture, size = load.parse_scratch(start.reference)
    tokenizer = (
        load.load_tokenizer(folder)
        if start.path
        else train_tokenizer(texts(phase), load.SIZES[size]["vocab_size"], architecture)
    )
    with load.quiet():
        load.build_scratch(architecture, size, tokenizer, phase.seed).save_pretrained(out)
    tokenizer.save_pretrained(out)


def texts(phase: Phase) -> Iterator[str]:
    """The text a scratch model's tokenizer is trained on:
    the phase's own training corpus, in the order of its rows.
    """
    by_name = {task.name: task for task in phase.tasks}
    for rows in phase.rows:
        if rows.split == "train":
            table = (
                sources.read(by_name[rows.task], rows) if rows.task in by_name else sources.read_text(rows)
            )
            for column in ("text", "text_a", "text_b", "context", "question", "words", "source", "target"):
                if column in table.column_names:
                    yield from (
                        " ".join(value) if isinstance(value, list) else value
                        for value in table[column]
                        if value
                    )
