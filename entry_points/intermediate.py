"""MLproject entry point ``intermediate``; also ``python -m entry_points.intermediate --name value``."""

from mlflow_xfer.cli import entry_point

if __name__ == "__main__":
    entry_point("intermediate")
