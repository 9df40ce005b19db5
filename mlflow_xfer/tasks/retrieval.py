"""Retrieval of translations, answers and entities."""

from __future__ import annotations

from typing import Any

from mlflow_xfer.params.settings import Recipe
from mlflow_xfer.tasks.task import POOL, Files, Hub, Part, Task, codes

# ISO 639-3 codes as Tatoeba and the hub use them.
TATOEBA_CODES = {
    "af": "afr", "ar": "ara", "bg": "bul", "bn": "ben", "de": "deu", "el": "ell", "es": "spa", "et": "est",
    "eu": "eus", "fa": "pes", "fi": "fin", "fr": "fra", "he": "heb", "hi": "hin", "hu": "hun", "id": "ind",
    "it": "ita", "ja": "jpn", "jv": "jav", "ka": "kat", "kk": "kaz", "ko": "kor", "ml": "mal", "mr": "mar",
    "nl": "nld", "pt": "por", "ru": "rus", "sw": "swh", "ta": "tam", "te": "tel", "th": "tha", "tl": "tgl",
    "tr": "tur", "ur": "urd", "vi": "vie", "zh": "cmn",
}  # fmt: skip
TATOEBA_R_CODES = {"az": "aze", "lt": "lit", "pl": "pol", "ro": "ron", "uk": "ukr"}
TATOEBA_LANGUAGES = tuple(TATOEBA_CODES)
BUCC_LANGUAGES = codes("de fr ru zh")
LAREQA_LANGUAGES = codes("ar de el en es hi ru th tr vi zh")
MEWSLI_LANGUAGES = codes("ar de en es fa ja pl ro ta tr uk")
SENTENCES = {"source": "source_sentence", "target": "target_sentence"}
EN = {"train": ("en",), "validation": ("en",)}
ANSWERS = {"source": "question", "target": "context", "answers": "answers"}
SQUAD_CUT = {
    "train": (0.02, 1.0),
    "validation": (0.0, 0.02),
}  # SQuAD's dev set is XQuAD in English: it selects nothing


def _retrieval(name: str, metric: str, languages: tuple[str, ...], description: str, **more: Any) -> Task:
    more = {"uses": ("target",), "train_languages": ()} | more
    return Task(
        name=name,
        kind="retrieval",
        metric=metric,
        languages=languages,
        description=description,
        **more,
    )


def _pair(pattern: str, english: str, **more: Any) -> Files:
    """Two files of parallel lines: ``{side}`` is the foreign language or English."""
    return Files(
        {"test": (pattern.replace("{side}", "{language}"), pattern.replace("{side}", english))},
        format="parallel",
        **more,
    )


def _cut(path: str) -> dict[str, Part]:
    return {split: Part((path,), share=share) for split, share in SQUAD_CUT.items()}


def _bucc(split: str, file: str) -> Files:
    return Files(
        {split: tuple(f"bucc2018/{{language}}-en.{file}.{side}" for side in ("{language}", "en", "gold"))},
        format="bucc",
    )


TASKS = (
    _retrieval(
        "tatoeba",
        "retrieval_accuracy",
        TATOEBA_LANGUAGES + tuple(TATOEBA_R_CODES),
        "XTREME: find the translation of an English sentence, straight from the backbone",
        trained=False,
        sources={
            "hub": (
                Hub(
                    "google/xtreme",
                    config="tatoeba.{language}",
                    splits={"test": "validation"},
                    columns=SENTENCES,
                    codes=TATOEBA_CODES,
                    languages={"test": TATOEBA_LANGUAGES},
                ),
                Hub(
                    "mteb/tatoeba-bitext-mining",
                    config="{language}-eng",
                    splits={"test": "test"},
                    columns={"source": "sentence1", "target": "sentence2"},
                    codes=TATOEBA_R_CODES,
                    languages={"test": tuple(TATOEBA_R_CODES)},
                ),
            ),
            # What XTREME's scripts write, what its retrieval script asks for, and LASER's own names.
            "folder": (
                _pair("tatoeba/{language}-en.{side}", "en"),
                _pair("tatoeba/{language}-eng.{side}", "eng", codes=TATOEBA_CODES | TATOEBA_R_CODES),
                _pair("tatoeba/tatoeba.{language}-eng.{side}", "eng", codes=TATOEBA_CODES | TATOEBA_R_CODES),
            ),
        },
        recipe=Recipe(max_seq_length=512),
        skills=("alignment",),
        licence="CC BY 2.0 FR",
        citation="Artetxe and Schwenk 2019",
        verified=True,
    ),
    _retrieval(
        "bucc2018",
        "bucc_f1",
        BUCC_LANGUAGES,
        (
            "XTREME: mine translation pairs; the hub copy holds the gold pairs only, without the sentences "
            "to mine them from: its figures do not compare"
        ),
        trained=False,
        sources={
            "hub": (
                Hub(
                    "google/xtreme",
                    config="bucc18.{language}",
                    splits={"validation": "validation", "test": "test"},
                    columns=SENTENCES,
                ),
            ),
            "folder": (_bucc("validation", "dev"), _bucc("test", "test")),
        },
        recipe=Recipe(max_seq_length=512),
        skills=("alignment",),
        licence="research use",
        citation="Zweigenbaum et al. 2018",
        verified=True,
    ),
    _retrieval(
        "lareqa",
        "map_at_20",
        LAREQA_LANGUAGES,
        (
            "XTREME-R: find the sentences that answer a question, in all languages at once (XQuAD-R); "
            "trained on SQuAD as a dual encoder; from the hub the sentences are XQuAD's, cut here by rules: "
            "its figures do not compare to the digit"
        ),
        train_languages=("en",),
        family="squad",
        options={"pooled": True},
        sources={
            "folder": (
                Files({"test": "lareqa/xquad-r/{language}.json"}, format="lareqa"),
                Files(
                    _cut("squad/train-v1.1.json"),
                    format="squad",
                    columns=ANSWERS,
                    languages=EN,
                ),
            ),
            "hub": (
                Hub(
                    "rajpurkar/squad",
                    config="plain_text",
                    splits=_cut("train"),
                    columns=ANSWERS,
                    languages=EN,
                ),
                Hub(
                    "google/xquad",
                    config="xquad.{language}",
                    splits={"test": "validation"},
                    format="answer-sentences",
                ),
            ),
        },
        # train_lareqa.sh of google-research/xtreme; its 352 tokens are those of both sides together.
        recipe=Recipe(
            learning_rate=2e-5,
            num_train_epochs=3.0,
            train_batch_size=32,
            max_seq_length=256,
            warmup_ratio=0.0,
            weight_decay=0.0,
        ),
        skills=("reading", "alignment"),
        licence="CC BY-SA 4.0",
        citation="Roy et al. 2020",
        size=87_599,
        verified=True,
    ),
    _retrieval(
        "mewslix",
        "map_at_20",
        MEWSLI_LANGUAGES,
        (
            "XTREME-R: find the entity that a mention names among a million descriptions; trained on English "
            "Wikipedia"
        ),
        train_languages=("en",),
        sources={
            "folder": (
                Files(
                    {
                        "train": "mewslix/wikipedia_pairs-train.jsonl",
                        "validation": "mewslix/wikipedia_pairs-dev.jsonl",
                    },
                    format="mewsli-pairs",
                    languages=EN,
                ),
                Files(
                    {"test": "mewslix/wikinews_mentions-test.jsonl"},
                    format="mewsli-mentions",
                ),
                Files(
                    {POOL: "mewslix/candidate_set_entities.jsonl"},
                    format="mewsli-entities",
                    languages={POOL: MEWSLI_LANGUAGES},
                ),
            ),
            "hub": (
                Hub(
                    "izhx/mewsli-x",
                    config="wikipedia_pairs",
                    splits={"train": "train", "validation": "validation"},
                    format="mewsli-pairs",
                    languages=EN,
                ),
                Hub(
                    "izhx/mewsli-x",
                    config="{language}",
                    splits={"test": "test"},
                    format="mewsli-mentions",
                ),
                Hub(
                    "izhx/mewsli-x",
                    config="candidate_entities",
                    splits={POOL: "test"},
                    format="mewsli-entities",
                    languages={POOL: MEWSLI_LANGUAGES},
                ),
            ),
        },
        # train_mewslix.sh; the rate is that of XLM-R.
        recipe=Recipe(
            learning_rate=1e-5,
            num_train_epochs=2.0,
            train_batch_size=64,
            max_seq_length=64,
            warmup_ratio=0.0,
            weight_decay=0.0,
        ),
        skills=("entities", "alignment"),
        licence="CC BY-SA 3.0 and CC BY 2.5",
        citation="Ruder et al. 2021",
        size=167_719,
    ),
)
