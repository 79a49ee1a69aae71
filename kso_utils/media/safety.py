"""The two doors through which movies of unknown origin are opened: PyAV in this process, ffmpeg in its own.

Both open one local file and nothing that it may name: a playlist, list of parts or picture pattern that calls
itself a movie is refused before it is followed.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from kso_utils.core.errors import (
    ConfigError,
    Denied,
    MediaCorrupt,
    MediaError,
    MediaTimeout,
    MediaUnsupported,
    MissingExtra,
    NotFound,
)
from kso_utils.core.paths import write_atomic
from kso_utils.media.ranges import BlockFile, find_moov
from kso_utils.media.sources import Footage, name_of, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kso_utils.archive.base import RangeFile


Filter = tuple[str, Mapping[str, object]] | tuple[str, Mapping[str, object], Sequence[tuple[str, Mapping[str, object]]]]
"""A video filter: its name and its options; a third part are the filters of a copy of the stream, its second input."""

CONTAINERS = ("mov", "matroska", "avi", "mpegts", "mpeg", "asf")
"""Demuxers that may open a file; each holds its media itself and follows no reference to another file."""

AUDIO_CONTAINERS = ("wav", "flac", "aiff", "mp3", "ogg")
"""Demuxers that may open a recording, beside those of movies."""

# The box with which a MOV file begins.
_FTYP = b"\0\0\0\x14ftypqt  \0\0\0\0qt  "
# AV_DISPOSITION_ATTACHED_PIC: a picture for the shelf, which is no footage; ffmpeg's "V" leaves it out too.
_COVER = 0x400
_MEMORY_BYTES = 6 * 2**30
_STDERR_TAIL_BYTES = 2000
_TOLD_EVERY_S = 0.5
_SOURCE, _TARGET = "<source>", "<target>"


@contextmanager
def open_movie(path: Footage) -> Iterator[tuple[Any, Any]]:
    """Open a movie with PyAV; gives the container and its first video stream.

    A movie that is not on this machine is read by parts; nothing but that file is opened.

    Errors of the demuxer and decoder inside the block are raised as the errors below.

    Raises
    ------
    NotFound
        If there is no such file.
    Denied
        If it may not be read.
    MediaCorrupt
        If it is empty, damaged, or no movie at all.
    MediaUnsupported
        If it is of a kind that this software does not read, or holds no picture.
    ArchiveError
        If it is not on this machine and its archive fails.
    """
    _import_av()  # what is missing on this machine is told before what is missing in the folder
    movie = resolve(path)
    with _open(_place(movie), name_of(movie)) as container:
        yield container, _first(container.streams.video, f"{name_of(movie)} holds no video")


@contextmanager
def open_recording(path: Footage) -> Iterator[tuple[Any, Any]]:
    """Open a recording, or a movie for its sound; gives the container and its first audio stream.

    Raises
    ------
    NotFound, Denied, MediaCorrupt, MediaUnsupported, ArchiveError
        As `open_movie`.
    """
    _import_av()
    recording = resolve(path)
    with _open(_place(recording), name_of(recording), "recording", (*CONTAINERS, *AUDIO_CONTAINERS)) as container:
        yield container, _first(container.streams.audio, f"{name_of(recording)} holds no sound")


@contextmanager
def open_header(moov: bytes, name: str) -> Iterator[tuple[Any, Any]]:
    """Open what the index of a MOV or MP4 file says about decoding, without any picture; gives what `open_movie` does.

    Parameters
    ----------
    moov
        The box, with empty tables.
    name
        Of the movie, for messages.

    Raises
    ------
    MediaCorrupt, MediaUnsupported
        As `open_movie`.
    """
    with _open(BytesIO(_FTYP + moov), name) as container:
        yield container, _first(container.streams.video, f"{name} holds no video")


@contextmanager
def _open(
    place: str | BlockFile | BytesIO, name: str, noun: str = "movie", formats: Sequence[str] = CONTAINERS
) -> Iterator[Any]:
    av = _import_av()
    protocol = "file" if isinstance(place, str) else "none"
    allowed = {"format_whitelist": ",".join(formats), "protocol_whitelist": protocol}
    try:
        with av.open(place, container_options=allowed, metadata_errors="replace") as container:
            yield container
    except av.PermissionError as error:
        raise Denied(f"{name} may not be read. Check the rights of the file.") from error
    except av.ArgumentError as error:
        raise MediaUnsupported(
            f"{name} is of a kind that is not read here. Convert movies to MP4, MOV, MKV, AVI or MPEG-TS, sound to WAV."
        ) from error
    except av.FFmpegError as error:
        raise MediaCorrupt(f"{name} is not a {noun}, or it is damaged ({error.strerror}). Copy it again.") from error
    except IndexError as error:
        # PyAV knows the streams that were there when it opened the file; one that begins later is beyond its list.
        if not _comes_from_demuxer(error):
            raise
        raise MediaCorrupt(f"{name} is damaged: a stream begins in the middle of it. Copy it again.") from error


def _comes_from_demuxer(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename.replace("\\", "/").startswith("av/container/")


def _first(streams: Sequence[Any], lack: str) -> Any:
    found = next((s for s in streams if s.codec_context is not None and not s.disposition & _COVER), None)
    if found is None:
        raise MediaUnsupported(f"{lack} that can be decoded. Give another file.")
    return found


def _import_av() -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingExtra("av", "media") from error
    return av


def _place(movie: Path | RangeFile) -> str | BlockFile:
    if isinstance(movie, Path):
        _validate_file(movie)
        return f"file:{movie}"
    if not movie.size_bytes:
        raise MediaCorrupt(f"{movie.address} is empty. Copy it again from its source.")
    opening = find_moov(movie)
    return BlockFile(movie, () if opening is None else opening.parts)


def require_file(path: Path) -> None:
    """Refuse a movie that is not there.

    Raises
    ------
    NotFound
        If there is no such file, or no file can have that name.
    """
    try:
        there = path.is_file()
    except OSError as error:  # a name that no file can bear, a folder that may not be seen
        raise NotFound(
            f"There is no movie {path} to be found ({error.strerror}). Check its name and folder."
        ) from error
    if not there:
        raise NotFound(f"There is no movie {path}. Check the name and the folder.")


def _validate_file(path: Path) -> None:
    require_file(path)
    if path.stat().st_size == 0:
        raise MediaCorrupt(f"{path} is empty. Copy it again from its source.")


def find_ffmpeg() -> str:
    """Return the ffmpeg program: environment variable KSO_FFMPEG, else `ffmpeg` on PATH, else imageio-ffmpeg's.

    Raises
    ------
    ConfigError
        If KSO_FFMPEG names no program.
    MissingExtra
        If there is none.
    """
    named = os.environ.get("KSO_FFMPEG")
    found = shutil.which(named or "ffmpeg")
    if found:
        return found
    if named:
        raise ConfigError(f"KSO_FFMPEG is {named!r}, which is not a program. Name the ffmpeg program or unset it.")
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise MissingExtra("imageio_ffmpeg", "media") from error
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def run_ffmpeg(
    source: str | Path,
    target: str | Path,
    *,
    input_options: Mapping[str, object] | None = None,
    filters: Sequence[Filter] = (),
    sound_filters: Sequence[Filter] | None = None,
    output_options: Mapping[str, object] | None = None,
    timeout_s: float = 1800.0,
    advance: Callable[[int], None] | None = None,
) -> None:
    """Make `target` from the first video stream of `source` with ffmpeg; the only place that runs it.

    The process gets a list of arguments and no shell, reads one local file of a known container, and is stopped after
    `timeout_s` seconds with all that it started. On Linux it may take at most 6 GiB of address space; macOS and
    Windows let no program be limited from outside, so that there the time is the only limit. `target` appears only
    when complete.

    Parameters
    ----------
    source, target
        Files; any name is safe.
    input_options, output_options
        Options of ffmpeg without their dash (`{"ss": 3.2}`; None as the value of one that has none), for the input and
        the output.
    filters
        Video filters in order.
    sound_filters
        Filters of the first sound stream, which is then kept; by default sound is dropped.
    timeout_s
        Wall time after which the process is killed.
    advance
        Told now and then how many frames were made since it was told last.

    Raises
    ------
    NotFound, MediaCorrupt
        If `source` is missing or empty.
    MediaTimeout
        If it took too long.
    MediaError
        If ffmpeg failed, with the end of what it said, or was ended by a signal.
    OSError
        If the disk is full, or the file would become larger than it may.
    """
    try:
        import ffmpeg
    except ImportError as error:
        raise MissingExtra("ffmpeg", "media") from error
    _validate_file(Path(source))
    guarded = {"protocol_whitelist": "file,pipe", "format_whitelist": ",".join(CONTAINERS), **(input_options or {})}
    # The builder of commands takes no name that is not UTF-8, so that the names are put in at the end.
    opened = ffmpeg.input(_SOURCE, **guarded)
    streams = [_filter(opened["V:0"], filters)]
    if sound_filters is not None:
        streams.append(_filter(opened["a:0"], sound_filters))
    with write_atomic(target) as temporary, tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "progress"
        output = ffmpeg.output(*streams, _TARGET, **(output_options or {}))
        output = output.global_args("-nostdin", "-hide_banner", "-loglevel", "error")
        if advance:
            output = output.global_args("-progress", f"file:{told}")
        named = {_SOURCE: f"file:{source}", _TARGET: f"file:{temporary}"}
        command = [named.get(part, part) for part in ffmpeg.compile(output, cmd=find_ffmpeg(), overwrite_output=True)]
        _run(command, (Path(source), Path(target)), timeout_s, (told, advance) if advance else None)


def _filter(stream: Any, filters: Sequence[Filter]) -> Any:
    """Lead a stream through filters; a filter with a branch takes a copy of the stream as its second input."""
    import ffmpeg

    for name, options, *branch in filters:
        if branch:
            stream, copy = (stream.filter_multi_output("split")[k] for k in (0, 1))
            stream = ffmpeg.filter([stream, _filter(copy, branch[0])], name, **options)
        else:
            stream = stream.filter(name, **options)
    return stream


def _run(
    command: list[str],
    files: tuple[Path, Path],
    timeout_s: float,
    progress: tuple[Path, Callable[[int], None]] | None,
) -> None:
    with tempfile.TemporaryFile() as said:
        # A list of arguments and no shell: nothing in a file name is interpreted.
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
        )
        try:
            _limit_memory(process.pid)
            code = _wait(process, timeout_s, progress)
        except subprocess.TimeoutExpired as error:
            raise MediaTimeout(
                f"ffmpeg was stopped after {timeout_s:g} s with {files[0]}. Check the file, or allow more time."
            ) from error
        finally:
            _kill(process)
        if code:
            raise _explain(code, _tail(said), *files)


def _wait(
    process: subprocess.Popen[bytes], timeout_s: float, progress: tuple[Path, Callable[[int], None]] | None
) -> int:
    """Return the exit code; tell the frames made while it is waited for."""
    if progress is None:
        return process.wait(timeout_s)
    told, advance = progress
    end, done = time.monotonic() + timeout_s, 0
    while True:
        try:
            code = process.wait(min(_TOLD_EVERY_S, max(0.0, end - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= end:
                raise
            code = None
        if (frames := _frames_told(told)) > done:
            advance(frames - done)
            done = frames
        if code is not None:
            return code


def _frames_told(path: Path) -> int:
    try:
        found = re.findall(rb"^frame=\s*(\d+)$", path.read_bytes()[-_STDERR_TAIL_BYTES:], re.MULTILINE)
    except FileNotFoundError:
        return 0
    return int(found[-1]) if found else 0


def _explain(code: int, said: str, source: Path, target: Path) -> Exception:
    """Return the error that says why ffmpeg ended with this code."""
    ended_by = -code if code < 0 else 0
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        if os.strerror(number) in said or (number == errno.EFBIG and ended_by == getattr(signal, "SIGXFSZ", None)):
            return OSError(number, os.strerror(number), str(target))
    if not ended_by:
        return MediaError(f"ffmpeg could not work on {source}: {said or 'it gave no reason.'}")
    if ended_by == getattr(signal, "SIGKILL", None):
        return MediaError(
            f"ffmpeg was killed while it worked on {source}; most likely the machine ran out of memory. "
            "Close other programs and try again."
        )
    return MediaError(
        f"ffmpeg was ended by {signal.Signals(ended_by).name} while it worked on {source}. Check the file: {said}"
    )


def _limit_memory(pid: int) -> None:
    # Set from outside right after the start: a preexec function is not safe in a process with threads.
    try:
        import resource

        resource.prlimit(pid, resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    except (ImportError, AttributeError, ProcessLookupError):
        return


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _tail(said: IO[bytes]) -> str:
    said.seek(max(0, said.seek(0, os.SEEK_END) - _STDERR_TAIL_BYTES))
    lines = said.read().decode(errors="replace").strip().splitlines()
    return " / ".join(lines[-3:])
