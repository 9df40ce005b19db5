"""MLproject entry point ``report``; also ``python -m entry_points.report --name value``."""

from mlflow_xfer.cli import entry_point

if __name__ == "__main__":
    entry_point("report")
