import json
import logging

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.report import Report
from kso_utils.zooniverse.answers import flatten
from tests.zooniverse.answering import BOX, STRINGS, TASKS, WORKFLOWS, classifications, many, survey

GOOD = survey(("COD", {}))
DEEP = '[{"task": "T0", "value": ' + "[" * 60 + "]" * 60 + "}]"


def flatten_with(*annotations, workflows=WORKFLOWS, version=(5, 10)):
    report = Report("Answers")
    return flatten(classifications(*annotations, version=version), workflows, report=report), report


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[{", "Expecting"),
        ("", "Expecting"),
        (None, "Expecting"),
        ('{"task": "T0"}', "not a list"),
        ('"T0"', "not a list"),
        (DEEP, "deep"),
        ("[" * 100_000, "recursion"),
        (f"[{'9' * 5000}]", "digits"),
    ],
)
def test_one_that_cannot_be_read_is_listed_and_the_others_go_on(text, reason):
    frame = classifications(GOOD, GOOD, GOOD)
    frame["annotations"] = pd.Series([frame["annotations"][0], text, frame["annotations"][2]], dtype=object)
    report = Report("Answers")
    rows = flatten(frame, WORKFLOWS, report=report)
    assert rows.classification_id.tolist() == [1, 3]
    (finding,) = report
    assert (finding.code, finding.severity, finding.value) == ("UNREADABLE_ANNOTATIONS", "warning", "2")
    assert finding.message.startswith("Classification 2: ")
    assert reason in finding.message


def test_every_classification_with_the_same_damage_is_listed():
    _, report = flatten_with("[", GOOD, "[")
    assert [finding.value for finding in report] == ["1", "3"]


@pytest.mark.parametrize(
    ("annotation", "task", "raw"),
    [
        ("odd", None, "odd"),
        ({"value": "Yes"}, None, {"value": "Yes"}),
        ({"task": ["T0"], "value": 1}, None, {"task": ["T0"], "value": 1}),
        ({"markIndex": 0, "value": 1}, None, {"markIndex": 0, "value": 1}),
        ({"task": "T1", "value": ["no mark"]}, "T1", ["no mark"]),
        ({"task": "T1", "value": 5}, "T1", 5),
        ({"task": "T0", "value": [{"choice": 5}]}, "T0", [{"choice": 5}]),
        ({"task": "T0", "value": [{"choice": "COD", "answers": [1]}]}, "T0", [{"choice": "COD", "answers": [1]}]),
        ({"task": "T2", "value": {"odd": 1}}, "T2", {"odd": 1}),
        ({"task": "T2", "value": -1}, "T2", -1),
        ({"task": "T2", "value": True}, "T2", True),
        ({"task": "T4", "value": [{"value": [1]}]}, "T4", [{"value": [1]}]),
        ({"task": "T1.1.0", "markIndex": 9, "value": 1}, "T1.1.0", 1),
    ],
)
def test_what_is_no_answer_is_kept_raw_and_listed(annotation, task, raw):
    rows, report = flatten_with([annotation, {"task": "T6", "value": ["Yes"]}])
    odd = rows[rows.label.isna()].iloc[0]
    assert (None if pd.isna(odd.task) else odd.task) == task
    assert json.loads(odd.raw) == raw
    assert [(f.code, f.value) for f in report] == [("BAD_ANNOTATION", "1")]
    assert rows.label.dropna().tolist() == ["Yes"]


def test_a_good_mark_beside_a_bad_one_is_kept():
    rows, report = flatten_with([{"task": "T1", "value": ["bad", {**BOX, "tool": 0}, None]}])
    assert rows.label.fillna("-").tolist() == ["Fish", "-"]
    assert report.codes() == {"BAD_ANNOTATION": 1}


@pytest.mark.parametrize("tool", [{}, {"tool": "1"}, {"tool": -1}, {"toolIndex": True}, {"tool": 0, "frame": -1}])
def test_a_mark_with_no_usable_tool_or_frame_is_kept_and_listed(tool):
    rows, report = flatten_with([{"task": "T1", "value": [{**BOX, **tool}]}])
    assert rows["shape"].tolist() == ["rectangle"]
    assert [(f.code, f.value) for f in report] == [("BAD_ANNOTATION", "1")]


@pytest.mark.parametrize(
    ("annotation", "label", "code"),
    [
        ({"task": "T1", "value": [{**BOX, "tool": 7}]}, "7", "UNKNOWN_TOOL"),
        ({"task": "T1", "value": [{**BOX, "toolIndex": 7, "toolType": "point"}]}, "7", "UNKNOWN_TOOL"),
        ({"task": "T2", "value": 7}, "7", "UNKNOWN_CHOICE"),
        (survey(("EEL", {}))[0], "EEL", "UNKNOWN_CHOICE"),
    ],
)
def test_what_the_version_does_not_have_keeps_its_code_and_is_listed(annotation, label, code):
    rows, report = flatten_with([annotation])
    assert rows[["label", "labels_from"]].values.tolist() == [[label, "codes"]]
    assert [(f.code, f.value) for f in report] == [(code, "1")]


def test_the_same_complaint_about_many_marks_is_listed_once():
    _, report = flatten_with([{"task": "T1", "value": [{**BOX, "tool": 7}] * 5}])
    assert len(report) == 1


def test_tasks_that_are_not_known_are_kept_raw_and_counted():
    features = {"type": "FeatureCollection", "features": []}
    rows, report = flatten_with(*[[{"task": "T8", "value": features}]] * 3, [{"task": "T98", "value": 0.5}])
    assert [json.loads(raw) for raw in rows.raw] == [features] * 3 + [0.5]
    assert sorted((f.code, f.value) for f in report) == [("UNKNOWN_TASK", "1"), ("UNKNOWN_TASK", "3")]
    assert "'volumetric'" in str(report)


def test_an_answer_that_zooniverse_did_not_know_has_no_label():
    rows, report = flatten_with([{"task": "T2", "value": "unknown answer label"}])
    assert rows.label.isna().all()
    assert json.loads(rows.raw[0]) == "unknown answer label"
    assert [(f.code, f.value) for f in report] == [("UNKNOWN_ANSWER", "1")]


@pytest.mark.parametrize("workflows", [None, WORKFLOWS])
def test_labels_that_are_only_codes_are_counted_by_version(workflows):
    _, report = flatten_with(GOOD, GOOD, survey(("NOTHINGHERE", {})), workflows=workflows, version=(5, 9))
    (finding,) = report
    assert (finding.code, finding.value) == ("UNKNOWN_VERSION", "2")
    assert "Version 5.9 of workflow 7" in finding.message


def test_without_a_report_the_log_tells(caplog):
    with caplog.at_level(logging.WARNING, "kso_utils"):
        many("[")
    assert "UNREADABLE_ANNOTATIONS" in caplog.text


def test_a_good_classification_says_nothing_to_the_report(caplog):
    rows, report = flatten_with(GOOD)
    assert len(rows) == 1
    assert not len(report)


@pytest.mark.parametrize("text", ["\\ud800", "a\\udc00b", "\\u0000"])
def test_characters_that_are_none_become_question_marks(text):
    rows, _ = flatten_with('[{"task": "T3", "value": "' + text + '"}]')
    raw = rows.raw[0]
    assert "?" in raw
    assert "\0" not in raw
    assert "\\u0000" not in raw
    raw.encode()


def test_pairs_of_escapes_are_characters():
    rows, _ = flatten_with('[{"task": "T3", "value": "\\ud83d\\udc1f"}]')
    assert json.loads(rows.raw[0]) == "\N{FISH}"


def test_ten_megabytes_in_one_classification():
    path = [float(n) for n in range(600_000)]
    mark = {"toolIndex": 0, "toolType": "freehandLine", "pathX": path, "pathY": path, "frame": 0, "details": []}
    rows, report = flatten_with(GOOD, [{"task": "T1", "value": [mark]}], GOOD)
    assert rows.classification_id.tolist() == [1, 2, 3]
    assert len(rows.geometry[1]["pathX"]) == 600_000
    assert not len(report)


_WORDS = [
    *("task", "value", "choice", "answers", "tool", "toolIndex", "toolType", "tool_label", "details", "markIndex"),
    *("frame", "x", "y", "width", "x_center", "points", "select_label", "option", "label", "taskType", "HOWMANY"),
    *TASKS,
    *STRINGS.values(),
    *("T1.1.0", "T1.0.0", "drawing", "survey", "dropdown", "COD", "\ud800", "unknown answer label"),
]
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.integers(),
    st.floats(),
    st.sampled_from(_WORDS),
    st.text(max_size=3),
)
_ANYTHING = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=5),
    max_leaves=12,
)
_ANNOTATION = st.fixed_dictionaries(
    {"task": st.sampled_from([*TASKS, "T1.1.0"])},
    optional={"value": _ANYTHING, "markIndex": st.integers(0, 1), "taskType": _ANYTHING},
)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.one_of(_ANYTHING, st.lists(_ANNOTATION | _ANYTHING, max_size=4)), max_size=10))
def test_whatever_the_json_holds_every_classification_has_rows_or_a_reason(said):
    rows, report = flatten_with(*map(json.dumps, said))
    unread = {int(f.value) for f in report if f.code == "UNREADABLE_ANNOTATIONS"}
    assert set(rows.classification_id) | unread == set(range(1, len(said) + 1))
    assert not set(rows.classification_id) & unread
    sides = rows[["width", "height"]]
    assert ((sides > 0) | sides.isna()).all(axis=None)
    # What a database can hold: text that can be encoded, JSON without NaN.
    texts = [rows[c].dropna().tolist() for c in ("label", "task", "shape", "raw", "geometry")]
    json.dumps(texts, allow_nan=False, ensure_ascii=False).encode()
