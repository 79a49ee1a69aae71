"""What every room needs and nothing else: the standard library only."""
