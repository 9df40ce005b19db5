"""What goes into the declared chains, as it stands in the JSON files beside: specs, encodings, batches.

To write the files anew, where a change is meant: ``python -m tests.same_results.golden``.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.same_results.chains import CHAINS, DECODER, parameters, write_data

HERE = Path(__file__).resolve().parent
ROWS, BATCHES, SCHEDULED = 2, 3, 20
"""How many rows of a split, batches of a training, and steps of a schedule are kept."""


@cache
def plans(data: Path) -> dict[str, Any]:
    """The plan of each chain."""
    from mlflow_xfer import params
    from mlflow_xfer.phases.plan import make_plan
    from mlflow_xfer.phases.references import References, task_file_tasks

    found = {}
    for chain in CHAINS:
        typed = params.parse("transfer", parameters(chain, data))
        found[chain] = make_plan("transfer", typed, References(_no_store), task_file_tasks(typed))
    return found


def _no_store() -> Any:
    raise AssertionError("the chains start from scratch")


def labelled(plan: Any) -> dict[str, Any]:
    """The phases of a plan by a label that no other has, each after its inputs."""
    found: dict[str, Any] = {}
    for phase in plan.phases:
        same = sum(label.split(" #")[0] == phase.label for label in found)
        found[phase.label + (f" #{same + 1}" if same else "")] = phase
    return found


# -- specs ------------------------------------------------------------
def specs(data: Path) -> dict[str, Any]:
    """The canonical form and the hash of every phase; what a phase says of a task stands once, by a name."""
    tasks: dict[str, Any] = {}
    chains: dict[str, Any] = {}
    for chain, plan in plans(data).items():
        chains[chain] = {
            label: {"hash": phase.spec_hash, "spec": _brief(phase.spec(), tasks)}
            for label, phase in labelled(plan).items()
        }
    return {"chains": chains, "tasks": tasks}


def _brief(spec: Mapping[str, Any], tasks: dict[str, Any]) -> dict[str, Any]:
    found = {**spec, "tasks": [_named(task, tasks) for task in spec["tasks"]]}
    found["rows"] = [_line(rows) for rows in spec["rows"]]
    for name in ("excludes", "selection"):
        if name in spec:
            found[name] = [
                f"{_line({k: v for k, v in rows.items() if k != 'by'})} by {_named(rows['by'], tasks)}"
                for rows in spec[name]
            ]
    return found


def _line(rows: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in rows.items())


def _named(task: Mapping[str, Any], tasks: dict[str, Any]) -> str:
    """The name under which ``task`` stands in ``tasks``; what is declared otherwise gets a number."""
    task = json.loads(json.dumps(task, default=str))
    number = 1
    while True:
        name = task["name"] + (f" #{number}" if number > 1 else "")
        if tasks.setdefault(name, task) == task:
            return name
        number += 1


# -- encodings ------------------------------------------------------------
def encodings(data: Path) -> dict[str, Any]:
    """The first rows of the first language of every split that a chain reads, by model, task and split."""
    from mlflow_xfer.data import sources
    from mlflow_xfer.data.encode import encode
    from mlflow_xfer.models import load

    found: dict[str, Any] = {}
    for chain, plan in plans(data).items():
        model = str(CHAINS[chain]["model"])
        begin = beginning(data, model)
        tokenizer = load.load_tokenizer(begin)
        for phase in plan.phases:
            by_name = {task.name: task for task in phase.tasks}
            for rows in phase.rows:
                if rows.task not in by_name:
                    continue  # raw text: see the batches
                task = by_name[rows.task]
                key = " ".join(
                    filter(
                        None,
                        (task.name, task.options.get("choice_scoring", "").replace("head", ""), rows.split),
                    )
                )
                mine = found.setdefault(model, {})
                if key in mine:
                    continue
                table = sources.read(task, rows)
                table = table.select(range(min(ROWS, len(table))))
                made = encode(table, task, tokenizer, 64, decoder=model == DECODER, cached=False)
                mine[key] = {"kind": str(task.kind), "language": rows.language, **described(made)}
    return found


def described(encoded: Any) -> dict[str, Any]:
    """The first rows of an encoded split with their columns, and the counts of what was encoded."""
    rows = []
    for row in range(min(ROWS, len(encoded))):
        shown = {"ids": spaced(encoded.row(row))}
        for name, column in encoded.columns.items():
            token = name.startswith("token_")
            shown[name] = spaced(encoded.token_column(name, row)) if token else int(column[row])
        rows.append(shown)
    return {"rows": rows, "counts": dict(encoded.counts)}


def spaced(numbers: Any) -> str:
    return " ".join(str(int(number)) for number in numbers)


@cache
def beginning(data: Path, model: str) -> Path:
    """The random weights and the tokenizer that chains on ``model`` start from."""
    from mlflow_xfer.phases.corpus import corpus
    from mlflow_xfer.phases.start import starting_point

    chain = next(chain for chain in CHAINS if CHAINS[chain]["model"] == model)
    phase = plans(data)[chain].phases[0]
    out = data / "starts" / model.replace(":", "-")
    return starting_point(phase, phase.inputs[0], out, lambda: corpus(phase))


# -- batches ------------------------------------------------------------
def batches(data: Path) -> dict[str, Any]:
    """Of every training: rows drawn, fresh heads, the order of tasks and rows, digests of first batches."""
    seen: set[str] = set()
    found: dict[str, Any] = {}
    for chain, plan in plans(data).items():
        for label, phase in labelled(plan).items():
            if phase.kind != "evaluate" and phase.procedure != "merge" and phase.spec_hash not in seen:
                seen.add(phase.spec_hash)
                begin = beginning(data, str(CHAINS[chain]["model"]))
                found.setdefault(chain, {})[label] = training(phase, begin, data)
    return found


def training(phase: Any, begin: Path, data: Path) -> dict[str, Any]:
    """What the trainer makes of a phase before its first step, had the phases before it changed no weight."""
    from mlflow_xfer.params.settings import RuntimeOptions
    from mlflow_xfer.phases.train import mixture, parts
    from mlflow_xfer.tasks.task import Mixture
    from mlflow_xfer.training.trainer import Training

    own = parts(phase)
    mixed = mixture(phase) or Mixture(tuple(part.name for part in own))
    made = Training(begin, own, mixed, phase.training, RuntimeOptions(), data / "work", _unlogged, phase.seed)
    steps = made.data
    return {
        "steps": len(steps),
        "rows": {key: len(task.encoded) for key, task in steps.tasks.items()},
        "tokens": {key: digest(task.encoded.tokens) for key, task in steps.tasks.items()},
        "order": " ".join(
            "{}:{}".format(*steps.schedule.at(step)) for step in range(min(SCHEDULED, len(steps)))
        ),
        "walks": {
            key: [spaced(task.epochs.rows(n)) for n in range(BATCHES)] for key, task in steps.tasks.items()
        },
        "batches": [batch_digest(steps[step]) for step in range(min(BATCHES, len(steps)))],
        "heads": {name: head(made.model.head(name), made.model.backbone) for name in made.model.names},
    }


def _unlogged(metrics: Mapping[str, float], step: int) -> None:
    """The trainer's log, which is not kept."""


def batch_digest(batch: Mapping[str, Any]) -> str:
    """A batch's task, real tokens, targets, and a digest of its tensors."""
    tensors = [batch[part][name] for part in ("inputs", "targets") for name in sorted(batch[part])]
    return f"{batch['task'] or 'lm'} tokens={batch['tokens']} targets={batch['count']} {digest(*tensors)}"


def digest(*arrays: Any) -> str:
    found = hashlib.sha256()
    for array in arrays:
        numbers = array.tolist()
        found.update(json.dumps(numbers).encode())
    return found.hexdigest()[:16]


def head(model: Any, backbone: Any) -> str:
    """The first drawn weights of a fresh head."""
    from mlflow_xfer.models.heads import head_tensors

    drawn = {name: tensor for name, tensor in head_tensors(model, backbone).items() if tensor.ndim > 1}
    return "; ".join(
        f"{name} " + " ".join(f"{value:.4f}" for value in tensor.flatten()[:3].tolist())
        for name, tensor in sorted(drawn.items())
    )


FILES: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "../phases/spec_hashes.json": specs,
    "encodings.json": encodings,
    "batches.json": batches,
}


def text(found: Mapping[str, Any]) -> str:
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XFER_HOME"] = str(folder / "home")
        write_data(folder / "data")
        for file, make in FILES.items():
            (HERE / file).write_text(text(make(folder / "data")), encoding="utf-8")


if __name__ == "__main__":
    main()
