"""The kind ``regression``: one number a text or pair."""
