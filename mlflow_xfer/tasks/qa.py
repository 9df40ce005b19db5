"""Extractive question answering."""

from __future__ import annotations

from typing import Any

from mlflow_xfer.params.settings import Recipe
from mlflow_xfer.tasks.task import Files, Hub, Part, Task, codes

TRAINED = {"train": "train", "validation": "validation"}
# train_qa.sh of google-research/xtreme; 500 warm-up steps of about 8,200 there.
RECIPE = Recipe(
    learning_rate=3e-5,
    num_train_epochs=3.0,
    train_batch_size=32,
    max_seq_length=384,
    warmup_ratio=0.06,
    weight_decay=1e-4,
)
INTERMEDIATE = Recipe(learning_rate=1e-5, num_train_epochs=3.0, train_batch_size=32, max_seq_length=384)
XQUAD_LANGUAGES = codes("ar de el en es hi ro ru th tr vi zh")
MLQA_LANGUAGES = codes("ar de en es hi vi zh")
TYDIQA_NAMES = {
    "ar": "arabic",
    "bn": "bengali",
    "en": "english",
    "fi": "finnish",
    "id": "indonesian",
    "ko": "korean",
    "ru": "russian",
    "sw": "swahili",
    "te": "telugu",
}
TYDIQA_LANGUAGES = tuple(TYDIQA_NAMES)
# Its templates (multichecklist/checklist_templates.tsv) have Hausa where its README has Romanian.
CHECKLIST_LANGUAGES = codes(
    "af ar az bg bn de el en es et eu fa fi fr gu ha he hi ht hu id it ja jv ka kk ko lt ml mr ms my nl pa "
    "pl pt qu ro ru sw ta te th tl tr uk ur vi wo yo zh"
)
EN = {"train": ("en",), "validation": ("en",)}
OF_SQUAD = {"family": "squad", "overlaps": ("xquad", "mlqa", "lareqa"), "dev_of": ("xquad", "lareqa")}
"""What holds of all that is trained on SQuAD's paragraphs: others' test questions are about the same ones."""

# XQuAD is SQuAD's dev set translated, and TyDiQA's dev set is its test set: neither may select a model. So
# both, and MLQA, which shares XQuAD's fine-tuning, take their validation questions from paragraphs of the
# training set.
SQUAD_CUT = {"train": (0.02, 1.0), "validation": (0.0, 0.02)}
TYDIQA_CUT = {"train": (0.1, 1.0), "validation": (0.0, 0.1)}
SQUAD_HUB = Hub(
    "rajpurkar/squad",
    config="plain_text",
    splits={split: Part(("train",), share=share) for split, share in SQUAD_CUT.items()},
    languages=EN,
)
SQUAD_FILES = Files(
    {split: Part(("squad/train-v1.1.json",), share=share) for split, share in SQUAD_CUT.items()},
    format="squad",
    languages=EN,
)


def _qa(
    name: str, description: str, hub: tuple[Hub, ...], folder: tuple[Files, ...] = (), **more: Any
) -> Task:
    more = {
        "kind": "span_qa",
        "metric": "squad",
        "languages": ("en",),
        "uses": ("target",),
        "recipe": RECIPE,
        "skills": ("reading",),
    } | more
    return Task(
        name=name,
        sources={provider: of for provider, of in (("hub", hub), ("folder", folder)) if of},
        description=description,
        **more,
    )


def _tydiqa_files(split: str, file: str) -> tuple[Files, ...]:
    """TyDiQA under both of the names that XTREME's scripts use; only questions of the file's language."""
    parts = {"train": ("train", "validation"), "test": ("test",)}[split]
    return tuple(
        Files(
            {
                part: Part(
                    (f"tydiqa/tydiqa-goldp-v1.1-{file}/{name}.{{language}}.{file}.json",),
                    share=TYDIQA_CUT.get(part, (0.0, 1.0)),
                )
                for part in parts
            },
            format="tydiqa",
        )
        for name in ("tydiqa.goldp", "tydiqa")
    )


TASKS = (
    _qa(
        "squad",
        "SQuAD 1.1: answers are spans of a Wikipedia paragraph",
        (Hub("rajpurkar/squad", config="plain_text", splits=TRAINED),),
        (
            Files(
                {"train": "squad/train-v1.1.json", "validation": "squad/dev-v1.1.json"},
                format="squad",
                languages=EN,
            ),
        ),
        uses=("intermediate", "target"),
        recipe=INTERMEDIATE,
        **OF_SQUAD,
        licence="CC BY-SA 4.0",
        citation="Rajpurkar et al. 2016",
        size=87_599,
        verified=True,
    ),
    _qa(
        "squad2",
        "SQuAD 2.0: SQuAD with questions that have no answer",
        (Hub("rajpurkar/squad_v2", config="squad_v2", splits=TRAINED),),
        metric="squad_v2",
        uses=("intermediate",),
        recipe=INTERMEDIATE,
        **OF_SQUAD,
        licence="CC BY-SA 4.0",
        citation="Rajpurkar et al. 2018",
        size=130_319,
    ),
    _qa(
        "xquad",
        "XTREME: SQuAD paragraphs in twelve languages, trained on SQuAD",
        (
            SQUAD_HUB,
            Hub(
                "google/xquad",
                config="xquad.{language}",
                splits={"test": "validation"},
            ),
        ),
        (SQUAD_FILES, Files({"test": "xquad/xquad.{language}.json"}, format="squad")),
        languages=XQUAD_LANGUAGES,
        family="squad",
        licence="CC BY-SA 4.0",
        citation="Artetxe et al. 2020",
        size=87_599,
        verified=True,
    ),
    _qa(
        "mlqa",
        "XTREME: questions and paragraphs in seven languages, trained on SQuAD",
        (
            SQUAD_HUB,
            Hub(
                "google/xtreme",
                config="MLQA.{language}.{language}",
                splits={"validation": "validation", "test": "test"},
            ),
        ),
        (
            SQUAD_FILES,
            Files(
                {
                    split: f"mlqa/MLQA_V1/{name}/{name}-context-{{language}}-question-{{language}}.json"
                    for split, name in (("validation", "dev"), ("test", "test"))
                },
                format="squad",
            ),
        ),
        metric="mlqa",
        languages=MLQA_LANGUAGES,
        family="squad",
        licence="CC BY-SA 3.0",
        citation="Lewis et al. 2020",
        size=87_599,
        verified=True,
    ),
    _qa(
        "tydiqa",
        "XTREME: TyDiQA-GoldP, questions by native speakers; English training questions only",
        (
            Hub(
                "google/xtreme",
                config="tydiqa",
                splits={split: Part(("train",), share=share) for split, share in TYDIQA_CUT.items()},
                where={"id": "{language}*"},
                codes=TYDIQA_NAMES,
                languages={"train": TYDIQA_LANGUAGES, "validation": TYDIQA_LANGUAGES},
            ),
            Hub(
                "google/xtreme",
                config="tydiqa",
                splits={"test": "validation"},
                where={"id": "{language}*"},
                codes=TYDIQA_NAMES,
            ),
        ),
        (*_tydiqa_files("train", "train"), *_tydiqa_files("test", "dev")),
        languages=TYDIQA_LANGUAGES,
        uses=("target", "intermediate"),
        licence="Apache 2.0",
        citation="Clark et al. 2020",
        size=3_696,
        verified=True,
    ),
    _qa(
        "multichecklist",
        "XTREME-R: six templated tests in 50 languages; a case passes if all its questions are right",
        (),
        (
            SQUAD_FILES,
            Files({"test": "multichecklist/lang_suites/{language}_squad_suite.jsonl"}, format="checklist"),
        ),
        kind="span_cases",
        metric="cases_passed",
        languages=CHECKLIST_LANGUAGES,
        family="squad",
        skills=("behavioural tests",),
        licence="not stated; its repository: Apache 2.0",
        citation="Ruder et al. 2021",
        size=87_599,
    ),
    _qa(
        "mlqa-translate-train",
        "SQuAD's training set machine-translated into MLQA's languages",
        (
            Hub(
                "facebook/mlqa",
                config="mlqa-translate-train.{language}",
                revision="refs/convert/parquet",
                splits=TRAINED,
                languages={"train": codes("ar de es hi vi zh")},
            ),
        ),
        languages=codes("ar de es hi vi zh"),
        train_languages=codes("ar de es hi vi zh"),
        uses=("intermediate",),
        recipe=INTERMEDIATE,
        **OF_SQUAD,
        licence="CC BY-SA 3.0",
        citation="Lewis et al. 2020",
        size=80_000,
        verified=True,
    ),
)
