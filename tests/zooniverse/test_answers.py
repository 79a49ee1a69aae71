import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import MetadataError
from kso_utils.core.report import Report
from kso_utils.zooniverse.answers import CLASSIFICATION_COLUMNS, flatten
from kso_utils.zooniverse.exports import read_files
from kso_utils.zooniverse.workflows import TaskMap, Workflows
from tests.zooniverse.answering import STRINGS, WORKFLOWS, classifications, survey

COLUMNS = [
    *CLASSIFICATION_COLUMNS,
    *("task", "label", "labels_from", "how_many", "first_seen_s", "frame", "shape"),
    *("x", "y", "width", "height", "angle", "geometry", "raw"),
]


def test_columns_and_their_order():
    assert list(flatten(classifications(survey(("COD", {})))).columns) == COLUMNS


def test_no_classifications_give_the_columns_alone():
    rows = flatten(classifications())
    assert list(rows.columns) == COLUMNS
    assert rows.empty


def test_missing_columns_are_named():
    with pytest.raises(MetadataError, match="user_kind"):
        flatten(classifications([]).drop(columns="user_kind"))


def test_classifications_as_the_store_keeps_them():
    frame = classifications(survey(("COD", {}))).rename(columns={"classification_id": "id"})
    frame["annotations"] = frame["annotations"].map(json.loads)
    assert flatten(frame, WORKFLOWS).label.tolist() == ["Atlantic cod"]


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.lists(st.sampled_from([[], survey(("COD", {"HOWMANY": "2"})), survey(("A", {}), ("B", {}))]), max_size=12))
def test_repeated_texts_give_what_each_gives_alone(annotations):
    together = flatten(classifications(*annotations))
    expected = [
        (number + 1, label)
        for number, annotation in enumerate(annotations)
        for label in flatten(classifications(annotation)).label.fillna("-")
    ]
    assert list(zip(together.classification_id, together.label.fillna("-"), strict=True)) == expected


def test_equal_texts_of_two_versions_have_the_labels_of_their_own():
    strings = json.dumps({**STRINGS, "T0.cod": "Torsk"})
    both = pd.concat([WORKFLOWS, WORKFLOWS.assign(minor_version="11", strings=strings)], ignore_index=True)
    frame = classifications(*[survey(("COD", {}))] * 3).assign(version_minor=[10, 11, 12])
    assert flatten(frame, both).label.tolist() == ["Atlantic cod", "Torsk", "COD"]


def test_the_workflows_may_be_read_once_for_several_parts():
    workflows = Workflows(WORKFLOWS)
    parts = [flatten(classifications(survey((code, {}))), workflows) for code in ("COD", "NOTHINGHERE")]
    assert [part.label.fillna("-").tolist() for part in parts] == [["Atlantic cod"], ["-"]]


# File: classifications, rows, rows without a label, rows whose label is a code, rows with a number, marks by shape.
REAL = {
    "survey_michigan_2000.csv": (2000, 4000, 125, 1875, 1781, {}),
    "survey_gorongosa_20.csv": (20, 21, 0, 21, 20, {}),
    "question_supernova_7.csv": (7, 10, 0, 0, 0, {}),
    "drawing_circle_ellipse_63.csv": (63, 115, 12, 0, 0, {"circle": 93, "polygon": 4, "ellipse": 3, "line": 1}),
    "drawing_fem_polygon_freehand_153.csv": (153, 194, 10, 184, 0, {"freehandLine": 165, "polygon": 19}),
    "workflow2_classifications_pseudonymised.csv": (13, 14, 7, 0, 0, {"rectangle": 7}),
}


@pytest.mark.parametrize("name", REAL)
def test_every_real_classification_is_flattened(name, zooniverse_data, koster_data):
    folder = koster_data if name.startswith("workflow2") else zooniverse_data
    exports = read_files([folder / name, zooniverse_data / "workflows_supernova.csv"])
    report = Report("Answers")
    rows = flatten(exports.classifications, exports.workflows, report=report)
    assert set(rows.classification_id) == set(exports.classifications.classification_id)
    codes = (rows.labels_from == "codes").sum()
    counts = (rows.classification_id.nunique(), len(rows), rows.label.isna().sum(), codes, rows.how_many.notna().sum())
    assert (*counts, rows["shape"].value_counts().to_dict()) == REAL[name]
    assert set(report.codes()) == ({"UNKNOWN_VERSION"} if codes else set())


def test_ranges_of_a_real_survey_by_the_settings(zooniverse_data):
    exports = read_files([zooniverse_data / "survey_michigan_2000.csv"])
    values = {"35": 4, "610": 8, "MANY": 20}
    rows = flatten(exports.classifications, tasks=TaskMap(values=values))
    assert rows.how_many.value_counts().to_dict() == {1: 1583, 2: 198, 4: 76, 20: 7, 8: 5}


KSO_CASES = {
    "flatten_howmany_then_first": [("COD", {"HOWMANY": "2", "EARLIESTPOINT": "3S"})],
    "flatten_extra_first": [("COD", {"DOING": "SWIM", "HOWMANY": "2", "EARLIESTPOINT": "3S"})],
    "flatten_with_extra_question_last": [("COD", {"HOWMANY": "2", "EARLIESTPOINT": "3S", "DOING": "SWIM"})],
    "flatten_no_answers": [("COD", {})],
    "flatten_leak_from_previous": [("COD", {"HOWMANY": "7", "EARLIESTPOINT": "3S"}), ("CRAB", {})],
}


@pytest.mark.parametrize("case", KSO_CASES)
def test_the_golden_cases_of_surveys(case, zooniverse_golden):
    """Where KSO loses numbers, stops, or carries them over to the next choice, the rows hold what was said."""
    golden = json.loads((zooniverse_golden / "kso_rule.json").read_text())[case]
    said = KSO_CASES[case]
    rows = flatten(classifications(survey(*said)))
    if isinstance(golden, list):
        assert rows.label.tolist() == [row["label"] for row in golden]
    if case in ("flatten_howmany_then_first", "flatten_extra_first"):
        assert [str(int(rows.how_many[0])), str(int(rows.first_seen_s[0]))] == [
            golden[0]["how_many"],
            golden[0]["first_seen"],
        ]
    numbers = [[float(answers.get(q, "nan").rstrip("S")) for q in ("HOWMANY", "EARLIESTPOINT")] for _, answers in said]
    np.testing.assert_array_equal(rows[["how_many", "first_seen_s"]].to_numpy(), numbers)
