"""MLproject entry point ``main``, the whole chain; also ``python -m entry_points.main --name value``."""

from mlflow_xfer.cli import entry_point

if __name__ == "__main__":
    entry_point("transfer")
