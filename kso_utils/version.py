"""The version of the software; every stored run carries it."""

__version__ = "0.2.0"
