"""What MLflow loads when it is imported. Standard library only, and nothing here may raise."""
