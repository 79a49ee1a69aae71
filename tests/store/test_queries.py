from __future__ import annotations

import pandas as pd
import pytest

from kso_utils.store import queries

VOTE_COLUMNS = [
    "classification_id",
    "user",
    "user_kind",
    "subject_id",
    "workflow_id",
    "version_major",
    "version_minor",
    "created_at",
    "seen_before",
    "live",
    "gold_standard",
    "expert",
    "task",
    "label",
    "labels_from",
    "how_many",
    "first_seen_s",
    "frame",
    "shape",
    "x",
    "y",
    "width",
    "height",
    "angle",
    "geometry",
    "raw",
    "source_sha256",
]


@pytest.fixture
def classified(road):
    """The road with one classification of a clip (two labels) and one of a frame (one box)."""
    road.upsert(
        "classifications",
        pd.DataFrame(
            {
                "id": [11, 12],
                "subject_id": [101, 201],
                "user": ["ann", "bo"],
                "user_kind": ["registered", "anonymous"],
                "workflow_id": [5, 6],
                "version_major": 1,
                "version_minor": [0, 1],
                "created_at": "2026-01-01T00:00:00Z",
                "annotations": [[{"task": "T0"}], []],
            }
        ),
        "id",
    )
    road.upsert(
        "annotations",
        pd.DataFrame(
            {
                "classification_id": [11, 11, 12],
                "position": [1, 0, 0],
                "subject_id": [101, 101, 201],
                "label": ["CRAB", "COD", "COD"],
                "how_many": [None, 2, None],
                "frame": [None, None, 0],
                "width": [None, None, 30.5],
            }
        ),
        ["classification_id", "position"],
    )
    return road


def test_votes_have_the_columns_of_flatten_and_their_file(classified):
    assert queries.votes(classified, "clip").columns.tolist() == VOTE_COLUMNS


def test_votes_come_by_classification_and_position(classified):
    assert queries.votes(classified, "clip")["label"].tolist() == ["COD", "CRAB"]


def test_votes_of_frames_and_workflows(classified):
    assert queries.votes(classified, "frame")["width"].tolist() == [30.5]
    assert queries.votes(classified, "frame", workflow_ids=[5]).empty


def test_subjects_carry_movie_and_place(road):
    assert queries.clip_subjects(road)[["id", "movie_filename", "locality"]].values.tolist() == [
        [101, "a.mp4", "North reef"],
        [102, "c.mp4", "South reef"],
    ]


def test_a_subject_without_a_movie_stays(road):
    assert queries.frame_subjects(road)["id"].tolist() == [201, 202]


def test_movies_with_sites_has_each_column_once(road):
    movies = queries.movies_with_sites(road)
    assert movies.columns.is_unique
    assert movies["locality"].tolist() == ["North reef", "North reef", "South reef"]


def test_agreed_clips_are_those_of_the_latest_run(road):
    for agreed in ([True, True], [True, False]):
        rows = pd.DataFrame({"subject_id": [101, 102], "label": "COD", "votes": 4, "people": 5, "support": 0.8})
        road.record_run("clip", {}, {}, {"agg_annotations_clip": rows.assign(agreed=agreed)})
    assert queries.agreed_clips(road)["subject_id"].tolist() == [101]
    assert queries.agreed_clips(road, run_id=1)["clip_start_time"].tolist() == [0.0, 10.0]


def test_agreed_boxes_know_their_movie_and_frame(road):
    rows = pd.DataFrame(
        {"subject_id": [201], "label": "COD", "x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0, "people": 3, "looked": 5}
    ).assign(support=0.6, agreed=True)
    run_id = road.record_run("frame", {}, {}, {"agg_annotations_frame": rows})
    found = queries.agreed_boxes(road, run_id)
    assert found[["movie_id", "frame_number", "filename", "site_id"]].values.tolist() == [[1, 7, "a.mp4", 1]]


def test_there_is_no_latest_run_in_an_empty_store(store):
    assert queries.latest_run(store, "agg_runs", "clip") is None


def test_a_failed_run_is_not_the_latest(store):
    done = store.record_run("train", {}, {}, {})
    store.record_run("train", {}, {}, {}, state="failed", error="stopped")
    assert queries.latest_run(store, "model_runs", "train") == done


@pytest.fixture
def uploading(road):
    """The road with four uploads: a clip planned, a clip that is there, a frame that failed, one verified."""
    journal = pd.DataFrame(
        {
            "key": ["k1", "k2", "k3", "k4"],
            "project_id": "1",
            "subject_set_id": "2",
            "path": "x.mp4",
            "sha256": "0",
            "metadata": [
                {"#movie_id": 2, "clip_start_time": 5, "clip_end_time": 15},
                {"movie_id": 1, "clip_start_time": 0.0, "clip_end_time": 10.0},
                {"frame_number": 3},
                {"movie_id": None, "clip_start_time": "?", "clip_end_time": 1},
            ],
            "state": ["planned", "linked", "failed", "verified"],
            "updated_at": "2026-01-01T00:00:00Z",
        }
    )
    road.upsert("upload_journal", journal, "key")
    return road


def test_clips_taken_are_those_uploaded_and_those_on_their_way(uploading):
    assert queries.clips_taken(uploading).values.tolist() == [[1, 0, 10], [2, 5, 15], [3, 10, 20]]


def test_uploads_are_unfinished_until_their_set_has_shown_them(uploading):
    assert queries.unfinished_uploads(uploading)["key"].tolist() == ["k1", "k2", "k3"]


def test_no_clips_are_taken_in_an_empty_store(store):
    assert queries.clips_taken(store).columns.tolist() == ["movie_id", "clip_start_time", "clip_end_time"]


def test_all_rows_of_a_run_are_told_where_they_are_asked_for(road):
    rows = {"agreed": [True, False], "support": [1.0, 0.4], "people": [5, 5]}
    clips = pd.DataFrame({"subject_id": [101, 101], "label": ["COD", "CRAB"], "votes": [5, 2], **rows})
    road.record_run("clip", {}, {}, {"agg_annotations_clip": clips})
    boxes = pd.DataFrame({"subject_id": [201, 201], "label": ["COD", "CRAB"], "x": 1.0, "y": 1.0, "looked": 5, **rows})
    road.record_run("frame", {}, {}, {"agg_annotations_frame": boxes})
    assert queries.agreed_clips(road, all_rows=True)["label"].tolist() == ["COD", "CRAB"]
    assert queries.agreed_boxes(road, all_rows=True)["label"].tolist() == ["COD", "CRAB"]
    assert queries.agreed_boxes(road)["label"].tolist() == ["COD"]


def test_who_looked_is_told_run_by_run(road):
    told = {"blanks": 0, "labels": 1, "species": 1, "evenness": 0.0, "entropy": 0.0, "blank": False}
    for people in (2, 3):
        looked = pd.DataFrame([{"subject_id": 102, "people": people} | told, {"subject_id": 101, "people": 1} | told])
        road.record_run("clip", {}, {}, {"agg_subjects": looked})
    columns = ["subject_id", "movie_id", "clip_start_time", "people", "blanks"]
    assert queries.looked_at(road, 2)[columns].values.tolist() == [[101, 1, 0, 1, 0], [102, 3, 10, 3, 0]]
    assert queries.looked_at(road, 9).empty


def test_good_movies_are_those_of_good_deployments(road):
    every = queries.movies_with_sites(road)
    road.upsert("movies", every[["id"]].head(1).assign(is_bad_deployment=True), "id")
    assert queries.good_movies(road)["id"].tolist() == every["id"].tolist()[1:]
    assert queries.movies_with_sites(road)["id"].tolist() == every["id"].tolist()


def call_duplicates(store, *pairs):
    rows = pd.DataFrame(pairs, columns=["dupl_subject_id", "single_subject_id"])
    store.upsert("subject_duplicates", rows, "dupl_subject_id")


def test_votes_on_a_duplicate_count_for_the_one_that_stands_for_it(classified):
    call_duplicates(classified, (101, 102))
    found = queries.votes(classified, "clip")
    assert found["subject_id"].tolist() == [102, 102]
    assert found.columns.tolist() == VOTE_COLUMNS


def test_the_type_of_a_vote_is_that_of_the_subject_it_counts_for(classified):
    call_duplicates(classified, (101, 201))
    assert queries.votes(classified, "clip").empty
    assert queries.votes(classified, "frame")["subject_id"].tolist() == [201, 201, 201]


def test_a_duplicate_counts_for_itself_while_the_other_is_not_in_the_store(classified):
    call_duplicates(classified, (101, 999))
    assert set(queries.votes(classified, "clip")["subject_id"]) == {101}
    assert queries.clip_subjects(classified)["id"].tolist() == [101, 102]


def test_a_clip_that_was_uploaded_twice_is_one(road):
    call_duplicates(road, (102, 101))
    assert queries.clip_subjects(road)["id"].tolist() == [101]
    assert queries.frame_subjects(road)["id"].tolist() == [201, 202]
