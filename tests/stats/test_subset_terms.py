import numpy as np
import pytest

from mlflow_xfer.stats.subset_terms import design, directions, inflation, terms


def test_directions_are_differences_of_the_design():
    """A task's effect is its mean over all subsets of the others, a pair's the second difference:
    checked by listing them.
    """
    every = np.array([[int(b) for b in f"{i:04b}"] for i in range(16)])
    phi = design(every, np.empty((16, 0)))
    found = directions(4, phi.shape[1])
    with_, without = (np.array([phi[i] for i in range(16) if every[i, 1] == v]) for v in (1, 0))
    assert np.allclose(found[1], (with_ - without).mean(0))
    corner = {
        (a, b): np.mean([phi[i] for i in range(16) if tuple(every[i, [0, 3]]) == (a, b)], 0)
        for a in (0, 1)
        for b in (0, 1)
    }
    pair = 4 + terms(4)[4:].index((0, 3))
    assert np.allclose(found[pair], corner[1, 1] - corner[1, 0] - corner[0, 1] + corner[0, 0])
    assert len(found) == len(terms(4)) == 10


def test_inflation_finds_what_is_not_told_apart():
    x = np.array([[1, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]])
    assert np.isinf(inflation(x)[:2]).all() and inflation(x)[2] == pytest.approx(1)
