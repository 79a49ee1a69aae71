"""Movies in, frames and clips out."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.media.clips import cut_clips as cut_clips
    from kso_utils.media.clips import preview_modifications as preview_modifications
    from kso_utils.media.encoding import write_movie as write_movie
    from kso_utils.media.frames import read_frames as read_frames
    from kso_utils.media.frames import save_frames as save_frames
    from kso_utils.media.movie import MovieInfo as MovieInfo
    from kso_utils.media.movie import probe as probe
    from kso_utils.media.movie import survey_footage as survey_footage
    from kso_utils.media.planning import plan_clips as plan_clips
    from kso_utils.media.sampling import sample_frames as sample_frames

__all__ = [
    "MovieInfo",
    "cut_clips",
    "plan_clips",
    "preview_modifications",
    "probe",
    "read_frames",
    "sample_frames",
    "save_frames",
    "survey_footage",
    "write_movie",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "MovieInfo": "movie",
        "cut_clips": "clips",
        "plan_clips": "planning",
        "preview_modifications": "clips",
        "probe": "movie",
        "read_frames": "frames",
        "sample_frames": "sampling",
        "save_frames": "frames",
        "survey_footage": "movie",
        "write_movie": "encoding",
    },
)
