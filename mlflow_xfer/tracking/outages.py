"""What an error of the tracking store means: whether it may pass, what it says, and as what it is told."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlflow_xfer.errors import TRY_AGAIN, XferError
from mlflow_xfer.tracking.names import redact

# MLflow answers with these when repeating the same request cannot help. Everything else (connection
# refused, time-outs, locked database, expired credentials) may pass, and waits in the spool.
_PERMANENT = {
    "ALREADY_EXISTS",
    "BAD_REQUEST",
    "ENDPOINT_NOT_FOUND",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "MALFORMED_REQUEST",
    "NOT_IMPLEMENTED",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
    "NOT_FOUND",
}

_NOT_OF_MLFLOW = re.compile(r"failed with error code \d+ != \d+\. Response body:")
"""What MLflow's client says of an error without MLflow's JSON: a proxy's page, a server that is starting."""

DENIED = {401: "does not take these credentials", 403: "grants no right to this"}
"""HTTP statuses that say who one is, and what one may do."""


def is_transient(error: BaseException) -> bool:
    """Whether repeating the call that raised ``error`` can succeed later."""
    from mlflow.exceptions import MlflowException, RestException

    if isinstance(error, MlflowException):
        if not isinstance(error, RestException) and (
            _NOT_OF_MLFLOW.search(str(error)) or any(map(_is_outage, _behind(error)))
        ):  # the code is the client's guess, not what the store said
            return True
        return error.error_code not in _PERMANENT
    return _is_outage(error)


def _behind(error: BaseException) -> Iterator[BaseException]:
    """The errors that ``error`` was raised from or while handling."""
    seen = {id(error)}
    while (before := error.__cause__ or error.__context__) is not None and id(before) not in seen:
        seen.add(id(before))
        yield before
        error = before


def _is_outage(error: BaseException) -> bool:
    """Whether a request did not get through, or was answered by a server in trouble."""
    import requests
    from sqlalchemy.exc import OperationalError

    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        page = status not in DENIED and "html" in error.response.headers.get("Content-Type", "")
        return page or status >= 500 or status in (401, 408, 425, 429)
    return isinstance(error, (requests.RequestException, OperationalError, ConnectionError, TimeoutError))


def answered(error: BaseException) -> bool:
    """Whether the store itself answered (with an internal error), as opposed to not being there."""
    import requests
    from mlflow.exceptions import RestException

    return (
        isinstance(error, RestException)
        or isinstance(error, requests.HTTPError)
        and error.response is not None
    )


def refused_again_and_again(error: BaseException) -> bool:
    """Whether a server answered behind ``error``, and with errors of its own each time it was asked."""
    import requests

    return any(answered(one) or isinstance(one, requests.exceptions.RetryError) for one in _behind(error))


def said(error: BaseException, length: int = 300) -> str:
    """The first line of an error's message without secrets: MLflow's messages name the whole address."""
    return redact((str(error).strip().splitlines() or [type(error).__name__])[0])[:length]


def unreachable(uri: str, reason: BaseException | str) -> XferError:
    """The error for a store that does not answer (exit code 75: the same command can be repeated)."""
    return XferError(
        f"The tracking store {redact(uri)} cannot be reached: "
        f"{reason if isinstance(reason, str) else said(reason)}",
        "Check MLFLOW_TRACKING_URI and that the server runs, then repeat the command.",
        exit_code=TRY_AGAIN,
    )


class Denied(XferError):
    """The store is there and refuses these credentials (exit code 2: repeating the command does not help)."""


def denied_status(error: BaseException) -> int | None:
    """401 or 403 if that is why the store refused a call."""
    import requests
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        status = error.get_http_status_code()
    elif isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
    else:
        return None
    return status if status in DENIED else None


def denied(uri: str, status: int, answer: str) -> Denied:
    """The error for a store that answered with ``status`` of :data:`DENIED`."""
    plain = redact(" ".join(re.sub(r"<[^>]*>", " ", answer).split()))[:200]
    if "host header" in plain.lower():
        hint = (
            "Start the server with --allowed-hosts and the name in MLFLOW_TRACKING_URI, or use another name."
        )
    else:
        hint = (
            f"{'Set' if status == 401 else 'Ask for the right, or set other'} credentials: "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
        )
    return Denied(f"The tracking store {redact(uri)} {DENIED[status]} (HTTP {status}): {plain}", hint)
