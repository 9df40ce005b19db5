"""Loads with MLflow a model that was published as an adapter and heads alone (``checkpoint=adapter``).

MLflow imports this module by its name in the ``MLmodel`` file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> Any:
    """The model at ``path`` with the weights of its base, which the current tracking store knows, and with
    what its ``MLmodel`` file says of how it is asked."""
    import mlflow
    import yaml

    from mlflow_xfer.home import home
    from mlflow_xfer.phases.whole import made_whole
    from mlflow_xfer.tracking import flavour
    from mlflow_xfer.tracking.store import Store

    said = yaml.safe_load((Path(path) / "MLmodel").read_text(encoding="utf-8"))
    out = home() / "checkpoints" / f"{said['model_id']}-whole"
    with Store.open(probe=False) as store:
        whole = made_whole(store, Path(path), out, f"Model {said['model_id']}")
    longest = (model_config or {}).get("max_length")
    flavour.files(whole, whole, run_id=said["run_id"], model_id=said["model_id"], longest=longest)
    return mlflow.pyfunc.load_model(str(whole))
