"""Raw text of the hub for language modelling: values of the ``text`` parameter."""

from __future__ import annotations

from typing import Any

from mlflow_xfer import languages
from mlflow_xfer.tasks.task import Hub, Task

EVERY = languages.known()
FLORES = {code: language.flores_code for code, language in languages.table().items() if language.flores_code}
TRAIN = {"train": "train"}


def _text(name: str, hub: Hub, description: str, spoken: tuple[str, ...] = EVERY, **more: Any) -> Task:
    return Task(
        name=name,
        kind="language_model",
        metric="",
        languages=spoken,
        train_languages=spoken,
        sources={"hub": (hub,)},
        uses=("text",),
        description=description,
        **more,
    )


TASKS = (
    _text(
        "wikipedia",
        Hub("wikimedia/wikipedia", config="20231101.{language}", splits=TRAIN),
        "Wikipedia articles of 2023-11-01",
        licence="CC BY-SA 4.0",
        citation="Wikimedia Foundation 2023",
    ),
    _text(
        "cc100",
        Hub(
            "statmt/cc100",
            config="lang={language}",
            revision="refs/convert/parquet",
            splits=TRAIN,
        ),
        "CC-100, XLM-R's kind of web text; some languages have no converted files",
        licence="Common Crawl terms",
        citation="Conneau et al. 2020; Wenzek et al. 2020",
    ),
    _text(
        "glot500",
        Hub(
            "cis-lmu/Glot500",
            config="{language}",
            splits=TRAIN,
            codes=FLORES,
        ),
        "Glot500-c, web text of low-resource languages",
        tuple(FLORES),
        licence="per source",
        citation="Imani et al. 2023",
        verified=True,
    ),
    _text(
        "madlad400",
        Hub(
            "allenai/MADLAD-400",
            splits=TRAIN,
            files={"train": "data/{language}/{language}_clean_0000.jsonl.gz"},
        ),
        "MADLAD-400, cleaned: the first file of each language",
        licence="ODC-BY",
        citation="Kudugunta et al. 2023",
    ),
)
