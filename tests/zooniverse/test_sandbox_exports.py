import csv
import gzip
import io
import json
import re

import pytest
import requests

from kso_utils.zooniverse.answers import flatten
from kso_utils.zooniverse.exports import read_exports
from kso_utils.zooniverse.sandbox.background import Background
from kso_utils.zooniverse.sandbox.classifications import add_classifications
from kso_utils.zooniverse.sandbox.exports import CLASSIFICATIONS, Exporter, export_rows
from kso_utils.zooniverse.sandbox.server import serve
from kso_utils.zooniverse.sandbox.state import State
from kso_utils.zooniverse.sandbox.tasks import inject_strings, survey_task

URL = "http://127.0.0.1:1"


@pytest.fixture
def sandbox():
    with serve() as running:
        yield running


@pytest.fixture
def filled(sandbox):
    """A project with a survey of one set of two subjects, classified by one known and one unknown person."""
    state = sandbox.state
    project, workflows = sandbox.add_project("demo/reef", "Reef", {"clips": survey_task(["Cod"])}, retire_after=2)
    media = [{"image/jpeg": "ab"}, {"image/png": "https://example.org/c.png"}]
    subjects = [
        state.add("subjects", {"metadata": {"note": 'a "line"\nÅ', "n": n}, "locations": media}, project).id
        for n in range(2)
    ]
    subject_set = state.add("subject_sets", {"display_name": "one", "metadata": {}}, project).id
    state.link_subjects(subject_set, subjects)
    state.link_sets(workflows["clips"], [subject_set])
    value = [{"choice": "COD", "answers": {"HOWMANY": "2"}, "filters": {}}]
    common = {"workflow_id": workflows["clips"], "subject_id": subjects[0], "created_at": "2026-02-03T04:05:06.789Z"}
    annotations = [{"task": "T0", "value": value}]
    people = [(state.user_id("volunteer_01"), {"live_project": True}), (None, {"session": "s1"})]
    add_classifications(state, [{**common, "user_id": u, "metadata": m, "annotations": annotations} for u, m in people])
    return state, project, workflows["clips"], subjects, subject_set


def text_of(state, owner_kind, owner_id, kind):
    with state.snapshot() as reader, io.StringIO(newline="") as text:
        csv.writer(text, lineterminator="\n").writerows(export_rows(reader, owner_kind, owner_id, kind, URL))
        return text.getvalue()


def rows_of(state, owner_kind, owner_id, kind):
    return list(csv.DictReader(io.StringIO(text_of(state, owner_kind, owner_id, kind), newline="")))


def test_classifications_have_the_documented_columns_in_order(filled):
    state, project, *_ = filled
    assert text_of(state, "projects", project, "classifications").splitlines()[0] == (
        "classification_id,user_name,user_id,user_ip,workflow_id,workflow_name,workflow_version,created_at,"
        "gold_standard,expert,metadata,annotations,subject_data,subject_ids"
    )


def test_classification_of_a_known_person(filled):
    state, project, workflow, subjects, _ = filled
    row = rows_of(state, "projects", project, "classifications")[0]
    assert row["user_name"] == "volunteer_01"
    assert row["user_id"] == str(state.user_id("volunteer_01"))
    assert (row["workflow_id"], row["workflow_name"], row["workflow_version"]) == (str(workflow), "clips", "1.1")
    assert row["created_at"] == "2026-02-03 04:05:06 UTC"
    assert json.loads(row["metadata"]) == {"live_project": True}
    assert row["subject_ids"] == str(subjects[0])


def test_person_who_is_not_logged_in_has_another_name_in_each_file(filled):
    state, project, *_ = filled
    names = {rows_of(state, "projects", project, "classifications")[1]["user_name"] for _ in range(2)}
    assert len(names) == 2
    assert all(re.fullmatch("not-logged-in-[0-9a-f]{20}", name) for name in names)


def test_survey_answers_are_exported_without_a_label(filled):
    state, project, *_ = filled
    row = rows_of(state, "projects", project, "classifications")[0]
    value = [{"choice": "COD", "answers": {"HOWMANY": "2"}, "filters": {}}]
    assert json.loads(row["annotations"]) == [{"task": "T0", "value": value}]


def test_subject_data_tells_metadata_and_retirement(filled):
    state, project, workflow, subjects, _ = filled
    data = json.loads(rows_of(state, "projects", project, "classifications")[0]["subject_data"])[str(subjects[0])]
    assert data["note"] == 'a "line"\nÅ'
    assert (data["retired"]["workflow_id"], data["retired"]["classifications_count"]) == (workflow, 2)


@pytest.mark.parametrize("owner", ["workflows", "subject_sets"])
def test_classifications_of_a_part_of_a_project(filled, owner):
    state, _, workflow, _, subject_set = filled
    assert len(rows_of(state, owner, workflow if owner == "workflows" else subject_set, "classifications")) == 2


def test_other_workflow_has_no_classifications(filled):
    state, _, workflow, *_ = filled
    assert rows_of(state, "workflows", workflow + 1000, "classifications") == []


def test_subjects_have_one_row_a_subject_set_and_workflow(filled):
    state, project, workflow, subjects, subject_set = filled
    other = state.add("subject_sets", {"display_name": "two", "metadata": {}}, project).id
    state.link_subjects(other, subjects[:1])
    keys = [
        (r["subject_id"], r["subject_set_id"], r["workflow_id"])
        for r in rows_of(state, "projects", project, "subjects")
    ]
    first, second = (str(s) for s in subjects)
    assert keys == [
        (first, str(subject_set), str(workflow)),
        (first, str(other), ""),
        (second, str(subject_set), str(workflow)),
    ]


def test_subject_row_tells_counts_and_media(filled):
    state, project, *_ = filled
    row = rows_of(state, "projects", project, "subjects")[0]
    assert json.loads(row["locations"]) == {"0": f"{URL}/blob/ab", "1": "https://example.org/c.png"}
    assert (row["classifications_count"], row["retirement_reason"]) == ("2", "classification_count")
    assert row["retired_at"] == "2026-02-03 04:05:06 UTC"


def test_workflows_have_one_row_a_version(filled, sandbox):
    state, project, *_ = filled
    sandbox.add_project("demo/reef", "Reef", {"clips": survey_task(["Cod", "Crab"])}, retire_after=2)
    rows = rows_of(state, "projects", project, "workflows")
    assert [(r["version"], r["minor_version"]) for r in rows] == [("1", "1"), ("2", "2")]
    tasks = inject_strings(json.loads(rows[1]["tasks"]), json.loads(rows[1]["strings"]))
    assert tasks["T0"]["choices"]["CRAB"]["label"] == "Crab"
    assert json.loads(rows[0]["retirement"]) == {"criteria": "classification_count", "options": {"count": 2}}


def test_exports_are_read_back_as_they_were_said(filled, tmp_path):
    state, project, _, subjects, _ = filled
    for kind in ("classifications", "subjects", "workflows"):
        (tmp_path / f"{kind}.csv").write_text(text_of(state, "projects", project, kind), encoding="utf-8")
    exports = read_exports(tmp_path)
    rows = flatten(exports.classifications, exports.workflows)
    assert exports.report.ok
    assert rows[["subject_id", "label", "how_many"]].to_numpy().tolist() == [[subjects[0], "Cod", 2.0]] * 2


@pytest.fixture
def background():
    working = Background()
    yield working
    working.close()


def test_export_is_gzip_with_its_encoding_named(filled, sandbox, background):
    state, project, *_ = filled
    medium = Exporter(state, background).start(state.get("projects", project), "classifications", sandbox.url)
    background.wait()
    answer = requests.get(medium["src"], stream=True, timeout=5)
    assert (answer.headers["Content-Encoding"], answer.headers["Content-Type"]) == ("gzip", "text/csv")
    assert gzip.decompress(answer.raw.read()).decode().startswith(",".join(CLASSIFICATIONS))


def test_export_is_being_made_until_its_time_has_passed(filled, background):
    state, project, *_ = filled
    exporter = Exporter(state, background, delay_s=60)
    exporter.start(state.get("projects", project), "subjects", URL)
    assert exporter.describe(state.get("projects", project), "subjects", URL)["metadata"]["state"] == "creating"


def test_export_that_a_stopped_server_had_begun_is_made_by_the_next(tmp_path, background):
    state = State(tmp_path / "s.db")
    project = state.add("projects", {"display_name": "Reef"}, None, 1, "demo/reef")
    stopped = Background()
    Exporter(state, stopped, delay_s=60).start(project, "subjects", URL)
    stopped.close()
    following = Exporter(state, background)
    following.resume(URL)
    background.wait()
    assert following.describe(project, "subjects", URL)["metadata"]["state"] == "ready"
    state.close()


def test_export_asked_for_too_soon_stays_in_the_making_and_keeps_the_file_of_before(filled, sandbox, background):
    state, number, *_ = filled
    project = state.get("projects", number)
    exporter = Exporter(state, background, throttle_s=3600)
    first = exporter.start(project, "subjects", sandbox.url)
    background.wait()
    before = requests.get(first["src"], timeout=5).content
    second = exporter.start(project, "subjects", sandbox.url)
    background.wait()
    exporter.resume(sandbox.url)
    background.wait()
    assert second["src"] == first["src"]
    assert exporter.describe(project, "subjects", sandbox.url)["metadata"]["state"] == "creating"
    assert requests.get(second["src"], timeout=5).content == before


def test_export_asked_for_twice_is_made_once_even_by_the_next_server(filled, background):
    state, number, *_ = filled
    project, stopped = state.get("projects", number), Background()
    exporter = Exporter(state, stopped, delay_s=60, throttle_s=3600)
    for _ in range(2):
        exporter.start(project, "subjects", URL)
    stopped.close()
    Exporter(state, background, throttle_s=3600).resume(URL)
    background.wait()
    assert exporter.describe(project, "subjects", URL)["metadata"]["state"] == "ready"


def test_throttle_counts_by_resource_and_kind_and_passes(filled, sandbox, background):
    state, number, workflow, *_ = filled
    exporter = Exporter(state, background, throttle_s=3600)
    for kind, resource_id, export in (
        ("projects", number, "subjects"),
        ("projects", number, "classifications"),
        ("workflows", workflow, "classifications"),
    ):
        exporter.start(state.get(kind, resource_id), export, sandbox.url)
    background.wait()
    states = {row["state"] for row in state.rows("SELECT state FROM exports")}
    assert states == {"ready"}
    state.run("UPDATE exports SET accepted = accepted - 3601 WHERE kind = 'subjects'")
    exporter.start(state.get("projects", number), "subjects", sandbox.url)
    background.wait()
    assert exporter.describe(state.get("projects", number), "subjects", URL)["metadata"]["state"] == "ready"


def test_several_subjects_shown_together_are_one_classification(filled):
    state, project, workflow, subjects, _ = filled
    common = {"workflow_id": workflow, "user_id": None, "annotations": [], "metadata": {}}
    add_classifications(state, [{**common, "subject_ids": subjects}])
    row = rows_of(state, "projects", project, "classifications")[-1]
    assert row["subject_ids"] == ";".join(map(str, subjects))
    assert list(json.loads(row["subject_data"])) == [str(s) for s in subjects]
    counted = state.rows("SELECT classifications_count FROM statuses ORDER BY subject_id")
    assert [r[0] for r in counted] == [3, 1]


def test_gold_standard_and_expert_are_told(filled):
    state, project, workflow, subjects, _ = filled
    common = {"workflow_id": workflow, "subject_id": subjects[1], "user_id": None, "annotations": [], "metadata": {}}
    add_classifications(state, [{**common, "gold_standard": True, "expert": "owner"}, common])
    last = rows_of(state, "projects", project, "classifications")[-2:]
    assert [(row["gold_standard"], row["expert"]) for row in last] == [("true", "owner"), ("", "")]


def test_server_answers_while_an_export_is_read(filled):
    state, project, *_ = filled
    with state.snapshot() as reader:
        rows = export_rows(reader, "projects", project, "subjects", URL)
        next(rows)
        next(rows)
        state.add("subjects", {"metadata": {}, "locations": []}, project)
        assert len(list(rows)) == 1
