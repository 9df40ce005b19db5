"""The kind ``multiple_choice``: one of the choices of a question."""
