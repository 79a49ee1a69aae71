"""Camtrap DP packages of a store of which everything is known."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from kso_utils.annotations import camtrapdp
from kso_utils.annotations.darwincore import Dataset
from kso_utils.core.errors import ConfigError, MetadataError
from tests.annotations.darwincore.known_store import ASKED, dataset, model, reef, reef_file  # noqa: F401 - fixtures

SCHEMAS = Path(__file__).resolve().parents[3] / "shared" / "data" / "camtrapdp"
TABLES = ("deployments", "media", "observations")


@pytest.fixture
def boxed_model(model):  # noqa: F811
    """The model's boxes with their places: the last one reaches outside the picture."""
    places = {"x": [10.0, 0, 50, 100, 380], "y": 10.0, "width": 100.0, "height": 50.0}
    return replace(model, boxes=model.boxes.assign(**places))


def _at_b(seen):
    """Return what the model saw as if in the second movie, in which people saw no animal."""
    return replace(seen, boxes=seen.boxes.assign(movie_id=2), looked_frames=seen.looked_frames.assign(movie_id=2))


@pytest.fixture
def sized_reef(reef):  # noqa: F811
    """The store, with a movie whose picture's size is known, and a clip and a frame on the web."""
    movies = reef.read("movies", columns=["filename"])
    sizes = movies.assign(width=[400, *[None] * 5], height=[200, *[None] * 5])
    reef.upsert("movies", sizes[:1], "filename")
    places = {11: "https://panoptes.example.org/11.mp4", 21: "https://panoptes.example.org/21.jpg"}
    reef.upsert("subjects", pd.DataFrame({"id": list(places), "https_location": list(places.values())}), "id")
    return reef


@pytest.fixture
def package(sized_reef, boxed_model, dataset, tmp_path):  # noqa: F811
    """A package of what people and the model saw."""
    offered = {"asked_in_clips": ASKED, "asked_in_frames": ASKED}
    return camtrapdp.write(sized_reef, tmp_path / "package", dataset=dataset, detections=boxed_model, **offered)


def _read(package, name):
    with (package.folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _observed(package, **wanted):
    return [row for row in _read(package, "observations") if all(row[k] == v for k, v in wanted.items())]


@pytest.fixture
def frictionless():
    """The reader; it lets cells of any size pass, which later tests must not inherit."""
    limit = csv.field_size_limit()
    yield pytest.importorskip("frictionless")
    csv.field_size_limit(limit)


@pytest.mark.skipif(not SCHEMAS.exists(), reason="the schemas of Camtrap DP are not at hand")
def test_frictionless_finds_the_package_valid(package, frictionless):
    path = package.folder / "datapackage.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    for resource in described["resources"]:
        schema = SCHEMAS / resource["schema"].removeprefix(camtrapdp.ADDRESS)
        resource["schema"] = json.loads(schema.read_text(encoding="utf-8"))
    # The profile refers to addresses on the web; its own demands are checked below.
    del described["profile"]
    report = frictionless.Package(described, basepath=str(package.folder)).validate()
    assert report.valid, report.flatten(["type", "rowNumber", "fieldName", "message"])
    assert [task.stats["rows"] for task in report.tasks] == [
        package.deployments,
        package.media,
        package.observations,
    ]


@pytest.mark.skipif(not SCHEMAS.exists(), reason="the schemas of Camtrap DP are not at hand")
def test_the_description_has_what_the_profile_demands(package):
    profile = json.loads((SCHEMAS / "camtrap-dp-profile.json").read_text(encoding="utf-8"))["allOf"][1]
    described = json.loads((package.folder / "datapackage.json").read_text(encoding="utf-8"))
    assert set(profile["required"]) <= set(described)
    project = profile["properties"]["project"]
    assert set(project["required"]) <= set(described["project"])
    assert described["project"]["samplingDesign"] in project["properties"]["samplingDesign"]["enum"]
    roles = profile["properties"]["contributors"]["items"]["properties"]["role"]["enum"]
    assert {c["role"] for c in described["contributors"]} <= set(roles)
    assert {licence["scope"] for licence in described["licenses"]} == {"data", "media"}
    assert "1.0.2" in described["profile"]


@pytest.mark.skipif(not SCHEMAS.exists(), reason="the schemas of Camtrap DP are not at hand")
@pytest.mark.parametrize("name", TABLES)
def test_the_columns_are_those_of_the_schema_in_its_order(name, package):
    fields = json.loads((SCHEMAS / f"{name}-table-schema.json").read_text(encoding="utf-8"))["fields"]
    assert list(_read(package, name)[0]) == [field["name"] for field in fields]


def test_a_deployment_with_a_time_zone_is_told_to_the_second(package):
    (row,) = (r for r in _read(package, "deployments") if r["deploymentID"] == "reef:a.mp4")
    assert (row["deploymentStart"], row["deploymentEnd"]) == ("2025-05-12T10:00:00+0200", "2025-05-12T10:01:00+0200")
    assert (row["timestampIssues"], row["deploymentComments"]) == ("false", "")
    assert (row["coordinateUncertainty"], row["cameraDepth"], row["deploymentGroups"]) == ("30", "", "S-2025")


def test_a_deployment_of_which_only_the_day_is_known_spans_that_day_and_is_reported(package):
    (row,) = (r for r in _read(package, "deployments") if r["deploymentID"] == "reef:b.mp4")
    assert (row["deploymentStart"], row["deploymentEnd"]) == ("2025-05-14T00:00:00+0000", "2025-05-14T23:59:59+0000")
    assert row["timestampIssues"] == "true"
    assert "Only the date is known" in row["deploymentComments"]
    assert "b.mp4" in {f.value for f in package.report if f.code == "TIME_OF_DAY_MISSING"}


def test_a_time_without_zone_is_written_as_utc_and_reported(reef, dataset, tmp_path):  # noqa: F811
    reef.upsert("movies", pd.DataFrame({"filename": ["a.mp4"], "eventDate": ["2025-05-12T10:00:00"]}), "filename")
    package = camtrapdp.write(reef, tmp_path / "p", dataset=dataset)
    (row,) = (r for r in _read(package, "deployments") if r["deploymentID"] == "reef:a.mp4")
    assert row["deploymentStart"] == "2025-05-12T10:00:00+0000"
    assert row["timestampIssues"] == "true"
    assert [f.value for f in package.report if f.code == "TIME_ZONE_MISSING"] == ["a.mp4"]


def test_media_are_movies_and_the_clips_and_frames_on_the_web(package):
    media = {row["mediaID"]: row for row in _read(package, "media")}
    assert media["reef:a.mp4:movie"]["filePath"] == "https://example.org/a.mp4"
    assert media["reef:b.mp4:movie"]["filePath"] == "b.mp4"
    assert [media[f"reef:{m}:movie"]["filePublic"] for m in ("a.mp4", "b.mp4")] == ["true", "false"]
    assert media["reef:a.mp4:subject:11"]["fileMediatype"] == "video/mp4"
    frame = media["reef:a.mp4:subject:21"]
    assert (frame["fileMediatype"], frame["timestamp"]) == ("image/jpeg", "2025-05-12T10:00:04+0200")


def test_counts_of_an_event_are_max_n_of_each_taxon_and_observer(package):
    rows = _observed(package, observationLevel="event", observationType="animal", deploymentID="reef:a.mp4")
    counted = {(row["classificationMethod"], row["scientificName"]): row["count"] for row in rows}
    assert counted[("machine", "Gadus morhua")] == "3"
    assert counted[("human", "Gadus morhua")] == "4"
    assert counted[("machine", "Cancer pagurus")] == "1"


def test_nobody_is_said_to_be_absent(package):
    assert not _observed(package, count="0")
    assert not _observed(package, scientificName="Anguilla anguilla")


def test_boxes_are_shares_of_the_picture_cut_at_its_border(package):
    boxes = _observed(package, observationLevel="media", classificationMethod="machine")
    assert len(boxes) == 5
    first, last = boxes[0], boxes[-1]
    assert [first[name] for name in ("bboxX", "bboxY", "bboxWidth", "bboxHeight")] == ["0.025", "0.05", "0.25", "0.25"]
    assert float(last["bboxX"]) + float(last["bboxWidth"]) == pytest.approx(1.0)
    assert first["mediaID"] == "reef:a.mp4:movie"
    assert first["eventStart"] == "2025-05-12T10:00:18+0200"
    assert first["classificationProbability"] == "0.5"


def test_boxes_of_people_are_told_where_the_picture_has_a_size(package):
    boxes = _observed(package, observationLevel="media", classificationMethod="human")
    assert {row["deploymentID"] for row in boxes} == {"reef:a.mp4"}
    assert len(boxes) == 3


def test_a_window_in_which_nothing_was_marked_is_blank(sized_reef, boxed_model, dataset, tmp_path):  # noqa: F811
    unmarked = replace(_at_b(boxed_model), boxes=boxed_model.boxes[:0])
    package = camtrapdp.write(sized_reef, tmp_path / "p", dataset=dataset, detections=unmarked)
    (row,) = _observed(package, observationType="blank", classificationMethod="machine")
    assert row["eventID"].startswith("reef:b.mp4:")
    assert row["scientificName"] == row["count"] == ""


def test_a_window_with_a_label_that_has_no_name_is_not_blank(sized_reef, boxed_model, dataset, tmp_path):  # noqa: F811
    stones = replace(boxed_model, boxes=boxed_model.boxes.assign(label="Stone"))
    package = camtrapdp.write(sized_reef, tmp_path / "p", dataset=dataset, detections=stones)
    assert not _observed(package, observationType="blank", classificationMethod="machine")
    assert "Stone" in {f.value for f in package.report}


def test_a_label_for_nothing_leaves_a_window_blank(sized_reef, boxed_model, dataset, tmp_path):  # noqa: F811
    nothing = _at_b(replace(boxed_model, boxes=boxed_model.boxes.assign(label="Nothing here")))
    package = camtrapdp.write(sized_reef, tmp_path / "p", dataset=dataset, detections=nothing)
    assert _observed(package, observationType="blank", classificationMethod="machine")


def test_a_name_that_the_format_refuses_is_made_one_that_it_takes(reef, dataset, tmp_path):  # noqa: F811
    reef.upsert("movies", pd.DataFrame({"id": [2], "filename": ["../~/.b..mp4"]}), "id")
    package = camtrapdp.write(reef, tmp_path / "p", dataset=dataset)
    (row,) = (r for r in _read(package, "media") if r["fileName"] == "../~/.b..mp4")
    assert row["filePath"] == "b.mp4"


def test_nothing_is_written_without_a_description_or_a_movie_with_a_place(reef, dataset, tmp_path):  # noqa: F811
    with pytest.raises(ConfigError, match="title"):
        camtrapdp.write(reef, tmp_path / "p", dataset=Dataset("", "", "", dataset.creator, ""))
    reef.upsert(
        "sites",
        pd.DataFrame({"id": [1, 2], "decimalLatitude": [None, None], "decimalLongitude": [None, None]}),
        "id",
    )
    with pytest.raises(MetadataError, match="no movie has a position") as caught:
        camtrapdp.write(reef, tmp_path / "p", dataset=dataset)
    assert caught.value.report is not None
    assert not (tmp_path / "p").exists()


def test_what_does_not_count_is_told_once(package):
    codes = package.report.codes()
    assert codes["LABEL_IN_DOUBT"] == codes["LABEL_NOT_A_TAXON"] == codes["LABEL_WITHOUT_SPECIES"] == 1


def test_a_window_is_not_blank_for_the_model_where_people_saw_an_animal(reef, model, dataset, tmp_path):  # noqa: F811
    blind = replace(model, boxes=model.boxes[:0])
    made = camtrapdp.write(reef, tmp_path / "package", dataset=dataset, detections=blind, asked_in_clips=ASKED)
    blank = _observed(made, observationType="blank", deploymentID="reef:a.mp4")
    assert blank == []
    assert _observed(made, observationType="animal", deploymentID="reef:a.mp4", observationLevel="event")
