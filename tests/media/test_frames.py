import numpy as np
import pandas as pd
import pytest

from kso_utils.core.errors import ConfigError, MediaCorrupt, MediaError, NotFound
from kso_utils.media import frames as frames_module
from kso_utils.media import index as index_module
from kso_utils.media.clips import cut_clips
from kso_utils.media.frames import read_frames, save_frames
from kso_utils.media.index import load_index
from kso_utils.media.movie import probe

from .conftest import av, checksums, decode_all, ffmpeg


@pytest.fixture
def fed(monkeypatch):
    """Count the packets that go through the decoder and the seeks."""
    counts = {"packets": 0, "seeks": 0, "passes": 0}
    seek, one_pass = frames_module.Feed.seek, frames_module._decode_pass

    def count_seek(self, key):
        counts["seeks"] += 1
        counts["packets"] += self.position - self.index.keys[key]
        return seek(self, key)

    def count_pass(feed, wanted, back):
        counts["passes"] += 1
        yield from one_pass(feed, wanted, back)
        counts["packets"] += feed.position

    monkeypatch.setattr(frames_module.Feed, "seek", count_seek)
    monkeypatch.setattr(frames_module, "_decode_pass", count_pass)
    return counts


@pytest.mark.parametrize("kind", ["closed", "open", "hevc", "variable", "matroska", "transport"])
@pytest.mark.parametrize("stride", [1, 3, 33, 60])
def test_nothing_is_decoded_twice(make, fed, kind, stride):
    list(read_frames(make(kind), range(0, 100, stride)))
    assert fed["passes"] == 1
    assert fed["packets"] <= 101


def test_a_far_frame_is_reached_by_one_seek(make, fed):
    list(read_frames(make("closed"), [80]))
    assert fed["seeks"] == 1
    assert fed["packets"] < 35


@pytest.fixture
def decoded(monkeypatch):
    """The readers that were at work; each counts the frames that it decoded."""
    feeds, begin = [], frames_module.Feed.__init__

    def begin_counted(self, *arguments):
        begin(self, *arguments)
        feeds.append(self)

    monkeypatch.setattr(frames_module.Feed, "__init__", begin_counted)
    return feeds


def count_needed(path, wanted):
    """Return how many frames of an H.264 movie must be decoded: those wanted and, from each key packet, references."""
    index = load_index(path)
    with av.open(str(path)) as container:
        packets = [bytes(p) for p in container.demux(video=0) if p.size]
    referred = [any(kind in (1, 5) and importance for importance, kind in _units(data)) for data in packets]
    needed = set()
    for number in wanted:
        packet = int(index.shown[number])
        key = int(index.keys[index.key_before(np.array([number]))[0]])
        needed |= {k for k in range(key, packet) if referred[k]} | {packet}
    return len(needed)


def _units(data):
    """Yield importance and kind of each unit of a packet (ISO 14496-10, 7.3.1; ISO 14496-15, 5.3)."""
    at = 0
    while at < len(data):
        yield data[at + 4] >> 5 & 3, data[at + 4] & 31
        at += 4 + int.from_bytes(data[at : at + 4], "big")


@pytest.mark.parametrize("kind", ["closed", "open", "variable", "edited"])
@pytest.mark.parametrize("wanted", [range(7, 100, 31), range(3, 80, 11), [12, 13, 60], [62], range(0, 70, 2)])
def test_little_more_is_decoded_than_must_be(make, decoded, kind, wanted):
    path = make(kind)
    numbers = [n for n in wanted if n < len(load_index(path))]
    list(read_frames(path, numbers))
    (feed,) = decoded
    assert feed.decoded <= count_needed(path, numbers) + 2 * len(numbers)


def test_samples_on_keyframes_cost_one_decoded_frame_each(make, decoded):
    index = load_index(make("closed"))
    on_keys = np.flatnonzero(index.is_key[index.shown]).tolist()
    list(read_frames(make("closed"), on_keys))
    assert [feed.decoded for feed in decoded] == [len(on_keys)]


def test_a_seek_that_lands_too_late_goes_further_back(make, monkeypatch):
    path = make("closed")
    expected = checksums(decode_all(path)[1])
    feed = frames_module.Feed

    class Late(feed):
        def __init__(self, container, stream, index, wanted):
            super().__init__(LateContainer(container), stream, index, wanted)

    class LateContainer:
        """Lands one key packet later than asked."""

        def __init__(self, container):
            self.demux, self.format, self.inner = container.demux, container.format, container

        def seek(self, offset, stream):
            self.inner.seek(offset + int(1.1 / stream.time_base), stream=stream)

    monkeypatch.setattr(frames_module, "Feed", Late)
    assert checksums(a for _, _, a in read_frames(path, [60, 95])) == [expected[60], expected[95]]


def test_where_no_seek_works_the_decode_is_linear(make, fed, monkeypatch):
    path = make("closed")
    expected = checksums(decode_all(path)[1])
    monkeypatch.setattr(frames_module.Feed, "seek", lambda self, key: False)
    assert checksums(a for _, _, a in read_frames(path, [60, 95])) == [expected[60], expected[95]]


def test_a_frame_that_never_arrives_is_named(movie, monkeypatch):
    index = load_index(movie)
    index.ticks[50] += 1
    monkeypatch.setattr(frames_module, "load_index", lambda *_: index)
    with pytest.raises(MediaCorrupt, match="Frame 50"):
        list(read_frames(movie, [3, 50]))


def test_times_give_the_frame_on_screen(make):
    got = [n for n, _, _ in read_frames(make("closed"), times_s=[0.0, 0.039, 0.04, 0.3, 3.999])]
    assert got == [0, 1, 7, 99]


def test_size_is_width_and_height(make):
    (_, _, got), *_ = read_frames(make("closed"), [4], size=(64, 36))
    assert got.shape == (36, 64, 3)


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (270, 3)])
def test_a_movie_filmed_askew_stands_upright_everywhere(make, tmp_path, degrees, turns):
    path, clips = tmp_path / "askew.mp4", tmp_path / "clips"
    ffmpeg("-display_rotation", str(degrees), "-i", str(make("closed")), "-c", "copy", str(path))
    expected = np.rot90(decode_all(path)[1][50], turns)
    (_, _, got), *_ = read_frames(path, [50])
    assert np.array_equal(got, expected)
    info = probe(path)
    assert (info.height, info.width) == expected.shape[:2]
    (_, _, small), *_ = read_frames(path, [50], size=(40, 80))
    assert small.shape == (80, 40, 3)
    made = cut_clips(pd.DataFrame({"source": [path], "clip_start_time": [2.0], "clip_end_time": [3.0]}), clips)
    (_, _, cut), *_ = read_frames(made["path"][0], [0])
    assert np.abs(cut.astype(int) - expected).mean() < 15


@pytest.mark.parametrize("number", [-1, 100, 10**9])
def test_a_number_outside_the_movie_names_the_range(make, number):
    with pytest.raises(MediaError, match="0 to 99"):
        read_frames(make("closed"), [5, number])


@pytest.mark.parametrize("time_s", [-0.1, 4.0, float("nan")])
def test_a_time_outside_the_movie_names_its_length(make, time_s):
    with pytest.raises(MediaError, match=r"lasts 4\.000 s"):
        read_frames(make("closed"), times_s=[time_s])


def test_no_numbers_give_no_frames(make):
    assert list(read_frames(make("closed"), [])) == []


def test_numbers_and_times_together_are_refused(make):
    with pytest.raises(ConfigError, match="one of the two"):
        read_frames(make("closed"), [1], times_s=[1])


def test_a_missing_movie_is_said_at_once(tmp_path):
    with pytest.raises(NotFound, match="no movie"):
        read_frames(tmp_path / "none.mp4")


def test_saved_frames_are_the_frames(make, tmp_path):
    cv2 = pytest.importorskip("cv2")
    table = save_frames(make("closed"), [70, 3, 3], tmp_path / "out")
    assert table["frame_number"].tolist() == [3, 70]
    assert [p.name for p in sorted((tmp_path / "out").iterdir())] == ["closed_frame_3.jpg", "closed_frame_70.jpg"]
    _, expected = decode_all(make("closed"), "bgr24")
    picture = cv2.imread(table["path"][1])
    assert picture.shape == (table["height"][1], table["width"][1], 3)
    assert np.abs(picture.astype(int) - expected[70]).mean() < 12


def test_saved_frames_are_known_by_their_content(make, tmp_path):
    from kso_utils.core.paths import sha256_file

    table = save_frames(make("closed"), [5], tmp_path, stem="a/b")
    assert table["path"][0] == str(tmp_path / "a_b_frame_5.jpg")
    assert table["sha256"][0] == sha256_file(table["path"][0])


@pytest.mark.parametrize(
    "stem", ["../../out", "/etc/passwd", "..", "con", "a\nb\0c", "-rf", "é" * 300, "%05d", "$(id)"]
)
def test_saved_frames_stay_in_their_folder_whatever_they_are_called(make, tmp_path, stem):
    (path,) = save_frames(make("closed"), [5], tmp_path / "out", stem=stem)["path"]
    assert [str(p) for p in (tmp_path / "out").iterdir()] == [path]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_kept_index_serves_for_reading_and_saving(make, tmp_path, monkeypatch):
    for _, _, expected in read_frames(make("closed"), [5], index_cache=tmp_path / "kept"):
        index_module._load.cache_clear()
        monkeypatch.setattr(index_module, "_scan", None)
        ((_, _, got),) = read_frames(make("closed"), [5], index_cache=tmp_path / "kept")
        assert np.array_equal(got, expected)
        index_module._load.cache_clear()
        assert len(save_frames(make("closed"), [5], tmp_path / "out", index_cache=tmp_path / "kept")) == 1
