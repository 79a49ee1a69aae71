"""Hostile names through everything that makes movies of movies: as source and as target, whole and relative paths."""

import os

import pytest

from kso_utils.core.errors import KsoError, MediaCorrupt, MediaUnsupported
from kso_utils.media.chapters import join_chapters
from kso_utils.media.conversion import make_preview, standardise
from kso_utils.media.index import load_index
from kso_utils.testing.hostile_names import HOSTILE_NAMES, OUTSIDE_NAMES, place_file

from .conftest import ffmpeg

FRAMES = 6
SHORT = ["leading dash", "newline and a line of a list", "long ending", "not UTF-8", "255 bytes of emoji", "tee list"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny") / "tiny.mkv"
    picture = "testsrc2=size=64x48:rate=30000/1001"
    ffmpeg("-f", "lavfi", "-i", picture, "-frames:v", str(FRAMES), "-c:v", "libx264", "-bf", "0", str(path))
    return path


def make_all(tiny, folder, name, monkeypatch):
    """Standardise, join and preview a movie of that name; how many frames each result has, None if no disk takes it."""
    before, after = folder / "before", folder / "after"
    for place in (before, after):
        place.mkdir(exist_ok=True)
    if place_file(tiny, before, name) is None:
        return None
    monkeypatch.chdir(before)
    frames = []
    for number, make in enumerate((standardise, make_preview, lambda movie, to: join_chapters([movie, tiny], to))):
        target = after / str(number)
        target.mkdir(exist_ok=True)
        monkeypatch.chdir(before)
        make(name, target / name)
        frames.append(len(load_index(target / name)))
        assert os.listdir(target) == [name]
    assert os.listdir(before) == [name]
    assert (before / name).read_bytes() == tiny.read_bytes()
    return frames


@pytest.mark.parametrize("kind", SHORT)
def test_a_hostile_name_is_a_name(tiny, tmp_path, monkeypatch, kind):
    assert make_all(tiny, tmp_path, HOSTILE_NAMES[kind], monkeypatch) in (None, [FRAMES, FRAMES, 2 * FRAMES])


@pytest.mark.parametrize("kind", OUTSIDE_NAMES)
def test_a_name_that_leads_outside_finds_no_movie(tmp_path, monkeypatch, kind):
    folder = tmp_path / "deep" / "folder"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    with pytest.raises(KsoError):
        standardise(OUTSIDE_NAMES[kind], tmp_path / "out.mp4")


@pytest.mark.soak
def test_every_hostile_name_is_a_name(tiny, tmp_path, monkeypatch, record_figures):
    counts = {"works": 0, "no such name on this disk": 0}
    for number, name in enumerate(HOSTILE_NAMES.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        frames = make_all(tiny, folder, name, monkeypatch)
        assert frames in (None, [FRAMES, FRAMES, 2 * FRAMES]), name
        counts["works" if frames else "no such name on this disk"] += 1
    record_figures("hostile_names_conversion", counts)


def test_a_playlist_under_a_movies_name_reads_nothing_else(make, tmp_path):
    secret = tmp_path / "secret.ts"
    secret.write_bytes(make("transport").read_bytes())
    playlist = tmp_path / "hls.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:4,\nfile://{secret}\n#EXT-X-ENDLIST\n")
    target = tmp_path / "out.mp4"
    for work in (standardise, make_preview, lambda movie, to: join_chapters([make("closed"), movie], to)):
        with pytest.raises((MediaCorrupt, MediaUnsupported)):
            work(playlist, target)
        assert not target.exists()
