"""What several people saw: agreement computed from their answers, by pure functions."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.consensus.clip_labels import ClipRule as ClipRule
    from kso_utils.consensus.clip_labels import clips as clips
    from kso_utils.consensus.clip_labels import subjects as subjects
    from kso_utils.consensus.dawid_skene import SkeneModel as SkeneModel
    from kso_utils.consensus.dawid_skene import SkeneRule as SkeneRule
    from kso_utils.consensus.dawid_skene import fit_dawid_skene as fit_dawid_skene
    from kso_utils.consensus.dawid_skene import label_probabilities as label_probabilities
    from kso_utils.consensus.shapes import MarkRule as MarkRule
    from kso_utils.consensus.shapes import boxes as boxes
    from kso_utils.consensus.votes import VoteRule as VoteRule

__all__ = [
    "ClipRule",
    "MarkRule",
    "SkeneModel",
    "SkeneRule",
    "VoteRule",
    "boxes",
    "clips",
    "fit_dawid_skene",
    "label_probabilities",
    "subjects",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        **{"ClipRule": "clip_labels", "clips": "clip_labels", "subjects": "clip_labels"},
        **{"SkeneModel": "dawid_skene", "SkeneRule": "dawid_skene"},
        **{"fit_dawid_skene": "dawid_skene", "label_probabilities": "dawid_skene"},
        **{"MarkRule": "shapes", "boxes": "shapes", "VoteRule": "votes"},
    },
)
