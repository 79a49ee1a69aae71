"""How exports get here: fetched, examined, taken into the store."""
