import math

import numpy as np
import pytest
from statsmodels.stats.meta_analysis import combine_effects

from mlflow_xfer.stats import pooling


def test_random_effects_is_statsmodels():
    y, se = np.array([0.3, -0.1, 0.5, 0.2, 0.9]), np.array([0.1, 0.2, 0.15, 0.1, 0.2])
    found = pooling.random_effects(y, se)
    reference = combine_effects(y, se**2, method_re="iterated", use_t=True)
    assert found.parts["between"] == pytest.approx(reference.tau2, rel=1e-3)
    assert found.estimate == pytest.approx(reference.mean_effect_re, rel=1e-4)
    assert found.se == pytest.approx(reference.sd_eff_w_re_hksj, rel=1e-3)
    assert pooling.random_effects([0.3], [0.1]).notes == ("one study: nothing to pool",)


def test_random_effects_never_undercuts_the_fixed_interval():
    found = pooling.random_effects([0.2, 0.2001, 0.1999], [0.1, 0.1, 0.1])
    assert found.se == pytest.approx(0.1 / math.sqrt(3))
