"""Retrieval of translations and answers."""

from __future__ import annotations

from mlflow_xfer.tasks.task import Files, Hub, Recipe, Task, TaskKind

# ISO 639-3 codes as Tatoeba and the hub use them.
TATOEBA_CODES = {
    "af": "afr", "ar": "ara", "bg": "bul", "bn": "ben", "de": "deu", "el": "ell", "es": "spa", "et": "est", "eu": "eus",
    "fa": "pes", "fi": "fin", "fr": "fra", "he": "heb", "hi": "hin", "hu": "hun", "id": "ind", "it": "ita", "ja": "jpn",
    "jv": "jav", "ka": "kat", "kk": "kaz", "ko": "kor", "ml": "mal", "mr": "mar", "nl": "nld", "pt": "por", "ru": "rus",
    "sw": "swh", "ta": "tam", "te": "tel", "th": "tha", "tl": "tgl", "tr": "tur", "ur": "urd", "vi": "vie", "zh": "cmn",
}  # fmt: skip
TATOEBA_LANGUAGES = tuple(TATOEBA_CODES)


def _pair(pattern: str, **more: dict) -> Files:
    """Both sides of a pair of files: ``{side}`` is the foreign language or English."""
    english = "eng" if more else "en"
    return Files({"test": (pattern.replace("{side}", "{language}"), pattern.replace("{side}", english))}, format="parallel", **more)


TASKS = (
    Task(
        name="tatoeba",
        kind=TaskKind.RETRIEVAL,
        metric="retrieval_accuracy",
        languages=TATOEBA_LANGUAGES,
        train_languages=(),
        sources={
            "hub": (
                Hub(
                    "google/xtreme",
                    config="tatoeba.{language}",
                    splits={"test": "validation"},
                    columns={"source": "source_sentence", "target": "target_sentence"},
                    codes=TATOEBA_CODES,
                ),
            ),
            # What XTREME's scripts write, what its retrieval script asks for, and LASER's own names.
            "folder": (
                _pair("tatoeba/{language}-en.{side}"),
                _pair("tatoeba/{language}-eng.{side}", codes=TATOEBA_CODES),
                _pair("tatoeba/tatoeba.{language}-eng.{side}", codes=TATOEBA_CODES),
            ),
        },
        uses=("target",),
        trained=False,
        recipe=Recipe(max_seq_length=512),
        skills=("alignment",),
        description="XTREME: find the English translation, straight from the backbone",
        licence="CC BY 2.0 FR",
        citation="Artetxe and Schwenk 2019",
    ),
)
