"""A whole project published: what the archive says, what the check finds, and when nothing is published."""

import dataclasses
import gzip
import json
import sqlite3
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from dwca.read import DwCAReader

from kso_utils.cli import main
from kso_utils.core.errors import ConfigError, NotFound
from kso_utils.demo import make_fixture
from kso_utils.project import steps
from kso_utils.project.opening import Project
from kso_utils.project.settings import PersonSettings, PublishSettings, TaxonomySettings
from kso_utils.project.steps.publishing import find_offered, read_detections
from kso_utils.store import queries
from kso_utils.testing.worms import COD, FIRST_INVENTED, make_record, serve_worms

TOLD = PublishSettings(
    "Fish of a generated reef",
    "Generated movies of an invented sea.",
    "CC-BY-4.0",
    creator=PersonSettings("Ada Lovelace", "ada@example.org"),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished project that says what its data are; nobody changes it."""
    folder = make_fixture(tmp_path_factory.mktemp("finished") / "project")
    with Project.open(folder) as project:
        project.change_settings(publish=TOLD)
    return folder


@pytest.fixture(scope="module")
def publication(finished):
    with Project.open(finished) as project:
        return steps.publish(project)


@pytest.fixture
def project(finished, tmp_path):
    """A copy of one's own, without the large files."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("kso.db", "project.toml", "sites.csv", "movies.csv", "species.csv"):
        (folder / name).write_bytes((finished / name).read_bytes())
    for source in (*finished.glob("exports/*.csv"), *finished.glob("detections/*/*")):
        target = folder / source.relative_to(finished)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    with Project.open(folder) as opened:
        yield opened


def test_the_archive_passes_the_check(publication):
    assert [f for f in publication.findings if f.severity == "error"] == []
    assert publication.ok


def test_every_row_is_attached_to_its_event(publication):
    with DwCAReader(publication.archive.path) as reader:
        attached = [len(row.extensions) for row in reader]
    made = publication.archive
    assert len(attached) == len(made.events) == 6
    assert sum(attached) == len(made.occurrences) + len(made.measurements) + len(made.media)


def test_people_are_counted_as_the_agreed_boxes_and_clips_tell(publication, finished):
    with Project.open(finished) as project:
        boxes, clips = queries.agreed_boxes(project.store), queries.agreed_clips(project.store)
    most = {}
    for row in boxes.groupby(["filename", "frame_number", "label"]).size().reset_index(name="n").to_dict("records"):
        key = (row["filename"], row["label"])
        most[key] = max(most.get(key, 0), row["n"])
    for row in clips.to_dict("records"):
        key = (row["filename"], row["label"])
        most[key] = max(most.get(key, 1), int(row["how_many"]))
    rows = publication.archive.occurrences
    rows = rows[
        (rows["identificationVerificationStatus"] == "ValidatedByHuman") & (rows["occurrenceStatus"] == "present")
    ]
    ours = {
        (row["eventID"].split(":")[1], row["verbatimIdentification"]): int(row["individualCount"])
        for row in rows.to_dict("records")
    }
    assert ours == most


def test_a_model_that_found_nothing_gives_absences_of_its_classes_except_where_people_saw_them(publication):
    rows = publication.archive.occurrences
    by_model = rows["identificationVerificationStatus"] == "PredictedByMachine"
    agreed = rows[~by_model & (rows["occurrenceStatus"] == "present")]
    rows = rows[by_model]
    assert set(rows["occurrenceStatus"]) == {"absent"}
    assert len(rows) == 3 * 3 - len(agreed)
    both = rows.merge(agreed, on=["eventID", "scientificName"])
    assert both.empty
    assert publication.archive.report.codes()["ABSENCE_REFUTED"] == 1


def test_the_model_is_named_with_its_software_and_weights(publication):
    rows = publication.archive.occurrences.set_index("identificationVerificationStatus")
    row = rows.loc["PredictedByMachine"].iloc[0]
    assert row["identifiedBy"].startswith("yolo11n-")
    assert "kso_utils 0" in row["identificationReferences"]
    assert "weights sha256" in row["identificationReferences"]


def test_the_runs_and_the_files_behind_them_are_named(publication):
    with zipfile.ZipFile(publication.archive.path) as opened:
        told = json.loads(opened.read("provenance.json"))
    assert [run["kind"] for run in told["runs"]] == ["clip", "frame", "detect"]
    assert set(told["runs"][2]["parts"]) == {"1", "2", "3"}


def test_volunteers_were_asked_for_what_the_workflow_offered(finished):
    with Project.open(finished) as project:
        assert find_offered(project, "clip") == ["Atlantic cod", "Edible crab", "Moon jellyfish", "Nothing here"]
        assert find_offered(project, "frame") == ["Atlantic cod", "Edible crab", "Moon jellyfish"]


def test_without_the_exports_it_is_not_known_what_was_asked_for(project):
    for file in (project.folder / "exports").glob("workflows*"):
        file.unlink()
    assert find_offered(project, "clip") == []


def test_exports_that_were_downloaded_tell_as_well_what_was_asked_for(project, tmp_path):
    asked = find_offered(project, "clip")
    (project.folder / "exports").rename(tmp_path / "downloaded")
    for file in (tmp_path / "downloaded").glob("workflows*"):
        file.with_name("from_a_browser.csv.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    steps.pull(project, None, tmp_path / "downloaded")
    assert asked
    assert find_offered(project, "clip") == asked


def test_the_frames_of_the_model_are_every_nth(finished):
    with Project.open(finished) as project:
        seen = read_detections(project)
    assert seen.looked_frames[["movie_id", "first_s", "step_s", "frames"]].values.tolist() == [
        [1, 0.0, 0.4, 15],
        [2, 0.0, 0.4, 15],
        [3, 0.0, 0.4, 15],
    ]


def test_a_detection_run_can_be_chosen(project):
    with pytest.raises(NotFound, match="99"):
        steps.publish(project, run_id=99)


def test_people_alone_can_be_published(project):
    with sqlite3.connect(project.folder / "kso.db") as connection:
        connection.execute("UPDATE model_runs SET state = 'failed' WHERE kind = 'detect'")
    made = steps.publish(project).archive
    assert set(made.occurrences["identificationVerificationStatus"]) == {"ValidatedByHuman"}


def test_classifications_that_the_consensus_does_not_know_stop_it(project):
    row = project.store.read("classifications").iloc[:1].assign(id=10**6, user="late")
    mark = project.store.read("annotations").iloc[:1].assign(id=10**6, classification_id=10**6)
    project.store.upsert("classifications", row, "id")
    project.store.upsert("annotations", mark, "id")
    with pytest.raises(ConfigError, match="kso aggregate"):
        steps.publish(project)


def test_nothing_is_published_before_the_settings_say_what_it_is(project):
    project.change_settings(publish=PublishSettings())
    with pytest.raises(ConfigError, match=r"publish\.title.*publish\.licence.*publish\.creator"):
        steps.publish(project)
    assert not (project.folder / "published").exists()


def test_the_project_stands_in_for_a_data_set_without_an_id(project, publication):
    assert publication.archive.path.name == "project.zip"
    project.change_settings(publish=dataclasses.replace(TOLD, dataset_id="10.5072/reef"))
    made = steps.publish(project).archive
    assert made.path == project.folder / "published" / "10.5072_reef.zip"
    assert made.occurrences["occurrenceID"].str.startswith("10.5072/reef:").all()


def test_the_command_publishes_periods(project, capsys, tmp_path):
    out = tmp_path / "bins.zip"
    asked = ["publish", "darwincore", "--events", "bin", "--bin", "3", "--out", str(out), "--json"]
    assert main([*asked, "--project", str(project.folder)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["path"], told["events"]) == (str(out), 9)
    assert {f["severity"] for f in told["findings"]} <= {"warning", "info"}


def test_the_command_says_what_is_missing_in_one_sentence(project, capsys):
    project.change_settings(publish=PublishSettings())
    assert main(["publish", "darwincore", "--project", str(project.folder)]) == 1
    assert capsys.readouterr().err.startswith("kso: Nothing is published without a description")


def test_a_second_archive_has_the_same_bytes(publication, project):
    again = steps.publish(project).archive
    assert again.sha256 == publication.archive.sha256


def test_a_site_without_position_is_told_and_left_out(project):
    sites = pd.DataFrame({"id": [1], "decimalLatitude": [None], "decimalLongitude": [None]})
    project.store.upsert("sites", sites, "id")
    made = steps.publish(project, Path(project.folder) / "two.zip").archive
    assert [f.value for f in made.report if f.code == "COORDINATES_MISSING"] == ["torskgrundet_01.mp4"]
    assert not made.events["eventID"].str.contains("torskgrundet").any()


def test_taxa_are_those_that_the_register_accepts(project):
    with serve_worms([COD, make_record(FIRST_INVENTED, "Cancer pagurus")]) as register:
        project.change_settings(taxonomy=TaxonomySettings(register.url))
        steps.match_taxa(project)
    made = steps.publish(project).archive
    ids = dict(zip(made.occurrences["scientificName"], made.occurrences["scientificNameID"], strict=True))
    assert ids == {
        "Gadus morhua": "urn:lsid:marinespecies.org:taxname:126436",
        "Cancer pagurus": f"urn:lsid:marinespecies.org:taxname:{FIRST_INVENTED}",
    }
    assert [f.value for f in made.report if f.code == "TAXON_NOT_PUBLISHABLE"] == ["Moon jellyfish"]


def test_the_command_publishes_camera_trap_data(project, capsys, tmp_path):
    asked = ["publish", "camtrapdp", "--out", str(tmp_path / "traps"), "--json", "--project", str(project.folder)]
    assert main(asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["folder"] == str(tmp_path / "traps")
    tables = {
        name: pd.read_csv(tmp_path / "traps" / f"{name}.csv") for name in ("deployments", "media", "observations")
    }
    assert {name: len(table) for name, table in tables.items()} == {name: told[name] for name in tables}
    assert set(tables["observations"]["deploymentID"]) <= set(tables["deployments"]["deploymentID"])
    # The model found nothing, but people saw animals in every movie: none of them is blank.
    assert set(tables["observations"]["classificationMethod"]) == {"human"}


def test_camera_trap_data_go_into_the_folder_of_what_is_published(project):
    made = steps.publish_camtrapdp(project)
    assert made.folder.parent == project.folder / "published"
    assert (made.folder / "datapackage.json").exists()


def test_periods_are_refused_for_camera_trap_data(project, capsys):
    assert main(["publish", "camtrapdp", "--bin", "3", "--project", str(project.folder)]) == 1
    assert "leave out --events and --bin" in capsys.readouterr().err
