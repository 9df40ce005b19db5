"""MLproject entry point ``search``; also ``python -m entry_points.search --name value``."""

from mlflow_xfer.cli import entry_point

if __name__ == "__main__":
    entry_point("search")
