"""What several people saw: agreement computed from their answers, by pure functions."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.consensus.caesar import CaesarRules as CaesarRules
    from kso_utils.consensus.caesar import fixed_rules as fixed_rules
    from kso_utils.consensus.caesar import read_caesar_rules as read_caesar_rules
    from kso_utils.consensus.caesar import serengeti_rules as serengeti_rules
    from kso_utils.consensus.clip_labels import ClipRule as ClipRule
    from kso_utils.consensus.clip_labels import clips as clips
    from kso_utils.consensus.clip_labels import subjects as subjects
    from kso_utils.consensus.followup import find_settled as find_settled
    from kso_utils.consensus.followup import find_unsure as find_unsure
    from kso_utils.consensus.retirement import InformationRule as InformationRule
    from kso_utils.consensus.retirement import Simulation as Simulation
    from kso_utils.consensus.retirement import simulate_retirement as simulate_retirement
    from kso_utils.consensus.shapes import MarkRule as MarkRule
    from kso_utils.consensus.shapes import boxes as boxes
    from kso_utils.consensus.votes import VoteRule as VoteRule

__all__ = [
    *["ClipRule", "MarkRule", "VoteRule", "boxes", "clips", "subjects"],
    *["CaesarRules", "fixed_rules", "read_caesar_rules", "serengeti_rules"],
    *["InformationRule", "Simulation", "find_settled", "find_unsure", "simulate_retirement"],
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        **{"ClipRule": "clip_labels", "clips": "clip_labels", "subjects": "clip_labels"},
        **{"MarkRule": "shapes", "boxes": "shapes", "VoteRule": "votes"},
        **{"find_settled": "followup", "find_unsure": "followup", "simulate_retirement": "retirement"},
        **{"InformationRule": "retirement", "Simulation": "retirement", "CaesarRules": "caesar"},
        **{"fixed_rules": "caesar", "read_caesar_rules": "caesar", "serengeti_rules": "caesar"},
    },
)
