"""The store: everything a project knows, in one SQLite file."""
