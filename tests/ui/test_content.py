"""What the report of a project is made of, read from the small finished project."""

import cv2
import numpy as np
import pandas as pd
import pytest

from kso_utils.demo import make_fixture
from kso_utils.project import steps
from kso_utils.project.opening import Project
from kso_utils.testing.reef import load_truth
from kso_utils.ui import content
from kso_utils.ui.content import gather
from kso_utils.ui.pictures import jpeg_size


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with Project.open(make_fixture(tmp_path_factory.mktemp("made") / "project")) as opened:
        yield opened


@pytest.fixture(scope="module")
def gathered(project):
    return gather(project)


@pytest.fixture
def movies():
    return pd.DataFrame({"id": [1, 2], "filename": ["a.mp4", "b.mp4"], "locality": ["North", "South"]})


def detected(*rows):
    """Return detections: (movie_id, frame_number, label)."""
    table = pd.DataFrame(rows, columns=["movie_id", "frame_number", "label"])
    box = {"x": 10.0, "y": 20.0, "width": 30.0, "height": 40.0, "confidence": 0.9}
    return table.assign(pts_s=table["frame_number"] / 25, **box)


def test_sites_come_with_the_number_of_their_movies(gathered):
    assert gathered.sites["movies"].tolist() == [1, 1, 1]
    assert gathered.sites["decimalLatitude"].notna().all()


def test_a_site_without_a_movie_counts_none(project, tmp_path):
    copy = make_fixture(tmp_path / "project")
    with Project.open(copy) as own:
        own.store.upsert("sites", pd.DataFrame([{"locality": "Bare"}]), "locality")
        sites = gather(own).sites.set_index("locality")["movies"]
    assert sites["Bare"] == 0


def test_clips_are_counted_and_shown_movie_by_movie(project, gathered):
    assert gathered.clips == len(list((project.folder / "clips").glob("*.mp4")))
    captions = [caption for caption, _ in gathered.thumbnails]
    assert len({caption.partition(":")[0] for caption in captions[:3]}) == 3
    assert captions[0].endswith(", 0 to 3 s")


def test_thumbnails_are_small_pictures(gathered):
    assert {jpeg_size(jpeg) for _, jpeg in gathered.thumbnails} == {(320, 180)}


def test_agreement_and_runs_are_those_of_the_store(project, gathered):
    assert len(gathered.agreement) == len(project.store.read("agg_annotations_clip"))
    assert sorted(gathered.runs["kind"]) == ["clip", "detect", "evaluate", "frame", "train"]


def test_curves_have_plain_names(gathered):
    assert {"mAP50", "box loss, training", "box loss, validation"} <= set(gathered.curves["name"])
    assert not gathered.curves["name"].str.contains("/").any()


def test_how_frames_were_split_is_told(gathered):
    assert gathered.split.startswith("Whole movies were held out (only 3 of the 6 sites")


def test_what_is_given_is_passed_on(project):
    moving = pd.DataFrame({"filename": ["a.mp4"], "regions": [2], "found": [1]})
    made = gather(project, "generated", "A note.", moving=moving)
    assert (made.sources, made.note, made.moving is moving) == ("generated", "A note.", True)


def test_a_project_without_answers_and_models_has_none_to_show(tmp_path, project):
    folder = make_fixture(tmp_path / "project")
    for name in ("kso.db", "kso.db-wal", "kso.db-shm"):
        (folder / name).unlink(missing_ok=True)
    with Project.open(folder) as bare:
        steps.fill_store(bare)
        made = gather(bare)
    assert (made.agreement, made.curves, made.counts, made.pictures) == (None, None, None, ())
    assert made.runs.empty


def test_counts_stand_beside_the_truth_also_where_one_is_missing(movies):
    truth = pd.DataFrame({"filename": ["a.mp4", "a.mp4", "b.mp4"], "frame_number": [5, 5, 0], "label": "Cod"})
    truth["pts_s"] = truth["frame_number"] / 25
    found = content._count(movies, detected((1, 0, "Cod"), (1, 5, "Crab")), truth)
    rows = sorted(found[["filename", "label", "max_n", "truth"]].itertuples(index=False, name=None))
    assert rows == [("a.mp4", "Cod", 1, 2), ("a.mp4", "Crab", 1, 0), ("b.mp4", "Cod", 0, 1)]


def test_counts_without_a_truth_have_no_such_column(movies):
    found = content._count(movies, detected((2, 0, "Cod"), (2, 0, "Cod")), None)
    assert found.to_numpy().tolist() == [["b.mp4", "Cod", 2]]
    assert "truth" not in found


def test_the_fullest_frame_of_a_movie_is_shown_with_model_and_truth(project):
    store, folder = project.store, project.folder
    movie = store.read("movies", order_by="id").iloc[0]
    shown = pd.DataFrame([{"id": movie["id"], "filename": movie["filename"], "locality": "Here"}])
    shown["path"] = str(folder / "movies" / movie["filename"])
    number = int(movie["id"])
    found = detected((number, 10, "Cod"), (number, 20, "Cod"), (number, 20, "Cod"))
    truth = load_truth(folder / "truth.csv.gz")
    (picture,) = content._show_detections(shown, found, truth)
    there = truth[truth["filename"].eq(movie["filename"]) & truth["frame_number"].eq(20)]
    assert picture.caption == f"Here: {movie['filename']}, frame 20 (0.8 s)"
    assert picture.boxes["kind"].value_counts().to_dict() == {"model": 2, "truth": len(there)}
    assert picture.boxes["confidence"].notna().tolist() == [True, True] + [False] * len(there)


def test_a_wide_picture_is_scaled_and_tells_by_how_much():
    data, scale = content._jpeg(np.zeros((540, 1920, 3), np.uint8), 960)
    assert (jpeg_size(data), scale) == ((960, 270), 0.5)


def test_a_narrow_picture_keeps_its_size():
    data, scale = content._jpeg(np.zeros((90, 160, 3), np.uint8), 960)
    assert (jpeg_size(data), scale) == ((160, 90), 1.0)


def test_pictures_keep_their_colours():
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 250
    back = cv2.imdecode(np.frombuffer(content._jpeg(red, 32)[0], np.uint8), cv2.IMREAD_COLOR)
    assert back[16, 16].argmax() == 2
