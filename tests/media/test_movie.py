from fractions import Fraction

import pytest

from kso_utils.archive.local import LocalArchive
from kso_utils.core.errors import Denied, MediaCorrupt, NotFound, UnsafeInput
from kso_utils.media.encoding import write_movie
from kso_utils.media.movie import find_movie, probe
from kso_utils.media.survey import SURVEY_COLUMNS, survey_footage

from .conftest import SHARED, ffmpeg

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("kind", "rate"),
    [("closed", 25), ("ntsc", NTSC), ("matroska", NTSC), ("transport", 25), ("avi", 25), ("avi_b", 25), ("late", 25)],
)
def test_rate_frames_and_duration(make, kind, rate):
    info = probe(make(kind))
    assert (info.rate, info.frames, info.variable_rate) == (rate, 100, False)
    assert info.fps == pytest.approx(float(rate))
    assert info.duration_s == pytest.approx(100 / rate, abs=2e-3)


def test_size_and_codec(make):
    info = probe(make("hevc"))
    assert (info.width, info.height, info.codec, info.pixel_format) == (160, 120, "hevc", "yuv420p")
    assert info.has_audio is False


def test_sound_is_noticed(make, tmp_path):
    loud = tmp_path / "loud.mkv"
    ffmpeg("-i", str(make("closed")), "-f", "lavfi", "-i", "sine=d=9", "-c:v", "copy", str(loud))
    info = probe(loud)
    assert info.has_audio is True
    assert info.duration_s == pytest.approx(4.0, abs=2e-3)


def test_a_variable_rate_is_said(make):
    assert probe(make("variable")).variable_rate is True


def test_the_time_of_recording(make, tmp_path):
    stamped = tmp_path / "stamped.mp4"
    ffmpeg("-i", str(make("closed")), "-c", "copy", "-metadata", "creation_time=2020-02-03T04:05:06Z", str(stamped))
    assert probe(stamped).created_at == "2020-02-03T04:05:06.000000Z"


def test_one_frame_is_a_movie(make, tmp_path):
    import numpy as np

    write_movie(tmp_path / "one.mp4", [np.zeros((32, 32, 3), np.uint8)], 5)
    info = probe(tmp_path / "one.mp4")
    assert (info.frames, info.rate, info.duration_s) == (1, 5, 0.2)


REAL = {
    "aquarium_fish_640x360_h264_22s.mp4": (Fraction(359, 12), 668, 640, 360, "h264", False),
    "mbari_coral_162656_1080p_hevc_1s.mp4": (Fraction(60000, 1001), 32, 1920, 1080, "hevc", True),
    "mbari_snow_163856_1080p_hevc_1s.mp4": (Fraction(60000, 1001), 32, 1920, 1080, "hevc", True),
    "tracktor_mouse_640x480_h264_333s.mp4": (Fraction(30), 10000, 640, 480, "h264", False),
}


@pytest.mark.parametrize("name", REAL)
def test_real_movies(name):
    if not (SHARED / name).exists():
        pytest.skip(f"{SHARED / name} is not here")
    info = probe(SHARED / name)
    found = (info.rate, info.frames, info.width, info.height, info.codec, info.variable_rate)
    assert found == REAL[name]


BAD = {"text.mp4": (b"hello", "not a movie"), "empty.mp4": (b"", "empty"), "zeros.mov": (bytes(9000), "not a movie")}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_movie_is_said_in_a_sentence(tmp_path, name):
    data, says = BAD[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(MediaCorrupt, match=says) as caught:
        probe(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_movie_and_a_folder_are_not_found(tmp_path):
    for path in (tmp_path / "none.mp4", tmp_path):
        with pytest.raises(NotFound, match="no movie"):
            probe(path)


def test_a_movie_without_rights_is_denied(movie, monkeypatch):
    import av

    def refuse(*arguments, **options):
        raise av.PermissionError(13, "Permission denied", str(movie))

    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(Denied, match="may not be read"):
        probe(movie)


def test_a_survey_has_a_row_for_every_movie(make, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "good.MP4").write_bytes(make("closed").read_bytes())
    (tmp_path / "a_bad.mp4").write_text("hello")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / ".hidden.mp4").write_text("hello")
    table = survey_footage(tmp_path)
    assert tuple(table.columns) == SURVEY_COLUMNS
    assert table["filename"].tolist() == ["a_bad.mp4", "b/good.MP4"]
    assert "not a movie" in table["error"][0]
    assert table["error"][1] is None or table["error"].isna()[1]
    assert table.loc[1, ["fps_num", "fps_den", "frames", "duration_s", "codec"]].tolist() == [25, 1, 100, 4.0, "h264"]
    assert table.loc[1, ["width", "height"]].tolist() == [probe(make("closed")).width, probe(make("closed")).height]
    assert table["frames"].isna()[0]
    assert table["sha256"].str.len().tolist() == [64, 64]


def test_an_empty_folder_gives_an_empty_survey(tmp_path):
    table = survey_footage(tmp_path)
    assert tuple(table.columns) == SURVEY_COLUMNS
    assert table.empty


def test_a_missing_folder_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="no folder"):
        survey_footage(tmp_path / "none")


def test_a_movie_is_found_by_its_path_in_the_folder(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.mp4").touch()

    assert find_movie({"filename": "x.mp4", "associatedMedia": "deep/a.mp4"}, LocalArchive(tmp_path)).name == "a.mp4"


@pytest.mark.parametrize("elsewhere", ["https://example.org/a.mp4", "/mnt/disk/a.mp4", "../a.mp4", "", None])
def test_a_movie_that_lives_elsewhere_is_found_by_its_name(tmp_path, elsewhere):
    (tmp_path / "x.mp4").touch()

    assert (
        find_movie({"filename": "x.mp4", "associatedMedia": elsewhere}, LocalArchive(tmp_path))
        == (tmp_path / "x.mp4").resolve()
    )


def test_a_movie_that_is_nowhere_is_named(tmp_path):
    with pytest.raises(NotFound, match=r"x\.mp4 is not in .* Copy it there"):
        find_movie({"filename": "x.mp4"}, LocalArchive(tmp_path))


def test_a_filename_does_not_lead_out_of_the_folder(tmp_path):
    (tmp_path / "x.mp4").touch()
    (tmp_path / "movies").mkdir()
    with pytest.raises(UnsafeInput):
        find_movie({"filename": "../x.mp4"}, LocalArchive(tmp_path / "movies"))


def test_a_movie_is_found_though_its_disk_writes_letters_in_another_form(tmp_path):
    (tmp_path / "Sa\u0308cken.mp4").touch()
    assert find_movie({"filename": "S\u00e4cken.mp4"}, LocalArchive(tmp_path)).is_file()


def test_groups_of_pictures_are_counted(make):
    still = probe(make("avi"))
    assert (still.keyframes, still.longest_gop, still.mean_gop, still.open_gop) == (100, 1, 1.0, False)
    info = probe(make("open"))
    assert (info.longest_gop, info.mean_gop, info.open_gop) == (24, 100 / info.keyframes, True)
    assert probe(make("closed")).open_gop is False


def test_sound_is_described(make, tmp_path):
    loud = tmp_path / "loud.mp4"
    ffmpeg("-i", str(make("closed")), "-f", "lavfi", "-i", "sine=d=4:r=32000", "-c:v", "copy", "-ac", "2", str(loud))
    info = probe(loud)
    assert (info.audio_codec, info.audio_rate, info.audio_channels) == ("aac", 32000, 2)
    silent = probe(make("closed"))
    assert (silent.audio_codec, silent.audio_rate, silent.audio_channels) == (None, None, None)


def test_the_profile_of_a_codec_is_told(make):
    assert probe(make("closed")).profile == "High"
