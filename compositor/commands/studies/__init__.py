"""Studies: scenes that measure one question each, and print a table."""
