"""Runs trainings in one process and on two, some of which are killed: DDP, then FSDP2, over gloo.

One driver imports torch once and forks a process for each rank. ``python ranked.py FOLDER`` writes
``FOLDER/report.json``.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
import torch.distributed.fsdp
import torch.distributed.tensor
from datasets import Dataset
from tiny_world import PAIRS, POS, SENTIMENT, make_model, rows, sentence, texts

from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings
from mlflow_xfer.tasks.task import Mixture, Task
from mlflow_xfer.training import loop as loops
from mlflow_xfer.training.parts import Interrupted, LanguageModelPart, Part
from mlflow_xfer.training.ranks import ALONE, together
from mlflow_xfer.training.trainer import train

SETTINGS = TrainingSettings(
    num_train_epochs=1, train_batch_size=8, max_seq_length=32, learning_rate=1e-3, evaluations=3
)
EXACT = SETTINGS.model_copy(update={"dropout": 0.0})
WORLD = 2


def task(name: str, kind: str, metric: str, **more: object) -> Task:
    return Task(name=name, kind=kind, metric=metric, languages=("en",), sources={}, **more)  # pyright: ignore


CHOICE = task("choice", "multiple_choice", "accuracy")
LIKELY = task("likely", "multiple_choice", "accuracy", options={"choice_scoring": "likelihood"})
SPANS = task("spans", "span_qa", "squad")
NUMBERS = task("numbers", "regression", "pearson")
SEARCH = task("search", "retrieval", "map_at_20")


def others(kind: str, n: int, seed: int = 0) -> Dataset:
    """Rows of the kinds that the tiny world has none of."""
    draw, made = random.Random(f"{kind}-{seed}"), []
    for i in range(n):
        words = [word for word, _ in sentence("en", draw.choice(["good", "bad"]), draw)]
        text, row = " ".join(words), {"id": str(i)}
        if kind == "multiple_choice":
            row |= {"context": text, "question": "which", "choices": words[: 2 + i % 2], "label": i % 2}
        elif kind == "span_qa":
            answer = {"text": [words[1]], "answer_start": [text.index(words[1])]}
            row |= {"question": "who", "context": text, "answers": answer}
        elif kind == "regression":
            row |= {"text_a": text, "text_b": None, "label": float(i % 5)}
        else:
            row |= {"source": text, "target": " ".join(reversed(words)), "context": None, "gold": [str(i)]}
        made.append(row)
    return Dataset.from_list(made)


def part(one: Task, n: int = 41) -> Part:
    """41 rows in batches of 8: the last one has a single row, and one rank none."""
    if one in (SENTIMENT, PAIRS, POS):
        return Part(one, rows(one, "en", n), {"en": rows(one, "en", 16, 1)})
    return Part(one, others(one.kind, n), {"en": others(one.kind, 12, 1)})


def lm() -> LanguageModelPart:
    return LanguageModelPart({language: texts(language, 60) for language in ("en", "de")})


def every_kind(model, work, **more):
    kinds = [SENTIMENT, POS, CHOICE, SPANS, NUMBERS, SEARCH]
    mixed = Mixture(tuple(sorted(one.name for one in kinds)), mlm_share=0.15)
    settings = EXACT.model_copy(update={"max_steps": 24, "evaluations": 1})
    return train(model, [*map(part, kinds), lm()], mixed, settings, work, **more)


def averaged(model, work, **more):
    return train(
        model, [part(SENTIMENT)], None, EXACT.model_copy(update={"select_by": "average"}), work, **more
    )


def dropped(model, work, **more):
    mixed = Mixture((POS.name, SENTIMENT.name), mlm_share=0.3)
    return train(model, [part(POS), part(SENTIMENT), lm()], mixed, SETTINGS, work, **more)


def low_rank(model, work, **more):
    settings = EXACT.model_copy(update={"trainable": "lora", "lora_rank": 4})
    return train(model, [part(LIKELY)], None, settings, work, **more)


SAVED = {"save_every_steps": 2}
PARTED = {**SAVED, "micro_batch": 3}
TRAININGS = {  # name: (what is trained, architecture, runtime options)
    "every_kind": (every_kind, "xlm-roberta", {}),
    "averaged": (averaged, "xlm-roberta", PARTED),
    "dropped": (dropped, "xlm-roberta", SAVED),
    "low_rank": (low_rank, "llama", {}),
}
EXACTLY = ("every_kind", "averaged", "low_rank")
KILLED_AFTER = 3


def at(step: int, do) -> None:
    """Call ``do`` in this process once ``step`` is done, before its state can be saved."""
    original = loops.Loop.after_step

    def patched(self, number):
        original(self, number)
        if number == step:
            do(self)

    loops.Loop.after_step = patched


def killed(rank: int) -> None:
    if rank == 1:
        at(KILLED_AFTER, lambda loop: os.kill(os.getpid(), signal.SIGKILL))


def stopped(rank: int) -> None:
    if rank == 0:
        at(KILLED_AFTER, lambda loop: os.kill(os.getpid(), signal.SIGTERM))


def stalled(rank: int) -> None:
    if rank == 1:
        at(KILLED_AFTER, lambda loop: time.sleep(8))


def forked(run, rank: int) -> int:
    process = os.fork()
    if process == 0:
        status = 1
        try:
            run(rank)
            status = 0
        except Interrupted as error:
            status = error.exit_code
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return process


def sharded(loop) -> list[int]:
    """How many of the model's weights are parts (DTensors), and how many weights there are."""
    from torch.distributed.tensor import DTensor

    every = list(loop.multitask.parameters())
    local = sum(p.to_local().numel() for p in every if isinstance(p, DTensor))
    return [sum(isinstance(p, DTensor) for p in every), len(every), local, sum(p.numel() for p in every)]


def go(
    name: str, folder: Path, work: Path, mode: str = "", disturb=None, patience: float = 60.0
) -> list[int]:
    """Train ``name`` in ``work``, on one process or on two in ``mode``; exit codes of the processes, negative
    where a signal ended one."""
    train_it, architecture, options = TRAININGS[name]
    world = WORLD if mode else 1
    meeting = f"{work}.{time.time_ns()}.meeting"

    def run(rank: int) -> None:
        torch.manual_seed(os.getpid())  # whatever the process did before must not matter
        if disturb:
            disturb(rank)
        if mode and not disturb:
            at(1, lambda loop: Path(f"{work}.{rank}.shards").write_text(json.dumps(sharded(loop))))
        more = {"parallel": mode} if mode else {}
        runtime = RuntimeOptions(device="cpu", processes=world, **options, **more)
        with open(f"{work}.{rank}.jsonl", "a") as file:

            def log(metrics, step):
                file.write(json.dumps([step, dict(metrics)]) + "\n")
                file.flush()

            if not mode:
                train_it(folder / architecture, work, log=log, runtime=runtime, ranks=ALONE)
                return
            with together(rank, world, mode, meeting, torch.device("cpu"), patience) as ranks:
                train_it(folder / architecture, work, log=log, runtime=runtime, ranks=ranks)

    processes = [forked(run, rank) for rank in range(world)]
    return [os.waitstatus_to_exitcode(os.waitpid(one, 0)[1]) for one in processes]


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    os.environ["XFER_HOME"] = str(folder / "home")
    for architecture in ("xlm-roberta", "llama"):
        os.waitpid(forked(lambda _, a=architecture: make_model(folder / a, a), 0), 0)
    report = {name: go(name, folder, folder / name) for name in EXACTLY}
    for mode in ("ddp", "fsdp"):
        there = folder / mode
        there.mkdir()
        for name in TRAININGS:
            report[f"{mode}/{name}"] = go(name, folder, there / name, mode)
        again = there / "killed"
        report[f"{mode}/killed"] = [
            go("dropped", folder, again, mode, killed), go("dropped", folder, again, mode)
        ]  # fmt: skip
        moved = there / "moved"
        report[f"{mode}/moved"] = [go("averaged", folder, moved, mode, killed), go("averaged", folder, moved)]
    back = folder / "back"
    report["back"] = [go("averaged", folder, back, "ddp", killed), go("averaged", folder, back, "fsdp")]
    again = folder / "ddp" / "stopped"
    report["stopped"] = [go("dropped", folder, again, "ddp", stopped), go("dropped", folder, again, "ddp")]
    report["stalled"] = go("averaged", folder, folder / "stalled", "ddp", stalled, patience=2.0)
    (folder / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
