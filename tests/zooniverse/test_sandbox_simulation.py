import json

import pytest

from kso_utils.core.errors import ZooniverseError
from kso_utils.zooniverse.sandbox.server import serve
from kso_utils.zooniverse.sandbox.simulation import simulate
from kso_utils.zooniverse.sandbox.tasks import survey_task


@pytest.fixture
def reef():
    """A sandbox, its workflow, and a function that adds subjects to it."""
    with serve() as sandbox:
        project, workflows = sandbox.add_project("demo/reef", "Reef", {"clips": survey_task(["Cod"])}, retire_after=3)
        subject_set = sandbox.state.add("subject_sets", {"display_name": "one", "metadata": {}}, project).id
        sandbox.state.link_sets(workflows["clips"], [subject_set])

        def add(n):
            body = {"metadata": {"n": n}, "locations": [{"video/mp4": "ab"}]}
            sandbox.state.link_subjects(subject_set, [sandbox.state.add("subjects", body, project).id])

        yield sandbox, workflows["clips"], add


def say(subject, person):
    return [
        {"task": "T0", "value": [{"choice": "COD", "answers": {"HOWMANY": str(subject["metadata"]["n"] + person)}}]}
    ]


def rows_of(sandbox):
    return sandbox.state.rows("SELECT c.*, login FROM classifications c JOIN users u ON u.id = user_id ORDER BY c.id")


def test_each_person_classifies_each_subject_once(reef):
    sandbox, workflow, add = reef
    add(1)
    add(2)
    assert simulate(sandbox, workflow, say, people=3) == 6
    assert len({(r["login"], r["subject_id"]) for r in rows_of(sandbox)}) == 6


def test_second_run_adds_only_what_is_new(reef):
    sandbox, workflow, add = reef
    add(1)
    simulate(sandbox, workflow, say, people=3)
    assert simulate(sandbox, workflow, say, people=3) == 0
    add(2)
    assert simulate(sandbox, workflow, say, people=4) == 5


def test_person_says_what_was_asked_for(reef):
    sandbox, workflow, add = reef
    add(7)
    simulate(sandbox, workflow, say, people=3)
    said = {r["login"]: json.loads(r["annotations"])[0]["value"][0]["answers"]["HOWMANY"] for r in rows_of(sandbox)}
    assert said == {"volunteer_01": "7", "volunteer_02": "8", "volunteer_03": "9"}


def test_times_grow_and_lie_in_the_past(reef):
    sandbox, workflow, add = reef
    for n in range(4):
        add(n)
        simulate(sandbox, workflow, say, people=2)
    rows = rows_of(sandbox)
    times = [r["created_at"] for r in rows]
    assert times == sorted(times)
    assert all(json.loads(r["metadata"])["finished_at"] == r["created_at"] for r in rows)


def test_screens_report_the_size_of_the_pictures(reef):
    sandbox, workflow, add = reef
    add(1)
    simulate(sandbox, workflow, say, people=1, size_px=(640, 360))
    (dimensions,) = json.loads(rows_of(sandbox)[0]["metadata"])["subject_dimensions"]
    assert (dimensions["naturalWidth"], dimensions["naturalHeight"]) == (640, 360)


def test_same_seed_gives_the_same_order(reef):
    sandbox, workflow, add = reef
    add(1)
    simulate(sandbox, workflow, say, people=5, seed=3)
    first = [r["login"] for r in rows_of(sandbox)]
    sandbox.state.run("DELETE FROM classifications")
    simulate(sandbox, workflow, say, people=5, seed=3)
    assert [r["login"] for r in rows_of(sandbox)] == first


def test_subject_is_retired_after_enough_people(reef):
    sandbox, workflow, add = reef
    add(1)
    simulate(sandbox, workflow, say, people=2)
    assert sandbox.state.rows("SELECT retired_at FROM statuses")[0][0] is None
    simulate(sandbox, workflow, say, people=3)
    assert sandbox.state.rows("SELECT retired_at FROM statuses")[0][0] is not None


def test_unknown_workflow_is_told(reef):
    with pytest.raises(ZooniverseError, match="no workflow 5"):
        simulate(reef[0], 5, say)
