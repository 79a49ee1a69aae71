import json
import tomllib
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from kso_utils.core.errors import ConfigError, NotFound
from kso_utils.media.clips import cut_clips, preview_modifications
from kso_utils.media.index import load_index
from kso_utils.media.modifications import (
    complete_modifications,
    describe_modifications,
    read_modifications,
    speed_of,
)
from kso_utils.media.movie import probe

from .conftest import decode_all, ffmpeg
from .test_clips import plan_of, shows

EVERY = [
    {"curves": {}},
    {"adjust": {"contrast": 1.2, "brightness": 0.05, "saturation": 1.5}},
    {"denoise": {}},
    {"denoise": {"strength": 2, "thorough": True}},
    {"blur": {"boxes": [[0.1, 0.1, 0.3, 0.2]]}},
    {"cover": {}},
    {"scale": {"height": 90}},
    {"compress": {"crf": 30}},
]


@pytest.fixture
def flat(tmp_path):
    """A movie of one colour: RGB 101, 134, 117."""
    path = tmp_path / "flat.mkv"
    source = "color=c=0x658675:size=160x120:rate=25,format=rgb24"
    ffmpeg("-f", "lavfi", "-i", source, "-frames:v", "30", "-c:v", "ffv1", "-pix_fmt", "bgr0", str(path))
    return path


def cut(path, tmp_path, *steps, span=(0.0, 1.0)):
    made = cut_clips(plan_of(path, span), tmp_path / "out", steps)
    assert made["state"].tolist() == ["done"], made["error"][0]
    return decode_all(made["path"][0])


def test_underwater_curves_give_back_red(flat, tmp_path):
    _, pictures = cut(flat, tmp_path, {"curves": {}})
    red, green, blue = pictures[10].reshape(-1, 3).mean(axis=0) / 255
    assert [red, green, blue] == pytest.approx([0.67, 0.451, 0.517], abs=0.03)


@pytest.mark.parametrize("matrix", ["bt709", "bt470bg"])
def test_a_filter_that_changes_nothing_keeps_the_colours(tmp_path, matrix):
    path = tmp_path / "colours.mp4"
    source = f"testsrc2=size=160x120:rate=25,scale=out_color_matrix={matrix},format=yuv420p"
    tags = ["-colorspace", matrix, "-color_primaries", "bt709", "-color_trc", "bt709"]
    ffmpeg("-f", "lavfi", "-i", source, "-frames:v", "30", "-crf", "5", *tags, str(path))
    line = [[0, 0], [1, 1]]
    same = {"curves": {"red": line, "green": line, "blue": line}}
    _, plain = cut(path, tmp_path, {"compress": {"crf": 5}})
    _, through = cut(path, tmp_path, same, {"compress": {"crf": 5}})
    difference = np.abs(plain[10].astype(int) - through[10])
    assert difference.mean(axis=(0, 1)).max() < 3


def test_contrast_brightness_and_saturation_are_adjusted(flat, tmp_path):
    _, plain = cut(flat, tmp_path)
    _, bright = cut(flat, tmp_path, {"adjust": {"brightness": 0.2}})
    _, grey = cut(flat, tmp_path, {"adjust": {"saturation": 0}})
    assert bright[5].mean() - plain[5].mean() == pytest.approx(0.2 * 255, abs=10)
    assert np.ptp(grey[5].reshape(-1, 3).mean(axis=0)) <= 3


@pytest.mark.parametrize("thorough", [False, True])
def test_noise_is_taken_away(make, tmp_path, thorough):
    _, plain = cut(make("closed"), tmp_path)
    _, smooth = cut(make("closed"), tmp_path, {"denoise": {"strength": 15, "thorough": thorough}})

    def roughness(pictures):
        return np.median(np.abs(np.diff(pictures[10].astype(int), axis=1)))

    assert roughness(smooth) < 0.8 * roughness(plain)


BOX = (slice(24, 60), slice(32, 96))  # of 120 rows and 160 columns: x 0.2 to 0.6, y 0.2 to 0.5


@pytest.mark.parametrize("name", ["blur", "cover"])
def test_boxes_hide_what_is_in_them_and_nothing_else(make, tmp_path, name):
    _, plain = cut(make("closed"), tmp_path)
    _, hidden = cut(make("closed"), tmp_path, {name: {"boxes": [[0.2, 0.2, 0.4, 0.3]]}})
    before, after = plain[10].astype(int), hidden[10].astype(int)
    assert np.abs(np.diff(after[BOX], axis=1)).mean() < 0.25 * np.abs(np.diff(before[BOX], axis=1)).mean()
    outside = np.ones(before.shape[:2], bool)
    outside[20:64, 28:100] = False
    assert np.abs(before - after)[outside].mean() < 6


def test_a_cover_is_black(make, tmp_path):
    _, pictures = cut(make("closed"), tmp_path, {"cover": {"boxes": [[0.2, 0.2, 0.4, 0.3]]}})
    assert pictures[10][30:54, 38:90].max() < 25


def test_nothing_of_a_blurred_box_can_be_told(tmp_path):
    movies = []
    for number, text in enumerate(("31", "77")):
        path = tmp_path / f"{number}.mkv"
        bars = ",".join(f"drawbox=x={4 + 9 * k}:y=4:w={1 + int(text[k % 2])}:h=10:color=white:t=fill" for k in range(8))
        source = f"color=c=gray:size=160x120:rate=25,{bars}"
        ffmpeg("-f", "lavfi", "-i", source, "-frames:v", "30", "-c:v", "ffv1", str(path))
        movies.append(cut(path, tmp_path, {"blur": {"boxes": [[0, 0, 0.55, 0.16]]}})[1][10].astype(int))
    edges = [np.abs(np.diff(picture[:18, :84, 0], axis=1)).max() for picture in movies]
    assert max(edges) < 16


@pytest.mark.parametrize(
    ("values", "size"), [({"height": 60}, (80, 60)), ({"longest": 80}, (80, 60)), ({"longest": 400}, (160, 120))]
)
def test_clips_are_scaled(make, tmp_path, values, size):
    (path,) = cut_clips(plan_of(make("closed"), (0.0, 1.0)), tmp_path, [{"scale": values}])["path"]
    assert (probe(path).width, probe(path).height) == size


def test_modifications_are_done_in_their_order(flat, tmp_path):
    black, bright = {"cover": {"boxes": [[0, 0, 1, 1]]}}, {"adjust": {"brightness": 0.5}}
    _, first_covered = cut(flat, tmp_path, black, bright)
    _, covered_last = cut(flat, tmp_path, bright, black)
    assert first_covered[5].mean() > 100
    assert covered_last[5].mean() < 5


@pytest.mark.parametrize("kind", ["closed", "ntsc", "double", "variable"])
def test_all_modifications_at_once_keep_frames_and_times(make, tmp_path, kind):
    path = tmp_path / "double.mp4"
    if kind == "double":
        ffmpeg("-i", str(make("closed")), "-vf", "setpts=N/(60000/1001)/TB", "-r", "60000/1001", str(path))
    path = path if kind == "double" else make(kind)
    span = (0.4, 1.2)
    plain_times, plain = cut(path, tmp_path, span=span)
    times, got = cut(path, tmp_path, *EVERY, span=span)
    assert len(got) == len(plain) == (round(0.8 * probe(path).rate) if kind != "variable" else len(plain))
    assert np.allclose(times, plain_times, atol=1e-3)


@pytest.mark.parametrize(("factor", "end"), [(2, 4.0), (2.5, 2.2), (7, 4.0), (1.25, 4.0)])
def test_faster_clips_show_the_frames_that_they_say(make, tmp_path, factor, end):
    path = make("closed")
    _, pictures = decode_all(path)
    times, got = cut(path, tmp_path, {"speed": {"factor": factor}}, span=(0.4, end))
    frames = round((end - 0.4) * 25)
    wanted = [10 + int(k * factor) for k in range(frames) if k * factor < frames]
    assert len(got) == len(wanted)
    assert all(shows(picture, pictures, number) for picture, number in zip(got, wanted, strict=True))
    assert np.allclose(np.diff(times), 1 / 25, atol=1e-4)


def test_slower_clips_show_each_frame_for_longer(make, tmp_path):
    times, got = cut(make("ntsc"), tmp_path, {"speed": {"factor": 0.5}})
    assert len(got) == 30
    assert np.allclose(np.diff(times), 2 * 1001 / 30000, atol=1e-4)


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_speed_keeps_the_pace_of_a_variable_rate(make, tmp_path, factor):
    plain_times, plain = cut(make("variable"), tmp_path, span=(0.9, 2.6))
    times, got = cut(make("variable"), tmp_path, {"speed": {"factor": factor}}, span=(0.9, 2.6))
    shown = [int(k * max(factor, 1)) for k in range(len(plain)) if k * max(factor, 1) < len(plain)]
    assert len(got) == len(shown)
    assert np.allclose(times, plain_times[shown] / factor, atol=2e-3)


@pytest.mark.parametrize("most", [40_000, 25_000, 15_000])
def test_no_clip_exceeds_its_bytes(make, tmp_path, most):
    made = cut_clips(plan_of(make("closed"), (0.0, 2.0)), tmp_path, [{"compress": {"max_bytes": most}}])
    assert made["size_bytes"][0] <= most
    assert len(load_index(made["path"][0])) == 50


def test_a_clip_that_cannot_be_so_small_fails_by_name_and_leaves_nothing(make, tmp_path):
    made = cut_clips(plan_of(make("closed"), (0.0, 4.0)), tmp_path, [{"compress": {"max_bytes": 10_000}}])
    assert made["state"].tolist() == ["failed"]
    assert "closed_clip_0_4.mp4 has" in made["error"][0]
    assert "more than the 10000 allowed" in made["error"][0]
    assert list(tmp_path.iterdir()) == []


def test_clips_say_what_was_done_to_them(make, tmp_path):
    plan = plan_of(make("closed"), (0.0, 1.0))
    assert cut_clips(plan, tmp_path)["modification"].tolist() == [None]
    (told,) = cut_clips(plan, tmp_path, [{"speed": {"factor": 2}}, {"scale": {"height": 60}}])["modification"]
    assert told == {"steps": [{"speed": {"factor": 2}}, {"scale": {"height": 60}}], "speed": 2.0}
    assert json.loads(json.dumps(told)) == told


def test_defaults_are_filled_in_and_completing_again_changes_nothing():
    whole = complete_modifications([*EVERY, {"speed": {"factor": 1.5}}])
    assert whole[1] == {"adjust": {"contrast": 1.2, "brightness": 0.05, "saturation": 1.5}}
    assert set(whole[0]["curves"]) == {"red", "green", "blue"}
    assert complete_modifications(json.loads(json.dumps(whole))) == whole


def test_speed_is_exact():
    assert speed_of([{"speed": {"factor": 0.1}}]) == Fraction(1, 10)
    assert speed_of([]) == 1
    assert describe_modifications([]) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"sharpen": {}},
        {"adjust": {"gamma": 1}},
        {"adjust": {"contrast": 3.1}},
        {"adjust": {"contrast": "1; rm"}},
        {"adjust": {"contrast": True}},
        {"adjust": {"brightness": float("nan")}},
        {"adjust": 3},
        {"curves": {"red": [[0, 0], [0, 1]]}},
        {"curves": {"red": [[0, 0, 0]]}},
        {"curves": {"red": "0/0 1/1"}},
        {"curves": {"red": 7}},
        {"blur": {"boxes": [[0.5, 0, 0.6, 0.1]]}},
        {"blur": {"boxes": [[0, 0, 0, 0.1]]}},
        {"cover": {"boxes": []}},
        {"denoise": {"thorough": 1}},
        {"scale": {"height": 61}},
        {"scale": {"height": 60.5}},
        {"scale": {}},
        {"scale": {"height": 60, "longest": 80}},
        {"speed": {}},
        {"speed": {"factor": 0}},
        {"compress": {"crf": -1}},
        {"compress": {"max_bytes": 100}},
        {},
        {"denoise": {}, "curves": {}},
        "denoise",
    ],
)
def test_wrong_modifications_are_refused_by_name(make, tmp_path, wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong)) if isinstance(wrong, dict) and wrong else "modification"):
        cut_clips(plan_of(make("closed"), (0.0, 1.0)), tmp_path, [wrong])


@pytest.mark.parametrize("name", ["speed", "compress"])
def test_what_makes_sense_once_is_given_once(name):
    values = {"factor": 2} if name == "speed" else {}
    with pytest.raises(ConfigError, match="2 times"):
        complete_modifications([{name: values}, {name: values}])


def test_modifications_are_read_from_texts_and_files(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("modifications = [{ curves = {} }, { blur = { boxes = [[0, 0, 1, 0.1]] } }]", encoding="utf-8")
    found = read_modifications([str(file), "denoise", "adjust:contrast=1.5,saturation=2", "blur:boxes=[[0,0,0.5,1]]"])
    assert [next(iter(one)) for one in found] == ["curves", "blur", "denoise", "adjust", "blur"]
    assert found[3]["adjust"] == {"contrast": 1.5, "brightness": 0, "saturation": 2}
    assert found[4]["blur"]["boxes"] == [[0, 0, 0.5, 1]]
    assert complete_modifications(tomllib.loads(file.read_text(encoding="utf-8"))["modifications"]) == found[:2]


@pytest.mark.parametrize(
    ("text", "error"), [("scale:height", ConfigError), ("none.toml", NotFound), ("curves:red=0}, x={", ConfigError)]
)
def test_texts_that_cannot_be_read_are_refused(tmp_path, monkeypatch, text, error):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error):
        read_modifications([text])


@pytest.mark.parametrize("content", [b"\xff\xfe", b"steps = []", b"modifications = 3"])
def test_files_that_hold_something_else_are_refused(tmp_path, content):
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        read_modifications([str(file)])


def test_clips_of_another_modification_replace_the_old_ones(make, tmp_path):
    plan = pd.concat([plan_of(make("closed"), (0.0, 1.0))])
    first = cut_clips(plan, tmp_path, [{"denoise": {"strength": 4}}])["sha256"][0]
    assert cut_clips(plan, tmp_path, [{"denoise": {}}])["sha256"][0] == first
    assert cut_clips(plan, tmp_path, [{"denoise": {"strength": 5}}])["sha256"][0] != first


def test_a_preview_shows_a_frame_before_and_after(make):
    steps = [{"cover": {"boxes": [[0, 0, 1, 0.5]]}}, {"scale": {"height": 60}}]
    original, modified = preview_modifications(make("open"), steps, at_s=2.1)
    _, pictures = decode_all(make("open"))
    assert np.array_equal(original, pictures[52])
    assert modified.shape == (60, 80, 3)
    assert modified[:28].max() < 20
    assert np.abs(modified[32:].astype(int) - pictures[52][64::2, ::2]).mean() < 25
