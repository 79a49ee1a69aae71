"""What several people saw: agreement computed from their answers, by pure functions."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.consensus.clip_labels import ClipRule as ClipRule
    from kso_utils.consensus.clip_labels import clips as clips
    from kso_utils.consensus.shapes import BoxRule as BoxRule
    from kso_utils.consensus.shapes import boxes as boxes

__all__ = ["BoxRule", "ClipRule", "boxes", "clips"]

__getattr__, __dir__ = lazy(
    __name__, {"BoxRule": "shapes", "ClipRule": "clip_labels", "boxes": "shapes", "clips": "clip_labels"}
)
