"""Words with tags: parts of speech, named entities, supertags."""

from __future__ import annotations

from typing import Any

from mlflow_xfer.params.settings import Recipe
from mlflow_xfer.tasks.task import Files, Hub, Task, codes

UPOS = codes("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X")
ENTITIES = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
DATED = (*ENTITIES, "B-DATE", "I-DATE")
NERD_TYPES = codes("PER ORG LOC ANIM BIO CEL DIS EVE FOOD INST MEDIA MYTH PLANT TIME VEHI")
NERD = ("O", *(f"{mark}-{kind}" for kind in NERD_TYPES for mark in "BI"))
# Universal Dependencies' relations without subtypes (universaldependencies.org/u/dep).
RELATIONS = codes(
    "acl advcl advmod amod appos aux case cc ccomp clf compound conj cop csubj dep det discourse dislocated "
    "expl fixed flat "
    "goeswith iobj list mark nmod nsubj nummod obj obl orphan parataxis punct reparandum vocative xcomp"
)
DIRECTED = ("root", *(f"{relation}{side}" for relation in RELATIONS for side in "<>"))

UDPOS_NAMES = {
    "af": "Afrikaans", "ar": "Arabic", "bg": "Bulgarian", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fr": "French",
    "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese",
    "kk": "Kazakh", "ko": "Korean", "mr": "Marathi", "nl": "Dutch", "pt": "Portuguese", "ru": "Russian",
    "ta": "Tamil", "te": "Telugu", "th": "Thai", "tl": "Tagalog", "tr": "Turkish", "ur": "Urdu",
    "vi": "Vietnamese", "yo": "Yoruba", "zh": "Chinese",
}  # fmt: skip
UDPOS_LANGUAGES = tuple(UDPOS_NAMES)
UDPOS_R_LANGUAGES = codes("lt pl ro uk wo")
UDPOS_TRAINED = tuple(
    code for code in UDPOS_NAMES if code not in ("kk", "th", "tl", "yo")
)  # the rest: test sets only
PANX_LANGUAGES = codes(
    "af ar bg bn de el en es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my nl pt ru sw ta te th "
    "tl tr ur vi yo zh"
)
PANX_R_LANGUAGES = codes("az gu lt pa pl qu ro uk")
MASAKHANE = {
    "bm": "bam", "bbj": "bbj", "ee": "ewe", "fon": "fon", "ha": "hau", "ig": "ibo", "rw": "kin",
    "lg": "lug", "luo": "luo", "mos": "mos", "ny": "nya", "pcm": "pcm", "sn": "sna", "sw": "swa",
    "tn": "tsn", "tw": "twi", "wo": "wol", "xh": "xho", "yo": "yor", "zu": "zul",
}  # fmt: skip
NERD_LANGUAGES = codes("de en es fr it nl pl pt ru zh")

XTREME = Recipe(
    learning_rate=2e-5,
    num_train_epochs=10.0,
    train_batch_size=32,
    max_seq_length=128,
    warmup_ratio=0.0,
    weight_decay=0.0,
)
RECIPE = Recipe(learning_rate=1e-5, num_train_epochs=3.0, train_batch_size=32, max_seq_length=256)
SPLITS = {"train": "train", "validation": "dev", "test": "test"}


def _xtreme(name: str) -> Files:
    """XTREME's files: one token and its tag per line."""
    return Files(
        {split: f"{name}/{file}-{{language}}.tsv" for split, file in SPLITS.items()},
        format="conll",
        columns={"words": 0, "tags": 1},
    )


def _tags(name: str, metric: str, labels: tuple[str, ...], description: str, **more: Any) -> Task:
    more = {"languages": ("en",), "uses": ("intermediate",), "recipe": RECIPE} | more
    return Task(name=name, kind="tagging", metric=metric, labels=labels, description=description, **more)


TASKS = (
    _tags(
        "udpos",
        "tag_f1",
        UPOS,
        "XTREME: parts of speech of Universal Dependencies (2.5; 2.7 for XTREME-R's five)",
        languages=UDPOS_LANGUAGES + UDPOS_R_LANGUAGES,
        uses=("target", "intermediate"),
        recipe=XTREME,
        sources={
            "hub": (
                Hub(
                    "google/xtreme",
                    config="udpos.{language}",
                    columns={"words": "tokens", "tags": "pos_tags"},
                    labels=UPOS,
                    codes=UDPOS_NAMES,
                    languages={"train": UDPOS_TRAINED, "validation": UDPOS_TRAINED, "test": UDPOS_LANGUAGES},
                ),
                Hub(
                    "izhx/xtreme-r-udpos",
                    config="{language}",
                    splits={"test": "test"},
                    columns={"words": "tokens", "tags": "pos_tags"},
                    labels=UPOS,
                    languages={"test": UDPOS_R_LANGUAGES},
                ),
            ),
            "folder": (_xtreme("udpos"),),
        },
        skills=("morphosyntax",),
        licence="per treebank, mostly CC BY-SA 4.0",
        citation="Nivre et al. 2020",
        size=21_253,
        verified=True,
    ),
    _tags(
        "panx",
        "entity_f1",
        ENTITIES,
        "XTREME: named entities (WikiAnn)",
        languages=PANX_LANGUAGES + PANX_R_LANGUAGES,
        uses=("target", "intermediate"),
        recipe=XTREME,
        sources={
            "hub": (
                Hub(
                    "google/xtreme",
                    config="PAN-X.{language}",
                    columns={"words": "tokens", "tags": "ner_tags"},
                    labels=ENTITIES,
                    languages={"train": PANX_LANGUAGES, "validation": PANX_LANGUAGES, "test": PANX_LANGUAGES},
                ),
                Hub(
                    "unimelb-nlp/wikiann",
                    config="{language}",
                    columns={"words": "tokens", "tags": "ner_tags"},
                    labels=ENTITIES,
                    languages={
                        "train": PANX_R_LANGUAGES,
                        "validation": PANX_R_LANGUAGES,
                        "test": PANX_R_LANGUAGES,
                    },
                ),
            ),
            "folder": (_xtreme("panx"),),
        },
        skills=("entities",),
        licence="none stated (Wikipedia text)",
        citation="Pan et al. 2017; Rahimi et al. 2019",
        size=20_000,
        verified=True,
    ),
    _tags(
        "ccg",
        "tag_accuracy",
        (),
        (
            "CCG supertags (licensed: LDC2005T13); sections 02-21, 00, 23 as jiant writes them, tags in "
            "ccg/tags_to_id.json"
        ),
        sources={
            "folder": (
                Files(
                    {split: f"ccg/{file}.tsv" for split, file in SPLITS.items()},
                    format="words-tags",
                    label_file="ccg/tags_to_id.json",
                ),
            )
        },
        skills=("morphosyntax", "syntax"),
        licence="LDC User Agreement",
        citation="Hockenmaier and Steedman 2007",
        size=38_015,
    ),
    _tags(
        "ccg-substitute",
        "tag_accuracy",
        DIRECTED,
        "a free stand-in for CCG: dependency labels of UD English-EWT with the side of the head",
        sources={
            "hub": (
                Hub(
                    "universal-dependencies/universal_dependencies",
                    config="en_ewt",
                    revision="refs/convert/parquet",
                    columns={"words": "tokens", "tags": ("deprel", "head"), "id": "idx"},
                    labels=(),
                ),
            ),
            "folder": (
                Files(
                    {split: f"ud/en_ewt-ud-{file}.conllu" for split, file in SPLITS.items()},
                    format="conllu",
                    columns={"tags": "deprel-direction"},
                ),
            ),
        },
        skills=("syntax",),
        licence="CC BY-SA 4.0",
        citation="Silveira et al. 2014",
        size=12_544,
        verified=True,
    ),
    _tags(
        "masakhaner",
        "entity_f1",
        DATED,
        "named entities in twenty African languages (MasakhaNER 2.0); no English: give source_language",
        languages=tuple(MASAKHANE),
        train_languages=tuple(MASAKHANE),
        uses=("target", "intermediate"),
        recipe=XTREME,
        sources={
            "hub": (
                Hub(
                    "masakhane/masakhaner2",
                    config="{language}",
                    revision="refs/convert/parquet",
                    columns={"words": "tokens", "tags": "ner_tags"},
                    labels=DATED,
                    codes=MASAKHANE,
                ),
            )
        },
        skills=("entities",),
        licence="CC BY-NC 4.0",
        citation="Adelani et al. 2022",
        size=4_000,
        verified=True,
    ),
    _tags(
        "multinerd",
        "entity_f1",
        NERD,
        "fifteen types of entities in ten languages",
        languages=NERD_LANGUAGES,
        train_languages=NERD_LANGUAGES,
        sources={
            "hub": (
                Hub(
                    "Babelscape/multinerd",
                    splits={split: split for split in SPLITS},
                    files={
                        "train": "train/train_{language}.jsonl",
                        "validation": "val/val_{language}.jsonl",
                        "test": "test/test_{language}.jsonl",
                    },
                    columns={"words": "tokens", "tags": "ner_tags"},
                    labels=NERD,
                ),
            )
        },
        skills=("entities",),
        licence="CC BY-NC-SA 4.0",
        citation="Tedeschi and Navigli 2022",
        size=164_144,
    ),
)
