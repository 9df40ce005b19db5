"""The kind ``language_model``: raw text."""
