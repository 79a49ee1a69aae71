from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kso_utils.core.errors import ConfigError, MetadataError, QuotaExceeded, StoreBusy, ZooniverseError
from kso_utils.core.report import Report
from kso_utils.zooniverse import sandbox
from kso_utils.zooniverse.delivery.media_checks import FRAME_BYTES
from kso_utils.zooniverse.sandbox import Fault
from kso_utils.zooniverse.session import connect
from kso_utils.zooniverse.subjects import KEY
from kso_utils.zooniverse.uploads import upload
from tests.zooniverse.uploading import all_subjects, assert_each_is_there_once


def test_every_subject_arrives_once_in_its_set(session, project, store, clips):
    planned = clips(7)
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


def test_rows_in_the_store_say_where_subjects_come_from(session, project, store, clips):
    states = upload(session, store, clips(2), "Clips", project_id=project)
    row = store.read("subjects", where={"id": int(states.subject_id[1])}).iloc[0]
    assert row[["subject_type", "movie_id", "clip_start_time", "clip_end_time"]].tolist() == ["clip", 2, 10, 20]
    assert row[["upload_state", "subject_set_id"]].tolist() == [
        "verified",
        str(session.find_subject_set(project, "Clips")),
    ]
    assert row["metadata"] == {
        **{"Site": "Reef", "#movie_id": 2, "#clip_start_time": 10, "#clip_end_time": 20, "#subject_type": "clip"},
        KEY: states.key[1],
    }


def test_requests_are_few(session, server, project, store, clips):
    before = server.hits.total()
    upload(session, store, clips(250), "Clips", project_id=project)
    assert server.hits.total() - before <= 2 * 250 + 2 * 3 + 10
    assert server.hits["POST /api/<kind>/<id>/links/<rel>"] == 3


def test_a_second_run_sends_nothing(session, server, project, store, clips):
    planned = clips(5)
    first = upload(session, store, planned, "Clips", project_id=project)
    journal = store.read("upload_journal")
    before = server.hits.total()
    second = upload(session, store, planned, "Clips", project_id=project)
    assert server.hits.total() - before <= 2
    pd.testing.assert_frame_equal(first, second)
    pd.testing.assert_frame_equal(journal, store.read("upload_journal"))


def test_more_subjects_join_the_same_set(session, project, store, clips):
    upload(session, store, clips(3), "Clips", project_id=project)
    planned = clips(6)
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


def test_the_same_subject_twice_in_a_plan_is_one(session, project, store, clips):
    planned = pd.concat([clips(2), clips(1)], ignore_index=True)
    states = upload(session, store, planned, "Clips", project_id=project)
    assert states.subject_id[0] == states.subject_id[2]
    assert len(all_subjects(session, project)) == 2


def test_a_lost_journal_does_not_double_a_set(session, project, store, clips, tmp_path):
    planned = clips(4)
    first = upload(session, store, planned, "Clips", project_id=project)
    from kso_utils.store.engine import open_store

    with open_store(tmp_path / "other.sqlite") as empty:
        for table in ("sites", "movies", "species"):
            empty.upsert(table, store.read(table), "id")
        second = upload(session, empty, planned, "Clips", project_id=project)
        assert_each_is_there_once(session, project, empty, planned, second)
    assert first.subject_id.tolist() == second.subject_id.tolist()


def test_a_journal_from_an_older_copy_does_not_double_a_set(session, project, store, clips):
    planned = clips(4)
    first = upload(session, store, planned, "Clips", project_id=project)
    store.remove("upload_journal", {"key": first.key[:3].tolist()})
    second = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, second)
    assert first.subject_id.tolist() == second.subject_id.tolist()


def test_a_set_that_lost_as_many_as_the_journal_is_not_doubled(session, project, store, clips):
    planned = clips(6)
    first = upload(session, store, planned, "Clips", project_id=project)
    store.remove("upload_journal", {"key": first.key[:3].tolist()})
    for number in first.subject_id[3:]:
        session.remove_subject(number)
    second = upload(session, store, planned[:3], "Clips", project_id=project)
    assert first.subject_id[:3].tolist() == second.subject_id.tolist()
    assert len(all_subjects(session, project)) == 3


def test_what_an_earlier_version_left_linked_is_verified_and_not_sent_again(session, server, project, store, clips):
    planned = clips(4)
    first = upload(session, store, planned, "Clips", project_id=project)
    journal = store.read("upload_journal").assign(state="linked", begun_at=None, location=None)
    store.upsert("upload_journal", journal, "key")
    before = server.hits.copy()
    second = upload(session, store, planned, "Clips", project_id=project)
    assert dict(server.hits - before) == {"GET /api/<kind>": 2}
    assert_each_is_there_once(session, project, store, planned, second)
    assert first.subject_id.tolist() == second.subject_id.tolist()
    assert store.read("upload_journal").location.notna().all()


def test_a_set_made_anew_gets_the_same_subjects(session, project, store, clips):
    planned = clips(3)
    first = upload(session, store, planned, "Clips", project_id=project)
    set_id = session.find_subject_set(project, "Clips")
    old = session._answer("GET", f"/subject_sets/{set_id}", {})
    session._answer("DELETE", f"/subject_sets/{set_id}", {"etag": old.headers["ETag"]})
    second = upload(session, store, planned, "Clips", project_id=project)
    assert first.subject_id.tolist() == second.subject_id.tolist()
    assert_each_is_there_once(session, project, store, planned, second)


def test_a_dry_run_sends_and_writes_nothing(server, store, clips):
    before = server.hits.total()
    states = upload(None, store, clips(3), "Clips", dry_run=True, project_id=1)
    assert states.state.tolist() == ["planned"] * 3
    assert server.hits.total() == before
    assert store.read("upload_journal").empty


def test_no_subjects_are_no_work(session, project, store, clips):
    assert upload(session, store, clips(1).iloc[:0], "Clips", project_id=project).empty


def test_the_quota_is_looked_at_first(store, clips):
    with sandbox.serve(subject_limit=3) as running, connect("demo", "demo", running.url) as opened:
        project = opened.push("/projects", {"projects": {"display_name": "Reef"}})["projects"][0]["id"]
        with pytest.raises(QuotaExceeded, match="4 subjects are to be uploaded"):
            upload(opened, store, clips(4), "Clips", project_id=project)
        assert all_subjects(opened, project) == []
        assert store.read("upload_journal").empty


def test_a_quota_that_ends_on_the_way_keeps_what_arrived(store, clips, monkeypatch):
    monkeypatch.setattr("kso_utils.zooniverse.uploads.require_quota", lambda *_: None)
    with sandbox.serve(subject_limit=3) as running, connect("demo", "demo", running.url) as opened:
        project = opened.push("/projects", {"projects": {"display_name": "Reef"}})["projects"][0]["id"]
        with pytest.raises(QuotaExceeded, match="3 of 6 subjects arrived"):
            upload(opened, store, clips(6), "Clips", project_id=project)
        assert Counter(store.read("upload_journal").state) == {"verified": 3, "planned": 3}
        assert len(store.read("subjects")) == 3


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("match", ["PUT /blob/", "POST .*/links/subjects$"])
def test_an_upload_that_was_cut_short_at_the_end_of_the_quota_is_finished(store, clips, match):
    with sandbox.serve(subject_limit=3) as running, connect("demo", "demo", running.url) as opened:
        project = opened.push("/projects", {"projects": {"display_name": "Reef"}})["projects"][0]["id"]
        planned = clips(3)
        running.faults += [Fault(match, 503, 2, after=True), Fault("GET /api/subjects$", 503, 10_000)]
        with pytest.raises(ZooniverseError, match="Run the upload again"):
            upload(opened, store, planned, "Clips", project_id=project)
        running.faults.clear()
        states = upload(opened, store, planned, "Clips", project_id=project)
        assert_each_is_there_once(opened, project, store, planned, states)


def test_a_lost_journal_at_the_end_of_the_quota_is_made_up_for(store, clips):
    with sandbox.serve(subject_limit=3) as running, connect("demo", "demo", running.url) as opened:
        project = opened.push("/projects", {"projects": {"display_name": "Reef"}})["projects"][0]["id"]
        planned = clips(3)
        upload(opened, store, planned, "Clips", project_id=project)
        store.remove("upload_journal", {"project_id": project})
        states = upload(opened, store, planned, "Clips", project_id=project)
        assert_each_is_there_once(opened, project, store, planned, states)
        store.remove("upload_journal", {"project_id": project})
        with pytest.raises(QuotaExceeded, match=r"1 subjects are to be uploaded.*3 of 4 subjects arrived"):
            upload(opened, store, clips(4), "Clips", project_id=project)


def broken(planned, **columns):
    return planned.assign(**{name: [value] * len(planned) for name, value in columns.items()})


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("missing.mp4", None, "FILE_MISSING"),
        ("text.mp4", b"this is no movie at all", "NOT_WHAT_IT_SAYS"),
        ("empty.mp4", b"", "NOT_WHAT_IT_SAYS"),
        ("clip.avi", b"RIFF", "UNKNOWN_MEDIA_TYPE"),
        ("large.jpg", b"\xff\xd8\xff" + bytes(FRAME_BYTES), "FILE_TOO_LARGE"),
    ],
)
def test_files_are_checked_before_anything_is_sent(store, clips, tmp_path, name, content, code):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(MetadataError, match=code) as caught:
        upload(None, store, broken(clips(1), path=str(tmp_path / name)), "Clips", project_id=1)
    assert [f.row for f in caught.value.report] == [2]


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"metadata": {"depth": np.nan}}, "NOT_JSON"),
        ({"metadata": {"depth": np.int64(3)}}, "NOT_JSON"),
        ({"movie_id": 99}, "UNKNOWN_REFERENCE"),
        ({"frame_exp_sp_id": 99}, "UNKNOWN_REFERENCE"),
        ({"clip_end_time": 0.0}, "BAD_CLIP"),
        ({"frame_number": -1}, "BAD_FRAME"),
    ],
)
def test_rows_are_checked_before_anything_is_sent(store, clips, columns, code):
    with pytest.raises(MetadataError, match=code):
        upload(None, store, broken(clips(1), **columns), "Clips", project_id=1)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_subject_need_not_expect_a_species(session, project, store, clips, missing):
    planned = broken(clips(1), frame_exp_sp_id=missing, frame_number=missing)
    assert upload(session, store, planned, "Clips", project_id=project).state.tolist() == ["verified"]


def test_two_uploads_to_one_set_do_not_run_at_once(session, project, store, clips, monkeypatch):
    planned, put_media, refused = clips(2), session.put_media, []

    def meanwhile(*args):
        # Where it is not refused, it does not come here again.
        monkeypatch.setattr(session, "put_media", put_media)
        try:
            upload(session, store, planned, "Clips", project_id=project)
        except StoreBusy as error:
            refused.append(str(error))
        put_media(*args)

    monkeypatch.setattr(session, "put_media", meanwhile)
    states = upload(session, store, planned, "Clips", 1, project_id=project)
    assert ["the upload to the subject set 'Clips'" in said for said in refused] == [True]
    assert_each_is_there_once(session, project, store, planned, states)


def test_uploads_to_two_sets_may_run_at_once(session, project, store, clips):
    with store.exclusively(f"the upload to the subject set 'Others' of project {project}"):
        assert upload(session, store, clips(1), "Clips", project_id=project).state.tolist() == ["verified"]


@pytest.mark.parametrize("workers", [0, 17])
def test_the_number_of_workers_has_limits(store, clips, workers):
    with pytest.raises(ConfigError, match="workers"):
        upload(None, store, clips(1), "Clips", workers, project_id=1)


def test_an_upload_needs_a_session(store, clips):
    with pytest.raises(ConfigError, match="session"):
        upload(None, store, clips(1), "Clips", project_id=1)


def test_a_file_that_changes_after_the_checks_is_not_sent(session, project, store, clips, monkeypatch):
    monkeypatch.setattr("kso_utils.zooniverse.uploads.check_subjects", lambda *_, **__: Report("checked before"))
    planned = clips(2)
    path = Path(planned.path[0])
    path.write_bytes(path.read_bytes() + b"!")
    states = upload(session, store, planned, "Clips", project_id=project)
    assert states.state.tolist() == ["failed", "verified"]
    assert len(all_subjects(session, project)) == 1
