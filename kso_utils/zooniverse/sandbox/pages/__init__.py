"""The sandbox's web pages: what is there, what people said about it, and a place to classify it."""
