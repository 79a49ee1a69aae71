"""An archive of a store of which everything is known, read back by an independent reader."""

import csv
import dataclasses
import io
import json
import zipfile
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from dwca.darwincore.utils import qualname
from dwca.read import DwCAReader

from kso_utils.annotations.darwincore import Person, write
from kso_utils.core.errors import ConfigError, MetadataError
from kso_utils.store.engine import open_store
from tests.annotations.darwincore.known_store import ASKED, PLANET

A, B = "reef:a.mp4", "reef:b.mp4"
MEDIA = "http://rs.tdwg.org/ac/terms/Multimedia"
MEASURE = "http://rs.iobis.org/obis/terms/ExtendedMeasurementOrFact"


@pytest.fixture(scope="module")
def archive(reef_file, dataset, model, tmp_path_factory):
    """The archive of whole movies."""
    path = tmp_path_factory.mktemp("archive") / "reef.zip"
    with open_store(reef_file, read_only=True) as store:
        return write(store, path, dataset=dataset, detections=model, asked_in_clips=ASKED)


@pytest.fixture(scope="module")
def binned(reef_file, dataset, model, tmp_path_factory):
    """The archive of periods of ten seconds."""
    path = tmp_path_factory.mktemp("archive") / "bins.zip"
    with open_store(reef_file, read_only=True) as store:
        return write(store, path, "bin", 10, dataset=dataset, detections=model, asked_in_clips=ASKED)


def read_back(path):
    """Return for each event its terms and the rows attached to it, by type."""
    found = {}
    with DwCAReader(path) as reader:
        for row in reader:
            attached = {}
            for extension in row.extensions:
                attached.setdefault(extension.rowtype.rpartition("/")[2], []).append(shorten(extension.data))
            found[row.id] = (shorten(row.data), attached)
    return found


def shorten(data):
    return {term.rpartition("/")[2]: value for term, value in data.items()}


def seen(made, event, status="ValidatedByHuman"):
    rows = made.occurrences
    rows = rows[(rows["eventID"] == event) & (rows["identificationVerificationStatus"] == status)]
    return dict(zip(rows["scientificName"], rows["individualCount"], strict=True))


def measured(made, event, taxon):
    rows = made.measurements.merge(made.occurrences[["occurrenceID", "scientificName", "basisOfRecord"]])
    rows = rows[(rows["eventID"] == event) & (rows["scientificName"] == taxon)]
    return rows[["measurementType", "measurementValue"]].values.tolist()


def test_every_row_is_attached_to_its_event(archive):
    back = read_back(archive.path)
    assert list(back) == archive.events["eventID"].tolist()
    occurrences = sum(len(attached.get("Occurrence", [])) for _, attached in back.values())
    measurements = sum(len(attached.get("ExtendedMeasurementOrFact", [])) for _, attached in back.values())
    media = sum(len(attached.get("Multimedia", [])) for _, attached in back.values())
    assert (occurrences, measurements) == (len(archive.occurrences), len(archive.measurements))
    assert media == len(archive.media)


def test_the_reader_finds_the_values_that_were_written(archive):
    terms, attached = read_back(archive.path)[f"{A}:sample"]
    assert {name: terms[name] for name in archive.events} == archive.events.set_index("eventID", drop=False).loc[
        f"{A}:sample"
    ].to_dict()
    ours = archive.occurrences[archive.occurrences["eventID"] == f"{A}:sample"]
    told = [{name: row[name] for name in ours} for row in attached["Occurrence"]]
    assert told == ours.to_dict("records")


def test_events_lead_from_survey_to_deployment_to_sample(archive):
    told = archive.events[["eventID", "parentEventID", "eventType"]].values.tolist()
    assert told == [
        ["S-2025", "", "Survey"],
        [A, "S-2025", "Deployment"],
        [f"{A}:sample", A, "Sample"],
        [B, "S-2025", "Deployment"],
        [f"{B}:sample", B, "Sample"],
    ]


def test_people_are_counted_in_their_latest_run(archive):
    assert seen(archive, f"{A}:sample") == {"Anguilla anguilla": "0", "Cancer pagurus": "1", "Gadus morhua": "4"}


def test_what_an_earlier_run_found_is_forgotten(archive):
    absent = archive.occurrences[archive.occurrences["eventID"] == f"{B}:sample"]
    assert set(absent["scientificName"]) == {"Anguilla anguilla", "Cancer pagurus", "Gadus morhua"}
    assert set(absent["occurrenceStatus"]) == {"absent"}


def test_the_model_is_counted_apart_from_people(archive):
    assert seen(archive, f"{A}:sample", "PredictedByMachine") == {"Cancer pagurus": "1", "Gadus morhua": "3"}


def test_nothing_is_absent_where_the_model_did_not_look(archive):
    assert seen(archive, f"{B}:sample", "PredictedByMachine") == {}


def test_nothing_is_absent_that_nobody_was_asked_for(reef, dataset, tmp_path):
    made = write(reef, tmp_path / "unasked.zip", dataset=dataset)
    assert set(made.occurrences["occurrenceStatus"]) == {"present"}
    assert made.report.codes()["ABSENCES_UNKNOWN"] == 1


def test_labels_that_are_no_taxa_never_become_occurrences(archive):
    assert not archive.occurrences["verbatimIdentification"].isin(["Nothing here", "Stone"]).any()


def test_periods_have_counts_of_their_own(binned):
    assert seen(binned, f"{A}:0-10s") == {"Anguilla anguilla": "0", "Cancer pagurus": "1", "Gadus morhua": "2"}
    assert seen(binned, f"{A}:10-20s") == {"Anguilla anguilla": "0", "Cancer pagurus": "0", "Gadus morhua": "4"}


def test_an_animal_on_a_border_is_counted_in_the_later_period(binned):
    assert seen(binned, f"{A}:10-20s", "PredictedByMachine") == {"Cancer pagurus": "0", "Gadus morhua": "1"}
    assert seen(binned, f"{A}:20-30s", "PredictedByMachine") == {"Cancer pagurus": "1", "Gadus morhua": "3"}


def test_periods_end_where_the_sampling_window_does(binned):
    rows = binned.events.set_index("eventID")
    assert rows.loc[f"{B}:0-10s", "sampleSizeValue"] == "5"
    assert rows.loc[f"{B}:10-20s", "sampleSizeValue"] == "10"


def test_a_frame_at_29_97_frames_a_second_falls_into_its_period(binned):
    effort = binned.events.set_index("eventID")["samplingEffort"]
    assert effort[f"{B}:0-10s"] == "1 frame by volunteers"


def test_periods_at_which_nobody_looked_are_no_events(binned):
    assert f"{B}:20-30s" not in set(binned.events["eventID"])


def test_a_clip_across_periods_is_told(binned):
    assert [f.value for f in binned.report if f.code == "CLIP_ACROSS_EVENTS"] == ["1"]


def test_the_time_of_day_makes_an_interval_of_the_sample(archive):
    dates = archive.events.set_index("eventID")["eventDate"]
    assert dates[f"{A}:sample"] == "2025-05-12T10:00:00+02:00/2025-05-12T10:01:00+02:00"
    assert dates[f"{B}:sample"] == "2025-05-14"
    assert dates["S-2025"] == "2025-05-12/2025-05-14"


def test_place_date_depth_and_protocol_are_repeated_on_every_child(archive):
    repeated = ["decimalLatitude", "decimalLongitude", "geodeticDatum", "countryCode", "minimumDepthInMeters"]
    rows = archive.events.set_index("eventID")[[*repeated, "samplingProtocol", "locality"]]
    assert rows.loc[f"{A}:sample"].tolist() == rows.loc[A].tolist()
    assert rows.loc[A, repeated].tolist() == ["58.5", "11.25", "EPSG:4326", "SE", "10"]
    assert set(rows["samplingProtocol"]) == {"Baited camera"}


def test_a_survey_encloses_its_deployments(archive):
    survey = archive.events.iloc[0]
    assert survey["footprintWKT"] == "MULTIPOINT ((11.25 58.5), (11.5 58.7))"
    assert (survey["minimumDepthInMeters"], survey["maximumDepthInMeters"]) == ("10", "30")
    assert 13_000 < float(survey["coordinateUncertaintyInMeters"]) < 14_000
    assert survey["locality"] == ""


def test_what_people_saw_in_a_movie_is_a_machines_observation_too(archive):
    assert set(archive.occurrences["basisOfRecord"]) == {"MachineObservation"}


def test_who_identified_is_told(archive):
    rows = archive.occurrences.drop_duplicates("identificationVerificationStatus")
    who = dict(zip(rows["identificationVerificationStatus"], rows["identifiedBy"], strict=True))
    assert who == {"ValidatedByHuman": "Zooniverse volunteers (3)", "PredictedByMachine": "yolo-1 (yolo11n)"}


def test_max_n_its_time_and_the_first_arrival_are_measured(archive):
    assert measured(archive, f"{A}:sample", "Gadus morhua") == [
        ["MaxN", "4"],
        ["Time of first arrival", "4"],
        ["Share of volunteers who named the taxon", "1"],
        ["MaxN", "3"],
        ["Time of first arrival", "18"],
        ["Time of MaxN", "20"],
        ["Frame number of MaxN", "500"],
        ["Highest confidence of the model", "0.9"],
    ]


def test_absent_taxa_have_no_measurements(archive):
    assert measured(archive, f"{A}:sample", "Anguilla anguilla") == []


def test_the_effort_of_each_event_is_measured(archive):
    rows = archive.measurements[archive.measurements["occurrenceID"] == ""]
    told = rows.loc[rows["eventID"] == f"{A}:sample", ["measurementType", "measurementValue"]].values.tolist()
    assert told == [
        ["Clips examined by volunteers", "3"],
        ["Footage examined by volunteers", "30"],
        ["Frames examined by volunteers", "1"],
        ["Frames examined by a model", "30"],
    ]


def test_only_addresses_on_the_web_are_published(archive):
    media = archive.occurrences.drop_duplicates("eventID").set_index("eventID")["associatedMedia"]
    assert media.to_dict() == {f"{A}:sample": "https://example.org/a.mp4", f"{B}:sample": ""}


def test_the_movies_and_the_clips_that_people_saw_are_media(archive):
    films = archive.media[archive.media["ac:derivedFrom"].eq("") & archive.media["ac:isROIOf"].eq("")]
    assert films[["eventID", "ac:accessURI"]].values.tolist() == [[A, "https://example.org/a.mp4"], [B, ""]]
    clips = archive.media[archive.media["ac:derivedFrom"] != ""]
    assert clips["dcterms:identifier"].tolist() == [f"{A}:movie:clip:{n}" for n in (11, 12, 13)] + [
        f"{B}:movie:clip:14"
    ]


def test_clips_across_periods_are_no_media_of_a_period(binned):
    clips = binned.media[binned.media["ac:derivedFrom"] != ""]
    assert dict(zip(clips["dcterms:identifier"], clips["eventID"], strict=True)) == {
        f"{A}:movie:clip:11": f"{A}:0-10s",
        f"{A}:movie:clip:12": f"{A}:10-20s",
        f"{B}:movie:clip:14": f"{B}:10-20s",
    }


def test_the_boxes_of_the_deciding_frame_point_to_their_count(archive):
    boxes = archive.media[archive.media["ac:isROIOf"] != ""]
    counted = archive.occurrences.set_index("occurrenceID")
    for occurrence, rows in boxes.groupby("ac:associatedObservationReference"):
        assert len(rows) == int(counted.loc[occurrence, "individualCount"])
        assert set(rows["dwc:scientificName"]) == {counted.loc[occurrence, "scientificName"]}
    told = boxes[["dwc:identifiedBy", "ac:startTime", "ac:widthFrac"]].drop_duplicates().values.tolist()
    assert told == [
        ["Zooniverse volunteers (3)", "4", "0.1"],
        ["yolo-1 (yolo11n)", "22", "0.1"],
        ["yolo-1 (yolo11n)", "20", "0.1"],
    ]


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("COORDINATES_MISSING", "nowhere.mp4"),
        ("BAD_DEPLOYMENT", "bad.mp4"),
        ("RECORDED_DATE_INVALID", "undated.mp4"),
        ("MOVIE_NOT_LOOKED_AT", "unseen.mp4"),
        ("LABEL_WITHOUT_SPECIES", "Stone"),
        ("LABEL_NOT_A_TAXON", "Nothing here"),
        ("LABEL_IN_DOUBT", "1"),
    ],
)
def test_what_is_not_published_is_told(archive, code, value):
    assert [f.value for f in archive.report if f.code == code] == [value]


def test_movies_that_are_not_published_leave_no_trace_in_the_tables(archive):
    with zipfile.ZipFile(archive.path) as opened:
        for name in ("event.csv", "occurrence.csv", "extendedmeasurementorfact.csv"):
            text = opened.read(name).decode()
            assert not any(word in text for word in ("nowhere", "bad.mp4", "undated", "unseen"))


def test_equal_input_gives_equal_bytes(reef, dataset, model, tmp_path, archive):
    again = write(reef, tmp_path / "again.zip", dataset=dataset, detections=model, asked_in_clips=ASKED)
    assert again.sha256 == archive.sha256
    assert again.path.read_bytes() == archive.path.read_bytes()


def test_an_occurrence_keeps_its_id_when_what_is_known_of_it_changes(reef, dataset, tmp_path, archive):
    reef.upsert("species", pd.DataFrame({"vernacularName": ["Crab"], "scientificNameID": ["urn:x"]}), "vernacularName")
    boxes = reef.read("agg_annotations_frame", ["id", "agreed"]).assign(agreed=False)
    reef.upsert("agg_annotations_frame", boxes, "id")
    again = write(reef, tmp_path / "again.zip", dataset=dataset, asked_in_clips=ASKED)
    assert set(again.occurrences["occurrenceID"]) < set(archive.occurrences["occurrenceID"])


def test_no_two_occurrences_bear_one_id(archive, binned):
    ids = pd.concat([archive.occurrences["occurrenceID"], binned.occurrences["occurrenceID"]])
    assert ids.is_unique


def test_text_from_another_planet_survives(archive):
    locality = read_back(archive.path)[f"{A}:sample"][0]["locality"]
    assert locality == "Reef " + PLANET.replace("\n", " ")


def test_the_tables_are_plain_csv(archive):
    with zipfile.ZipFile(archive.path) as opened:
        rows = list(csv.DictReader(io.StringIO(opened.read("event.csv").decode())))
    assert [row["eventID"] for row in rows] == archive.events["eventID"].tolist()


def test_the_description_is_that_of_the_settings(archive):
    with zipfile.ZipFile(archive.path) as opened:
        root = ET.fromstring(opened.read("eml.xml"))  # noqa: S314 - our own
    told = {name: root.findtext(f"dataset/{name}") for name in ("title", "pubDate", "language")}
    assert told["title"] == "Fish of a reef"
    assert root.findtext("dataset/creator/individualName/surName") == "Lovelace"
    assert root.findtext("dataset/contact/electronicMailAddress") == "ada@example.org"
    assert root.find("dataset/intellectualRights/para/ulink").get("url").endswith("/by/4.0/legalcode")
    assert root.findtext("dataset/coverage/temporalCoverage/rangeOfDates/endDate/calendarDate") == "2025-05-14"
    assert [e.text for e in root.iter("taxonRankValue")] == ["Anguilla anguilla", "Cancer pagurus", "Gadus morhua"]
    assert told["language"] == "en"


def test_the_runs_behind_the_archive_are_named(archive):
    with zipfile.ZipFile(archive.path) as opened:
        told = json.loads(opened.read("provenance.json"))
    assert [(run["table"], run["id"]) for run in told["runs"]] == [("agg_runs", 2), ("agg_runs", 3), ("model_runs", 9)]
    assert told["params"] == {"events": "movie", "bin_s": None}
    assert "kso_utils" in told["versions"]


def test_nothing_is_written_without_a_licence(reef, dataset, tmp_path):
    unlicensed = dataclasses.replace(dataset, licence="")
    with pytest.raises(ConfigError, match=r"publish\.licence"):
        write(reef, tmp_path / "no.zip", dataset=unlicensed)
    assert not (tmp_path / "no.zip").exists()


def test_nothing_is_written_where_nothing_can_be_published(reef, dataset, tmp_path):
    reef.upsert("sites", pd.DataFrame({"id": [1, 2], "decimalLatitude": None, "decimalLongitude": None}), "id")
    with pytest.raises(MetadataError, match="nothing to publish") as caught:
        write(reef, tmp_path / "no.zip", dataset=dataset)
    assert caught.value.report.codes()["COORDINATES_MISSING"] == 5
    assert not (tmp_path / "no.zip").exists()


def test_a_movies_own_event_id_is_kept(reef, dataset, tmp_path):
    reef.upsert("movies", pd.DataFrame({"filename": ["a.mp4"], "eventID": ["urn:a"]}), "filename")
    made = write(reef, tmp_path / "own.zip", dataset=dataset)
    assert {"urn:a", "urn:a:sample"} < set(made.events["eventID"])


def test_two_events_of_one_id_are_refused(reef, dataset, tmp_path):
    reef.upsert("movies", pd.DataFrame({"filename": ["a.mp4"], "eventID": ["S-2025"]}), "filename")
    with pytest.raises(ConfigError, match="S-2025"):
        write(reef, tmp_path / "twice.zip", dataset=dataset)


@pytest.mark.parametrize(
    ("events", "bin_s", "says"),
    [("bin", None, "bin_s is None"), ("bin", 0, "bin_s is 0"), ("movie", 5, "events='bin'"), ("day", None, "'day'")],
)
def test_arguments_that_make_no_sense_are_refused(reef, dataset, tmp_path, events, bin_s, says):
    with pytest.raises(ConfigError, match=says):
        write(reef, tmp_path / "no.zip", events, bin_s, dataset=dataset)


def test_boxes_of_a_movie_without_a_rate_are_told(reef, dataset, tmp_path):
    reef.upsert(
        "movies", pd.DataFrame({"filename": ["a.mp4"], "fps": [None], "fps_num": [None], "fps_den": [None]}), "filename"
    )
    made = write(reef, tmp_path / "slow.zip", dataset=dataset)
    assert made.report.codes()["BOX_WITHOUT_TIME"] == 1
    assert seen(made, f"{A}:sample") == {"Gadus morhua": "4"}


def test_a_movie_whose_length_is_not_known_is_one_sample_without_size(reef, dataset, tmp_path):
    unknown = {"filename": ["a.mp4"], "duration_s": [None], "sampling_end_s": [None]}
    reef.upsert("movies", pd.DataFrame(unknown), "filename")
    made = write(reef, tmp_path / "open.zip", dataset=dataset)
    sample = made.events.set_index("eventID").loc[f"{A}:sample"]
    assert (sample["sampleSizeValue"], sample["eventDate"]) == ("", "2025-05-12T10:00:00+02:00")
    assert seen(made, f"{A}:sample")["Gadus morhua"] == "4"


def test_a_movie_whose_length_is_not_known_cannot_be_cut_into_periods(reef, dataset, tmp_path):
    reef.upsert("movies", pd.DataFrame({"filename": ["a.mp4"], "sampling_end_s": [None]}), "filename")
    made = write(reef, tmp_path / "open.zip", "bin", 10, dataset=dataset)
    assert [f.value for f in made.report if f.code == "DURATION_MISSING"] == ["a.mp4"]


def test_a_site_at_zero_zero_is_not_published(reef, dataset, tmp_path):
    reef.upsert("sites", pd.DataFrame({"id": [2], "decimalLatitude": [0.0], "decimalLongitude": [0.0]}), "id")
    made = write(reef, tmp_path / "zero.zip", dataset=dataset)
    assert [f.value for f in made.report if f.code == "ZERO_COORDINATE"] == ["b.mp4"]


def test_the_contact_is_another_person_where_one_is_named(reef, dataset, tmp_path):
    other = dataclasses.replace(dataset, contact=Person("Grace Hopper", "grace@example.org"), rights_holder="ODF")
    made = write(reef, tmp_path / "contact.zip", dataset=other)
    with zipfile.ZipFile(made.path) as opened:
        root = ET.fromstring(opened.read("eml.xml"))  # noqa: S314 - our own
    assert root.findtext("dataset/contact/individualName/surName") == "Hopper"
    assert root.findtext("dataset/associatedParty/organizationName") == "ODF"
    assert set(made.events["rightsHolder"]) == {"ODF"}


def test_measurements_bear_identifiers_of_nerc(archive):
    rows = archive.measurements.drop_duplicates("measurementType").set_index("measurementType")
    assert rows.loc["MaxN", "measurementTypeID"] == "http://vocab.nerc.ac.uk/collection/P01/current/OCOUNT01/"
    assert rows.loc["Time of MaxN", "measurementUnitID"] == "http://vocab.nerc.ac.uk/collection/P06/current/UTBB/"


def test_every_column_is_a_term_that_the_reader_knows(archive):
    with DwCAReader(archive.path) as reader:
        assert qualname("eventID") in reader.descriptor.core.terms
        assert {e.type for e in reader.descriptor.extensions} == {qualname("Occurrence"), MEASURE, MEDIA}


def test_missing_numbers_are_empty_text(archive):
    assert not archive.measurements.isin([np.nan, "nan", "None", "<NA>"]).any().any()
    assert not archive.occurrences.isin([np.nan, "nan", "None", "<NA>"]).any().any()
    assert not archive.media.isin([np.nan, "nan", "None", "<NA>"]).any().any()
    assert not archive.events.isin([np.nan, "nan", "None", "<NA>"]).any().any()


def test_boxes_outside_the_sampling_window_are_told(reef, dataset, model, tmp_path):
    reef.upsert("movies", pd.DataFrame({"filename": ["a.mp4"], "sampling_end_s": [21.0]}), "filename")
    made = write(reef, tmp_path / "short.zip", dataset=dataset, detections=model)
    assert [f.value for f in made.report if f.code == "BOX_OUTSIDE_WINDOW"] == ["1"]
    # Nor is the crab absent for the model: people agreed that it was there.
    assert seen(made, f"{A}:sample", "PredictedByMachine") == {"Gadus morhua": "3"}
