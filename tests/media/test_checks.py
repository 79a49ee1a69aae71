import errno
import re
import shutil
from pathlib import Path

import pytest

from kso_utils.core.errors import ArchiveError, Denied
from kso_utils.core.paths import sha256_file
from kso_utils.media import checks
from kso_utils.media.checks import check_movie, check_movies
from kso_utils.media.findings import FAULTS
from kso_utils.testing.corrupt_media import KINDS as DAMAGES
from kso_utils.testing.corrupt_media import write_corrupt_media, write_good_media
from kso_utils.testing.range_server import serve_ranges

from .conftest import KINDS, SHARED, ffmpeg

SOUND = ("-f", "lavfi", "-i", "anoisesrc=d={}:a=0.2")


class Elsewhere:
    """A file of an archive that is not on this machine."""

    address, identity = "https://example.org/dive.mp4", "1"

    def __init__(self, data):
        self.data, self.size_bytes = data, len(data)

    def read(self, start, stop):
        return self.data[start:stop]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return write_good_media(tmp_path_factory.mktemp("good"))


@pytest.fixture
def loud(make, tmp_path):
    """A movie with sound."""
    path = tmp_path / "loud.mp4"
    sound = [part.format(4) for part in SOUND]
    ffmpeg("-i", str(make("closed")), *sound, "-c:v", "copy", "-c:a", "aac", str(path))
    return path


def codes(report):
    return set(report.codes())


def overwrite(path, start, data):
    whole = bytearray(path.read_bytes())
    whole[start : start + len(data)] = data
    path.write_bytes(whole)
    return path


def packets(path, kind="video"):
    import av

    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [(p.pos, p.size, float(p.pts * p.time_base)) for p in container.demux(stream) if p.size]


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("kind", [*KINDS, "edited"])
def test_good_movies_pass(make, kind, deep):
    report = check_movie(make(kind), deep)
    assert report.ok, report
    assert "MOVIE_DECODER_WARNS" not in codes(report)


@pytest.mark.parametrize("source", ["mp4", "mp4_late", "mov", "mkv", "avi", "ts"])
def test_good_media_from_which_corrupt_ones_are_made_pass(good, source):
    assert check_movie(good[source], deep=True).ok


@pytest.mark.parametrize("name", sorted(p.name for p in SHARED.glob("*.mp4")))
def test_real_movies_pass(name):
    assert check_movie(SHARED / name).ok


@pytest.mark.soak
@pytest.mark.parametrize("name", sorted(p.name for p in SHARED.glob("*.mp4")))
def test_real_movies_pass_deeply(name):
    assert check_movie(SHARED / name, deep=True).ok


GUISES = {
    "MOVIE_EMPTY": b"",
    "MOVIE_ZEROED": bytes(9000),
    "MOVIE_NOT_A_MOVIE": b"hello",
    "MOVIE_UNSUPPORTED": b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0"
    b"data\x08\0\0\0" + bytes(8),
}


@pytest.mark.parametrize("code", GUISES)
def test_what_is_no_movie_is_named(tmp_path, code):
    (tmp_path / "a.mp4").write_bytes(GUISES[code])
    assert codes(check_movie(tmp_path / "a.mp4")) == {code}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<!DOCTYPE html><p>404", "a web page"),
        ("#EXTM3U\nx.ts", "a playlist"),
        ("PK\3\4", "a zip"),
        ("v=0\r\n", "broadcast"),
    ],
)
def test_what_it_is_instead_is_told(tmp_path, text, says):
    (tmp_path / "a.mp4").write_text(text)
    (finding,) = check_movie(tmp_path / "a.mp4")
    assert (finding.code, says in finding.message) == ("MOVIE_NOT_A_MOVIE", True)


def test_a_missing_movie_is_a_finding(tmp_path):
    assert codes(check_movie(tmp_path / "none.mp4")) == {"MOVIE_NOT_FOUND"}


def test_a_movie_without_rights_is_a_finding(movie, monkeypatch):
    def refuse(path):
        raise Denied(f"{path} may not be read.")

    monkeypatch.setattr(checks, "find_flaws", refuse)
    assert codes(check_movie(movie)) == {"MOVIE_DENIED"}


def test_a_truncated_movie_is_told_once_with_the_bytes_that_lack(good, tmp_path):
    whole = good["mp4"].read_bytes()
    (tmp_path / "a.mp4").write_bytes(whole[:30_000])
    (finding,) = check_movie(tmp_path / "a.mp4")
    assert finding.code == "MOVIE_TRUNCATED"
    assert f"{len(whole) - 30_000} bytes" in finding.message
    assert finding.value == "30000"


@pytest.mark.parametrize("source", ["mp4", "mov", "mkv", "avi", "ts"])
def test_zeros_in_a_movie_are_found_without_decoding_it(good, tmp_path, source):
    path = Path(shutil.copy(good[source], tmp_path))
    overwrite(path, 20_480, bytes(1024))
    report = check_movie(path)
    assert codes(report) & {"MOVIE_ZEROED", "MOVIE_DAMAGED"}


def test_zeros_are_located(good, tmp_path):
    path = tmp_path / "a.mp4"
    shutil.copy(good["mp4"], path)
    position, size, moment = max(packets(path)[5:], key=lambda p: p[1])
    overwrite(path, position + size // 2, bytes(40))
    (finding,) = check_movie(path)
    assert finding.code == "MOVIE_ZEROED"
    assert f"{moment:.3f} s (byte {position})" in finding.message


def test_a_damaged_picture_is_located_by_a_deep_check(good, tmp_path):
    path = tmp_path / "a.mp4"
    shutil.copy(good["mp4"], path)
    position, _, moment = packets(path)[9]
    overwrite(path, position + 40, b"\x5a" * 30)
    assert check_movie(path).ok
    report = check_movie(path, deep=True)
    assert "MOVIE_UNDECODABLE" in codes(report)
    assert any(f"{moment:.3f} s (byte {position})" in finding.message for finding in report)


def test_damaged_sound_is_found_by_a_deep_check(loud):
    position, size, moment = packets(loud, "audio")[20]
    overwrite(loud, position, b"\xff" * size)
    report = check_movie(loud, deep=True)
    assert codes(report) == {"AUDIO_DAMAGED"}
    assert f"{moment:.3f} s" in report.findings[0].message


def test_good_sound_passes(loud):
    assert not codes(check_movie(loud, deep=True))


def test_sound_that_ends_early_is_told(make, tmp_path):
    path = tmp_path / "short.mp4"
    sound = [part.format(2) for part in SOUND]
    ffmpeg("-i", str(make("closed")), *sound, "-c:v", "copy", "-c:a", "aac", str(path))
    assert codes(check_movie(path)) == {"AUDIO_LENGTH_DIFFERS"}


@pytest.fixture
def uneven(make, tmp_path):
    """A movie whose frames are not equally long."""
    path, times = tmp_path / "uneven.mp4", "settb=1/1000,setpts=N*40+20*gt(mod(N\\,5)\\,2)"
    ffmpeg("-i", str(make("closed")), "-vf", times, "-fps_mode", "passthrough", "-enc_time_base", "1/1000", str(path))
    return path


def test_a_variable_rate_is_a_warning(uneven):
    report = check_movie(uneven)
    assert codes(report) == {"MOVIE_VARIABLE_RATE"}
    assert report.ok


def test_a_clock_that_does_not_begin_at_zero_is_told(make):
    assert codes(check_movie(make("late"))) == {"MOVIE_START_NOT_ZERO"}


def test_a_turned_movie_is_told(make, tmp_path):
    path = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", "90", "-i", str(make("closed")), "-c", "copy", str(path))
    assert codes(check_movie(path)) == {"MOVIE_ROTATED"}


def test_recordings_one_behind_the_other_are_told(good, tmp_path):
    (tmp_path / "a.ts").write_bytes(2 * good["ts"].read_bytes())
    assert "MOVIE_TIMES_REPEAT" in codes(check_movie(tmp_path / "a.ts"))
    (tmp_path / "a.mp4").write_bytes(2 * good["mp4"].read_bytes())
    assert "MOVIE_DAMAGED" in codes(check_movie(tmp_path / "a.mp4"))


def test_many_places_of_one_kind_are_counted(good, tmp_path):
    path = tmp_path / "a.mp4"
    shutil.copy(good["mp4"], path)
    for position, size, _ in packets(path):
        overwrite(path, position + size // 2, bytes(16))
    report = check_movie(path)
    assert report.codes()["MOVIE_ZEROED"] == checks._MOST + 1
    assert report.findings[-1].value == str(len(packets(path)))


def test_a_movie_elsewhere_is_fetched_for_a_deep_check(good):
    assert check_movie(Elsewhere(good["mp4"].read_bytes()), deep=True).ok
    assert "MOVIE_TRUNCATED" in codes(check_movie(Elsewhere(good["mp4"].read_bytes()[:30_000]), deep=True))


@pytest.fixture(scope="module")
def flipped(tmp_path_factory):
    """Movies of every kind, with one bit of each that is another."""
    media = write_corrupt_media(tmp_path_factory.mktemp("flipped"), 2 * len(DAMAGES) * len(DAMAGES["flipped_1"][0]))
    return [medium for medium in media if medium.kind == "flipped_1"]


def test_one_flipped_bit_is_found_where_the_sha256_is_known(flipped, good):
    assert {medium.source for medium in flipped} == set(DAMAGES["flipped_1"][0])
    for medium in flipped:
        report = check_movie(medium.path, deep=True, sha256=sha256_file(good[medium.source]))
        assert "MOVIE_CHANGED" in codes(report), medium
        assert not report.ok


@pytest.mark.parametrize("source", DAMAGES["flipped_1"][0])
def test_a_movie_with_the_sha256_that_it_had_passes(good, source):
    report = check_movie(good[source], deep=True, sha256=sha256_file(good[source]).upper())
    assert report.rows() == check_movie(good[source], deep=True).rows()


@pytest.mark.parametrize("deep", [False, True])
def test_the_sha256_of_a_movie_elsewhere_is_compared(good, deep):
    data = good["avi"].read_bytes()
    assert check_movie(Elsewhere(data), deep, sha256_file(good["avi"])).ok
    (finding,) = check_movie(Elsewhere(data), deep, "0" * 64)
    assert finding.code == "MOVIE_CHANGED"
    assert finding.value == sha256_file(good["avi"])


def test_whole_movies_are_registered_and_no_others(good, tmp_path):
    cut, whole, other = tmp_path / "cut.mp4", good["mp4"], good["mkv"]
    cut.write_bytes(whole.read_bytes()[:-1000])
    register = {str(cut): None, str(whole): None}
    report = check_movies([cut, whole, other], deep=True, register=register)
    assert register == {str(cut): None, str(whole): sha256_file(whole)}
    assert [f.table for f in report if f.code == "MOVIE_REGISTERED"] == [str(whole)]
    assert check_movies([whole], deep=True, register=register).codes() == {}


def test_a_disk_that_fails_while_a_movie_is_compared_is_a_finding(good, monkeypatch):
    def fail(path):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(checks, "sha256_file", fail)
    (finding,) = check_movie(good["mp4"], sha256="0" * 64)
    assert finding.code == "MOVIE_OUT_OF_REACH"
    assert "Input/output error" in finding.message


@pytest.fixture
def web(good):
    with serve_ranges(good["mov"].parent) as server:
        yield server


@pytest.mark.parametrize("source", ["mp4", "mp4_late", "mov", "mkv", "avi", "ts"])
def test_a_movie_on_a_web_server_is_checked(web, good, source):
    report = check_movie(web.address(good[source].name))
    assert report.ok
    assert "MOVIE_NOT_SCANNED" in codes(report)


def test_a_check_by_address_does_not_fetch_the_movie(web, good):
    check_movie(web.address("mov.mov"))
    assert web.sent_bytes < good["mov"].stat().st_size / 2


def test_a_truncated_movie_on_a_web_server_is_found(web, good):
    (good["mov"].parent / "cut.mov").write_bytes(good["mov"].read_bytes()[:-2000])
    (good["mov"].parent / "cut.mp4").write_bytes(good["mp4"].read_bytes()[:-2000])
    assert not check_movie(web.address("cut.mov")).ok
    assert not check_movie(web.address("cut.mp4")).ok
    assert codes(check_movie(web.address("none.mp4"))) == {"MOVIE_NOT_FOUND"}


def test_one_movie_out_of_reach_does_not_stop_the_others(make, uneven):
    class Gone(Elsewhere):
        def read(self, start, stop):
            raise ArchiveError("The connection broke.")

    report = check_movies([Gone(b"1"), make("closed"), uneven], deep=True)
    assert [f.code for f in report] == ["MOVIE_OUT_OF_REACH", "MOVIE_VARIABLE_RATE"]
    assert report.title == "Check of 3 movies"


def test_a_report_names_the_movie(uneven):
    assert {finding.table for finding in check_movie(uneven)} == {str(uneven)}


def test_every_kind_of_damage_is_made_from_something_good(good):
    assert {source for sources, _ in DAMAGES.values() for source in sources if source} == set(good)


def test_a_stream_that_begins_in_the_middle_is_told(make, tmp_path):
    """PyAV fails on it with an error that is not about media."""
    other = tmp_path / "other.ts"
    pids = ("-mpegts_start_pid", "0x300", "-mpegts_service_id", "2", "-mpegts_pmt_start_pid", "0x500")
    ffmpeg("-i", str(make("transport")), "-c", "copy", *pids, str(other))
    path = tmp_path / "both.ts"
    path.write_bytes(make("transport").read_bytes() + other.read_bytes())
    (finding,) = check_movie(path)
    assert "a stream begins in the middle" in finding.message


def test_each_code_of_the_table_is_found_somewhere_and_none_beside_it():
    source = Path(checks.__file__).read_text(encoding="utf-8")
    used = set(re.findall(r'"((?:MOVIE|AUDIO)_[A-Z_]+)"', source)) | {"MOVIE_TRUNCATED"}
    assert used == set(FAULTS)


def test_a_name_that_no_file_can_bear_is_a_finding(tmp_path):
    (finding,) = check_movie(tmp_path / f"{'x' * 300}.mp4")
    assert finding.code == "MOVIE_NOT_FOUND"
