"""MLproject entry point ``target``; also ``python -m entry_points.target --name value``."""

from mlflow_xfer.cli import entry_point

if __name__ == "__main__":
    entry_point("target")
