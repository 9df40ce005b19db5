"""Multiple choice: which of the answers is right?"""

from __future__ import annotations

from typing import Any

from mlflow_xfer.params.settings import Recipe
from mlflow_xfer.tasks.task import Files, Hub, Task, codes

TRAINED = {"train": "train", "validation": "validation"}
RECIPE = Recipe(learning_rate=1e-5, num_train_epochs=3.0, train_batch_size=32, max_seq_length=256)
# COPA in train_xcopa.sh of google-research/xtreme.
COPA_RECIPE = Recipe(
    learning_rate=3e-5,
    num_train_epochs=5.0,
    train_batch_size=32,
    max_seq_length=128,
    warmup_ratio=0.0,
    weight_decay=0.0,
)
XCOPA_LANGUAGES = codes("et ht id it qu sw ta th tr vi zh")
STORY_LANGUAGES = codes("ar en es eu hi id my ru sw te zh")
COPA_COLUMNS = {"context": "premise", "choices": ("choice1", "choice2"), "id": "idx"}
PROMPT = "What was the {question}?"  # cause or effect; run_xcopa.py of google-research/xtreme
# lm-evaluation-harness: the premise without its full stop, because or therefore, the choice in small letters.
COPA_TEMPLATE = (
    "{{ context.strip()[:-1] }} {{ 'because' if 'cause' in question else 'therefore' }} "
    "||| {{ choice[:1]|lower }}{{ choice[1:] }}"
)
COPA = Hub(
    "aps/super_glue",
    config="copa",
    splits=TRAINED,
    columns=COPA_COLUMNS,
    languages={"train": ("en",), "validation": ("en",)},
    prompt=PROMPT,
)
COPA_QUESTIONS = Hub("aps/super_glue", config="copa", columns=COPA_COLUMNS)


def _choice(name: str, hub: Hub, description: str, **more: Any) -> Task:
    more = {
        "uses": ("intermediate",),
        "recipe": RECIPE,
        "languages": ("en",),
        "skills": ("commonsense",),
    } | more
    return Task(
        name=name,
        kind="multiple_choice",
        metric="accuracy",
        sources={"hub": (hub,)} | more.pop("sources", {}),
        description=description,
        **more,
    )


TASKS = (
    _choice(
        "hellaswag",
        Hub(
            "Rowan/hellaswag",
            splits=TRAINED,
            columns={"context": "ctx", "choices": "endings", "id": "ind"},
        ),
        "what happens next?",
        licence="MIT",
        citation="Zellers et al. 2019",
        size=39_905,
        verified=True,
    ),
    _choice(
        "swag",
        Hub(
            "allenai/swag",
            config="regular",
            splits=TRAINED,
            columns={"context": "startphrase", "choices": ("ending0", "ending1", "ending2", "ending3")},
        ),
        "what happens next? (video captions)",
        licence="not stated",
        citation="Zellers et al. 2018",
        size=73_546,
        verified=True,
    ),
    _choice(
        "cosmosqa",
        Hub(
            "allenai/cosmos_qa",
            splits=TRAINED,
            columns={"choices": ("answer0", "answer1", "answer2", "answer3")},
        ),
        "commonsense reading of personal narratives",
        skills=("commonsense", "reading"),
        licence="CC BY 4.0",
        citation="Huang et al. 2019",
        size=25_262,
        verified=True,
    ),
    _choice(
        "commonsenseqa",
        Hub(
            "tau/commonsense_qa",
            splits=TRAINED,
            columns={"choices": "choices.text", "label": "answerKey"},
            labels=("A", "B", "C", "D", "E"),
        ),
        "commonsense questions without context",
        licence="MIT",
        citation="Talmor et al. 2019",
        size=9_741,
        verified=True,
    ),
    _choice(
        "socialiqa",
        Hub(
            "lighteval/siqa",
            splits=TRAINED,
            columns={"choices": ("answerA", "answerB", "answerC")},
            labels=("1", "2", "3"),
        ),
        "social situations: what next, why, how do they feel?",
        licence="not stated",
        citation="Sap et al. 2019",
        size=33_410,
        verified=True,
    ),
    _choice(
        "copa",
        COPA,
        "causes and effects",
        uses=("intermediate", "target"),
        recipe=COPA_RECIPE,
        template=COPA_TEMPLATE,
        overlaps=("xcopa",),
        family="copa",
        licence="BSD 2-clause",
        citation="Roemmele et al. 2011",
        size=400,
        verified=True,
        sources={
            "folder": (
                Files(
                    {
                        "train": "xcopa/train-{language}.jsonl",
                        "validation": "xcopa/val-{language}.jsonl",
                        "test": "xcopa/test-{language}.jsonl",
                    },
                    format="jsonl",
                    columns=COPA_COLUMNS,
                    prompt=PROMPT,
                    languages=dict.fromkeys(("train", "validation", "test"), ("en",)),
                ),
            )
        },
    ),
    _choice(
        "race",
        Hub(
            "ehovy/race",
            config="all",
            columns={"context": "article", "choices": "options", "label": "answer", "id": "example_id"},
            labels=("A", "B", "C", "D"),
        ),
        "reading tests of Chinese middle and high schools",
        skills=("reading",),
        recipe=Recipe(learning_rate=1e-5, num_train_epochs=3.0, train_batch_size=32, max_seq_length=512),
        licence="non-commercial research",
        citation="Lai et al. 2017",
        size=87_866,
        verified=True,
    ),
    _choice(
        "xcopa",
        COPA,
        "XTREME-R: causes and effects in eleven languages, trained on COPA; whether the cause or the effect "
        "is asked for is taken from COPA, since XCOPA's own field is wrong in some languages",
        languages=XCOPA_LANGUAGES,
        uses=("target",),
        recipe=COPA_RECIPE,
        template=COPA_TEMPLATE,
        overlaps=("xcopa",),
        family="copa",
        licence="CC BY 4.0",
        citation="Ponti et al. 2020",
        size=400,
        verified=True,
        sources={
            "hub": (
                COPA,
                Hub(
                    "cambridgeltl/xcopa",
                    config="{language}",
                    splits={"validation": "validation", "test": "test"},
                    columns=COPA_COLUMNS,
                    prompt=PROMPT,
                    questions=(COPA_QUESTIONS,),
                ),
            ),
            "folder": (
                Files(
                    {
                        split: (f"xcopa/{file}-{{language}}.jsonl", f"xcopa/{file}-en.jsonl")
                        for split, file in (("train", "train"), ("validation", "val"), ("test", "test"))
                    },
                    format="xcopa",
                    columns={"context": "premise", "choices": ("choice1", "choice2")},
                    prompt=PROMPT,
                ),
            ),
        },
    ),
    _choice(
        "xstorycloze",
        Hub(
            "juletxara/xstory_cloze",
            config="{language}",
            revision="refs/convert/parquet",
            splits={"train": "train", "test": "eval"},
            columns={
                "context": ("input_sentence_1", "input_sentence_2", "input_sentence_3", "input_sentence_4"),
                "choices": ("sentence_quiz1", "sentence_quiz2"),
                "label": "answer_right_ending",
                "id": "story_id",
            },
            labels=("1", "2"),
            languages={"train": STORY_LANGUAGES},
        ),
        "which end fits a story of four sentences? Rows are translations of one another",
        languages=STORY_LANGUAGES,
        train_languages=STORY_LANGUAGES,
        uses=("intermediate", "target"),
        overlaps=("xstorycloze",),
        licence="CC BY-SA 4.0",
        citation="Lin et al. 2022",
        size=360,
        verified=True,
    ),
)
