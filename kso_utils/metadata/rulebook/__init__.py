"""The rules of the tables, one module a subject; `metadata.checks` runs them all."""
