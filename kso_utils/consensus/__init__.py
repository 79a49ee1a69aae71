"""What several people saw: agreement computed from their answers, by pure functions."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.consensus.behaviours import answers as answers
    from kso_utils.consensus.clip_labels import ClipRule as ClipRule
    from kso_utils.consensus.clip_labels import clips as clips
    from kso_utils.consensus.clip_labels import subjects as subjects
    from kso_utils.consensus.comparison import Comparison as Comparison
    from kso_utils.consensus.comparison import compare as compare
    from kso_utils.consensus.curves import accumulate_species as accumulate_species
    from kso_utils.consensus.curves import votes_over_time as votes_over_time
    from kso_utils.consensus.dawid_skene import SkeneModel as SkeneModel
    from kso_utils.consensus.dawid_skene import SkeneRule as SkeneRule
    from kso_utils.consensus.dawid_skene import fit_dawid_skene as fit_dawid_skene
    from kso_utils.consensus.dawid_skene import label_probabilities as label_probabilities
    from kso_utils.consensus.followup import find_settled as find_settled
    from kso_utils.consensus.followup import find_unsure as find_unsure
    from kso_utils.consensus.gold import find_truth as find_truth
    from kso_utils.consensus.gold import weigh_people as weigh_people
    from kso_utils.consensus.quality import Quality as Quality
    from kso_utils.consensus.quality import assess as assess
    from kso_utils.consensus.replay.caesar import CaesarRules as CaesarRules
    from kso_utils.consensus.replay.caesar import fixed_rules as fixed_rules
    from kso_utils.consensus.replay.caesar import read_caesar_rules as read_caesar_rules
    from kso_utils.consensus.replay.caesar import serengeti_rules as serengeti_rules
    from kso_utils.consensus.retirement import InformationRule as InformationRule
    from kso_utils.consensus.retirement import Simulation as Simulation
    from kso_utils.consensus.retirement import simulate_retirement as simulate_retirement
    from kso_utils.consensus.shapes import MarkRule as MarkRule
    from kso_utils.consensus.shapes import boxes as boxes
    from kso_utils.consensus.shapes import marks as marks
    from kso_utils.consensus.votes import VoteRule as VoteRule

__all__ = [
    "CaesarRules",
    "ClipRule",
    "Comparison",
    "InformationRule",
    "MarkRule",
    "Quality",
    "Simulation",
    "SkeneModel",
    "SkeneRule",
    "VoteRule",
    "accumulate_species",
    "answers",
    "assess",
    "boxes",
    "clips",
    "compare",
    "find_settled",
    "find_truth",
    "find_unsure",
    "fit_dawid_skene",
    "fixed_rules",
    "label_probabilities",
    "marks",
    "read_caesar_rules",
    "serengeti_rules",
    "simulate_retirement",
    "subjects",
    "votes_over_time",
    "weigh_people",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "CaesarRules": "replay.caesar",
        "ClipRule": "clip_labels",
        "Comparison": "comparison",
        "InformationRule": "retirement",
        "MarkRule": "shapes",
        "Quality": "quality",
        "Simulation": "retirement",
        "SkeneModel": "dawid_skene",
        "SkeneRule": "dawid_skene",
        "VoteRule": "votes",
        "accumulate_species": "curves",
        "answers": "behaviours",
        "assess": "quality",
        "boxes": "shapes",
        "clips": "clip_labels",
        "compare": "comparison",
        "find_settled": "followup",
        "find_truth": "gold",
        "find_unsure": "followup",
        "fit_dawid_skene": "dawid_skene",
        "fixed_rules": "replay.caesar",
        "label_probabilities": "dawid_skene",
        "marks": "shapes",
        "read_caesar_rules": "replay.caesar",
        "serengeti_rules": "replay.caesar",
        "simulate_retirement": "retirement",
        "subjects": "clip_labels",
        "votes_over_time": "curves",
        "weigh_people": "gold",
    },
)
