"""Machine translation on this machine: Marian, NLLB, M2M100 and other encoder-decoders of transformers.

What a model says of a text is kept under ``XFER_HOME`` (``translated.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow_xfer.durable.digests import combined, file_digest
from mlflow_xfer.errors import XferError
from mlflow_xfer.models.translated import Kept, Said

MARKERS = (">>{}<<", "<2{}>")
"""How models that are told the target by the first token of a text spell it: Marian's of several, MADLAD."""
CHUNK = 256  # texts after which is said how many are done


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
        if folder.is_dir():
            files = sorted(one for one in folder.rglob("*") if one.is_file())
            weights = combined(f"{one.relative_to(folder).as_posix()}:{file_digest(one)}" for one in files)
        else:
            weights = f"hub:{self.model}@{getattr(loaded.config, '_commit_hash', None)}"
        return combined([weights, self.source, self.target, str(self.beams), str(self.longest)])

    def load(self) -> tuple[Any, Any]:
        """(tokenizer, model).

        Raises:
            XferError: there is no such model, it is no encoder-decoder, its tokenizer needs a package that is
                not installed, or it does not have the languages that are named, or needs them.
        """
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        folder = Path(self.model).expanduser()
        name = str(folder) if folder.is_dir() else self.model
        try:  # the newest commit, which becomes part of the identity
            tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)  # nosec B615
            self._speak(tokenizer)
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

    def _speak(self, tokenizer: Any) -> None:
        """Have the tokenizer mark texts as of the source language; refuse languages that it does not have."""
        if not hasattr(tokenizer, "src_lang"):
            several = bool(getattr(tokenizer, "supported_language_codes", ())) or _knows(tokenizer, "<2de>")
            if several and not self._marker(tokenizer):
                raise XferError(
                    f"model={self.model} translates into several languages, and "
                    f"target={self.target or 'none'} is none of them.",
                    "Name the target as the model's card spells it (Marian: fra, MADLAD: fr).",
                )
            if self.target and not several:
                raise XferError(f"model={self.model} takes no language codes.", "Leave target out.")
            return
        if not (self.source and self.target):
            raise XferError(
                f"model={self.model} translates between many languages: source={self.source or 'none'}, "
                f"target={self.target or 'none'}.",
                "Name both as the model's card spells them (NLLB: eng_Latn, swh_Latn; M2M100: en, sw).",
            )
        for code in (self.source, self.target):
            if _token(tokenizer, code) is None:
                raise XferError(
                    f"model={self.model} has no language {code!r}.",
                    f"Languages are spelled as the model's card does{_examples(tokenizer)}.",
                )
        tokenizer.src_lang = self.source

    def _marker(self, tokenizer: Any) -> str:
        """The token before a text that names the target; empty where the model is not told so."""
        spelled = [one.format(self.target) for one in MARKERS] if self.target else []
        return next((one for one in spelled if _knows(tokenizer, one)), "")

    def translate(self, texts: Sequence[str], say: Callable[[int, int], None] | None = None) -> list[Said]:
        """The translations, in the order of the texts; equal texts are translated once, empty ones not at
        all.

        Args:
            say: called with how many are done and how many there are.
        """
        tokenizer, model = self.load()
        kept = Kept(self.identity(model))
        new = sorted(
            {text for text in texts if text.strip() and text not in kept}, key=lambda one: (len(one), one)
        )
        for start in range(0, len(new), self.batch):
            group = new[start : start + self.batch]
            kept.add(zip(group, self._generate(tokenizer, model, group), strict=True))
            done = start + len(group)
            if say and (done // CHUNK > start // CHUNK or done == len(new)):
                say(done, len(new))
        return [kept[text] if text.strip() else Said(text) for text in texts]

    def _generate(self, tokenizer: Any, model: Any, texts: Sequence[str]) -> list[Said]:
        """What the model says of texts that are translated at once. Texts longer than it reads, and
        translations that do not end, are cut, and marked so."""
        import torch

        places = getattr(model.config, "max_position_embeddings", None)
        reads = min(tokenizer.model_max_length, places or tokenizer.model_max_length)
        longest = min(self.longest, (places or self.longest + 1) - 1)  # the first place is the start's
        before = self._marker(tokenizer)
        texts = [f"{before} {text}" if before else text for text in texts]
        whole = [len(tokens) for tokens in tokenizer(list(texts))["input_ids"]]
        inputs = tokenizer(list(texts), return_tensors="pt", padding=True, truncation=True, max_length=reads)
        inputs = inputs.to(self.device)
        inputs.pop("token_type_ids", None)
        forced = {}
        if hasattr(tokenizer, "src_lang"):
            forced["forced_bos_token_id"] = _token(tokenizer, self.target)
        with torch.inference_mode():
            made = model.generate(
                **inputs, do_sample=False, num_beams=self.beams, max_new_tokens=longest, **forced
            )
        new = (made[:, 1:] != tokenizer.pad_token_id).sum(1).tolist()
        said = tokenizer.batch_decode(made, skip_special_tokens=True)
        return [
            Said(one.strip(), cut=length > reads or tokens >= longest)
            for one, length, tokens in zip(said, whole, new, strict=True)
        ]


def _token(tokenizer: Any, code: str) -> int | None:
    """The id of the token that names a language; None if there is none."""
    if hasattr(tokenizer, "get_lang_id"):  # M2M100's de is the token __de__, and de a piece of words
        return tokenizer.get_lang_id(code) if code in tokenizer.lang_code_to_token else None
    known = _knows(tokenizer, code) and code in tokenizer.all_special_tokens
    return tokenizer.convert_tokens_to_ids(code) if known else None


def _knows(tokenizer: Any, token: str) -> bool:
    return tokenizer.convert_tokens_to_ids(token) not in (None, tokenizer.unk_token_id)


def _examples(tokenizer: Any) -> str:
    """Some of the languages that a tokenizer has."""
    if hasattr(tokenizer, "lang_code_to_token"):
        codes = list(tokenizer.lang_code_to_token)
    else:
        codes = [one for one in tokenizer.all_special_tokens if not one.startswith(("<", "["))]
    return f": {', '.join(codes[:4])} … ({len(codes)})" if codes else ""
