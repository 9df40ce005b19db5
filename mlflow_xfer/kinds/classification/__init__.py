"""The kind ``classification``: one label a text or pair."""
