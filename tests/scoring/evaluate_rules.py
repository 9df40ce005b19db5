"""What XTREME's ``evaluate.py`` computes,
restated plainly from its behaviour and from nothing in the package.
"""

from __future__ import annotations

import json
import re
import string
import sys
import unicodedata
from collections import Counter
from pathlib import Path

PUNCT = {chr(i) for i in range(sys.maxunicode) if unicodedata.category(chr(i))[0] == "P"} | set(
    string.punctuation
)
ARTICLES = {
    "en": r"\b(a|an|the)\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "ar": "\\sال^|ال",
}


def read_lines(path: Path) -> list[str]:
    with open(path, encoding="utf-8") as file:
        return [line.strip() for line in file]


def read_tags(path: Path) -> list[list[str]]:
    found, now = [], []
    for line in read_lines(path):
        if line:
            now.append(line)
        else:
            found.append(now)
            now = []
    return [*found, now] if now else found


def read_json(path: Path):
    document = json.loads(path.read_text("utf-8"))
    return document.get("data", document)


def accuracy(gold: list, predicted: list) -> float:
    assert len(gold) == len(predicted)
    return 100 * sum(g == p for g, p in zip(gold, predicted, strict=True)) / len(predicted)


def entities(sentences: list[list[str]]) -> set:
    tags = [tag for sentence in sentences for tag in [*sentence, "O"]] + ["O"]
    found, b4, b4_type, begin = set(), "O", "", 0
    for i, tag in enumerate(tags):
        now, kind = tag[0], tag.split("-")[-1]
        if (
            b4 in "ES"
            or b4 + now in ("BB", "BS", "BO", "IB", "IS", "IO")
            or (b4 not in "O." and b4_type != kind)
        ):
            found.add((b4_type, begin, i - 1))
        if (
            now in "BS"
            or b4 + now in ("EE", "EI", "SE", "SI", "OE", "OI")
            or (now not in "O." and b4_type != kind)
        ):
            begin = i
        b4, b4_type = now, kind
    return found


def tag_f1(gold: list, predicted: list) -> float:
    return set_f1(entities(gold), entities(predicted))


def set_f1(gold: set, predicted: set) -> float:
    both = len(gold & predicted)
    if not both:
        return 0.0
    p, r = both / len(predicted), both / len(gold)
    return 100 * 2 * p * r / (p + r)


def bucc(gold: list[str], predicted: list[str]) -> float:
    return set_f1({tuple(x.split("\t")) for x in gold}, {tuple(x.split("\t")) for x in predicted})


def squad_normal(text: str, language: str) -> str:
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(ARTICLES["en"], " ", text).split())


def mlqa_normal(text: str, language: str) -> str:
    text = "".join(c for c in text.lower() if c not in PUNCT)
    if language in ARTICLES:
        text = re.sub(ARTICLES[language], " ", text)
    if language != "zh":
        return " ".join(text.split())
    tokens, run = [], ""
    for c in text:
        if "\u4e00" <= c <= "\u9fa5" or c in PUNCT:
            tokens += [*run.split(), c]
            run = ""
        else:
            run += c
    return " ".join(t for t in [*tokens, *run.split()] if t.strip())


def qa(gold: list, predicted: dict, normal, language: str) -> tuple[float, float]:
    em = f1 = total = 0
    for article in gold:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                total += 1
                if question["id"] not in predicted:
                    continue
                mine = normal(predicted[question["id"]], language)
                theirs = [normal(answer["text"], language) for answer in question["answers"]]
                em += max(mine == t for t in theirs)
                f1 += max(token_f1(mine.split(), t.split()) for t in theirs)
    return 100 * em / total, 100 * f1 / total


def token_f1(mine: list[str], theirs: list[str]) -> float:
    same = sum((Counter(mine) & Counter(theirs)).values())
    if not same:
        return 0
    p, r = same / len(mine), same / len(theirs)
    return 2 * p * r / (p + r)


def reciprocal_rank(gold: dict, predicted: dict) -> float:
    total = 0.0
    for key, golds in gold.items():
        for rank, item in enumerate(predicted.get(key, [])[:20], 1):
            if item == golds[0].strip():
                total += 1 / rank
                break
    return 100 * total / len(gold)


def score(task: str, language: str, predictions: Path, labels: Path) -> float:
    """The ``avg_metric`` share of one language."""
    name = f"test-{language}"
    if task in ("xquad", "tydiqa", "mlqa", "mewslix"):
        gold, mine = (read_json(folder / task / f"{name}.json") for folder in (labels, predictions))
        if task == "mewslix":
            return reciprocal_rank(gold, mine)
        return sum(qa(gold, mine, mlqa_normal if task == "mlqa" else squad_normal, language)) / 2
    if task == "xcopa":
        return accuracy(
            *(
                [json.loads(x)["label"] for x in read_lines(f / task / f"{name}.jsonl")]
                for f in (labels, predictions)
            )
        )
    read, rule = {
        "udpos": (read_tags, tag_f1),
        "panx": (read_tags, tag_f1),
        "bucc2018": (read_lines, bucc),
    }.get(task, (read_lines, accuracy))
    return rule(*(read(folder / task / f"{name}.tsv") for folder in (labels, predictions)))
