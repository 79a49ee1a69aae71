from fractions import Fraction

import numpy as np
import pytest

from kso_utils.core.errors import MediaError
from kso_utils.media.encoding import write_movie

av = pytest.importorskip("av")


def frames(n=10, height=48, width=64):
    for k in range(n):
        picture = np.zeros((height, width, 3), np.uint8)
        picture[:, :, 0] = 20 * k
        picture[10:30, 4 * k : 4 * k + 16, 1] = 200
        yield picture


@pytest.mark.parametrize("fps", [25, Fraction(30000, 1001), Fraction(1, 3600), Fraction(10007, 2003)])
def test_the_rate_is_exact(tmp_path, fps):
    write_movie(tmp_path / "a.mp4", frames(), fps)
    with av.open(str(tmp_path / "a.mp4")) as movie:
        assert movie.streams.video[0].average_rate == fps


@pytest.mark.parametrize("fps", [60000 / 1001, 12.5])
def test_a_float_becomes_the_fraction_that_is_meant(tmp_path, fps):
    write_movie(tmp_path / "a.mp4", frames(), fps)
    with av.open(str(tmp_path / "a.mp4")) as movie:
        assert movie.streams.video[0].average_rate == Fraction(fps).limit_denominator(1001)


def test_frames_come_back_in_order_and_alike(tmp_path):
    write_movie(tmp_path / "a.mp4", frames(), 25, crf=1)
    with av.open(str(tmp_path / "a.mp4")) as movie:
        back = [f.to_ndarray(format="rgb24") for f in movie.decode(video=0)]
    assert len(back) == 10
    for got, given in zip(back, frames(), strict=True):
        assert np.abs(got.astype(int) - given).mean() < 6


def test_browsers_can_play_it(tmp_path):
    write_movie(tmp_path / "a.mp4", frames(), 25)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.find(b"moov") < data.find(b"mdat")
    with av.open(str(tmp_path / "a.mp4")) as movie:
        stream = movie.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")


def test_same_frames_same_bytes(tmp_path):
    # Of pictures as small as 64 x 48, x264 looks at memory beyond the picture, and chooses by what is there.
    write_movie(tmp_path / "a.mp4", frames(10, 96, 128), 25)
    write_movie(tmp_path / "b.mp4", frames(10, 96, 128), 25)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize(
    ("pictures", "fps", "says"),
    [
        ([], 25, "no frame"),
        ([np.zeros((4, 4, 3))], 25, "uint8"),
        ([np.zeros((5, 4, 3), np.uint8)], 25, "odd side"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((6, 4, 3), np.uint8)], 25, "all must be alike"),
        ([np.zeros((4, 4, 3), np.uint8)], 0, "positive rate"),
        ([np.zeros((4, 4, 3), np.uint8)], 1e-5, "positive rate"),
        ([np.zeros((4, 4, 3), np.uint8)], float("nan"), "positive rate"),
        ([np.zeros((4, 4, 3), np.uint8)], float("inf"), "positive rate"),
    ],
)
def test_what_cannot_be_a_movie_is_refused_and_leaves_nothing(tmp_path, pictures, fps, says):
    with pytest.raises(MediaError, match=says):
        write_movie(tmp_path / "a.mp4", pictures, fps)
    assert list(tmp_path.iterdir()) == []


def test_a_name_with_a_colon_is_a_file_and_no_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_movie("2020-01-01T10:00:00.mp4", [np.zeros((16, 16, 3), np.uint8)] * 3, 25)
    assert [path.name for path in tmp_path.iterdir()] == ["2020-01-01T10:00:00.mp4"]
