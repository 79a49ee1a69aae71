"""The two doors through which movies of unknown origin are opened: PyAV in this process, ffmpeg in its own.

Both open one local file and nothing that it may name: a playlist, list of parts or picture pattern that calls
itself a movie is refused before it is followed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
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
    from collections.abc import Iterator

    from kso_utils.archive.base import RangeFile

Filter = tuple[str, Mapping[str, object]] | tuple[str, Mapping[str, object], Sequence[tuple[str, Mapping[str, object]]]]
"""A video filter: its name and its options; a third part are the filters of a copy of the stream, its second input."""

CONTAINERS = ("mov", "matroska", "avi", "mpegts", "mpeg", "asf")
"""Demuxers that may open a file; each holds its media itself and follows no reference to another file."""

# The box with which a MOV file begins.
_FTYP = b"\0\0\0\x14ftypqt  \0\0\0\0qt  "
_MEMORY_BYTES = 6 * 2**30
_STDERR_TAIL_BYTES = 2000


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
    _import_av()
    movie = resolve(path)
    with _open(_place(movie), name_of(movie), "file" if isinstance(movie, Path) else "none") as opened:
        yield opened


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
    with _open(BytesIO(_FTYP + moov), name, "none") as opened:
        yield opened


@contextmanager
def _open(place: str | BlockFile | BytesIO, name: str, protocol: str) -> Iterator[tuple[Any, Any]]:
    av = _import_av()
    allowed = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": protocol}
    try:
        with av.open(place, container_options=allowed, metadata_errors="replace") as container:
            streams = [s for s in container.streams.video if s.codec_context is not None]
            if not streams:
                raise MediaUnsupported(f"{name} holds no video that can be decoded. Give a movie file.")
            yield container, streams[0]
    except av.PermissionError as error:
        raise Denied(f"{name} may not be read. Check the rights of the file.") from error
    except av.ArgumentError as error:
        raise MediaUnsupported(
            f"{name} is of a kind that is not read here. Convert it to MP4, MOV, MKV, AVI or MPEG-TS."
        ) from error
    except av.FFmpegError as error:
        raise MediaCorrupt(f"{name} is not a movie, or it is damaged ({error.strerror}). Copy it again.") from error


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


def _validate_file(path: Path) -> None:
    if not path.is_file():
        raise NotFound(f"There is no movie {path}. Check the name and the folder.")
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
    output_options: Mapping[str, object] | None = None,
    timeout_s: float = 1800.0,
) -> None:
    """Make `target` from the first video stream of `source` with ffmpeg; the only place that runs it.

    The process gets a list of arguments and no shell, reads one local file of a known container, is stopped after
    `timeout_s` seconds, and on Linux may take at most 6 GiB of address space. `target` appears only when complete.

    Parameters
    ----------
    source, target
        Files; any name is safe.
    input_options, output_options
        Options of ffmpeg without their dash (`{"ss": 3.2}`), for the input and the output.
    filters
        Video filters in order.
    timeout_s
        Wall time after which the process is killed.

    Raises
    ------
    NotFound, MediaCorrupt
        If `source` is missing or empty.
    MediaTimeout
        If it took too long.
    MediaError
        If ffmpeg failed; with the end of what it said.
    """
    try:
        import ffmpeg
    except ImportError as error:
        raise MissingExtra("ffmpeg", "media") from error
    _validate_file(Path(source))
    guarded = {"protocol_whitelist": "file,pipe", "format_whitelist": ",".join(CONTAINERS), **(input_options or {})}
    video = ffmpeg.input(f"file:{source}", **guarded).video
    for name, options, *branch in filters:
        if branch:
            video, copy = (video.filter_multi_output("split")[k] for k in (0, 1))
            for inner, settings in branch[0]:
                copy = copy.filter(inner, **settings)
            video = ffmpeg.filter([video, copy], name, **options)
        else:
            video = video.filter(name, **options)
    with write_atomic(target) as temporary:
        output = video.output(f"file:{temporary}", **(output_options or {}))
        output = output.global_args("-nostdin", "-hide_banner", "-loglevel", "error")
        _run(ffmpeg.compile(output, cmd=find_ffmpeg(), overwrite_output=True), Path(source), timeout_s)


def _run(command: list[str], source: Path, timeout_s: float) -> None:
    with tempfile.TemporaryFile() as said:
        # A list of arguments and no shell: nothing in a file name is interpreted.
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
        )
        try:
            _limit_memory(process.pid)
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise MediaTimeout(
                f"ffmpeg was stopped after {timeout_s:g} s with {source}. Check the file, or allow more time."
            ) from error
        finally:
            _kill(process)
        if code:
            raise MediaError(f"ffmpeg could not work on {source}: {_tail(said)}")


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
    return " / ".join(lines[-3:]) or "it gave no reason."
