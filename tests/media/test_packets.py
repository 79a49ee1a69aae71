import threading
import tracemalloc

import numpy as np
import pytest

from kso_utils.archive.opening import open_file
from kso_utils.core.errors import ArchiveError, MediaCorrupt, MediaError
from kso_utils.media import packets as packets_module
from kso_utils.media.frames import read_frames, save_frames
from kso_utils.media.index import load_index
from kso_utils.media.movie import probe
from kso_utils.media.sampling import sample_frames
from kso_utils.testing.range_server import Fault, serve_ranges

from .conftest import BOXED, KINDS, SHARED, checksums, ffmpeg
from .containers.test_boxes import same
from .test_ranges import Counted

ALL_KINDS = [*KINDS, *BOXED, "edited", "edited_open", "edited_prores"]
SINGLE = ["prores", "mjpeg", "dnxhd", "front_prores", "edited_prores"]


@pytest.fixture(scope="module")
def server(make):
    """The folder of the generated movies on a web server."""
    with serve_ranges(make("closed").parent) as running:
        yield running


@pytest.fixture
def ask(make, server):
    """Return a function that opens a movie of a kind on the web server, with an empty log of requests."""

    def opened(kind):
        file = open_file(server.address(make(kind).name))
        server.requests.clear()
        return file

    return opened


def summed(frames):
    frames = list(frames)
    return [(number, time) for number, time, _ in frames], checksums(picture for _, _, picture in frames)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_the_index_is_that_of_the_file_here(make, ask, kind):
    assert same(load_index(ask(kind)), load_index(make(kind)))


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_frames_are_those_of_the_file_here(make, ask, kind):
    expected, n = read_frames(make(kind)), len(load_index(make(kind)))
    pairs = summed(expected)
    file = ask(kind)
    assert summed(read_frames(file)) == pairs
    rng = np.random.default_rng(0)
    for numbers in ([n - 1, 0, n // 2], rng.choice(n, 6).tolist()):
        wanted = sorted(set(numbers))
        times, sums = summed(read_frames(file, numbers))
        assert (times, sums) == ([pairs[0][k] for k in wanted], [pairs[1][k] for k in wanted])


@pytest.mark.parametrize("kind", ["closed", "prores", "matroska"])
def test_steps_work_by_address(make, server, tmp_path, kind):
    address = server.address(make(kind).name)
    here, there = probe(make(kind)), probe(address)
    assert [getattr(here, name) for name in here.__slots__[1:]] == [
        getattr(there, name) for name in there.__slots__[1:]
    ]
    assert sample_frames(address, every_s=1).equals(sample_frames(make(kind), every_s=1))
    saved = save_frames(address, [70, 3], tmp_path / "there")
    assert saved["sha256"].tolist() == save_frames(make(kind), [70, 3], tmp_path / "here")["sha256"].tolist()


@pytest.mark.parametrize("kind", ["closed", "prores"])
def test_a_movie_filmed_askew_stands_upright(make, server, kind):
    path = make("closed").parent / f"askew_{kind}.mov"
    ffmpeg("-display_rotation", "90", "-i", str(make(kind)), "-c", "copy", str(path))
    there = summed(read_frames(server.address(path.name), [50]))
    assert there == summed(read_frames(path, [50]))


@pytest.mark.parametrize("pixels", ["gray8", "gray16"])
@pytest.mark.parametrize("kind", ["prores", "mjpeg", "full"])
def test_brightness_is_that_of_the_file_here(make, ask, kind, pixels):
    here, there = (summed(read_frames(movie, [7, 60], pixels=pixels)) for movie in (make(kind), ask(kind)))
    assert here == there


def index_bytes(kind, make):
    from kso_utils.archive.local import LocalFile
    from kso_utils.media.ranges import find_moov

    return sum(len(data) for _, data in find_moov(LocalFile(make(kind))).parts)


@pytest.mark.parametrize("kind", ["prores", "front_prores", "mjpeg"])
def test_one_frame_costs_its_bytes_and_the_index(make, ask, server, kind):
    file = ask(kind)
    list(read_frames(file, [40]))
    index = load_index(make(kind))
    own = int(index.stored.sizes[index.shown[40]])
    assert server.sent_bytes <= index_bytes(kind, make) + 2 * own
    assert len(server.requests) <= 3


def test_frames_spread_over_a_movie_cost_little_more_than_their_bytes(make, ask, server):
    numbers = list(range(0, 100, 5))
    file = ask("prores")
    list(read_frames(file, numbers))
    index = load_index(make("prores"))
    own = int(index.stored.sizes[index.shown[numbers]].sum())
    assert len(server.requests) <= len(numbers) + 4
    assert server.sent_bytes <= 1.01 * (own + index_bytes("prores", make))


def test_frames_side_by_side_are_fetched_together(ask, server):
    list(read_frames(ask("prores"), range(20, 60)))
    assert len(server.requests) <= 3


def fetched_from_groups(file, server):
    """Requests for 27, 29, 31 and 80, less those for blocks of the file's beginning, which tell the codec."""
    list(read_frames(file, [2]))
    server.requests.clear()
    list(read_frames(file, [27, 29, 31, 80]))
    return [request for request in server.requests if request.start % 2**18]


def test_groups_of_pictures_are_fetched_once_and_no_further_than_needed(make, ask, server, monkeypatch):
    monkeypatch.setattr(packets_module, "_GAP_BYTES", 0)
    fetched, index = fetched_from_groups(ask("closed"), server), load_index(make("closed"))
    needed = [*range(24, int(index.shown[27:32].max()) + 1), *range(72, int(index.shown[80]) + 1)]
    assert sum(request.sent_bytes for request in fetched) == int(index.stored.sizes[needed].sum())


def test_what_lies_close_together_is_one_request(ask, server):
    assert len(fetched_from_groups(ask("closed"), server)) == 1


def test_a_kept_index_spares_the_first_requests(ask, server, tmp_path):
    from kso_utils.media import index, ranges

    list(read_frames(ask("prores"), [3], index_cache=tmp_path))
    index._load.cache_clear()
    ranges._find.cache_clear()
    list(read_frames(ask("prores"), [3], index_cache=tmp_path))
    assert len(server.requests) == 1


def test_an_index_is_read_once(ask, server):
    file = ask("prores")
    load_index(file)
    before = len(server.requests)
    load_index(file)
    assert len(server.requests) == before


def test_a_server_without_parts_fails_at_once(make, server):
    server.ranges = False
    try:
        with pytest.raises(ArchiveError):
            read_frames(server.address(make("prores").name), [1])
    finally:
        server.ranges = True
    assert server.requests[-1].sent_bytes < 2**22


@pytest.mark.parametrize("kind", ["closed", "prores", "matroska"])
def test_a_file_that_changes_meanwhile_is_noticed(ask, server, kind):
    file = ask(kind)
    load_index(file)
    server.always = Fault(changed=True)
    try:
        with pytest.raises(ArchiveError):
            list(read_frames(file, [60]))
    finally:
        server.always = None


def test_a_damaged_picture_is_named(make, server):
    index = load_index(make("prores"))
    at, size = int(index.stored.offsets[5]), int(index.stored.sizes[5])
    data = bytearray(make("prores").read_bytes())
    data[at : at + size] = bytes(size)
    path = make("prores").with_name("damaged.mov")
    path.write_bytes(data)
    with pytest.raises(MediaCorrupt, match=r"damaged\.mov"):
        list(read_frames(server.address(path.name), [4, 5, 6]))


def test_a_truncated_movie_is_refused(make, server):
    path = make("front").with_name("cut.mp4")
    path.write_bytes(make("front").read_bytes()[:-5000])
    with pytest.raises(MediaCorrupt, match="ends too early"):
        load_index(server.address(path.name))


def test_where_a_jump_does_not_help_decoding_goes_further_back(make, ask, monkeypatch):
    expected = summed(read_frames(make("closed"), [60, 95]))
    groups = packets_module.plan_groups

    def late(index, wanted, back):
        for group in groups(index, wanted, back):
            skipped = 3 if back == 0 else 0
            yield packets_module.Group(group.start + skipped, group.stop, group.wanted)

    monkeypatch.setattr(packets_module, "plan_groups", late)
    assert summed(read_frames(ask("closed"), [60, 95])) == expected


@pytest.mark.parametrize("kind", ["closed", "prores"])
def test_reading_may_stop_anywhere(ask, kind):
    frames = read_frames(ask(kind))
    next(frames)
    frames.close()


@pytest.mark.parametrize("threads", [1, 3])
def test_any_number_of_threads_gives_the_same(make, ask, threads):
    numbers = list(range(0, 100, 7))
    expected = summed(read_frames(make("prores"), numbers))
    assert summed(read_frames(ask("prores"), numbers, threads=threads)) == expected


def test_as_many_requests_are_under_way_as_there_are_threads(make):
    class Slow(Counted):
        """Answers when four ask."""

        meeting = threading.Barrier(4, timeout=30)

        def read(self, start, stop):
            if len(self.asked) >= 2:
                self.meeting.wait()
            return super().read(start, stop)

    file = Slow(make("prores"))
    load_index(file)
    assert len(list(read_frames(file, range(0, 80, 10), threads=4))) == 8


def test_memory_does_not_grow_with_the_movie(ask):
    file = ask("prores")
    load_index(file)
    tracemalloc.start()
    try:
        for _ in read_frames(file):
            pass
        assert tracemalloc.get_traced_memory()[1] < 6 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("movie", sorted(SHARED.glob("*.mp4")), ids=lambda p: p.stem)
def test_real_movies_are_read_by_address(movie):
    numbers = np.random.default_rng(1).choice(len(load_index(movie)), 4).tolist()
    with serve_ranges(movie.parent) as running:
        address = running.address(movie.name)
        assert same(load_index(address), load_index(movie))
        assert summed(read_frames(address, numbers)) == summed(read_frames(movie, numbers))


@pytest.mark.parametrize("text", ["#EXTM3U\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile '{}'\n"])
def test_a_list_that_calls_itself_a_movie_leads_nowhere(make, server, text):
    path = make("closed").with_name("list.mp4")
    path.write_text(text.format(server.address(make("closed").name)))
    server.requests.clear()
    with pytest.raises(MediaError):
        load_index(server.address(path.name))
    assert {request.path for request in server.requests} == {"/list.mp4"}


@pytest.mark.soak
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_64_frames_one_by_one_are_those_of_the_file_here(make, ask, kind, record_figures):
    expected = summed(read_frames(make(kind)))
    n = len(expected[1])
    chosen = [0, 1, n - 2, n - 1, *np.random.default_rng(2).integers(0, n, 60).tolist()]
    file, exact = ask(kind), 0
    for number in chosen:
        exact += summed(read_frames(file, [number])) == ([expected[0][number]], [expected[1][number]])
    record_figures("remote_frames", {kind: f"{exact} of {len(chosen)}"})
    assert exact == len(chosen)
