"""What several people saw: agreement computed from their answers, by pure functions."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.consensus.behaviours import answers as answers
    from kso_utils.consensus.clip_labels import ClipRule as ClipRule
    from kso_utils.consensus.clip_labels import clips as clips
    from kso_utils.consensus.clip_labels import subjects as subjects
    from kso_utils.consensus.dawid_skene import SkeneModel as SkeneModel
    from kso_utils.consensus.dawid_skene import SkeneRule as SkeneRule
    from kso_utils.consensus.dawid_skene import fit_dawid_skene as fit_dawid_skene
    from kso_utils.consensus.dawid_skene import label_probabilities as label_probabilities
    from kso_utils.consensus.gold import find_truth as find_truth
    from kso_utils.consensus.gold import weigh_people as weigh_people
    from kso_utils.consensus.shapes import MarkRule as MarkRule
    from kso_utils.consensus.shapes import boxes as boxes
    from kso_utils.consensus.shapes import marks as marks
    from kso_utils.consensus.votes import VoteRule as VoteRule

__all__ = [
    "ClipRule",
    "MarkRule",
    "SkeneModel",
    "SkeneRule",
    "VoteRule",
    "answers",
    "boxes",
    "clips",
    "find_truth",
    "fit_dawid_skene",
    "label_probabilities",
    "marks",
    "subjects",
    "weigh_people",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        **{"ClipRule": "clip_labels", "clips": "clip_labels", "subjects": "clip_labels"},
        **{"SkeneModel": "dawid_skene", "SkeneRule": "dawid_skene"},
        **{"fit_dawid_skene": "dawid_skene", "label_probabilities": "dawid_skene"},
        **{"answers": "behaviours", "find_truth": "gold", "weigh_people": "gold"},
        **{"MarkRule": "shapes", "boxes": "shapes", "marks": "shapes", "VoteRule": "votes"},
    },
)
