"""What makes a checkpoint folder loadable by others: MLmodel file, requirements, how-to-load note.

A classification or tagging checkpoint gets the files that ``mlflow.transformers`` expects, written
by hand: MLflow's own ``log_model`` infers requirements by running the model in a fresh interpreter
(tens of seconds) and cannot log several of our kinds at all. No pickle is involved.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# architecture suffix -> (pipeline task, pipeline class)
_PIPELINES = {
    "ForSequenceClassification": ("text-classification", "TextClassificationPipeline"),
    "ForTokenClassification": ("token-classification", "TokenClassificationPipeline"),
}
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)

WRITTEN = ("MLmodel", "README.md", "components", "python_env.yaml", "requirements.txt")
"""What :func:`files` may write."""


def files(
    checkpoint: Path, out: Path, *, run_id: str, model_id: str, loader: str = "", longest: int | None = None
) -> None:
    """Write into ``out`` what is to be published beside the files of ``checkpoint``.

    Args:
        loader: module by which MLflow loads it, where its own does not.
        longest: tokens to which a text is cut, as in training; None: texts are read whole.
    """
    config = _json(checkpoint / "config.json")
    architecture = (config.get("architectures") or ["AutoModel"])[0]
    pipeline = next((p for suffix, p in _PIPELINES.items() if architecture.endswith(suffix)), None)
    tokenizer = [name for name in _TOKENIZER_FILES if (checkpoint / name).is_file()]
    if pipeline and tokenizer:
        _write_mlmodel(checkpoint, out, architecture, pipeline, tokenizer, run_id, model_id, loader, longest)
    (out / "README.md").write_text(
        _readme(checkpoint, architecture, bool(pipeline and tokenizer), model_id, loader), encoding="utf-8"
    )


def _write_mlmodel(
    checkpoint: Path,
    out: Path,
    architecture: str,
    pipeline: tuple[str, str],
    tokenizer: Sequence[str],
    run_id: str,
    model_id: str,
    loader: str,
    longest: int | None,
) -> None:
    import yaml

    # mlflow.transformers reads the model from `model_binary` and the tokenizer from components/tokenizer.
    components = out / "components" / "tokenizer"
    components.mkdir(parents=True, exist_ok=True)
    for name in tokenizer:
        shutil.copyfile(checkpoint / name, components / name)
    task, instance = pipeline
    tokenizer_class = (
        _json(checkpoint / "tokenizer_config.json").get("tokenizer_class") or "PreTrainedTokenizerFast"
    )
    body = {
        "artifact_path": f"models:/{model_id}",
        "flavors": {
            "python_function": {
                "loader_module": "mlflow.transformers",
                "model_binary": ".",
                "python_version": ".".join(map(str, sys.version_info[:3])),
                "env": {"virtualenv": "python_env.yaml"},
            },
            "transformers": {
                "code": None,
                "components": ["tokenizer"],
                "framework": "pt",
                "instance_type": instance,
                "model_binary": ".",
                "pipeline_model_type": architecture,
                "source_model_name": "",
                "task": task,
                "tokenizer_type": tokenizer_class,
                "transformers_version": _version("transformers"),
            },
        },
        "mlflow_version": _version("mlflow"),
        "model_id": model_id,
        "model_uuid": model_id,
        "run_id": run_id,
        "signature": {
            "inputs": json.dumps([{"type": "string", "required": True}]),
            "outputs": json.dumps(
                [
                    {"type": "string", "name": "label", "required": True},
                    {"type": "double", "name": "score", "required": True},
                ]
                if task == "text-classification"
                else [{"type": "string", "required": True}]
            ),
            "params": None,
        },
        "utc_time_created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    }
    if longest and task == "text-classification":  # the other pipeline takes no such options
        body["flavors"]["python_function"]["config"] = {"truncation": True, "max_length": longest}
    if loader:
        body["flavors"] = {"python_function": body["flavors"]["python_function"] | {"loader_module": loader}}
    (out / "MLmodel").write_text(yaml.safe_dump(body, sort_keys=False), encoding="utf-8")
    packages = [
        f"{name}=={_version(name)}"
        for name in ("mlflow", "torch", "transformers", "safetensors", *(["mlflow-xfer"] if loader else []))
        if _version(name)
    ]
    (out / "requirements.txt").write_text("\n".join(packages) + "\n", encoding="utf-8")
    python = {"python": ".".join(map(str, sys.version_info[:3])), "dependencies": ["-r requirements.txt"]}
    (out / "python_env.yaml").write_text(yaml.safe_dump(python), encoding="utf-8")


def _readme(checkpoint: Path, architecture: str, pyfunc: bool, model_id: str, loader: str) -> str:
    lines = [
        f"# {architecture}",
        "",
        (
            "Weights are safetensors; nothing in this folder is a pickle. `manifest.json` lists every file "
            "with its SHA-256."
        ),
        "",
    ]
    if loader:
        return "\n".join([*lines, *_of_a_base(model_id, pyfunc)]) + "\n"
    lines += [
        "```python",
        "import mlflow",
        "from transformers import AutoModel, AutoTokenizer",
        "",
        f'folder = mlflow.artifacts.download_artifacts("models:/{model_id}")',
        "model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)",
        "```",
    ]
    if architecture != "AutoModel" and "For" in architecture:
        lines += ["", f"`transformers.{architecture}.from_pretrained(folder)` loads it with its head."]
    heads = sorted(path.name for path in (checkpoint / "heads").glob("*") if path.is_dir())
    if heads:
        lines += [
            "",
            (
                "`heads/` holds the heads of the tasks it was trained on (tensors and configuration): "
                f"{', '.join(heads)}."
            ),
        ]
    if pyfunc:
        lines += ["", f'`mlflow.pyfunc.load_model("models:/{model_id}").predict(["a text"])` gives labels.']
    else:
        lines += [
            "",
            "MLflow has no flavour for this architecture, so `mlflow.pyfunc.load_model` does not load it.",
        ]
    return "\n".join(lines) + "\n"


def _of_a_base(model_id: str, pyfunc: bool) -> list[str]:
    """How a checkpoint without the weights of its base is read."""
    lines = [
        "It holds an adapter and heads; `base.json` says of which base its other weights are.",
        "`mlflow-xfer publish RUN --out FOLDER` writes it with all of them.",
    ]
    if pyfunc:
        lines += ["", f'`mlflow.pyfunc.load_model("models:/{model_id}").predict(["a text"])` gives labels.']
    return lines


def _json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def _version(package: str) -> str:
    try:
        return version(package).split("+")[0]  # a local build label (2.13.0+cpu) names no installable version
    except PackageNotFoundError:
        return ""
