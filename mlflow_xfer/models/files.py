"""The files of a checkpoint: which hold its weights, and which all together are it.

What identifies a checkpoint, what is loaded and what is checked are the same files.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from mlflow_xfer.errors import XferError, few

CONFIG, ADAPTER = "config.json", "adapter_config.json"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
LANGUAGE = "language"
"""Folder with the adapter of a language that is part of the weights (``models/language.py``)."""

ABOUT_BASE = "base.json"
"""In a checkpoint without the weights that follow from its base (``models/derived.py``)."""

PARTS = ("heads", "lm_head", "adapter", LANGUAGE)
"""Folders of what the class at the root has no place for."""

KEPT = (".json", ".safetensors", ".model", ".txt")
"""Endings of weights, configuration and tokenizer."""

POINTER = b"version https://git-lfs.github.com/spec/"
"""How a file begins that stands for one that git-lfs has not fetched."""

PICKLED = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
CONVERT = "Pickled weights are not loaded: convert the checkpoint to safetensors with save_pretrained."


def of(folder: Path) -> list[Path]:
    """All files that decide what the checkpoint in ``folder`` is, sorted by their relative paths.

    Raises:
        XferError: as :func:`weights`.
    """
    files = {path for path in folder.iterdir() if path.is_file() and path.suffix in KEPT}
    files |= set(weights(folder))
    for part in PARTS:
        files |= {path for path in (folder / part).rglob("*") if path.is_file() and path.suffix in KEPT}
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())


def stands_alone(folder: Path) -> bool:
    """Whether the checkpoint in ``folder`` holds all its weights."""
    return not (folder / ABOUT_BASE).is_file()


def weights(folder: Path) -> list[Path]:
    """The safetensors files that hold the weights of the checkpoint in ``folder``, as its index names them.

    Raises:
        XferError: there are none, or the index names files that are pickled, absent or outside the folder.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        return [folder / name for name in _indexed(folder)]
    if not stands_alone(folder):
        raise XferError(
            f"{folder} holds an adapter and heads; their other weights are those of a base.",
            "Name the run that it is of, or write it whole: mlflow-xfer publish RUN --out FOLDER",
        )
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLED)
    if pickles:
        raise XferError(f"{folder} holds pickled weights only ({', '.join(pickles[:3])}).", CONVERT)
    raise XferError(f"{folder} holds no {WEIGHTS}.", held(folder))


def _indexed(folder: Path) -> list[str]:
    file = folder / INDEX
    try:
        shards = set(json.loads(file.read_text(encoding="utf-8"))["weight_map"].values())
        paths = {name: PurePosixPath(name) for name in shards}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        wanted = "Expected a weight_map from names of weights to files."
        raise XferError(f"{file} is malformed: {error!r}.", wanted) from error
    if not shards:
        raise XferError(f"{file} names no files.")
    for name, path in sorted(paths.items()):
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            raise XferError(f"{file} names {name!r}, which lies outside the folder.", "Save the model anew.")
        if path.suffix != ".safetensors":
            raise XferError(f"{file} names {name!r}, which is no safetensors file.", CONVERT)
        if not (folder / path).is_file():
            raise XferError(f"{file} names {name!r}, which is not there.", "Copy all shards into the folder.")
    return sorted(shards)


def types(folder: Path) -> dict[str, str]:
    """The names of the weights in ``folder``, and the type of each (``F32``), from the heads of the files.

    Raises:
        XferError: as :func:`weights` and :func:`check_fetched`, or a file is cut short.
    """
    from safetensors import safe_open

    tensors: dict[str, str] = {}
    for file in weights(folder):
        check_fetched(file)
        try:
            with safe_open(file, "np") as saved:
                tensors |= {name: saved.get_slice(name).get_dtype() for name in saved.keys()}  # noqa: SIM118
        except Exception as error:  # noqa: BLE001 - the library's own class, and OSError
            raise XferError(f"The weights at {file} cannot be loaded: {error}.", "Copy it again.") from error
    return tensors


def check_fetched(file: Path) -> None:
    """Raise :class:`XferError` for what git leaves in a file's place until it is fetched."""
    with file.open("rb") as opened:
        if opened.read(len(POINTER)) == POINTER:
            raise XferError(f"{file} is a pointer of git-lfs, not the file itself.", "Fetch it: git lfs pull")


def names(folder: Path) -> set[str]:
    """The names alone; errors as for :func:`types`."""
    return set(types(folder))


def held(folder: Path) -> str:
    """What a folder holds, in a line."""
    if not folder.is_dir():
        return "It is a file."
    there = sorted(path.name for path in folder.iterdir())
    return f"It holds: {', '.join(there[:8]) or 'nothing'}{' …' if len(there) > 8 else ''}"


def no_model(folder: Path) -> XferError:
    """What is to be said of a folder without a configuration, by what it holds instead."""
    if (folder / ADAPTER).is_file():
        return _of_adapter(folder)
    inside = sorted(path.parent.name for path in folder.glob(f"*/{CONFIG}"))
    hint = f"Name a checkpoint in it: {few(inside)}" if inside else held(folder)
    return XferError(f"{folder} holds no {CONFIG}, so it is no model directory.", hint)


def _of_adapter(folder: Path) -> XferError:
    return XferError(
        f"{folder} holds an adapter ({ADAPTER}) beside or instead of a model.",
        "Merge it into its model (merge_and_unload), and save that in a folder of its own.",
    )


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration at ``folder``, as it is written.

    Raises:
        XferError: there is none, or it is malformed, or it asks for code from elsewhere.
    """
    file = folder / CONFIG
    if not folder.is_dir():
        raise XferError(f"Model directory {folder} does not exist.")
    if not file.is_file():
        raise no_model(folder)
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        raw["model_type"]
    except (ValueError, KeyError, TypeError) as error:
        raise XferError(
            f"{file} is malformed: {error!r}.", "Expected a transformers config.json with a model_type."
        ) from error
    _refuse_code(folder, raw)
    if (folder / ADAPTER).is_file():
        raise _of_adapter(folder)
    return raw


IMPLEMENTATIONS = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")
"""Ways to compute attention that are transformers' own; others are fetched as code."""


def _refuse_code(folder: Path, value: Any) -> None:
    if isinstance(value, list):
        for one in value:
            _refuse_code(folder, one)
    if not isinstance(value, dict):
        return
    for key, one in value.items():
        if key == "auto_map":
            raise XferError(
                f"{folder} needs code of its own (auto_map in config.json).",
                "Only architectures of transformers are loaded. If it is one of them, take auto_map out.",
            )
        if "implementation" in key:
            said = one.values() if isinstance(one, dict) else [one]
            if other := [name for name in said if name is not None and name not in IMPLEMENTATIONS]:
                raise XferError(
                    f"{folder} asks for code from elsewhere ({key}: {other[0]} in config.json).",
                    f"Accepted: {', '.join(IMPLEMENTATIONS)}; or take the key out.",
                )
        _refuse_code(folder, one)
