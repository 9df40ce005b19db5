"""Tiny models as the makers of their families publish them, and a table of what the product does with each.

To write the table anew: ``python -m tests.zoo``.
"""

from __future__ import annotations

import json
import random
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mlflow_xfer.errors import XferError
from tests.families import FAMILIES, LINES, make_model, make_tokenizer

TABLE = Path(__file__).resolve().parents[1] / "docs" / "families.md"
LENGTH = 48


# -- as they are published -----------------------------------------------------------------------------------
def renamed(folder: Path, change: Callable[[str], str | None], **more: Any) -> None:
    """The weights under the names that ``change`` gives (None: left out), with ``more`` of them."""
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    saved = {new: value for name, value in load_file(file).items() if (new := change(name))}
    save_file(saved | more, file, metadata={"format": "pt"})


def configured(folder: Path, **changes: Any) -> None:
    """``config.json`` with changes; None takes a key out."""
    config = json.loads((folder / "config.json").read_text()) | changes
    kept = {key: value for key, value in config.items() if value is not None or key not in changes}
    (folder / "config.json").write_text(json.dumps(kept))


def halved(folder: Path) -> None:
    """The weights in bfloat16."""
    import torch
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    saved = {name: value.to(torch.bfloat16) for name, value in load_file(file).items()}
    save_file(saved, file, metadata={"format": "pt"})
    configured(folder, dtype="bfloat16")


def sharded(folder: Path) -> None:
    """The weights in three files and an index."""
    from safetensors.torch import load_file, save_file

    saved, index = load_file(folder / "model.safetensors"), {}
    (folder / "model.safetensors").unlink()
    for n in range(3):
        name = f"model-{n + 1:05}-of-00003.safetensors"
        mine = {key: saved[key] for key in sorted(saved)[n::3]}
        save_file(mine, folder / name, metadata={"format": "pt"})
        index |= dict.fromkeys(mine, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))


def _xlmr(folder: Path) -> None:
    import torch

    renamed(folder, lambda name: name, **{"roberta.embeddings.position_ids": torch.arange(80)[None]})


def _mbert(folder: Path) -> None:
    """Saved for pre-training, its norms named as in TensorFlow, without metadata of its tokenizer."""
    import torch

    renamed(
        folder,
        lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ),
        **{"cls.seq_relationship.weight": torch.zeros(2, 8), "cls.seq_relationship.bias": torch.zeros(2)},
    )
    configured(folder, architectures=["BertForPreTraining"])


def _deberta(folder: Path) -> None:
    """Without the name of a class, its head under another name."""
    renamed(folder, lambda name: name.replace("cls.predictions", "mask_predictions"))
    configured(folder, architectures=None)


def _gpt2(folder: Path) -> None:
    """Without the prefix of the class that its configuration names, with masks among the weights."""
    import torch

    masks = {"h.0.attn.bias": torch.ones(1, 1, 80, 80).tril()}
    renamed(folder, lambda name: name.removeprefix("transformer."), **masks)


def _bloom(folder: Path) -> None:
    renamed(folder, lambda name: name.removeprefix("transformer."))
    halved(folder)


def _gemma3(folder: Path) -> None:
    """With a token of images that the text model has no embedding for."""
    halved(folder)
    tokenizer = make_tokenizer("gemma", padding_side="left")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image_soft_token>"]})
    tokenizer.save_pretrained(folder)


def _llama3(folder: Path) -> None:
    halved(folder)
    sharded(folder)


def _mistral(folder: Path) -> None:
    sharded(folder)


AS_PUBLISHED: dict[str, Callable[[Path], None]] = {
    "XLM-R": _xlmr, "BERT": _mbert, "DeBERTa-v3": _deberta, "GPT-2": _gpt2, "BLOOM": _bloom,
    "Gemma 3": _gemma3, "LLaMA": _llama3, "Mistral": _mistral, "Qwen3": halved,
}  # fmt: skip


def _images(folder: Path) -> None:
    """A Gemma 3 of texts and images."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    tokenizer = make_tokenizer("gemma", padding_side="left")
    text = FAMILIES["Gemma 3"][1](random.Random(0), tokenizer)
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Gemma3Config(
        text_config=text.to_dict(),
        vision_config=sizes | {"image_size": 28, "patch_size": 14},
        mm_tokens_per_image=4,
    )
    Gemma3ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _mt5(folder: Path) -> None:
    """Whole: its encoder is read, its decoder and head are not."""
    from transformers import MT5Config, MT5ForConditionalGeneration

    tokenizer = make_tokenizer("t5")
    config = MT5Config(
        vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2,
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    MT5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _mmbert(folder: Path) -> None:
    """A ModernBERT with Gemma's tokenizer, its class and separator tokens those of texts."""
    from transformers import ModernBertForMaskedLM

    tokenizer = make_tokenizer("mmbert")
    config = FAMILIES["ModernBERT"][1](random.Random(2), tokenizer)
    ModernBertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _labse(folder: Path) -> None:
    """A BERT with its pooler and no language model, as sentence encoders are published."""
    from transformers import BertModel

    tokenizer = make_tokenizer("bert")
    BertModel(FAMILIES["BERT"][1](random.Random(4), tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _xlmv(folder: Path) -> None:
    """An XLM-R with a larger vocabulary than its tokenizer has pieces."""
    from transformers import XLMRobertaForMaskedLM

    tokenizer = make_tokenizer("roberta")
    config = FAMILIES["XLM-R"][1](random.Random(6), tokenizer)
    config.vocab_size = len(tokenizer) + 29
    XLMRobertaForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _bart(folder: Path) -> None:
    from transformers import BartConfig, BartForConditionalGeneration

    tokenizer = make_tokenizer("roberta")
    sizes = {
        f"{side}_{name}": n for side in ("encoder", "decoder") for name, n in (("layers", 1), ("ffn_dim", 24))
    }
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = BartConfig(vocab_size=len(tokenizer), d_model=16, max_position_embeddings=80, **sizes, **heads)
    BartForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


OTHERS: dict[str, Callable[[Path], None]] = {
    "mmBERT": _mmbert,
    "XLM-V": _xlmv,
    "LaBSE": _labse,
    "mT5's encoder": _mt5,
    "Gemma 3 of texts and images": _images,
    "BART": _bart,
}
HEADLESS = ("DeBERTa-v3", "LaBSE", "mT5's encoder")
"""Those that are published without the head of a language model that is read."""
NAMES = (*FAMILIES, *OTHERS)


def publish(name: str, folder: Path) -> Path:
    """The model called ``name`` in ``folder``, as its makers publish it."""
    import torch

    if name in OTHERS:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            OTHERS[name](folder)
        return folder
    make_model(name, folder, random.Random(11))
    AS_PUBLISHED.get(name, lambda folder: None)(folder)
    return folder


# -- what is done with them ----------------------------------------------------------------------------------
def _task(kind: str, **options: Any) -> Any:
    from mlflow_xfer.tasks.task import Task

    labels = ("a", "b") if kind in ("classification", "tagging") else ()
    metric = "retrieval_accuracy" if kind == "retrieval" else ""
    return Task("t", kind, metric=metric, languages=("en",), sources={}, labels=labels, options=options)


def _rows(kind: str) -> list[dict[str, Any]]:
    made = []
    for i, line in enumerate(LINES[:4] + LINES[-4:]):
        short = " ".join(line.split()[:8])
        row: dict[str, Any] = {"id": str(i)}
        if kind == "tagging":
            row |= {"words": short.split(), "tags": ["ab"[n % 2] for n in range(len(short.split()))]}
        elif kind == "multiple_choice":
            row |= {"context": short, "question": "", "choices": ["at noon", "calm sea"], "label": i % 2}
        elif kind == "span_qa":
            answers = {"text": [short[:3]], "answer_start": [0]}
            row |= {"original_id": "", "context": line, "question": "what", "answers": answers}
        elif kind == "retrieval":
            row |= {"source": short, "target": line[-20:]}
        else:
            label = i % 2 if kind == "regression" else "ab"[i % 2]
            row |= {"text_a": short, "text_b": "at noon" if i % 2 else None, "label": label}
        made.append(row)
    return made


USES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "classification": ("classification", {}),
    "regression": ("regression", {}),
    "tagging": ("tagging", {}),
    "choice": ("multiple_choice", {}),
    "choice by likelihood": ("multiple_choice", {"choice_scoring": "likelihood"}),
    "span questions": ("span_qa", {}),
    "retrieval, trained": ("retrieval", {}),
}
UNTRAINED, TEXT = "retrieval, untrained", "raw text"


def done(folder: Path, use: str, work: Path) -> None:
    """Train a step where there is something to train, publish, read again and predict: the same as before.

    Raises:
        XferError: what the product does not do with this model.
    """
    from datasets import Dataset

    from mlflow_xfer.models.checkpoint import load_task_model
    from mlflow_xfer.models.load import check_weights, load_config, load_tokenizer
    from mlflow_xfer.params.settings import RuntimeOptions, TrainingSettings
    from mlflow_xfer.tasks.task import Mixture
    from mlflow_xfer.training.parts import LanguageModelPart, Part
    from mlflow_xfer.training.predict import predict_with
    from mlflow_xfer.training.trainer import Training

    load_config(folder)
    check_weights(folder)
    settings = TrainingSettings(max_steps=1, max_seq_length=LENGTH, train_batch_size=4, select_by="last")
    if use == UNTRAINED:
        _search(folder)
        return
    if use == TEXT:
        texts = Dataset.from_list([{"id": str(i), "text": line} for i, line in enumerate(LINES)])
        parts: list[Any] = [LanguageModelPart({"en": texts})]
    else:
        kind, options = USES[use]
        task, rows = _task(kind, **options), Dataset.from_list(_rows(kind))
        parts = [Part(task, rows)]
    mixed = Mixture(tuple(part.name for part in parts))
    training = Training(folder, parts, mixed, settings, RuntimeOptions(device="cpu"), work, lambda *_: None)
    made = training.run().directory
    check_weights(made)
    if use != TEXT:
        tokenizer = load_tokenizer(made)
        splits = {
            "en": rows.remove_columns([n for n in ("label", "tags", "answers") if n in rows.column_names])
        }
        model = training.model.head("t").eval()
        before, after = (
            predict_with(one, tokenizer, task, splits, LENGTH)
            for one in (model, load_task_model(made, task).eval())
        )
        assert before == after, f"{use}: a published model answers otherwise"


def _search(folder: Path) -> None:
    """Equal texts are nearest to each other."""
    from mlflow_xfer.models.embed import embed_layers
    from mlflow_xfer.training.vector_search import nearest

    texts = LINES[::9]
    vectors = next(iter(embed_layers(folder, texts, layers=["auto"], max_seq_length=LENGTH).values()))
    assert nearest(vectors, vectors[::-1].copy(), 1)[0][:, 0].tolist() == [*range(len(texts))][::-1]


# -- the table -----------------------------------------------------------------------------------------------
@cache
def _made() -> tempfile.TemporaryDirectory[str]:
    """Where published models lie until the process ends."""
    return tempfile.TemporaryDirectory()


@cache
def _published(name: str) -> Path:
    """The model called ``name``, for all that only reads it."""
    return publish(name, Path(_made().name) / str(NAMES.index(name)))


@cache
def outcome(name: str, use: str) -> str:
    """Empty where it works, else why not."""
    model = _published(name)
    with tempfile.TemporaryDirectory() as folder:
        try:
            done(model, use, Path(folder) / "work")
        except XferError as error:
            said = str(error).replace(str(model), "The model").replace("\n ", "")
            said = re.sub(r"; \S+ reads both ways", "; this architecture reads both ways", said)
            return re.sub(r"head for architecture '[^']*'", "head for this architecture", said)
    return ""


@cache
def packing(name: str) -> str:
    """How it reads packed rows of raw text."""
    from mlflow_xfer.models.attention import packing_of
    from mlflow_xfer.models.load import load_backbone

    try:
        return packing_of(load_backbone(_published(name)), LENGTH)
    except XferError:
        return "–"


COLUMNS = (*USES, UNTRAINED, TEXT)


def table() -> Iterator[str]:
    """The lines of the document."""
    yield "# What works with which family of models"
    yield ""
    yield "Made by `python -m tests.zoo`: of each family a tiny random model, in the form in which its makers"
    yield "publish theirs (shards, bfloat16, names without a prefix, no pad token, tokens of images), is"
    yield "trained for a step, published, read again and asked. A test compares this table with what happens."
    yield ""
    yield f"| family | {' | '.join(COLUMNS)} | packed rows |"
    yield "|---" * (len(COLUMNS) + 2) + "|"
    reasons: list[str] = []
    for name in NAMES:
        cells = []
        for use in COLUMNS:
            why = outcome(name, use)
            if why and why not in reasons:
                reasons.append(why)
            cells.append(f"no ({reasons.index(why) + 1})" if why else "yes")
        yield f"| {name} | {' | '.join(cells)} | {packing(name)} |"
    yield ""
    for number, why in enumerate(reasons, 1):
        yield f"{number}. {why}"
    yield ""
    yield "Packed rows: `mask`, a block-diagonal mask; `windows`, one for each kind of layer; `positions`,"
    yield "positions that begin anew with each text; `rows`, one text a row, because the architecture reads"
    yield "no such mask. Which of them a model takes is tried on the model before its first step."


def document() -> str:
    return "\n".join(table()) + "\n"


if __name__ == "__main__":
    TABLE.write_text(document(), encoding="utf-8")
