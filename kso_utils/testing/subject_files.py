"""Small whole clips and frames, each with bytes of its own, as volunteers are shown them."""

from __future__ import annotations

import struct
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from kso_utils.media.encoding import write_movie
from kso_utils.testing.drawing import cv2

_MOST_COMMENT = 65_533


def clip_bytes(number: int, size_bytes: int = 0) -> bytes:
    """Return an MP4 of two frames (H.264, yuv420p) with `number` in a box that players pass over.

    Parameters
    ----------
    number
        Tells one clip from another; not negative.
    size_bytes
        How large it is at least.
    """
    movie = _movie()
    content = struct.pack(">Q", number).ljust(max(8, size_bytes - len(movie) - 8), b"\1")
    return movie + struct.pack(">I4s", 8 + len(content), b"free") + content


def frame_bytes(number: int, size_bytes: int = 0) -> bytes:
    """Return a JPEG of 32 x 24 pixels with `number` in a comment.

    Parameters
    ----------
    number
        Tells one frame from another; not negative.
    size_bytes
        How large it is at least.
    """
    picture = _picture()
    comments, wanted = b"", max(12, size_bytes - len(picture))
    while len(comments) < wanted:
        content = struct.pack(">Q", number).ljust(min(wanted - len(comments) - 4, _MOST_COMMENT), b"\1")
        comments += struct.pack(">2sH", b"\xff\xfe", 2 + len(content)) + content
    return picture[:2] + comments + picture[2:]


@cache
def _movie() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_movie(path, [np.full((16, 16, 3), level, np.uint8) for level in (90, 120)], 25)
        return path.read_bytes()


@cache
def _picture() -> bytes:
    encoded = cv2.imencode(".jpg", np.full((24, 32, 3), 100, np.uint8))[1]
    return bytes(encoded.tobytes())
