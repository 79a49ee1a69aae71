import re

import pytest
import requests

from kso_utils.zooniverse.sandbox.people import Person
from kso_utils.zooniverse.sandbox.server import serve
from kso_utils.zooniverse.sandbox.simulation import simulate
from kso_utils.zooniverse.sandbox.tasks import drawing_task, survey_task

EVIL = "<script>alert('x')</script>"


@pytest.fixture
def sandbox():
    with serve() as running:
        yield running


def fill(sandbox, subjects=1, locations=({"image/jpeg": "ab.jpg"},), tasks=None):
    """Add one set of subjects with names that try to break the page; return the ids of the set and workflow."""
    state = sandbox.state
    project, workflows = sandbox.add_project("demo/reef", f"Reef {EVIL}", {EVIL: tasks or survey_task([EVIL])})
    subject_set = state.add("subject_sets", {"display_name": f"Set {EVIL}", "metadata": {}}, project).id
    state.link_sets(workflows[EVIL], [subject_set])
    body = {"metadata": {EVIL: EVIL}, "locations": list(locations)}
    state.link_subjects(subject_set, [state.add("subjects", body, project).id for _ in range(subjects)])
    return subject_set, workflows[EVIL]


def show(sandbox, path="/"):
    answer = requests.get(sandbox.url + path, timeout=5)
    assert answer.status_code == 200
    return answer.text


def test_empty_sandbox_says_so(sandbox):
    assert "There are no projects yet." in show(sandbox)


def test_first_page_leads_to_the_sets(sandbox):
    subject_set, _ = fill(sandbox)
    assert f'href="/sets/{subject_set}"' in show(sandbox)


def test_everything_from_outside_is_escaped(sandbox):
    subject_set, workflow = fill(sandbox)
    value = [{"choice": EVIL, "answers": {EVIL: EVIL}}]
    simulate(sandbox, workflow, lambda subject, person: [{"task": "T0", "value": value}], people=1)
    pages = show(sandbox) + show(sandbox, f"/sets/{subject_set}")
    assert "<script" not in pages
    assert pages.count("&lt;script&gt;") >= 7


def test_classifier_escapes_names_and_runs_one_script_of_its_own(sandbox):
    _, workflow = fill(sandbox)
    project = sandbox.state.find("projects")[0]
    pages = show(sandbox, f"/projects/{project}") + show(sandbox, f"/classify/{workflow}")
    assert re.findall("<script[^>]*>", pages) == ['<script type="module" src="/assets/classify.js">']
    assert pages.count("&lt;script&gt;") >= 6


def test_pages_allow_nothing_inline_and_no_other_server(sandbox):
    policy = requests.get(sandbox.url, timeout=5).headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert set(re.findall(r"'[^']*'|https?:\S*|data:", policy)) == {"'none'", "'self'"}


def test_movie_has_a_player_and_picture_is_shown(sandbox):
    subject_set, _ = fill(sandbox, locations=[{"video/mp4": "ab.mp4"}, {"image/png": "cd.png"}])
    page = show(sandbox, f"/sets/{subject_set}")
    assert '<video src="/blob/ab.mp4"' in page
    assert '<img src="/blob/cd.png"' in page


def test_medium_elsewhere_is_named_and_not_loaded(sandbox):
    subject_set, _ = fill(sandbox, locations=[{"image/png": "https://example.org/c.png"}])
    page = show(sandbox, f"/sets/{subject_set}")
    assert "Elsewhere: https://example.org/c.png" in page
    assert not re.search(r'(src|href)="https?:', page)


def test_answers_are_told_by_their_labels(sandbox):
    subject_set, workflow = fill(sandbox, tasks=survey_task(["Atlantic cod"]))
    value = [{"choice": "ATLANTICCOD", "answers": {"HOWMANY": "2"}}]
    simulate(sandbox, workflow, lambda subject, person: [{"task": "T0", "value": value}], people=1)
    assert "<strong>volunteer_01</strong>: Atlantic cod (howmany 2)" in show(sandbox, f"/sets/{subject_set}")


def test_other_media_and_answers_are_told_too(sandbox):
    subject_set, workflow = fill(sandbox, locations=[{"audio/mpeg": "ab.mp3"}, {"text/plain": "cd.txt"}])
    simulate(sandbox, workflow, lambda s, p: [{"task": "T9", "value": "a whale"}], people=1)
    page = show(sandbox, f"/sets/{subject_set}")
    assert '<audio src="/blob/ab.mp3"' in page
    assert '<a href="/blob/cd.txt">text/plain</a>' in page
    assert "<strong>volunteer_01</strong>: a whale" in page


def test_boxes_are_told_by_their_tools(sandbox):
    subject_set, workflow = fill(sandbox, tasks=drawing_task(["Cod"]))
    marks = [{"tool": 0, "x": 1, "y": 2, "width": 3, "height": 4}, {"toolIndex": 0}, {"tool": 5}]
    simulate(sandbox, workflow, lambda s, p: [{"task": "T0", "value": marks}], people=1)
    assert "<strong>volunteer_01</strong>: Cod; Cod; tool 5" in show(sandbox, f"/sets/{subject_set}")


@pytest.mark.parametrize("generation", [1, 2])
def test_boxes_lie_over_the_picture(sandbox, generation):
    subject_set, workflow = fill(sandbox, tasks=drawing_task(["Cod"]))
    box = {"tool": 0, "frame": 0, "x": 3.5, "y": 4, "width": 10, "height": 20}
    people = [Person(name, generation=generation) for name in "ab"]
    simulate(sandbox, workflow, lambda s, p: [{"task": "T0", "value": [box]}], people, size_px=(64, 36))
    page = show(sandbox, f"/sets/{subject_set}")
    assert '<svg viewBox="0 0 64 36"' in page
    assert page.count('<rect x="3.5" y="4" width="10" height="20"') == 2


def test_many_subjects_are_spread_over_pages(sandbox):
    subject_set, _ = fill(sandbox, subjects=25)
    first, second = (show(sandbox, f"/sets/{subject_set}?page={n}") for n in (1, 2))
    assert (first.count("<article>"), second.count("<article>")) == (24, 1)
    assert f'href="/sets/{subject_set}?page=2"' in first


def test_a_set_leads_back_to_its_project(sandbox):
    subject_set, _ = fill(sandbox)
    assert f'<a href="/projects/{sandbox.state.find("projects")[0]}">' in show(sandbox, f"/sets/{subject_set}")


def test_a_workflow_says_why_there_is_nothing_to_classify(sandbox):
    subject_set, workflow = fill(sandbox)
    assert "Classify</a>" in show(sandbox)
    sandbox.state.retire(workflow, sandbox.state.find("subjects", subject_set_id=subject_set), "other")
    assert "nothing left to do" in show(sandbox)
    sandbox.state.unlink_sets(workflow, [subject_set])
    assert "no subjects yet" in show(sandbox)


def test_subjects_that_left_a_workflow_are_not_counted(sandbox):
    subject_set, workflow = fill(sandbox, subjects=3)
    simulate(sandbox, workflow, people=1)
    members = sandbox.state.find("subjects", subject_set_id=subject_set)
    sandbox.state.unlink_subjects(subject_set, members[:2])
    page = show(sandbox, f"/projects/{sandbox.state.find('projects')[0]}")
    assert "1 subject, 0 finished, 3 classifications" in page


@pytest.mark.parametrize(("path", "what"), [("/sets/7", "subject set"), ("/projects/7", "project"),
                                            ("/classify/7", "workflow")])  # fmt: skip
def test_a_page_that_is_not_there_says_so_to_a_person(sandbox, path, what):
    answer = requests.get(sandbox.url + path, timeout=5)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert f"There is no {what} 7 here." in answer.text


@pytest.mark.parametrize("path", ["/assets/none.js", "/assets/../server.py"])
def test_what_is_not_there_is_not_found(sandbox, path):
    assert requests.get(sandbox.url + path, timeout=5).status_code == 404
