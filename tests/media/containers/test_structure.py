import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kso_utils.media.containers.structure import find_flaws, is_known
from kso_utils.testing.corrupt_media import write_good_media

from ..conftest import SHARED

SOURCES = ("mp4", "mp4_late", "mov", "mkv", "avi", "ts", "wav")
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return write_good_media(tmp_path_factory.mktemp("good"))


@pytest.mark.parametrize("source", SOURCES)
def test_good_files_have_no_flaw(good, source):
    assert find_flaws(good[source]) == []
    assert is_known(good[source].read_bytes()[:512])


@pytest.mark.parametrize("name", sorted(p.name for p in SHARED.glob("*.mp4")))
def test_real_movies_have_no_flaw(name):
    assert find_flaws(SHARED / name) == []


@pytest.mark.parametrize("source", SOURCES)
@given(share=st.floats(0, 1, exclude_max=True))
@quick
def test_every_beginning_of_a_file_is_known_to_be_one(good, tmp_path, source, share):
    whole = good[source].read_bytes()
    part = whole[: max(500, int(len(whole) * share))]
    if source == "ts" and len(part) % 188 == 0:
        part = part[:-1]
    (tmp_path / "part").write_bytes(part)
    assert [f.fault for f in find_flaws(tmp_path / "part")] in (["TRUNCATED"], ["DAMAGED"])


@given(
    data=st.binary(max_size=800), head=st.sampled_from([b"", b"RIFF", b"\x1a\x45\xdf\xa3", b"\0\0\0\x20ftypisom", b"G"])
)
@quick
def test_whatever_bytes_there_are_it_only_finds_flaws(tmp_path, data, head):
    (tmp_path / "noise").write_bytes(head + data)
    assert all(0 <= flaw.at <= len(head + data) and flaw.message for flaw in find_flaws(tmp_path / "noise"))


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@quick
def test_every_flipped_bit_of_matroska_is_found_by_its_checksums(good, tmp_path, place, bit):
    whole = bytearray(good["mkv"].read_bytes())
    # The first element and the sizes that enclose the others have no checksum.
    at = 60 + int(place * (len(whole) - 60))
    whole[at] ^= 1 << bit
    (tmp_path / "a.mkv").write_bytes(whole)
    in_void = b"\xec" in whole[max(at - 200, 0) : at] and not any(whole[at - 8 : at])
    assert find_flaws(tmp_path / "a.mkv") or in_void


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), source=st.sampled_from(["mp4", "mov"]))
@quick
def test_a_flipped_bit_of_an_index_never_breaks_the_reader(good, tmp_path, place, bit, source):
    whole = bytearray(good[source].read_bytes())
    start = whole.index(b"moov")
    at = start + int(place * (1500 if source == "mp4" else len(whole) - start))
    whole[at] ^= 1 << bit
    (tmp_path / "a").write_bytes(whole)
    assert all(flaw.message for flaw in find_flaws(tmp_path / "a"))


@pytest.mark.parametrize("table", [b"stts", b"stsz", b"stsc", b"stco", b"ctts", b"stss"])
def test_a_table_that_contradicts_the_others_is_found(good, tmp_path, table):
    whole = bytearray(good["mp4"].read_bytes())
    at = whole.index(table) + (12 if table in (b"stsz", b"stss") else 8)
    fewer = int.from_bytes(whole[at : at + 4], "big") - 1
    whole[at : at + 4] = fewer.to_bytes(4, "big")
    (tmp_path / "a.mp4").write_bytes(whole)
    assert {flaw.fault for flaw in find_flaws(tmp_path / "a.mp4")} == {"DAMAGED"}


def test_a_list_of_absurd_length_takes_no_room(good, tmp_path):
    whole = bytearray(good["mp4"].read_bytes())
    at = whole.index(b"stsz") + 8
    whole[at : at + 8] = (1).to_bytes(4, "big") + b"\xff\xff\xff\xff"
    (tmp_path / "a.mp4").write_bytes(whole)
    assert find_flaws(tmp_path / "a.mp4")


@pytest.mark.parametrize("source", ["mp4", "mkv", "avi"])
def test_bytes_after_the_movie_are_left_over(good, tmp_path, source):
    (tmp_path / "a").write_bytes(good[source].read_bytes() + bytes(100))
    assert [flaw.fault for flaw in find_flaws(tmp_path / "a")] == ["LEFT_OVER"]


def test_a_recording_that_was_not_finished_has_no_index(good, tmp_path):
    whole = good["mp4_late"].read_bytes()
    (tmp_path / "a.mp4").write_bytes(whole[: whole.index(b"moov") - 4])
    (flaw,) = find_flaws(tmp_path / "a.mp4")
    assert flaw.fault == "TRUNCATED"
    assert "no index" in flaw.message


def test_a_lost_packet_of_a_broadcast_is_located(good, tmp_path):
    path = shutil.copy(good["ts"], tmp_path / "a.ts")
    whole = bytearray(good["ts"].read_bytes())
    whole[1880:2068] = bytes(188)
    path.write_bytes(whole)
    (flaw,) = find_flaws(path)
    assert (flaw.fault, flaw.at) == ("ZEROED", 1880)
