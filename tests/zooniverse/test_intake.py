import gzip
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from kso_utils.core.errors import ConfigError
from kso_utils.store.engine import open_store
from kso_utils.store.rows import Counts
from kso_utils.zooniverse import exports
from kso_utils.zooniverse.answers import flatten
from kso_utils.zooniverse.pulls import take_in
from kso_utils.zooniverse.retrieval import files, intake
from kso_utils.zooniverse.workflows import TaskMap
from tests.zooniverse.test_exports import text_of

KILLING = Path(__file__).with_name("killing_pulls.py")
COD = json.dumps([{"task": "T0", "value": [{"choice": "ATLANTICCOD", "answers": {}, "filters": {}}]}])
SURVEY = {"T0": {"type": "survey", "choices": {"ATLANTICCOD": {"label": "T0.cod"}}}}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "downloaded"
    path.mkdir()
    return path


def classify(folder, *rows, name="classifications.csv"):
    (folder / name).write_text(text_of(*({"annotations": COD, **row} for row in rows)), encoding="utf-8")


def write_table(folder, name, rows):
    pd.DataFrame(rows).to_csv(folder / name, index=False)


def add_workflow(folder):
    texts = {"tasks": json.dumps(SURVEY), "strings": json.dumps({"T0.cod": "Atlantic cod"})}
    write_table(folder, "workflows.csv", [{"workflow_id": 7, "version": 5, "minor_version": 10, **texts}])


def rows_of(store):
    tables = ("subjects", "subject_workflows", "classifications", "annotations")
    return {name: store.read(name, order_by="id") for name in tables}


def same(left, right):
    for name, table in left.items():
        pd.testing.assert_frame_equal(table, right[name])


def test_downloaded_files_are_taken_in_and_remembered(store, folder):
    classify(folder, {}, {"classification_id": "2", "subject_ids": "x"})
    add_workflow(folder)
    pulled = take_in(store, folder)
    assert [(t.name, t.rows, t.taken, t.refused) for t in pulled.files] == [
        ("workflows.csv", 1, 1, 0),
        ("classifications.csv", 2, 1, 1),
    ]
    kept = store.read("export_files", order_by="name")
    assert kept[["kind", "name", "rows"]].values.tolist() == [
        ["classifications", "classifications.csv", 2],
        ["workflows", "workflows.csv", 1],
    ]
    assert kept["params"][0]["versions"] == [[7, 5, 10]]
    assert store.read("classifications")["source_sha256"].tolist() == [kept["sha256"][0]]


def test_a_folder_without_exports(store, folder):
    (folder / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match="No export"):
        take_in(store, folder)


BAD_SUBJECTS = [
    {"metadata": "{"},
    {"locations": "[1]"},
    {"subject_id": "x"},
    {"subject_id": "9" * 30},
    {"workflow_id": "x"},
    {"classifications_count": "many"},
]


@pytest.mark.parametrize("bad", BAD_SUBJECTS)
def test_a_row_of_the_subjects_export_that_cannot_be_read_is_listed_and_the_others_go_on(store, folder, bad):
    classify(folder, {"subject_ids": "6"})
    plain = {"subject_set_id": "3", "workflow_id": "7", "metadata": "{}", "locations": "{}"}
    write_table(folder, "subjects.csv", [{"subject_id": "5", **plain, **bad}, {"subject_id": "6", **plain}])
    pulled = take_in(store, folder)
    assert [(f.table, f.row) for f in pulled.report if f.code == "UNREADABLE_ROW"] == [("subjects.csv", 2)]
    tally = next(tally for tally in pulled.files if tally.kind == "subjects")
    assert (tally.rows, tally.taken, tally.refused) == (2, 1, 1)
    assert store.read("subjects")["id"].tolist() == store.read("subject_workflows")["subject_id"].tolist() == [6]


@pytest.mark.parametrize("packed", [False, True])
def test_downloaded_files_are_kept_unchanged_and_once(store, folder, tmp_path, packed):
    classify(folder)
    source = folder / "classifications.csv"
    if packed:
        source.write_bytes(gzip.compress(source.read_bytes()))
    kept = tmp_path / "exports"
    for _ in range(2):
        take_in(store, folder, kept_in=kept)
    (copy,) = kept.iterdir()
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert copy.name == f"classifications_downloaded_{digest[:12]}.csv" + ".gz" * packed
    assert copy.read_bytes() == source.read_bytes()
    take_in(store, kept, kept_in=kept)
    assert list(kept.iterdir()) == [copy]


def test_rows_that_are_known_are_not_read_again(store, folder, monkeypatch):
    classify(folder, *({"classification_id": str(n)} for n in range(1, 6)))
    take_in(store, folder)
    before, flattened = rows_of(store) | {"files": store.read("export_files")}, []
    real = intake.flatten
    monkeypatch.setattr(intake, "flatten", lambda table, *rest: flattened.append(len(table)) or real(table, *rest))
    assert take_in(store, folder).counts["classifications"] == Counts(unchanged=5)
    assert flattened == []
    same(before, rows_of(store) | {"files": store.read("export_files")})
    classify(folder, *({"classification_id": str(n)} for n in range(1, 8)))
    pulled = take_in(store, folder)
    assert flattened == [2]
    assert pulled.counts["classifications"] == Counts(inserted=2, unchanged=5)
    assert (pulled.files[0].known, pulled.files[0].taken) == (5, 2)


def test_answers_are_read_again_once_their_version_has_come(store, folder):
    classify(folder, {}, {"classification_id": "2", "workflow_version": "5.9"})
    take_in(store, folder)
    assert set(store.read("annotations").labels_from) == {"codes"}
    add_workflow(folder)
    pulled = take_in(store, folder)
    read = store.read("annotations", order_by="classification_id")[["label", "labels_from"]].values.tolist()
    assert read == [["Atlantic cod", "workflow"], ["ATLANTICCOD", "codes"]]
    assert pulled.counts["annotations"] == Counts(updated=1)
    (folder / "workflows.csv").unlink()
    take_in(store, folder)
    assert store.read("annotations", order_by="classification_id").label.tolist() == ["Atlantic cod", "ATLANTICCOD"]


def test_answers_are_read_again_where_their_meaning_changed(store, folder):
    classify(folder, {})
    take_in(store, folder)
    take_in(store, folder, TaskMap(nothing=("ATLANTICCOD",)))
    assert store.read("annotations").label.tolist() == [None]


def test_annotations_that_are_no_json_are_listed(store, folder):
    classify(folder, {"annotations": "[{"}, {"classification_id": "2"}, {"classification_id": "3", "annotations": "{}"})
    pulled = take_in(store, folder)
    assert [f.value for f in pulled.report if f.code == "UNREADABLE_ANNOTATIONS"] == ["1", "3"]
    assert (pulled.files[0].taken, pulled.files[0].refused) == (1, 2)
    assert store.read("classifications").id.tolist() == [2]


def test_a_classification_of_several_subjects_keeps_them(store, folder):
    classify(folder, {"subject_ids": "100;101"}, {"classification_id": "2"})
    take_in(store, folder)
    table = store.read("classifications", ["subject_id", "subject_ids"], order_by="id")
    assert table.values.tolist() == [[100, [100, 101]], [100, None]]


def test_subjects_that_no_export_holds_come_from_their_classifications(store, folder):
    data = {"100": {"retired": None, "#movie_id": 1, "#subject_type": "frame"}}
    classify(folder, {"subject_data": json.dumps(data)}, {"classification_id": "2", "subject_ids": "101"})
    pulled = take_in(store, folder)
    assert [f.value for f in pulled.report if f.code == "UNKNOWN_SUBJECT"] == ["100", "101"]
    subjects = store.read("subjects", ["id", "movie_id", "subject_type"], order_by="id").astype(object)
    assert subjects.values.tolist()[0] == [100, 1, "frame"]
    assert subjects.subject_type[1] == "clip"


def test_a_subject_on_which_people_drew_is_a_frame(store, folder, monkeypatch):
    monkeypatch.setattr(exports, "_CHUNK_ROWS", 1)
    monkeypatch.setattr(files, "_WAYS", ((True, 1_000), *files._WAYS))
    box = [{"tool": 0, "frame": 0, "details": [], "x": 1, "y": 2, "width": 3, "height": 4}]
    drawn = json.dumps([{"task": "T0", "value": box}])
    classify(folder, {}, *({"classification_id": str(n), "annotations": drawn} for n in (2, 3)))
    take_in(store, folder)
    assert store.read("subjects").subject_type.tolist() == ["frame"]


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_chunks_of_any_size_give_the_same(store, folder, tmp_path, monkeypatch, rows):
    given = ({"classification_id": str(n), "subject_ids": str(100 + n % 3), "user_name": f"u{n}"} for n in range(10))
    classify(folder, *given)
    with open_store(tmp_path / "other.sqlite") as other:
        take_in(other, folder)
        monkeypatch.setattr(exports, "_CHUNK_ROWS", rows)
        monkeypatch.setattr(files, "_WAYS", ((True, 1_000), *files._WAYS))
        chunks = []
        monkeypatch.setattr(intake, "flatten", lambda *given: chunks.append(1) or flatten(*given))
        take_in(store, folder)
        same(rows_of(other), rows_of(store))
    assert len(chunks) > 1 or rows == 100


def test_how_far_a_subject_is_in_each_workflow(store, folder):
    row = {"subject_id": 100, "metadata": "{}", "locations": "{}", "classifications_count": 3, "subject_set_id": 5}
    retired = {"workflow_id": 8, "retired_at": "2026-01-02 03:04:05 UTC", "retirement_reason": "consensus"}
    write_table(folder, "subjects.csv", [{**row, "workflow_id": 7}, {**row, **retired}])
    take_in(store, folder)
    columns = ["workflow_id", "subject_set_id", "classifications_count", "retired_at", "retirement_reason"]
    told = store.read("subject_workflows", columns, order_by="workflow_id").values.tolist()
    assert told == [[7, "5", 3, None, None], [8, "5", 3, "2026-01-02T03:04:05Z", "consensus"]]
    write_table(folder, "subjects.csv", [{**row, "workflow_id": 7}])
    assert take_in(store, folder).counts["subject_workflows"] == Counts(unchanged=1, removed=1)


def test_links_of_older_exports():
    row = {
        "subject_id": "1",
        "subject_set_id": "5",
        "workflow_ids": "[7, 8]",
        "classifications_by_workflow": '{"7": 4}',
    }
    links = intake.list_links(pd.DataFrame([row]))
    assert links[["workflow_id", "classifications_count"]].values.tolist() == [[7, 4], [8, None]]


def take_in_real(store, folder):
    pulled = take_in(store, folder)
    told = {tally.name: (tally.rows, tally.taken, tally.refused) for tally in pulled.files}
    given = store.read("classifications", ["id", "source_sha256"])
    marked = set(store.read("annotations", ["classification_id"])["classification_id"])
    listed = {int(f.value) for f in pulled.report if f.code == "UNREADABLE_ANNOTATIONS"}
    assert set(given["id"]) <= marked | listed
    names = store.read("export_files").set_index("sha256")["name"]
    return told, given["source_sha256"].map(names).value_counts().to_dict()


def test_every_row_of_the_real_exports_is_flattened_or_listed(store, zooniverse_data):
    told, given = take_in_real(store, zooniverse_data)
    assert sum(rows for rows, _, _ in told.values()) == 2279
    assert all(rows == taken for rows, taken, _ in told.values())
    assert given == {
        "drawing_circle_ellipse_63.csv": 63,
        "drawing_fem_polygon_freehand_153.csv": 153,
        "question_supernova_7.csv": 7,
        "survey_gorongosa_20.csv": 20,
        "survey_michigan_2000.csv": 2000,
    }


def test_every_row_of_a_real_marine_project_is_flattened_or_listed(store, koster_data):
    assert take_in_real(store, koster_data)[1] == {"workflow2_classifications_pseudonymised.csv": 13}


def killed(folder, kills):
    """Kill so many times, or before each write, and return how many kills that were."""
    command = [sys.executable, str(KILLING), str(folder), str(kills), "1"]
    environment = {**os.environ, "PYTHONPATH": str(KILLING.parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_an_intake_that_is_killed_before_any_write_leaves_the_store_as_it_was(tmp_path):
    assert killed(tmp_path, 0) >= 8


@pytest.mark.soak
def test_an_intake_that_is_killed_at_random_leaves_the_old_store_or_the_new(tmp_path):
    assert killed(tmp_path, 60) == 60
