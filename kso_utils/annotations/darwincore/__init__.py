"""Darwin Core archives: what GBIF and OBIS take in."""

from kso_utils.core.lazy import lazy

__all__ = ["terms"]

__getattr__, __dir__ = lazy(__name__, {}, modules=("terms",))
