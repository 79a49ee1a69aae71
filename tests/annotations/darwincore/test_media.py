"""The media of an archive: movies, clips, and the boxes behind each count."""

import csv
import io
import zipfile
from dataclasses import replace

import pandas as pd
import pytest

from kso_utils.annotations.darwincore import check, write
from tests.annotations.darwincore.known_store import ASKED


@pytest.fixture
def archive(reef, model, dataset, tmp_path):
    """An archive of movies of which one has a picture of known size, with boxes of the model in it."""
    sizes = {"filename": ["a.mp4"], "width": [400], "height": [200], "sha256": ["ab" * 32]}
    reef.upsert("movies", pd.DataFrame(sizes), "filename")
    reef.upsert("subjects", pd.DataFrame({"id": [11], "https_location": ["https://panoptes.example.org/11.mp4"]}), "id")
    places = {"x": [10.0, 0, 50, 100, 380], "y": 10.0, "width": 100.0, "height": 50.0}
    boxed = replace(model, boxes=model.boxes.assign(**places))
    offered = {"asked_in_clips": ASKED, "asked_in_frames": ASKED}
    return write(reef, tmp_path / "reef.zip", "bin", 10.0, dataset=dataset, detections=boxed, **offered)


@pytest.fixture
def media(archive):
    with zipfile.ZipFile(archive.path) as file:
        return list(csv.DictReader(io.StringIO(file.read("multimedia.csv").decode())))


def test_the_archive_with_its_media_passes_the_check(archive):
    report = check(archive.path)
    assert report.ok, str(report)
    assert "multimedia.csv" not in {f.table for f in report if f.severity != "info"}


def test_the_movies_of_the_samples_are_media_of_their_deployments(media):
    movies = [row for row in media if not row["derivedFrom"] and not row["isROIOf"]]
    assert [(row["eventID"], row["identifier"]) for row in movies] == [
        ("reef:a.mp4", "reef:a.mp4:movie"),
        ("reef:b.mp4", "reef:b.mp4:movie"),
    ]
    assert movies[0]["hashValue"] == "ab" * 32


def test_a_clip_belongs_to_the_sample_in_which_it_begins(archive, media):
    clips = {row["identifier"]: row for row in media if row["derivedFrom"]}
    clip = clips["reef:a.mp4:movie:clip:11"]
    assert clip["accessURI"] == "https://panoptes.example.org/11.mp4"
    assert clip["eventID"] in set(archive.events["eventID"]) - {"reef:a.mp4"}
    assert set(clips) == {
        f"reef:{m}:movie:clip:{n}" for m, n in [("a.mp4", 11), ("a.mp4", 12), ("a.mp4", 13), ("b.mp4", 14)]
    }


def test_the_regions_of_an_occurrence_are_as_many_as_the_animals_counted_in_boxes(archive, media):
    counts = archive.occurrences.set_index("occurrenceID")
    regions = pd.DataFrame([row for row in media if row["isROIOf"]])
    told = regions.groupby("associatedObservationReference").size()
    by_model = counts.loc[told.index, "identificationVerificationStatus"] == "PredictedByMachine"
    assert by_model.any()
    assert told[by_model].astype(str).tolist() == counts.loc[told.index[by_model], "individualCount"].tolist()
    assert (regions["eventID"].to_numpy() == counts.loc[regions["associatedObservationReference"], "eventID"]).all()


def test_boxes_without_a_place_give_no_region(reef, model, dataset, tmp_path):
    made = write(reef, tmp_path / "reef.zip", dataset=dataset, detections=model)
    with zipfile.ZipFile(made.path) as file:
        rows = list(csv.DictReader(io.StringIO(file.read("multimedia.csv").decode())))
    assert rows
    assert not any(row["isROIOf"] for row in rows)
