"""What a phase needs of a machine, by the shape of its model and its settings: arithmetic, memory, disk.

Memory is that of one process at its longest batch: where several train together, of one GPU, or of all on
processors. Rows of the embedding that no text holds need no gradient
and no optimiser states (``training/read_rows.py``); how many are held is said by how subwords of XLM-R grow
with the tokens read: 30 · √n on MNLI, RTE and Wikipedia, at most.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_xfer.models import shapes
from mlflow_xfer.models.files import CONFIG
from mlflow_xfer.params.settings import BY_SCORE, RuntimeOptions, TrainingSettings
from mlflow_xfer.phases.machines import GPUS, LAUNCHING, Machine
from mlflow_xfer.phases.phase import BaseModel, Phase
from mlflow_xfer.phases.references import cached_configuration

if TYPE_CHECKING:
    from mlflow_xfer.models.shapes import Shape

FLOAT = 4  # bytes; weights, gradients and moments are float32 in every precision
PROCESS = 0.75e9  # bytes of a process that has imported everything, and of a GPU's context
ROWS = 30.0  # rows of an embedding that n tokens hold, over √n
TOKEN = 1.1e3  # bytes of a tokenizer for a token of its vocabulary: 270 MB for 250,000
STATES = 2  # resume states that are kept at once
STEPPING = 28 / 1e10  # seconds of AdamW for a weight on a CPU: 28 bytes are moved
NF4 = 0.6  # bytes of a weight in 4 bits, scales included
EIGHT_BITS = 1 + 4 / 256  # bytes of a number in 8 bits, with a scale for each 256
PASSES = {"lora": 2, "norms": 2, "prompt": 2, "head": 1}
"""Forward passes that a step's arithmetic is worth; 3 where all matrices have gradients."""

PREDICTED = 8192  # tokens that are predicted at once


@dataclass(frozen=True)
class Needs:
    """Bytes, and floating-point operations.

    Attributes:
        weights: in memory.
        states: gradients and the optimiser's moments.
        activations: of the longest batch, logits included.
        work: disk while it runs: resume states, the best and the average weights, what is published.
        flops: of the whole phase, dev scores included.
        seconds: on the machine asked about; NaN without one.
    """

    weights: float
    states: float
    activations: float
    work: float
    flops: float
    seconds: float = math.nan

    @property
    def memory(self) -> float:
        return PROCESS + self.weights + self.states + self.activations

    def as_dict(self) -> dict[str, float | None]:
        found = {**vars(self), "memory": self.memory}
        return {name: None if math.isnan(value) else value for name, value in found.items()}


@cache
def shape_of(base: BaseModel) -> Shape | None:
    """The shape of a base model; None where its configuration is not at hand or cannot be built."""
    if base.identity.startswith("scratch:"):
        return shapes.of_scratch(base.reference)
    raw = configuration(base)
    try:
        return shapes.of_configuration(raw) if raw is not None else None
    except Exception:  # noqa: BLE001 - what is wrong with it is said where the model is read
        return None


def configuration(base: BaseModel) -> Any:
    """The ``config.json`` of a base model: of a folder, of the local cache, or known by name."""
    file = Path(base.path) / CONFIG
    if not file.is_file():
        file = cached_configuration(base) or file
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return shapes.known(base.reference)


def needs(
    phase: Phase,
    shape: Shape,
    tokens: float,
    dev_tokens: float,
    steps: float,
    runtime: RuntimeOptions,
    machine: Machine | None,
) -> Needs:
    """What ``phase`` needs that trains on (or predicts) ``tokens``, and scores ``dev_tokens`` meanwhile."""
    weights = FLOAT * shape.parameters
    cuda = machine is not None and machine.cuda
    if phase.procedure == "merge":
        return Needs(2 * weights, 0.0, 0.0, weights, 0.0, 0.0)
    length = getattr(phase.settings, "max_seq_length", 0)
    if not isinstance(phase.settings, TrainingSettings):
        flops = tokens * forward(shape, length)
        kept = FLOAT * PREDICTED * (shape.states / 2 + (0 if cuda else length * shape.heads))
        held = weights + beside(shape, cuda)
        return Needs(held, 0.0, kept, 0.0, flops, _seconds(flops, phase, 0.0, 0.0, shape, machine))
    trained = trained_weights(phase, shape, tokens)
    head = lm_share(phase, shape) * 2 * (shape.hidden + shape.vocabulary) * shape.hidden
    passes = passes_of(phase, runtime)
    training = passes * tokens * (forward(shape, length) + head)
    scoring = dev_tokens * forward(shape, length)  # by each of several processes
    held, kept = spread(phase, shape, trained, cuda, runtime)
    together = 1 if cuda else runtime.processes
    batch = activations(phase, shape, rows_at_once(phase, runtime), cuda, runtime.gradient_checkpointing)
    return Needs(
        together * held + (together - 1) * PROCESS,
        together * kept,
        together * batch,
        disk(phase, shape, trained),
        training + scoring * runtime.processes,
        _seconds(
            training / (runtime.processes if cuda else 1) + scoring, phase, steps, trained, shape, machine
        ),
    )


def spread(
    phase: Phase, shape: Shape, trained: float, cuda: bool, runtime: RuntimeOptions
) -> tuple[float, float]:
    """Bytes of weights, and of gradients and moments, of one of the processes that train together."""
    if runtime.processes == 1:
        return held_weights(phase, shape, trained, cuda), states(phase, shape, trained, cuda)
    if runtime.parallel == "ddp":  # gradients lie once more in what is sent
        kept = states(phase, shape, trained, cuda) + FLOAT * trained
        return held_weights(phase, shape, trained, cuda), kept
    if phase.training.trainable == "all":  # all rows of the embedding too
        trained = shape.parameters
    outside, layer = shape.parameters - shape.multiplied, shape.multiplied / shape.layers
    whole = FLOAT * (2 * outside + 3 * layer)  # put together at a time, with their gradients
    held = held_weights(phase, shape, trained, cuda) / runtime.processes
    return held + whole, states(phase, shape, trained, cuda) / runtime.processes


def passes_of(phase: Phase, runtime: RuntimeOptions) -> int:
    """Forward passes that a step's arithmetic is worth; one more where layers are computed again."""
    passes = PASSES.get(phase.training.trainable, 3)
    return passes + 1 if runtime.gradient_checkpointing and passes > 1 else passes


def states(phase: Phase, shape: Shape, trained: float, cuda: bool) -> float:
    """Bytes of the gradients of ``trained`` weights and of the optimiser's moments; paged ones leave a GPU
    that is full."""
    paged = cuda and phase.training.optimizer == "paged_adamw8bit"
    return FLOAT * trained + (0.0 if paged else moments(phase, shape, trained))


def moments(phase: Phase, shape: Shape, trained: float) -> float:
    """Bytes of the optimiser's two moments of ``trained`` weights; those of embeddings keep 32 bits."""
    if phase.training.optimizer == "adamw":
        return 2 * FLOAT * trained
    rows = shape.vocabulary * shape.hidden if phase.training.trainable == "all" else 0.0
    return 2 * (EIGHT_BITS * (trained - rows) + FLOAT * rows)


def forward(shape: Shape, length: float) -> float:
    """Operations for a token of a row of ``length`` tokens, forward: two for each weight that it is
    multiplied with, and its part in attention."""
    return 2 * shape.multiplied + 4 * shape.layers * length * shape.hidden


def lm_share(phase: Phase, shape: Shape) -> float:
    """The share of a training's tokens that a language model predicts."""
    share = 1.0 if phase.kind == "pretrain" else phase.training.mlm_share
    return share * (1.0 if shape.decoder else phase.training.mlm_probability)


def trained_weights(phase: Phase, shape: Shape, tokens: float) -> float:
    """Weights with a gradient and moments, at most."""
    way, hidden = phase.training.trainable, shape.hidden
    if way == "no-embeddings":
        return shape.multiplied
    if way != "all":  # of an adapter rank · (in + out) for each matrix; norms have some vectors, heads little
        rank = phase.training.lora_rank if way == "lora" else 0
        return 2 * rank * shape.multiplied / hidden + 4 * shape.layers * hidden
    if lm_share(phase, shape) or phase.training.optimizer != "adamw":
        return shape.parameters
    epochs = max(1.0, phase.training.num_train_epochs) if not phase.training.max_steps else 1.0
    unread = shape.vocabulary - min(shape.vocabulary, ROWS * math.sqrt(tokens / epochs))
    return shape.parameters - (0.0 if math.isnan(unread) else unread * shape.hidden)


def held_weights(phase: Phase, shape: Shape, trained: float, cuda: bool) -> float:
    """Bytes of weights in memory while ``phase`` trains, with copies for the products and of the rows that
    are trained."""
    outside = shape.parameters - shape.multiplied
    matrices = NF4 if phase.training.quantize == "nf4" else FLOAT + (2 if cuda else 0)
    rows = 0.0
    if phase.training.trainable == "all" and trained < shape.parameters:
        rows = trained - (shape.parameters - shape.vocabulary * shape.hidden)
    return matrices * shape.multiplied + FLOAT * (outside + rows) + beside(shape, cuda)


def beside(shape: Shape, cuda: bool) -> float:
    """Bytes that a training on processors holds beside its weights: their file, mapped, and the tokenizer."""
    return 0.0 if cuda else FLOAT * shape.parameters + TOKEN * shape.vocabulary


def rows_at_once(phase: Phase, runtime: RuntimeOptions) -> int:
    batch = math.ceil(phase.training.train_batch_size / runtime.processes)
    return min(batch, runtime.micro_batch) if runtime.micro_batch else batch


def activations(phase: Phase, shape: Shape, rows: int, cuda: bool, again: bool = False) -> float:
    """Bytes that the backward pass of ``rows`` of the longest texts needs; ``again``: all but the inputs of
    layers is computed again, a layer at a time."""
    settings = phase.training
    tokens = rows * (settings.max_seq_length + settings.prompted)
    width = 0.5 if cuda and settings.precision != "fp32" else 1.0
    attention = 0.0  # of a GPU's kernels, and of the CPU's without dropout, next to nothing
    if not cuda and not shape.decoder and settings.dropout != 0.0:
        attention = 3 * settings.max_seq_length * shape.heads
    logits = 3 * lm_share(phase, shape) * shape.vocabulary
    layer = shape.states + attention
    layers = shape.layers * shape.hidden + layer if again else shape.layers * layer
    return FLOAT * tokens * (width * layers + logits)


def disk(phase: Phase, shape: Shape, trained: float) -> float:
    """Bytes that lie in the work folder at most, the checkpoint before it is published included. States hold
    the part of the weights that is trained."""
    weights, by = FLOAT * shape.parameters, phase.training.select_by
    part = weights if phase.training.trainable == "all" else FLOAT * trained
    state = part + moments(phase, shape, trained) + (part if by == "average" else 0.0)
    return (STATES + 1) * state + (STATES * part if by in BY_SCORE else 0.0) + weights


def _seconds(
    flops: float, phase: Phase, steps: float, trained: float, shape: Shape, machine: Machine | None
) -> float:
    if machine is None:
        return math.nan
    multiplying = flops / machine.reached(getattr(phase.settings, "precision", "fp32"))
    if machine.cuda:
        return max(multiplying, steps * shape.layers * LAUNCHING)
    return multiplying + steps * trained * STEPPING


def remedies(phase: Phase, shape: Shape, found: Needs, machine: Machine) -> list[str]:
    """What would make ``phase`` fit ``machine``, which holds less than it needs: less of a batch at once,
    fewer weights that are trained, or a larger GPU."""
    said = []
    if isinstance(phase.settings, TrainingSettings):
        fixed = found.memory - found.activations
        ways = [("", phase, fixed, False), ("gradient_checkpointing=true ", phase, fixed, True)]
        if phase.settings.trainable == "all":
            for name, more in (("trainable=lora", {}), ("trainable=lora quantize=nf4", {"quantize": "nf4"})):
                given = phase.settings.given() | {"trainable": "lora"} | more
                one = replace(phase, settings=TrainingSettings.of(given))
                trained = trained_weights(one, shape, math.nan)
                held = held_weights(one, shape, trained, machine.cuda)
                fixed = PROCESS + held + states(one, shape, trained, machine.cuda)
                ways.append((f"{name} ", one, fixed, False))
        for name, one, fixed, again in ways:
            if rows := most_rows(one, shape, fixed, machine, again):
                said.append(f"{name}micro_batch={rows}")
                break
        if machine.cuda and (several := enough(phase, shape, machine)):
            said.append(f"processes={several} parallel=fsdp on as many of these GPUs")
    larger = [name for name, gpu in GPUS.items() if gpu.memory >= found.memory]
    if larger:
        said.append(f"a GPU such as {' or '.join(larger[:2])}")
    return said


def enough(phase: Phase, shape: Shape, machine: Machine) -> int:
    """How many GPUs such as ``machine`` hold ``phase`` together; 0: those of one host do not."""
    trained = trained_weights(phase, shape, math.nan)
    for several in (2, 4, 8):
        runtime = RuntimeOptions(processes=several, parallel="fsdp")
        fixed = PROCESS + sum(spread(phase, shape, trained, True, runtime))
        rows = rows_at_once(phase, runtime)
        if several <= phase.training.train_batch_size and (
            fixed + activations(phase, shape, rows, True) <= machine.memory
        ):
            return several
    return 0


def most_rows(phase: Phase, shape: Shape, fixed: float, machine: Machine, again: bool = False) -> int:
    """The most rows of a batch, halved again and again, that ``machine`` computes at once beside ``fixed``
    bytes; 0: not one. ``again``: with gradient checkpointing."""
    rows = phase.training.train_batch_size
    while rows and fixed + activations(phase, shape, rows, machine.cuda, again) > machine.memory:
        rows //= 2
    return rows
