"""Whether the media of subjects are what browsers play, and load well: told by their content, not by their name."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kso_utils.archive.opening import open_file
from kso_utils.core.errors import ArchiveError, MediaError
from kso_utils.core.paths import sha256_file
from kso_utils.media.movie import probe
from kso_utils.media.photos import probe_photo
from kso_utils.media.sources import file_name
from kso_utils.zooniverse.delivery import links

if TYPE_CHECKING:
    from kso_utils.archive.base import RangeFile
    from kso_utils.core.report import Severity

CLIP_BYTES = 8 * 1024 * 1024
FRAME_BYTES = 1024 * 1024

_MEDIA = {
    ".mp4": ("video/mp4", CLIP_BYTES),
    ".jpg": ("image/jpeg", FRAME_BYTES),
    ".jpeg": ("image/jpeg", FRAME_BYTES),
    ".png": ("image/png", FRAME_BYTES),
}
_START_BYTES = 16
_FULL_RANGE = "yuvj420p"
"""ffmpeg's name of yuv420p whose black is 0: players know it as well."""
_CUT_AGAIN = (
    "Remove the folder clips and cut anew: kso clips --max-mb 8; or send it as large as it is with --allow-large."
)
_SAVE_SMALLER = "Save it smaller, or send it as large as it is with --allow-large."
_MAKE_AGAIN = "Make the file again: kso clips, or kso frames."


class Fault(NamedTuple):
    """What is wrong with one value of a row; `severity` as in `core.report.Finding`."""

    column: str
    code: str
    value: str
    message: str
    fix: str
    severity: Severity = "error"


def mime_of(medium: str | Path) -> str:
    """Return the type of a medium by the ending of its name or address; `find_faults` tells where that is wrong."""
    return _MEDIA[Path(file_name(medium)).suffix.lower()][0]


def find_faults(
    path: str | None, url: str | None, sha256: str | None, allow_large: bool, allow_expiring: bool
) -> list[Fault]:
    """Return what is wrong with the medium of one subject; the first thing that makes others pointless ends the search.

    Parameters
    ----------
    path, url
        The file, or the address where it lies.
    sha256
        Its content when it was planned; of what lies elsewhere it is not compared.
    allow_large
        Accept clips above 8 MiB and frames above 1 MiB.
    allow_expiring
        Accept links that are signed for a time.
    """
    column, name = ("path", str(path)) if url is None else ("url", str(url).partition("?")[0])

    def fault(code: str, message: str, fix: str) -> list[Fault]:
        return [Fault(column, code, name, f"{name} {message}", fix)]

    if url is not None and (reason := links.find_fault(url)):
        return fault("BAD_ADDRESS", f"{reason}.", "Give an https:// address that everybody may fetch.")
    if url is not None and links.expires(url) and not allow_expiring:
        return fault(
            "EXPIRING_LINK",
            "is a link that is signed for a time; volunteers would find nothing there after it.",
            "Make the files readable for everybody and give the address without a signature.",
        )
    suffix = Path(file_name(name)).suffix.lower()
    if suffix not in _MEDIA:
        return fault("UNKNOWN_MEDIA_TYPE", "is none of .mp4, .jpg, .png.", "Convert it.")
    mime, limit = _MEDIA[suffix]
    try:
        medium = open_file(url or str(path))
        found = _sniff(medium.read(0, min(_START_BYTES, medium.size_bytes)))
        if found != mime:
            told = "neither MP4, JPEG nor PNG" if found is None else found
            return fault("NOT_WHAT_IT_SAYS", f"is {told}, not {mime} as its name says.", _MAKE_AGAIN)
        if medium.size_bytes > limit and not allow_large:
            message = f"has {medium.size_bytes:,} bytes; {limit:,} are the most that load well."
            return fault("FILE_TOO_LARGE", message, _CUT_AGAIN if mime == "video/mp4" else _SAVE_SMALLER)
        if url is None and sha256 != sha256_file(Path(str(path))):
            return fault("FILE_CHANGED", "is not the file that was planned.", "Plan the subjects again.")
        if mime == "video/mp4":
            return [one for told in _find_codec_faults(medium if url else Path(str(path))) for one in fault(*told)]
        _decode(medium, path if url is None else None, suffix)
    except MediaError as error:
        return fault("NOT_DECODABLE", f"cannot be shown: {error}", _MAKE_AGAIN)
    except (OSError, ArchiveError) as error:
        return fault("FILE_MISSING", f"cannot be read: {getattr(error, 'strerror', None) or error}.", _MAKE_AGAIN)
    return []


def _sniff(start: bytes) -> str | None:
    """Return the type of a medium by its first bytes; None where it is none that is known here."""
    if start.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if start[4:8] == b"ftyp":
        return "video/quicktime" if start[8:12] == b"qt  " else "video/mp4"
    return None


def _find_codec_faults(movie: Any) -> list[tuple[str, str, str]]:
    info = probe(movie)
    faults = []
    again = "Cut it again with kso clips, which makes H.264 with the pixels yuv420p."
    if info.codec != "h264":
        faults.append(("UNKNOWN_CODEC", f"is coded as {info.codec}; every browser plays H.264 only.", again))
    if info.pixel_format not in ("yuv420p", _FULL_RANGE):
        faults.append(
            ("UNKNOWN_PIXELS", f"has the pixels {info.pixel_format}; every browser plays yuv420p only.", again)
        )
    return faults


def _decode(medium: RangeFile, path: str | None, suffix: str) -> None:
    """Decode a picture, of another server from a copy."""
    if path is not None:
        probe_photo(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"frame{suffix}"
        copy.write_bytes(medium.read(0, medium.size_bytes))
        probe_photo(copy)
