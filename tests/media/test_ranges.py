import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.archive.local import LocalFile
from kso_utils.core.errors import MediaCorrupt, MediaUnsupported
from kso_utils.media import ranges
from kso_utils.media.ranges import BlockFile, find_moov


class Counted:
    """A file that is not a local one, and remembers which parts were read."""

    def __init__(self, path):
        self.inner = LocalFile(path)
        self.address, self.size_bytes = f"https://example.org/{path.name}", self.inner.size_bytes
        self.identity, self.asked = self.inner.identity, []

    def read(self, start, stop):
        self.asked.append((start, stop))
        return self.inner.read(start, stop)


def test_an_index_at_the_end_costs_two_requests(make):
    file = Counted(make("closed"))
    opening = find_moov(file)
    assert len(file.asked) == 2
    assert b"".join(data for _, data in opening.parts).count(b"moov") == 1


def test_an_index_in_front_costs_one(make):
    file = Counted(make("front"))
    find_moov(file)
    assert len(file.asked) == 1


def test_a_long_index_in_front_is_read_to_its_end(make, monkeypatch):
    monkeypatch.setattr(ranges, "_HEAD_BYTES", 64)
    file = Counted(make("front"))
    short = find_moov(file)
    ranges._find.cache_clear()
    monkeypatch.undo()
    assert short.moov == find_moov(file).moov


def test_a_known_index_is_not_read_again(make):
    find_moov(Counted(make("closed")))
    again = Counted(make("closed"))
    find_moov(again)
    assert again.asked == []


def test_another_identity_is_another_file(make):
    find_moov(Counted(make("closed")))
    changed = Counted(make("closed"))
    changed.identity = "changed"
    find_moov(changed)
    assert changed.asked


@pytest.mark.parametrize("kind", ["matroska", "avi", "transport"])
def test_a_file_of_another_kind_has_no_such_index(make, kind):
    assert find_moov(Counted(make(kind))) is None


def test_a_file_that_ends_within_a_box_is_refused(make, tmp_path):
    path = tmp_path / "cut.mp4"
    path.write_bytes(make("closed").read_bytes()[:-1000])
    with pytest.raises(MediaCorrupt, match="ends too early"):
        find_moov(Counted(path))


@pytest.mark.parametrize("boxes", [3, 5000])
def test_boxes_without_an_index_are_refused_after_a_while(tmp_path, boxes):
    path = tmp_path / "empty.mp4"
    path.write_bytes(b"\0\0\0\x08free" * boxes)
    file = Counted(path)
    with pytest.raises(MediaUnsupported, match="no index"):
        find_moov(file)
    assert len(file.asked) <= 2


def test_an_index_of_absurd_length_is_refused_unread(tmp_path):
    path = tmp_path / "huge.mp4"
    with path.open("wb") as handle:
        handle.write(b"\x40\0\0\0moov")
        handle.truncate(0x40000000)
    with pytest.raises(MediaUnsupported, match="Divide"):
        find_moov(Counted(path))


@settings(max_examples=50, deadline=None)
@given(
    moves=st.lists(st.tuples(st.integers(0, 3 * 2**18), st.integers(0, 2**19)), min_size=1, max_size=8),
    known=st.tuples(st.integers(0, 10**5), st.integers(0, 10**5)),
)
def test_blocks_read_as_the_file_does(tmp_path_factory, moves, known):
    path = tmp_path_factory.mktemp("blocks") / "file"
    data = bytes(range(251)) * 4000
    path.write_bytes(data)
    blocks = BlockFile(Counted(path), ((known[0], data[known[0] : known[0] + known[1]]),))
    for offset, count in moves:
        assert blocks.seek(offset) == offset
        got = b""
        while part := blocks.read(count - len(got)):
            got += part
        assert got == data[offset : offset + count]
        assert blocks.tell() == min(offset + count, max(offset, len(data)))


def test_reading_on_and_on_asks_for_more_at_a_time(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(2**24))
    file = Counted(path)
    blocks = BlockFile(file)
    while blocks.read(2**15):
        pass
    assert len(file.asked) < 10
    assert max(stop - start for start, stop in file.asked) <= 2**22


def test_few_blocks_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(ranges, "_MOST_BLOCKS", 20)
    path = tmp_path / "file"
    path.write_bytes(bytes(2**24))
    blocks = BlockFile(Counted(path))
    for place in range(0, 2**24, 2**18):
        blocks.seek(place)
        blocks.read(1)
    assert len(blocks._blocks) <= 20
