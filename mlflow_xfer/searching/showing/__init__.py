"""What people see of a search: runs, tables, plots, text, what it cost."""
