import json

import pytest

from kso_utils.zooniverse.sandbox.classifications import add_classifications
from kso_utils.zooniverse.sandbox.judging import check_annotations
from kso_utils.zooniverse.sandbox.messages import Refused
from kso_utils.zooniverse.sandbox.selection import select
from kso_utils.zooniverse.sandbox.tasks import drawing_task, extract_strings, inject_strings, survey_task

AGE = {"type": "single", "question": "Young?", "answers": [{"label": "Yes"}, {"label": "No"}]}
OTHERS = {
    "T2": {"type": "single", "question": "Fish?", "answers": [{"label": "Yes"}, {"label": "No"}]},
    "T3": {"type": "multiple", "question": "What?", "answers": [{"label": "Cod"}]},
    "T4": {"type": "text", "instruction": "More?"},
    "T5": {"type": "slider"},
    "T6": {"type": "drawing", "tools": [{"type": "point", "details": [AGE]}]},
}
TASKS = {
    **inject_strings(*survey_task(["Cod"], length_s=3)),
    **inject_strings(*drawing_task(["Cod"], key="T1")),
    **inject_strings(*extract_strings(OTHERS)),
}
BOX = {"x": 1, "y": 2, "width": 3, "height": 4}
CENTRED = {"x_center": 1, "y_center": 2, "width": 3.5, "height": 4}


def survey(choice="COD", **answers):
    return [{"task": "T0", "value": [{"choice": choice, "answers": answers, "filters": {}}]}]


def detailed(task, value):
    mark = {"task": "T6", "value": [{"toolIndex": 0, "x": 1, "y": 2}]}
    return [mark, {"task": task, "markIndex": 0, "value": value}]


def marked(**mark):
    return [{"task": "T1", "value": [mark]}]


@pytest.mark.parametrize(
    "annotations",
    [
        [],
        [{"task": "T0", "value": []}],
        survey(HOWMANY="2", FIRSTSEEN=["0S", "2S"]),
        marked(tool=0, frame=1, details=[], **BOX),
        marked(toolIndex=0, toolType="rectangle", **CENTRED),
        [{"task": "T2", "value": 1}, {"task": "T3", "value": [0]}, {"task": "T4", "value": "a"}],
        [{"task": "T2", "value": None}, {"task": "T5", "value": "0.5"}],
        detailed("T6.0.0", 1),
    ],
)
def test_answers_of_both_generations_are_taken(annotations):
    check_annotations(annotations, TASKS, frames=2)


@pytest.mark.parametrize(
    ("annotations", "reason"),
    [
        (["T0"], "must be an object with a task"),
        ([{"task": 1}], "must be an object with a task"),
        ([{"task": "T9", "value": 1}], "no such task, but T0, T1"),
        ([{"task": "T0", "value": "COD"}], "the value must be a list"),
        (survey("UNICORN"), "'UNICORN' is none of the choices"),
        (survey(["COD"]), "is none of the choices"),
        ([{"task": "T0", "value": [7]}], "'7' is none of the choices"),
        ([{"task": "T0", "value": [{"choice": "COD", "answers": [1]}]}], "must be an object"),
        (survey(HOWMANY="many"), "'many' is no answer to HOWMANY"),
        (survey(COLOUR="red"), "'red' is no answer to COLOUR"),
        (survey(HOWMANY=2), "'2' is no answer to HOWMANY"),
        (marked(tool=1, **BOX), "one of the 1 tools"),
        (marked(tool=True, **BOX), "one of the 1 tools"),
        (marked(**BOX), "one of the 1 tools"),
        (marked(tool=0, frame=2, **BOX), "the subject has 2"),
        (marked(tool=0, details="no", **BOX), "details of a mark must be a list"),
        (marked(tool=0, **{**BOX, "x": float("nan")}), "a rectangle needs x, y, width, height as finite numbers"),
        (marked(tool=0, x=1, y=2), "a rectangle needs"),
        ([{"task": "T2", "value": 2}], "one of the 2 answers, not '2'"),
        ([{"task": "T3", "value": [None]}], "one of the 1 answers"),
        ([{"task": "T4", "value": 3}], "must be a text"),
        ([{"task": "T6.0.0", "markIndex": 0, "value": 1}], "no mark number '0'"),
        (detailed("T6.0.1", 0), "no such question"),
        (detailed("T6.1", 0), "no such question"),
        (detailed("T6.0.0", 5), "one of the 2 answers"),
    ],
)
def test_what_is_no_answer_is_refused_with_a_reason(annotations, reason):
    with pytest.raises(Refused, match=reason) as refusal:
        check_annotations(annotations, TASKS, frames=2)
    assert refusal.value.status == 422


def say(state, workflow, subject, user=None, session="a"):
    row = {"workflow_id": workflow, "subject_id": subject, "user_id": user, "annotations": []}
    add_classifications(state, [{**row, "metadata": {"session": session}}])


@pytest.fixture
def queue(server, offer):
    """The workflow, its three subjects, and a function that tells who sees which of them next."""
    workflow = offer(survey_task(["Cod"]), subjects=3, retire_after=2)
    subjects = server.state.find("subjects", workflow_id=workflow)

    def tell(user=None, session="a", size=10):
        return select(server.state, workflow, user, session, size)

    return workflow, subjects, tell


def test_new_person_sees_all_in_order(queue):
    _, subjects, tell = queue
    assert [s.id for s in tell().next] == subjects
    assert [s.id for s in tell(size=2).next] == subjects[:2]
    assert (tell().subjects, tell().seen, tell().waiting) == (3, 0, 3)


def test_people_are_told_apart_by_user_or_session(server, queue):
    workflow, subjects, tell = queue
    user = server.state.user_id("demo")
    say(server.state, workflow, subjects[0])
    assert [s.id for s in tell(session="a").next] == subjects[1:]
    assert [s.id for s in tell(session="b").next] == subjects
    say(server.state, workflow, subjects[1], user, session="a")
    assert [s.id for s in tell(user, session="z").next] == [subjects[0], subjects[2]]
    assert [s.id for s in tell(session="a").next] == subjects[1:]


def test_retired_subjects_are_not_shown(server, queue):
    workflow, subjects, tell = queue
    server.state.retire(workflow, [subjects[0]], "other")
    assert [s.id for s in tell().next] == subjects[1:]
    assert [s.id for s in tell(size=1).next] == subjects[1:2]
    assert (tell().open, tell().waiting) == (2, 2)


def test_who_has_seen_all_gets_the_longest_unseen_again(server, queue):
    workflow, subjects, tell = queue
    for subject in (subjects[2], subjects[0], subjects[1]):
        say(server.state, workflow, subject)
    again = tell()
    assert [s.id for s in again.next] == [subjects[2], subjects[0], subjects[1]]
    assert all(s.seen for s in again.next)
    assert (again.seen, again.waiting) == (3, 0)


def test_the_api_tells_what_waits(server, session, queue):
    workflow, subjects, _ = queue
    say(server.state, workflow, subjects[0], server.state.user_id("demo"))
    answer = session.fetch("/subjects/queued", {"workflow_id": workflow, "page_size": 1})
    (subject,) = answer["subjects"]
    assert (subject["id"], subject["already_seen"], subject["retired"]) == (str(subjects[1]), False, False)
    assert (subject["finished_workflow"], subject["selection_state"]) == (False, "normal")
    meta = answer["meta"]["subjects"]
    assert (meta["count"], meta["seen"], meta["subjects"]) == (2, 1, 3)


def test_empty_workflow_has_an_empty_queue(server, session, offer):
    assert session.fetch("/subjects/queued", {"workflow_id": offer(survey_task(["Cod"]), subjects=0)})["subjects"] == []


def test_classification_sent_twice_is_recorded_once(server, session, queue):
    workflow, subjects, _ = queue
    metadata = {"session": "a", "started_at": "2026-01-01T00:00:00.000Z", "finished_at": "2026-01-01T00:00:09.000Z"}
    links = {"project": "1", "workflow": str(workflow), "subjects": [str(subjects[0])]}
    body = {"classifications": {"annotations": survey(HOWMANY="2"), "metadata": metadata, "links": links}}
    first, second = (session.push("/classifications", body)["classifications"][0]["id"] for _ in range(2))
    assert first == second
    later = {**metadata, "finished_at": "2026-01-01T00:00:10.000Z"}
    session.push("/classifications", {"classifications": {**body["classifications"], "metadata": later}})
    rows = server.state.rows("SELECT metadata FROM classifications")
    assert [json.loads(r[0]) for r in rows] == [metadata, later]
