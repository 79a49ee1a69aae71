"""What is not as the journal says, on the server."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kso_utils.core.progress import bar
from kso_utils.zooniverse.delivery import sending, settling
from kso_utils.zooniverse.delivery.items import Item
from kso_utils.zooniverse.delivery.sending import Sender
from kso_utils.zooniverse.delivery.settling import MARGIN, Target, settle
from kso_utils.zooniverse.sandbox import Fault
from kso_utils.zooniverse.session import ApiError
from kso_utils.zooniverse.subjects import KEY
from kso_utils.zooniverse.uploads import upload
from tests.zooniverse.uploading import all_subjects, assert_each_is_there_once


@pytest.fixture(autouse=True)
def patience(no_waiting, monkeypatch):
    monkeypatch.setattr(sending, "PATIENCE_S", 60.0)


@pytest.fixture
def before_checking(monkeypatch):
    """Return a function that lets something happen between the linking of subjects and the first look at their set."""

    def make(happen):
        verify = settling.verify

        def later(target, items, progress):
            if items:
                monkeypatch.setattr("kso_utils.zooniverse.delivery.sending.verify", verify)
                happen(target, items)
            verify(target, items, progress)

        monkeypatch.setattr("kso_utils.zooniverse.delivery.sending.verify", later)

    return make


def change_locations(server, subject_id, locations):
    body = {**server.state.get("subjects", subject_id).body, "locations": locations}
    server.state.run("UPDATE resources SET body = ? WHERE id = ?", (json.dumps(body), subject_id))


def test_what_is_not_in_the_set_is_put_there(session, project, store, clips, before_checking):
    before_checking(lambda target, items: session.unlink_subjects(target.set_id, [i.subject_id for i in items[1:3]]))
    planned = clips(4)
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


def test_what_is_gone_is_made_anew(session, project, store, clips, before_checking):
    before_checking(lambda target, items: session.remove_subject(items[2].subject_id))
    planned = clips(4)
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


@pytest.mark.parametrize("locations", [[], [{"video/mp4": "0123456789.mp4"}]])
def test_what_is_shown_without_its_medium_is_made_anew(
    session, server, project, store, clips, before_checking, locations
):
    before_checking(lambda target, items: change_locations(server, items[1].subject_id, locations))
    planned = clips(3)
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


def test_a_key_that_somebody_took_away_comes_back(session, project, store, clips, before_checking):
    before_checking(lambda target, items: session.change_metadata(items[0].subject_id, lambda _: {"Site": "Reef"}))
    planned = clips(2)
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


def test_a_subject_that_comes_into_being_late_does_not_stay(session, server, project, store, clips, before_checking):
    def arrive_late(target, items):
        session.create_subject(project, "video/mp4", items[0].metadata)

    before_checking(arrive_late)
    server.faults.append(Fault("POST /api/subjects$", 504, 1))
    planned = clips(1)
    states = upload(session, store, planned, "Clips", project_id=project)
    assert_each_is_there_once(session, project, store, planned, states)


def test_what_never_comes_right_fails_in_the_end_and_leaves_nothing_behind(session, project, store, clips, monkeypatch):
    link = session.link_subjects
    monkeypatch.setattr(session, "link_subjects", lambda set_id, ids: link(set_id, ids[1:]))
    states = upload(session, store, clips(2), "Clips", workers=1, project_id=project)
    assert sorted(states.state) == ["failed", "verified"]
    assert states.reason.dropna().str.contains("not in the subject set").tolist() == [True]
    assert len(all_subjects(session, project)) == 1


def item_of(key, state="sending", **more):
    return Item(key, None, "video/mp4", "", {KEY: key}, url=f"https://example.org/{key}.mp4", state=state, **more)


def target_of(session, project):
    return Target(session, str(project), session.create_subject_set(project, "Clips"))


def test_of_several_subjects_the_one_in_the_set_stays(session, project):
    target, item = target_of(session, project), item_of("a")
    made = [session.create_subject(project, item.mime, item.metadata, item.url)[0] for _ in range(3)]
    session.link_subjects(target.set_id, [made[1]])
    settle(target, [item])
    assert (item.state, item.subject_id) == ("linked", made[1])
    assert [int(s["id"]) for s in all_subjects(session, project)] == [made[1]]


def test_a_subject_in_another_set_is_never_removed(session, project):
    target, item = target_of(session, project), item_of("a")
    others = session.create_subject_set(project, "Others")
    made = session.create_subject(project, item.mime, item.metadata, item.url)[0]
    session.link_subjects(others, [made])
    settle(target, [item])
    assert (item.state, item.subject_id) == ("media_ok", made)


@pytest.mark.parametrize(("sent", "state"), [(None, "planned"), (b"half", "planned"), (b"whole", "media_ok")])
def test_only_a_medium_that_arrived_whole_is_taken(session, project, sent, state):
    target, metadata = target_of(session, project), {KEY: "a"}
    made, link = session.create_subject(project, "video/mp4", metadata)
    if sent is not None:
        session.put_media(link, sent, "video/mp4")
    item = Item("a", Path("a.mp4"), "video/mp4", hashlib.sha256(b"whole").hexdigest(), metadata, state="sending")
    settle(target, [item])
    assert item.state == state
    kept = [made] if state == "media_ok" else []
    assert [int(s["id"]) for s in all_subjects(session, project)] == kept
    assert (item.location is not None and link.startswith(item.location)) == bool(kept)


def test_a_subject_that_could_not_be_removed_yet_stays_in_doubt(session, server, project):
    target, item = target_of(session, project), item_of("a")
    session.create_subject(project, item.mime, item.metadata, "https://example.org/other.mp4")
    server.faults.append(Fault("DELETE /api/subjects/", 504, 100))
    with pytest.raises(ApiError):
        settle(target, [item])
    assert item.state == "sending"
    server.faults.clear()
    settle(target, [item])
    assert item.state == "planned"
    assert all_subjects(session, project) == []


def test_subjects_are_looked_for_down_to_the_beginning_of_the_upload(session, server, project):
    target = target_of(session, project)
    for number in range(250):
        session.create_subject(project, "video/mp4", {KEY: str(number)}, "https://example.org/clip.mp4")
    now = datetime.now(UTC)
    old = (now - MARGIN - timedelta(hours=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    server.state.run("UPDATE resources SET created_at = ? WHERE kind = 'subjects'", (old,))
    new = item_of("new", begun_at=now.isoformat())
    made = session.create_subject(project, new.mime, new.metadata, new.url)[0]
    before = server.hits["GET /api/<kind>"]
    settle(target, [new])
    assert (new.state, new.subject_id) == ("media_ok", made)
    # The first page tells whether the server sorts.
    assert server.hits["GET /api/<kind>"] - before <= 2
    unknown = item_of("3")
    settle(target, [unknown])
    assert unknown.subject_id is None  # another medium, hence not the same
    assert unknown.state == "planned"


def test_media_that_lie_elsewhere_are_not_sent(session, server, project, store):
    target = target_of(session, project)
    metadata = [{KEY: key} for key in "abc"]
    urls = [f"https://example.org/clip.mp4?version={n}" for n in range(3)]
    items = [
        Item(m[KEY], None, "video/mp4", "", m, {"subject_type": "clip"}, url)
        for m, url in zip(metadata, urls, strict=True)
    ]
    with bar("Uploading") as progress:
        Sender(target, store, items, 2, progress).run(look_first=False)
    assert [item.state for item in items] == ["verified"] * 3
    there = {s["metadata"][KEY]: s["locations"] for s in all_subjects(session, project)}
    assert there == {key: [{"video/mp4": url}] for key, url in zip("abc", urls, strict=True)}
    assert "PUT /blob/<key>" not in server.hits
    journal = store.read("upload_journal", order_by="key")
    assert journal.path.tolist() == journal.location.tolist() == urls
