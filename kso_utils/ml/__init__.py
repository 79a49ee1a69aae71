"""TODO ml."""
