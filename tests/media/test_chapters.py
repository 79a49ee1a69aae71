import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import ConfigError, MediaCorrupt, MediaError, MediaUnsupported, NotFound
from kso_utils.media import chapters
from kso_utils.media.chapters import group_chapters, is_chapter, join_chapters
from kso_utils.media.index import load_index
from kso_utils.media.movie import probe
from kso_utils.testing.range_server import serve_ranges

from .conftest import av, checksums, decode_all, ffmpeg

NTSC, DOUBLE = Fraction(30000, 1001), Fraction(60000, 1001)
H264 = "-c:v libx264 -preset ultrafast -bf 2 -g 12"
HEVC = "-c:v libx265 -preset ultrafast -x265-params log-level=0:bframes=2"


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    """Return a function that makes a chapter of 32 frames with sound, different ones from place to place."""
    folder = tmp_path_factory.mktemp("chapters")

    def make(name, place=0, options=H264, rate=NTSC, tags=(), size="160x120", ending=".MP4"):
        key = abs(hash((place, options, rate, tuple(tags), size)))
        path = folder / str(key) / f"{name}{ending}"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            picture = f"testsrc2=size={size}:rate={rate},noise=alls=20:allf=t,hue=h={40 * place}"
            tone = f"sine=frequency={300 + 200 * place}:sample_rate=48000"
            length = f"{float(32 / rate):.6f}"
            named = [part for tag in tags for part in ("-metadata", tag)]
            lavfi = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone]
            ffmpeg(*lavfi, "-frames:v", "32", "-t", length, "-c:a", "aac", *options.split(), *named, str(path))
        return path

    return make


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (["GP010123.MP4", "GOPR0123.MP4", "GP020123.MP4"], [["GOPR0123.MP4", "GP010123.MP4", "GP020123.MP4"]]),
        (["GX020007.MP4", "GX010007.MP4"], [["GX010007.MP4", "GX020007.MP4"]]),
        (["GX010007.MP4", "GH010007.MP4"], [["GX010007.MP4"], ["GH010007.MP4"]]),
        (["gs010007.360", "GS020007.360"], [["gs010007.360", "GS020007.360"]]),
        (["gopr0001.mp4", "GP010001.MP4"], [["gopr0001.mp4", "GP010001.MP4"]]),
        (["a/GX010007.MP4", "b/GX020007.MP4"], [["a/GX010007.MP4"], ["b/GX020007.MP4"]]),
        (["GX010007.MP4", "GX010007.LRV"], [["GX010007.MP4"], ["GX010007.LRV"]]),
        (["MVI_0001.MOV", "MVI_0002.MOV"], [["MVI_0001.MOV"], ["MVI_0002.MOV"]]),
        (
            ["GX010007_cut.MP4", "xGX010007.MP4", "GX10007.MP4"],
            [["GX010007_cut.MP4"], ["xGX010007.MP4"], ["GX10007.MP4"]],
        ),
        ([], []),
    ],
)
def test_files_of_one_recording_are_found_by_their_names(names, groups):
    assert list(group_chapters(names).values()) == groups


def test_a_recording_is_named_by_its_first_chapter():
    assert list(group_chapters(["GX020007.MP4", "GX010007.MP4", "a.mp4"])) == ["GX010007.MP4", "a.mp4"]


@given(
    st.lists(st.tuples(st.sampled_from("HXS"), st.integers(1, 99), st.integers(0, 9999)), unique=True, max_size=30),
    st.integers(0, 9),
)
@settings(derandomize=True, deadline=None)
def test_every_file_is_in_one_recording_in_order_whatever_the_order_given(files, seed):
    names = [f"G{kind}{chapter:02d}{number:04d}.MP4" for kind, chapter, number in files]
    groups = group_chapters(names)
    assert sorted(name for group in groups.values() for name in group) == sorted(names)
    for group in groups.values():
        assert len({name[:2] + name[4:] for name in group}) == 1
        assert group == sorted(group)
    random.Random(seed).shuffle(names)  # noqa: S311
    assert group_chapters(names) == groups


@pytest.mark.parametrize(("name", "told"), [("a/GX010007.MP4", True), ("GOPR0123.mp4", True), ("DJI_0001.MP4", False)])
def test_a_name_tells_a_gopro(name, told):
    assert is_chapter(name) is told


@pytest.mark.parametrize(("options", "rate"), [(H264, NTSC), (HEVC, DOUBLE), (H264, Fraction(25))])
def test_the_whole_is_the_chapters_one_after_another(chapter, tmp_path, options, rate):
    paths = [chapter(f"GX0{k}0123", k, options, rate) for k in (1, 2, 3)]
    joined = join_chapters(paths, tmp_path / "whole.mp4")
    assert (joined.frames, joined.gaps) == (96, ())
    index = load_index(joined.path)
    assert set(np.diff(index.ticks) * index.time_base) == {1 / rate}
    assert joined.duration_s == pytest.approx(float(96 / rate), abs=1e-9)
    expected = [crc for path in paths for crc in checksums(decode_all(path)[1])]
    assert checksums(decode_all(joined.path)[1]) == expected


def loudest_hz(path, start_s):
    """The tone that is heard in a sixth of a second from there on."""
    with av.open(str(path)) as container:
        parts = [(f.pts / f.sample_rate, f.to_ndarray()[0]) for f in container.decode(audio=0)]
    samples = np.concatenate([part for at, part in parts if start_s <= at < start_s + 1 / 6])
    return np.argmax(np.abs(np.fft.rfft(samples * np.hanning(len(samples))))) * 48000 / len(samples)


def test_sound_stays_with_its_chapter(chapter, tmp_path):
    paths = [chapter(f"GX0{k}0123", k) for k in (1, 2, 3)]
    joined = join_chapters(paths, tmp_path / "whole.mp4")
    length = 32 / float(NTSC)
    for k in range(3):
        for start_s in (k * length + 0.03, (k + 1) * length - 0.2):
            assert abs(loudest_hz(joined.path, start_s) - (500 + 200 * k)) < 10


def test_chapters_on_a_web_server_join(chapter, tmp_path):
    paths = [chapter(f"GX0{k}0123", k) for k in (1, 2)]
    with serve_ranges(paths[0].parents[1]) as server:
        names = [path.relative_to(paths[0].parents[1]).as_posix() for path in paths]
        made = join_chapters([server.address(name) for name in names], tmp_path / "whole.mp4")
    assert made.frames == sum(probe(path).frames for path in paths)
    assert [p.name for p in tmp_path.iterdir()] == ["whole.mp4"]


def test_chapters_without_sound_join(chapter, tmp_path):
    paths = []
    for k in (1, 2):
        paths.append(tmp_path / f"{k}.mp4")
        ffmpeg("-i", str(chapter(f"GX0{k}0123", k)), "-an", "-c", "copy", str(paths[-1]))
    assert not probe(join_chapters(paths, tmp_path / "whole.mp4").path).has_audio


def test_a_varying_rate_keeps_its_times(chapter, tmp_path):
    uneven = f"{H264} -vf settb=1/1000,setpts=N*40+13*mod(N\\,3) -fps_mode passthrough -enc_time_base:v 1/1000 -an"
    paths = [chapter(f"GX0{k}0123", k, uneven) for k in (1, 2)]
    joined = load_index(join_chapters(paths, tmp_path / "whole.mp4").path)
    one, two = (load_index(path) for path in paths)
    assert one.is_variable
    assert np.allclose(joined.pts_s, np.concatenate([one.pts_s, one.duration_s + two.pts_s]), atol=1e-6)


def test_a_turned_recording_stays_turned(chapter, tmp_path):
    paths = []
    for k in (1, 2):
        paths.append(tmp_path / f"{k}.mp4")
        ffmpeg("-display_rotation", "90", "-i", str(chapter(f"GX0{k}0123", k)), "-c", "copy", str(paths[-1]))
    assert probe(join_chapters(paths, tmp_path / "whole.mp4").path).rotation == probe(paths[0]).rotation == 90


def test_a_missing_chapter_is_refused_by_name(chapter, tmp_path):
    paths = [chapter("GX010123", 1), chapter("GX030123", 3)]
    with pytest.raises(MediaError, match=r"1 of its chapters between GX010123.MP4 and GX030123.MP4"):
        join_chapters(paths, tmp_path / "whole.mp4")
    assert list(tmp_path.iterdir()) == []
    joined = join_chapters(paths, tmp_path / "whole.mp4", allow_gaps=True)
    assert [(gap.evidence, gap.missing) for gap in joined.gaps] == [("name", 1)]
    assert joined.frames == 64


@pytest.mark.parametrize("names", [("GP010123", "GP020123"), ("GX020123", "GX030123")])
def test_a_missing_first_chapter_is_refused(chapter, tmp_path, names):
    with pytest.raises(MediaError, match="between the start and"):
        join_chapters([chapter(name, k) for k, name in enumerate(names)], tmp_path / "whole.mp4")


def test_the_old_names_begin_with_another_one(chapter, tmp_path):
    paths = [chapter("GOPR0123", 1), chapter("GP010123", 2)]
    assert join_chapters(paths, tmp_path / "whole.mp4").gaps == ()


@pytest.mark.parametrize("names", [("GX020123", "GX010123"), ("GX010123", "gx010123")])
def test_chapters_out_of_order_or_double_are_refused(chapter, tmp_path, names):
    with pytest.raises(ConfigError, match="order"):
        join_chapters([chapter(name, k) for k, name in enumerate(names)], tmp_path / "whole.mp4")


@pytest.mark.parametrize(
    ("second", "gap_s"),
    [
        ("10:00:01:02", None),
        ("10:00:01:03", None),
        ("10:00:05:02", 4.0),
        ("10:00:00:10", -0.73),
        ("10:00:00:00", None),
    ],
)
def test_timecodes_tell_what_is_missing(chapter, tmp_path, second, gap_s):
    paths = [
        chapter("one", 1, tags=("timecode=10:00:00:00",)),
        chapter("two", 2, tags=(f"timecode={second}",)),
    ]
    if gap_s is None:
        assert join_chapters(paths, tmp_path / "whole.mp4").gaps == ()
        return
    with pytest.raises(MediaError, match=r"s by timecode between one.MP4 and two.MP4"):
        join_chapters(paths, tmp_path / "whole.mp4")
    (gap,) = join_chapters(paths, tmp_path / "whole.mp4", allow_gaps=True).gaps
    assert gap.seconds == pytest.approx(gap_s, abs=0.01)


def test_timecodes_go_on_over_midnight(chapter, tmp_path):
    paths = [chapter("one", 1, tags=("timecode=23:59:59:10",)), chapter("two", 2, tags=("timecode=00:00:00:12",))]
    assert join_chapters(paths, tmp_path / "whole.mp4").gaps == ()


@pytest.mark.parametrize(("second", "gap_s"), [("10:00:01", None), ("10:00:02", None), ("10:01:01", 59.93)])
def test_times_of_recording_tell_but_do_not_refuse(chapter, tmp_path, second, gap_s):
    times = ("2024-05-01T10:00:00Z", f"2024-05-01T{second}Z")
    paths = [
        chapter(name, k, tags=(f"creation_time={t}",)) for k, (name, t) in enumerate(zip("ab", times, strict=True))
    ]
    gaps = join_chapters(paths, tmp_path / "whole.mp4").gaps
    assert [gap.evidence for gap in gaps] == ([] if gap_s is None else ["clock"])
    assert all(gap.seconds == pytest.approx(gap_s, abs=0.01) for gap in gaps)


def test_the_time_of_recording_and_the_timecode_are_the_first_chapters(chapter, tmp_path):
    tags = ("creation_time=2024-05-01T10:00:00Z", "timecode=10:00:00:00")
    later = ("creation_time=2024-05-01T10:00:01Z", "timecode=10:00:01:02")
    joined = join_chapters([chapter("one", 1, tags=tags), chapter("two", 2, tags=later)], tmp_path / "whole.mp4")
    assert probe(joined.path).created_at == "2024-05-01T10:00:00.000000Z"
    with av.open(str(joined.path)) as container:
        assert container.streams.video[0].metadata["timecode"] == "10:00:00:00"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"options": HEVC}, r"codec \(hevc, not h264\)"),
        ({"size": "128x96"}, r"size \(128x96, not 160x120\)"),
        ({"rate": Fraction(30)}, r"rate \(30, not 30000/1001\)"),
        ({"options": H264 + " -profile:v baseline -bf 0"}, "encoder settings"),
        ({"options": H264 + " -ac 2"}, r"sound \(aac 48000 Hz stereo, not aac 48000 Hz mono\)"),
        ({"options": H264 + " -an"}, r"sound \(none, not aac"),
    ],
)
def test_chapters_that_differ_are_refused_with_what_differs(chapter, tmp_path, change, said):
    with pytest.raises(MediaUnsupported, match=f"differs from .*one.MP4 in {said}.*Standardise"):
        join_chapters([chapter("one"), chapter("two", **change)], tmp_path / "whole.mp4")


@pytest.mark.parametrize("kind", ["edited", "avi_b"])
def test_hidden_frames_and_missing_times_are_refused(make, tmp_path, kind):
    with pytest.raises(MediaUnsupported, match="Standardise it first"):
        join_chapters([make(kind), make(kind)], tmp_path / "whole.mp4")


def test_one_chapter_or_none_is_refused(chapter, tmp_path):
    for paths in ([], [chapter("one")]):
        with pytest.raises(ConfigError, match="at least two"):
            join_chapters(paths, tmp_path / "whole.mp4")


def test_a_chapter_is_never_the_target(chapter, tmp_path):
    with pytest.raises(ConfigError, match="overwritten"):
        join_chapters([chapter("one", 1), chapter("two", 2)], chapter("two", 2))


def test_what_was_joined_before_is_kept_and_another_file_stays(chapter, tmp_path):
    paths = [chapter("one", 1), chapter("two", 2)]
    first = join_chapters(paths, tmp_path / "whole.mp4")
    before = first.path.stat().st_mtime_ns
    assert join_chapters(paths, tmp_path / "whole.mp4") == first
    assert first.path.stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match="another file"):
        join_chapters(paths[::-1], tmp_path / "whole.mp4")


def test_a_damaged_chapter_is_refused_and_leaves_nothing(chapter, tmp_path):
    data = chapter("two", 2).read_bytes()
    harmed = tmp_path / "harmed.mp4"
    harmed.write_bytes(data[:5000] + bytes(2000) + data[7000:])
    with pytest.raises(MediaCorrupt, match=r"harmed.mp4 is not whole"):
        join_chapters([chapter("one", 1), harmed], tmp_path / "whole.mp4")
    with pytest.raises(NotFound):
        join_chapters([chapter("one", 1), tmp_path / "none.mp4"], tmp_path / "whole.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["harmed.mp4"]


def test_a_whole_whose_frames_are_others_is_refused(chapter, tmp_path):
    paths = [chapter("one", 1), chapter("two", 2)]
    whole = join_chapters(paths[::-1], tmp_path / "whole.mp4")
    parts = [chapters._read_part(path) for path in paths]
    with pytest.raises(MediaError, match=r"Frame 0 of .*one.MP4 looks otherwise"):
        chapters._validate_seams(parts, whole.path)
