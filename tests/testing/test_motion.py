from pathlib import Path

import numpy as np
import pytest

from kso_utils.core.errors import MediaError
from kso_utils.media.encoding import write_movie
from kso_utils.testing.motion import MOVING, find_moving
from kso_utils.testing.reef import COLUMNS

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "movies"


def texture(height, width):
    coarse = np.random.default_rng(0).uniform(60, 200, (height // 8, width // 8))
    return np.kron(coarse, np.ones((8, 8)))


def write(path, animal, drift=0, frames=100):
    """Write a movie of a bright square at `animal(i)` before a texture that moves by `drift` px a frame."""
    ground = texture(240, 960)

    def pictures():
        for i in range(frames):
            picture = ground[:, int(drift * i) : int(drift * i) + 320].copy()
            if animal(i) is not None:
                x, y = animal(i)
                picture[y : y + 40, x : x + 40] = 250
            yield np.repeat(picture[..., None], 3, axis=2).astype(np.uint8)

    write_movie(path, pictures(), 25)
    return path


def iou(row, x, y, side=40):
    w = min(row.x + row.width, x + side) - max(row.x, x)
    h = min(row.y + row.height, y + side) - max(row.y, y)
    inside = max(w, 0) * max(h, 0)
    return inside / (row.width * row.height + side * side - inside)


def crossing(i):
    return 10 + 2 * i, 60 + i


def test_a_moving_animal_is_boxed_under_a_still_camera(tmp_path):
    found = find_moving(write(tmp_path / "still.mp4", crossing), every_s=0.4)
    assert len(found) >= 8
    assert np.mean([iou(r, *crossing(r.frame_number)) for r in found.itertuples()]) > 0.6


def test_a_moving_animal_is_boxed_under_a_drifting_camera(tmp_path):
    found = find_moving(write(tmp_path / "drift.mp4", crossing, drift=1.0), every_s=0.4)
    assert np.median([iou(r, *crossing(r.frame_number)) for r in found.itertuples()]) > 0.5


@pytest.mark.parametrize("drift", [0, 1.0])
def test_a_movie_in_which_nothing_moves_gives_no_rows(tmp_path, drift):
    found = find_moving(write(tmp_path / "empty.mp4", lambda i: None, drift=drift))
    assert found.empty
    assert found.columns.tolist() == list(COLUMNS)


def test_frames_in_which_nothing_moves_give_no_rows(tmp_path):
    movie = write(tmp_path / "late.mp4", lambda i: crossing(i) if i >= 60 else None)
    assert find_moving(movie, every_s=0.4)["frame_number"].min() >= 60


def test_rows_have_the_columns_of_a_reefs_truth(tmp_path):
    found = find_moving(write(tmp_path / "still.mp4", crossing))
    assert found.columns.tolist() == list(COLUMNS)
    assert set(found["label"]) == {MOVING}
    assert set(found["filename"]) == {"still.mp4"}


@pytest.mark.parametrize("drift", [0, 1.0])
def test_boxes_of_chosen_frames_can_be_asked_for(tmp_path, drift):
    found = find_moving(write(tmp_path / "still.mp4", crossing, drift=drift), numbers=[33, 71])
    assert found["frame_number"].unique().tolist() == [33, 71]


def test_a_file_that_is_no_movie_is_refused(tmp_path):
    (tmp_path / "text.mp4").write_text("no movie")
    with pytest.raises(MediaError):
        find_moving(tmp_path / "text.mp4")


@pytest.mark.skipif(not REAL.exists(), reason="the real movies are not here")
def test_the_mouse_is_boxed():
    found = find_moving(REAL / "tracktor_mouse_640x480_h264_333s.mp4", max_frames=30)
    assert found["frame_number"].nunique() >= 25
    assert found.groupby("frame_number").size().median() == 1


@pytest.mark.skipif(not REAL.exists(), reason="the real movies are not here")
def test_fish_are_boxed():
    found = find_moving(REAL / "aquarium_fish_640x360_h264_22s.mp4", every_s=3)
    assert found["frame_number"].nunique() >= 6
    assert found[["width", "height"]].median().between(12, 200).all()
