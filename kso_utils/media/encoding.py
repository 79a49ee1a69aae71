"""Pictures into movies: the only place that encodes arrays."""

from __future__ import annotations

from fractions import Fraction
from itertools import chain
from math import isfinite
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import MediaError, MissingExtra
from kso_utils.core.paths import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

# The encoder's decisions depend on its number of threads; a fixed one gives the same file on every machine.
_THREADS = 4


def write_movie(path: str | Path, frames: Iterable[NDArray[np.uint8]], fps: Fraction | float, crf: float = 20) -> None:
    """Encode pictures as a movie that every browser plays: H.264, yuv420p, MP4 with its index in front.

    The file appears under its name only once it is complete. The same frames give the same bytes.

    Parameters
    ----------
    path
        The file to write, named `*.mp4`.
    frames
        RGB pictures, uint8 (height, width, 3), all of one size with even sides; consumed one by one.
    fps
        Frames per second; a fraction is kept exactly (30000/1001), a float becomes the nearest fraction with a
        denominator up to 1001.
    crf
        Constant rate factor of x264: 0 is lossless up to colour subsampling, 51 the worst.

    Raises
    ------
    MediaError
        If there is no frame, a frame has another shape or type, a side is odd, the rate is not positive, or the
        file cannot be written.
    """
    rate = Fraction(fps) if isfinite(fps) else Fraction(0)
    if isinstance(fps, float):
        rate = rate.limit_denominator(1001)
    if rate <= 0:
        raise MediaError(f"A movie cannot have {fps} frames per second. Give a positive rate.")
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise MediaError(f"There is no frame to write into {path}. Give at least one.")
    _validate_frame(first, first.shape, 0)
    if first.shape[0] % 2 or first.shape[1] % 2:
        raise MediaError(
            f"Frames of {first.shape[1]}x{first.shape[0]} have an odd side, which H.264 in yuv420p cannot."
        )
    with write_atomic(path) as temporary:
        _encode(temporary, chain([first], rest), first.shape, rate, crf)


def _encode(
    path: Path, frames: Iterable[NDArray[np.uint8]], shape: tuple[int, ...], rate: Fraction, crf: float
) -> None:
    try:
        import av
    except ImportError as error:
        raise MissingExtra("av", "media") from error
    try:
        with av.open(f"file:{path}", "w", format="mp4", options={"movflags": "+faststart"}) as container:
            stream: Any = container.add_stream("libx264", rate=rate, options={"crf": str(crf)})
            stream.height, stream.width, stream.pix_fmt = *shape[:2], "yuv420p"
            stream.thread_count = _THREADS
            stream.codec_context.time_base = 1 / rate
            for number, array in enumerate(frames):
                _validate_frame(array, shape, number)
                frame = av.VideoFrame.from_ndarray(array, format="rgb24")
                frame.pts, frame.time_base = number, 1 / rate
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except av.FFmpegError as error:
        raise MediaError(
            f"The movie {path.name} could not be written: {error}. Check the disk and the folder."
        ) from error


def _validate_frame(array: NDArray[np.uint8], shape: tuple[int, ...], number: int) -> None:
    if str(array.dtype) != "uint8" or array.ndim != 3 or array.shape[2] != 3:
        raise MediaError(f"Frame {number} is {array.dtype} {array.shape}; a frame is uint8 (height, width, 3).")
    if array.shape != shape:
        raise MediaError(f"Frame {number} has the shape {array.shape}, the first one {shape}; all must be alike.")
