import numpy as np
import pytest

from kso_utils.core.errors import MediaError, MediaUnsupported
from kso_utils.media import ranges
from kso_utils.media.excerpts import copy_packets
from kso_utils.media.frames import read_frames
from kso_utils.media.index import load_index

from .conftest import BOXED, KINDS, checksums, decode_all, ffmpeg
from .test_ranges import Counted


@pytest.mark.parametrize("kind", [k for k in [*KINDS, *BOXED, "edited_open"] if k != "avi_b"])
@pytest.mark.parametrize(("first", "count"), [(60, 7), (0, 1), (14, 3)])
def test_frames_of_an_excerpt_are_those_of_the_movie(make, tmp_path, kind, first, count):
    _, expected = decode_all(make(kind))
    number = copy_packets(Counted(make(kind)), min(first, len(expected) - count), count, tmp_path / "part.mov")
    first = min(first, len(expected) - count)
    got = list(read_frames(tmp_path / "part.mov", range(number, number + count)))
    assert checksums(picture for _, _, picture in got) == checksums(expected[first : first + count])
    index = load_index(make(kind))
    steps = np.diff([time for _, time, _ in got])
    assert np.allclose(steps, np.diff(index.pts_s[first : first + count]), atol=1e-9)


def test_only_what_is_needed_is_copied(make, tmp_path):
    file = Counted(make("closed"))
    copy_packets(file, 60, 5, tmp_path / "part.mov")
    assert len(load_index(tmp_path / "part.mov").pts) <= 17


@pytest.mark.parametrize(("first", "count"), [(-1, 2), (98, 3), (5, 0)])
def test_frames_outside_the_movie_are_refused(make, tmp_path, first, count):
    with pytest.raises(MediaError, match="0 to 99"):
        copy_packets(Counted(make("closed")), first, count, tmp_path / "part.mov")
    assert list(tmp_path.iterdir()) == []


def test_a_movie_without_times_is_refused(make, tmp_path):
    with pytest.raises(MediaUnsupported, match="does not say when"):
        copy_packets(Counted(make("avi_b")), 5, 2, tmp_path / "part.mov")


def test_where_a_demuxer_is_needed_reading_begins_near_the_frames(make, tmp_path, monkeypatch):
    monkeypatch.setattr(ranges, "_BLOCK_BYTES", 2048)
    monkeypatch.setattr(ranges, "_MOST_AHEAD_BLOCKS", 1)
    file = Counted(make("matroska"))
    load_index(file)
    file.asked.clear()
    copy_packets(file, 90, 3, tmp_path / "part.mov")
    assert sum(stop - start for start, stop in file.asked) < file.size_bytes / 2


def test_a_codec_that_is_only_copied_needs_no_encoder(make, tmp_path):
    path = tmp_path / "av1.mp4"
    ffmpeg("-i", str(make("closed")), "-frames:v", "10", "-c:v", "libsvtav1", "-preset", "12", str(path))
    number = copy_packets(Counted(path), 4, 3, tmp_path / "part.mov")
    got = [picture for _, _, picture in read_frames(tmp_path / "part.mov", range(number, number + 3))]
    assert checksums(got) == checksums(decode_all(path)[1][4:7])
