import re

import pytest

from kso_utils.core.errors import ZooniverseError
from kso_utils.zooniverse import audits
from kso_utils.zooniverse.audits import audit, compare
from kso_utils.zooniverse.repairs import repair
from kso_utils.zooniverse.sandbox import Fault
from kso_utils.zooniverse.session import ApiError
from kso_utils.zooniverse.subjects import KEY
from kso_utils.zooniverse.uploads import upload
from tests.zooniverse.befallen import Reef, codes


@pytest.mark.parametrize("media", [False, True])
def test_a_set_as_it_was_sent_is_clean(reef, media):
    audited = reef.look(media)
    assert codes(audited) == {}
    assert audited.report.ok
    assert sorted(audited.rows.subject_id) == sorted(reef.ids)
    assert set(audited.rows.medium) == ({"whole"} if media else {None})


@pytest.mark.parametrize(
    ("plant", "media", "found"),
    [
        (lambda reef: reef.unlink(1), False, {"MISSING": 1}),
        (lambda reef: reef.delete(1), False, {"MISSING": 1}),
        (lambda reef: reef.stranger(), False, {"EXTRA": 1}),
        (lambda reef: reef.double(1), False, {"DUPLICATED": 1}),
        (lambda reef: reef.double(1, linked=False), False, {"DUPLICATED": 1}),
        (lambda reef: reef.relabel(1), False, {"DIFFERENT_METADATA": 1}),
        (lambda reef: reef.overwrite_medium(reef.ids[1], None), True, {"NO_MEDIUM": 1}),
        (lambda reef: reef.overwrite_medium(reef.ids[1], b"else"), True, {"WRONG_MEDIUM": 1}),
    ],
    ids=["unlinked", "deleted", "stranger", "double", "double_outside", "metadata", "no_medium", "wrong_medium"],
)
def test_each_defect_is_found_alone(reef, plant, media, found):
    plant(reef)
    assert codes(reef.look(media)) == found


def test_a_subject_without_a_place_for_its_medium_is_found_without_reading_media(reef):
    resource = reef.server.state.get("subjects", reef.ids[2])
    reef.server.state.change(resource, {**resource.body, "locations": []})
    assert codes(reef.look()) == {"NO_MEDIUM": 1}


def test_findings_say_which_subject_and_what(reef):
    reef.relabel(1)
    reef.unlink(2)
    lines = str(reef.look().report)
    assert f"Subject {reef.ids[1]}: Site is 'Ref', sent was 'Reef'. A repair writes what was sent." in lines
    assert f"Subject {reef.ids[2]} (clip_2.mp4) is not in the set any more. A repair links it again." in lines


def test_metadata_that_were_added_on_zooniverse_are_no_difference(reef):
    reef.session.change_metadata(reef.ids[0], lambda now: now | {"#priority": 3})
    assert codes(reef.look()) == {}


def test_a_hidden_key_that_was_taken_away_is_a_difference(reef):
    reef.session.change_metadata(reef.ids[0], lambda now: {k: v for k, v in now.items() if k != KEY})
    assert codes(reef.look()) == {"DIFFERENT_METADATA": 1}


def test_strangers_with_one_key_are_told_and_left_alone(reef):
    pair = [reef.stranger({KEY: "0" * 64}) for _ in range(2)]
    audited = reef.look()
    assert codes(audited) == {"EXTRA": 2, "DUPLICATED": 1}
    assert audited.report.ok
    assert reef.mend().empty
    assert set(pair) <= reef.members()


def test_subjects_that_are_still_on_their_way_are_told(reef, clips):
    reef.server.faults.append(Fault("POST /api/subjects$", 422, 1))
    upload(reef.session, reef.store, clips(2, 5), "Clips", project_id=reef.project)
    audited = reef.look()
    assert codes(audited) == {"UNFINISHED": 1}
    assert audited.report.ok
    assert "1 failed" in str(audited.report)


def test_a_set_that_is_gone_is_told(reef):
    audited = audit(reef.session, reef.store, "Frames", reef.project)
    assert codes(audited) == {"SET_MISSING": 1}
    assert repair(reef.session, reef.store, audited).empty


def test_a_set_is_found_by_its_id_too(reef):
    audited = audit(reef.session, reef.store, reef.set_id, reef.project)
    assert (audited.subject_set, audited.set_id, codes(audited)) == ("Clips", reef.set_id, {})


def test_a_set_made_anew_misses_what_the_old_one_held(reef):
    session = reef.session
    session._revise("DELETE", f"/subject_sets/{reef.set_id}")
    reef.set_id = session.create_subject_set(reef.project, "Clips")
    assert codes(reef.look()) == {"MISSING": 5}
    reef.mend()
    assert codes(reef.look()) == {}
    assert reef.members() == set(reef.ids)
    assert set(reef.store.read("upload_journal").subject_set_id) == {str(reef.set_id)}
    assert set(reef.store.read("subjects").subject_set_id) == {str(reef.set_id)}


def test_a_set_of_the_same_name_as_one_that_was_renamed_is_its_own(reef):
    body = {"subject_sets": {"display_name": "Clips of 2025"}}
    reef.session._revise("PUT", f"/subject_sets/{reef.set_id}", lambda _: {"json": body})
    reef.session.create_subject_set(reef.project, "Clips")
    assert reef.look().rows.empty
    assert codes(audit(reef.session, reef.store, "Clips of 2025", reef.project)) == {}


@pytest.mark.parametrize(
    ("limit", "found", "told"), [(6, {"DUPLICATED": 1}, "all 6 subjects"), (5, {}, "has 6 subjects")]
)
def test_large_projects_are_searched_in_the_set_alone(reef, monkeypatch, limit, found, told):
    reef.double(0, linked=False)
    monkeypatch.setattr(audits, "WHOLE_PROJECT", limit)
    audited = reef.look()
    assert codes(audited) == found
    assert told in str(audited.report)


def test_large_projects_still_show_what_is_only_unlinked(reef, monkeypatch):
    monkeypatch.setattr(audits, "WHOLE_PROJECT", 0)
    reef.unlink(1)
    reef.mend()
    assert reef.members() == set(reef.ids)


@pytest.mark.usefixtures("no_waiting")
def test_requests_that_fail_are_made_again(reef):
    reef.server.faults.append(Fault("GET ", 503, 3))
    assert codes(reef.look()) == {}


@pytest.mark.usefixtures("no_waiting")
def test_a_medium_that_cannot_be_read_is_not_taken_for_broken(reef):
    (url,) = reef.subject(reef.ids[3])["locations"][0].values()
    reef.server.faults.append(Fault(f"GET .*{re.escape(url.rpartition('/')[2])}", 503, 100))
    audited = reef.look(media=True)
    assert codes(audited) == {"UNREAD_MEDIUM": 1}
    assert not audited.report.ok
    assert repair(reef.session, reef.store, audited).empty


@pytest.mark.usefixtures("no_waiting")
def test_media_that_nobody_gives_end_the_audit(server, session, project, store, clips):
    reef = Reef(server, session, project, store, clips(20))
    server.faults.append(Fault("GET /blob", 0, 10_000))
    with pytest.raises(ZooniverseError, match="17 subjects in a row"):
        reef.look(media=True)


def test_a_place_that_is_no_web_address_cannot_be_read(reef):
    resource = reef.server.state.get("subjects", reef.ids[2])
    reef.server.state.change(resource, {**resource.body, "locations": [{"video/mp4": "file:///etc/passwd"}]})
    assert codes(reef.look(media=True)) == {"UNREAD_MEDIUM": 1}


def test_a_medium_has_a_time_limit(reef, monkeypatch):
    monkeypatch.setattr("kso_utils.zooniverse.session.MEDIUM_TIMEOUT_S", -1.0)
    (url,) = reef.subject(reef.ids[0])["locations"][0].values()
    with pytest.raises(ApiError, match="did not arrive within"):
        reef.session.hash_media(url)


def test_an_audit_asks_for_100_subjects_at_a_time(server, session, project, store, clips):
    reef = Reef(server, session, project, store, clips(230))
    before = server.hits.total()
    assert codes(reef.look()) == {}
    assert server.hits.total() - before == 2 + 3 + 1 + 3


@pytest.mark.parametrize(("place", "medium"), [("https://a.org/x.mp4", None), ("https://b.org/x.mp4", "wrong")])
def test_a_medium_that_lies_elsewhere_is_known_by_its_address(place, medium):
    address = {"path": "https://a.org/x.mp4", "sha256": "", "subject_set_id": "5", "metadata": {KEY: "a"}}
    entry = {**address, "key": "a", "state": "verified", "subject_id": 7}
    listed = {"id": "7", "metadata": {KEY: "a"}, "locations": [{"video/mp4": place}], "links": {"subject_sets": ["5"]}}
    assert compare([entry], [listed], {7}, 5).medium.tolist() == [medium]
