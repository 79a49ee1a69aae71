"""What several people saw: agreement computed from their answers, by pure functions."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.consensus.clip_labels import ClipRule as ClipRule
    from kso_utils.consensus.clip_labels import clips as clips
    from kso_utils.consensus.clip_labels import subjects as subjects
    from kso_utils.consensus.comparison import Comparison as Comparison
    from kso_utils.consensus.comparison import compare as compare
    from kso_utils.consensus.quality import Quality as Quality
    from kso_utils.consensus.quality import assess as assess
    from kso_utils.consensus.shapes import MarkRule as MarkRule
    from kso_utils.consensus.shapes import boxes as boxes
    from kso_utils.consensus.votes import VoteRule as VoteRule

__all__ = [
    "ClipRule",
    "Comparison",
    "MarkRule",
    "Quality",
    "VoteRule",
    "assess",
    "boxes",
    "clips",
    "compare",
    "subjects",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        **{"ClipRule": "clip_labels", "clips": "clip_labels", "subjects": "clip_labels"},
        **{"MarkRule": "shapes", "boxes": "shapes", "VoteRule": "votes"},
        **{"Comparison": "comparison", "compare": "comparison", "Quality": "quality", "assess": "quality"},
    },
)
