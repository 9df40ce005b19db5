"""Data sets as inputs of runs, in MLflow's terms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlflow_xfer.tracking.names import redact

SOURCE_TYPE = "xfer"  # the type that the plugin's DatasetSource registers
_DIGEST_LENGTH = 36  # MLflow's limit


def describe(rows: Any, context: str, digest: str = "", n: int | None = None) -> tuple[dict, dict[str, str]]:
    """``rows`` as (fields of MLflow's ``Dataset``, input tags).

    Args:
        rows: anything with ``task``, ``split``, ``language``, ``provider``, ``location``, ``identity``
            and ``params``, as attributes or keys.
        context: ``train``, ``dev`` or ``test``.
        digest: of the data; default: the last part of ``rows.identity``.
        n: number of examples.
    """
    fields = {name: _field(rows, name) for name in ("task", "split", "language", "provider", "location", "identity")}
    params = _field(rows, "params")
    source = {**fields, "location": redact(fields["location"]), "params": dict(params) if params else {}}
    name = "/".join(part for part in (fields["task"], fields["language"], fields["split"]) if part)
    dataset = {
        "name": name[:500],
        "digest": (digest or _short(fields["identity"]))[:_DIGEST_LENGTH],
        "source_type": SOURCE_TYPE,
        "source": json.dumps(source, sort_keys=True),
        "schema": None,
        "profile": json.dumps({"num_rows": n}) if n is not None else None,
    }
    tags = {"mlflow.data.context": context, "language": fields["language"], "task": fields["task"]}
    return dataset, {key: value for key, value in tags.items() if value}


def _field(rows: Any, name: str) -> Any:
    value = rows.get(name, "") if isinstance(rows, Mapping) else getattr(rows, name, "")
    return value if isinstance(value, Mapping) else str(value if value is not None else "")


def _short(identity: str) -> str:
    """A digest for display from an identity such as ``sha256:<hex>``."""
    if identity.startswith("sha256:"):
        return identity[7:23]
    if len(identity) <= _DIGEST_LENGTH:
        return identity or "unknown"
    import hashlib

    return hashlib.sha256(identity.encode()).hexdigest()[:16]
