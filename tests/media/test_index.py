import numpy as np
import pytest

from kso_utils.core.errors import MediaCorrupt
from kso_utils.media import index as index_module
from kso_utils.media.index import load_index

from .conftest import KINDS, decode_all


@pytest.mark.parametrize("kind", [*KINDS, "edited"])
def test_there_are_as_many_frames_as_a_decode_gives(make, kind):
    assert len(load_index(make(kind))) == len(decode_all(make(kind))[1])


def test_frames_hidden_by_an_edit_list_have_no_number(make):
    index = load_index(make("edited"))
    assert len(index.pts) > len(index)
    assert index.pts_s[0] == 0


@pytest.mark.parametrize("kind", ["open", "hevc", "transport"])
def test_leading_frames_need_the_group_before(make, kind):
    index = load_index(make(kind))
    key = index.keys[2]
    leading = np.flatnonzero((index.shown > key) & (index.ticks < index.pts[key]))
    assert len(leading) > 0
    assert (index.key_before(leading) == 1).all()
    assert index.key_before(np.flatnonzero(index.shown == key)) == [2]


def test_frames_before_any_key_packet_are_decoded_from_the_start(make):
    index = load_index(make("closed"))
    index.is_key[0] = False
    assert index.key_before(np.array([0, 1, 30])).tolist() == [-1, -1, 0]


@pytest.mark.parametrize("kind", ["closed", "variable", "ntsc"])
def test_the_duration_ends_with_the_last_frame(make, kind):
    index = load_index(make(kind))
    assert index.duration_s > index.pts_s[-1]
    if kind != "variable":
        assert index.duration_s == pytest.approx(100 / {"closed": 25, "ntsc": 30000 / 1001}[kind], abs=1e-9)


@pytest.mark.parametrize(("kind", "variable"), [("variable", True), ("closed", False), ("matroska", False)])
def test_a_variable_rate_is_noticed(make, kind, variable):
    assert load_index(make(kind)).is_variable is variable


def test_packets_are_found_by_their_time(make):
    index = load_index(make("closed"))
    assert all(index.packet_at(int(pts)) == k for k, pts in enumerate(index.pts))
    assert index.packet_at(int(index.pts.max()) + 1) is None
    assert index.packet_at(None) is None


def same(a, b):
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ("pts", "dts", "is_key", "shown")) and (
        (a.time_base, a.end, a.by_count) == (b.time_base, b.end, b.by_count)
    )


@pytest.mark.parametrize("kind", ["open", "edited", "avi_b", "matroska"])
def test_a_kept_index_is_the_same(make, tmp_path, monkeypatch, kind):
    fresh = load_index(make(kind), tmp_path)
    index_module._load.cache_clear()
    monkeypatch.setattr(index_module, "_scan", None)
    assert same(load_index(make(kind), tmp_path), fresh)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no archive", b"text"])
def test_a_damaged_kept_index_is_made_anew(make, tmp_path, damage):
    fresh = load_index(make("closed"), tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(damage)
    index_module._load.cache_clear()
    assert same(load_index(make("closed"), tmp_path), fresh)
    assert kept.stat().st_size > len(damage)


def test_a_kept_index_runs_no_code(make, tmp_path):
    load_index(make("closed"), tmp_path)
    (kept,) = tmp_path.iterdir()
    with kept.open("wb") as handle:
        np.savez(handle, facts=np.array([print], object))
    index_module._load.cache_clear()
    assert len(load_index(make("closed"), tmp_path)) == 100


def test_a_changed_file_has_another_index(make, movie, tmp_path):
    load_index(movie, tmp_path / "kept")
    movie.write_bytes(make("edited").read_bytes())
    assert len(load_index(movie, tmp_path / "kept")) == len(load_index(make("edited")))
    assert len(list((tmp_path / "kept").iterdir())) == 2


@pytest.mark.parametrize("kind", ["closed", "hevc", "matroska", "avi", "late"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_movie_is_refused(make, tmp_path, kind, share):
    data = make(kind).read_bytes()
    cut = tmp_path / make(kind).name
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(MediaCorrupt):
        load_index(cut)


@pytest.mark.parametrize("share", [0.5, 0.8, 0.98])
def test_a_truncated_movie_with_its_index_in_front_is_refused(make, tmp_path, share):
    from .conftest import ffmpeg

    front = tmp_path / "front.mp4"
    ffmpeg("-i", str(make("closed")), "-c", "copy", "-movflags", "+faststart", str(front))
    front.write_bytes(front.read_bytes()[: int(front.stat().st_size * share)])
    with pytest.raises(MediaCorrupt, match="ends too early: only"):
        load_index(front)


@pytest.mark.parametrize("kind", ["closed", "edited", "prores"])
def test_of_a_movie_with_boxes_only_the_index_is_read(make, monkeypatch, kind):
    monkeypatch.setattr(index_module, "_demux", None)
    assert len(load_index(make(kind))) > 0
