"""Whether a movie is whole: findings about a file, each with the place and what to do about it."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import MutableMapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.core.errors import ArchiveError, Denied, MediaCorrupt, MediaError, MediaUnsupported, NotFound
from kso_utils.core.paths import sha256_file, to_text
from kso_utils.core.progress import bar, track
from kso_utils.core.report import Finding, Report
from kso_utils.media.complaints import STRICT, Complaint, find_complaints, find_leftovers, listen, understand
from kso_utils.media.containers.payloads import find_blemish, find_layout
from kso_utils.media.containers.structure import find_flaws, is_known
from kso_utils.media.findings import FAULTS
from kso_utils.media.frames import read_frames
from kso_utils.media.index import MovieIndex, load_index
from kso_utils.media.marks import at_hand
from kso_utils.media.movie import MovieInfo, probe
from kso_utils.media.safety import open_movie, require_file
from kso_utils.media.sources import Footage, name_of, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kso_utils.archive.base import RangeFile

Register = MutableMapping[str, str | None]
"""Path or address of a movie -> the sha256 of its file when it was registered, None where that is not known."""

# Findings of one kind about one movie; what is left is counted.
_MOST = 10
_HEAD_BYTES = 512
_MPEG = ("mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v3", "h263")
# Sound and picture of one recording may end this far apart.
_APART_S = 0.5
_LONG_GOP_S = 20.0

# First bytes of what is often found under a movie's name, in small letters.
_DISGUISES = {
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"<?xml": "a list of other files (XML)",
    b"#extm3u": "a playlist of other files",
    b"ffconcat": "a list of other files",
    b"v=0": "the description of a broadcast",
    b"pk\3\4": "a zip archive",
    b"\x89png": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"%pdf": "a PDF document",
}


def check_movie(movie: Footage, deep: bool = False, sha256: str | None = None) -> Report:
    """Check whether a movie is whole.

    Without `deep`, the outer form of a local file is checked, its packets are looked through without decoding them,
    and its first frame, its last one and one of the middle are decoded; of a movie that is elsewhere only these
    frames and its index are fetched. With `deep` everything is decoded strictly, picture and sound, and the frames
    are counted; a movie that is elsewhere is fetched whole for that.

    A decoder cannot tell a picture that a flipped bit made from the one that was taken; the sha256 that the file had
    once can.

    Parameters
    ----------
    movie
        A local movie, an address of one (`s3://`, `https://`), or an open file of an archive.
    deep
        Whether to decode everything.
    sha256
        What the file had when it was registered, 64 hexadecimal digits; it is compared, for which a movie that is
        elsewhere is fetched whole too.

    Returns
    -------
    Report
        Its codes, with their severity, meaning and what to do, are those of `findings.FAULTS`.

    Raises
    ------
    ArchiveError
        If the archive of a movie that is elsewhere cannot be asked.
    MissingExtra
        If the package that reads movies is not installed.
    """
    return examine(movie, deep, None if sha256 is None else {name_of(movie): sha256.lower()})[0]


def check_movies(movies: Iterable[Footage], deep: bool = False, register: Register | None = None) -> Report:
    """Check several movies as `check_movie` does; one that cannot be checked does not stop the others.

    Parameters
    ----------
    movies, deep
        As in `check_movie`.
    register
        Movies that are in it are read whole. Their sha256 is compared with the one known, and filled in where none
        is and the movie is found whole.

    Returns
    -------
    Report
        The findings about all of them, those about one in the order of the file; `MOVIE_OUT_OF_REACH` where the
        archive of a movie cannot be asked.
    """
    listed = list(movies)
    report = Report(f"Check of {len(listed)} {'movie' if len(listed) == 1 else 'movies'}")
    for movie in track(listed, "Checking movies"):
        try:
            report.extend(examine(movie, deep, register)[0])
        except ArchiveError as error:
            notes = _Notes(name_of(movie))
            notes.add("MOVIE_OUT_OF_REACH", str(error), fix="")
            report.extend(notes.close())
    return report


def examine(movie: Footage, deep: bool = False, register: Register | None = None) -> tuple[Report, MovieInfo | None]:
    """Check a movie as `check_movies` does, and return with the report what it is, where that can be told."""
    name = name_of(movie)
    notes, info = _Notes(name), None
    try:
        source = resolve(movie)
        if isinstance(source, Path) or not (deep or name in (register or {})):
            info = _look(source, name, deep, register, notes)
        else:
            with tempfile.TemporaryDirectory() as folder, at_hand(source, Path(folder)) as copy:
                info = _look(copy, name, deep, register, notes)
    except NotFound as error:
        notes.add("MOVIE_NOT_FOUND", str(error), fix="")
    except Denied as error:
        notes.add("MOVIE_DENIED", str(error))
    return notes.close(), info


class _Notes:
    """Findings about one movie, at most so many of a kind."""

    def __init__(self, name: str) -> None:
        self.name = to_text(name)
        self.report, self.seen = Report(f"Check of {self.name}"), Counter[str]()

    def add(self, code: str, message: str, value: object = "", fix: str | None = None) -> None:
        """Keep a finding; `fix` stands in place of the advice of its code where the message gives some already."""
        self.seen[code] += 1
        if self.seen[code] <= _MOST:
            self._put(code, message, value, FAULTS[code].fix if fix is None else fix)

    def _put(self, code: str, message: str, value: object, fix: str) -> None:
        severity = FAULTS[code].severity
        self.report.add(Finding(self.name, None, None, code, severity, str(value), to_text(message), fix))

    def close(self) -> Report:
        """Return the report, with a line on what was left out."""
        for code, count in self.seen.items():
            if count > _MOST:
                self._put(code, f"There are {count - _MOST} more places of this kind.", count, "")
        return self.report


def _look(
    source: Path | RangeFile, name: str, deep: bool, register: Register | None, notes: _Notes
) -> MovieInfo | None:
    info = _check(source, deep, notes)
    if isinstance(source, Path) and register is not None and name in register:
        _compare_sha256(source, name, register, notes)
    return info


def _compare_sha256(path: Path, name: str, register: Register, notes: _Notes) -> None:
    """Compare a file with what was registered of it, or register it where it is whole and nothing was."""
    try:
        sha256 = sha256_file(path)
    except OSError as error:
        notes.add("MOVIE_OUT_OF_REACH", f"It cannot be read to its end: {error.strerror}.")
        return
    known = register[name]
    if known is None and notes.report.ok:
        register[name] = sha256
        notes.add("MOVIE_REGISTERED", f"Its sha256 was not known until now: {sha256}.", sha256)
    elif known is not None and sha256 != known:
        message = f"It is not the file that was registered: its sha256 was {known}, now it is {sha256}."
        notes.add("MOVIE_CHANGED", message, sha256)


def _check(source: Path | RangeFile, deep: bool, notes: _Notes) -> MovieInfo | None:
    info = None
    if isinstance(source, Path) and not _check_form(source, notes):
        return None
    try:
        index = load_index(source)
        if isinstance(source, Path):
            _scan(source, index, notes)
        info = probe(source)
        _tell_facts(info, index, notes)
        if isinstance(source, Path) and deep:
            _decode(source, index, notes)
        else:
            _check_samples(source, index, notes)
    except MediaUnsupported as error:
        notes.add("MOVIE_UNSUPPORTED", str(error), fix="")
    except MediaError as error:
        # Where places are known already, that it cannot be decoded is no news.
        if notes.report.ok:
            unknown = isinstance(source, Path) and not _is_known(source)
            notes.add("MOVIE_NOT_A_MOVIE" if unknown else "MOVIE_UNDECODABLE", str(error), fix="")
    if info and not isinstance(source, Path):
        message = "Only the index and a few frames of it were looked at, as it is not on this machine."
        notes.add("MOVIE_NOT_SCANNED", message)
    return info


def _is_known(path: Path) -> bool:
    with path.open("rb") as file:
        return is_known(file.read(_HEAD_BYTES))


def _check_form(path: Path, notes: _Notes) -> bool:
    """Check the outer form of a file; whether it may be a movie."""
    require_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        flaws = find_flaws(path)
    except PermissionError as error:
        raise Denied(f"{path} may not be read.") from error
    if not head:
        notes.add("MOVIE_EMPTY", "The file is empty.")
        return False
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    guise = next((what for mark, what in _DISGUISES.items() if start.startswith(mark)), None)
    if guise is None and not head.strip(b"\0"):
        notes.add("MOVIE_ZEROED", "The file begins with zeros instead of a movie.", 0)
        return False
    if guise:
        notes.add("MOVIE_NOT_A_MOVIE", f"The file is {guise}, not a movie.", guise)
        return False
    for flaw in flaws:
        left_over = flaw.fault == "LEFT_OVER"
        code = "MOVIE_BYTES_LEFT_OVER" if left_over else f"MOVIE_{flaw.fault}"
        message = f"The file is {'longer than the movie' if left_over else 'damaged'}: {flaw.message}."
        notes.add(code, message, flaw.at)
    return True


def _tell_facts(info: MovieInfo, index: MovieIndex, notes: _Notes) -> None:
    if (np.diff(index.ticks) <= 0).any():
        message = "Several of its frames have one time, as in recordings that were put one behind the other."
        notes.add("MOVIE_TIMES_REPEAT", message)
    elif info.variable_rate:
        steps = np.diff(index.pts_s)
        message = f"Its frames are not equally long: from {steps.min():.4f} s to {steps.max():.4f} s."
        notes.add("MOVIE_VARIABLE_RATE", message)
    if info.rotation:
        message = f"It is stored lying on its side and turned by {info.rotation} degrees when shown."
        notes.add("MOVIE_ROTATED", message, info.rotation)
    if info.start_s:
        message = f"Its clock begins at {info.start_s:.3f} s; times are counted from its first frame."
        notes.add("MOVIE_START_NOT_ZERO", message, info.start_s)
    if info.longest_gop / info.fps > _LONG_GOP_S and info.frames > info.longest_gop:
        message = f"Up to {info.longest_gop} frames lie between those at which decoding may start, so seeking is slow."
        notes.add("MOVIE_KEYFRAMES_FAR_APART", message, info.longest_gop)


def _check_samples(source: Path | RangeFile, index: MovieIndex, notes: _Notes) -> None:
    """Decode the frames at the first key packet, at one in the middle, and at the last."""
    keys = index.keys[np.isin(index.keys, index.shown)]
    some = keys[[0, len(keys) // 2, -1]] if len(keys) else index.shown[:1]
    for number in sorted(set(np.flatnonzero(np.isin(index.shown, some)).tolist())):
        try:
            if not any(True for _ in read_frames(source, [number])):
                raise MediaCorrupt(f"Frame {number} cannot be decoded.")
        except MediaCorrupt as error:
            at = f"Frame {number}, at {index.pts_s[number]:.3f} s: {error}"
            notes.add("MOVIE_UNDECODABLE", at, number)


def _scan(path: Path, index: MovieIndex, notes: _Notes) -> None:
    """Look through all packets of picture and sound without decoding more than those that are doubtful."""
    size = path.stat().st_size
    with open_movie(path) as (container, video), bar(f"Checking {path.name}", size) as progress:
        context = video.codec_context
        layout, mpeg = find_layout(context.name, context.extradata), context.name in _MPEG
        streams = [video, *(s for s in container.streams.audio if s.codec_context is not None)]
        ends: dict[int, Fraction] = {}
        context.options = dict(STRICT)
        count, done = 0, 0
        for packet in container.demux(streams):
            if not packet.size:
                continue
            if packet.pts is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                ends[packet.stream_index] = max(end, ends.get(packet.stream_index, end))
            if packet.pos is not None and packet.pos > done:
                progress.advance(packet.pos - done)
                done = packet.pos
            if packet.stream_index != video.index:
                continue
            count += 1
            blemish = find_blemish(bytes(packet), layout, packet.pos, mpeg)
            if blemish and (blemish.certain or not _decodes(packet)):
                code = "MOVIE_ZEROED" if blemish.zeros else "MOVIE_DAMAGED"
                what = "Zeros stand instead of data" if blemish.zeros else "Its data is damaged"
                notes.add(code, f"{what} {_place(packet)}.", packet.pos)
        _compare(container, video, ends, count, index, notes)


def _place(packet: Any) -> str:
    """Say where a packet is, in seconds and bytes."""
    moment = packet.pts if packet.pts is not None else packet.dts
    at = f"at {float(moment * packet.time_base):.3f} s" if moment is not None else "at a time that is not told"
    return at if packet.pos is None else f"{at} (byte {packet.pos})"


def _decodes(packet: Any) -> bool:
    """Whether a packet by itself is a good frame."""
    import av

    with listen() as said:
        try:
            frames = packet.decode()
            return bool(frames) and not any(f.is_corrupt for f in frames) and not list(understand(said))
        except av.FFmpegError:
            return False


def _compare(
    container: Any, video: Any, ends: dict[int, Fraction], count: int, index: MovieIndex, notes: _Notes
) -> None:
    """Compare what the container claims with its packets, and picture with sound."""
    if "mov" in container.format.name and video.frames and video.frames != count:
        message = f"Its index tells of {video.frames} frames, but {count} are there."
        notes.add("MOVIE_FRAMES_DIFFER", message, count)
    if video.index not in ends:
        return
    shown_s = index.duration_s
    claimed_s = float(container.duration / 1e6) if container.duration else 0.0
    others = [float(end) for stream, end in ends.items() if stream != video.index]
    longest_s = max([shown_s, float(ends[video.index]), *others])
    if claimed_s and not 0.98 * min(shown_s, longest_s) - 1 <= claimed_s <= 1.02 * longest_s + 1:
        message = f"It claims to last {claimed_s:.1f} s, but its frames last {shown_s:.1f} s; they are what counts."
        notes.add("MOVIE_DURATION_DIFFERS", message, claimed_s)
    picture_s = float(ends[video.index])
    for other_s in others:
        if abs(other_s - picture_s) > _APART_S:
            message = f"Its sound ends at {other_s:.1f} s, its picture at {picture_s:.1f} s."
            notes.add("AUDIO_LENGTH_DIFFERS", message, other_s)


def _decode(path: Path, index: MovieIndex, notes: _Notes) -> None:
    """Decode everything strictly, and count the frames."""

    def tell(complaint: Complaint) -> None:
        code = "MOVIE_DECODER_WARNS"
        if complaint.serious:
            code = "AUDIO_DAMAGED" if complaint.sound else "MOVIE_UNDECODABLE"
        at = "at a time that is not told" if complaint.at_s is None else f"at {complaint.at_s:.3f} s"
        if complaint.position is not None:
            at += f" (byte {complaint.position})"
        what = "Its sound" if complaint.sound else "Its picture"
        message = f"{what} {at} is {'damaged' if complaint.serious else 'doubtful'}: {complaint.message}."
        notes.add(code, message, complaint.position)

    frames = find_complaints(path, tell)
    if notes.report.ok:
        find_leftovers(path, tell)
    if frames != len(index):
        message = f"It has {len(index)} frames, but {frames} come out of the decoder."
        notes.add("MOVIE_FRAMES_DIFFER", message, frames)
