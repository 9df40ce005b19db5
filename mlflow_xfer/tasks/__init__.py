"""Task declarations. ``task.py`` says what an entry is; the other modules hold entries by theme."""
