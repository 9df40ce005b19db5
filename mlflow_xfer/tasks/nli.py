"""Natural language inference: does the second text follow from the first?"""

from __future__ import annotations

from typing import Any

from mlflow_xfer.params.settings import Recipe
from mlflow_xfer.tasks.task import Files, Hub, Part, Task, codes

LABELS = ("entailment", "neutral", "contradiction")
TWO = ("entailment", "not_entailment")
PAIR = {"text_a": "premise", "text_b": "hypothesis"}
SENTENCES = {"text_a": "sentence1", "text_b": "sentence2"}
FIELDS = {"text_a": 0, "text_b": 1, "label": 2}
TRAINED = {"train": "train", "validation": "validation"}
EN = {"train": ("en",), "validation": ("en",)}

XNLI_LANGUAGES = codes("ar bg de el en es fr hi ru sw th tr ur vi zh")
AFRIXNLI_CODES = {
    "am": "amh", "en": "eng", "ee": "ewe", "fr": "fra", "ha": "hau", "ig": "ibo", "rw": "kin", "lg": "lug",
    "sn": "sna", "sw": "swa", "tw": "twi", "wo": "wol", "xh": "xho", "yo": "yor", "zu": "zul",
}  # fmt: skip
AMERICAS_CODES = {"ay": "aym", "qu": "quy"}

# jiant's defaults for intermediate training (protocol: nyu-mll/jiant, simple API).
RECIPE = Recipe(learning_rate=1e-5, num_train_epochs=3.0, train_batch_size=32, max_seq_length=256)
XTREME = Recipe(
    learning_rate=3e-5,
    num_train_epochs=5.0,
    train_batch_size=32,
    max_seq_length=128,
    warmup_ratio=0.0,
    weight_decay=0.0,
)

MNLI = Hub(
    "nyu-mll/glue",
    config="mnli",
    splits={"train": "train", "validation": "validation_matched"},
    columns=PAIR | {"id": "idx"},
    labels=LABELS,
    languages=EN,
)
SNLI = Hub("stanfordnlp/snli", config="plain_text", columns=PAIR, labels=LABELS, drop=("-1",), languages=EN)
ANLI = Hub(
    "facebook/anli",
    config="plain_text",
    splits={
        split: f"{name}_r1+{name}_r2+{name}_r3"
        for split, name in (("train", "train"), ("validation", "dev"), ("test", "test"))
    },
    columns=PAIR | {"id": "uid"},
    labels=LABELS,
    languages=EN,
)


def _nli(name: str, hub: Hub, description: str, labels: tuple[str, ...] = LABELS, **more: Any) -> Task:
    more = {
        "uses": ("intermediate",),
        "recipe": RECIPE,
        "skills": ("inference",),
        "languages": ("en",),
    } | more
    return Task(
        name=name,
        kind="classification",
        metric="accuracy",
        labels=labels,
        sources={"hub": (hub,)} | more.pop("sources", {}),
        description=description,
        **more,
    )


def _target(name: str, hub: Hub, description: str, languages: tuple[str, ...], **more: Any) -> Task:
    """A target trained on MNLI, unless its own data set has a training split for the language."""
    more = {"sources": {"hub": (MNLI, hub)} | more.pop("sources", {}), "family": "mnli"} | more
    return _nli(
        name, hub, description, languages=languages, uses=("target",), recipe=XTREME, size=392_702, **more
    )


TASKS = (
    _nli(
        "mnli",
        MNLI,
        "MultiNLI, many genres (in an XTREME folder: XNLI's English part)",
        sources={
            "folder": (
                Files(
                    {"train": "xnli/train-{language}.tsv", "validation": "xnli/dev-{language}.tsv"},
                    columns=FIELDS,
                    labels={"contradictory": "contradiction"},
                    languages=EN,
                ),
            )
        },
        overlaps=("xnli", "americasnli", "afrixnli"),
        family="mnli",
        licence="OANC and others, per genre",
        citation="Williams et al. 2018",
        size=392_702,
        verified=True,
    ),
    _nli(
        "snli",
        SNLI,
        "SNLI, image captions; rows without gold label are left out",
        licence="CC BY-SA 4.0",
        citation="Bowman et al. 2015",
        size=549_367,
        verified=True,
    ),
    _nli(
        "anli",
        ANLI,
        "adversarial NLI, rounds 1 to 3",
        licence="CC BY-NC 4.0",
        citation="Nie et al. 2020",
        size=162_865,
        verified=True,
    ),
    _nli(
        "anli-plus",
        Hub(
            ANLI.path,
            ANLI.config,
            splits=ANLI.splits,
            columns=ANLI.columns,
            labels=LABELS,
            languages=EN,
            also=(
                Hub(
                    MNLI.path,
                    MNLI.config,
                    splits=dict(MNLI.splits) | {"test": "validation_mismatched"},
                    columns=MNLI.columns,
                    labels=LABELS,
                ),
                SNLI,
            ),
        ),
        "ANLI rounds 1 to 3, MultiNLI and SNLI with one shared head (ANLI+ of Phang et al. 2020)",
        overlaps=("xnli", "americasnli", "afrixnli"),
        family="mnli",
        licence="CC BY-NC 4.0 and others",
        citation="Phang et al. 2020",
        size=1_104_934,
        verified=True,
    ),
    _nli(
        "qnli",
        Hub(
            "nyu-mll/glue",
            config="qnli",
            splits=TRAINED,
            columns={"text_a": "question", "text_b": "sentence", "id": "idx"},
            labels=TWO,
        ),
        "does the sentence hold the answer to the question? (from SQuAD)",
        TWO,
        overlaps=("xquad", "mlqa", "lareqa"),
        licence="CC BY-SA 4.0",
        citation="Wang et al. 2019",
        size=104_743,
        verified=True,
    ),
    _nli(
        "rte",
        Hub(
            "nyu-mll/glue",
            config="rte",
            splits=TRAINED,
            columns=SENTENCES | {"id": "idx"},
            labels=TWO,
        ),
        "textual entailment of the PASCAL challenges",
        TWO,
        licence="research use",
        citation="Dagan et al. 2005; Wang et al. 2019",
        size=2_490,
        verified=True,
    ),
    _nli(
        "scitail",
        Hub(
            "allenai/scitail",
            config="snli_format",
            columns=SENTENCES | {"label": "gold_label"},
        ),
        "science questions turned into entailment",
        ("entailment", "neutral"),
        domain="science",
        licence="Apache 2.0",
        citation="Khot et al. 2018",
        size=23_596,
        verified=True,
    ),
    _nli(
        "wanli",
        Hub(
            "alisawuffles/WANLI",
            splits={
                "train": Part(("train",), share=(0.02, 1.0)),
                "validation": Part(("train",), share=(0.0, 0.02)),
                "test": "test",
            },
            columns=PAIR | {"label": "gold"},
        ),
        (
            "hard examples written by a model and checked by people; 2 % of the training rows serve as "
            "validation"
        ),
        licence="CC BY 4.0",
        citation="Liu et al. 2022",
        size=102_885,
        verified=True,
    ),
    _nli(
        "fever-nli",
        Hub(
            "pietrolesci/nli_fever",
            splits={"train": "train", "validation": "dev"},
            columns={"text_a": "hypothesis", "text_b": "premise", "id": "fid"},
            labels=LABELS,
        ),
        (
            "claims against Wikipedia evidence; the data set's two columns look swapped (its discussion 2) "
            "and are read so that the evidence comes first"
        ),
        licence="CC BY-SA 3.0",
        citation="Nie et al. 2019",
        size=208_346,
        verified=True,
    ),
    _target(
        "xnli",
        Hub(
            "google/xtreme",
            config="XNLI",
            splits={"validation": "validation", "test": "test"},
            columns=SENTENCES | {"label": "gold_label"},
            where={"language": "{language}"},
        ),
        "XTREME: inference in 15 languages, trained on MultiNLI",
        XNLI_LANGUAGES,
        sources={
            "folder": (
                Files(
                    {
                        "train": "xnli/train-{language}.tsv",
                        "validation": "xnli/dev-{language}.tsv",
                        "test": "xnli/test-{language}.tsv",
                    },
                    columns=FIELDS,
                    labels={"contradictory": "contradiction"},
                ),
            )
        },
        licence="CC BY-NC 4.0",
        citation="Conneau et al. 2018",
        verified=True,
    ),
    _nli(
        "xnli-translate-train",
        Hub(
            "facebook/xnli",
            config="{language}",
            columns=PAIR,
            labels=LABELS,
            languages={"train": XNLI_LANGUAGES},
        ),
        "MultiNLI's training set machine-translated into XNLI's languages",
        languages=XNLI_LANGUAGES,
        train_languages=XNLI_LANGUAGES,
        overlaps=("xnli", "americasnli", "afrixnli"),
        family="mnli",
        licence="CC BY-NC 4.0",
        citation="Conneau et al. 2018",
        size=392_702,
        verified=True,
    ),
    _target(
        "americasnli",
        Hub(
            "nala-cub/americas_nli",
            config="{language}",
            splits={"validation": "validation", "test": "test"},
            columns=PAIR,
            labels=LABELS,
            codes=AMERICAS_CODES,
        ),
        "inference in ten indigenous languages of the Americas, trained on MultiNLI",
        codes("ay bzd cni gn hch nah oto qu shp tar"),
        licence="CC BY-SA 4.0",
        citation="Ebrahimi et al. 2022",
        verified=True,
    ),
    _target(
        "afrixnli",
        Hub(
            "masakhane/afrixnli",
            config="{language}",
            splits={"validation": "validation", "test": "test"},
            columns=PAIR,
            labels=LABELS,
            codes=AFRIXNLI_CODES,
        ),
        "inference in African languages, trained on MultiNLI",
        tuple(AFRIXNLI_CODES),
        licence="Apache 2.0",
        citation="Adelani et al. 2024",
        verified=True,
    ),
)
