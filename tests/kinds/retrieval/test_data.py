"""What retrieval is asked for follows from the metric alone."""

from __future__ import annotations

import pytest

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.kind import KINDS
from mlflow_xfer.kinds.retrieval.data import PROTOCOLS, protocol
from mlflow_xfer.kinds.retrieval.protocols import JUDGES


def test_every_metric_has_a_protocol_and_every_protocol_a_judge():
    assert set(PROTOCOLS) == set(KINDS.get("retrieval").metrics)
    assert set(PROTOCOLS.values()) == set(JUDGES)


def test_another_kinds_metric_has_no_protocol():
    with pytest.raises(XferError, match="Unknown metric of retrieval tasks 'tag_f1'"):
        protocol("tag_f1")
