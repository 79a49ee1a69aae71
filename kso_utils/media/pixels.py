"""Decoded frames into arrays: in which pixel formats they come, and what an array of each looks like."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.core.errors import ConfigError, MediaUnsupported, MissingExtra
from kso_utils.media.luma import to_gray16

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAMES = {"rgb24": "rgb24", "bgr24": "bgr24", "gray8": "gray", "gray16": None}
"""Pixel formats with a name of ours, and ffmpeg's of them; `gray16` is made by `luma`."""

RGB = ("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8")
"""How ffmpeg's names of pixel formats begin that hold red, green and blue."""


class Pictures:
    """What turns decoded frames into arrays of one pixel format and size, upright.

    Parameters
    ----------
    pixels
        As in `frames.read_frames`.
    size
        (width, height) of the upright picture, or None for that of the frame.

    Raises
    ------
    ConfigError
        If no frame can come in that pixel format or size.
    """

    def __init__(self, pixels: str, size: tuple[int, int] | None = None) -> None:
        try:
            from av.video.reformatter import VideoReformatter
        except ImportError as error:
            raise MissingExtra("av", "media") from error
        if size is not None and not min(size) > 0:
            raise ConfigError(f"Frames cannot be {size[0]} pixels wide and {size[1]} high. Give positive numbers.")
        self.pixels, self.size = pixels, size
        self.format = NAMES.get(pixels, pixels)
        self.is_array = pixels in NAMES or _has_array(pixels)
        self.is_luma = pixels in ("gray8", "gray16")
        # One reformatter keeps its scaling tables from frame to frame, which halves the cost of a frame.
        self._reformat = VideoReformatter().reformat
        self._packer: Any = None

    def convert(self, frame: Any) -> NDArray[Any]:
        """Return the picture of a decoded frame.

        Raises
        ------
        MediaUnsupported
            If the frame has no plane of brightness for `gray16`, or is to be turned in a format that is no array.
        """
        from av import FFmpegError

        turns, mirrored = quarter_turns(frame), is_mirrored(frame)
        width, height = (None, None) if self.size is None else self.size[::-1] if turns % 2 else self.size
        # Brightness on 16 bits is taken from the stored values, so they are scaled as they are.
        wanted = self.format or frame.format.name
        try:
            # Several threads of the scaler write over each other where a row of colours has an odd length.
            picture = self._reformat(frame, width=width, height=height, format=wanted, threads=1)
        except FFmpegError as error:
            raise MediaUnsupported(
                f"Frames of {frame.format.name} cannot be made {self.pixels} ({error.strerror}). Convert the movie."
            ) from error
        if not self.is_array:
            if turns or mirrored:
                raise MediaUnsupported(f"Frames that are filmed askew cannot come as {self.pixels}. Choose rgb24.")
            return self._pack(picture)
        array = to_gray16(picture) if self.pixels == "gray16" else picture.to_ndarray()
        if mirrored:
            array = array[::-1]
        return np.ascontiguousarray(np.rot90(array, turns) if turns else array)

    def _pack(self, picture: Any) -> NDArray[np.uint8]:
        if self._packer is None:
            from av import CodecContext

            self._packer = CodecContext.create("rawvideo", "w")
            self._packer.width, self._packer.height = picture.width, picture.height
            self._packer.pix_fmt, self._packer.time_base = picture.format.name, Fraction(1)
        (packet,) = self._packer.encode(picture)
        return np.frombuffer(bytes(packet), np.uint8)


def leave_out_colour(context: Any) -> None:
    """Spare a decoder the colours where only the brightness of its frames is wanted: a third of the work in ProRes.

    Of the decoders that may be built with that, ffmpeg's of ProRes always is; the brightness is the same.
    """
    if context.name == "prores":
        from av.codec.context import Flags

        context.flags |= Flags.gray


def quarter_turns(frame: Any) -> int:
    """Return how often a decoded frame is to be turned left by 90 degrees, as players do, to stand upright."""
    return int(round(frame.rotation / 90) % 4)


def is_mirrored(frame: Any) -> bool:
    """Return whether a decoded frame is to be turned upside down as in a mirror, before its quarter turns."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False
    # Rows (a, b, u), (c, d, v), (x, y, w): a determinant below zero turns left into right.
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    return bool(a * d < b * c)


def _has_array(pixels: str) -> bool:
    """Return whether a format of ffmpeg has one value a pixel and channel, all of whole bytes."""
    from av import FFmpegError, VideoFrame
    from av.video.format import VideoFormat

    try:
        # Some formats can only be read; others live in the memory of a graphics card.
        tiny = VideoFrame(16, 16, "yuv420p").reformat(format=pixels, threads=1)
    except (ValueError, FFmpegError) as error:
        raise ConfigError(
            f"Frames cannot come as {pixels!r}. Choose one of {', '.join(NAMES)}, or a pixel format to which ffmpeg "
            "converts (yuv420p, rgb48le)."
        ) from error
    if not (VideoFormat(pixels).is_rgb or pixels.startswith("gray")):
        return False
    try:
        return bool(tiny.to_ndarray().ndim)
    except ValueError:
        return False
