"""MLproject entry point ``study``; also ``python -m entry_points.study --name value``."""

from mlflow_xfer.cli import entry_point

if __name__ == "__main__":
    entry_point("study")
