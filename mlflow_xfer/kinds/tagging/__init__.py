"""The kind ``tagging``: one tag a word."""
