import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kso_utils.archive.local import LocalFile
from kso_utils.core.errors import MediaCorrupt, MediaError, MediaUnsupported
from kso_utils.media.containers import boxes
from kso_utils.media.containers.boxes import drop_samples, read_header, read_track
from kso_utils.media.containers.edits import lay_out
from kso_utils.media.index import _demux, _unbox

from ..conftest import BOXED, KINDS, SHARED, av

BY_DEMUXER = ["fragments"]
PLAIN_KINDS = [k for k, (_, ending) in (KINDS | BOXED).items() if ending in ("mp4", "mov") and k not in BY_DEMUXER]
EDITED = ["edited", "edited_open", "edited_negative", "edited_prores", "edited_hevc"]


def packets_of(path):
    """What ffmpeg's demuxer gives: pts, dts, duration, key, hidden, offset, size; (packets, 7)."""
    with av.open(str(path)) as container:
        rows = [
            (p.pts, p.dts, p.duration, p.is_keyframe, p.is_discard, p.pos, p.size) for p in container.demux(video=0)
        ]
    return np.array([row for row in rows if row[-1]], np.int64)


def track_of(data):
    return read_track(moov_of(data), len(data))


def unboxed(data):
    track = track_of(data)
    found = lay_out(track)
    at = found.samples
    columns = (found.pts, found.dts, found.durations, track.is_key[at], found.is_hidden, track.offsets[at])
    return np.stack([*columns, track.sizes[at]], axis=1)


def moov_of(data):
    (found,) = [box for box in boxes._walk(data, boxes.Box(b"", 0, 0, len(data))) if box.kind == b"moov"]
    return data[found.start : found.stop]


def same(a, b):
    arrays = all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ("pts", "dts", "is_key", "shown"))
    return arrays and (a.time_base, a.end, a.by_count) == (b.time_base, b.end, b.by_count)


@pytest.mark.parametrize("kind", [*PLAIN_KINDS, *EDITED])
def test_packets_are_those_of_the_demuxer(make, kind):
    assert np.array_equal(unboxed(make(kind).read_bytes()), packets_of(make(kind)))


@pytest.mark.parametrize("kind", [*PLAIN_KINDS, *EDITED])
def test_the_index_is_that_of_the_demuxer(make, kind):
    path = make(kind)
    assert same(_unbox(LocalFile(path)), _demux(path, path.stat().st_size))


@pytest.mark.parametrize("movie", sorted(SHARED.glob("*.mp4")), ids=lambda p: p.stem)
def test_real_movies_have_the_index_of_the_demuxer(movie):
    assert same(_unbox(LocalFile(movie)), _demux(movie, movie.stat().st_size))


def put(kind, content):
    return struct.pack(">I4s", 8 + len(content), kind) + content


def rewritten(data, change, path=(b"moov",)):
    """The file with the content of every box on a path changed; none but the last box of a file may grow."""
    parts = []
    for box in boxes._walk(data, boxes.Box(b"", 0, 0, len(data))):
        content = data[box.start : box.stop]
        if box.kind == path[0]:
            content = change(content) if len(path) == 1 else rewritten(content, change, path[1:])
            parts.append(put(box.kind, content))
        else:
            parts.append(data[box.begin : box.stop])
    return b"".join(parts)


def with_edits(data, edits):
    rows = b"".join(struct.pack(">Iii", length, start, 65536) for length, start in edits)
    edts = put(b"edts", put(b"elst", struct.pack(">II", 0, len(edits)) + rows))

    def change(trak):
        kept = [trak[b.begin : b.stop] for b in boxes._walk(trak, boxes.Box(b"", 0, 0, len(trak))) if b.kind != b"edts"]
        return b"".join([kept[0], edts, *kept[1:]])

    return rewritten(data, change, (b"moov", b"trak"))


LENGTHS = st.sampled_from([0, 1, 100, 4000]) | st.integers(1, 5000)
STARTS = st.sampled_from([-1, 0, 512, 1024]) | st.integers(0, 53000)


@pytest.mark.parametrize("kind", ["closed", "negative", "open", "hevc"])
@settings(max_examples=12, deadline=None)
@given(edits=st.lists(st.tuples(LENGTHS, STARTS), min_size=1, max_size=3))
def test_any_edit_list_hides_what_the_demuxer_hides(make, tmp_path_factory, kind, edits):
    data = with_edits(make(kind).read_bytes(), edits)
    path = tmp_path_factory.mktemp("edits") / "movie.mp4"
    path.write_bytes(data)
    assert np.array_equal(unboxed(data), packets_of(path).reshape(-1, 7))


@settings(max_examples=12, deadline=None)
@given(empty=st.integers(0, 2000), length=LENGTHS, start=st.integers(0, 53000))
def test_an_edit_of_single_pictures_hides_what_the_demuxer_hides(make, tmp_path_factory, empty, length, start):
    data = with_edits(make("prores").read_bytes(), [(empty, -1), (length, start)])
    path = tmp_path_factory.mktemp("edits") / "movie.mov"
    path.write_bytes(data)
    assert np.array_equal(unboxed(data), packets_of(path).reshape(-1, 7))


def test_parts_of_single_pictures_that_are_joined_are_left_to_the_demuxer(make):
    assert track_of(with_edits(make("prores").read_bytes(), [(1000, 0), (1000, 9000)])) is None


@pytest.mark.parametrize("kind", BY_DEMUXER)
def test_a_movie_in_fragments_is_left_to_the_demuxer(make, kind):
    assert _unbox(LocalFile(make(kind))) is None


def test_an_encrypted_movie_is_refused_by_name(make):
    data = make("closed").read_bytes().replace(b"avc1", b"encv")
    with pytest.raises(MediaUnsupported, match="encrypted"):
        track_of(data)


def test_sound_alone_is_refused_by_name(make):
    with pytest.raises(MediaUnsupported, match="no video track"):
        track_of(make("closed").read_bytes().replace(b"vide", b"soun"))


@pytest.mark.parametrize("kind", ["front", "front_prores", "closed"])
@pytest.mark.parametrize("less", [1, 4000])
def test_a_picture_beyond_the_end_is_refused(make, kind, less):
    data = make(kind).read_bytes()
    end = int((unboxed(data)[:, 5] + unboxed(data)[:, 6]).max())
    with pytest.raises(MediaCorrupt, match="ends too early"):
        read_track(moov_of(data), end - less)


def table_of(kind, name, change):
    """The file with one table of its samples changed."""
    return lambda make: rewritten(make(kind).read_bytes(), change, (b"moov", b"trak", b"mdia", b"minf", b"stbl", name))


@pytest.mark.parametrize("name", [b"stsz", b"stco", b"stts", b"ctts", b"stss", b"stsc"])
def test_a_table_that_claims_more_than_it_holds_is_refused_before_room_is_made(make, name):
    at = 8 if name == b"stsz" else 4
    absurd = table_of("closed", name, lambda c: c[:at] + b"\x7f\xff\xff\xff" + c[at + 4 :])(make)
    tracemalloc.start()
    try:
        with pytest.raises(MediaCorrupt, match=rf"{name.decode()}.*claims 2147483647"):
            track_of(absurd)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_more_pictures_of_one_size_than_the_file_has_bytes_are_refused(make):
    absurd = table_of("prores", b"stsz", lambda _: struct.pack(">III", 0, 2, 2**31))(make)
    with pytest.raises(MediaCorrupt, match="ends too early"):
        track_of(absurd)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (b"stts", struct.pack(">IIII", 0, 1, 99, 512)),
        (b"ctts", struct.pack(">IIII", 0, 1, 2**31, 512)),
        (b"stsc", struct.pack(">IIIII", 0, 1, 1, 2**31, 1)),
        (b"stsc", struct.pack(">IIIIIIII", 0, 2, 1, 1, 1, 1, 1, 1)),
        (b"stss", struct.pack(">III", 0, 1, 4000)),
    ],
)
def test_tables_that_do_not_agree_are_left_to_the_demuxer(make, name, content):
    assert track_of(table_of("closed", name, lambda _: content)(make)) is None


def test_pictures_of_one_size_need_no_table(make):
    data = table_of("prores", b"stsz", lambda c: struct.pack(">III", 0, 2, struct.unpack_from(">I", c, 8)[0]))(make)
    assert set(track_of(data).sizes) == {2}


def test_a_group_of_random_access_points_adds_keys(make):
    groups = put(b"sbgp", struct.pack(">I4sIIIII", 0, b"rap ", 2, 3, 0, 1, 1))
    data = rewritten(make("closed").read_bytes(), lambda c: c + groups, (b"moov", b"trak", b"mdia", b"minf", b"stbl"))
    assert track_of(data).is_key[:5].tolist() == [True, False, False, True, False]


def test_a_long_movie_uses_wide_offsets(make):
    data = make("prores").read_bytes()
    far = rewritten(
        data, lambda c: c[:4] + struct.pack(">IQ", 1, 2**40), (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stco")
    )
    moov = moov_of(far).replace(b"stco", b"co64")
    moov = moov.replace(moov[moov.index(b"stsc") :][:24], b"stsc" + struct.pack(">IIIII", 0, 1, 1, 100, 1))
    assert read_track(moov, 2**41).offsets[0] == 2**40


@pytest.mark.parametrize(
    ("head", "message"),
    [(b"\0\0\0\4mdat", "too early"), (b"\0\0\0", "head of a box"), (b"\0\0\0\1mdat\0", "head of a box")],
)
def test_a_box_that_cannot_be_is_refused(head, message):
    with pytest.raises(MediaCorrupt, match=message):
        read_header(head, 0, 100)


def test_a_box_of_no_length_goes_on_to_the_end():
    assert read_header(b"\0\0\0\0mdat", 8, 100).stop == 100


def test_what_is_left_without_samples_is_short_and_says_how_to_decode(make):
    from kso_utils.media.safety import open_header

    header = drop_samples(moov_of(make("prores").read_bytes()))
    with open_header(header, "x") as (_, stream):
        assert (stream.codec_context.name, stream.codec_context.width) == ("prores", 160)
    assert len(header) < 1000


def test_folders_within_folders_within_folders_do_no_harm(make):
    moov = moov_of(make("prores").read_bytes())
    nested = b""
    for _ in range(5000):
        nested = put(b"trak", nested)
    assert len(drop_samples(moov + nested)) <= len(drop_samples(moov)) + len(nested)
    assert len(read_track(moov + nested, 2**30).sizes) == 100


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["closed", "edited", "negative", "prores"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    share=st.floats(0.1, 1),
)
@example(kind="closed", changes=[(0.0, 0)], share=0.0)
def test_a_damaged_index_gives_packets_or_a_media_error(make, kind, changes, share):
    data = make(kind).read_bytes()
    moov = bytearray(moov_of(data))
    for place, value in changes:
        moov[int(place * (len(moov) - 1))] = value
    damaged = bytes(moov[: max(0, int(share * 1.2 * len(moov)))])
    try:
        track = read_track(damaged, len(data))
        if track is not None:
            lay_out(track)
            assert (track.offsets >= 0).all()
            assert (track.offsets + track.sizes <= len(data)).all()
    except MediaError:
        pass


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"mvhd", b"trak", b"mvex"]))
def test_any_bytes_give_a_media_error(noise, kind):
    content = put(kind, noise) + noise if kind else noise
    with pytest.raises(MediaError):
        read_track(content.replace(b"mvex", b"mvey"), 1000)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["closed", "negative", "open", "hevc", "refresh", "variable"])
def test_a_thousand_edit_lists_hide_what_the_demuxer_hides(make, tmp_path, kind, record_figures):
    rng, path, equal = np.random.default_rng(3), tmp_path / "movie.mp4", 0
    for _ in range(170):
        count = int(rng.integers(1, 4))
        edits = [
            (int(rng.integers(0, 5000)), int(rng.choice([-1, 0, 512, rng.integers(0, 53000)]))) for _ in range(count)
        ]
        path.write_bytes(with_edits(make(kind).read_bytes(), edits))
        equal += np.array_equal(unboxed(path.read_bytes()), packets_of(path).reshape(-1, 7))
    record_figures("edit_lists", {kind: f"{equal} of 170"})
    assert equal == 170
