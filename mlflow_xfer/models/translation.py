"""Machine translation on this machine: Marian, NLLB and other encoder-decoders of transformers, and a cache
of what they said.

What a model says of a text is kept under ``XFER_HOME`` by the digest of the model and of the text, so that an
interrupted translation goes on, and a repeated one costs nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow_xfer.durable.digests import combined, file_digest
from mlflow_xfer.durable.files import write_whole
from mlflow_xfer.errors import XferError
from mlflow_xfer.home import home

FILES = (".json", ".safetensors", ".spm", ".model")
"""What decides what a model in a directory says."""
CHUNK = 256  # texts after which the cache is written


@dataclass(frozen=True)
class Translator:
    """A model that translates.

    Args:
        model: directory or hub id.
        source, target: language codes as the model spells them (NLLB: ``eng_Latn``); empty for models of one
            pair (Marian).
        beams, longest: how it searches; tokens of a translation at most.
    """

    model: str
    source: str = ""
    target: str = ""
    beams: int = 1
    longest: int = 256
    batch: int = 16
    device: str = "cpu"

    def identity(self, loaded: Any) -> str:
        """What decides a translation, as a digest."""
        folder = Path(self.model).expanduser()
        commit = getattr(loaded.config, "_commit_hash", None)
        if folder.is_dir():
            files = sorted(one for one in folder.iterdir() if one.suffix in FILES)
            weights = combined(f"{one.name}:{file_digest(one)}" for one in files)
        else:
            weights = f"hub:{self.model}@{commit}"
        return combined([weights, self.source, self.target, str(self.beams), str(self.longest)])

    def load(self) -> tuple[Any, Any]:
        """(tokenizer, model).

        Raises:
            XferError: there is no such model, it is no encoder-decoder, or its tokenizer needs a package that
                is not installed.
        """
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        folder = Path(self.model).expanduser()
        name = str(folder) if folder.is_dir() else self.model
        languages = {"src_lang": self.source, "tgt_lang": self.target} if self.target else {}
        try:  # the newest commit, which becomes part of the identity
            tokenizer = AutoTokenizer.from_pretrained(  # nosec B615
                name, trust_remote_code=False, **languages
            )
            model = AutoModelForSeq2SeqLM.from_pretrained(  # nosec B615
                name, use_safetensors=True, trust_remote_code=False
            )
        except ImportError as error:
            raise XferError(
                f"model={self.model}: its tokenizer needs a package: {str(error).strip().splitlines()[0]}",
                "Marian's needs: pip install sentencepiece sacremoses",
            ) from None
        except (OSError, ValueError, KeyError) as error:
            why = str(error).strip().splitlines()[0][:200]
            raise XferError(
                f"model={self.model} cannot be loaded as a translator: {why}",
                "Give a directory or hub id of an encoder-decoder with safetensors, such as "
                "facebook/nllb-200-distilled-600M.",
            ) from None
        return tokenizer, model.to(self.device).eval()

    def translate(self, texts: Sequence[str], say: Callable[[int, int], None] | None = None) -> list[str]:
        """The translations, in the order of the texts; equal texts are translated once, empty ones not at
        all.

        Args:
            say: called with how many are done and how many there are.
        """
        tokenizer, model = self.load()
        kept = _Kept(self.identity(model))
        new = sorted(
            {text for text in texts if text.strip() and text not in kept}, key=lambda one: (len(one), one)
        )
        for start in range(0, len(new), CHUNK):
            part = new[start : start + CHUNK]
            for first in range(0, len(part), self.batch):
                group = part[first : first + self.batch]
                for text, said in zip(group, self._generate(tokenizer, model, group), strict=True):
                    kept.said[_key(text)] = said
            kept.write()
            if say:
                say(start + len(part), len(new))
        return [kept.said[_key(text)] if text.strip() else text for text in texts]

    def _generate(self, tokenizer: Any, model: Any, texts: Sequence[str]) -> list[str]:
        import torch

        inputs = tokenizer(list(texts), return_tensors="pt", padding=True, truncation=True).to(self.device)
        inputs.pop("token_type_ids", None)
        forced = {"forced_bos_token_id": tokenizer.convert_tokens_to_ids(self.target)} if self.target else {}
        places = getattr(model.config, "max_position_embeddings", None) or self.longest + 1
        longest = min(self.longest, places - 1)  # the first place is the start's
        with torch.inference_mode():
            made = model.generate(
                **inputs, do_sample=False, num_beams=self.beams, max_new_tokens=longest, **forced
            )
        return [one.strip() for one in tokenizer.batch_decode(made, skip_special_tokens=True)]


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class _Kept:
    """What one model has said, by the digest of the text."""

    def __init__(self, identity: str) -> None:
        self.path = home() / "translations" / f"{identity}.json"
        try:
            self.said: dict[str, str] = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            self.said = {}

    def __contains__(self, text: str) -> bool:
        return _key(text) in self.said

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, json.dumps(self.said, ensure_ascii=False).encode("utf-8", "surrogatepass"))
