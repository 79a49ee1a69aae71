import pandas as pd
import pytest

from kso_utils.core.errors import ConfigError, MetadataError, QuotaExceeded, StoreBusy, ZooniverseError
from kso_utils.testing.range_server import serve_ranges
from kso_utils.testing.subject_files import clip_bytes
from kso_utils.zooniverse import sandbox
from kso_utils.zooniverse.audits import audit
from kso_utils.zooniverse.delivery import imports
from kso_utils.zooniverse.delivery.imports import import_subjects
from kso_utils.zooniverse.delivery.items import name_upload
from kso_utils.zooniverse.delivery.manifests import write_manifest
from kso_utils.zooniverse.session import connect
from kso_utils.zooniverse.subjects import KEY, plan_subjects
from kso_utils.zooniverse.uploads import upload


class Web:
    """Clips on a web server, and their manifest."""

    def __init__(self, folder, server):
        self.folder, self.server = folder, server

    def clips(self, number):
        rows = []
        for n in range(number):
            (self.folder / f"{n}.mp4").write_bytes(clip_bytes(n))
            place = {"movie_id": 1, "clip_start_time": 10.0 * n, "clip_end_time": 10.0 * n + 10}
            rows.append({"url": self.server.address(f"{n}.mp4"), **place})
        return plan_subjects(pd.DataFrame(rows), {"Start": "clip_start_time"}, "clip")

    def publish(self, planned, project):
        write_manifest(planned, "Clips", project, self.folder / "manifest.csv")
        return self.server.address("manifest.csv")


@pytest.fixture
def web(tmp_path):
    (tmp_path / "web").mkdir()
    with serve_ranges(tmp_path / "web") as server:
        yield Web(tmp_path / "web", server)


def arrive(session, project, store, planned, states):
    """What must hold after each import."""
    there = list(session.list_subjects(session.find_subject_set(project, "Clips")))
    assert sorted(s["metadata"][KEY] for s in there) == sorted(states.key)
    assert sorted(url for s in there for url in s["locations"][0].values()) == sorted(planned.url)
    assert sorted(store.read("subjects").id) == sorted(states.subject_id) == sorted(int(s["id"]) for s in there)
    assert set(states.state) <= {"linked", "verified"}


def test_an_import_brings_every_subject_into_its_set_by_few_requests(session, server, project, store, web):
    planned = web.clips(30)
    url = web.publish(planned, project)
    states = import_subjects(session, store, planned, "Clips", url, project_id=project, poll_s=0.01)
    arrive(session, project, store, planned, states)
    assert server.hits["POST /api/subject_set_imports"] == 1
    again = import_subjects(session, store, planned, "Clips", url, project_id=project, poll_s=0.01)
    arrive(session, project, store, planned, again)
    assert server.hits["POST /api/subject_set_imports"] == 1


def test_an_audit_takes_what_an_import_made_for_what_was_sent(session, project, store, web):
    planned = web.clips(3)
    import_subjects(session, store, planned, "Clips", web.publish(planned, project), project_id=project, poll_s=0.01)
    for media in (False, True):
        audited = audit(session, store, "Clips", project, media)
        assert audited.report.codes() == {"DUPLICATES_SOUGHT": 1}
    (number, *_) = audited.rows.subject_id
    session.change_metadata(int(number), lambda now: now | {"Start": "11.0"})
    assert audit(session, store, "Clips", project).report.codes()["DIFFERENT_METADATA"] == 1


def test_an_import_and_an_upload_do_not_run_at_once(session, server, project, store, web):
    planned = web.clips(2)
    url = web.publish(planned, project)
    with store.exclusively(name_upload(project, "Clips")), pytest.raises(StoreBusy):
        import_subjects(session, store, planned, "Clips", url, project_id=project)
    assert session.find_subject_set(project, "Clips") is None


def test_an_import_that_was_left_is_waited_for(session, server, project, store, web):
    planned = web.clips(5)
    url = web.publish(planned, project)
    session.request_import(session.create_subject_set(project, "Clips"), url)
    states = import_subjects(session, store, planned, "Clips", url, project_id=project, poll_s=0.01)
    arrive(session, project, store, planned, states)
    assert server.hits["POST /api/subject_set_imports"] == 1


def test_what_is_missing_in_a_set_is_made_one_by_one(session, server, project, store, web):
    planned = web.clips(6)
    upload(session, store, planned.iloc[:2], "Clips", project_id=project)
    states = import_subjects(session, store, planned, "Clips", web.publish(planned, project), project_id=project)
    arrive(session, project, store, planned, states)
    assert server.hits["POST /api/subject_set_imports"] == 0


def test_an_import_that_takes_too_long_is_told(session, project, monkeypatch):
    told = {"manifest_count": 9, "imported_count": 3, "failed_count": 0}
    monkeypatch.setattr(session, "describe_import", lambda _: told)
    with pytest.raises(ZooniverseError, match="3 of 9 subjects"):
        imports._await(session, 1, timeout_s=0, poll_s=0)


def test_another_manifest_is_refused_before_anything_is_asked_for(session, server, project, store, web):
    planned = web.clips(3)
    url = web.publish(planned.iloc[:2], project)
    with pytest.raises(ConfigError, match="lacks 1 of them"):
        import_subjects(session, store, planned, "Clips", url, project_id=project)
    assert session.find_subject_set(project, "Clips") is None


def test_subjects_without_an_address_and_too_many_are_refused(session, store, clips, web, monkeypatch):
    with pytest.raises(MetadataError, match="line 2 has no url"):
        import_subjects(session, store, clips(1), "Clips", "https://example.org/m.csv", project_id=1)
    monkeypatch.setattr(imports, "MOST_ROWS", 2)
    with pytest.raises(ConfigError, match="Divide"):
        import_subjects(session, store, web.clips(3), "Clips", "https://example.org/m.csv", project_id=1)


def test_the_quota_is_looked_at_before_an_import(store, web):
    planned = web.clips(4)
    with sandbox.serve(subject_limit=3) as running, connect("demo", "demo", running.url) as opened:
        project = opened.push("/projects", {"projects": {"display_name": "Reef"}})["projects"][0]["id"]
        with pytest.raises(QuotaExceeded, match="4 subjects"):
            import_subjects(opened, store, planned, "Clips", web.publish(planned, project), project_id=project)
        assert running.hits["POST /api/subject_set_imports"] == 0
