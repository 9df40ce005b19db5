"""Charts as drawings: nothing that they say is cut off."""

import re

import pandas as pd
import pytest

from mlflow_xfer.reporting.charts import heat_map
from mlflow_xfer.reporting.drawing import LETTER


@pytest.mark.parametrize("of, name", [("language", "zh"), ("task", "a-task-of-a-rather-long-name")])
def test_names_of_a_heat_map_begin_within_its_frame(of, name):
    drawing = heat_map(pd.DataFrame({"mnli": [1.0, -1.0]}, index=["de", name]), of)
    written = re.findall(r'<text x="([\d.]+)"[^>]*text-anchor="end"[^>]*>([^<]+)</text>', drawing)
    assert len(written) == 2
    for end, text in written:
        assert float(end) - LETTER * len(text) >= 0, text
