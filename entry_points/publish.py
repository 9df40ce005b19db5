"""MLproject entry point ``publish``; also ``python -m entry_points.publish --name value``."""

from mlflow_xfer.cli import entry_point

if __name__ == "__main__":
    entry_point("publish")
