"""What can be found wrong with a movie: each code with its severity, what it means, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kso_utils.core.report import Severity


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of finding about a movie.

    Attributes
    ----------
    severity
        As in `Finding`.
    meaning
        What is wrong, in one sentence, without a place.
    fix
        What to do about it; empty where there is nothing to do.
    """

    severity: Severity
    meaning: str
    fix: str = ""


_COPY_AGAIN = "Copy it again from its source, and compare the sizes."
_COPIED_WHOLE = "Check that it was copied whole."

FAULTS: dict[str, Fault] = {
    "MOVIE_NOT_FOUND": Fault("error", "There is no such file.", "Check the name and the folder."),
    "MOVIE_DENIED": Fault("error", "The file may not be read.", "Ask who owns the file for the right to read it."),
    "MOVIE_OUT_OF_REACH": Fault(
        "error", "The archive in which it lies cannot be asked.", "Check the connection, and try again."
    ),
    "MOVIE_CHANGED": Fault(
        "error",
        "The file is not the one that was registered: its sha256 is another.",
        "Bring the registered file back from a copy; if it was replaced on purpose, register the new one with: "
        "kso movies --replaced NAME",
    ),
    "MOVIE_EMPTY": Fault("error", "The file is empty.", _COPY_AGAIN),
    "MOVIE_NOT_A_MOVIE": Fault(
        "error", "The file is something else under a movie's name, as a web page or a zip.", "Fetch the movie itself."
    ),
    "MOVIE_UNSUPPORTED": Fault(
        "error",
        "It is of a kind that is not read here, or holds no picture.",
        "Convert it to MP4, MOV, MKV, AVI or MPEG-TS.",
    ),
    "MOVIE_TRUNCATED": Fault("error", "The file ends before the movie does.", _COPY_AGAIN),
    "MOVIE_ZEROED": Fault("error", "Zeros stand where data should.", _COPY_AGAIN),
    "MOVIE_DAMAGED": Fault("error", "Parts of the file are not what they must be.", _COPY_AGAIN),
    "MOVIE_UNDECODABLE": Fault("error", "Pictures cannot be decoded.", _COPY_AGAIN),
    "MOVIE_FRAMES_DIFFER": Fault("error", "There are more or fewer frames than the movie claims.", _COPY_AGAIN),
    "AUDIO_DAMAGED": Fault("error", "Sound cannot be decoded.", _COPY_AGAIN),
    "MOVIE_BYTES_LEFT_OVER": Fault("warning", "The file goes on behind the end of the movie.", _COPY_AGAIN),
    "MOVIE_DECODER_WARNS": Fault("warning", "The decoder has doubts about a place.", _COPY_AGAIN),
    "MOVIE_TIMES_REPEAT": Fault("warning", "Several frames have one time.", "Join its parts anew, or standardise it."),
    "MOVIE_VARIABLE_RATE": Fault(
        "warning", "Its frames are not equally long.", "Standardise it where tools need a constant rate."
    ),
    "MOVIE_DURATION_DIFFERS": Fault("warning", "It claims to last longer or shorter than it does.", _COPIED_WHOLE),
    "AUDIO_LENGTH_DIFFERS": Fault("warning", "Its sound ends long before or after its picture.", _COPIED_WHOLE),
    "MOVIE_ROTATED": Fault("info", "It is stored on its side.", "Standardise it where tools ignore that."),
    "MOVIE_START_NOT_ZERO": Fault("info", "Its clock does not begin at zero; times are counted from its first frame."),
    "MOVIE_KEYFRAMES_FAR_APART": Fault("info", "Decoding may start at few frames, so seeking is slow."),
    "MOVIE_REGISTERED": Fault("info", "No sha256 of it was known; the one that it has is compared from now on."),
    "MOVIE_NOT_SCANNED": Fault(
        "info",
        "Only the index and a few frames were looked at, as it is not on this machine.",
        "Check it with --deep, or where it lies.",
    ),
}
