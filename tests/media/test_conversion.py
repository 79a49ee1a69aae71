import resource
import shutil
import sys
from fractions import Fraction

import numpy as np
import pytest

from kso_utils.core.errors import ConfigError, MediaError, NotFound
from kso_utils.media.conversion import Reason, choose_rate, find_reasons, make_preview, standardise
from kso_utils.media.frames import read_frames
from kso_utils.media.index import load_index
from kso_utils.media.movie import probe
from kso_utils.media.safety import find_ffmpeg
from kso_utils.testing.range_server import serve_ranges

from .conftest import SHARED, av, checksums, decode_all, ffmpeg

PICTURES = "testsrc2=size=160x120:rate={rate}:duration=1"
TONE = "aevalsrc=0.5*sin(2*PI*1000*t)*gt(t\\,0.4):s=48000:d=1"
# What ffmpeg gets for movies that conftest has none of; one second each.
MORE = {
    "ten_bits": ("60000/1001", "-c:v libx265 -preset ultrafast -x265-params log-level=0 -pix_fmt yuv420p10le", "mp4"),
    "prores": ("25", "-c:v prores_ks", "mov"),
    "full_hevc": (
        "25",
        "-vf scale=out_range=pc,setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709 "
        "-c:v libx265 -preset ultrafast -x265-params log-level=0",
        "mp4",
    ),
    "rgb": ("25", "-c:v ffv1 -pix_fmt gbrp", "mkv"),
    "pcm": ("30000/1001", "-c:v libx264 -preset ultrafast -bf 2 -c:a pcm_s16le", "mov"),
    "aac": ("30000/1001", "-c:v libx264 -preset ultrafast -bf 2 -c:a aac", "mkv"),
    "hevc_aac": ("25", "-c:v libx265 -preset ultrafast -x265-params log-level=0 -c:a aac", "mp4"),
    "uneven": (
        "25",
        "-vf settb=1/1000,setpts=N*40+13*mod(N\\,3)+300*gt(N\\,15),noise=alls=20:allf=t -fps_mode passthrough "
        "-enc_time_base:v 1/1000 -c:v libx264 -preset ultrafast -bf 2",
        "mp4",
    ),
    "transport_aac": ("25", "-c:v mpeg2video -c:a mp2", "ts"),
}
SOUND = {"pcm", "aac", "hevc_aac", "transport_aac"}


@pytest.fixture(scope="module")
def more(tmp_path_factory):
    """Return a function that makes a movie of `MORE`, once."""
    folder = tmp_path_factory.mktemp("more")

    def make_more(kind):
        rate, options, ending = MORE[kind]
        path = folder / f"{kind}.{ending}"
        if not path.exists():
            sound = ["-f", "lavfi", "-i", TONE] if kind in SOUND else []
            ffmpeg("-f", "lavfi", "-i", PICTURES.format(rate=rate), *sound, *options.split(), str(path))
        return path

    return make_more


@pytest.fixture
def turned(movie, tmp_path):
    path = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", "90", "-i", str(movie), "-c", "copy", str(path))
    return path


def parts(path):
    return [reason.part for reason in find_reasons(probe(path))]


@pytest.mark.parametrize("kind", ["closed", "open", "ntsc", "refresh", "edited"])
def test_what_every_browser_plays_is_left_alone(make, tmp_path, kind):
    made = standardise(make(kind), tmp_path / "out.mp4")
    assert (made.path, made.how, made.reasons) == (make(kind), "none", ())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("hevc", ["codec"]),
        ("late", ["container"]),
        ("matroska", ["container"]),
        ("transport", ["container"]),
        ("avi", ["container", "codec"]),
        ("variable", ["variable_rate"]),
    ],
)
def test_each_reason_is_found_alone(make, kind, expected):
    assert [part for part in parts(make(kind)) if part != "pixel_format"] == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("ten_bits", ["codec", "pixel_format"]),
        ("prores", ["container", "codec", "pixel_format"]),
        ("pcm", ["container", "sound"]),
        ("full_hevc", ["codec"]),
    ],
)
def test_reasons_of_depth_range_and_sound_are_found(more, kind, expected):
    assert parts(more(kind)) == expected


def test_a_turned_picture_is_a_reason(turned):
    assert parts(turned) == ["rotation"]


def test_a_reason_says_what_was_found_and_wanted():
    assert str(Reason("pixel_format", "yuv420p10le", "yuv420p")) == "pixel format yuv420p10le, not yuv420p"


@pytest.mark.parametrize("kind", ["late", "matroska", "transport"])
def test_another_container_costs_no_picture_quality(make, tmp_path, kind):
    made = standardise(make(kind), tmp_path / "out.mp4")
    assert made.how == "remuxed"
    times, pictures = decode_all(made.path)
    assert checksums(pictures) == checksums(decode_all(make(kind))[1])
    assert np.allclose(times, np.arange(100) / float(made.info.rate), atol=1e-9)
    assert made.info.rate == (Fraction(30000, 1001) if kind == "matroska" else 25)
    assert made.info.start_s == 0


@pytest.mark.parametrize("kind", ["hevc", "avi", "avi_b", "mpeg2"])
def test_other_codecs_are_encoded_frame_by_frame(make, tmp_path, kind):
    made = standardise(make(kind), tmp_path / "out.mp4")
    assert (made.how, made.info.frames, made.info.rate, parts(made.path)) == ("encoded", 100, 25, [])
    _same_pictures(make(kind), made.path)


@pytest.mark.parametrize("kind", ["ten_bits", "prores", "full_hevc", "rgb"])
def test_depth_and_range_become_right_colours(more, tmp_path, kind):
    made = standardise(more(kind), tmp_path / "out.mp4")
    assert made.info.pixel_format == "yuv420p"
    assert made.info.color_range in ("limited", "unknown")
    assert made.info.rate == probe(more(kind)).rate
    _same_pictures(more(kind), made.path)


def _same_pictures(source, made):
    pairs = list(zip(read_frames(source), read_frames(made), strict=True))
    for (_, _, one), (_, _, other) in pairs[:: len(pairs) // 5]:
        difference = one.astype(int) - other
        assert np.abs(difference).mean() < 7
        assert np.abs(difference.mean(axis=(0, 1))).max() < 3


def test_tags_of_colour_are_kept(more, tmp_path):
    made = standardise(more("full_hevc"), tmp_path / "out.mp4")
    with av.open(str(made.path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace) == (1, 1, 1)


def test_frames_that_an_edit_list_hides_stay_hidden(make, tmp_path):
    source = tmp_path / "edited.mov"
    ffmpeg("-ss", "1.3", "-i", str(make("closed")), "-c", "copy", str(source))
    made = standardise(source, tmp_path / "out.mp4")
    assert (made.how, made.info.frames) == ("encoded", probe(source).frames)
    _same_pictures(source, made.path)


@pytest.mark.parametrize("seed", range(3))
def test_any_varying_times_become_constant(tmp_path, seed):
    steps = np.random.default_rng(seed).integers(1, 90, 30)
    times = "+".join(f"{step}*gt(N\\,{number})" for number, step in enumerate(steps))
    source = tmp_path / "any.mp4"
    uneven = f"settb=1/1000,setpts={times}"
    options = ["-fps_mode", "passthrough", "-enc_time_base:v", "1/1000", "-c:v", "libx264", "-preset", "ultrafast"]
    ffmpeg("-f", "lavfi", "-i", PICTURES.format(rate=30), "-vf", uneven, *options, str(source))
    made = standardise(source, tmp_path / "out.mp4")
    assert abs(made.info.duration_s - probe(source).duration_s) <= 1 / made.info.fps
    assert not made.info.variable_rate


def test_a_turned_picture_is_stored_upright(turned, tmp_path):
    made = standardise(turned, tmp_path / "out.mp4")
    assert (made.info.width, made.info.height, made.info.rotation) == (120, 160, 0)
    _same_pictures(turned, made.path)


def test_a_varying_rate_becomes_constant_with_the_frame_on_screen(more, tmp_path):
    path = more("uneven")
    made = standardise(path, tmp_path / "out.mp4")
    assert (made.info.rate, made.info.variable_rate) == (choose_rate(probe(path), load_index(path)), False)
    source = load_index(path)
    frame_s = 1 / made.info.fps
    assert abs(made.info.duration_s - source.duration_s) <= frame_s
    before = [picture.astype(int) for _, _, picture in read_frames(path, pixels="gray8")]
    for number, pts_s, picture in read_frames(made.path, pixels="gray8"):
        best = int(np.argmin([np.abs(picture - other).mean() for other in before]))
        until = np.append(source.pts_s, source.duration_s)
        assert until[best] - frame_s / 2 - 1e-6 <= pts_s <= until[best + 1] + frame_s / 2, number


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([3003, 3003, 3003], Fraction(30000, 1001)),
        ([3003, 3003, 9009], Fraction(30000, 1001)),
        ([1500, 1502, 1503, 4000], Fraction(60000, 1001)),
        ([3600, 3590, 3609, 90], Fraction(25)),
        ([90000, 91000, 180000], Fraction(1)),
        ([900000, 880000, 90000], Fraction(1, 10)),
        ([5625, 5600, 5640], Fraction(16)),
    ],
)
def test_the_rate_is_the_common_one_nearest_to_the_typical(make, steps, expected):
    from dataclasses import replace

    index = load_index(make("closed"))
    ticks = np.cumsum([0, *steps])
    index = replace(index, pts=ticks, shown=np.arange(len(ticks)), time_base=Fraction(1, 90000))
    uniform = len(set(steps)) == 1
    info = replace(probe(make("closed")), variable_rate=not uniform, fps_num=30000, fps_den=1001)
    assert choose_rate(info, index) == expected


def onset_s(path):
    """Seconds from the first picture to the start of the tone."""
    with av.open(str(path)) as container:
        first = next(container.decode(video=0))
        first_s = float(first.pts * first.time_base)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.flatnonzero(np.abs(frame.to_ndarray().astype(float).reshape(-1)) > 0.2 * _full_scale(frame))
            if len(loud):
                return float(frame.pts * frame.time_base) + loud[0] / frame.sample_rate - first_s
    raise AssertionError("no tone")


def _full_scale(frame):
    return 32768 if frame.format.name.startswith("s16") else 1


@pytest.mark.parametrize("kind", sorted(SOUND))
def test_sound_stays_with_the_pictures(more, tmp_path, kind):
    made = standardise(more(kind), tmp_path / "out.mp4")
    assert made.info.has_audio
    assert abs(onset_s(made.path) - onset_s(more(kind))) < 0.003


@pytest.mark.parametrize("late", ["0:a", "0:v"])
def test_sound_that_begins_earlier_or_later_stays_with_the_pictures(more, tmp_path, late):
    source, other = str(more("hevc_aac")), {"0:a": "0:v", "0:v": "0:a"}[late]
    path = tmp_path / "late.mkv"
    ffmpeg("-i", source, "-itsoffset", "0.3", "-i", source, "-map", other, "-map", f"1{late[1:]}", "-c", "copy", path)
    for name, source in (("encoded", path), ("copied", _as_h264(path, tmp_path))):
        made = standardise(source, tmp_path / f"{name}.mp4")
        assert abs(onset_s(made.path) - onset_s(source)) < 0.003


def _as_h264(path, folder):
    target = folder / "h264.mkv"
    ffmpeg("-copyts", "-i", path, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "copy", target)
    return target


def test_the_time_of_recording_is_kept(more, make, tmp_path):
    for kind, how in (("late", "remuxed"), ("hevc", "encoded")):
        source = tmp_path / f"{kind}.mov"
        ffmpeg("-i", str(make(kind)), "-c", "copy", "-metadata", "creation_time=2023-05-01T10:00:00Z", str(source))
        made = standardise(source, tmp_path / f"{kind}.mp4")
        assert (made.how, made.info.created_at) == (how, "2023-05-01T10:00:00.000000Z")


def test_what_was_made_before_is_kept(make, tmp_path):
    first = standardise(make("matroska"), tmp_path / "out.mp4")
    before = first.path.stat().st_mtime_ns
    again = standardise(make("matroska"), tmp_path / "out.mp4")
    assert again == first
    assert again.path.stat().st_mtime_ns == before


def test_another_file_of_that_name_stays(make, tmp_path):
    for content in (b"notes", make("closed").read_bytes()):
        target = tmp_path / "out.mp4"
        target.write_bytes(content)
        with pytest.raises(ConfigError, match="another file"):
            standardise(make("hevc"), target)
        assert target.read_bytes() == content


def test_the_movie_itself_is_never_the_target(make, tmp_path):
    path = tmp_path / "a.mkv"
    shutil.copy(make("matroska"), path)
    (tmp_path / "link.mkv").symlink_to(path)
    for target in (path, tmp_path / "link.mkv", tmp_path / "." / "a.mkv"):
        with pytest.raises(ConfigError, match="overwritten"):
            standardise(path, target)
        with pytest.raises(ConfigError, match="overwritten"):
            make_preview(path, target)
    assert path.read_bytes() == make("matroska").read_bytes()


@pytest.mark.parametrize("kind", ["matroska", "hevc", "late"])
def test_a_damaged_movie_is_refused_and_leaves_nothing(make, tmp_path, kind):
    data = make(kind).read_bytes()
    middle = len(data) // 2
    for harmed in (data[: 2 * middle // 3], data[:middle] + bytes(5000) + data[middle + 5000 :]):
        source = tmp_path / f"harmed{make(kind).suffix}"
        source.write_bytes(harmed)
        with pytest.raises(MediaError):
            standardise(source, tmp_path / "out.mp4")
        assert [p.name for p in tmp_path.iterdir()] == [source.name]


def test_a_movie_that_is_nowhere_is_refused(tmp_path):
    with pytest.raises(NotFound):
        standardise(tmp_path / "none.mp4", tmp_path / "out.mp4")
    with pytest.raises(NotFound):
        standardise(tmp_path / ("x" * 300), tmp_path / "out.mp4")


def test_a_movie_that_is_elsewhere_is_fetched_only_where_it_is_needed_whole(make, tmp_path):
    folder = make("matroska").parent
    make("closed")
    with serve_ranges(folder) as server:
        made = standardise(server.address(make("matroska").name), tmp_path / "out.mp4")
        assert (made.how, [p.name for p in tmp_path.iterdir()]) == ("remuxed", ["out.mp4"])
        assert made.info.frames == probe(make("matroska")).frames
        before = (tmp_path / "out.mp4").stat().st_mtime_ns
        assert standardise(server.address(make("matroska").name), tmp_path / "out.mp4").sha256 == made.sha256
        assert (tmp_path / "out.mp4").stat().st_mtime_ns == before
        standard = standardise(server.address(make("closed").name), tmp_path / "none.mp4")
        assert (standard.how, standard.path.address) == ("none", server.address(make("closed").name))


def test_a_preview_of_a_movie_that_is_elsewhere(make, tmp_path):
    with serve_ranges(make("closed").parent) as server:
        made = make_preview(server.address(make("closed").name), tmp_path / "out.mp4", 60)
    assert (made.info.frames, made.info.height) == (100, 60)
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


def test_a_result_that_lacks_frames_is_removed(make, tmp_path, monkeypatch):
    careless = tmp_path / "careless"
    careless.write_text(
        f"#!{sys.executable}\nimport os, sys\nargs = sys.argv[1:]\n"
        "if 'libx264' in args: args[args.index('-f'):args.index('-f')] = ['-frames:v', '97']\n"
        f"os.execv({find_ffmpeg()!r}, ['ffmpeg', *args])\n"
    )
    careless.chmod(0o755)
    monkeypatch.setenv("KSO_FFMPEG", str(careless))
    for make_it in (standardise, make_preview):
        with pytest.raises(MediaError, match="97 frames, not 100"):
            make_it(make("hevc"), tmp_path / "out.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["careless"]


@pytest.mark.parametrize("kind", ["matroska", "hevc"])
def test_a_full_disk_is_said(make, tmp_path, kind):
    # A file that may not grow is what a disk that is full is like, and needs no disk of its own.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            standardise(make(kind), tmp_path / "out.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_preview_is_small_scrubs_fast_and_keeps_the_frames(more, tmp_path):
    made = make_preview(more("pcm"), tmp_path / "out.mp4", height=90)
    info = probe(more("pcm"))
    assert (made.info.height, made.info.width, made.info.has_audio) == (90, 120, False)
    assert (made.info.frames, made.info.rate) == (info.frames, Fraction(30000, 1001))
    assert made.info.longest_gop <= 15
    data = made.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_a_preview_is_never_larger_than_the_movie(make, tmp_path):
    assert make_preview(make("closed"), tmp_path / "out.mp4").info.height == 120


@pytest.mark.parametrize("height", [0, -2, 91])
def test_a_preview_has_an_even_height(make, tmp_path, height):
    with pytest.raises(ConfigError, match="even"):
        make_preview(make("closed"), tmp_path / "out.mp4", height)


def test_another_height_makes_another_preview(make, tmp_path):
    make_preview(make("closed"), tmp_path / "out.mp4", 60)
    with pytest.raises(ConfigError, match="another file"):
        make_preview(make("closed"), tmp_path / "out.mp4", 90)


@pytest.mark.skipif(not SHARED.exists(), reason="the real movies are not here")
def test_real_movies_that_are_fine_are_left_alone(tmp_path):
    made = standardise(SHARED / "aquarium_fish_640x360_h264_22s.mp4", tmp_path / "out.mp4")
    assert (made.how, made.info.rate) == ("none", Fraction(359, 12))


@pytest.mark.soak
@pytest.mark.skipif(not SHARED.exists(), reason="the real movies are not here")
@pytest.mark.parametrize("name", ["coral_162656", "snow_163856"])
def test_real_hevc_movies_keep_their_rate(tmp_path, name):
    source = SHARED / f"mbari_{name}_1080p_hevc_1s.mp4"
    made = standardise(source, tmp_path / "out.mp4")
    assert [reason.part for reason in made.reasons] == ["codec", "variable_rate"]
    assert (made.info.rate, made.info.frames) == (Fraction(60000, 1001), 35)
    assert abs(made.info.duration_s - probe(source).duration_s) < 1001 / 60000
