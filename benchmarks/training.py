"""How fast training is: useful tokens per second against two baselines, at equal evaluation loss.

    python benchmarks/training.py TEXTS --pairs FILE.jsonl --model DIR --length 64 --experiments pairs
    python benchmarks/training.py TEXTS [--pairs FILE.jsonl] [--size mini] [--updates 200] [--seeds 3]
    python benchmarks/training.py TEXTS --device cuda --size base --bf16 --batch 256

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
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
import transformers

sys.path.insert(0, str(Path(__file__).parent))

from training_experiments import mlm, pairs  # noqa: E402
from training_rows import Plan, make_model, read_pairs, read_texts, split  # noqa: E402
from training_summary import ARMS, Peak, matmul_tflops, summary  # noqa: E402

from mlflow_xfer.models.load import load_tokenizer, quiet  # noqa: E402
from mlflow_xfer.models.scratch import SIZES  # noqa: E402


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
