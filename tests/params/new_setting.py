"""Run inside a copy of the package to which settings were added: prints where they arrived, as JSON."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path

from click.testing import CliRunner
from mlflow.projects._project_spec import load_project

from mlflow_xfer import api, cli, params, project
from mlflow_xfer.commands.running import opened
from mlflow_xfer.params.chain import Transfer
from mlflow_xfer.params.reading import read
from mlflow_xfer.phases.execute import Executor
from mlflow_xfer.phases.plan import make_plan
from mlflow_xfer.phases.references import References
from mlflow_xfer.searching.space.parsing import read_space

TEXTS = str(Path(__file__).resolve().parents[1] / "texts")
CHAIN = {"intermediate": "nli", "target": "pos", "max_steps": 1, "max_train_examples": 8}


def planned(**typed: object):
    plan = make_plan("transfer", read(Transfer, CHAIN | typed), References(lambda: None))
    return {phase.kind: phase for phase in plan.phases if phase.kind != "pretrain"}


def hashes(**typed: object) -> list[str]:
    return [phase.spec_hash for phase in planned(**typed).values()]


def arrived(name: str, root: Path, meaning: str = "a new setting", neutral: float = 0) -> dict[str, bool]:
    """Where a setting of that name is known, what it means, and its neutral value."""
    entry = load_project(str(root)).get_entry_point("intermediate")
    command = entry.compute_command({name: "3"}, None)
    return {
        "help": all(
            f"--{name}" in CliRunner().invoke(cli.cli, [verb, "--help"]).output
            for verb in ("pretrain", "intermediate", "target", "transfer", "search", "rank")
        ),
        "signature": name in inspect.signature(api.transfer).parameters,
        "docstring": f"{name}: {meaning}" in (api.transfer.__doc__ or ""),
        "mlproject": f"--{name} 3" in command,
        "documentation": f"`{name}`" in project.parameter_page(),
        "hash": hashes() != hashes(**{name: 3}),
        "neutral hash": hashes() == hashes(**{name: neutral}),
    }


def trained() -> dict[str, object]:
    """What the run and the training of a phase know of both settings."""
    from mlflow_xfer.training import trainer

    seen, usual = {}, trainer.Training.__init__

    def watched(self, *args, **kwargs):
        usual(self, *args, **kwargs)
        seen.update(settings=self.settings.dummy, runtime=self.runtime.dummy_place)

    trainer.Training.__init__ = watched
    with opened() as store:
        typed = {"dummy": 3, "dummy_place": 4, "model": "scratch:xlm-roberta:tiny", "text": TEXTS}
        chain = read(Transfer, CHAIN | typed)
        plan = make_plan("transfer", chain, References(lambda: store))
        executor = Executor(store, runtime=chain.runtime)
        run = executor.ensure(plan.phases[0]).run_id
        store.flush()
        view = store.get(run)
    return seen | {"params": view.params}


if __name__ == "__main__":
    root = Path(sys.argv[1])
    space = read_space("dummy=open,mlm_share=0.2", ["nli", "pos"])
    found = {
        "dummy": arrived("dummy", root),
        "dummy_place": arrived("dummy_place", root),
        "space": [str(one) for one in space.ranges if one.name == "dummy"],
        "candidate": space.candidate({"task.nli": 1, "dummy": 7}).label,
        "scoped": hashes(**{"target.dummy": 3})[0] == hashes()[0] != "",
        "unchanged": params.typed(planned()["target"].settings.dummy),
        "trained": trained(),
    }
    print(json.dumps(found))
