import numpy as np
import pandas as pd
import pytest

from kso_utils.core.errors import ConfigError, NotFound
from kso_utils.media.encoding import write_movie
from kso_utils.testing.motion import MOVING
from kso_utils.testing.scene import Scene, generate_scene, survey_scene


def film(path, y, frames=50):
    """Write a movie in which a bright square crosses a still ground at the height `y`."""
    ground = np.kron(np.random.default_rng(0).integers(60, 180, (20, 40)), np.ones((8, 8))).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)

    def pictures():
        for i in range(frames):
            picture = ground.copy()
            picture[y : y + 30, 20 + 4 * i : 50 + 4 * i] = 250
            yield np.repeat(picture[..., None], 3, axis=2)

    write_movie(path, pictures(), 25)


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    """Two movies of one name in two folders, and a file that is none."""
    folder = tmp_path_factory.mktemp("footage")
    film(folder / "north" / "reef.mp4", 20)
    film(folder / "south" / "reef.mp4", 100)
    (folder / "broken.mp4").write_text("no movie")
    return folder


@pytest.fixture(scope="module")
def surveyed(footage, tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    return folder, survey_scene(folder, footage, stride=5)


def test_movies_in_folders_are_known_by_their_path(surveyed):
    folder, scene = surveyed
    assert sorted(scene.movies) == ["north/reef.mp4", "south/reef.mp4"]
    assert pd.read_csv(folder / "movies.csv")["filename"].tolist() == ["north/reef.mp4", "south/reef.mp4"]
    assert sorted(scene.truth["filename"].unique()) == ["north/reef.mp4", "south/reef.mp4"]


def test_movies_of_one_name_are_told_apart(surveyed):
    tops = surveyed[1].truth.groupby("filename")["y"].median()
    assert tops["north/reef.mp4"] == pytest.approx(20, abs=10)
    assert tops["south/reef.mp4"] == pytest.approx(100, abs=10)


def test_frames_are_looked_at_on_the_stride(surveyed):
    assert (surveyed[1].truth["frame_number"] % 5 == 0).all()


def test_what_moves_in_asked_frames_is_found_there(surveyed):
    frames = pd.DataFrame({"filename": ["south/reef.mp4"], "frame_number": [12]})
    found = surveyed[1].in_frames(frames)
    assert found[["filename", "frame_number", "label"]].drop_duplicates().to_numpy().tolist() == [
        ["south/reef.mp4", 12, MOVING]
    ]


def test_one_sight_a_second_is_enough_in_a_clip_of_a_real_movie(surveyed):
    clip = pd.DataFrame({"filename": ["north/reef.mp4"], "clip_start_time": [0.0], "clip_end_time": [0.5]})
    assert surveyed[1].in_clips(clip)["label"].tolist() == [MOVING]


def test_what_was_found_moving_is_kept(surveyed, footage):
    folder, scene = surveyed
    kept = (folder / "moving.csv").stat().st_mtime_ns
    again = survey_scene(folder, footage, stride=5)
    assert (folder / "moving.csv").stat().st_mtime_ns == kept
    pd.testing.assert_frame_equal(again.truth, pd.read_csv(folder / "moving.csv"))
    assert again.movies == scene.movies


def test_tables_that_are_there_are_not_replaced(footage, surveyed, tmp_path):
    (tmp_path / "moving.csv").write_bytes((surveyed[0] / "moving.csv").read_bytes())
    (tmp_path / "sites.csv").write_text("siteName\nmine\n")
    survey_scene(tmp_path, footage, stride=5)
    assert (tmp_path / "sites.csv").read_text() == "siteName\nmine\n"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotFound, match="nowhere"):
        survey_scene(tmp_path, tmp_path / "nowhere", stride=5)


def test_a_folder_without_a_good_movie_is_refused(tmp_path):
    (tmp_path / "text.mp4").write_text("no movie")
    with pytest.raises(ConfigError, match="No movie in"):
        survey_scene(tmp_path / "project", tmp_path, stride=5)


def test_a_generated_scene_knows_every_frame_and_no_empty_answer(tmp_path):
    scene = generate_scene(tmp_path, sites=1, movies_per_site=1, duration_s=0.4)
    assert scene.movies is None
    assert "Nothing here" not in scene.labels
    assert set(scene.truth["label"]) <= set(scene.labels)


def test_a_generated_scene_gives_the_truth_of_a_frame_once():
    truth = pd.DataFrame({"filename": "a.mp4", "frame_number": [1, 1, 2], "label": ["Cod", "Crab", "Cod"]})
    asked = pd.DataFrame({"filename": "a.mp4", "frame_number": [1, 1]})
    assert Scene(truth, ["Cod", "Crab"]).in_frames(asked)["label"].tolist() == ["Cod", "Crab"]
