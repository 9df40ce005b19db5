"""Retrieval of translations, answers and entities."""

from __future__ import annotations

from mlflow_xfer.tasks.task import POOL, Files, Hub, Part, Recipe, Task, TaskKind, codes

# ISO 639-3 codes as Tatoeba and the hub use them.
TATOEBA_CODES = {
    "af": "afr", "ar": "ara", "bg": "bul", "bn": "ben", "de": "deu", "el": "ell", "es": "spa", "et": "est", "eu": "eus",
    "fa": "pes", "fi": "fin", "fr": "fra", "he": "heb", "hi": "hin", "hu": "hun", "id": "ind", "it": "ita", "ja": "jpn",
    "jv": "jav", "ka": "kat", "kk": "kaz", "ko": "kor", "ml": "mal", "mr": "mar", "nl": "nld", "pt": "por", "ru": "rus",
    "sw": "swh", "ta": "tam", "te": "tel", "th": "tha", "tl": "tgl", "tr": "tur", "ur": "urd", "vi": "vie", "zh": "cmn",
}  # fmt: skip
TATOEBA_R_CODES = {"az": "aze", "lt": "lit", "pl": "pol", "ro": "ron", "uk": "ukr"}
TATOEBA_LANGUAGES = tuple(TATOEBA_CODES)
BUCC_LANGUAGES = codes("de fr ru zh")
LAREQA_LANGUAGES = codes("ar de el en es hi ru th tr vi zh")
MEWSLI_LANGUAGES = codes("ar de en es fa ja pl ro ta tr uk")
SENTENCES = {"source": "source_sentence", "target": "target_sentence"}
SQUAD_CUT = {"train": (0.02, 1.0), "validation": (0.0, 0.02)}  # SQuAD's dev set is XQuAD in English: it selects nothing


def _retrieval(name: str, metric: str, languages: tuple[str, ...], description: str, **more) -> Task:
    more = {"uses": ("target",), "train_languages": ()} | more
    return Task(name=name, kind=TaskKind.RETRIEVAL, metric=metric, languages=languages, description=description, **more)


def _pair(pattern: str, english: str, **more: dict) -> Files:
    """Two files of parallel lines: ``{side}`` is the foreign language or English."""
    return Files({"test": (pattern.replace("{side}", "{language}"), pattern.replace("{side}", english))}, format="parallel", **more)


def _bucc(split: str, file: str) -> Files:
    return Files({split: tuple(f"bucc2018/{{language}}-en.{file}.{side}" for side in ("{language}", "en", "gold"))}, format="bucc")


TASKS = (
    _retrieval(
        "tatoeba", "retrieval_accuracy", TATOEBA_LANGUAGES + tuple(TATOEBA_R_CODES), "XTREME: find the translation of an English sentence, straight from the backbone", trained=False,
        sources={
            "hub": (
                Hub("google/xtreme", config="tatoeba.{language}", splits={"test": "validation"}, columns=SENTENCES, codes=TATOEBA_CODES, languages={"test": TATOEBA_LANGUAGES}),
                Hub("mteb/tatoeba-bitext-mining", config="{language}-eng", splits={"test": "test"}, columns={"source": "sentence1", "target": "sentence2"}, codes=TATOEBA_R_CODES, languages={"test": tuple(TATOEBA_R_CODES)}),
            ),
            # What XTREME's scripts write, what its retrieval script asks for, and LASER's own names.
            "folder": (
                _pair("tatoeba/{language}-en.{side}", "en"),
                _pair("tatoeba/{language}-eng.{side}", "eng", codes=TATOEBA_CODES | TATOEBA_R_CODES),
                _pair("tatoeba/tatoeba.{language}-eng.{side}", "eng", codes=TATOEBA_CODES | TATOEBA_R_CODES),
            ),
        },
        recipe=Recipe(max_seq_length=512), skills=("alignment",), licence="CC BY 2.0 FR", citation="Artetxe and Schwenk 2019", verified=True,
    ),
    _retrieval(
        "bucc2018", "bucc_f1", BUCC_LANGUAGES, "XTREME: mine translation pairs; the hub copy holds the gold pairs only, without the sentences to mine them from: its figures do not compare", trained=False,
        sources={
            "hub": (Hub("google/xtreme", config="bucc18.{language}", splits={"validation": "validation", "test": "test"}, columns=SENTENCES),),
            "folder": (_bucc("validation", "dev"), _bucc("test", "test")),
        },
        recipe=Recipe(max_seq_length=512), skills=("alignment",), licence="research use", citation="Zweigenbaum et al. 2018", verified=True,
    ),
    _retrieval(
        "lareqa", "map_at_20", LAREQA_LANGUAGES, "XTREME-R: find the sentences that answer a question, in all languages at once (XQuAD-R); trained on SQuAD as a dual encoder", train_languages=("en",), pooled=True,
        sources={
            "folder": (
                Files({"test": "lareqa/xquad-r/{language}.json"}, format="lareqa"),
                Files({split: Part(("squad/train-v1.1.json",), share=share) for split, share in SQUAD_CUT.items()}, format="squad", columns={"source": "question", "target": "context"}, languages={"train": ("en",), "validation": ("en",)}),
            ),
            "hub": (Hub("rajpurkar/squad", config="plain_text", splits={split: Part(("train",), share=share) for split, share in SQUAD_CUT.items()}, columns={"source": "question", "target": "context"}, languages={"train": ("en",), "validation": ("en",)}),),
        },
        recipe=Recipe(learning_rate=2e-5, num_train_epochs=3.0, train_batch_size=32, max_seq_length=352), skills=("reading", "alignment"), licence="CC BY-SA 4.0", citation="Roy et al. 2020", size=87_599, verified=True,
    ),
    _retrieval(
        "mewslix", "map_at_20", MEWSLI_LANGUAGES, "XTREME-R: find the entity that a mention names among a million descriptions; trained on English Wikipedia", train_languages=("en",),
        sources={
            "folder": (
                Files({"train": "mewslix/wikipedia_pairs-train.jsonl"}, format="mewsli-pairs", languages={"train": ("en",)}),
                Files({"validation": "mewslix/wikinews_mentions-dev.jsonl", "test": "mewslix/wikinews_mentions-test.jsonl"}, format="mewsli-mentions"),
                Files({POOL: "mewslix/candidate_set_entities.jsonl"}, format="mewsli-entities", languages={POOL: MEWSLI_LANGUAGES}),
            ),
        },
        recipe=Recipe(learning_rate=1e-5, num_train_epochs=2.0, train_batch_size=64, max_seq_length=64), skills=("entities", "alignment"), licence="CC BY-SA 3.0 and CC BY 2.5", citation="Ruder et al. 2021", size=167_719, verified=True,
    ),
)  # fmt: skip
