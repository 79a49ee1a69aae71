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
from contextlib import contextmanager
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
from kso_utils.media.sources import Footage, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Filter = tuple[str, Mapping[str, object]]

CONTAINERS = ("mov", "matroska", "avi", "mpegts", "mpeg", "asf")
"""Demuxers that may open a file; each holds its media itself and follows no reference to another file."""

_MEMORY_BYTES = 6 * 2**30
_STDERR_TAIL_BYTES = 2000
_TOLD_EVERY_S = 0.5
_SOURCE, _TARGET = "<source>", "<target>"


@contextmanager
def open_movie(path: Footage) -> Iterator[tuple[Any, Any]]:
    """Open a local movie with PyAV; gives the container and its first video stream.

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
    """
    try:
        import av
    except ImportError as error:
        raise MissingExtra("av", "media") from error
    path = resolve(path)
    if not isinstance(path, Path):
        raise MediaUnsupported(f"{path.address} is not on this machine.")
    _validate_file(path)
    allowed = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}
    try:
        with av.open(f"file:{path}", container_options=allowed, metadata_errors="replace") as container:
            streams = [s for s in container.streams.video if s.codec_context is not None]
            if not streams:
                raise MediaUnsupported(f"{path} holds no video that can be decoded. Give a movie file.")
            yield container, streams[0]
    except av.PermissionError as error:
        raise Denied(f"{path} may not be read. Check the rights of the file.") from error
    except av.ArgumentError as error:
        raise MediaUnsupported(
            f"{path} is of a kind that is not read here. Convert it to MP4, MOV, MKV, AVI or MPEG-TS."
        ) from error
    except av.FFmpegError as error:
        raise MediaCorrupt(f"{path} is not a movie, or it is damaged ({error.strerror}). Copy it again.") from error
    except IndexError as error:
        # PyAV knows the streams that were there when it opened the file; one that begins later is beyond its list.
        if not _comes_from_demuxer(error):
            raise
        raise MediaCorrupt(f"{path} is damaged: a stream begins in the middle of it. Copy it again.") from error


def _comes_from_demuxer(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename.replace("\\", "/").startswith("av/container/")


def _validate_file(path: Path) -> None:
    try:
        there = path.is_file()
    except OSError as error:  # a name that no file can bear, a folder that may not be seen
        raise NotFound(
            f"There is no movie {path} to be found ({error.strerror}). Check its name and folder."
        ) from error
    if not there:
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
        Video filters in order, each a name and its options.
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
    streams = [opened["v:0"]] if sound_filters is None else [opened["v:0"], opened["a:0"]]
    for number, chain in enumerate((filters, sound_filters or ())):
        for name, options in chain:
            streams[number] = streams[number].filter(name, **options)
    with write_atomic(target) as temporary, tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "progress"
        output = ffmpeg.output(*streams, _TARGET, **(output_options or {}))
        output = output.global_args("-nostdin", "-hide_banner", "-loglevel", "error")
        if advance:
            output = output.global_args("-progress", f"file:{told}")
        named = {_SOURCE: f"file:{source}", _TARGET: f"file:{temporary}"}
        command = [named.get(part, part) for part in ffmpeg.compile(output, cmd=find_ffmpeg(), overwrite_output=True)]
        _run(command, (Path(source), Path(target)), timeout_s, (told, advance) if advance else None)


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
    end = time.monotonic() + timeout_s
    done = 0
    while progress:
        try:
            return process.wait(min(_TOLD_EVERY_S, max(0.0, end - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= end:
                raise
            frames = _frames_told(progress[0])
            if frames > done:
                progress[1](frames - done)
                done = frames
    return process.wait(timeout_s)


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
