"""Packed texts: whole documents, full rows, languages at their rates; masks that are the same for ever."""

from __future__ import annotations

import numpy as np
import pytest

from mlflow_xfer.data.encoded import IGNORED, Encoded
from mlflow_xfer.data.packing import Masking, Packer, masked, shifted, uniforms

MASKING = Masking(mask_id=4, vocab_size=100, special_ids=(0, 1, 2, 3, 4))


def texts(n: int, low: int, high: int, seed: int = 0, second: bool = False) -> Encoded:
    draws = np.random.default_rng(seed)
    lengths = draws.integers(low, high, n)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    columns = {"example": np.arange(n)}
    if second:
        columns["second"] = lengths // 2
    return Encoded(draws.integers(5, 100, starts[-1]).astype(np.int32), starts, columns, {"examples": n})


@pytest.fixture
def packer():
    return Packer({"en": texts(3_000, 5, 60), "sw": texts(60, 5, 60, 1)}, 64, 0.3, seed=0)


def test_rows_are_full_and_documents_whole(packer):
    rows = [packer.row(i) for i in range(300)]
    lengths = [sum(packer._lengths[lang][doc] for lang, doc in row) for row in rows]
    assert max(lengths) <= 64 and np.mean(lengths) > 0.97 * 64
    batch = packer.batch(range(8))
    for r in range(8):
        for number, (language, document) in enumerate(packer.row(r), 1):
            mine = batch["document"][r] == number
            assert batch["tokens"][r][mine].tolist() == packer._encoded[language].row(document).tolist()
            assert batch["position"][r][mine].tolist() == list(range(mine.sum()))


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_languages_are_drawn_by_their_tokens_to_the_power_alpha(alpha):
    packer = Packer({"en": texts(4_000, 40, 80), "sw": texts(800, 5, 20, 1)}, 128, alpha, 0)
    tokens = np.zeros(2)
    for i in range(400):
        for language, document in packer.row(i):
            tokens[language] += packer._lengths[language][document]
    sizes = np.array([packer.texts[code].lengths.sum() for code in ("en", "sw")], float)
    wanted = (sizes / sizes.sum()) ** alpha
    assert tokens / tokens.sum() == pytest.approx(wanted / wanted.sum(), abs=0.03)


def test_a_row_does_not_depend_on_what_was_asked_before(packer):
    other = Packer(packer.texts, 64, 0.3, seed=0)
    assert other.row(700) == packer.row(700) and packer.row(3) == other.row(3)
    assert Packer(packer.texts, 64, 0.3, seed=1).row(3) != packer.row(3)


def test_each_document_comes_once_before_any_comes_twice():
    packer = Packer({"en": texts(500, 5, 60)}, 64, 1.0, 0)
    drawn = [doc for _, doc in packer._drawn(0)]
    assert sorted(drawn[:500]) == list(range(500)) and drawn[500:1000] != drawn[:500]


def test_positions_begin_anew_at_a_second_text():
    packer = Packer({"xx": texts(50, 20, 30, second=True)}, 64, 1.0, 0)
    batch = packer.batch(range(2))
    language, document = packer.row(0)[0]
    n = int(packer._lengths[language][document])
    half = n // 2 - 1  # at the separator, which stands where a text's first special token stands
    assert batch["position"][0][:n].tolist() == [*range(half), *range(n - half)]
    assert batch["offset"][0][:n].tolist() == list(range(n))


def test_masks_are_pure_in_seed_step_and_example():
    tokens = np.arange(5, 95).reshape(2, 45)
    example, offset = np.array([[7] * 45, [9] * 45]), np.tile(np.arange(45), (2, 1))
    real = np.ones_like(tokens, bool)
    both = masked(tokens, example, offset, real, MASKING, 0, 3)
    swapped = masked(tokens[::-1], example[::-1], offset, real, MASKING, 0, 3)
    assert (both[0] == swapped[0][::-1]).all() and (both[1] == swapped[1][::-1]).all()
    for other in ((1, 3), (0, 4)):
        assert (masked(tokens, example, offset, real, MASKING, *other)[1] != both[1]).any()


def test_masks_hold_the_declared_shares():
    n = 400_000
    tokens = np.random.default_rng(0).integers(5, 100, (1, n))
    tokens[0, ::10] = 2
    real = np.ones_like(tokens, bool)
    real[0, -1000:] = False
    inputs, labels = masked(tokens, np.zeros_like(tokens), np.arange(n)[None], real, MASKING, 0, 0)
    asked = labels != IGNORED
    assert not asked[:, ::10].any() and not asked[:, -1000:].any()
    assert (labels[asked] == tokens[asked]).all() and (inputs[~asked] == tokens[~asked]).all()
    allowed = real & (tokens != 2)
    assert asked.sum() / allowed.sum() == pytest.approx(0.15, abs=0.003)
    kinds = inputs[asked]
    assert (kinds == 4).mean() == pytest.approx(0.8 + 0.1 / 100, abs=0.006)
    assert (kinds == tokens[asked]).mean() == pytest.approx(0.1 + 0.1 / 100, abs=0.006)


def test_a_batch_always_asks_something():
    tokens = np.array([[0, 7, 2]])
    for step in range(30):
        _, labels = masked(tokens, np.zeros_like(tokens), np.arange(3)[None], tokens >= 0, MASKING, 0, step)
        assert (labels != IGNORED).sum() == 1


def test_uniform_numbers_are_uniform():
    values = uniforms(0, 1, np.arange(1000)[:, None], np.arange(64)[None], 5)
    assert values.min() >= 0 and values.max() < 1 and values.mean() == pytest.approx(0.5, abs=0.005)
    assert abs(np.corrcoef(values[:-1, 0], values[1:, 0])[0, 1]) < 0.1


def test_causal_labels_stay_within_a_document():
    document = np.array([[1, 1, 1, 2, 2, 0]])
    assert shifted(np.array([[10, 11, 12, 20, 21, 0]]), document).tolist() == [
        [11, 12, IGNORED, 21, IGNORED, IGNORED]
    ]
