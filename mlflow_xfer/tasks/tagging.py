"""Parts of speech and named entities."""

from __future__ import annotations

from mlflow_xfer.tasks.task import Files, Hub, Recipe, Task, TaskKind

UPOS = tuple("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split())
ENTITIES = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
WORDS = {"words": 0, "tags": 1}

UDPOS_NAMES = {
    "af": "Afrikaans", "ar": "Arabic", "bg": "Bulgarian", "de": "German", "el": "Greek", "en": "English", "es": "Spanish",
    "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi",
    "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese", "kk": "Kazakh", "ko": "Korean",
    "mr": "Marathi", "nl": "Dutch", "pt": "Portuguese", "ru": "Russian", "ta": "Tamil", "te": "Telugu", "th": "Thai",
    "tl": "Tagalog", "tr": "Turkish", "ur": "Urdu", "vi": "Vietnamese", "yo": "Yoruba", "zh": "Chinese",
}  # fmt: skip
UDPOS_LANGUAGES = tuple(UDPOS_NAMES)
UDPOS_TRAINED = tuple(code for code in UDPOS_NAMES if code not in ("kk", "th", "tl", "yo"))  # the rest: test sets only
PANX_LANGUAGES = tuple(
    "af ar bg bn de el en es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my nl pt ru sw ta te th tl tr ur vi yo zh".split()
)

RECIPE = Recipe(learning_rate=2e-5, num_train_epochs=10.0, train_batch_size=32, max_seq_length=128, warmup_ratio=0.0, weight_decay=0.0)


def _folder(name: str) -> Files:
    return Files(
        {"train": f"{name}/train-{{language}}.tsv", "validation": f"{name}/dev-{{language}}.tsv", "test": f"{name}/test-{{language}}.tsv"},
        format="conll",
        columns=WORDS,
    )


TASKS = (
    Task(
        name="udpos",
        kind=TaskKind.TAGGING,
        metric="tag_f1",
        languages=UDPOS_LANGUAGES,
        labels=UPOS,
        sources={
            "hub": (
                Hub(
                    "google/xtreme",
                    config="udpos.{language}",
                    columns={"words": "tokens", "tags": "pos_tags"},
                    labels=UPOS,
                    codes=UDPOS_NAMES,
                    languages={"train": UDPOS_TRAINED, "validation": UDPOS_TRAINED},
                ),
            ),
            "folder": (_folder("udpos"),),
        },
        uses=("target", "intermediate"),
        recipe=RECIPE,
        skills=("morphosyntax",),
        description="XTREME: parts of speech (Universal Dependencies 2.5)",
        licence="per treebank, mostly CC BY-SA 4.0",
        citation="Nivre et al. 2020",
        size=21_253,
    ),
    Task(
        name="panx",
        kind=TaskKind.TAGGING,
        metric="entity_f1",
        languages=PANX_LANGUAGES,
        labels=ENTITIES,
        sources={
            "hub": (
                Hub(
                    "google/xtreme",
                    config="PAN-X.{language}",
                    columns={"words": "tokens", "tags": "ner_tags"},
                    labels=ENTITIES,
                    languages={"train": PANX_LANGUAGES},
                ),
            ),
            "folder": (_folder("panx"),),
        },
        uses=("target", "intermediate"),
        recipe=RECIPE,
        skills=("entities",),
        description="XTREME: named entities (WikiAnn)",
        licence="none stated (Wikipedia text)",
        citation="Pan et al. 2017; Rahimi et al. 2019",
        size=20_000,
    ),
)
