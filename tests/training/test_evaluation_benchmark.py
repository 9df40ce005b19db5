"""The evaluation benchmark compares the same answers on both sides, task by task."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from tiny_world import WORDS

LANGUAGES = tuple(WORDS)


@pytest.fixture
def benchmark(script):
    return script("benchmarks/evaluation.py")


@pytest.fixture
def data(tmp_path):
    """A folder in XTREME's layout: pairs, tagged sentences, questions and two collections to mine."""
    for name in ("xnli", "panx", "xquad", "bucc2018"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for language in LANGUAGES:
        nouns = WORDS[language]["n"]
        texts = [f"{a} {b} {c}" for a in nouns for b in WORDS[language]["v"] for c in nouns[:2]]
        folder = tmp_path / "data"
        labels = ("entailment", "neutral", "contradiction")
        (folder / "xnli" / f"test-{language}.tsv").write_text(
            "".join(f"{t}\t{t[::-1]}\t{labels[n % 3]}\n" for n, t in enumerate(texts)), "utf-8"
        )
        (folder / "panx" / f"test-{language}.tsv").write_text(
            "\n\n".join(
                "\n".join(f"{word}\t{'B-PER' if n % 2 else 'O'}" for n, word in enumerate(t.split()))
                for t in texts
            )
            + "\n",
            "utf-8",
        )
        context = " ".join(texts)
        questions = [
            {"id": f"q{n}", "question": t, "answers": [{"text": t, "answer_start": context.index(t)}]}
            for n, t in enumerate(texts[:10])
        ]
        (folder / "xquad" / f"xquad.{language}.json").write_text(
            json.dumps({"data": [{"title": "", "paragraphs": [{"context": context, "qas": questions}]}]}),
            "utf-8",
        )
    lines = [
        f"{prefix}-{n}\t{a} {b}"
        for prefix, words in (("zh", WORDS["de"]), ("en", WORDS["en"]))
        for n, (a, b) in enumerate((a, b) for a in words["n"] for b in words["v"])
    ]
    for side, code in (("zh", "zh"), ("en", "en")):
        (folder / "bucc2018" / f"zh-en.dev.{side}").write_text(
            "".join(f"{line}\n" for line in lines if line.startswith(code)), "utf-8"
        )
    (folder / "bucc2018" / "zh-en.dev.gold").write_text("zh-0\ten-0\nzh-1\ten-1\n")
    return tmp_path / "data"


def test_both_arms_answer_alike_in_every_task(benchmark, data, tmp_path, monkeypatch):
    out = tmp_path / "report.json"
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "evaluation.py",
            str(data),
            "--size",
            "tiny",
            "--vocab-size",
            "400",
            "--rows",
            "8",
            "--bucc",
            "zh",
            "--out",
            str(out),
        ],
    )
    benchmark.main()
    report = json.loads(out.read_text())
    for name in ("xnli", "panx", "xquad"):
        found = report[name]
        assert found["languages"] == 2 and 8 <= found["examples"] <= 16 and found["ratio"] > 0
        assert found["equal"] == found["compared"] == found["examples"]
    assert [found["rows"] for found in report["bucc"]] == [[8, 8]] * 3 and all(
        found["ours"] >= 0 for found in report["bucc"]
    )


def test_searching_gives_the_nearest_of_both_sides(benchmark):
    draws = np.random.default_rng(0)
    found = benchmark.search(draws.normal(size=(30, 8)), draws.normal(size=(20, 8)), "")
    assert found["rows"] == [30, 20] and found["dimensions"] == 8 and found["ours"] >= 0
