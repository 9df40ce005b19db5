"""BUCC mining against a plain statement of the rules, and the exact search against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.retrieval.mining import (
    Side,
    candidates,
    distinct,
    mine,
    nearest_both_ways,
    tune_threshold,
)
from mlflow_xfer.scoring.score import score


def unit(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    x = rng.standard_normal((n, d)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def plain_candidates(x, y, k=4) -> dict[tuple[int, int], float]:
    """Every pair's margin from the full matrix, then the greedy union of both directions."""
    cosine = x.astype(np.float64) @ y.astype(np.float64).T
    x_mean = np.sort(cosine, axis=1)[:, -k:].mean(axis=1)
    y_mean = np.sort(cosine, axis=0)[-k:].mean(axis=0)
    margin = cosine / ((x_mean[:, None] + y_mean[None]) / 2)
    proposals = []
    for i in range(len(x)):
        near = np.argsort(-cosine[i])[:k]
        proposals.append((i, near[np.argmax(margin[i, near])]))
    for j in range(len(y)):
        near = np.argsort(-cosine[:, j])[:k]
        proposals.append((near[np.argmax(margin[near, j])], j))
    found, used_x, used_y = {}, set(), set()
    for i, j in sorted(proposals, key=lambda pair: -margin[pair]):
        if margin[i, j] > 0 and i not in used_x and j not in used_y:
            found[int(i), int(j)] = margin[i, j]
            used_x.add(i)
            used_y.add(j)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_candidates_follow_the_rules(seed):
    rng = np.random.default_rng(seed)
    x = unit(rng, 60, 16)
    y = np.concatenate([x[:40] + 0.3 * unit(rng, 40, 16), unit(rng, 37, 16)])
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    got = candidates(*nearest_both_ways(x, y, rows=13))
    expected = plain_candidates(x, y)
    pairs = dict(
        zip(zip(got.source.tolist(), got.target.tolist(), strict=True), got.score.tolist(), strict=True)
    )
    assert pairs.keys() == expected.keys()
    assert pairs == pytest.approx(expected, abs=1e-4)
    assert np.all(np.diff(got.score) <= 0)


@pytest.mark.parametrize(
    "n, m, k, rows",
    [(50, 70, 4, 7), (3, 2, 4, 1024), (1, 9, 4, 1), (9, 1, 1, 2), (40, 700, 4, 16), (700, 513, 3, 0)],
)
def test_search_is_exact(n, m, k, rows):
    rng = np.random.default_rng(n)
    x, y = unit(rng, n, 8), unit(rng, m, 8)
    x_sim, x_ind, y_sim, y_ind = nearest_both_ways(x, y, k, rows)
    full = x @ y.T
    for similarity, index, cosine, size in ((x_sim, x_ind, full, m), (y_sim, y_ind, full.T, n)):
        assert similarity.shape == (len(cosine), min(k, size))
        np.testing.assert_allclose(similarity, -np.sort(-cosine, axis=1)[:, :k], atol=1e-6)
        np.testing.assert_allclose(np.take_along_axis(cosine, index, 1), similarity, atol=1e-6)


def test_the_first_of_equal_neighbours_comes_first():
    x, y = np.eye(8, dtype=np.float32)[[0, 1, 0]], np.eye(8, dtype=np.float32)[[1] + [0, 2, 3] * 200]
    similarity, index, backward, _ = nearest_both_ways(x, y, 3, 2)
    assert (
        index[0].tolist() == index[2].tolist() == [1, 4, 7]
        and index[1, 0] == 0
        and similarity[:, 0].tolist() == [1, 1, 1]
    )
    assert backward[1].tolist() == [1, 1, 0]


def mined(found, threshold):
    keep = found.score >= threshold
    return list(zip(found.source[keep].tolist(), found.target[keep].tolist(), strict=True))


def test_planted_translations_are_found():
    rng = np.random.default_rng(0)
    x = unit(rng, 300, 32)
    y = np.concatenate([x[:100] + 0.1 * unit(rng, 100, 32), unit(rng, 200, 32)])
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    found = candidates(*nearest_both_ways(x, y))
    gold = [(i, i) for i in range(100)]
    pairs = mined(found, tune_threshold(found, gold))
    assert score("bucc_f1", pairs, gold, "de").value > 98


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 12), st.integers(0, 10_000))
def test_threshold_is_the_best_of_all(n, seed):
    from mlflow_xfer.kinds.retrieval.mining import Candidates

    rng = np.random.default_rng(seed)
    found = Candidates(np.arange(n), np.arange(n), np.sort(rng.integers(1, 6, n) / 4)[::-1])
    gold = [(int(i), int(i)) for i in rng.permutation(n)[: rng.integers(1, n + 1)]] + [(99, 99)]

    def f1(threshold: float) -> float:
        return score("bucc_f1", mined(found, threshold), gold, "de").value

    assert f1(tune_threshold(found, gold)) == pytest.approx(max(f1(t) for t in found.score), abs=1e-9)


def test_threshold_lies_half_way():
    from mlflow_xfer.kinds.retrieval.mining import Candidates

    found = Candidates(np.array([0, 1, 2]), np.array([0, 1, 2]), np.array([1.5, 1.3, 1.0]))
    assert tune_threshold(found, [(0, 0), (1, 1)]) == pytest.approx(1.15)
    assert tune_threshold(found, [(0, 0), (1, 1), (2, 2)]) == 1.0  # XTREME's loop ends in an IndexError here
    assert (
        tune_threshold(found, []) == tune_threshold(found, [(5, 5)]) == 0.0
    )  # nothing right: nothing is cut off


def test_repeated_sentences():
    rows, once = distinct(["a", "b", "a ", "c", "b"])
    assert rows.tolist() == [0, 1, 3] and once.tolist() == [False, False, True]


def collection(language: str, vectors: np.ndarray, texts=None) -> Side:
    ids = [f"{language}-{i:09d}" for i in range(len(vectors))]
    return Side(ids, texts or [f"{language} {i}" for i in range(len(vectors))], vectors)


def test_threshold_of_dev_is_used_on_test():
    rng = np.random.default_rng(3)

    def pair(n: int) -> tuple[Side, Side, list]:
        x = rng.standard_normal((n, 32)).astype(np.float32)
        y = np.concatenate(
            [x[: n // 2] * 3 + 0.3 * rng.standard_normal((n // 2, 32)), rng.standard_normal((n, 32))]
        )
        return (
            collection("de", x),
            collection("en", y),
            [(f"de-{i:09d}", f"en-{i:09d}") for i in range(n // 2)],
        )

    dev_x, dev_y, dev_gold = pair(120)
    dev_pairs, threshold = mine(dev_x, dev_y, gold=dev_gold)
    assert score("bucc_f1", dev_pairs, dev_gold, "de").value > 95
    test_x, test_y, test_gold = pair(160)
    pairs, same = mine(test_x, test_y, threshold=threshold)
    assert same == threshold and score("bucc_f1", pairs, test_gold, "de").value > 95
    with pytest.raises(XferError, match="either"):
        mine(test_x, test_y)


def test_gold_pairs_that_were_not_proposed_count_as_missed():
    """With them the recall is lower, so the best cut can lie further down."""
    x = np.eye(4, dtype=np.float32)
    side = collection("de", x), collection("en", x)
    gold = [("de-000000000", "en-000000000"), ("de-000000001", "en-000000003")]
    pairs, threshold = mine(*side, gold=gold)
    assert set(pairs) >= {gold[0]} and threshold > 0


def test_repeated_sentences_are_mined_once_and_left_out():
    x = np.eye(5, dtype=np.float32)[[0, 1, 1, 2]]
    source = collection("de", x, ["a", "b", "b", "c"])
    pairs, _ = mine(source, collection("en", x[[0, 1, 3]]), threshold=0.0)
    assert pairs == [("de-000000000", "en-000000000"), ("de-000000003", "en-000000002")]
