"""Frames and times are those of a linear decode, whichever are asked for and however the movie is made."""

import zlib
from fractions import Fraction

import numpy as np
import pytest

from kso_utils.media.frames import read_frames
from kso_utils.media.index import load_index

from .conftest import KINDS, SHARED, av, checksums, decode_all, ffmpeg

ALL_KINDS = [*KINDS, "edited"]
EIGHT = ["closed", "open", "variable", "hevc", "prores", "mjpeg", "edited", "full"]
MOVIES = sorted(SHARED.glob("*.mp4"))
POSITIONS = 64


def decode_linear(path, wanted, pixels="rgb24"):
    """Decode a movie from its start with PyAV alone: exact time since the first frame, and checksum, of some frames."""
    found, last, first = {}, max(wanted), None
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for number, frame in enumerate(container.decode(video=0)):
            first = frame.pts if first is None else first
            if number in wanted:
                time = (frame.pts - first) * frame.time_base
                found[number] = time, zlib.crc32(np.ascontiguousarray(frame.to_ndarray(format=pixels)))
            if number == last:
                return found
    return found


def read(path, numbers):
    """Read frames: their exact times by the index and as they were given, and their checksums."""
    index, got = load_index(path), {}
    for number, pts_s, picture in read_frames(path, numbers):
        time = int(index.ticks[number] - index.ticks[0]) * index.time_base
        assert pts_s == float(time)
        got[number] = time, zlib.crc32(picture)
    assert list(got) == sorted(set(numbers))
    return got


def positions(n, seed=0):
    """Return 0, 1, N-2, N-1 and random positions, 64 in all, in any order."""
    rng = np.random.default_rng(seed)
    edges = [0, 1, n - 2, n - 1]
    rest = rng.choice(np.arange(2, n - 2), min(POSITIONS, n) - len(edges), replace=False).tolist()
    return rng.permutation(edges + rest).tolist()


def choices(n, seed=0):
    rng = np.random.default_rng(seed)
    yield list(range(n))
    for stride in (2, 10, 40):
        yield list(range(0, n, stride))
    for _ in range(3):
        yield rng.choice(n, 6).tolist()
    yield [n - 1, 0, n // 2, n - 2, 0]
    yield [n - 1]


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_any_choice_of_frames_is_exact(make, kind):
    path = make(kind)
    expected = checksums(decode_all(path)[1])
    assert len(load_index(path)) == len(expected)
    for numbers in choices(len(expected)):
        got = {number: array for number, _, array in read_frames(path, numbers)}
        assert list(got) == sorted(set(numbers))
        assert checksums(got.values()) == [expected[n] for n in got]


@pytest.mark.parametrize("kind", [k for k in ALL_KINDS if k != "avi_b"])
def test_times_are_exact(make, kind):
    path = make(kind)
    wanted = set(range(len(load_index(path))))
    assert {n: t for n, (t, _) in read(path, wanted).items()} == {
        n: t for n, (t, _) in decode_linear(path, wanted).items()
    }


def test_where_the_container_has_no_times_frames_are_equally_long(make):
    index = load_index(make("avi_b"))
    assert [t * index.time_base for t in (index.ticks - index.ticks[0]).tolist()] == [
        Fraction(k, 25) for k in range(100)
    ]


@pytest.mark.parametrize("kind", EIGHT)
def test_64_positions_are_exact_together_and_one_by_one(make, kind):
    path = make(kind)
    wanted = positions(len(load_index(path)))
    expected = decode_linear(path, wanted)
    assert read(path, wanted) == expected
    for number in wanted[:8]:
        assert read(path, [number]) == {number: expected[number]}


@pytest.mark.parametrize("movie", MOVIES, ids=lambda p: p.stem)
def test_real_movies_are_exact(movie):
    wanted = positions(min(600, len(load_index(movie))))
    assert read(movie, wanted) == decode_linear(movie, wanted)


def test_real_movies_are_there():
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not here")
    assert MOVIES


def count_exact(path):
    wanted = positions(len(load_index(path)))
    expected = decode_linear(path, wanted)
    together = read(path, wanted)
    alone = {number: read(path, [number])[number] for number in wanted}
    return sum(expected[n] == together[n] == alone[n] for n in wanted), len(wanted)


@pytest.mark.soak
@pytest.mark.parametrize("kind", EIGHT)
def test_64_of_64_positions_of_a_long_movie_are_exact(make, tmp_path, record_figures, kind):
    path = tmp_path / f"long_{kind}{make(kind).suffix}"
    if kind == "edited":
        long = tmp_path / "long.mp4"
        generate_long("closed", long)
        ffmpeg("-ss", "1.3", "-i", str(long), "-c", "copy", str(path))
    else:
        generate_long(kind, path)
    exact, of = count_exact(path)
    record_figures("exactness", {kind: f"{exact} of {of}"})
    assert exact == of == POSITIONS


def generate_long(kind, path):
    source = "testsrc2=size=320x180:rate=25,noise=alls=20:allf=t"
    ffmpeg("-f", "lavfi", "-i", source, "-frames:v", "600", *KINDS[kind][0].replace("'", "").split(), str(path))


@pytest.mark.soak
@pytest.mark.parametrize("movie", MOVIES, ids=lambda p: p.stem)
def test_64_of_64_positions_of_real_movies_are_exact(movie, record_figures):
    exact, of = count_exact(movie)
    record_figures("exactness", {movie.stem: f"{exact} of {of}"})
    assert exact == of == min(POSITIONS, len(load_index(movie)))
