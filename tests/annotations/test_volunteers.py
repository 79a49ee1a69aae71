import pandas as pd
import pytest

from kso_utils.annotations.volunteers import read_volunteers
from kso_utils.core.errors import ConfigError
from kso_utils.store.engine import open_store
from tests.annotations.darwincore.known_store import reef, reef_file  # noqa: F401 - fixtures


@pytest.fixture
def seen(reef):  # noqa: F811
    return read_volunteers(reef, ["Cod"], ["Crab"])


def test_nobody_saw_anything_in_a_store_without_consensus(tmp_path):
    with open_store(tmp_path / "empty.sqlite") as store:
        assert read_volunteers(store) is None


def test_what_was_agreed_is_that_of_the_latest_run(seen):
    assert seen.clips[["clip_start_time", "label", "how_many"]].values.tolist() == [[0, "Cod", 2.5], [10, "Cod", 4.0]]


def test_places_at_which_too_few_people_looked_are_no_effort(seen):
    assert sorted(seen.looked_clips["movie_id"].tolist()) == [1, 1, 1, 2, 3]
    assert seen.looked_clips["people"].eq(3).all()


def test_boxes_have_the_time_of_their_frame(seen):
    told = seen.boxes[["movie_id", "label", "pts_s"]].drop_duplicates().values.tolist()
    assert told == [[1, "Cod", 4.0], [1, "Crab", 4.0], [2, "Stone", pytest.approx(299 * 1001 / 30000)]]


def test_frames_without_an_animal_were_looked_at_too(seen):
    assert seen.looked_frames[["movie_id", "frames"]].values.tolist() == [[1, 1], [2, 1]]


def test_a_label_that_might_be_agreed_is_in_doubt(seen):
    assert seen.doubts.values.tolist() == [[1, 0.0, 10.0, "Crab"]]


def test_a_label_that_hardly_anybody_named_is_in_no_doubt(reef):  # noqa: F811
    rows = reef.read("agg_annotations_clip", ["id"], where={"label": "Crab"}).assign(support_high=0.79)
    reef.upsert("agg_annotations_clip", rows, "id")
    assert read_volunteers(reef).doubts.empty


@pytest.mark.parametrize(("probability", "doubts"), [(0.04, 0), (0.05, 1)])
def test_a_probability_says_what_is_in_doubt_where_there_is_one(reef, probability, doubts):  # noqa: F811
    rows = reef.read("agg_annotations_clip", ["id"], where={"label": "Crab"}).assign(probability=probability)
    reef.upsert("agg_annotations_clip", rows, "id")
    assert len(read_volunteers(reef).doubts) == doubts


@pytest.mark.parametrize(("support_high", "doubts"), [(0.49, 0), (0.5, 1)])
def test_half_of_the_people_is_in_doubt_where_no_share_is_asked_for(reef, support_high, doubts):  # noqa: F811
    rule = {"params": [{"rule": {"method": "plurality", "agreement": 0.0, "min_people": 3}}], "id": [2]}
    reef.upsert("agg_runs", pd.DataFrame(rule), "id")
    rows = reef.read("agg_annotations_clip", ["id"], where={"label": "Crab"}).assign(support_high=support_high)
    reef.upsert("agg_annotations_clip", rows, "id")
    assert len(read_volunteers(reef).doubts) == doubts


def test_a_run_that_does_not_say_who_looked_is_refused(reef):  # noqa: F811
    reef.remove("agg_subjects", {"run_id": 2})
    with pytest.raises(ConfigError, match="kso aggregate clip"):
        read_volunteers(reef)


def test_marks_without_a_box_count_as_animals_too(reef):  # noqa: F811
    shapes = {"label": "Cod", "shape": "point", "width": None, "height": None, "geometry": None}
    rows = reef.read("agg_annotations_frame", ["id"], where={"label": "Cod"}).assign(**shapes)
    reef.upsert("agg_annotations_frame", rows, "id")
    cod = read_volunteers(reef).boxes.query("label == 'Cod'")
    assert len(cod) == 2
    assert cod["width"].isna().all()


def test_marks_on_a_second_picture_of_a_subject_are_of_no_known_frame(reef):  # noqa: F811
    rows = reef.read("agg_annotations_frame", ["id"], where={"label": "Cod"}).assign(frame=1)
    reef.upsert("agg_annotations_frame", rows, "id")
    assert sorted(read_volunteers(reef).boxes["label"]) == ["Crab", "Stone"]


@pytest.mark.parametrize(("people", "doubts"), [(1, 1), (2, 2)])
def test_a_box_that_more_than_one_person_drew_is_in_doubt(reef, people, doubts):  # noqa: F811
    rows = reef.read("agg_annotations_frame", ["id"], where={"label": "Crab"}).assign(agreed=False, people=people)
    reef.upsert("agg_annotations_frame", rows, "id")
    found = read_volunteers(reef).doubts
    assert len(found) == doubts
    assert found["label"].eq("Crab").all()


def test_what_was_asked_is_told_of_clips_and_frames_apart(seen):
    assert (seen.asked_in_clips, seen.asked_in_frames) == (("Cod",), ("Crab",))


def test_a_frame_of_a_movie_whose_rate_is_a_number_alone_has_a_time(reef):  # noqa: F811
    rate = {"filename": ["a.mp4"], "fps": [20.0], "fps_num": [None], "fps_den": [None]}
    reef.upsert("movies", pd.DataFrame(rate), "filename")
    assert read_volunteers(reef).boxes["pts_s"].iloc[0] == 5.0


def test_frames_alone_are_evidence_too(reef):  # noqa: F811
    for table in ("agg_annotations_clip", "agg_subjects"):
        reef.remove(table, {"run_id": [1, 2]})
    reef.remove("agg_runs", {"kind": "clip"})
    found = read_volunteers(reef, ["Cod"], ["Crab"])
    assert found.clips.empty
    assert found.asked_in_clips == ()
    assert len(found.boxes) == 4


def test_clips_alone_are_evidence_too(reef):  # noqa: F811
    for table in ("agg_annotations_frame", "agg_subjects"):
        reef.remove(table, {"run_id": 3})
    reef.remove("agg_runs", {"kind": "frame"})
    found = read_volunteers(reef, ["Cod"], ["Crab"])
    assert found.boxes.empty
    assert found.asked_in_frames == ()
