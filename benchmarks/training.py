"""How fast training is: useful tokens per second against two baselines, at equal evaluation loss.

    python benchmarks/training.py TEXTS --pairs FILE.jsonl --model DIR --length 64 --experiments pairs
    python benchmarks/training.py TEXTS [--pairs FILE.jsonl] [--size mini] [--updates 200] [--seeds 3] [--out
    FILE.json] python benchmarks/training.py TEXTS --device cuda --size base --bf16 --batch 256

TEXTS is a folder of ``<language>.txt``, one text a line. All arms train the same model from the same weights,
with the same optimizer, schedule and number of updates on the same hardware, one after the other within each
seed (the order turns from seed to seed):

- ``example``: what transformers' run_mlm.py and run_glue.py do by default: texts joined and cut every 128
  tokens, loss over all logits; pairs padded to 128 tokens; float32.
- ``tuned``: a plain Trainer at its best: joined texts (no padding at all), pairs padded to the longest of a
  batch and grouped by length, bf16 where asked, workers that make batches, no checks that wait for the GPU.
- ``ours``: :func:`mlflow_xfer.training.trainer.train`.
- ``frozen``: the same with embeddings that are not trained: what leaving out the rows that no text holds can
  save at most (pairs only).

A useful token is one that is not padding. The clock runs from the end of the warm-up updates to the last one,
checkpoints and evaluation excluded. Evaluation loss is one and the same function for all arms, on texts held
out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from datasets import Dataset
from torch import nn
from transformers import (
    DataCollatorForLanguageModeling,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from mlflow_xfer.data.encode import encode
from mlflow_xfer.models.heads import build
from mlflow_xfer.models.load import SIZES, load_lm, load_tokenizer, quiet, random_lm, save
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings
from mlflow_xfer.tasks.task import Mixture, Task
from mlflow_xfer.training.batches import reading, task_batch
from mlflow_xfer.training.devices import autocast, pick
from mlflow_xfer.training.lm import TEXT, lm_losses
from mlflow_xfer.training.parts import LanguageModelPart, Part
from mlflow_xfer.training.trainer import Training

ARMS = ("example", "tuned", "frozen", "ours")
OURS = ("frozen", "ours")  # trained by this package
BASE = {"hidden": 768, "layers": 12, "heads": 12, "inner": 3072, "std": 0.02}  # XLM-R base
LOGGED_EVERY = 10  # updates; reading a loss waits for the GPU
HELD_OUT = 20  # every so many-th text, and pair, is for evaluation


@dataclass(frozen=True)
class Plan:
    """What is measured."""

    size: str = "mini"
    device: str = "cpu"
    bf16: bool = False
    batch: int = 32
    updates: int = 200
    warm_up: int = 20
    learning_rate: float = 1e-3
    vocab_size: int = 32_000
    workers: int = 0
    compile: bool = False
    length: int = 128
    model: str = ""


@dataclass(frozen=True)
class Result:
    """One arm with one seed."""

    arm: str
    seed: int
    tokens_per_s: float
    tokens_per_cpu_s: float
    eval_loss: float
    seconds: float
    tflops: float = 0.0
    peak_mb: float = 0.0


# -- data ----------------------------------------------------------------------------------------------------
def read_texts(folder: Path) -> list[str]:
    """All lines of ``<language>.txt``, mixed."""
    lines = [
        line
        for file in sorted(folder.glob("*.txt"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    return [lines[i] for i in np.random.default_rng(0).permutation(len(lines))]


def read_pairs(file: Path | None, texts: Sequence[str]) -> tuple[Task, list[dict]]:
    """Labelled pairs of ``file`` (premise, hypothesis, label), else halves of texts:
    do they belong together?
    """
    if file:
        raw = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        rows = [{"text_a": r["premise"], "text_b": r["hypothesis"], "label": str(r["label"])} for r in raw]
    else:
        halves = [(t[: len(t) // 2], t[len(t) // 2 :]) for t in texts if len(t) > 40]
        others = halves[1:] + halves[:1]
        rows = [
            {"text_a": a, "text_b": b if i % 2 else other, "label": "same" if i % 2 else "other"}
            for i, ((a, b), (_, other)) in enumerate(zip(halves, others, strict=True))
        ]
    labels = tuple(sorted({row["label"] for row in rows}))
    task = Task(
        name="pairs",
        kind="classification",
        metric="accuracy",
        languages=("en",),
        sources={},
        labels=labels,
    )
    return task, [{"id": str(i), **row} for i, row in enumerate(rows)]


def split(rows: Sequence[Any]) -> tuple[list, list]:
    """(training, held out)."""
    return [r for i, r in enumerate(rows) if i % HELD_OUT], [
        r for i, r in enumerate(rows) if i % HELD_OUT == 0
    ]


def make_model(folder: Path, texts: Sequence[str], plan: Plan) -> Path:
    """A model with random weights and a tokenizer trained on ``texts``, filled up to the size asked for."""
    from transformers import XLMRobertaConfig

    tokenizer = train_tokenizer(texts, plan.vocab_size, "xlm-roberta")
    missing = plan.vocab_size - len(tokenizer)
    if missing > 0:  # texts too few for so many pieces: the rows of the embedding count, not what they mean
        tokenizer.add_tokens([f"<unused{i}>" for i in range(missing)])
    row = BASE if plan.size == "base" else SIZES[plan.size]
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=row["hidden"],
        num_hidden_layers=row["layers"],
        num_attention_heads=row["heads"],
        intermediate_size=row["inner"],
        initializer_range=row["std"],
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
    )
    return save(random_lm(config, 0), tokenizer, folder)


# -- arms ----------------------------------------------------------------------------------------------------
class Stopwatch(TrainerCallback):
    """Seconds between the end of the warm-up and the last update."""

    def __init__(self, plan: Plan):
        self.plan, self.cuda = plan, plan.device == "cuda"

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step in (self.plan.warm_up, self.plan.updates):
            if self.cuda:
                torch.cuda.synchronize()
            now = (time.perf_counter(), time.process_time())
            if state.global_step == self.plan.warm_up:
                self.begun = now
            else:
                self.wall, self.cpu = (end - begin for end, begin in zip(now, self.begun, strict=True))


class Rows(torch.utils.data.Dataset):
    """Rows that are mappings."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]):
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Mapping[str, Any]:
        return self.rows[i]


def arguments(plan: Plan, seed: int, folder: Path, lm: bool, tuned: bool) -> TrainingArguments:
    """The same optimizer and schedule for all; what ``tuned`` adds."""
    extra: dict[str, Any] = {}
    if tuned:
        extra = {
            "torch_compile": plan.compile,
            "bf16": plan.bf16,
            "dataloader_num_workers": plan.workers,
            "logging_nan_inf_filter": False,
            "tf32": True if plan.device == "cuda" else None,
        }
        if not lm:
            extra["train_sampling_strategy"] = "group_by_length"
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=plan.updates,
        per_device_train_batch_size=plan.batch,
        learning_rate=plan.learning_rate,
        warmup_steps=int(0.1 * plan.updates),
        weight_decay=0.01,
        adam_beta2=0.98 if lm else 0.999,
        use_cpu=plan.device == "cpu",
        seed=seed,
        save_strategy="no",
        logging_steps=LOGGED_EVERY,
        report_to=[],
        disable_tqdm=True,
        **extra,
    )


def joined(texts: Sequence[str], tokenizer: Any, length: int) -> list[dict]:
    """run_mlm.py's group_texts: all texts one after the other, cut every ``length`` tokens."""
    ids = np.concatenate([np.asarray(row) for row in tokenizer(list(texts), verbose=False)["input_ids"]])
    n = len(ids) // length * length
    return [{"input_ids": row.tolist()} for row in ids[:n].reshape(-1, length)]


def run_plain(
    model: nn.Module,
    collate: Callable,
    rows: list,
    plan: Plan,
    seed: int,
    folder: Path,
    lm: bool,
    tuned: bool,
) -> tuple[Stopwatch, int]:
    """(times, useful tokens between them) of a plain Trainer."""
    watch = Stopwatch(plan)
    seen: list[int] = []

    def counted(batch: list) -> Any:
        made = collate(batch)
        made["useful"] = torch.tensor(sum(len(row["input_ids"]) for row in batch))
        return made

    class Counting(Trainer):
        def training_step(
            self, model: nn.Module, inputs: dict, num_items_in_batch: Any = None
        ) -> torch.Tensor:
            seen.append(inputs.pop("useful"))
            return super().training_step(model, inputs, num_items_in_batch)

    args = arguments(plan, seed, folder, lm, tuned)
    args.remove_unused_columns = False
    trainer = Counting(
        model=model, args=args, train_dataset=Rows(rows), data_collator=counted, callbacks=[watch]
    )
    silence(trainer)
    trainer.train()
    return watch, int(sum(int(n) for n in seen[plan.warm_up :]))


def silence(trainer: Trainer) -> None:
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ == "PrinterCallback":
            trainer.remove_callback(callback)


def run_ours(
    model_dir: Path,
    part: Part | LanguageModelPart,
    plan: Plan,
    seed: int,
    folder: Path,
    trainable: str = "all",
) -> tuple[Stopwatch, int, nn.Module]:
    settings = TrainingSettings(
        learning_rate=plan.learning_rate,
        max_steps=plan.updates,
        train_batch_size=plan.batch,
        max_seq_length=plan.length,
        warmup_ratio=0.1,
        weight_decay=0.01,
        precision="bf16" if plan.bf16 else "fp32",
        select_by="last",
        alpha=1.0,
        trainable=trainable,
    )
    runtime = RuntimeOptions(device=plan.device, save_every_s=1e9, compile=plan.compile)
    training = Training(
        model_dir,
        [part],
        Mixture((part.name,)),
        settings,
        runtime,
        folder,
        lambda metrics, step: None,
        seed,
    )
    loop, watch, at = training.loop(), Stopwatch(plan), {}
    loop.save_is_due = lambda step: False
    loop.log_every = LOGGED_EVERY
    original = loop.after_step

    def after_step(step: int) -> None:
        at[step] = loop.tally.tokens
        original(step)

    loop.after_step = after_step
    loop.add_callback(watch)
    loop.run()
    return watch, at[plan.updates] - at[plan.warm_up], training.model


# -- experiments ---------------------------------------------------------------------------------------------
def mlm(model_dir: Path, texts: Sequence[str], plan: Plan, arm: str, seed: int, folder: Path) -> Result:
    tokenizer = load_tokenizer(model_dir)
    train, held = split(texts)
    if arm == "ours":
        part = LanguageModelPart(
            {"all": Dataset.from_list([{"id": str(i), "text": t} for i, t in enumerate(train)])}
        )
        watch, tokens, model = run_ours(model_dir, part, plan, seed, folder)
        lm, asked = model.lm, 0.15
    else:
        lm, asked = load_lm(model_dir), 1.0
        collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
        watch, tokens = run_plain(
            lm, collate, joined(train, tokenizer, plan.length), plan, seed, folder, True, arm == "tuned"
        )
    backbone = getattr(lm, lm.base_model_prefix)
    rows = encode(
        Dataset.from_list([{"id": str(i), "text": t} for i, t in enumerate(held)]),
        TEXT,
        tokenizer,
        plan.length,
    )
    lm.eval()
    with autocast(pick(plan.device), "bf16" if plan.bf16 else "fp32"):
        loss = lm_losses(lm, backbone, tokenizer, {"all": rows})["all"]
    flops = tokens * flops_per_token(backbone.config, asked, plan.length)
    return Result(
        arm, seed, tokens / watch.wall, tokens / watch.cpu, loss, watch.wall, flops / watch.wall / 1e12
    )


def pairs(
    model_dir: Path, task: Task, rows: list[dict], plan: Plan, arm: str, seed: int, folder: Path
) -> Result:
    tokenizer = load_tokenizer(model_dir)
    train, held = split(rows)
    if arm in OURS:
        part, trainable = Part(task, Dataset.from_list(train)), "no-embeddings" if arm == "frozen" else "all"
        watch, tokens, model = run_ours(model_dir, part, plan, seed, folder, trainable)
    else:
        model = build(model_dir, [task], False, seed)
        encoded = tokenizer(
            [r["text_a"] for r in train],
            [r["text_b"] for r in train],
            truncation=True,
            max_length=plan.length,
        )["input_ids"]
        made = [
            {"input_ids": ids, "labels": task.labels.index(r["label"])}
            for ids, r in zip(encoded, train, strict=True)
        ]
        padding = (
            {"padding": "longest"} if arm == "tuned" else {"padding": "max_length", "max_length": plan.length}
        )
        collate = DataCollatorWithPadding(
            tokenizer, **padding, pad_to_multiple_of=8 if plan.device == "cuda" and arm == "tuned" else None
        )
        watch, tokens = run_plain(
            model.head(task.name), collate, made, plan, seed, folder, False, arm == "tuned"
        )
    loss = classification_loss(model, task, Dataset.from_list(held), tokenizer, plan)
    flops = tokens * flops_per_token(model.config, 0.0, plan.length)
    return Result(
        arm, seed, tokens / watch.wall, tokens / watch.cpu, loss, watch.wall, flops / watch.wall / 1e12
    )


@torch.inference_mode()
def classification_loss(model: Any, task: Task, held: Dataset, tokenizer: Any, plan: Plan) -> float:
    """Mean cross-entropy on the held-out pairs."""
    model.eval()
    where = next(model.parameters()).device
    encoded = encode(held, task, tokenizer, plan.length)
    how = reading(tokenizer, model.config, False)
    total = 0.0
    with autocast(pick(plan.device), "bf16" if plan.bf16 else "fp32"):
        for begin in range(0, len(encoded), 64):
            batch = task_batch(
                task.name, task.kind, encoded, list(range(begin, min(begin + 64, len(encoded)))), how
            )
            placed = [{k: t.to(where) for k, t in batch[name].items()} for name in ("inputs", "targets")]
            total += float(model(task.name, placed[1], 1.0, **placed[0]))
    return total / len(encoded)


def flops_per_token(config: Any, asked: float, length: int = 128) -> float:
    """Multiply-adds × 2 of forward and backward (× 3) for a token;
    the LM head for a share ``asked`` of them.
    """
    d, inner = config.hidden_size, config.intermediate_size
    body = config.num_hidden_layers * (4 * d * d + 2 * d * inner + 2 * length * d)
    return 6.0 * (body + asked * (d * d + d * config.vocab_size))


def matmul_tflops(n: int = 8192, repeats: int = 20) -> float:
    """What a bf16 product of two random matrices reaches on this GPU."""
    a, b = (torch.randn(n, n, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(5):
        a @ b
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(repeats):
        a @ b
    torch.cuda.synchronize()
    return 2 * n**3 * repeats / (time.perf_counter() - begun) / 1e12


# -- report --------------------------------------------------------------------------------------------------
def summary(results: Sequence[Result]) -> dict[str, Any]:
    """Medians, ratios paired within seeds, and the loss difference in standard errors."""
    measured = [arm for arm in ARMS if any(r.arm == arm for r in results)]
    by = {arm: sorted((r for r in results if r.arm == arm), key=lambda r: r.seed) for arm in measured}
    found: dict[str, Any] = {"arms": {}, "ours_over": {}}
    for arm, rows in by.items():
        losses = [r.eval_loss for r in rows]
        found["arms"][arm] = {
            "tokens_per_s": round(statistics.median(r.tokens_per_s for r in rows)),
            "tokens_per_cpu_s": round(statistics.median(r.tokens_per_cpu_s for r in rows)),
            "eval_loss": round(statistics.mean(losses), 4),
            "eval_loss_se": round(error(losses), 4),
            "tflops": round(statistics.median(r.tflops for r in rows), 3),
            "peak_mb": round(statistics.median(r.peak_mb for r in rows)),
        }
    for arm in (arm for arm in measured if arm != "ours"):
        pairs_of = list(zip(by["ours"], by[arm], strict=True))
        gap = statistics.mean(o.eval_loss - t.eval_loss for o, t in pairs_of)
        se = error([o.eval_loss for o in by["ours"]] + [], by[arm])
        found["ours_over"][arm] = {
            "speed": round(statistics.median(o.tokens_per_s / t.tokens_per_s for o, t in pairs_of), 2),
            "speed_cpu_time": round(
                statistics.median(o.tokens_per_cpu_s / t.tokens_per_cpu_s for o, t in pairs_of), 2
            ),
            "speed_by_seed": [round(o.tokens_per_s / t.tokens_per_s, 2) for o, t in pairs_of],
            "eval_loss_difference": round(gap, 4),
            "standard_errors": round(gap / se, 2) if se else None,
            "memory": round(statistics.median(o.peak_mb / max(t.peak_mb, 1) for o, t in pairs_of), 2),
        }
    return found


def error(losses: Sequence[float], others: Sequence[Result] = ()) -> float:
    """Standard error of a mean, or of the difference to the mean of ``others``."""
    groups = [list(losses), *([[r.eval_loss for r in others]] if others else [])]
    return sum(statistics.variance(g) / len(g) for g in groups if len(g) > 1) ** 0.5


class Peak:
    """The most memory that the process held within this context beyond what it held at its beginning, in MB;
    0 where the kernel does not say."""

    def __enter__(self) -> Peak:
        import ctypes
        import gc

        gc.collect()
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5")  # the highest so far is now
        self.before = self._held("VmRSS")
        return self

    def __exit__(self, *error: object) -> None:
        self.mb = self._held("VmHWM") - self.before

    @staticmethod
    def _held(name: str) -> float:
        status = Path("/proc/self/status")
        lines = status.read_text().splitlines() if status.is_file() else []
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), 0.0)


def measure(
    texts_folder: Path,
    pairs_file: Path | None,
    plan: Plan,
    seeds: int,
    which: Sequence[str],
    note: Callable[[str], None] = print,
    arms: Sequence[str] = ARMS,
) -> dict[str, Any]:
    """All arms of the experiments ``which``."""
    texts = read_texts(texts_folder)
    task, rows = read_pairs(pairs_file, texts)
    about = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "machine": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
    }
    if plan.device == "cuda":
        about |= {"gpu": torch.cuda.get_device_name(), "matmul_bf16_tflops": round(matmul_tflops(), 1)}
    report: dict[str, Any] = {"plan": asdict(plan), "seeds": seeds, "about": about}
    with tempfile.TemporaryDirectory() as scratch, quiet():
        model_dir = (
            Path(plan.model) if plan.model else make_model(Path(scratch) / "model", split(texts)[0], plan)
        )
        about["vocabulary"] = len(load_tokenizer(model_dir))
        experiments = {
            "mlm": lambda arm, seed, folder: mlm(model_dir, texts, plan, arm, seed, folder),
            "pairs": lambda arm, seed, folder: pairs(model_dir, task, rows, plan, arm, seed, folder),
        }
        for name in which:
            results = []
            for seed in range(seeds):
                turned = [*arms[seed % len(arms) :], *arms[: seed % len(arms)]]
                for arm in turned:
                    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = (
                        False  # the tuned arm's choice alone
                    )
                    with Peak() as peak:
                        found = experiments[name](arm, seed, Path(scratch) / f"{name}-{arm}-{seed}")
                    results.append(replace(found, peak_mb=round(peak.mb)))
                    note(f"{name} {results[-1]}")
            report[name] = {**summary(results), "runs": [asdict(r) for r in results]}
    return report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", type=Path)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--size", choices=[*SIZES, "base"], default="mini")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--updates", type=int, default=200)
    parser.add_argument("--warm-up", type=int, default=20)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--vocab-size", type=int, default=32_000)
    parser.add_argument("--workers", type=int, default=0, help="batch-making processes of the tuned arm")
    parser.add_argument("--compile", action="store_true", help="torch.compile in the arms tuned and ours")
    parser.add_argument("--length", type=int, default=128, help="most tokens of a row")
    parser.add_argument("--model", default="", help="a checkpoint, in the place of random weights")
    parser.add_argument("--arms", default="example,tuned,ours", help="of example,tuned,frozen,ours")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--experiments", default="mlm,pairs")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    plan = Plan(**{name: getattr(given, name) for name in Plan.__dataclass_fields__})
    report = measure(
        given.texts,
        given.pairs,
        plan,
        given.seeds,
        given.experiments.split(","),
        lambda line: print(line, flush=True),
        given.arms.split(","),
    )
    text = json.dumps(report, indent=1)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(
        json.dumps(
            {
                name: {k: report[name][k] for k in ("arms", "ours_over")}
                for name in given.experiments.split(",")
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
