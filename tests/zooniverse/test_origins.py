import csv
import json

import pandas as pd
import pytest

from kso_utils.core.report import Report
from kso_utils.zooniverse.exports import read_exports
from kso_utils.zooniverse.matching.eras import Era
from kso_utils.zooniverse.matching.movie_names import MovieNames
from kso_utils.zooniverse.matching.origin import Known
from kso_utils.zooniverse.origins import OriginRules, describe_strangers, describe_subjects, match_again, read_known

MANUAL = Era("{movie}_{start}.mp4", 10.0, "2019-11-17", "2020-05-29", ".mov")
NOTHING = Known(MovieNames([]), {})


def export_row(number, metadata, locations=None, created_at="2021-01-01 00:00:00 UTC", **more):
    told = {"0": "https://x/y.mp4"} if locations is None else locations
    row = {"subject_id": str(number), "metadata": json.dumps(metadata), "locations": json.dumps(told)}
    return {**row, "created_at": created_at, **more}


def describe(*rows, known=NOTHING):
    report = Report("Subjects")
    return describe_subjects(pd.DataFrame(list(rows)).fillna(""), known, report), report


@pytest.mark.parametrize(
    ("locations", "first"),
    [
        ({"1": "https://x/b.jpg", "0": "https://x/a.jpg"}, "https://x/a.jpg"),
        ({"10": "https://x/b.jpg", "9": "https://x/a.jpg"}, "https://x/a.jpg"),
        ({"image/jpeg": "https://x/a"}, "https://x/a"),
        ({}, None),
    ],
)
def test_the_first_location_counts(locations, first):
    rows, _ = describe(export_row(1, {}, locations))
    assert rows["https_location"].tolist() == [first]
    assert rows["subject_type"].tolist() == [None if first is None else "frame"]


def test_each_subject_that_has_no_movie_is_listed_once_with_its_line():
    rows = [export_row(7, {"filename": "z.mp4"}, workflow_id=workflow) for workflow in "12"]
    _, report = describe(export_row(6, {}), *rows)
    found = [(f.row, f.code, f.value) for f in report if f.severity == "warning"]
    assert found == [(2, "NO_MOVIE", ""), (3, "UNKNOWN_MOVIE", "z.mp4")]


def test_names_that_are_only_like_those_of_movies_are_told_once_each():
    known = Known(MovieNames([(1, "a.mov", ()), (2, "b.mov", ())]), {"movie_id": {1, 2}})
    files = ["a.mp4", "a.mp4", "b.mov", "A.mov"]
    said = [{"filename": name, "upl_seconds": 0, "clip_length": 10} for name in files]
    _, report = describe(*(export_row(n, metadata) for n, metadata in enumerate(said)), known=known)
    assert [f.message for f in report] == [
        "a.mp4 is taken for the movie a.mov; it differs in its ending (subjects: 2).",
        "A.mov is taken for the movie a.mov; it differs in its capitals (subjects: 1).",
    ]


def test_strangers_are_described_by_what_was_exported_with_their_classifications():
    known = Known(MovieNames([(1, "a.mp4", ())]), {"movie_id": {1}})
    data = [
        json.dumps({"5": {"retired": None, "#movie_id": 1, "upl_seconds": "10", "#clip_length": 10}, "6": {}}),
        json.dumps({"9": {"movie_id": 1}}),
        *("", "{", "[1]", "[" * 100_000, '{"7": 3}', '{"x": {}}'),
    ]
    report = Report("Strangers")
    rows = describe_strangers([5, 7], data, known, report)
    columns = ["id", "movie_id", "clip_start_time", "clip_end_time", "subject_type"]
    assert rows[columns].values.tolist() == [[5, 1, 10.0, 20.0, "clip"], [7, None, None, None, None]]
    assert rows["metadata"][0] == {"#movie_id": 1, "upl_seconds": "10", "#clip_length": 10}
    assert [f.code for f in report] == ["NO_MOVIE"]


@pytest.fixture
def lost(store):
    """A store with a subject of a movie that has not come yet, one of no movie, and one that knows more itself."""
    metadata = [{"filename": "late.mp4", "upl_seconds": 5, "clip_length": 10}, {}, {"filename": "late.mp4"}]
    subjects = pd.DataFrame({"id": [1, 2, 3], "subject_type": "clip", "metadata": metadata})
    store.upsert("subjects", subjects.assign(clip_start_time=[None, None, 30.0], filename=[None, "x", None]), "id")
    return store


def test_subjects_are_matched_again_when_their_movie_has_come(lost):
    report = Report("Again")
    assert match_again(lost, read_known(lost), report).updated == 0
    assert report.codes() == {"UNKNOWN_MOVIE": 2, "NO_MOVIE": 1}
    lost.upsert("movies", pd.DataFrame({"id": [3], "filename": ["late.mov"], "site_id": [1]}), "id")
    known = read_known(lost)
    assert match_again(lost, known, Report("Again")).updated == 2
    found = lost.read("subjects", ["movie_id", "clip_start_time", "clip_end_time", "filename"], order_by="id")
    assert found.astype(object).where(found.notna(), None).values.tolist() == [
        [3, 5.0, 15.0, "late.mp4"],
        [None, None, None, "x"],
        [3, 30.0, None, "late.mp4"],
    ]
    assert match_again(lost, known, Report("Again")).updated == 0


def test_the_store_and_the_rules_tell_what_is_known(store):
    photos = pd.DataFrame({"id": [1], "filename": ["Sa\u0308cken.jpg"], "site_id": [1]})
    store.upsert("photos", photos, "id")
    known = read_known(store, OriginRules((MANUAL,), {"old.mp4": "a.mp4"}))
    assert known.photos == {"S\u00e4cken.jpg"}
    assert known.movies.find("old.mp4").ids == (1,)
    assert (known.eras, known.references["frame_exp_sp_id"]) == ((MANUAL,), {1})


@pytest.fixture
def koster_movies(koster_data):
    with (koster_data / "movies_koster.csv").open(encoding="utf-8-sig", newline="") as file:
        return [(int(row["koster_movie_id"]), row["filename"]) for row in csv.DictReader(file)]


def test_every_real_movie_is_found_by_its_clips_of_the_manual_era(koster_movies):
    """Clips as they were named then: of every movie, at two starts, the ending of the movie lost."""
    movies = MovieNames((number, name, ()) for number, name in koster_movies)
    known = Known(movies, {"movie_id": {number for number, _ in koster_movies}}, eras=(MANUAL,))
    rows, whose = [], []
    for number, name in koster_movies:
        for start in (0, 1230):
            clip = {"filename": f"{name.rsplit('.', 1)[0]}_{start}.mp4"}
            rows.append(export_row(len(rows) + 1, clip, created_at="2019-12-01 10:00:00 UTC"))
            whose.append((number, start, start + 10))
    described, report = describe(*rows, known=known)
    columns = ["movie_id", "clip_start_time", "clip_end_time"]
    assert list(described[columns].itertuples(index=False, name=None)) == whose
    # Seven movies end in .mp4, and are found though the era says that movies end in .mov.
    assert report.codes() == {"MOVIE_BY_LIKENESS": 7, "ORIGIN_BY_NAME": 1}


def test_real_frames_known_from_classifications_alone_are_all_listed(koster_data, koster_movies):
    with (koster_data / "workflow2_classifications_pseudonymised.csv").open(encoding="utf-8", newline="") as file:
        classifications = list(csv.DictReader(file))
    known = Known(MovieNames((number, name, ()) for number, name in koster_movies), {}, eras=(MANUAL,))
    report = Report("Strangers")
    ids = [int(row["subject_ids"]) for row in classifications]
    rows = describe_strangers(ids, [row["subject_data"] for row in classifications], known, report)
    assert len(rows) == 13
    assert set(map(tuple, rows["metadata"])) == {("frame", "filename")}
    assert rows["filename"].str.fullmatch(r"ex(ample)?_\d+_frame\d+\.jpg").all()
    assert report.codes() == {"UNKNOWN_MOVIE": 13}


def test_real_subjects_of_another_project_are_all_listed(zooniverse_data, tmp_path):
    (tmp_path / "x.csv").write_bytes((zooniverse_data / "subjects_cat_30.csv").read_bytes())
    rows, report = describe(*read_exports(tmp_path).subjects.to_dict("records"))
    assert (len(rows), report.codes()) == (30, {"NO_MOVIE": 30})
    assert set(rows["subject_type"]) == {"frame"}
    assert rows["https_location"].str.startswith("https://").all()
