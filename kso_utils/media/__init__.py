"""Movies in, frames and clips out."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.media.audio import AudioInfo as AudioInfo
    from kso_utils.media.audio import probe_audio as probe_audio
    from kso_utils.media.audio import read_audio as read_audio
    from kso_utils.media.chapters import group_chapters as group_chapters
    from kso_utils.media.chapters import join_chapters as join_chapters
    from kso_utils.media.checks import check_movie as check_movie
    from kso_utils.media.clips import cut_clips as cut_clips
    from kso_utils.media.clips import preview_modifications as preview_modifications
    from kso_utils.media.conversion import find_reasons as find_reasons
    from kso_utils.media.conversion import make_preview as make_preview
    from kso_utils.media.conversion import standardise as standardise
    from kso_utils.media.encoding import write_movie as write_movie
    from kso_utils.media.frames import read_frames as read_frames
    from kso_utils.media.frames import save_frames as save_frames
    from kso_utils.media.movie import MovieInfo as MovieInfo
    from kso_utils.media.movie import probe as probe
    from kso_utils.media.planning import plan_clips as plan_clips
    from kso_utils.media.sampling import sample_frames as sample_frames
    from kso_utils.media.stacks import Stack as Stack
    from kso_utils.media.stacks import open_stack as open_stack
    from kso_utils.media.survey import survey_footage as survey_footage

__all__ = [
    "AudioInfo",
    "MovieInfo",
    "Stack",
    "check_movie",
    "cut_clips",
    "find_reasons",
    "group_chapters",
    "join_chapters",
    "make_preview",
    "open_stack",
    "plan_clips",
    "preview_modifications",
    "probe",
    "probe_audio",
    "read_audio",
    "read_frames",
    "sample_frames",
    "save_frames",
    "standardise",
    "survey_footage",
    "write_movie",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "AudioInfo": "audio",
        "MovieInfo": "movie",
        "Stack": "stacks",
        "check_movie": "checks",
        "cut_clips": "clips",
        "find_reasons": "conversion",
        "group_chapters": "chapters",
        "join_chapters": "chapters",
        "make_preview": "conversion",
        "open_stack": "stacks",
        "plan_clips": "planning",
        "preview_modifications": "clips",
        "probe": "movie",
        "probe_audio": "audio",
        "read_audio": "audio",
        "read_frames": "frames",
        "sample_frames": "sampling",
        "save_frames": "frames",
        "standardise": "conversion",
        "survey_footage": "survey",
        "write_movie": "encoding",
    },
)
