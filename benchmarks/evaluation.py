"""How fast zero-shot evaluation is: all languages in one stream,
against a loop over languages as XTREME's scripts run it.

    python benchmarks/evaluation.py DATA [--size small] [--rows 600] [--tasks xnli,panx,xquad]
    python benchmarks/evaluation.py DATA --tasks none --bucc zh --faiss PYTHON_WITH_FAISS

DATA is a folder in XTREME's layout. The model is an encoder with random weights; its tokenizer is trained on
the rows themselves, so that no language falls apart into characters (XLM-R's own covers them all too). Both
arms predict with the same model and head on the same rows, one after the other in each repeat:

- ``loop``: for each language, every row padded to the scripts' ``max_seq_length`` and batches of their
  ``per_gpu_eval_batch_size`` (run_classify.py: 128 and 8, train_panx.sh: 128 and 32, predict_qa.sh: 384 and
  8). Texts are tokenised in one call and answers are cut out by tensor operations, both faster than there.
- ``ours``: :func:`mlflow_xfer.training.predict.predict_with`, encodings made anew; ``again``: with those it
  keeps.

Figures are examples for each second of processor time, so that other work on the machine does not matter. How
many answers of the two arms are equal is counted too: rows that the loop cuts at its length have no
counterpart.

Retrieval: the 4 nearest neighbours in both directions among as many vectors as BUCC's dev has sentences,
against faiss' exact index (IndexFlatIP) in a Python that has it, one thread each.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from mlflow_xfer.data import sources
from mlflow_xfer.data.encode import encode
from mlflow_xfer.data.subwords import cut
from mlflow_xfer.kinds import kind
from mlflow_xfer.kinds.retrieval.mining import NEIGHBOURS, nearest_both_ways
from mlflow_xfer.kinds.span_qa.data import MAX_QUESTION, STRIDE
from mlflow_xfer.kinds.span_qa.model import best_spans
from mlflow_xfer.models.heads import build
from mlflow_xfer.models.load import load_tokenizer, quiet
from mlflow_xfer.models.scratch import SIZES, build_scratch
from mlflow_xfer.models.tokenizer import train_tokenizer
from mlflow_xfer.tasks.catalogue import TASKS
from mlflow_xfer.tasks.task import Task
from mlflow_xfer.training.predict import predict_with

WIDTHS = (128, 768, 1024)  # of the embedded base, XLM-R base and XLM-R large
FAISS = """
import json, sys, time
import faiss, numpy as np
faiss.omp_set_num_threads(1)
x, y, k = np.load(sys.argv[1]), np.load(sys.argv[2]), int(sys.argv[3])
begin, found = time.process_time(), []
for queries, entries in ((x, y), (y, x)):
    index = faiss.IndexFlatIP(x.shape[1])
    index.add(entries)
    found.append(index.search(queries, k)[1])
seconds = time.process_time() - begin
np.save(sys.argv[4], np.concatenate(found))
print(json.dumps({"seconds": seconds, "version": faiss.__version__}))
"""


@dataclass(frozen=True)
class Script:
    """Row length and batch size of XTREME's script for a task, and how the loop answers."""

    length: int
    batch: int
    loop: Callable[..., list]


# -- the loop ------------------------------------------------------------------------------------------------
def batches(encoded: Mapping[str, Any], batch: int) -> Iterator[dict[str, Tensor]]:
    names = [name for name in ("input_ids", "attention_mask") if name in encoded]
    data = TensorDataset(*(torch.tensor(encoded[name]) for name in names))
    for tensors in DataLoader(data, batch_size=batch):
        yield dict(zip(names, tensors, strict=True))


def classify(model: nn.Module, tokenizer: Any, task: Task, split: Any, script: Script) -> list[str]:
    encoded = tokenizer(
        split["text_a"][:],
        split["text_b"][:],
        padding="max_length",
        truncation=True,
        max_length=script.length,
    )
    best = torch.cat([model(**inputs).logits.argmax(-1) for inputs in batches(encoded, script.batch)])
    return [model.config.id2label[i] for i in best.tolist()]


def tag(model: nn.Module, tokenizer: Any, task: Task, split: Any, script: Script) -> list[list[str]]:
    """One tag for each word whose first subword is within the length."""
    encoded = tokenizer(
        split["words"][:],
        is_split_into_words=True,
        padding="max_length",
        truncation=True,
        max_length=script.length,
    )
    best = torch.cat([model(**inputs).logits.argmax(-1) for inputs in batches(encoded, script.batch)]).numpy()
    found = []
    for row in range(len(best)):
        owners = encoded.word_ids(row)
        firsts = [
            at for at, word in enumerate(owners) if word is not None and (at == 0 or owners[at - 1] != word)
        ]
        found.append([model.config.id2label[i] for i in best[row, firsts].tolist()])
    return found


def answer(model: nn.Module, tokenizer: Any, task: Task, split: Any, script: Script) -> list[str]:
    contexts = split["context"][:]
    encoded = tokenizer(
        cut(tokenizer, split["question"][:], MAX_QUESTION),
        contexts,
        truncation="only_second",
        max_length=script.length,
        stride=STRIDE,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        padding="max_length",
    )
    owners, best, found = (
        encoded["overflow_to_sample_mapping"],
        [-np.inf] * len(contexts),
        [""] * len(contexts),
    )
    row = 0
    for inputs in batches(encoded, script.batch):
        output = model(**inputs)
        inside = torch.tensor(
            [[s == 1 for s in encoded.sequence_ids(row + i)] for i in range(len(inputs["input_ids"]))]
        )
        for first, last, score in zip(
            *(x.tolist() for x in best_spans(output.start_logits, output.end_logits, inside)), strict=True
        ):
            example, offsets = owners[row], encoded["offset_mapping"][row]
            if score > best[example]:
                best[example], found[example] = (
                    score,
                    contexts[example][offsets[first][0] : offsets[last][1]].strip(),
                )
            row += 1
    return found


SCRIPTS = {
    "xnli": Script(128, 8, classify),
    "pawsx": Script(128, 8, classify),
    "panx": Script(128, 32, tag),
    "udpos": Script(128, 32, tag),
    "xquad": Script(384, 8, answer),
    "mlqa": Script(384, 8, answer),
}


@torch.no_grad()
def loop(model: nn.Module, tokenizer: Any, task: Task, splits: Mapping[str, Any]) -> dict[str, list]:
    script = SCRIPTS[task.name]
    return {
        language: script.loop(model, tokenizer, task, split, script) for language, split in splits.items()
    }


# -- measuring -----------------------------------------------------------------------------------------------
def rows_of(task: Task, data: str, limit: int) -> dict[str, Any]:
    """The test rows of every language that DATA has, at most ``limit`` each, taken at equal distances."""
    found = {}
    for language in sources.available(task, "test", data):
        split = sources.read(task, sources.locate(task, "test", language, data))
        step = max(1, -(-len(split) // limit))
        found[language] = split.select(range(0, len(split), step))
    return found


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of a call, and what it returned."""
    begin = time.process_time()
    result = call()
    return time.process_time() - begin, result


def make_model(folder: Path, task: Task, data: str, size: str, vocab_size: int) -> Path:
    """A model of random weights whose tokenizer knows the languages of the task's test rows."""
    texts = (
        text
        for split in rows_of(task, data, 1_000_000).values()
        for name in kind.data(task.kind).texts
        for value in split[name][:]
        if value
        for text in ([" ".join(value)] if name == "words" else [value])
    )
    tokenizer = train_tokenizer(texts, vocab_size, "xlm-roberta")
    with quiet():
        build_scratch("xlm-roberta", size, tokenizer, 0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@torch.no_grad()
def centre(model: nn.Module, tokenizer: Any, split: Any, length: int) -> None:
    """Shift the head's bias so that no label wins everywhere: equal answers would say nothing then."""
    rows = split.select(range(min(32, len(split))))
    inputs = tokenizer(
        rows["text_a"][:],
        rows["text_b"][:],
        padding=True,
        truncation=True,
        max_length=length,
        return_tensors="pt",
    )
    model.classifier.out_proj.bias -= model(**inputs).logits.mean(0)


def measure(checkpoint: Path, task: Task, data: str, limit: int, repeats: int) -> dict[str, Any]:
    model, tokenizer = (
        build(checkpoint, [task], False, seed=0).head(task.name).eval(),
        load_tokenizer(checkpoint),
    )
    splits = rows_of(task, data, limit)
    n, spent = sum(map(len, splits.values())), {"loop": [], "ours": [], "again": []}
    length = SCRIPTS[task.name].length
    one = {language: split.select(range(2)) for language, split in splits.items()}
    if task.kind == "classification":
        centre(model, tokenizer, next(iter(splits.values())), length)
    loop(model, tokenizer, task, one), predict_with(model, tokenizer, task, one, length)  # warm
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as home:
            os.environ["XFER_HOME"] = home
            time_loop, theirs = seconds(lambda: loop(model, tokenizer, task, splits))
            time_ours, ours = seconds(lambda: predict_with(model, tokenizer, task, splits, length))
            time_again, _ = seconds(lambda: predict_with(model, tokenizer, task, splits, length))
        for arm, value in zip(spent, (time_loop, time_ours, time_again), strict=True):
            spent[arm].append(value)
    pairs = [
        (a, b)
        for language in splits
        for a, b in zip(theirs[language], ours[language], strict=True)
        if task.kind != "tagging" or len(a) == len(b)
    ]
    tokens = np.concatenate(
        [encode(split, task, tokenizer, length, cached=False).lengths for split in splits.values()]
    ).mean()
    rates = {arm: n / statistics.median(values) for arm, values in spent.items()}
    return {
        "languages": len(splits),
        "examples": n,
        "tokens": float(tokens),
        "seconds": spent,
        "per_s": rates,
        "ratio": rates["ours"] / rates["loop"],
        "ratio_again": rates["again"] / rates["loop"],
        "compared": len(pairs),
        "equal": sum(a == b for a, b in pairs),
        "different_answers": len({str(b) for _, b in pairs}),
    }


def search(x: np.ndarray, y: np.ndarray, python: str) -> dict[str, Any]:
    """Neighbours in both directions: our seconds, faiss' seconds, and the share of equal neighbours."""
    x, y = (np.ascontiguousarray(v / np.linalg.norm(v, axis=1, keepdims=True), np.float32) for v in (x, y))
    ours, (_, forward, _, backward) = seconds(lambda: nearest_both_ways(x, y))
    found: dict[str, Any] = {"rows": [len(x), len(y)], "dimensions": x.shape[1], "ours": ours}
    if python:
        with tempfile.TemporaryDirectory() as name:
            files = [str(Path(name) / f"{part}.npy") for part in ("x", "y", "found")]
            np.save(files[0], x), np.save(files[1], y)
            said = subprocess.run(
                [python, "-c", FAISS, *files[:2], str(NEIGHBOURS), files[2]],
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": ""},
            )
            theirs = np.load(files[2])
        told = json.loads(said.stdout)
        found |= {
            "faiss": told["seconds"],
            "version": told["version"],
            "ratio": told["seconds"] / ours,
            "equal": float((theirs == np.concatenate([forward, backward])).mean()),
        }
    return found


def retrieval(data: str, language: str, python: str, limit: int) -> list[dict[str, Any]]:
    """Searches among as many rows as BUCC's dev sentences;
    what the vectors say does not change the time of an exact one.
    """
    task = TASKS.get("bucc2018")
    rows = sources.read(task, sources.locate(task, "validation", language, data))
    sides = [[text for text in rows[side][:] if text][:limit] for side in ("source", "target")]
    draws = np.random.default_rng(0)
    return [search(*(draws.normal(size=(len(side), width)) for side in sides), python) for width in WIDTHS]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--size", default="small", choices=sorted(SIZES))
    parser.add_argument("--vocab-size", type=int, default=32_000)
    parser.add_argument("--tasks", default="xnli,panx,xquad")
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="at most so many rows of a language, at equal distances"
    )
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--bucc", default="", help="language whose BUCC dev sentences are searched")
    parser.add_argument("--faiss", default="", help="a Python that has faiss")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    report: dict[str, Any] = {
        "about": {
            "torch": torch.__version__,
            "machine": platform.machine(),
            "rows": arguments.rows,
            "size": arguments.size,
            "vocabulary": arguments.vocab_size,
        }
    }
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XFER_HOME"] = str(Path(folder) / "home")
        run(arguments, Path(folder), report)
    if arguments.out:
        arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def run(arguments: argparse.Namespace, folder: Path, report: dict[str, Any]) -> None:
    """Measure what was asked for and print it."""
    for name in [] if arguments.tasks == "none" else arguments.tasks.split(","):
        task = TASKS.get(name)
        model = make_model(folder / name, task, arguments.data, arguments.size, arguments.vocab_size)
        report[name] = found = measure(model, task, arguments.data, arguments.rows, arguments.repeats)
        print(
            f"{name}: {found['languages']} languages, {found['examples']} examples of {found['tokens']:.1f} "
            f"tokens; loop {found['per_s']['loop']:.1f}/s, ours {found['per_s']['ours']:.1f}/s: "
            f"{found['ratio']:.2f}x, again {found['ratio_again']:.2f}x; {found['equal']} of "
            f"{found['compared']} answers equal",
            flush=True,
        )
    if arguments.bucc:
        report["bucc"] = retrieval(arguments.data, arguments.bucc, arguments.faiss, arguments.rows)
        for found in report["bucc"]:
            print(
                f"bucc {found['rows']} x {found['dimensions']}: ours {found['ours']:.2f} s"
                + (
                    f", faiss {found['version']} {found['faiss']:.2f} s: {found['ratio']:.2f}x; "
                    f"{100 * found['equal']:.3f} % equal"
                    if arguments.faiss
                    else ""
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
