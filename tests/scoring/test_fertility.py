"""What a tokenizer makes of a language."""

from __future__ import annotations

import pytest

from mlflow_xfer.scoring.fertility import describe, fertility, lost_share, truncation_rate, words


def test_words_of_scripts_with_and_without_spaces():
    assert words("Das ist gut.", "de") == ["Das", "ist", "gut."]
    assert words("这是，好", "zh") == ["这", "是", "好"]
    assert words("", "de") == [] and words(" ", "zh") == []


def test_rates():
    assert fertility([2, 3], [4, 6]) == 2 and fertility([], []) == 0
    assert truncation_rate([10, 128, 129, 200], 128) == 0.5 and truncation_rate([], 128) == 0
    assert lost_share([100, 150], 128) == pytest.approx(22 / 250) and lost_share([], 1) == 0


def test_a_language_at_once():
    got = describe(["a bc def", "gh"], "de", lambda texts: [len(text.replace(" ", "")) for text in texts], 7)
    assert got == {"fertility": 2.0, "truncation_rate": 0.5, "lost_share": pytest.approx(1 / 12)}
