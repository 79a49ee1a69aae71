import subprocess
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import ConfigError
from kso_utils.media import index as index_module
from kso_utils.media.index import load_index
from kso_utils.media.safety import find_ffmpeg
from kso_utils.media.sampling import sample_frames

from .conftest import SHARED, decode_all, ffmpeg

RATES = {"25": 25, "29.97": Fraction(30000, 1001), "59.94": Fraction(60000, 1001)}
DURATIONS_S = (0.3, 4.48, 4.52)
MOVIES = [
    *((rate, duration) for rate in RATES for duration in DURATIONS_S),
    "variable",
    "late",
    "sounding",
    "sound first",
]


@pytest.fixture(scope="session")
def timed(make, tmp_path_factory):
    """Return a function that makes a movie of a rate and duration, or of a kind, once."""
    folder = tmp_path_factory.mktemp("timed")

    def make_timed(what):
        if what in ("variable", "late", "sounding"):
            return make(what)
        path = folder / f"{what}.mp4"
        if path.exists():
            return path
        if what == "sound first":
            sound = ["-f", "lavfi", "-i", "sine=duration=5"]
            ffmpeg("-itsoffset", "0.5", "-i", str(make("closed")), *sound, "-c:v", "copy", "-c:a", "aac", str(path))
            return path
        rate, duration = RATES[what[0]], what[1]
        source = f"testsrc2=size=96x64:rate={rate}"
        frames = str(round(duration * rate))
        ffmpeg("-f", "lavfi", "-i", source, "-frames:v", frames, "-c:v", "libx264", "-preset", "ultrafast", str(path))
        return path

    return make_timed


def frame_hashes(path, *options):
    """Return a checksum of every picture that ffmpeg gives, as often as it gives it."""
    command = [find_ffmpeg(), "-v", "error", "-i", str(path), "-an", *options, "-fps_mode", "passthrough"]
    command += ["-f", "framehash", "-hash", "crc32", "-"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    return [line.split(",")[-1].strip() for line in lines if not line.startswith("#")]


def sample_with_ffmpeg(path, fps, rounding):
    numbers = {digest: number for number, digest in enumerate(frame_hashes(path))}
    assert len(numbers) == len(load_index(path)), "two frames look alike"
    return [numbers[digest] for digest in frame_hashes(path, "-vf", f"fps=fps={fps}:round={rounding}")]


@pytest.mark.parametrize(
    ("how", "numbers"),
    [
        ({"every_s": 1}, [0, 25, 50, 75]),
        ({"every_s": Fraction(1, 25)}, list(range(100))),
        ({"every_s": 0.1}, [(5 * k + 1) // 2 for k in range(40)]),
        ({"n": 4}, [0, 25, 50, 75]),
        ({"n": 3, "start_s": 1, "end_s": 2.5}, [25, 38, 50]),
        ({"stride": 30}, [0, 30, 60, 90]),
        ({"stride": 30, "start_s": 0.5, "end_s": 3}, [13, 43, 73]),
        ({"every_s": 10}, [0]),
        ({"every_s": 1, "start_s": 3.5, "end_s": 99}, [88]),
        ({"every_s": 1, "start_s": 5}, []),
    ],
)
def test_samples(make, how, numbers):
    got = sample_frames(make("closed"), **how)
    assert got["frame_number"].tolist() == numbers
    assert np.allclose(got["pts_s"], np.array(numbers) / 25)


def test_samples_follow_true_times(make):
    path = make("variable")
    times, _ = decode_all(path)
    got = sample_frames(path, every_s=0.5)
    expected = [int(np.argmax(times >= t - 1e-6)) for t in np.arange(0, times[-1], 0.5)]
    assert got["frame_number"].tolist() == expected


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["closed", "variable", "ntsc", "late", "edited", "avi_b"]),
    every_ms=st.integers(4, 9000),
    window_ms=st.tuples(st.integers(0, 5000), st.integers(0, 5000)).map(sorted),
)
def test_a_sample_is_the_first_frame_of_its_interval_and_there_is_one(make, kind, every_ms, window_ms):
    index, (start, end) = load_index(make(kind)), window_ms
    times = [int(t - index.ticks[0]) * index.time_base * 1000 for t in index.ticks]
    got = sample_frames(make(kind), every_ms / 1000, start_s=start / 1000, end_s=end / 1000)["frame_number"].tolist()
    inside = [n for n, t in enumerate(times) if start <= t < end]
    expected = {next((n for n in inside if times[n] >= target), None) for target in range(start, end, every_ms)}
    assert got == sorted(expected - {None})
    assert bool(got) == bool(inside)


def test_more_samples_than_frames_give_each_frame_once(make):
    assert sample_frames(make("closed"), n=500)["frame_number"].tolist() == list(range(100))


@pytest.mark.parametrize(
    ("rounding", "numbers"), [("near", [12, 37, 62, 87]), ("up", [0, 25, 50, 75]), ("down", [24, 49, 74, 99])]
)
def test_rounding_as_ffmpeg_does_it(make, rounding, numbers):
    got = sample_frames(make("closed"), every_s=1, ffmpeg_rounding=rounding)
    assert got["frame_number"].tolist() == numbers
    assert np.allclose(got["pts_s"], np.array(numbers) / 25)


@pytest.mark.parametrize(("duration", "count"), [(4.48, 4), (4.52, 5)])
def test_ffmpeg_gives_as_many_as_the_rounded_duration(timed, duration, count):
    assert len(sample_frames(timed(("25", duration)), 1, ffmpeg_rounding="near")) == count


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    what=st.sampled_from(MOVIES),
    fps=st.sampled_from(["1", "2", "3/5", "5", "25/3", "1/3", "30", "30000/1001", "75"]),
    rounding=st.sampled_from(["near", "up", "down"]),
)
def test_ffmpeg_chooses_the_same_frames(timed, what, fps, rounding):
    path = timed(what)
    got = sample_frames(path, 1 / Fraction(fps), ffmpeg_rounding=rounding)["frame_number"].tolist()
    assert got == sample_with_ffmpeg(path, fps, rounding)


@pytest.mark.parametrize("rounding", ["near", "up", "down"])
def test_ffmpeg_lets_pictures_of_a_transport_stream_begin_by_themselves(timed, rounding):
    path = timed("sounding")
    got = sample_frames(path, 1, ffmpeg_rounding=rounding)["frame_number"].tolist()
    assert got == sample_with_ffmpeg(path, "1", rounding)


@pytest.mark.soak
@pytest.mark.parametrize("what", [*MOVIES, *sorted(SHARED.glob("*.mp4"))], ids=str)
def test_ffmpeg_always_chooses_the_same_frames(timed, what):
    path = what if what in SHARED.glob("*.mp4") else timed(what)
    hashes = frame_hashes(path)
    for fps in ("1", "2", "3/5", "5", "25/3", "1/3", "30", "30000/1001", "75"):
        for rounding in ("near", "up", "down"):
            got = sample_frames(path, 1 / Fraction(fps), ffmpeg_rounding=rounding)["frame_number"]
            assert [hashes[n] for n in got] == frame_hashes(path, "-vf", f"fps=fps={fps}:round={rounding}")


def test_a_time_written_as_a_float_is_the_fraction_that_was_meant(timed):
    path = timed(("29.97", 4.52))
    as_float, exact = (sample_frames(path, s, ffmpeg_rounding="up") for s in (1001 / 30000, Fraction(1001, 30000)))
    assert as_float["frame_number"].tolist() == exact["frame_number"].tolist() == list(range(135))


@pytest.mark.parametrize("clip", sorted(SHARED.glob("mbari_*.mp4")), ids=lambda p: p.stem)
def test_a_clip_shorter_than_the_interval_gives_a_frame_where_ffmpeg_gives_none(clip):
    assert sample_frames(clip, every_s=1)["frame_number"].tolist() == [0]
    assert sample_frames(clip, every_s=1, ffmpeg_rounding="near").empty


def test_a_kept_index_serves(make, tmp_path, monkeypatch):
    fresh = sample_frames(make("closed"), 1, index_cache=tmp_path)
    index_module._load.cache_clear()
    monkeypatch.setattr(index_module, "_scan", None)
    assert sample_frames(make("closed"), 1, index_cache=tmp_path).equals(fresh)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, "exactly one positive"),
        ({"every_s": 1, "n": 3}, "exactly one positive"),
        ({"n": 0}, "exactly one positive"),
        ({"every_s": -1}, "exactly one positive"),
        ({"every_s": float("nan")}, "exactly one positive"),
        ({"every_s": float("inf")}, "exactly one positive"),
        ({"stride": 0.5}, "cannot be 0.5"),
        ({"every_s": 1, "start_s": -1}, "no window from -1"),
        ({"every_s": 1, "start_s": 3, "end_s": 2}, "no window from 3 to 2"),
        ({"every_s": 1, "end_s": float("nan")}, "no window"),
        ({"every_s": 1, "ffmpeg_rounding": "zero"}, "near, up or down"),
        ({"n": 2, "ffmpeg_rounding": "near"}, "goes with every_s"),
        ({"every_s": 1, "end_s": 2, "ffmpeg_rounding": "near"}, "whole movie"),
    ],
)
def test_what_cannot_be_sampled_is_named(make, how, message):
    with pytest.raises(ConfigError, match=message):
        sample_frames(make("closed"), **how)
