from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import MediaCorrupt, MediaError, MediaUnsupported
from kso_utils.media.index import MovieIndex, load_index
from kso_utils.media.remuxing import _schedule, can_copy, copy_movies

from .conftest import ffmpeg

NONE = np.iinfo(np.int64).min


def index_of(steps, swaps, start):
    """An index of frames of these lengths; at each of the swaps a packet comes before the one shown earlier."""
    ticks = start + np.cumsum([0, *steps])
    order = list(range(len(steps)))
    for at in swaps:
        if at + 1 < len(order):
            order[at], order[at + 1] = order[at + 1], order[at]
    pts = ticks[:-1][order]
    shown = np.argsort(pts)
    dts = np.full(len(pts), NONE)
    return MovieIndex(pts, dts, np.ones(len(pts), bool), shown, Fraction(1, 1000), int(ticks[-1]), False)


movies = st.lists(
    st.builds(
        index_of,
        st.lists(st.integers(1, 100), min_size=1, max_size=20),
        st.lists(st.integers(0, 18), max_size=5),
        st.integers(-50, 500),
    ),
    min_size=1,
    max_size=4,
)


@given(movies, st.sampled_from([None, Fraction(30000, 1001), Fraction(359, 12)]))
@settings(derandomize=True, deadline=None)
def test_packets_are_decoded_in_order_and_before_they_are_shown(indexes, rate):
    times = _schedule(indexes, rate)
    assert (np.diff(times.dts) > 0).all()
    assert (times.dts <= times.pts).all()
    assert len(set(times.pts.tolist())) == sum(map(len, indexes))


@given(movies)
@settings(derandomize=True, deadline=None)
def test_each_movie_begins_where_the_one_before_ends(indexes):
    times = _schedule(indexes, None)
    shown = np.concatenate(
        [index.ticks - index.ticks[0] + start for index, start in zip(indexes, times.starts, strict=True)]
    )
    assert np.array_equal(np.sort(times.pts), shown)
    lengths = [round(index.duration_s * 1000) for index in indexes]
    assert times.starts == tuple(np.cumsum([0, *lengths[:-1]]).tolist())
    assert times.durations.sum() == sum(lengths)


@given(movies)
@settings(derandomize=True, deadline=None)
def test_a_constant_rate_counts_frames(indexes):
    times = _schedule(indexes, Fraction(25))
    assert np.array_equal(np.sort(times.pts), np.arange(len(times.pts)))
    assert times.tick == Fraction(1, 25)


@pytest.mark.parametrize(("kind", "told"), [("closed", True), ("matroska", True), ("avi_b", False), ("edited", False)])
def test_what_has_no_times_or_hides_frames_is_not_copied(make, kind, told):
    assert can_copy(load_index(make(kind))) is told


def copy(path, target):
    copy_movies([(path, load_index(path))], Fraction(25), target, {}, lambda frames: None)


def test_what_mp4_cannot_hold_is_refused_by_name(tmp_path):
    path = tmp_path / "a.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25", "-frames:v", "3", "-c:v", "huffyuv", str(path))
    with pytest.raises(MediaUnsupported, match=r"a.mkv as it is \(huffyuv\)"):
        copy(path, tmp_path / "out.mp4")


def test_a_movie_that_changes_meanwhile_is_refused(make, tmp_path):
    path = make("matroska")
    index = load_index(path)
    other = tmp_path / "other.mkv"
    ffmpeg("-i", str(path), "-frames:v", "50", "-c", "copy", str(other))
    with pytest.raises(MediaError, match="changed while it was read"):
        copy_movies([(other, index)], Fraction(25), tmp_path / "out.mp4", {}, lambda frames: None)
    with pytest.raises(MediaError, match="changed while it was read"):
        copy_movies([(path, load_index(other))], Fraction(25), tmp_path / "out.mp4", {}, lambda frames: None)


def test_a_folder_that_is_not_there_is_said(make, tmp_path):
    with pytest.raises(MediaError, match=r"none/out.mp4 could not be written: No such file"):
        copy(make("closed"), tmp_path / "none" / "out.mp4")


def test_a_movie_that_is_none_is_told_as_the_source(make, tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"text" * 100)
    with pytest.raises(MediaCorrupt, match=r"a.mp4 is not a movie"):
        copy_movies([(path, load_index(make("closed")))], Fraction(25), tmp_path / "out.mp4", {}, lambda frames: None)
