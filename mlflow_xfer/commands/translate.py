"""The verb ``translate``: training rows in another language, made by a model on this machine."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlflow_xfer.durable.files import write_json, write_whole
from mlflow_xfer.errors import XferError
from mlflow_xfer.lines import numbered, parsed
from mlflow_xfer.models.translation import Translator
from mlflow_xfer.params import lookups
from mlflow_xfer.scoring.chrf import chrf
from mlflow_xfer.training.devices import pick

log = logging.getLogger(__name__)


def translate(params: lookups.Translate) -> str:
    """Raises :class:`XferError` before a model is loaded: rows that lack a column, a file that is there,
    ``at_least`` without ``back``."""
    out = Path(params.out)
    if params.at_least and params.back is None:
        raise XferError(
            f"at_least={params.at_least:g} is of the round trip, and there is no translator back.",
            "Give back=…, or leave at_least out.",
        )
    if out.exists():
        raise XferError(f"out={out}: there is something already.", "Name a new file.")
    rows = _rows(Path(params.file), params.columns)
    places = [(row, column) for row in rows for column in params.columns]
    texts = [row[column] for row, column in places]
    device = pick(params.device).type
    forth = Translator(
        params.model, params.source, params.target, params.beams, batch=params.batch, device=device
    )
    made = forth.translate(texts, _say)
    said = [one.text for one in made]
    each = len(params.columns)
    cut = {n // each for n, one in enumerate(made) if one.cut}
    figures: dict[str, Any] = {
        "rows": len(rows),
        "texts": len(texts),
        "model": params.model,
        "cut": sum(one.cut for one in made),
        "empty": sum(bool(text.strip()) and not one for text, one in zip(texts, said, strict=True)),
        "unchanged": sum(bool(text.strip()) and text == one for text, one in zip(texts, said, strict=True)),
    }
    apart: set[int] = set()
    if params.back is not None:
        back = Translator(
            params.back, params.target, params.source, params.beams, batch=params.batch, device=device
        )
        again = [one.text for one in back.translate(said, _say)]
        alike = [chrf(*pair) for pair in zip(again, texts, strict=True)]
        worst = [min(alike[n : n + each]) for n in range(0, len(alike), each)]
        apart = {n for n, one in enumerate(worst) if one < params.at_least}
        figures["round_trip_chrf"] = sum(alike) / max(len(alike), 1)
    lost = cut | apart
    figures["left_out"] = len(lost)
    for (row, column), one in zip(places, said, strict=True):
        row[column] = one
    lines = [json.dumps(row, ensure_ascii=False) for n, row in enumerate(rows) if n not in lost]
    write_whole(out, "".join(f"{line}\n" for line in lines).encode())
    write_json(out.with_name(f"{out.name}.report.json"), figures)
    return _told(figures, out)


def _say(done: int, of: int) -> None:
    log.info("translated %d of %d texts", done, of)


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for number, line in numbered(path):
        if not line.strip():
            continue
        row = parsed(path, line, number)
        lacking = [
            name for name in columns if not isinstance(row, dict) or not isinstance(row.get(name), str)
        ]
        if lacking:
            has = ", ".join(row) if isinstance(row, dict) else type(row).__name__
            raise XferError(
                f"{path}:{number} has no text {lacking[0]!r}, but: {has}.", "Name columns of texts."
            )
        rows.append(row)
    if not rows:
        raise XferError(f"{path} has no rows.", "Give a file of JSON lines, a row each.")
    return rows


def _told(figures: dict[str, Any], out: Path) -> str:
    """What became of the texts, in words."""
    kept = figures["rows"] - figures["left_out"]
    parts = [f"{kept} of {figures['rows']} rows are written to {out}"]
    if "round_trip_chrf" in figures:
        parts.append(f"there and back: chrF {figures['round_trip_chrf']:.1f}")
    if figures["cut"]:
        parts.append(
            f"{figures['cut']} texts are longer than the model reads or writes, and their rows are left out"
        )
    parts += [f"{figures[name]} texts came out {name}" for name in ("empty", "unchanged") if figures[name]]
    return "; ".join(parts) + "."
