"""Backbones, heads and embeddings."""
