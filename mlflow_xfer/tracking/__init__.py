"""Every call of MLflow is in this package (and in ``plugin``)."""
