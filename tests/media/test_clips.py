import os
import shutil
import subprocess
import sys
from fractions import Fraction
from time import sleep

import numpy as np
import pandas as pd
import pytest

from kso_utils.core.errors import ConfigError
from kso_utils.media import clips
from kso_utils.media.clips import cut_clips, preview_modifications
from kso_utils.media.frames import read_frames
from kso_utils.media.index import load_index
from kso_utils.media.movie import probe
from kso_utils.testing.range_server import serve_ranges

from .conftest import av, checksums, decode_all, ffmpeg

# In the transport stream with sound the sound begins half a second before the pictures.
LAST_KINDS = ["transport", "sounding", "avi_b", "edited"]


def plan_of(source, *spans):
    return pd.DataFrame([(source, *s) for s in spans], columns=["source", "clip_start_time", "clip_end_time"])


def shows(picture, pictures, number):
    """Whether a picture is that of this number: no other is clearly more like it (some are twins)."""
    apart = [np.abs(p.astype(int) - picture).mean() for p in pictures]
    return apart[number] < 1.1 * min(apart)


@pytest.mark.parametrize("kind", ["closed", "open", "ntsc", "hevc", "late", "matroska", *LAST_KINDS])
def test_clips_hold_exactly_their_frames(make, tmp_path, kind):
    path = make(kind)
    info = probe(path)
    _, pictures = decode_all(path)
    spans = [(0.0, 0.5), (1.0, 2.0), (1.37, 2.17)] + [(2.96, 3.36)] * (info.duration_s > 3.5)
    made = cut_clips(plan_of(path, *spans), tmp_path)
    assert made["state"].tolist() == ["done"] * len(spans), made["error"].tolist()
    for clip, (start, end) in zip(made["path"], spans, strict=True):
        _, got = decode_all(clip)
        first = round(start * info.rate)
        assert len(got) == round((end - start) * info.rate)
        assert shows(got[0], pictures, first)
        assert shows(got[-1], pictures, first + len(got) - 1)


@pytest.mark.parametrize("kind", ["closed", "ntsc", "matroska", "transport", "avi_b"])
def test_clips_keep_the_rate(make, tmp_path, kind):
    made = cut_clips(plan_of(make(kind), (1.0, 2.0)), tmp_path)
    info = probe(made["path"][0])
    assert info.rate == probe(make(kind)).rate
    assert not info.variable_rate


def test_clips_of_a_variable_rate_keep_the_times(make, tmp_path):
    path = make("variable")
    times, pictures = decode_all(path)
    made = cut_clips(plan_of(path, (0.9, 2.6)), tmp_path)
    got_times, got = decode_all(made["path"][0])
    inside = np.flatnonzero((times >= 0.9 - 1e-6) & (times < 2.6 - 1e-6))
    assert shows(got[0], pictures, inside[0])
    assert np.allclose(got_times, times[inside] - times[inside[0]], atol=1e-3)


def test_the_last_clip_ends_with_the_movie(make, tmp_path):
    path = make("ntsc")
    duration = probe(path).duration_s
    made = cut_clips(plan_of(path, (duration - 1, duration)), tmp_path)
    _, pictures = decode_all(path)
    _, got = decode_all(made["path"][0])
    assert len(got) == 30
    assert shows(got[-1], pictures, 99)


def test_clips_are_what_browsers_play_and_carry_nothing_else(make, tmp_path):
    made = cut_clips(plan_of(make("matroska"), (1.0, 2.0)), tmp_path)
    info = probe(made["path"][0])
    data = (tmp_path / "matroska_clip_1_1.mp4").read_bytes()
    assert (info.codec, info.pixel_format, info.has_audio) == ("h264", "yuv420p", False)
    assert data.find(b"moov") < data.find(b"mdat")


def test_full_range_footage_is_made_playable_too(tmp_path):
    full = tmp_path / "full.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25", "-frames:v", "30", "-pix_fmt", "yuvj420p", str(full))
    assert probe(full).pixel_format == "yuvj420p"
    made = cut_clips(plan_of(full, (0.0, 1.0)), tmp_path)
    assert probe(made["path"][0]).pixel_format == "yuv420p"
    (_, _, picture), *_ = read_frames(made["path"][0], [20])
    (_, _, expected), *_ = read_frames(full, [20])
    assert np.abs(picture.astype(int) - expected).mean() < 5


def test_names_say_movie_start_and_length(make, tmp_path):
    made = cut_clips(plan_of(make("closed"), (0.0, 1.0), (0.52, 1.02)), tmp_path)
    assert [os.path.basename(p) for p in made["path"]] == ["closed_clip_0_1.mp4", "closed_clip_0.52_0.5.mp4"]


def test_movies_of_one_name_do_not_share_clips(make, tmp_path):
    plan = plan_of(make("closed"), (0.0, 1.0), (0.0, 1.0))
    other = tmp_path / "b" / "closed.mp4"
    other.parent.mkdir()
    other.write_bytes(make("ntsc").read_bytes())
    plan.loc[1, "source"] = other
    made = cut_clips(plan.assign(movie_id=[4, 5]), tmp_path / "out")
    assert [probe(p).rate for p in made["path"]] == [25, Fraction(30000, 1001)]


def test_a_movie_of_one_name_does_not_replace_clips_of_an_earlier_call(make, tmp_path):
    other = tmp_path / "b" / "closed.mp4"
    other.parent.mkdir()
    other.write_bytes(make("ntsc").read_bytes())
    (first,) = cut_clips(plan_of(make("closed"), (0.0, 1.0)).assign(movie_id=4), tmp_path / "out")["path"]
    (second,) = cut_clips(plan_of(other, (0.0, 1.0)).assign(movie_id=5), tmp_path / "out")["path"]
    assert [probe(p).rate for p in (first, second)] == [25, Fraction(30000, 1001)]


def test_movies_of_one_name_without_their_ids_are_refused(make, tmp_path):
    plan = plan_of(make("closed"), (0.0, 1.0), (0.0, 1.0))
    plan.loc[1, "source"] = tmp_path / "closed.mp4"
    with pytest.raises(ConfigError, match=r"named closed\. Tell them apart by movie_id"):
        cut_clips(plan, tmp_path / "out")


def test_a_second_run_keeps_what_is_there(make, tmp_path, monkeypatch):
    plan = plan_of(make("closed"), (0.0, 1.0), (1.0, 2.0))
    first = cut_clips(plan, tmp_path)
    monkeypatch.setattr("kso_utils.media.clips.run_ffmpeg", None)
    again = cut_clips(plan, tmp_path)
    assert again.equals(first)


@pytest.mark.parametrize("damage", ["other", "truncated", "text"])
def test_what_is_not_the_clip_is_cut_again(make, tmp_path, damage):
    plan = plan_of(make("closed"), (0.0, 1.0))
    first = cut_clips(plan, tmp_path)
    clip = tmp_path / "closed_clip_0_1.mp4"
    if damage == "other":
        clip.write_bytes(make("ntsc").read_bytes())
    elif damage == "truncated":
        clip.write_bytes(clip.read_bytes()[:-2000])
    else:
        clip.write_text("no movie")
    assert cut_clips(plan, tmp_path).equals(first)


def test_other_modifications_make_other_clips(make, tmp_path):
    plan = plan_of(make("closed"), (0.0, 1.0))
    large = cut_clips(plan, tmp_path)
    small = cut_clips(plan, tmp_path, [{"scale": {"height": 60}}, {"compress": {"crf": 30}}])
    assert probe(small["path"][0]).height == 60
    assert small["size_bytes"][0] < large["size_bytes"][0] / 2


def test_a_clip_that_fails_does_not_stop_the_others(make, tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("hello")
    plan = plan_of(make("closed"), (0.0, 1.0), (3.5, 4.5), (0.0, 1.0), (0.0, 1.0))
    plan.loc[2, "source"], plan.loc[3, "source"] = text, tmp_path / "none.mp4"
    made = cut_clips(plan, tmp_path / "out", jobs=2)
    assert made["state"].tolist() == ["done", "failed", "failed", "failed"]
    for error, says in zip(made["error"][1:], ["is not in it", "not a movie", "no movie"], strict=True):
        assert says in error
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["closed_clip_0_1.mp4"]


def test_odd_sizes_are_cut_to_even_ones(tmp_path):
    odd = tmp_path / "odd.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=161x121:rate=25", "-frames:v", "30", "-c:v", "ffv1", str(odd))
    made = cut_clips(plan_of(odd, (0.0, 1.0)), tmp_path)
    assert [probe(made["path"][0]).width, probe(made["path"][0]).height] == [160, 120]


def test_a_plan_keeps_its_columns_and_index(make, tmp_path):
    plan = plan_of(make("closed"), (0.0, 1.0)).assign(movie_id=8)
    plan.index = [42]
    made = cut_clips(plan, tmp_path)
    assert made.index.tolist() == [42]
    assert made["movie_id"].tolist() == [8]
    assert len(load_index(made["path"][42])) == 25


def test_a_plan_without_sources_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="source"):
        cut_clips(pd.DataFrame({"clip_start_time": [0], "clip_end_time": [1]}), tmp_path)


def test_a_movie_is_looked_at_once_however_many_clips_are_cut_at_a_time(make, tmp_path, monkeypatch):
    looked, look = [], clips._look
    monkeypatch.setattr(
        clips, "_look", lambda source, **more: looked.append(source) or sleep(0.1) or look(source, **more)
    )
    made = cut_clips(plan_of(make("closed"), *((k, k + 0.2) for k in (0.0, 1.0, 2.0))), tmp_path, jobs=3)
    assert made["state"].tolist() == ["done"] * 3
    assert looked == [make("closed")]


@pytest.mark.parametrize("steps", [[], [{"curves": {}}]])
def test_clips_of_a_movie_in_rgb_name_their_colours(make, tmp_path, steps):
    path = tmp_path / "rgb.mkv"
    ffmpeg("-i", str(make("closed")), "-frames:v", "10", "-c:v", "ffv1", "-pix_fmt", "bgr0", str(path))
    made = cut_clips(plan_of(path, (0.0, 0.2)), tmp_path, [*steps, {"compress": {"crf": 1}}])
    with av.open(made["path"][0]) as container:
        frame = next(container.decode(video=0))
    assert frame.colorspace == 1  # BT.709
    expected = preview_modifications(path, steps)[bool(steps)].astype(int)
    # Players take the weights by name; the mean of each colour stays.
    shown = frame.to_ndarray(format="rgb24", src_colorspace="ITU709").astype(int)
    assert np.abs((shown - expected).mean(axis=(0, 1))).max() < 1.5


@pytest.fixture
def web(tmp_path):
    """A web server and its folder."""
    folder = tmp_path / "web"
    folder.mkdir()
    with serve_ranges(folder) as server:
        yield server, folder


@pytest.mark.parametrize("kind", ["closed", "open", "ntsc", "variable", "hevc", "late", "matroska", "edited", "turned"])
def test_clips_of_a_movie_on_a_web_server_are_those_of_a_local_one(make, tmp_path, web, kind):
    server, folder = web
    path = make("closed" if kind == "turned" else kind)
    there = folder / path.name
    if kind == "turned":
        ffmpeg("-display_rotation", "90", "-i", str(path), "-c", "copy", str(there))
    else:
        shutil.copy(path, there)
    spans = [(0.0, 0.5), (1.37, 2.17)]
    near = cut_clips(plan_of(there, *spans), tmp_path / "near")
    far = cut_clips(plan_of(server.address(there.name), *spans), tmp_path / "far")
    assert far["state"].tolist() == ["done", "done"], far["error"].tolist()
    for one, other in zip(near["path"], far["path"], strict=True):
        times, pictures = decode_all(one)
        other_times, others = decode_all(other)
        assert np.allclose(times, other_times, atol=1e-3)
        assert checksums(pictures) == checksums(others)


def test_nothing_of_an_excerpt_is_left_behind(make, tmp_path, web, monkeypatch):
    server, folder = web
    shutil.copy(make("closed"), folder / "closed.mp4")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    plan = plan_of(server.address("closed.mp4"), (1.0, 2.0))
    assert cut_clips(plan, tmp_path / "out")["state"].tolist() == ["done"]
    monkeypatch.setenv("KSO_FFMPEG", shutil.which("false"))
    assert cut_clips(plan, tmp_path / "other")["state"].tolist() == ["failed"]
    assert list(temporary.iterdir()) == []


PEAK = """
import resource, sys, tracemalloc
import pandas as pd
from kso_utils.media.clips import cut_clips

def cut(path, start):
    plan = pd.DataFrame({"source": [path], "clip_start_time": [start], "clip_end_time": [start + 0.4]})
    assert cut_clips(plan, sys.argv[3])["state"].tolist() == ["done"]

cut(sys.argv[1], 1.0)
tracemalloc.start()
for path, start in ((sys.argv[1], 6.0), (sys.argv[2], 158.0)):
    tracemalloc.reset_peak()
    cut(path, start)
    print(tracemalloc.get_traced_memory()[1], resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


def test_memory_does_not_grow_with_the_length_of_the_movie(make, tmp_path):
    paths = []
    for times in (2, 40):
        paths.append(tmp_path / f"{times}.mp4")
        ffmpeg("-stream_loop", str(times - 1), "-i", str(make("closed")), "-c", "copy", str(paths[-1]))
    arguments = [sys.executable, "-c", PEAK, *map(str, paths), str(tmp_path / "out")]
    said = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split()
    short, short_ffmpeg, long, long_ffmpeg = map(int, said)
    # The index takes some bytes a frame; a frame in memory would be 57,600.
    assert (long - short) / 3800 < 1_000
    assert long_ffmpeg < short_ffmpeg + 20e6
