"""Footage whose truth is known, what moves in real movies; servers, and contracts."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.testing.archive_contract import ArchiveContract as ArchiveContract
    from kso_utils.testing.crowd import simulate_crowd as simulate_crowd
    from kso_utils.testing.motion import find_moving as find_moving
    from kso_utils.testing.range_server import serve_ranges as serve_ranges
    from kso_utils.testing.reef import Reef as Reef
    from kso_utils.testing.reef import generate_reef as generate_reef
    from kso_utils.testing.reef import load_truth as load_truth
    from kso_utils.testing.truth import clip_truth as clip_truth
    from kso_utils.testing.truth import max_n_truth as max_n_truth
    from kso_utils.testing.worms import serve_worms as serve_worms

__all__ = [
    "ArchiveContract",
    "Reef",
    "clip_truth",
    "find_moving",
    "generate_reef",
    "load_truth",
    "max_n_truth",
    "serve_ranges",
    "serve_worms",
    "simulate_crowd",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "ArchiveContract": "archive_contract",
        "Reef": "reef",
        "clip_truth": "truth",
        "find_moving": "motion",
        "generate_reef": "reef",
        "load_truth": "reef",
        "max_n_truth": "truth",
        "serve_ranges": "range_server",
        "serve_worms": "worms",
        "simulate_crowd": "crowd",
    },
)
