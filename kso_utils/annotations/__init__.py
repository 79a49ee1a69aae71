"""Boxes and counts: what people and models marked, whoever marked it."""

from kso_utils.core.lazy import lazy

__all__ = ["audiovisual", "camtrapdp", "counts", "darwincore", "regions", "sightings", "volunteers", "yolo"]

__getattr__, __dir__ = lazy(
    __name__,
    {},
    modules=("audiovisual", "camtrapdp", "counts", "darwincore", "regions", "sightings", "volunteers", "yolo"),
)
