"""What MLflow accepts as names and values, and what must never be written to a tracking server.

Limits are MLflow's own (``mlflow.utils.validation``): keys of 250 characters from letters, digits and
``_ - . space : /``, parameter values of 6000 characters, tag values of 8000 (5000 on older servers).
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
from collections.abc import Mapping

from mlflow_xfer.errors import XferError

KEY_LENGTH = 250
PARAM_LENGTH = 6000
TAG_LENGTH = 5000
SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY")
SHORTEST = 8  # characters of a secret that is looked for; a shorter one is part of other words

_FILE_NAME = re.compile(r"[\w.+-]{1,200}")
_ILLEGAL = re.compile(r"[^\w\-. :/]", re.ASCII)
_CREDENTIALS = re.compile(
    r"(?P<scheme>\b[A-Za-z][\w+.-]*://)(?:"
    r"(?!(?<=https://)[^/@\s'\"]*:\d{1,5}(?=[/?#]))(?!(?<=http://)[^/@\s'\"]*:\d{1,5}(?=[/?#]))"
    r"[^\s'\"/:@]*:[^\s'\"]*@"  # a password may hold @ and /, if nobody quoted them
    r"|[^/\s@'\"]+@)"
)
_SECRET = (  # nosec B105
    r"access_?key|account_?key|api_?key|auth|passwd|password|pwd|secret|sig|signature|token|credential"
    r"|x-amz-[\w-]+"
)
_SECRET_PARAMETER = re.compile(rf"(?i)(?P<name>[?&;][\w-]*(?:{_SECRET})[\w-]*=)[^&;\s'\"]+")
_AUTHORIZATION = re.compile(
    r"(?i)(?P<name>\bbearer\s+|\bauthorization['\"]?\s*[:=]\s*['\"]?(?:basic|token)\s+)[\w.~+/=-]{8,}"
)
_TOKEN = re.compile(r"\b(hf_[A-Za-z0-9]{16,}|dapi[a-f0-9]{32}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,})\b")


def key(name: str) -> str:
    """``name`` as a legal metric, parameter or tag key; legal names come back unchanged.

    ``@`` becomes ``_at_`` (``map@20``), every other illegal character ``_``; what MLflow would not
    accept as a path (``//``, ``..``, a leading slash) is normalised, too long names end in a digest.
    """
    legal = _ILLEGAL.sub("_", name.replace("@", "_at_"))
    legal = "/".join(part for part in legal.split("/") if part.strip(". "))
    legal = posixpath.normpath(legal) if legal else "_"
    if len(legal) > KEY_LENGTH:
        legal = legal[: KEY_LENGTH - 9] + "-" + hashlib.sha256(name.encode()).hexdigest()[:8]
    return legal


def file_name(value: str, what: str) -> str:
    """``value`` from the store as the name of one file or folder.

    Args:
        what: whose name it is, to say so.

    Raises:
        XferError: it would lead elsewhere.
    """
    if not _FILE_NAME.fullmatch(value) or set(value) == {"."}:
        raise XferError(
            f"{what} is {value!r}, which names no file or folder of its own.",
            "Accepted: letters, digits and _ . - +. Who may write to the tracking store can change tags.",
        )
    return value


class Keys:
    """Turns names into keys and keeps the map, so that two names never share one key."""

    def __init__(self) -> None:
        self._name_of: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        legal = key(str(name))
        if self._name_of.setdefault(legal, name) != name:
            legal = f"{legal[: KEY_LENGTH - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
            self._name_of[legal] = name
        return legal


def text(value: object) -> str:
    """``value`` as commands spell it: ``none``, ``true``, ``a,b``; mappings as JSON."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return json.dumps(value, sort_keys=True, default=str)
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        return ",".join(text(item) for item in items)
    return str(value)


def redact(value: str) -> str:
    """``value`` without passwords in URIs, secret query parameters, what an ``Authorization`` header holds,
    well-known token formats, and the secrets that this process was started with (:data:`SECRETS`)."""
    for name in SECRETS:
        known = os.environ.get(name, "")
        if len(known) >= SHORTEST:
            value = value.replace(known, "***")
    value = _CREDENTIALS.sub(r"\g<scheme>***@", value)
    value = _SECRET_PARAMETER.sub(r"\g<name>***", value)
    value = _AUTHORIZATION.sub(r"\g<name>***", value)
    return _TOKEN.sub("***", value)


def param(value: object) -> str:
    """``value`` as a parameter: as commands spell it, redacted, cut to what MLflow stores."""
    return _cut(redact(text(value)), PARAM_LENGTH)


def tag(value: object) -> str:
    """``value`` as a tag: as commands spell it, redacted, cut to what MLflow stores."""
    return _cut(redact(text(value)), TAG_LENGTH)


def _cut(value: str, length: int) -> str:
    return value if len(value) <= length else value[: length - 3] + "..."
