"""Models from a local directory: safetensors only, text encoders and decoders only."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_xfer.errors import XferError
from mlflow_xfer.models import architecture, directions, files, quantised, report, special_tokens
from mlflow_xfer.models.limits import AFTER_PAD, ENCODERS_OF, is_decoder

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

MOST_LAYERS = 1000
"""More than any model has that shares its weights among layers."""

FEWEST = 200
"""With fewer entries a vocabulary is only taken from a file. Where there is none, transformers makes up a
tokenizer of special tokens alone: 1 to 104 of them."""

OF_TEXTS = r"^(model\.)?language_model\.(model\.)?(?!lm_head)"
"""What stands before the weights that read texts, in a model of texts and images."""

LANGUAGE_MODELS = ("ForMaskedLM", "ForCausalLM", "LMHeadModel", "ForPreTraining")
"""Endings of classes with an LM head."""


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, destination: Path | str) -> Path:
    """Write ``model`` (safetensors) and ``tokenizer`` into the folder ``destination``."""
    with quiet():
        model.save_pretrained(destination)
    tokenizer.save_pretrained(destination)
    return Path(destination)


def load_config(path: Path | str) -> PreTrainedConfig:
    """The configuration at ``path``, of a model of texts and images that of its texts.

    Raises:
        XferError: if there is none, it is malformed, or it is not of a text encoder or decoder.
    """
    from transformers import AutoConfig

    path = Path(path)
    raw = files.read_config(path)
    model_type = raw["model_type"]
    architecture.check(path, raw)
    try:
        config = AutoConfig.from_pretrained(  # a folder # nosec B615
            path, local_files_only=True, trust_remote_code=False
        )
        text = config.get_text_config()
    except Exception as error:  # noqa: BLE001 - whatever a foreign config breaks is bad input
        raise XferError(
            f"{path / files.CONFIG} cannot be read as a {model_type} configuration: {error}."
        ) from error
    if text.pad_token_id is None and text.model_type in AFTER_PAD - {"mpnet"}:
        raise XferError(
            f"{path / files.CONFIG} has no pad_token_id, after which {model_type} counts positions.",
            "Write the one that the model was trained with: 1 for RoBERTa and XLM-R.",
        )
    if getattr(text, "chunk_size_feed_forward", 0):
        text.chunk_size_feed_forward = 0  # rows are seldom a multiple of it, and it changes no number
    return text


def check_weights(path: Path | str) -> None:
    """Raise :class:`XferError` unless ``path`` holds the weights of a model of its configuration, whole and
    as safetensors; no tensor is read."""
    _load(_backbone_class(path), path, device_map="meta", **_renamed(Path(path)))


def load_tokenizer(path: Path | str) -> PreTrainedTokenizerFast:
    """The fast tokenizer at ``path``, padding on the right and with a pad token; special tokens that the
    model beside it has no embedding for are none.

    Raises:
        XferError: if there is none or it is not a fast one.
    """
    from transformers import AutoTokenizer

    path = Path(path)
    config = files.read_config(path) if (path / files.CONFIG).is_file() else {}
    about = ("tokenizer_config.json", "special_tokens_map.json")
    for file in (path / "tokenizer.json", *path.glob("*.model")):
        if file.is_file():
            files.check_fetched(file)
    alone = (path / "tokenizer.json").is_file() and not any((path / name).is_file() for name in about)
    try:
        with quiet():
            tokenizer = (
                special_tokens.from_json(path, config)
                if alone
                else AutoTokenizer.from_pretrained(  # a folder # nosec B615
                    path, local_files_only=True, use_fast=True, trust_remote_code=False
                )
            )
    except Exception as error:  # noqa: BLE001 - transformers raises many kinds for a missing file
        raise XferError(
            f"{path} holds no tokenizer that transformers can load: {error}.",
            files.held(path) if path.is_dir() else "",
        ) from error
    if not tokenizer.is_fast:
        raise XferError(
            f"The tokenizer at {path} is not a fast one.", "Convert it, so that there is a tokenizer.json."
        )
    expected = {"tokenizer.json": None, **dict.fromkeys(tokenizer.vocab_files_names.values())}
    if len(tokenizer) < FEWEST and not any((path / name).is_file() for name in expected):
        raise XferError(
            f"{path} holds no tokenizer: none of {', '.join(expected)} is there, and without any every word "
            "is unknown.",
            f"Save the one of the model into this folder (tokenizer.save_pretrained). {files.held(path)}",
        )
    text = config.get("text_config")
    size = (text if isinstance(text, Mapping) else config).get("vocab_size")
    if isinstance(size, int):
        special_tokens.drop_markup(tokenizer, size)
    tokenizer.padding_side = "right"
    if not isinstance(tokenizer.model_max_length, int | float):
        tokenizer.model_max_length = int(1e30)  # what transformers has where nothing is said
    if tokenizer.pad_token_id is None:
        first = tokenizer.convert_ids_to_tokens(0)  # any will do: what it fills up is masked
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.bos_token or first
    return tokenizer


def load_backbone(path: Path | str) -> PreTrainedModel:
    """The encoder or decoder at ``path`` without any head, in float32 on the CPU."""
    return _load(_backbone_class(path), path, **_renamed(Path(path)))


def _backbone_class(path: Path | str) -> Any:
    """The class without heads; of an encoder-decoder that of its encoder."""
    from transformers import AutoModel, AutoModelForTextEncoding

    of_encoder = files.read_config(Path(path))["model_type"] in ENCODERS_OF
    return AutoModelForTextEncoding if of_encoder else AutoModel


def _renamed(path: Path) -> dict[str, Any]:
    """How a backbone finds its weights where the class that saved them calls it by a name of its own: span
    questions on LLaMA say ``transformer.`` where all other classes say ``model.``, models of texts and images
    ``language_model.``."""
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

    raw = files.read_config(path)
    if "text_config" in raw:
        return {"key_mapping": {OF_TEXTS: ""}}
    named = MODEL_MAPPING_NAMES.get(raw["model_type"], "")
    classes = [(raw.get("architectures") or [""])[0], named if isinstance(named, str) else named[0]]
    own, usual = (getattr(getattr(transformers, name, None), "base_model_prefix", "") for name in classes)
    return {"key_mapping": {rf"^{own}\.": ""}} if own and usual and own != usual else {}


def load_lm(path: Path | str) -> PreTrainedModel | None:
    """The language model at ``path`` with its head, tied as its configuration says;
    None if it has no LM head."""
    if not has_lm_head(path):
        return None
    more: dict[str, Any] = {}
    if "text_config" in files.read_config(Path(path)):
        more = {"key_mapping": {r"^(model\.)?language_model\.lm_head": "lm_head", OF_TEXTS: "model."}}
    return _load(lm_class(load_config(path)), path, head=True, **more)


def load_class(cls: Any, path: Path | str, config: PreTrainedConfig) -> PreTrainedModel:
    """A model of the class ``cls`` with ``config`` and the weights at ``path``, its head among them."""
    return _load(cls, path, config, head=True)


def lm_class(config: PreTrainedConfig) -> Any:
    """transformers' class of a language model; raises :class:`XferError` for an encoder that is none."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    if config.model_type in ENCODERS_OF:
        raise XferError(
            f"The encoder of {config.model_type} is no language model: it was trained with a decoder.",
            "Leave raw text out (text=none, mlm_share=0).",
        )
    return AutoModelForCausalLM if is_decoder(config) else AutoModelForMaskedLM


def has_lm_head(path: Path | str) -> bool:
    """Whether the root of ``path`` is a language model: by the class that saved it, and by its weights."""
    raw = json.loads((Path(path) / files.CONFIG).read_text(encoding="utf-8"))
    said = raw.get("architectures") or [""]
    known = (*LANGUAGE_MODELS, *(["ForConditionalGeneration"] if "text_config" in raw else []))
    return any(name.endswith(known) for name in said) and _holds_lm_head(Path(path))


def _holds_lm_head(path: Path) -> bool:
    """Whether any weight of an LM head of its own is there; a head that is all tied has none."""
    import torch

    config = load_config(path)
    if not is_decoder(config) and config.model_type not in _masked():
        return False
    with quiet(), torch.device("meta"):
        model = lm_class(config).from_config(config)
    tied = {name for name, _ in model.named_parameters()}  # each once, under its first name
    own = {name for name in tied if not name.startswith(model.base_model_prefix + ".")}
    saved = {name.removeprefix("model.").removeprefix("language_model.") for name in files.names(path)}
    return not own or bool(own & (saved | files.names(path)))


def _masked() -> Any:
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    return MODEL_FOR_MASKED_LM_MAPPING_NAMES


def _load(
    kind: Any, path: Path | str, config: PreTrainedConfig | None = None, *, head: bool = False, **kwargs: Any
) -> PreTrainedModel:
    import torch

    path = Path(path)
    config = config or load_config(path)
    quantised.check(path)
    saved = files.names(path)
    layers = getattr(config, "num_hidden_layers", None) or 0
    if layers > max(MOST_LAYERS, len(saved)):
        raise XferError(
            f"{path / files.CONFIG} says {layers} layers, and its files hold {len(saved)} weights.",
            "They belong to different models: save them anew.",
        )
    try:
        # Weights that a checkpoint lacks (a pooler) are drawn here: from a fixed seed, without touching the
        # global one.
        with quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model, loading = kind.from_pretrained(
                path,
                config=config,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # the judge names them; transformers says it in a log
                **kwargs,
            )
    except XferError:
        raise
    except Exception as error:  # noqa: BLE001 - truncated files, sizes that do not go together
        raise XferError(
            f"The weights at {path} cannot be loaded: {type(error).__name__}: {error}."
        ) from error
    if directions.reads_both_ways(config):  # a layer is made to read from left to right
        directions.set_causal(model, False)
    if "key_mapping" in kwargs:  # else saving would try to bring these names back
        model._weight_conversions = None
    report.judge(model, loading, saved, path, head)
    return model


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' progress bars and its reports of unused weights, which say nothing here."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
