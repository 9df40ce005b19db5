"""Data sets as inputs of runs, in MLflow's terms."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mlflow_xfer.tracking.names import redact

SOURCE_TYPE = "xfer"  # the type that the plugin's DatasetSource registers
_DIGEST_LENGTH = 36  # MLflow's limit


def describe(rows: Any, context: str, digest: str = "", n: int | None = None) -> tuple[dict, dict[str, str]]:
    """``rows`` as (fields of MLflow's ``Dataset``, input tags).

    Args:
        rows: a dataclass or mapping with ``task``, ``split``, ``language``, ``provider``, ``location``,
            ``identity``; all of its fields make up the source that is logged.
        context: ``train``, ``dev`` or ``test``.
        digest: of the data; default: the last part of ``rows.identity``.
        n: number of examples.
    """
    fields: dict[str, Any] = dict(rows) if isinstance(rows, Mapping) else dataclasses.asdict(rows)
    source = {**fields, "location": redact(str(fields.get("location", "")))}
    name, short = known_as(fields, digest)
    dataset = {
        "name": name,
        "digest": short,
        "source_type": SOURCE_TYPE,
        "source": json.dumps(source, sort_keys=True, default=str),
        "schema": None,
        "profile": json.dumps({"num_rows": n}) if n is not None else None,
    }
    tags = {"mlflow.data.context": context, "language": fields.get("language"), "task": fields.get("task")}
    return dataset, {key: value for key, value in tags.items() if value}


def known_as(rows: Any, digest: str = "") -> tuple[str, str]:
    """The name and digest under which MLflow knows a data set: ``xnli/sw`` is xnli's test set in Swahili,
    ``xnli/sw/train`` another split.
    """
    fields: Mapping[str, Any] = rows if isinstance(rows, Mapping) else vars(rows)
    split = "" if fields.get("split") == "test" else fields.get("split")
    name = "/".join(part for part in (fields.get("task"), fields.get("language"), split) if part)
    return name[:500], (digest or _short(str(fields.get("identity", ""))))[:_DIGEST_LENGTH]


def _short(identity: str) -> str:
    """A digest for display from an identity such as ``sha256:<hex>``."""
    if identity.startswith("sha256:"):
        return identity[7:23]
    if len(identity) <= _DIGEST_LENGTH:
        return identity or "unknown"
    return hashlib.sha256(identity.encode()).hexdigest()[:16]
