import numpy as np
import pytest

from kso_utils.core.errors import MediaUnsupported
from kso_utils.media.luma import to_gray16

from .conftest import av

LIMITED, FULL = 1, 2


def frame_of(values, pixels, kind, color_range=0):
    """A frame of 50 columns whose first plane holds the values in each row; the rest of the row is noise."""
    frame = av.VideoFrame(50, 4, pixels)
    plane = frame.planes[0]
    rows = np.full((frame.height, plane.line_size // np.dtype(kind).itemsize), 77, kind)
    rows[:, :50] = np.resize(values, 50)
    plane.update(rows.tobytes())
    frame.color_range = color_range
    return frame


@pytest.mark.parametrize(
    ("pixels", "kind", "color_range", "values", "expected"),
    [
        ("yuv420p", "u1", LIMITED, [0, 16, 126, 235, 255], [0, 0, 32917, 65535, 65535]),
        ("yuv420p", "u1", FULL, [0, 16, 255], [0, 4112, 65535]),
        ("yuv422p10le", "<u2", LIMITED, [63, 64, 504, 940, 1023], [0, 0, 32917, 65535, 65535]),
        ("yuv422p10le", "<u2", FULL, [0, 512, 1023], [0, 32800, 65535]),
        ("yuva444p12le", "<u2", LIMITED, [256, 2008, 3760], [0, 32768, 65535]),
        ("gray16be", ">u2", FULL, [0, 1000, 65535], [0, 1000, 65535]),
        ("nv12", "u1", LIMITED, [16, 235], [0, 65535]),
    ],
)
def test_brightness_follows_the_formula(pixels, kind, color_range, values, expected):
    got = to_gray16(frame_of(values, pixels, kind, color_range))
    assert got.dtype == np.uint16
    assert got.shape == (4, 50)
    assert got[2, : len(expected)].tolist() == expected


def test_an_unknown_range_counts_as_limited():
    assert np.array_equal(*(to_gray16(frame_of([80, 235], "yuv420p", "u1", r)) for r in (0, LIMITED)))


def test_the_j_of_ffmpeg_means_full():
    assert to_gray16(frame_of([255], "yuvj420p", "u1"))[0, 0] == 65535


def test_a_value_beyond_its_bits_is_no_other_brightness():
    assert to_gray16(frame_of([5000], "yuv422p10le", "<u2", LIMITED))[0, 0] == 65535


@pytest.mark.parametrize("pixels", ["rgb24", "gbrp", "yuyv422", "pal8"])
def test_pictures_without_a_plane_of_brightness_are_refused(pixels):
    with pytest.raises(MediaUnsupported, match=pixels):
        to_gray16(av.VideoFrame(16, 4, pixels))
