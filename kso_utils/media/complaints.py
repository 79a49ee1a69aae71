"""What strict decoders say about a movie when everything in it is decoded."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kso_utils.core.progress import Bar, bar
from kso_utils.media.containers.parameter_sets import heighten_packet, heighten_record
from kso_utils.media.safety import open_movie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STRICT = {"err_detect": "+crccheck+bitstream+buffer+careful+explode"}
"""Options of ffmpeg's demuxers and decoders with which they forgive nothing that they notice."""

# To go on behind an error, as every picture is looked at for itself.
_CAREFUL = {"err_detect": "+crccheck+bitstream+buffer+careful", "ec": "favor_inter", "skip_loop_filter": "all"}
# ffmpeg's levels; what it says of itself at INFO is not about the movie, but for this word.
_ERROR, _WARNING, _INFO = 16, 24, 32
_CONCEALED = "concealing"
# Larger pictures than any camera takes; a damaged file may claim them, and room would be made for them.
_MOST_PIXELS = 2**26
# What is told of one packet; a decoder that stumbles says much.
_MOST_WORDS = 2
# ffmpeg has one ear for all of a process.
_EAR = threading.Lock()


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something that a decoder did not like.

    Attributes
    ----------
    sound
        Whether it is about sound, not the picture.
    serious
        Whether what it gave is not what was recorded; else it was only surprised.
    at_s, position
        Time and byte of the packet; None where the container does not say.
    message
        What the decoder said.
    """

    sound: bool
    serious: bool
    at_s: float | None
    position: int | None
    message: str


@contextmanager
def listen() -> Iterator[list[tuple[int, str, str]]]:
    """Give a list to which is added what ffmpeg says in this thread: (level, part of ffmpeg, words)."""
    from av import logging

    with _EAR, logging.Capture() as heard:
        level, skips = logging.get_level(), logging.get_skip_repeated()
        logging.set_level(_INFO)
        logging.set_skip_repeated(False)
        try:
            yield heard
        finally:
            logging.set_skip_repeated(skips)
            logging.set_level(level)


def understand(heard: list[tuple[int, str, str]]) -> Iterator[tuple[bool, str]]:
    """Yield (is it an error, words) of what was heard about the data, and forget it."""
    for level, _, words in heard:
        if level <= _WARNING or _CONCEALED in words:
            yield level <= _ERROR or _CONCEALED in words, " ".join(words.split())
    heard.clear()


def find_complaints(path: Path, tell: Callable[[Complaint], None]) -> int:
    """Decode all of a local movie strictly, picture and sound, and return how many frames came.

    Parameters
    ----------
    path
        The movie.
    tell
        Called with each complaint.

    Raises
    ------
    NotFound, Denied, MediaCorrupt, MediaUnsupported
        As `safety.open_movie`.
    """
    frames = 0
    with open_movie(path) as (container, video), listen() as heard, bar(f"Decoding {path.name}") as progress:
        streams = [video, *(s for s in container.streams.audio if s.codec_context is not None)]
        for stream in streams:
            # One thread at a time: what is heard in another could not be told from that of other movies.
            stream.thread_type = "NONE"
            stream.codec_context.options = {**STRICT, "max_pixels": str(_MOST_PIXELS)}
        for packet in container.demux(streams):
            decoded, trouble = _decode(packet)
            sound = packet.stream_index != video.index
            if not sound:
                frames += len(decoded)
                progress.advance(len(decoded))
            trouble = [*understand(heard), *trouble]
            if trouble:
                serious = any(worse for worse, _ in trouble)
                words = dict.fromkeys(words for worse, words in trouble if worse is serious)
                tell(Complaint(sound, serious, _moment(packet), packet.pos, "; ".join(list(words)[:_MOST_WORDS])))
    return frames


def find_leftovers(path: Path, tell: Callable[[Complaint], None]) -> None:
    """Find pictures of an H.264 movie that do not end where their bits do; see `parameter_sets`.

    It says nothing of movies of which that cannot be told: of another codec, interlaced, or where not even half of
    the pictures end where they should.

    Raises
    ------
    NotFound, Denied, MediaCorrupt, MediaUnsupported
        As `safety.open_movie`.
    """
    with open_movie(path) as (container, video), listen() as heard, bar(f"Comparing {path.name}") as progress:
        if video.codec_context.name != "h264":
            return
        ends = list(_ends(container, video, heard, progress))
    odd = [complaint for complaint in ends if complaint is not None]
    if 2 * len(odd) < len(ends):
        for complaint in odd:
            tell(complaint)


def _ends(container: Any, video: Any, heard: list[tuple[int, str, str]], progress: Bar) -> Iterator[Complaint | None]:
    """Yield for each packet None if its picture ends where its bits do, else what is to be said of it."""
    from av import CodecContext, FFmpegError, Packet

    decoder: Any = CodecContext.create("h264", "r")
    decoder.thread_type, decoder.options = "NONE", {**_CAREFUL, "max_pixels": str(_MOST_PIXELS)}
    record = heighten_record(video.codec_context.extradata or b"")
    if record:
        decoder.extradata = record.data
    columns = record.columns if record else None
    for packet in container.demux(video):
        # Without a record the parameter sets are among the packets.
        taller = heighten_packet(bytes(packet)) if packet.size and record is None else None
        columns = taller.columns if taller else columns
        if not packet.size or columns is None:
            continue
        with suppress(FFmpegError):
            decoder.decode(Packet(taller.data) if taller else packet)
        said = [words for _, _, words in heard if _CONCEALED in words]
        heard.clear()
        progress.advance()
        fits = len(said) == 1 and said[0].startswith(f"{_CONCEALED} {columns} DC, {columns} AC, {columns} MV errors")
        message = "the picture does not end where its data does"
        yield None if fits else Complaint(False, True, _moment(packet), packet.pos, message)


def _decode(packet: Any) -> tuple[list[Any], list[tuple[bool, str]]]:
    """Return the frames that come with a packet, and what is wrong with them: (is it an error, words)."""
    from av import FFmpegError

    try:
        decoded = packet.decode()
    except FFmpegError as error:
        return [], [(True, error.strerror or type(error).__name__)]
    damaged = any(getattr(frame, "is_corrupt", False) for frame in decoded)
    return decoded, [(True, "the frame is marked as damaged")] if damaged else []


def _moment(packet: Any) -> float | None:
    ticks = packet.pts if packet.pts is not None else packet.dts
    return None if ticks is None else float(ticks * packet.time_base)
