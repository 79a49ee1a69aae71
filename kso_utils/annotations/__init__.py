"""TODO annotations."""
