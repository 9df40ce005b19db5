"""Runs trainings in processes of their own that are killed at a given point, then again to the end.

One driver imports torch once and forks a process for each run. ``python killed.py FOLDER SCENARIO...`` writes
``FOLDER/report.json``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from tiny_world import PAIRS, POS, SENTIMENT, make_model, rows, texts

from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings
from mlflow_xfer.tasks.task import Mixture
from mlflow_xfer.training import loop as loops
from mlflow_xfer.training.parts import Interrupted, LanguageModelPart, Part
from mlflow_xfer.training.trainer import train

SETTINGS = TrainingSettings(
    num_train_epochs=3, train_batch_size=16, max_seq_length=64, learning_rate=1e-3, evaluations=6
)
LANGUAGES = ("en", "de")


def part(task):
    return Part(task, rows(task, "en", 120), {"en": rows(task, "en", 40, 1)})


def lm():
    return LanguageModelPart({language: texts(language, 150) for language in LANGUAGES})


def single(model, work, log):
    return train(
        model, [part(SENTIMENT)], None, SETTINGS, work, log=log, runtime=RuntimeOptions(save_every_steps=5)
    )


def lora(model, work, log):
    settings = SETTINGS.model_copy(update={"trainable": "lora", "lora_dropout": 0.1, "lora_rank": 4})
    return train(
        model, [part(SENTIMENT)], None, settings, work, log=log, runtime=RuntimeOptions(save_every_steps=5)
    )


def mixture(model, work, log):
    mixed = Mixture((PAIRS.name, POS.name, SENTIMENT.name), mlm_share=0.3)
    parts = [part(PAIRS), part(POS), part(SENTIMENT), lm()]
    return train(
        model,
        parts,
        mixed,
        SETTINGS.model_copy(update={"num_train_epochs": 1.5}),
        work,
        log=log,
        runtime=RuntimeOptions(save_every_steps=6),
    )


def average(model, work, log):
    return train(
        model,
        [part(POS)],
        None,
        SETTINGS.model_copy(update={"select_by": "average"}),
        work,
        log=log,
        runtime=RuntimeOptions(save_every_steps=5),
    )


def causal(model, work, log):
    settings = SETTINGS.model_copy(update={"max_steps": 20, "select_by": "last"})
    return train(model, [lm()], None, settings, work, log=log, runtime=RuntimeOptions(save_every_steps=5))


def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def after(step, number=signal.SIGKILL):
    """Send ``number`` to this process once ``step`` is done, before its state can be saved."""
    original = loops.Loop.after_step

    def patched(self, at):
        original(self, at)
        if at == step:
            os.kill(os.getpid(), number)

    loops.Loop.after_step = patched


def within(method, call):
    """Be killed when ``method`` of the loop is called for the ``call``-th time:
    between two files of a folder.
    """
    original, calls = getattr(loops.Loop, method), []

    def patched(self, *args):
        calls.append(1)
        if len(calls) == call:
            kill()
        return original(self, *args)

    setattr(loops.Loop, method, patched)


SCENARIOS = {  # name: (what is trained, architecture, how it dies)
    "after_a_step": (single, "xlm-roberta", lambda: after(13)),
    "within_a_state": (single, "xlm-roberta", lambda: within("_save_rng_state", 3)),
    "within_the_best": (single, "xlm-roberta", lambda: within("_write_weights", 4)),
    "before_the_first_state": (single, "xlm-roberta", lambda: after(2)),
    "on_sigterm": (single, "xlm-roberta", lambda: after(13, signal.SIGTERM)),
    "mixture_with_mlm": (mixture, "xlm-roberta", lambda: after(20)),
    "mixture_within_a_state": (mixture, "xlm-roberta", lambda: within("_save_rng_state", 2)),
    "average_of_epochs": (average, "xlm-roberta", lambda: after(17)),
    "causal_lm": (causal, "llama", lambda: after(13)),
    "low_rank": (lora, "llama", lambda: after(13)),
    "when_publishing": (single, "xlm-roberta", lambda: setattr(loops.Loop, "load_best", kill)),
}


def forked(run) -> int:
    """Exit status of ``run`` in a process of its own; the number of the signal that ended it, negative."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            run()
            status = 0
        except Interrupted as stopped:
            status = stopped.exit_code
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def one(train_it, folder: Path, work: Path, die=None):
    """One process: train in ``work`` from the model in ``folder``,
    what it reports appended to ``work``.jsonl.
    """

    def run():
        torch.manual_seed(os.getpid())  # whatever the process did before must not matter
        if die:
            die()
        with open(f"{work}.jsonl", "a") as file:

            def log(metrics, step):
                file.write(json.dumps([step, dict(metrics)]) + "\n")
                file.flush()

            train_it(folder, work, log)

    return forked(run)


def main(folder: Path, names: list[str]) -> None:
    torch.set_num_threads(1)
    os.environ["XFER_HOME"] = str(folder / "home")
    report, scenarios = {}, {name: SCENARIOS[name] for name in names}
    for architecture in {architecture for _, architecture, _ in scenarios.values()}:
        forked(lambda architecture=architecture: make_model(folder / architecture, architecture))
    for train_it, architecture in dict.fromkeys((s[0], s[1]) for s in scenarios.values()):
        report[train_it.__name__] = one(train_it, folder / architecture, folder / train_it.__name__)
    for name, (train_it, architecture, die) in scenarios.items():
        work = folder / name
        died = one(train_it, folder / architecture, work, die)
        left = sorted(p.name for p in (work / "resume").iterdir()) if (work / "resume").is_dir() else []
        resumed = one(train_it, folder / architecture, work)
        report[name] = {"undisturbed": train_it.__name__, "died": died, "left": left, "resumed": resumed}
    (folder / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
