from functools import partial

import pandas as pd
import pytest

from kso_utils.core.errors import MetadataError, ZooniverseError
from kso_utils.core.report import Report
from kso_utils.store.engine import open_store
from kso_utils.store.rows import Counts
from kso_utils.zooniverse import origins
from kso_utils.zooniverse.exports import read_exports
from kso_utils.zooniverse.matching.movie_names import MovieNames
from kso_utils.zooniverse.matching.origin import Known
from kso_utils.zooniverse.pulls import pull
from kso_utils.zooniverse.retrieval import intake
from kso_utils.zooniverse.sandbox import Fault, drawing_task, simulate, survey_task
from kso_utils.zooniverse.uploads import upload
from kso_utils.zooniverse.workflows import TaskMap


def add_workflow(session, project, tasks, subject_set="Clips", name="Species"):
    body = {"display_name": name, "tasks": tasks.tasks, "strings": tasks.strings, "links": {"project": project}}
    workflow = session.push("/workflows", {"workflows": body})["workflows"][0]["id"]
    session.link_set(workflow, session.find_subject_set(project, subject_set))
    return int(workflow)


def says(*choices):
    value = [{"choice": c, "answers": a, "filters": {}} for c, a in choices]
    return [{"task": "T0", "value": value}]


@pytest.fixture
def classified(server, session, project, store, clips):
    """Three clips in which two people saw a cod, and one nothing."""
    upload(session, store, clips(3), "Clips", project_id=project)
    workflow = add_workflow(session, project, survey_task(["Atlantic cod", "Nothing here"]))

    def answer(subject, person):
        if person == 2:
            return says(("NOTHINGHERE", {}))
        return says(("ATLANTICCOD", {"HOWMANY": "2", "FIRSTSEEN": f"{person}S"}))

    simulate(server, workflow, answer, people=3)
    return workflow


@pytest.fixture
def fetch(session, project, store, tmp_path, monkeypatch):
    """Return a function that pulls, asks often whether an export is ready, and waits 20 s at most."""
    monkeypatch.setattr(session, "await_export", partial(session.await_export, poll_s=0.02))
    return lambda **more: pull(session, store, project, tmp_path / "exports", timeout_s=20, **more)


def test_everything_arrives(classified, fetch, store):
    pulled = fetch()
    assert pulled.report.ok
    assert pulled.counts == {
        "subjects": Counts(0, 3, 0),
        "subject_workflows": Counts(3, 0, 0),
        "classifications": Counts(9, 0, 0),
        "annotations": Counts(9, 0, 0),
    }
    rows = store.read("annotations", order_by="id")
    assert rows.label.value_counts(dropna=False).to_dict() == {"Atlantic cod": 6, None: 3}
    cod = rows[rows.label == "Atlantic cod"]
    assert set(cod.labels_from) == {"workflow"}
    assert set(cod.how_many) == {2.0}
    assert set(cod.first_seen_s) == {0.0, 1.0}
    assert set(store.read("classifications").user) == {"volunteer_01", "volunteer_02", "volunteer_03"}


def test_subjects_keep_their_origin(classified, fetch, store):
    columns = ["id", "movie_id", "clip_start_time", "clip_end_time", "subject_type", "sha256", "upload_state"]
    before = store.read("subjects", columns, order_by="id")
    fetch()
    pd.testing.assert_frame_equal(before, store.read("subjects", columns, order_by="id"))
    assert store.read("subjects").https_location.str.startswith("http").all()


def test_a_new_store_learns_the_origin_from_the_metadata(classified, session, project, store, tmp_path):
    with open_store(tmp_path / "other.sqlite") as other:
        for table in ("sites", "movies", "species"):
            other.upsert(table, store.read(table), "id")
        pulled = pull(session, other, project, tmp_path / "exports")
        columns = ["id", "movie_id", "clip_start_time", "clip_end_time", "subject_type", "subject_set_id"]
        there = other.read("subjects", columns, order_by="id")
    assert not {"NO_MOVIE", "UNKNOWN_REFERENCE"} & pulled.report.codes().keys()
    pd.testing.assert_frame_equal(there, store.read("subjects", columns, order_by="id"))


def test_the_same_again_changes_nothing(classified, fetch, store):
    fetch()
    tables = {name: store.read(name) for name in ("subjects", "classifications", "annotations")}
    again = fetch()
    assert all((c.inserted, c.updated) == (0, 0) for c in again.counts.values())
    for name, table in tables.items():
        pd.testing.assert_frame_equal(store.read(name), table)


def test_files_are_kept_with_their_sum(classified, fetch, tmp_path):
    report = fetch().report
    sums = {f.table: f.value for f in report if f.code == "EXPORT_FETCHED"}
    assert sorted(sums) == sorted(p.name for p in (tmp_path / "exports").iterdir())
    assert all(name.endswith(f"_{digest[:12]}.csv") for name, digest in sums.items())
    assert len(read_exports(tmp_path / "exports").classifications) == 9


def test_a_file_that_is_here_already_is_not_kept_twice(classified, fetch, tmp_path):
    fetch()
    fetch()
    names = [path.name.split("_")[0] for path in (tmp_path / "exports").iterdir()]
    assert names.count("workflows") == 1


def test_boxes_come_with_their_frame_and_place(server, session, project, store, clips, fetch):
    upload(session, store, clips(1), "Clips", project_id=project)
    workflow = add_workflow(session, project, drawing_task(["Cod", "Crab"]))
    box = {"x": 1.5, "y": 2, "width": 30, "height": 40, "frame": 0, "details": []}
    marks = {
        0: [{**box, "tool": 1}],
        1: [{**box, "toolIndex": 0, "toolType": "rectangle"}, {**box, "toolIndex": 1, "toolType": "rectangle"}],
        2: [],
    }
    simulate(server, workflow, lambda _, person: [{"task": "T0", "value": marks[person]}], people=3)
    fetch()
    rows = store.read("annotations")
    assert rows.label.value_counts(dropna=False).to_dict() == {"Crab": 2, "Cod": 1, None: 1}
    assert set(rows["shape"].dropna()) == {"rectangle"}
    assert rows[["x", "y", "width", "height"]].dropna().drop_duplicates().to_numpy().tolist() == [[1.5, 2, 30, 40]]


def test_a_project_without_classifications(session, project, store, clips, fetch):
    upload(session, store, clips(2), "Clips", project_id=project)
    assert fetch().counts["classifications"] == Counts(0, 0, 0)


def add_subject(session, project, metadata, mime="video/mp4"):
    subject_id, link = session.create_subject(project, mime, metadata)
    session.put_media(link, b"anything", mime)
    set_id = session.find_subject_set(project, "Clips") or session.create_subject_set(project, "Clips")
    session.link_subjects(set_id, [subject_id])
    return subject_id


@pytest.mark.parametrize(
    ("metadata", "code", "column"),
    [
        ({"Site": "Reef"}, "NO_MOVIE", "movie_id"),
        ({"#movie_id": 99}, "UNKNOWN_REFERENCE", "movie_id"),
        ({"#movie_id": 1, "#frame_exp_sp_id": 9}, "UNKNOWN_REFERENCE", "frame_exp_sp_id"),
        ({"#movie_id": 1, "!clip_start_time": 5, "//clip_end_time": 5}, "BAD_CLIP", "clip_start_time"),
        ({"movie_id": "1", "#frame_number": -3}, "BAD_FRAME", "frame_number"),
    ],
)
def test_subjects_that_do_not_match_are_kept_and_listed(session, project, store, fetch, metadata, code, column):
    subject_id = add_subject(session, project, metadata)
    findings = [(f.code, f.column) for f in fetch().report if f.severity == "warning"]
    assert findings == [(code, column)]
    row = store.read("subjects", where={"id": subject_id}).iloc[0]
    assert row["metadata"] == metadata
    assert pd.isna(row[column])


@pytest.mark.parametrize(("mime", "kind"), [("video/mp4", "clip"), ("image/jpeg", "frame")])
def test_foreign_subjects_get_a_type(session, project, store, fetch, mime, kind):
    add_subject(session, project, {"#subject_type": "something"}, mime)
    fetch()
    assert store.read("subjects").subject_type.tolist() == [kind]


def test_classifications_of_subjects_that_are_gone_are_kept_and_listed(classified, session, project, store):
    gone = int(store.read("subjects").id.min())
    session.remove_subject(gone)
    with open_store(store.path.with_name("other.sqlite")) as other:
        pulled = pull(session, other, project, store.path.with_name("elsewhere"))
        assert pulled.report.codes()["UNKNOWN_SUBJECT"] == 1
        assert len(other.read("classifications", where={"subject_id": gone})) == 3


def test_answers_that_mean_nothing_now_are_emptied(classified, fetch, store):
    fetch(tasks=TaskMap(nothing=()))
    fetch(tasks=TaskMap(nothing=("Nothing here",)))
    assert store.read("annotations").label.value_counts(dropna=False).to_dict() == {"Atlantic cod": 6, None: 3}


def test_marks_that_are_no_longer_given_are_emptied(server, session, project, store, clips, fetch):
    upload(session, store, clips(1), "Clips", project_id=project)
    workflow = add_workflow(session, project, survey_task(["Cod", "Sand"]))
    simulate(server, workflow, lambda *_: says(("COD", {}), ("SAND", {})), people=1)
    fetch()
    fetch(tasks=TaskMap(nothing=("Sand",)))
    rows = store.read("annotations", order_by="position")
    assert rows.label.tolist() == ["Cod", None]
    assert pd.isna(rows.raw[1])


NOTHING_KNOWN = Known(MovieNames([]), {})


def subject_row(**columns):
    return {"subject_id": "5", "metadata": "{}", "locations": "{}", **columns}


@pytest.mark.parametrize("damage", [{"metadata": "{"}, {"locations": "[1]"}, {"subject_id": "x"}])
def test_a_damaged_row_of_the_subjects_export_is_named(damage):
    export = pd.DataFrame([subject_row(), subject_row(**damage)])
    with pytest.raises(MetadataError, match="row 3"):
        origins.describe_subjects(export, NOTHING_KNOWN, Report("Pull"))


def test_a_subject_retired_in_one_workflow_keeps_its_reason():
    retired = subject_row(retired_at="2026-01-02 03:04:05 UTC", retirement_reason="consensus")
    rows = origins.describe_subjects(pd.DataFrame([retired, subject_row()]).fillna(""), NOTHING_KNOWN, Report("Pull"))
    assert rows[["retired_at", "retirement_reason"]].values.tolist() == [["2026-01-02T03:04:05Z", "consensus"]]


def test_a_failure_leaves_the_store_as_it_was(classified, fetch, store, monkeypatch):
    before = store.read("subjects")
    monkeypatch.setattr(intake.Intake, "finish", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fetch()
    assert store.read("classifications").empty
    pd.testing.assert_frame_equal(store.read("subjects"), before)


def test_an_unknown_project_is_an_error_at_once(session, store, tmp_path):
    with pytest.raises(ZooniverseError, match="99"):
        pull(session, store, 99, tmp_path / "exports")


@pytest.mark.usefixtures("no_waiting")
def test_broken_downloads_are_tried_again(classified, server, fetch):
    server.faults += [Fault("GET /blob/", 0, 1), Fault("GET /blob/", 503, 1), Fault("POST .*_export$", 503, 1)]
    assert fetch().counts["classifications"] == Counts(9, 0, 0)


@pytest.mark.usefixtures("no_waiting")
def test_a_stopped_sandbox_gives_one_sentence(classified, server, fetch, store):
    server.close()
    with pytest.raises(ZooniverseError, match="sandbox must be running"):
        fetch()
    assert store.read("classifications").empty
