"""The training benchmark runs on a CPU, compares the same thing, and its figures hang together."""

from __future__ import annotations

import json
import sys

import pytest
from tiny_world import WORDS, texts


@pytest.fixture(scope="module")
def benchmark(script):
    return script("benchmarks/training.py")


@pytest.mark.nightly
def test_every_arm_is_measured(benchmark, tmp_path, monkeypatch):
    for language in WORDS:
        (tmp_path / f"{language}.txt").write_text("\n".join(texts(language, 400)["text"]), encoding="utf-8")
    out = tmp_path / "report.json"
    options = [
        "--size",
        "tiny",
        "--updates",
        "3",
        "--warm-up",
        "1",
        "--batch",
        "4",
        "--seeds",
        "1",
        "--vocab-size",
        "400",
        "--out",
        str(out),
    ]
    monkeypatch.setattr(sys, "argv", ["training.py", str(tmp_path), *options])
    benchmark.main()
    report = json.loads(out.read_text())
    assert report["about"]["vocabulary"] == 400
    for name in ("mlm", "pairs"):
        arms = report[name]["arms"]
        assert set(arms) == {"example", "tuned", "ours"} and len(report[name]["runs"]) == 3
        assert all(arm["tokens_per_s"] > 0 and 0 < arm["eval_loss"] < 10 for arm in arms.values())
        losses = [arm["eval_loss"] for arm in arms.values()]
        assert max(losses) - min(losses) < 0.5  # the same model after the same few updates
        assert set(report[name]["ours_over"]) == {"example", "tuned"}


def test_flops_are_those_of_a_transformer(benchmark):
    from training_experiments import flops_per_token
    from transformers import XLMRobertaConfig

    config = XLMRobertaConfig(
        hidden_size=768, num_hidden_layers=12, intermediate_size=3072, vocab_size=32_000
    )
    body = 12 * (4 * 768**2 + 2 * 768 * 3072)
    assert flops_per_token(config, 0.0) == pytest.approx(6 * body, rel=0.03)
    assert flops_per_token(config, 1.0) - flops_per_token(config, 0.0) == pytest.approx(
        6 * 768 * 32_000, rel=0.03
    )
