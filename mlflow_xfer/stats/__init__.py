"""Pure statistics on tidy pandas frames."""
