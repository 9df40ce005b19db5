"""A connection to a Ray cluster: what its nodes have, starting tasks there, stopping them, hearing of them.

The only module that imports Ray, once a cluster is wanted.
"""

# Ray is an extra: types are checked where it is not installed, too.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from __future__ import annotations

import logging
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from mlflow_xfer.conditions.engines.engine import Needs
from mlflow_xfer.conditions.engines.handlers import handlers_kept
from mlflow_xfer.conditions.engines.resources import Node
from mlflow_xfer.errors import BAD_INPUT, TRY_AGAIN, XferError
from mlflow_xfer.tracking import endpoint
from mlflow_xfer.tracking.names import redact
from mlflow_xfer.tracking.store import Store

SENT = re.compile(
    r"(MLFLOW|XFER|HF|TRANSFORMERS|TOKENIZERS|OMP|MKL|AWS|AZURE|GOOGLE|DATABRICKS)_|(https?|no)_proxy$", re.I
)
"""Variables of the driver that its phases see on every node …"""

OWN = {"XFER_HOME", "XFER_WORK", "OMP_NUM_THREADS"}
"""… but these, which are each node's own …"""

SECRET = re.compile(r"TOKEN|PASSWORD|SECRET|KEY|CREDENTIAL|URI|proxy", re.I)
"""… and these, as all values with a password in them, which a task is told: Ray writes the environment of its
tasks into logs, and shows it on its dashboard."""

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""What holds unless the environment says otherwise: nothing is reported to Ray's makers, tasks run in the
environment of their node, and a task without a GPU leaves CUDA_VISIBLE_DEVICES as it is."""


class Cluster:
    """One cluster, found by its address or started on this host. To be opened and closed once.

    Args:
        store: which tasks are to log into.
        workers: how many tasks are to run at once on a cluster that is started; None: one for each core.
    """

    def __init__(self, store: Store, workers: int | None, address: str | None):
        self.store, self.workers, self.address = store, workers, address
        self.ray: Any = None
        self.queue: Any = None
        self.errors: tuple[type[Exception], ...] = ()
        self._opened = ExitStack()

    # -- the connection --------------------------------------------------------------------------------------
    def open(self) -> None:
        """Connect; raises :class:`XferError` where that cannot be."""
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        known = sys.modules.get("ray")
        if self.address is None and not (known and known.is_initialized()):
            keep_out_others()
        import ray
        from ray.exceptions import RayError

        self.ray, self.errors = ray, (RayError,)
        if not ray.is_initialized():
            with handlers_kept():
                self._started() if self.address is None else self._found(self.address)
            self._opened.callback(ray.shutdown)
        self._check_store()
        store = {"MLFLOW_TRACKING_URI": self.store.uri, "MLFLOW_EXPERIMENT_ID": self.store.experiment_id}
        self.environment, told = shown_and_told({**os.environ, **store})
        self.where = ray.put({"environment": told, "folder": os.getcwd()})
        package = str(Path(__file__).resolve().parents[3])
        path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        self.environment["PYTHONPATH"] = path
        self._listen()

    def _started(self) -> None:
        """A cluster of this host alone. Its files are this user's."""
        folder = self._opened.enter_context(tempfile.TemporaryDirectory(prefix="xfer-ray-"))
        cores = max(os.cpu_count() or 1, self.workers or 1)
        try:
            self.ray.init(
                address="local",
                num_cpus=cores,
                include_dashboard=False,
                logging_level=logging.ERROR,
                _temp_dir=folder,
            )
        except Exception as error:  # Ray's own has no class of its own
            raise XferError(
                f"No Ray cluster could be started on this host ({str(error).splitlines()[0]})",
                "Run the same command again when it has less to do, or use --workers without --engine ray.",
                TRY_AGAIN,
            ) from error

    def _found(self, address: str) -> None:
        try:
            self.ray.init(address=address, logging_level=logging.ERROR)
        except (ConnectionError, *self.errors) as error:
            missing = address == "auto" and isinstance(error, ConnectionError)
            raise XferError(
                f"ray_address={address}: no Ray cluster can be reached ({str(error).splitlines()[0]}).",
                "Start one (ray start --head), or leave ray_address out: one is started on this host.",
                BAD_INPUT if missing else TRY_AGAIN,
            ) from error

    def _check_store(self) -> None:
        """A store in a file is of one host."""
        hosts = {one["NodeManagerAddress"] for one in self.ray.nodes() if one["Alive"]}
        if len(hosts) > 1 and endpoint.sqlite_path(self.store.uri) is not None:
            raise XferError(
                f"{len(hosts)} hosts cannot write to {redact(self.store.uri)}, a file of one.",
                "Start a server (mlflow server …) and set MLFLOW_TRACKING_URI=http://….",
            )

    def close(self) -> None:
        self._opened.close()

    # -- tasks -----------------------------------------------------------------------------------------------
    def nodes(self) -> list[Node]:
        """What each living node has for tasks."""
        alive = [one["Resources"] for one in self.ray.nodes() if one["Alive"]]
        found = [Node(one.get("CPU", 0.0), one.get("GPU", 0.0), one.get("memory", 0.0)) for one in alive]
        return [one for one in found if one.cores]

    def start(
        self, function: Callable[..., str], name: str, needs: Needs, told: str, inputs: Sequence[Any]
    ) -> Any:
        """Have a node run ``function(told, where, queue, *inputs)``; the task."""
        task = self.ray.remote(function).options(
            name=name,
            num_cpus=needs.cores,
            num_gpus=needs.gpus,
            memory=needs.memory or None,
            max_retries=0,
            runtime_env={"env_vars": self.environment},
        )
        return task.remote(told, self.where, self.queue, *inputs)

    def stop(self, task: Any) -> None:
        """Have a task stop; one that trains saves its state."""
        self.ray.cancel(task, force=False, recursive=False)

    def end(self, tasks: Sequence[Any], seconds: float) -> None:
        """Stop tasks; those that take longer are killed."""
        for one in tasks:
            self.stop(one)
        if tasks:
            _, left = self.ray.wait(list(tasks), num_returns=len(tasks), timeout=seconds)
            for one in left:
                self.ray.cancel(one, force=True)

    def result(self, task: Any) -> tuple[str, str]:
        """What an ended task returned, or "" and why it returned nothing."""
        from ray.exceptions import RayTaskError

        try:
            return self.ray.get(task), ""
        except self.errors as error:
            cause: BaseException = error
            while isinstance(cause, RayTaskError):  # of an input, perhaps, that was lost with its node
                cause = cause.cause
            if not isinstance(cause, self.errors):
                raise XferError(f"A task of Ray failed: {error}", exit_code=1) from error
            return "", f"{type(cause).__name__}: {str(cause).splitlines()[0]}"

    # -- what running tasks say ------------------------------------------------------------------------------
    def _listen(self) -> None:
        """A queue that lives beside the driver, and takes none of the room for phases."""
        from ray.util.queue import Queue
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        node = self.ray.get_runtime_context().get_node_id()
        here = NodeAffinitySchedulingStrategy(node, soft=False)
        self.queue = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        self.next = self.queue.actor.get.remote(None)

    def heard(self, tasks: Mapping[Any, Any], seconds: float) -> tuple[list[Any], list[str]]:
        """Those of ``tasks`` that have ended, and lines of tasks, among them all that ended ones have said;
        waits for either, so long at most."""
        self.ray.wait([self.next, *tasks], num_returns=1, timeout=seconds)
        ended = self.ray.wait(list(tasks), num_returns=len(tasks), timeout=0)[0] if tasks else []
        return ended, list(self._lines())

    def _lines(self) -> Iterator[str]:
        from ray.util.queue import Empty

        if not self.ray.wait([self.next], timeout=0)[0]:
            return
        yield self.ray.get(self.next)
        with suppress(Empty):
            yield from self.queue.get_nowait_batch(self.queue.size())
        self.next = self.queue.actor.get.remote(None)


def keep_out_others() -> None:
    """Have a cluster that is started ask for a token, unless the environment says otherwise: the user's own,
    or one of this process alone. Ray would put one that it makes into a file that all may read."""
    if "ray" not in sys.modules:  # which reads it once
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    mode = os.environ.get("RAY_AUTH_MODE", "token")
    named = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys()
    if mode.lower() == "token" and not named and not (Path.home() / ".ray" / "auth_token").exists():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def shown_and_told(environment: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What of the driver's environment its phases see, and of that what Ray is not shown."""
    sent = {name: value for name, value in environment.items() if SENT.match(name) and name not in OWN}
    told = {name: value for name, value in sent.items() if SECRET.search(name) or redact(value) != value}
    return {name: value for name, value in sent.items() if name not in told}, told
