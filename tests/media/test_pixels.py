import subprocess

import numpy as np
import pytest

from kso_utils.core.errors import ConfigError, MediaUnsupported
from kso_utils.media.frames import read_frames
from kso_utils.media.luma import to_gray16
from kso_utils.media.pixels import Pictures
from kso_utils.media.safety import find_ffmpeg
from kso_utils.testing.range_server import serve_ranges

from .conftest import av, checksums, decode_all, ffmpeg

# What each movie says of its colours: a range, a matrix, ten bits. All show the same picture.
TAGS = {
    "unknown": "format=yuv420p",
    "limited": "scale=out_range=tv,format=yuv420p,setparams=range=tv",
    "full": "scale=out_range=pc,format=yuv420p,setparams=range=pc",
    "bt709": "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,setparams=range=tv:colorspace=bt709",
    "ten bits": "format=yuv420p10le",
}


@pytest.fixture(scope="session")
def tagged(tmp_path_factory):
    """Return a function that makes a lossless movie, once; `odd` has rows of colours of an odd length."""
    folder = tmp_path_factory.mktemp("tagged")

    def make_tagged(tag):
        path = folder / f"{tag}.mp4"
        if not path.exists():
            size = "98x62" if tag == "odd" else "96x64"
            source = f"testsrc2=size={size}:rate=25,{TAGS.get(tag, 'format=yuv420p')}"
            ffmpeg("-f", "lavfi", "-i", source, "-frames:v", "3", "-c:v", "libx264", "-qp", "0", str(path))
        return path

    return make_tagged


def read_one(path, pixels, **options):
    ((_, _, picture),) = read_frames(path, [1], pixels=pixels, **options)
    return picture


def read_one_with_ffmpeg(path, pixels):
    """Return the bytes of frame 1 as ffmpeg converts it with the scaler that this software uses."""
    filters = f"select=eq(n\\,1),scale=flags=bilinear,format={pixels}"
    command = [find_ffmpeg(), "-v", "error", "-i", str(path), "-vf", filters, "-frames:v", "1", "-f", "rawvideo", "-"]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("tag", [t for t in TAGS if t != "ten bits"])
@pytest.mark.parametrize("pixels", ["rgb24", "bgr24", "gray8", "rgb48le", "yuv420p", "nv12", "yuv422p10le", "monob"])
def test_pictures_are_those_of_ffmpeg_whatever_the_range(tagged, tag, pixels):
    got = read_one(tagged(tag), pixels)
    assert got.tobytes() == read_one_with_ffmpeg(tagged(tag), {"gray8": "gray"}.get(pixels, pixels))


# ffmpeg's program places the colours of ten bits half a pixel elsewhere than its library does.
@pytest.mark.parametrize("pixels", ["gray8", "gray16le", "yuv420p"])
def test_ten_bits_are_those_of_ffmpeg(tagged, pixels):
    got = read_one(tagged("ten bits"), pixels)
    assert got.tobytes() == read_one_with_ffmpeg(tagged("ten bits"), {"gray8": "gray"}.get(pixels, pixels))


@pytest.mark.parametrize("pixels", ["rgb24", "yuv444p16le", "gbrpf32le", "yuv422p9le"])
def test_a_frame_is_always_the_same(tagged, pixels):
    assert len({read_one(tagged("odd"), pixels).tobytes() for _ in range(12)}) == 1


@pytest.mark.parametrize(
    ("pixels", "shape", "kind"),
    [
        ("rgb24", (64, 96, 3), "uint8"),
        ("bgr24", (64, 96, 3), "uint8"),
        ("gray8", (64, 96), "uint8"),
        ("gray16", (64, 96), "uint16"),
        ("rgba", (64, 96, 4), "uint8"),
        ("rgb48le", (64, 96, 3), "uint16"),
        ("gbrp10be", (64, 96, 3), "uint16"),
        ("gray12be", (64, 96), "uint16"),
        ("gbrpf32le", (64, 96, 3), "float32"),
        ("yuv420p", (96 * 64 * 3 // 2,), "uint8"),
        ("yuv444p16le", (96 * 64 * 6,), "uint8"),
        ("rgb565le", (96 * 64 * 2,), "uint8"),
    ],
)
def test_arrays_of_each_pixel_format(tagged, pixels, shape, kind):
    got = read_one(tagged("limited"), pixels)
    assert got.shape == shape
    assert got.dtype == kind
    assert got.flags.c_contiguous


@pytest.mark.parametrize(("tag", "white"), [("limited", 235), ("full", 255), ("unknown", 235)])
def test_grey_is_the_luma_drawn_out_to_the_full_range(tagged, tag, white):
    stored = np.frombuffer(read_one_with_ffmpeg(tagged(tag), "yuvj420p" if tag == "full" else "yuv420p"), np.uint8)
    luma = stored[: 96 * 64].reshape(64, 96).astype(float)
    black = 255 - white and 16
    expected = np.clip(np.rint((luma - black) * 255 / (white - black)), 0, 255)
    assert np.array_equal(read_one(tagged(tag), "gray8"), expected)


def test_grey_of_other_colours_has_the_weights_of_bt601(tagged):
    red, green, blue = np.moveaxis(read_one(tagged("bt709"), "rgb24").astype(float), 2, 0)
    difference = read_one(tagged("bt709"), "gray8") - (0.299 * red + 0.587 * green + 0.114 * blue)
    assert np.abs(difference).mean() < 2


@pytest.mark.parametrize("tag", TAGS)
def test_grey_on_16_bits_is_the_luma_by_our_own_formula(tagged, tag):
    with av.open(str(tagged(tag))) as container:
        _, frame, _ = container.decode(video=0)
    assert np.array_equal(read_one(tagged(tag), "gray16"), to_gray16(frame))


def test_grey_on_16_bits_is_scaled_before_it_is_stretched(tagged):
    with av.open(str(tagged("ten bits"))) as container:
        _, frame, _ = container.decode(video=0)
    got = read_one(tagged("ten bits"), "gray16", size=(32, 20))
    assert np.array_equal(got, to_gray16(frame.reformat(width=32, height=20)))


@pytest.mark.parametrize("pixels", ["gray16", "gbrp", "gray8"])
def test_a_movie_filmed_askew_is_turned_in_every_array(tagged, tmp_path, pixels):
    path = tmp_path / "askew.mp4"
    ffmpeg("-display_rotation", "90", "-i", str(tagged("limited")), "-c", "copy", str(path))
    assert np.array_equal(read_one(path, pixels), np.rot90(read_one(tagged("limited"), pixels)))
    assert read_one(path, pixels, size=(20, 32)).shape[:2] == (32, 20)
    with pytest.raises(MediaUnsupported, match="askew cannot come as yuv420p"):
        read_one(path, "yuv420p")


@pytest.mark.parametrize("how", ["-display_hflip", "-display_vflip", "-display_rotation 90 -display_hflip"])
def test_a_mirrored_movie_is_shown_as_players_show_it(tagged, tmp_path, how):
    path, shown = tmp_path / "mirrored.mp4", tmp_path / "shown.mkv"
    ffmpeg(*how.split(), "-i", str(tagged("limited")), "-c", "copy", str(path))
    ffmpeg("-i", str(path), "-c:v", "ffv1", str(shown))
    assert np.array_equal(read_one(path, "gray16"), read_one(shown, "gray16"))
    assert not np.array_equal(read_one(path, "gray16"), read_one(path, "gray16")[::-1])
    with pytest.raises(MediaUnsupported, match="askew cannot come as yuv420p"):
        read_one(path, "yuv420p")


@pytest.mark.parametrize("pixels", ["yuv", "cuda", "pal8", "", "rgb24 "])
def test_an_unknown_pixel_format_is_refused_by_name(tagged, pixels):
    with pytest.raises(ConfigError, match=f"{pixels!r}. Choose one of rgb24, bgr24, gray8, gray16"):
        read_frames(tagged("limited"), [1], pixels=pixels)


@pytest.mark.parametrize("size", [(0, 10), (10, -1)])
def test_a_size_of_nothing_is_refused(tagged, size):
    with pytest.raises(ConfigError, match="positive"):
        read_frames(tagged("limited"), [1], size=size)


def test_every_pixel_format_of_ffmpeg_works_or_is_refused(tagged):
    from av.video.format import names

    _, expected = decode_all(tagged("limited"))
    for pixels in sorted(names):
        try:
            pictures = Pictures(pixels)
        except ConfigError:
            continue
        assert pictures.convert(av.VideoFrame.from_ndarray(expected[1], format="rgb24")).size


@pytest.mark.parametrize("pixels", ["gray8", "gray16"])
def test_brightness_is_the_same_without_decoding_colours(make, monkeypatch, pixels):
    whole = [picture for _, _, picture in read_frames(make("prores"), [0, 7, 50], pixels=pixels)]
    with serve_ranges(make("prores").parent) as server:
        elsewhere = [p for _, _, p in read_frames(server.address(make("prores").name), [0, 7, 50], pixels=pixels)]
    monkeypatch.setattr("kso_utils.media.frames.leave_out_colour", lambda context: None)
    coloured = [picture for _, _, picture in read_frames(make("prores"), [0, 7, 50], pixels=pixels)]
    assert checksums(whole) == checksums(elsewhere) == checksums(coloured)
