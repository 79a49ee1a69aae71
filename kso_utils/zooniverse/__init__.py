"""TODO zooniverse."""
