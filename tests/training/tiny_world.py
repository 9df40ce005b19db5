"""Tiny real models and tasks that a model of this size can learn in seconds."""

from __future__ import annotations

import random

from mlflow_xfer.tasks.task import Task

WORDS = {
    "en": {
        "good": ["happy", "nice", "lovely", "fine"],
        "bad": ["awful", "sad", "nasty", "poor"],
        "n": ["dog", "cat", "house", "tree", "river", "stone"],
        "v": ["runs", "sees", "eats", "finds"],
    },
    "de": {
        "good": ["froh", "nett", "lieb", "fein"],
        "bad": ["schlimm", "traurig", "fies", "arm"],
        "n": ["Hund", "Katze", "Haus", "Baum", "Fluss", "Stein"],
        "v": ["rennt", "sieht", "isst", "findet"],
    },
}
SENTIMENT = Task(
    name="sentiment",
    kind="classification",
    metric="accuracy",
    languages=("en", "de"),
    sources={},
    labels=("bad", "good"),
)
PAIRS = Task(
    name="pairs.v1",
    kind="classification",
    metric="accuracy",
    languages=("en", "de"),
    sources={},
    labels=("different", "same"),
)
POS = Task(
    name="pos",
    kind="tagging",
    metric="tag_f1",
    languages=("en", "de"),
    sources={},
    labels=("ADJ", "NOUN", "VERB"),
)
TATOEBA = Task(
    name="mini-tatoeba",
    kind="retrieval",
    metric="retrieval_accuracy",
    languages=("de",),
    sources={},
    trained=False,
)


def sentence(language: str, mood: str, draw: random.Random) -> list[tuple[str, str]]:
    lexicon = WORDS[language]
    return [
        (draw.choice(lexicon[mood]), "ADJ"),
        (draw.choice(lexicon["n"]), "NOUN"),
        (draw.choice(lexicon["v"]), "VERB"),
        (draw.choice(lexicon["n"]), "NOUN"),
    ]


def rows(task: Task, language: str, n: int, seed: int = 0):
    """A ``datasets.Dataset`` of ``n`` examples of one of the tasks above."""
    from datasets import Dataset

    draw = random.Random(f"{task.name}-{language}-{seed}")
    made = []
    for i in range(n):
        mood = draw.choice(["good", "bad"])
        one = sentence(language, mood, draw)
        text = " ".join(word for word, _ in one) + " ." * draw.randrange(4)
        if task.kind == "tagging":
            made.append({"id": str(i), "words": [word for word, _ in one], "tags": [tag for _, tag in one]})
        elif task.name == "pairs.v1":
            other = draw.choice(["good", "bad"])
            second = " ".join(word for word, _ in sentence(language, other, draw))
            made.append(
                {
                    "id": str(i),
                    "text_a": text,
                    "text_b": second,
                    "label": "same" if mood == other else "different",
                }
            )
        elif task.kind == "retrieval":
            made.append(
                {"id": str(i), "source": text, "target": " ".join(w for w, _ in sentence("en", mood, draw))}
            )
        else:
            made.append({"id": str(i), "text_a": text, "text_b": None, "label": mood})
    return Dataset.from_list(made)


def texts(language: str, n: int, seed: int = 0):
    from datasets import Dataset

    draw = random.Random(f"text-{language}-{seed}")
    made = [
        " ".join(
            w
            for _ in range(draw.randrange(1, 4))
            for w, _ in sentence(language, draw.choice(["good", "bad"]), draw)
        )
        for _ in range(n)
    ]
    return Dataset.from_list([{"id": str(i), "text": text} for i, text in enumerate(made)])


def make_model(folder, architecture: str):
    from mlflow_xfer.models.load import save
    from mlflow_xfer.models.scratch import build_scratch
    from mlflow_xfer.models.tokenizer import train_tokenizer

    corpus = [text for language in WORDS for text in texts(language, 200)["text"]]
    tokenizer = train_tokenizer(corpus, 300, architecture)
    save(build_scratch(architecture, "tiny", tokenizer, 0), tokenizer, folder)
    return folder
