import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import MetadataError
from kso_utils.zooniverse.answers import CLASSIFICATION_COLUMNS, flatten
from kso_utils.zooniverse.exports import read_exports
from tests.zooniverse.answering import WORKFLOWS, classifications, survey

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


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([[], survey(("COD", {"HOWMANY": "2"})), survey(("A", {}), ("B", {}))]), max_size=12))
def test_repeated_texts_give_what_each_gives_alone(annotations):
    together = flatten(classifications(*annotations))
    expected = [
        (number + 1, label)
        for number, annotation in enumerate(annotations)
        for label in flatten(classifications(annotation)).label.fillna("-")
    ]
    assert list(zip(together.classification_id, together.label.fillna("-"), strict=True)) == expected


def test_every_real_classification_is_flattened(zooniverse_data, koster_data):
    counts = {}
    for folder in (zooniverse_data, koster_data):
        exports = read_exports(folder)
        rows = flatten(exports.classifications, exports.workflows if len(exports.workflows) else None)
        assert set(rows.classification_id) == set(exports.classifications.classification_id)
        counts[folder.name] = (rows.classification_id.nunique(), len(rows), rows["shape"].value_counts().to_dict())
    shapes = {"freehandLine": 165, "circle": 93, "polygon": 23, "ellipse": 3, "line": 1}
    # Surveys: 2,001 + 21 choices, one of them "nothing" beside another.
    # Questions: 2,000 + 10 + 2; marks: 285; empty drawings: 12 + 10.
    assert counts == {
        "zooniverse": (2243, 2001 - 1 + 21 + 2000 + 10 + 2 + 285 + 22, shapes),
        "koster": (13, 14, {"rectangle": 7}),
    }


def test_the_golden_case_of_leaking_answers(zooniverse_golden):
    golden = json.loads((zooniverse_golden / "kso_rule.json").read_text())["flatten_leak_from_previous"]
    rows = flatten(classifications(survey(("COD", {"HOWMANY": "7", "EARLIESTPOINT": "3S"}), ("CRAB", {}))))
    assert rows.loc[0, ["how_many", "first_seen_s"]].tolist() == [
        float(golden[0]["how_many"]),
        float(golden[0]["first_seen"]),
    ]
    assert rows.label.tolist() == [g["label"] for g in golden]
