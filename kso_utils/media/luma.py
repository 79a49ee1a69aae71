"""Brightness of decoded frames on 16 bits, by a formula of our own that no version of a scaler changes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.core.errors import MediaUnsupported

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAPPING = "luma16-1"
"""Name of the mapping, to be kept with every number that was measured on such frames; it changes when a value may."""

# Formats whose first plane is brightness and nothing else: grey, and YUV in planes.
_PLANAR = re.compile(r"(gray|yuv(?P<full>j)?a?4\d\dp|nv(12|21|16|24|42))(?P<bits>9|10|12|14|16)?(le|be)?")
# What ffmpeg calls the full range of brightness.
_FULL = 2


def to_gray16(frame: Any) -> NDArray[np.uint16]:
    """Return the brightness of a decoded frame on 16 bits, as it is stored: not turned, not scaled.

    For b bits, limited range: `clip(round((Y - 16 * 2**(b-8)) * 65535 / (219 * 2**(b-8))), 0, 65535)`; full range:
    `round(Y * 65535 / (2**b - 1))`. An unknown range counts as limited.

    Parameters
    ----------
    frame
        A `VideoFrame` of PyAV in grey or YUV, 8 to 16 bits.

    Returns
    -------
    ndarray of uint16, (height, width)

    Raises
    ------
    MediaUnsupported
        If the frame has no plane of brightness (an RGB picture, for one).
    """
    name = frame.format.name
    found = _PLANAR.fullmatch(name)
    if found is None:
        raise MediaUnsupported(f"Frames of {name} have no plane of brightness. Choose gray8, or convert the movie.")
    bits = int(found["bits"] or 8)
    wide = np.dtype(">u2" if name.endswith("be") else "<u2")
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height]
    values = rows[:, : frame.width] if bits == 8 else rows.view(wide)[:, : frame.width]
    full = found["full"] is not None or int(frame.color_range) == _FULL
    brightness: NDArray[np.uint16] = np.take(_table(bits, full), values, mode="clip")
    return brightness


@lru_cache(maxsize=8)
def _table(bits: int, full: bool) -> NDArray[np.uint16]:
    """Return the brightness on 16 bits of every stored value, uint16 (2**bits,)."""
    stored = np.arange(2**bits, dtype=np.float64)
    unit = 2 ** (bits - 8)
    scaled = stored * 65535 / (2**bits - 1) if full else (stored - 16 * unit) * 65535 / (219 * unit)
    table: NDArray[np.uint16] = np.clip(np.rint(scaled), 0, 65535).astype(np.uint16)
    return table
