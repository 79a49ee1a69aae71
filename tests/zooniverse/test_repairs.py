import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import StoreBusy, ZooniverseError
from kso_utils.core.report import Report
from kso_utils.zooniverse import listings
from kso_utils.zooniverse.audits import FORMER_KEY, Audit, compare, judge
from kso_utils.zooniverse.delivery.items import ARRIVED
from kso_utils.zooniverse.repairs import plan as plan_repair
from kso_utils.zooniverse.repairs import repair
from kso_utils.zooniverse.sandbox import Fault
from kso_utils.zooniverse.subjects import KEY
from kso_utils.zooniverse.uploads import upload
from tests.zooniverse.befallen import Reef, codes, plant


def classified(reef):
    return {r["subject_id"] for r in reef.server.state.rows("SELECT subject_id FROM classifications")}


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(n, marks=pytest.mark.soak) for n in range(3, 60))])
def test_after_a_repair_and_an_upload_a_second_audit_is_clean(server, session, project, store, clips, seed):
    reef = Reef(server, session, project, store, clips(8))
    plant(reef, np.random.default_rng(seed), 14)
    kept = classified(reef) & {int(s["id"]) for s in listings.find_subjects(session, classified(reef))}
    dry = reef.mend(media=True, dry_run=True)
    acts = reef.mend(media=True)
    assert set(acts.state) <= {"done"}
    pd.testing.assert_frame_equal(dry.drop(columns="state"), acts.drop(columns="state"), check_like=True)
    states = reef.upload()
    assert set(codes(reef.look(media=True))) <= {"EXTRA"}
    assert reef.mend(media=True).empty
    assert set(states.subject_id) <= reef.members()
    assert {int(s["id"]) for s in listings.find_subjects(session, kept)} == kept


def acts_of(acts):
    return sorted(zip(acts.act, acts.subject_id.fillna(0).astype(int), strict=True))


def test_a_missing_subject_is_linked_again(reef):
    reef.unlink(1)
    assert acts_of(reef.mend()) == [("link", reef.ids[1])]
    assert reef.members() == set(reef.ids)


def test_a_subject_that_is_gone_is_made_anew_by_the_next_upload(reef):
    reef.delete(1)
    assert reef.mend().act.tolist() == ["send_again"]
    entry = reef.store.read("upload_journal", where={"key": reef.keys[1]}).iloc[0]
    assert (entry["state"], pd.isna(entry["subject_id"])) == ("planned", True)
    assert reef.ids[1] not in set(reef.store.read("subjects").id)
    states = reef.upload()
    assert states.subject_id[1] not in reef.ids
    assert reef.members() == set(states.subject_id) == set(reef.store.read("subjects").id)


def test_a_repair_and_an_upload_of_one_set_do_not_run_at_once(reef, clips, monkeypatch):
    reef.unlink(1)
    audited, put_media, refused = reef.look(), reef.session.put_media, []

    def meanwhile(*args):
        try:
            repair(reef.session, reef.store, audited)
        except StoreBusy as error:
            refused.append(str(error))
        put_media(*args)

    monkeypatch.setattr(reef.session, "put_media", meanwhile)
    upload(reef.session, reef.store, clips(1, 5), "Clips", project_id=reef.project)
    assert ["the upload to the subject set 'Clips'" in said for said in refused] == [True]
    assert reef.ids[1] not in reef.members()
    assert repair(reef.session, reef.store, audited).state.tolist() == ["done"]


def test_metadata_are_written_again_beside_those_that_were_added(reef):
    reef.relabel(2)
    reef.session.change_metadata(reef.ids[2], lambda now: now | {"#priority": 3})
    assert acts_of(reef.mend()) == [("rewrite", reef.ids[2])]
    metadata = reef.subject(reef.ids[2])["metadata"]
    assert (metadata["Site"], metadata["#priority"], metadata[KEY]) == ("Reef", 3, reef.keys[2])


@pytest.mark.usefixtures("no_waiting")
def test_a_change_by_somebody_else_in_that_moment_is_read_and_kept(reef):
    reef.relabel(2)
    audited, original = reef.look(), reef.session._answer
    meddled = []

    def answer(verb, path, content):
        if verb == "PUT" and not meddled:
            meddled.append(path)
            reef.session.change_metadata(reef.ids[2], lambda now: now | {"note": "theirs"})
        return original(verb, path, content)

    reef.session._answer = answer
    assert repair(reef.session, reef.store, audited).state.tolist() == ["done"]
    metadata = reef.subject(reef.ids[2])["metadata"]
    assert (metadata["Site"], metadata["note"]) == ("Reef", "theirs")


@pytest.mark.parametrize("linked", [True, False])
def test_of_two_alike_the_older_in_the_set_stays(reef, linked):
    copy = reef.double(0, linked)
    assert acts_of(reef.mend()) == [("remove", copy)]
    assert reef.members() == set(reef.ids)
    assert not listings.find_subjects(reef.session, [copy])


def test_of_two_alike_the_one_in_the_set_stays_though_younger(reef):
    copy = reef.double(0)
    reef.unlink(0)
    assert acts_of(reef.mend()) == [("adopt", copy), ("remove", reef.ids[0])]
    assert reef.members() == {copy, *reef.ids[1:]}
    assert reef.store.read("upload_journal", where={"key": reef.keys[0]}).subject_id.tolist() == [copy]
    rows = reef.store.read("subjects").set_index("id")
    assert set(rows.index) == reef.members()
    assert rows.loc[copy, ["movie_id", "clip_end_time", "subject_set_id"]].tolist() == [1, 10.0, str(reef.set_id)]
    assert reef.upload().subject_id[0] == copy


def test_of_two_alike_the_one_with_classifications_stays_though_outside(reef):
    copy = reef.double(0)
    reef.classify(copy)
    reef.session.unlink_subjects(reef.set_id, [copy])
    assert acts_of(reef.mend()) == [("adopt", copy), ("link", copy), ("remove", reef.ids[0])]
    assert reef.members() == {copy, *reef.ids[1:]}


def test_of_two_alike_the_one_whose_medium_is_whole_stays(reef):
    copy = reef.double(0)
    reef.overwrite_medium(reef.ids[0], b"else")
    reef.classify(reef.ids[0])
    assert acts_of(reef.mend(media=True)) == [("adopt", copy), ("set_aside", reef.ids[0])]
    assert reef.store.read("subject_duplicates").empty


def test_what_has_classifications_is_never_deleted(reef):
    copy = reef.double(0)
    reef.classify(reef.ids[0], reef.ids[0], copy)
    assert acts_of(reef.mend()) == [("set_aside", copy)]
    aside = reef.subject(copy)
    assert aside["links"]["subject_sets"] == []
    assert KEY not in aside["metadata"]
    assert aside["metadata"]["#kso_former_key"] == reef.keys[0]
    noted = reef.store.read("subject_duplicates", ["dupl_subject_id", "single_subject_id"])
    assert list(noted.itertuples(index=False, name=None)) == [(copy, reef.ids[0])]
    assert codes(reef.look()) == {}


def test_who_was_classified_since_the_audit_is_not_deleted(reef):
    copy = reef.double(0)
    audited = reef.look()
    reef.classify(copy)
    assert acts_of(repair(reef.session, reef.store, audited)) == [("set_aside", copy)]
    assert reef.subject(copy)["links"]["subject_sets"] == []
    assert reef.store.read("subject_duplicates").dupl_subject_id.tolist() == [copy]


def test_classifications_that_the_store_knows_count_too(reef):
    copy = reef.double(0)
    reef.store.upsert("subjects", pd.DataFrame({"id": [copy], "subject_type": ["clip"]}), "id")
    row = {"user": "a", "user_kind": "anonymous", "workflow_id": 1, "version_major": 1, "version_minor": 1}
    rows = [{"id": n, "subject_id": s, "annotations": []} for n, s in enumerate([copy, copy, reef.ids[0]])]
    reef.store.upsert("classifications", pd.DataFrame(rows).assign(**row, created_at="2026-01-01T00:00:00Z"), "id")
    assert acts_of(reef.mend()) == [("adopt", copy), ("set_aside", reef.ids[0])]
    assert reef.members() == {copy, *reef.ids[1:]}
    assert {copy, reef.ids[0]} <= set(reef.store.read("subjects").id)


def test_one_that_stays_takes_the_place_of_the_others_in_their_sets(reef):
    copy = reef.double(0, linked=False)
    other = reef.session.create_subject_set(reef.project, "Experts")
    reef.session.link_subjects(other, [copy])
    assert acts_of(reef.mend()) == [("link", reef.ids[0]), ("remove", copy)]
    assert [int(s["id"]) for s in reef.session.list_subjects(other)] == [reef.ids[0]]


@pytest.mark.parametrize("data", [None, b"else"], ids=["none", "another"])
@pytest.mark.parametrize("seen", [False, True], ids=["new", "classified"])
def test_a_medium_that_is_not_what_was_sent_is_sent_again(reef, data, seen):
    reef.overwrite_medium(reef.ids[3], data)
    if seen:
        reef.classify(reef.ids[3])
    assert reef.mend(media=True).act.tolist() == ["set_aside" if seen else "remove", "send_again"]
    states = reef.upload()
    assert reef.members() == set(states.subject_id)
    assert len(listings.find_subjects(reef.session, [reef.ids[3]])) == seen
    assert codes(reef.look(media=True)) == {}


def test_a_dry_run_changes_nothing(reef):
    reef.unlink(0)
    reef.delete(1)
    reef.double(2)
    reef.relabel(3)
    audited, journal, before = reef.look(), reef.store.read("upload_journal"), reef.server.hits.total()
    acts = repair(None, reef.store, audited, dry_run=True)
    assert sorted(acts.act) == ["link", "remove", "rewrite", "send_again"]
    assert set(acts.state) == {"planned"}
    assert reef.server.hits.total() == before
    pd.testing.assert_frame_equal(journal, reef.store.read("upload_journal"))


def test_without_a_session_only_a_dry_run_is_possible(reef):
    with pytest.raises(ZooniverseError, match="needs a session"):
        repair(None, reef.store, reef.look())


@pytest.mark.usefixtures("no_waiting")
def test_what_cannot_be_removed_is_told_and_the_rest_is_done(reef):
    copy = reef.double(0)
    reef.unlink(1)
    reef.server.faults.append(Fault(f"DELETE /api/subjects/{copy}", 403, 10))
    acts = reef.mend().set_index("act")
    assert acts.state.to_dict() == {"link": "done", "remove": "failed"}
    assert "may not do that" in acts.reason["remove"]
    reef.server.faults.clear()
    assert acts_of(reef.mend()) == [("remove", copy)]


@pytest.mark.usefixtures("no_waiting")
def test_a_broken_subject_that_cannot_be_removed_is_not_sent_again(reef):
    reef.overwrite_medium(reef.ids[0], b"else")
    reef.server.faults.append(Fault(f"DELETE /api/subjects/{reef.ids[0]}", 403, 10))
    assert reef.mend(media=True).state.tolist() == ["failed", "failed"]
    assert set(reef.store.read("upload_journal").state) <= set(ARRIVED)


def test_while_what_stays_cannot_be_linked_nothing_is_removed(reef):
    copy = reef.double(0, linked=False)
    other = reef.session.create_subject_set(reef.project, "Experts")
    reef.session.link_subjects(other, [copy])
    reef.server.faults.append(Fault(f"POST /api/subject_sets/{other}/links/subjects", 422, 1))
    assert set(reef.mend().state) == {"failed"}
    assert reef.subject(copy)
    assert set(reef.mend().state) == {"done"}
    assert [int(s["id"]) for s in reef.session.list_subjects(other)] == [reef.ids[0]]


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("status", [0, 503])
def test_a_network_that_is_gone_ends_the_repair(reef, status):
    reef.unlink(0)
    audited = reef.look()
    reef.server.faults.append(Fault("", status, 1000))
    with pytest.raises(ZooniverseError, match="audit and repair again"):
        repair(reef.session, reef.store, audited)


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("seed", [*range(2), *(pytest.param(n, marks=pytest.mark.soak) for n in range(2, 30))])
def test_killed_anywhere_it_goes_on(server, session, project, store, clips, seed, monkeypatch):
    reef = Reef(server, session, project, store, clips(6))
    dice = np.random.default_rng(seed)
    plant(reef, dice, 12)
    kept = {int(s["id"]) for s in listings.find_subjects(session, classified(reef))}
    original, killed = session._answer, 0
    for tries in range(80):
        audited, left, after = reef.look(media=True), int(dice.integers(1, 5 + tries)), bool(dice.integers(2))

        def answer(*args, after=after):
            nonlocal left
            left -= 1
            if left < 0 and not after:
                raise Killed
            answered = original(*args)
            if left < 0:
                raise Killed
            return answered

        with monkeypatch.context() as doomed:
            doomed.setattr(session, "_answer", answer)
            try:
                repair(session, store, audited)
                break
            except Killed:
                killed += 1
    assert killed
    reef.upload()
    assert set(codes(reef.look(media=True))) <= {"EXTRA"}
    assert {int(s["id"]) for s in listings.find_subjects(session, kept)} == kept
    assert set(reef.store.read("subjects").id) >= set(reef.store.read("upload_journal").subject_id)


SET = 5
ENTRIES = st.lists(st.tuples(st.sampled_from(["planned", "linked", "verified"]), st.booleans()), min_size=1, max_size=3)
SUBJECTS = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(["a", "b", "c", "strange", None]),
            "sets": st.sets(st.sampled_from([SET, 6])),
            "site": st.sampled_from(["Reef", "Ref"]),
            "medium": st.sampled_from(["whole", "whole", "absent", "wrong", "unread"]),
            "seen": st.integers(0, 2),
        }
    ),
    max_size=7,
)


class Model:
    """A journal and what Zooniverse holds, without either."""

    def __init__(self, entries, subjects):
        self.entries = {}
        for number, (key, (state, named)) in enumerate(zip("abc", entries, strict=False), 1):
            sent = {KEY: key, "Site": "Reef"}
            row = {"state": state, "metadata": sent, "sha256": key, "path": f"{key}.mp4", "subject_set_id": str(SET)}
            # The oldest subject may bear another key than the entry that names it.
            self.entries[key] = {**row, "key": key, "subject_id": number if named and state != "planned" else None}
        self.subjects = {number: dict(subject) for number, subject in enumerate(subjects, 1)}
        for subject in self.subjects.values():
            key, site = subject.pop("key"), subject.pop("site")
            subject["metadata"] = {"Site": site} | ({KEY: key} if key else {})

    def look(self):
        listed = [
            {
                "id": str(n),
                "metadata": s["metadata"],
                "locations": [{"video/mp4": "x"}],
                "links": {"subject_sets": s["sets"]},
            }
            for n, s in self.subjects.items()
        ]
        members = {number for number, subject in self.subjects.items() if SET in subject["sets"]}
        rows = compare(self.entries.values(), listed, members, SET)
        numbers = [None if pd.isna(number) else int(number) for number in rows.subject_id]
        arrived = rows.state.isin(ARRIVED) & rows.subject_id.notna()
        media = pd.Series([self.subjects[n]["medium"] if n else None for n in numbers], rows.index, dtype=object)
        seen = pd.Series([self.subjects[n]["seen"] if n else None for n in numbers], rows.index, dtype="Int64")
        rows = rows.assign(medium=media.where(arrived, None), classifications=seen)
        return Audit("1", SET, "Clips", Report("Clips", list(judge(rows))), rows)

    def do(self, act):
        entry, subject = self.entries[act.key], self.subjects.get(act.subject_id)
        match act.act:
            case "adopt":
                entry["subject_id"] = act.subject_id
            case "link":
                subject["sets"] = subject["sets"] | {act.set_id}
            case "rewrite":
                subject["metadata"] |= entry["metadata"]
            case "remove":
                assert not subject["seen"]
                del self.subjects[act.subject_id]
            case "set_aside":
                subject["sets"] = set()
                subject["metadata"] = {FORMER_KEY if n == KEY else n: v for n, v in subject["metadata"].items()}
            case "send_again":
                entry |= {"state": "planned", "subject_id": None}


@settings(derandomize=True, deadline=None, max_examples=60)
@given(ENTRIES, SUBJECTS)
def test_what_is_planned_leaves_each_key_once_and_strangers_alone(entries, subjects):
    model = Model(entries, subjects)
    before = model.look()
    strangers = {n: dict(model.subjects[n]) for n in before.rows.subject_id[before.rows.state.isna()]}
    for act in plan_repair(before):
        model.do(act)
    after = model.look()
    assert {f.code for f in after.report if f.severity == "error"} <= {"UNREAD_MEDIUM"}
    assert plan_repair(after) == []
    assert {n: model.subjects[n] for n in strangers} == strangers
    arrived = [entry["subject_id"] for entry in model.entries.values() if entry["state"] != "planned"]
    assert all(SET in model.subjects[number]["sets"] for number in arrived)
    assert len(set(arrived)) == len(arrived)
