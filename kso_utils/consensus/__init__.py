"""TODO consensus."""
