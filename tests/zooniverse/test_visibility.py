import pytest

from kso_utils.core.errors import ConfigError, MetadataError, ZooniverseError
from kso_utils.zooniverse.sandbox import Fault
from kso_utils.zooniverse.sandbox.tasks import survey_task
from kso_utils.zooniverse.visibility import link_sets, list_members, load_subject_ids, retire


def retired(reef, workflow):
    query = {"workflow_id": workflow, "page_size": 100}
    statuses = reef.session.fetch("/subject_workflow_statuses", query)["subject_workflow_statuses"]
    return {int(s["links"]["subject"]): s["retirement_reason"] for s in statuses if s["retired_at"]}


def shown(reef, workflow):
    return reef.session.fetch(f"/workflows/{workflow}")["workflows"][0]["links"]["subject_sets"]


def test_subjects_are_retired_with_a_reason_and_shown_again(reef):
    workflow = reef.workflow()
    gone = sorted(reef.ids[:3])
    table = retire(reef.session, workflow, [*gone, gone[0]], "nothing_here")
    assert list(table.itertuples(index=False, name=None)) == [(n, "retire", "done") for n in gone]
    assert retired(reef, workflow) == dict.fromkeys(gone, "nothing_here")
    assert set(retire(reef.session, workflow, gone[:2], undo=True).act) == {"unretire"}
    assert retired(reef, workflow) == {gone[2]: "nothing_here"}


@pytest.mark.parametrize("undo", [False, True])
def test_a_dry_run_retires_nobody(reef, undo):
    workflow = reef.workflow()
    retire(reef.session, workflow, reef.ids[:1])
    table = retire(reef.session, workflow, reef.ids, undo=undo, dry_run=True)
    assert set(table.state) == {"planned"}
    assert set(retired(reef, workflow)) == {reef.ids[0]}


def test_strangers_are_refused_before_anything_is_changed(reef):
    workflow = reef.workflow()
    outside = reef.double(0, linked=False)
    with pytest.raises(MetadataError, match="NOT_IN_WORKFLOW") as caught:
        retire(reef.session, workflow, [*reef.ids, outside, 999_999])
    assert [finding.value for finding in caught.value.report] == [str(outside), "999999"]
    assert retired(reef, workflow) == {}


def test_subjects_go_100_at_a_time(reef):
    body = {"metadata": {}, "locations": []}
    ids = [reef.server.state.add("subjects", body, int(reef.project)).id for _ in range(201)]
    reef.session.link_subjects(reef.set_id, ids)
    workflow = reef.workflow()
    retire(reef.session, workflow, ids)
    assert reef.server.hits["POST /api/workflows/<id>/retired_subjects"] == 3
    assert reef.server.state.rows("SELECT COUNT(retired_at) FROM statuses")[0][0] == 201


@pytest.mark.usefixtures("no_waiting")
def test_a_server_that_fails_in_the_middle_is_told(reef):
    workflow = reef.workflow()
    reef.server.faults.append(Fault("POST .*/retired_subjects", 503, 100))
    with pytest.raises(ZooniverseError, match="0 of 5 subjects are done"):
        retire(reef.session, workflow, reef.ids)


@pytest.mark.parametrize(
    ("workflow", "reason", "says"), [(1, "other", "has no workflow 1"), (None, "boring", "no reason 'boring'")]
)
def test_what_cannot_be_retired_is_told(reef, workflow, reason, says):
    with pytest.raises(ConfigError, match=says):
        retire(reef.session, workflow or reef.workflow(), reef.ids, reason)


def make_workflow(reef, project=None):
    body = {"display_name": "more", **survey_task(["Cod"])._asdict(), "links": {"project": project or reef.project}}
    return int(reef.session.push("/workflows", {"workflows": body})["workflows"][0]["id"])


def test_a_set_is_shown_in_workflows_and_taken_out_again(reef):
    first, second = reef.workflow(), make_workflow(reef)
    table = link_sets(reef.session, reef.project, "Clips", [first, second, second])
    assert len(table) == 2
    assert table.act.tolist() == ["none", "link"]
    assert table.workflow.tolist() == ["clips", "more"]
    assert shown(reef, first) == shown(reef, second) == [str(reef.set_id)]
    table = link_sets(reef.session, reef.project, reef.set_id, [first], undo=True)
    assert (table.act.tolist(), table.state.tolist()) == (["unlink"], ["done"])
    assert shown(reef, first) == []
    assert link_sets(reef.session, reef.project, "Clips", [first], undo=True).act.tolist() == ["none"]


@pytest.mark.parametrize("undo", [False, True])
def test_a_dry_run_links_nothing(reef, undo):
    workflows = [reef.workflow(), make_workflow(reef)]
    before = [shown(reef, number) for number in workflows]
    table = link_sets(reef.session, reef.project, "Clips", workflows, undo=undo, dry_run=True)
    assert set(table.state) == {"planned"}
    assert [shown(reef, number) for number in workflows] == before


def test_a_workflow_of_another_project_is_refused_before_anything_is_changed(reef):
    other = reef.session.push("/projects", {"projects": {"display_name": "Other"}})["projects"][0]["id"]
    mine, theirs = make_workflow(reef), make_workflow(reef, other)
    with pytest.raises(ConfigError, match=f"has no workflow {theirs}"):
        link_sets(reef.session, reef.project, "Clips", [mine, theirs])
    assert shown(reef, mine) == []


@pytest.mark.parametrize("subject_set", ["Frames", 1])
def test_a_set_that_there_is_not_is_told(reef, subject_set):
    with pytest.raises(ConfigError, match="has no subject set"):
        link_sets(reef.session, reef.project, subject_set, [])


def test_a_set_of_another_project_is_not_found(reef):
    other = reef.session.push("/projects", {"projects": {"display_name": "Other"}})["projects"][0]["id"]
    with pytest.raises(ConfigError, match="has no subject set"):
        list_members(reef.session, other, reef.set_id)


def test_members_are_listed(reef):
    assert sorted(list_members(reef.session, reef.project, "Clips")) == sorted(reef.ids)


@pytest.mark.parametrize("text", ["subject_id,why\n12,a\n7,b\n", "id\n12\n7\n", "why;Subject_ID\na;12\nb;7\n"])
def test_ids_are_read_from_a_table(tmp_path, text):
    (tmp_path / "ids.csv").write_text(text)
    assert load_subject_ids(tmp_path / "ids.csv") == [12, 7]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name\na\n", "has no column subject_id. It has: name"),
        ("subject_id\n12\nx\n", r"line 3, column 'subject_id': 'x' is not the id"),
        ("subject_id,a\n-1,b\n", "'-1' is not the id"),
        ("subject_id,a\n,b\n", "'' is not the id"),
    ],
)
def test_a_table_without_ids_is_told(tmp_path, text, says):
    (tmp_path / "ids.csv").write_text(text)
    with pytest.raises(MetadataError, match=says):
        load_subject_ids(tmp_path / "ids.csv")
