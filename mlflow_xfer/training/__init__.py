"""Training and prediction on tensors."""
