"""Recipes for clusters: what Slurm or Kubernetes is told to run a command on several nodes.

Every node runs the same command and shares its phases through the tracking server; or one command runs them
all, on Ray. What a command ends with is mapped: 75 goes on, 2 is not tried again.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from mlflow_xfer.errors import BAD_INPUT, TRY_AGAIN

SERVER = "http://tracking.example.org:5000"
TRIES = 3  # of one index of a job that ends with anything but 2 and 75
GRACE = 120  # seconds from the signal to the end
RAY_PORT = 6379
HEADLESS = "--include-dashboard=false"


@dataclass(frozen=True)
class Wanted:
    """What a recipe is made of.

    Args:
        words: the command, from its verb on.
        nodes: how many run it.
        cores, gpus, memory, disk: of each; memory and disk in bytes.
        hours: after which a node is taken back.
        server: the tracking server's address.
        image: that containers run.
        ray: whether one command runs all nodes.
    """

    words: Sequence[str]
    nodes: int
    cores: int
    gpus: int
    memory: float
    disk: float
    hours: float
    server: str = SERVER
    image: str = ""
    ray: bool = False

    @property
    def name(self) -> str:
        return f"xfer-{self.words[0]}"

    @property
    def command(self) -> list[str]:
        more = ["--engine", "ray", "--ray_address", "auto"] if self.ray else []
        return ["mlflow-xfer", *self.words, *more]

    @property
    def gigabytes(self) -> int:
        return max(math.ceil(self.memory / 2**30), 1)


SLURM = """#!/bin/bash
{options}
# Put your own: the tracking server, and a folder that all nodes mount (states of trainings).
export MLFLOW_TRACKING_URI={server}
export XFER_WORK="${{SCRATCH:-$HOME}}/xfer-work"
export XFER_HOME="${{TMPDIR:-/tmp}}/mlflow-xfer-$SLURM_JOB_ID"
{before}
stopped="" pid=""
trap 'stopped=1; [ -z "$pid" ] || kill -TERM "$pid"' TERM
{run} &
pid=$!
[ -z "$stopped" ] || kill -TERM "$pid"  # it came before the command had a number
wait "$pid"
code=$?
while kill -0 "$pid" 2>/dev/null; do  # a signal ends `wait`, not the command
    wait "$pid"
    code=$?
done
# {again}: stopped, or the tracking server is away: run again, it goes on. {bad}: bad input, fails again.
if [ "$code" -eq {again} ] || {{ [ -n "$stopped" ] && [ "$code" -gt 128 ]; }}; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"""

RAY_BEFORE = """export RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=token
RAY_AUTH_TOKEN="$(od -An -N32 -tx1 /dev/urandom | tr -d ' \\n')"  # of this job alone
export RAY_AUTH_TOKEN
head="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"
"""


def slurm(wanted: Wanted) -> str:
    """The script for ``sbatch``: an array of the same command, or one command on Ray."""
    minutes = max(round(60 * wanted.hours), 1)
    options = {
        "job-name": wanted.name,
        **({"nodes": wanted.nodes} if wanted.ray else {"array": f"1-{wanted.nodes}", "nodes": 1}),
        "ntasks-per-node": 1,
        "cpus-per-task": wanted.cores,
        **({"gres": f"gpu:{wanted.gpus}"} if wanted.gpus else {}),
        "mem": f"{wanted.gigabytes}G",
        "time": f"{minutes // 60:02d}:{minutes % 60:02d}:00",
        "signal": f"B:TERM@{GRACE}",
        "requeue": None,
        "open-mode": "append",
    }
    lines = [
        f"#SBATCH --{name}" + (f"={value}" if value is not None else "") for name, value in options.items()
    ]
    run = shlex.join(wanted.command)
    if wanted.ray:
        gpus = f" --num-gpus={wanted.gpus}" if wanted.gpus else ""
        run = (
            f'srun ray symmetric-run --address "$head:{RAY_PORT}" --min-nodes "$SLURM_JOB_NUM_NODES" '
            f"--num-cpus={wanted.cores}{gpus} {HEADLESS} -- {run}"
        )
    before = RAY_BEFORE if wanted.ray else ""
    return SLURM.format(
        options="\n".join(lines),
        server=shlex.quote(wanted.server),
        before=before,
        run=run,
        again=TRY_AGAIN,
        bad=BAD_INPUT,
    )


def kubernetes(wanted: Wanted) -> str:
    """The manifest for ``kubectl apply``: an Indexed Job of the same command, or a RayJob of one command."""
    made = _ray_job(wanted) if wanted.ray else _job(wanted)
    return yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=10_000)


def _container(wanted: Wanted, name: str, command: Sequence[str] = ()) -> dict[str, Any]:
    has: dict[str, Any] = {"cpu": str(wanted.cores), "memory": f"{wanted.gigabytes}Gi"}
    if wanted.gpus:
        has["nvidia.com/gpu"] = str(wanted.gpus)
    return {
        "name": name,
        "image": wanted.image,
        **({"command": list(command)} if command else {}),
        "env": [
            {"name": "MLFLOW_TRACKING_URI", "value": wanted.server},
            {"name": "XFER_HOME", "value": "/xfer"},
            *([{"name": "RAY_USAGE_STATS_ENABLED", "value": "0"}] if wanted.ray else []),
        ],
        "resources": {"requests": has, "limits": dict(has)},
        "volumeMounts": [{"name": "xfer", "mountPath": "/xfer"}],
    }


def _pod(wanted: Wanted, container: dict[str, Any]) -> dict[str, Any]:
    disk = max(math.ceil(wanted.disk / 2**30), 1)
    return {
        "terminationGracePeriodSeconds": GRACE,
        "containers": [container],
        "volumes": [{"name": "xfer", "emptyDir": {"sizeLimit": f"{disk}Gi"}}],
    }


def _job(wanted: Wanted) -> dict[str, Any]:
    def ends_with(code: int) -> dict[str, Any]:
        return {"containerName": "xfer", "operator": "In", "values": [code]}

    disrupted = [{"type": "DisruptionTarget", "status": "True"}]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": wanted.name},
        "spec": {
            "completionMode": "Indexed",
            "completions": wanted.nodes,
            "parallelism": wanted.nodes,
            "backoffLimitPerIndex": TRIES,
            "activeDeadlineSeconds": round(3600 * wanted.hours),
            "podFailurePolicy": {
                "rules": [
                    {"action": "FailIndex", "onExitCodes": ends_with(BAD_INPUT)},
                    {"action": "Ignore", "onExitCodes": ends_with(TRY_AGAIN)},
                    {"action": "Ignore", "onPodConditions": disrupted},
                ]
            },
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    **_pod(wanted, _container(wanted, "xfer", wanted.command)),
                }
            },
        },
    }


def _ray_job(wanted: Wanted) -> dict[str, Any]:
    head, worker = (_pod(wanted, _container(wanted, name)) for name in ("ray-head", "ray-worker"))
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": wanted.name},
        "spec": {
            "entrypoint": shlex.join(wanted.command),
            "backoffLimit": TRIES,
            "activeDeadlineSeconds": round(3600 * wanted.hours),
            "shutdownAfterJobFinishes": True,
            "rayClusterSpec": {
                "headGroupSpec": {"rayStartParams": {"num-cpus": "0"}, "template": {"spec": head}},
                "workerGroupSpecs": [
                    {
                        "groupName": "nodes",
                        "replicas": wanted.nodes,
                        "minReplicas": wanted.nodes,
                        "maxReplicas": wanted.nodes,
                        "rayStartParams": {},
                        "template": {"spec": worker},
                    }
                ],
            },
        },
    }


SYSTEMS = {"slurm": slurm, "kubernetes": kubernetes}
