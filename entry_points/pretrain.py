"""MLproject entry point ``pretrain``; also ``python -m entry_points.pretrain --name value``."""

from mlflow_xfer.cli import entry_point

if __name__ == "__main__":
    entry_point("pretrain")
