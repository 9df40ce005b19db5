"""Every parameter and every verb, declared once: the Python API, the command line, MLproject, the
documentation, the parameters of runs, the spaces of searches and the hashes of phases all read them here.
"""

from __future__ import annotations

from mlflow_xfer.params.values import typed
from mlflow_xfer.params.verbs import VERBS, parse

__all__ = ["VERBS", "parse", "typed"]
