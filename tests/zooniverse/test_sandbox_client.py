"""The unmodified official client, end to end."""

import io
import time
from types import SimpleNamespace

import pytest
import requests

from kso_utils.zooniverse.sandbox.classifications import add_classifications
from kso_utils.zooniverse.sandbox.faults import Fault
from kso_utils.zooniverse.sandbox.server import serve
from kso_utils.zooniverse.sandbox.tasks import drawing_task, inject_strings, survey_task

panoptes_client = pytest.importorskip("panoptes_client")
from panoptes_client import Classification, Panoptes, Project, Subject, SubjectSet, User, Workflow  # noqa: E402
from panoptes_client.panoptes import PanoptesAPIException  # noqa: E402


@pytest.fixture
def sandbox():
    with serve() as running:
        yield running


@pytest.fixture
def client(sandbox, monkeypatch):
    nap = SimpleNamespace(sleep=lambda seconds: None)
    monkeypatch.setattr("redo.time", nap)
    with Panoptes(endpoint=sandbox.url, username="demo", password="demo") as connected:
        yield connected


@pytest.fixture
def project(client):
    new = Project()
    new.display_name = "Sea of Åland"
    new.description = "Fish"
    new.primary_language = "en"
    new.private = True
    new.save()
    return new


def make_subject(project, metadata=None, content=b"jpeg"):
    subject = Subject()
    subject.links.project = project
    subject.metadata = metadata or {}
    subject.add_location(io.BytesIO(content), manual_mimetype="image/jpeg")
    return subject


def make_set(project, name="first"):
    subject_set = SubjectSet()
    subject_set.display_name = name
    subject_set.links.project = project
    subject_set.save()
    return subject_set


def make_workflow(project):
    workflow = Workflow()
    workflow.display_name = "clips"
    workflow.primary_language = "en"
    workflow.tasks = inject_strings(*survey_task(["Cod"]))
    workflow.links.project = project
    workflow.save()
    return workflow


def test_wrong_password_is_told(sandbox):
    with pytest.raises(PanoptesAPIException, match="Invalid email or password"):
        Panoptes(endpoint=sandbox.url, username="demo", password="no")


def test_client_credentials_give_a_login(sandbox):
    with Panoptes(endpoint=sandbox.url, client_id="demo", client_secret="demo") as client:
        assert client.get("/me")[0]["users"][0]["login"] == "demo"


def test_project_is_found_by_slug_and_by_id(project):
    assert Project.find(slug=project.slug).id == Project.find(project.id).id == project.id


def test_unknown_project_is_not_found(client):
    with pytest.raises(PanoptesAPIException, match="Could not find project"):
        Project.find(99)


def test_workflow_shows_texts_in_their_place(project):
    choices = Workflow.find(make_workflow(project).id).tasks["T0"]["choices"]
    assert choices["COD"]["label"] == "Cod"


def test_changed_workflow_gets_a_new_version(project):
    workflow = make_workflow(project)
    workflow.tasks = inject_strings(*drawing_task(["Cod", "Crab"]))
    workflow.save()
    assert Workflow.find(workflow.id).version == "2.2"


def test_saved_subject_keeps_its_media(project):
    subject = make_subject(project, content=b"a picture")
    subject.save()
    (url,) = Subject.find(subject.id).locations[0].values()
    assert requests.get(url, timeout=5).content == b"a picture"


def test_subjects_are_added_to_a_set_and_listed(project):
    subjects = [make_subject(project, {"n": n}) for n in range(3)]
    for subject in subjects:
        subject.save()
    subject_set = make_set(project)
    subject_set.add(subjects)
    assert [s.metadata["n"] for s in subject_set.subjects] == [0, 1, 2]
    subject_set.remove(subjects[0])
    assert subjects[0] not in subject_set


def test_async_saves_upload_all(project, sandbox):
    with Subject.async_saves():
        for n in range(6):
            make_subject(project, {"n": n}).save()
    assert sandbox.hits["PUT /blob/<key>"] == 6


def test_list_goes_over_pages(project, sandbox):
    for n in range(5):
        sandbox.state.add("subjects", {"metadata": {"n": n}, "locations": []}, int(project.id))
    found = Subject.where(project_id=project.id, page_size=2)
    assert [s.metadata["n"] for s in found] == [0, 1, 2, 3, 4]


def test_set_is_linked_to_a_workflow(project):
    workflow, subject_set = make_workflow(project), make_set(project)
    workflow.links.subject_sets.add(subject_set)
    assert subject_set in Workflow.find(workflow.id).links.subject_sets
    workflow.links.subject_sets.remove(subject_set)
    assert subject_set not in Workflow.find(workflow.id).links.subject_sets


def test_project_names_its_workflows_and_sets(project):
    workflow, subject_set = make_workflow(project), make_set(project)
    project.reload()
    assert (project.links.workflows[0].id, project.links.subject_sets[0].id) == (workflow.id, subject_set.id)


def test_metadata_of_a_subject_can_be_changed(project):
    subject = make_subject(project, {"depth": 3})
    subject.save()
    subject.metadata["depth"] = 4
    subject.save()
    assert Subject.find(subject.id).metadata == {"depth": 4}


def test_stale_object_is_not_overwritten(project):
    first = make_set(project)
    second = SubjectSet.find(first.id)
    first.display_name = "changed"
    first.save()
    second.display_name = "changed too"
    with pytest.raises(PanoptesAPIException, match="stale"):
        second.save()


def test_deleted_set_is_gone(project):
    subject_set = make_set(project)
    subject_set.delete()
    with pytest.raises(PanoptesAPIException, match="Could not find subject_set"):
        SubjectSet.find(subject_set.id)


def test_retirement_can_be_set_and_taken_back(project):
    workflow, subject_set, subject = make_workflow(project), make_set(project), make_subject(project)
    subject.save()
    subject_set.add(subject)
    workflow.links.subject_sets.add(subject_set)
    workflow.retire_subjects(subject)
    assert workflow.subject_workflow_status(subject.id).retirement_reason == "other"
    workflow.unretire_subjects(subject)
    assert workflow.subject_workflow_status(subject.id).retired_at is None


def test_quota_is_kept_even_after_a_delete():
    with serve(subject_limit=1) as sandbox, Panoptes(endpoint=sandbox.url, username="demo", password="demo") as client:
        project_id, _ = sandbox.add_project("demo/reef", "Reef", {})
        message = {"subjects": {"locations": ["image/jpeg"], "links": {"project": str(project_id)}}}
        _, tag = client.post("/subjects", json=message)
        (subject_id,) = sandbox.state.find("subjects")
        client.delete(f"/subjects/{subject_id}", etag=tag)
        with pytest.raises(PanoptesAPIException, match="User has uploaded 1 subjects of 1 maximum"):
            client.post("/subjects", json=message)
        assert User.me().uploaded_subjects_count == 1


def test_lost_answer_leaves_the_subject_made(project, sandbox):
    sandbox.faults.append(Fault("POST /api/subjects$", 504, after=True))
    make_subject(project).save()
    assert len(sandbox.state.find("subjects")) == 2


def test_export_arrives_once_it_is_ready(client, project, monkeypatch):
    naps = []
    monkeypatch.setattr("panoptes_client.exportable.time", SimpleNamespace(sleep=naps.append))
    make_subject(project, {"name": "Åsa"}).save()
    (row,) = project.get_export("subjects", generate=True).content.decode().splitlines()[1:]
    assert "Åsa" in row


def test_export_that_was_never_made_is_not_found(project):
    with pytest.raises(PanoptesAPIException, match="No classifications_export exists"):
        project.get_export("classifications")


def test_expired_token_is_renewed(client, sandbox):
    client.get("/me")
    client.bearer_expires = client.bearer_expires.replace(year=2000)
    client.get("/me")
    assert sandbox.hits["POST /oauth/token"] == 2


def test_subjects_of_a_set_are_listed_100_a_request(project, sandbox):
    subject_set = make_set(project)
    ids = [sandbox.state.add("subjects", {"metadata": {}, "locations": []}, int(project.id)).id for _ in range(150)]
    subject_set.add(ids)
    before = sandbox.hits["GET /api/<kind>"]
    found = Subject.where(subject_set_id=subject_set.id, page_size=100)
    assert [int(s.id) for s in found] == ids
    assert sandbox.hits["GET /api/<kind>"] - before == 2


def test_subject_elsewhere_needs_no_upload(project, sandbox):
    subject = Subject()
    subject.links.project = project
    subject.add_location({"video/mp4": "https://example.org/a.mp4"})
    subject.save()
    assert Subject.find(subject.id).locations == [{"video/mp4": "https://example.org/a.mp4"}]
    assert sandbox.hits["PUT /blob/<key>"] == 0


def test_subject_of_several_media_sends_each(project):
    subject = make_subject(project, content=b"first")
    subject.add_location(io.BytesIO(b"second"), manual_mimetype="image/png")
    subject.save()
    urls = [next(iter(location.values())) for location in Subject.find(subject.id).locations]
    assert [requests.get(url, timeout=5).content for url in urls] == [b"first", b"second"]


def test_sets_are_given_to_a_workflow_and_their_subjects_taken_up_again(project):
    workflow, subject_set, subject = make_workflow(project), make_set(project), make_subject(project)
    subject.save()
    subject_set.add(subject)
    workflow.add_subject_sets(subject_set)
    workflow.retire_subjects([subject], reason="nothing_here")
    (status,) = workflow.subject_workflow_statuses(subject_set.id)
    assert status.retirement_reason == "nothing_here"
    assert subject.subject_workflow_status(workflow.id).id == status.id
    workflow.unretire_subjects_by_subject_set(subject_set)
    assert workflow.subject_workflow_status(subject.id).retired_at is None
    workflow.remove_subject_sets(subject_set)
    assert subject_set not in Workflow.find(workflow.id).links.subject_sets


@pytest.mark.parametrize("kind", ["classifications", "subjects", "workflows"])
def test_project_exports_each_kind(project, kind, monkeypatch):
    monkeypatch.setattr("panoptes_client.exportable.time", SimpleNamespace(sleep=lambda seconds: None))
    make_workflow(project)
    answer = project.get_export(kind, generate=True)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv")
    assert next(iter(answer.csv_reader()))[0].endswith("_id")


def test_workflow_and_set_export_their_classifications(project, monkeypatch, sandbox):
    monkeypatch.setattr("panoptes_client.exportable.time", SimpleNamespace(sleep=lambda seconds: None))
    workflow, subject_set, subject = make_workflow(project), make_set(project), make_subject(project)
    subject.save()
    subject_set.add(subject)
    said = {"annotations": [{"task": "T0", "value": []}], "metadata": {}}
    row = {"workflow_id": int(workflow.id), "subject_id": int(subject.id), "user_id": None, **said}
    add_classifications(sandbox.state, [row])
    for owner in (workflow, subject_set):
        (row,) = owner.get_export("classifications", generate=True).csv_dictreader()
        assert row["subject_ids"] == subject.id


def test_throttled_export_keeps_the_one_of_before(monkeypatch):
    monkeypatch.setattr("panoptes_client.exportable.time", SimpleNamespace(sleep=lambda seconds: None, time=time.time))
    with serve(throttle_s=86_400) as sandbox, Panoptes(endpoint=sandbox.url, username="demo", password="demo"):
        project = Project.find(sandbox.add_project("demo/reef", "Reef", {})[0])
        before = project.get_export("subjects", generate=True).content
        project.generate_export("subjects")
        assert project.describe_export("subjects")["media"][0]["metadata"]["state"] == "creating"
        assert project.get_export("subjects").content == before


def test_owner_collaborates(project):
    assert [user.login for user in project.collaborators("owner")] == ["demo"]


def test_users_are_found(client):
    assert [user.login for user in User.where(login="demo")] == ["demo"]


def test_own_classifications_are_found(project, sandbox):
    workflow, subject = make_workflow(project), make_subject(project)
    subject.save()
    said = {"user_id": sandbox.state.user_id("demo"), "annotations": [], "metadata": {}}
    row = {"workflow_id": int(workflow.id), "subject_id": int(subject.id), **said}
    add_classifications(sandbox.state, [row])
    for query in ({"workflow_id": workflow.id}, {"scope": "project", "project_id": project.id}):
        assert [c.links.subjects[0].id for c in Classification.where(**query)] == [subject.id]


def test_manifest_is_imported(client, project, sandbox):
    subject_set = make_set(project)
    key, _ = sandbox.state.add_blob("text/csv", b"external_id,location:1\na,https://example.org/a.jpg\n")
    message = {"source_url": f"{sandbox.url}/blob/{key}", "links": {"subject_set": subject_set.id}}
    made = client.post("/subject_set_imports", json={"subject_set_imports": message})[0]["subject_set_imports"][0]
    sandbox._background.wait()
    told = client.get(f"/subject_set_imports/{made['id']}")[0]["subject_set_imports"][0]
    assert (told["imported_count"], told["manifest_count"]) == (1, 1)
    (subject,) = subject_set.subjects
    assert subject.locations == [{"image/jpeg": "https://example.org/a.jpg"}]


def test_sets_and_workflows_are_found_by_project_and_name(project):
    made = [make_set(project, name) for name in ("first", "second")]
    workflow = make_workflow(project)
    (found,) = SubjectSet.where(project_id=project.id, display_name="second")
    assert (found.id, found.set_member_subjects_count) == (made[1].id, 0)
    assert [w.id for w in Workflow.where(project_id=project.id)] == [workflow.id]
