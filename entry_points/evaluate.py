"""MLproject entry point ``evaluate``; also ``python -m entry_points.evaluate --name value``."""

from mlflow_xfer.cli import entry_point

if __name__ == "__main__":
    entry_point("evaluate")
