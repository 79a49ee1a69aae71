import json

import pandas as pd
import pytest

from kso_utils.zooniverse.answers import flatten
from kso_utils.zooniverse.workflows import TaskMap
from tests.zooniverse.answering import BOX, WORKFLOWS, classifications, many, one, survey


def test_a_choice_with_its_answers():
    row = one(survey(("COD", {"HOWMANY": "3", "EARLIESTPOINT": "6S"})))
    assert (row.task, row.label, row.labels_from) == ("T0", "Atlantic cod", "workflow")
    assert (row.how_many, row.first_seen_s) == (3, 6)


def test_a_range_is_read_from_the_workflow():
    assert one(survey(("COD", {"HOWMANY": "3040"}))).how_many == 35


def test_a_choice_without_the_workflow_keeps_its_code():
    row = one(survey(("COD", {})), workflows=None)
    assert (row.label, row.labels_from) == ("COD", "codes")


def test_labels_come_from_the_exact_version():
    rows = flatten(classifications(survey(("COD", {})), version=(5, 9)), WORKFLOWS)
    assert rows.labels_from.tolist() == ["codes"]


def test_answers_do_not_leak_between_choices():
    rows = flatten(classifications(survey(("COD", {"HOWMANY": "7", "EARLIESTPOINT": "3S"}), ("CRAB", {}))))
    assert rows.how_many.tolist()[0] == 7
    assert rows.loc[1, ["how_many", "first_seen_s"]].isna().all()


def test_the_order_of_questions_does_not_matter():
    answers = {"HOWMANY": "2", "EARLIESTPOINT": "3S", "DOING": ["SWIMMING"]}
    forwards = one(survey(("COD", answers)))
    backwards = one(survey(("COD", dict(reversed(answers.items())))))
    assert (forwards.how_many, forwards.first_seen_s) == (backwards.how_many, backwards.first_seen_s) == (2, 3)


def test_other_answers_are_kept_raw():
    raw = one(survey(("COD", {"DOING": ["SWIMMING"]}))).raw
    assert json.loads(raw)["answers"] == {"DOING": ["SWIMMING"]}


@pytest.mark.parametrize(
    "annotations",
    [
        [],
        survey(),
        survey(("NOTHINGHERE", {})),
        [{"task": "T0", "value": []}, {"task": "T5", "value": ["Nothing Here"]}],
        [{"task": "T1", "value": []}],
        [{"task": "T2", "value": None}],
        [{"task": "T0"}],
    ],
)
def test_marking_nothing_gives_one_row_without_label(annotations):
    row = one(annotations)
    assert row[["label", "shape", "raw"]].isna().all()


def test_an_empty_task_keeps_its_row_beside_an_answered_one():
    rows = flatten(classifications([{"task": "T0", "value": []}, {"task": "T2", "value": "Yes"}]))
    assert rows.task.tolist() == ["T0", "T2"]
    assert rows.label.isna().tolist() == [True, False]


def test_nothing_beside_a_choice_is_no_row():
    assert one(survey(("NOTHINGHERE", {}), ("COD", {}))).label == "Atlantic cod"


def test_the_project_says_what_nothing_is():
    assert pd.isna(one(survey(("COD", {})), tasks=TaskMap(nothing=("COD",))).label)


def test_answers_to_plain_questions():
    annotations = [
        {"task": "T2", "value": "No"},
        {"task": "T6", "value": ["Calm", "Turbid"]},
        {"task": "T7", "value": [{"select_label": "Depth", "option": True, "value": "9", "label": "Deep"}]},
    ]
    assert flatten(classifications(annotations), WORKFLOWS).label.tolist() == ["No", "Calm", "Turbid", "Deep"]


def test_an_answer_by_number_is_looked_up():
    row = one([{"task": "T2", "value": 0}])
    assert (row.label, row.labels_from) == ("Yes", "workflow")


@pytest.mark.parametrize("annotation", [{"task": "T3", "value": "a note"}, {"task": "T8", "value": 0.5}])
def test_text_and_sliders_are_raw_without_label(annotation):
    row = one([annotation])
    assert pd.isna(row.label)
    assert json.loads(row.raw) == annotation["value"]


def test_tasks_inside_a_combination():
    rows = flatten(classifications([{"task": "T9", "value": [*survey(("COD", {})), {"task": "T2", "value": "No"}]}]))
    assert rows.task.tolist() == ["T0", "T2"]


KOSTER = TaskMap(how_many=("INDIVIDUAL",), first_seen=("FIRSTTIME",), values={"2030": 25})


def test_a_project_names_its_own_questions():
    answers = {"HOWMANYINDIVIDUALSDOYOUSEEINTHEVIDEO": "4", "WHENISTHEFIRSTTIMETHESPECIESAPPEARS": "9S"}
    row = one(survey(("COD", answers)), tasks=KOSTER)
    assert (row.how_many, row.first_seen_s) == (4, 9)
    assert json.loads(row.raw)["answers"] == answers


@pytest.mark.parametrize(("tasks", "number"), [(KOSTER, 25), (TaskMap(how_many=("INDIVIDUAL",)), None)])
def test_a_code_is_a_range_only_by_the_settings(tasks, number):
    how_many = one(survey(("COD", {"INDIVIDUALS": "2030"})), workflows=None, tasks=tasks).how_many
    assert (None if pd.isna(how_many) else how_many) == number


def test_a_question_that_was_not_answered_is_missing_and_not_zero():
    rows = many(survey(("COD", {"HOWMANY": "2", "EARLIESTPOINT": None}), ("CRAB", {"HOWMANY": []})))
    assert rows.how_many.fillna(-1).tolist() == [2, -1]
    assert rows.first_seen_s.isna().all()


def test_the_first_choice_may_have_no_answers():
    rows = many(survey(("CRAB", {}), ("COD", {"HOWMANY": "2"})), workflows=None)
    assert rows.how_many.fillna(-1).tolist() == [-1, 2]


@pytest.mark.parametrize("codes", [["HOWMANYADULTS", "HOWMANYYOUNG"], ["HOWMANYYOUNG", "HOWMANYADULTS"]])
def test_of_two_questions_for_a_number_the_first_by_code_counts(codes):
    given = {"HOWMANYADULTS": "2", "HOWMANYYOUNG": "5"}
    assert one(survey(("COD", {code: given[code] for code in codes}))).how_many == 2


@pytest.mark.parametrize(("answer", "number"), [(["2"], 2), (["MANY", "3"], 3), (["3040"], 35)])
def test_an_answer_may_be_a_list(answer, number):
    assert one(survey(("COD", {"HOWMANY": answer}))).how_many == number


def test_codes_without_vowels():
    export = classifications([{"task": "T1", "value": [{"choice": "WTRBCK", "answers": {"HWMN": "1"}, "filters": {}}]}])
    row = flatten(export, None).iloc[0]
    assert (row.label, row.labels_from, row.how_many) == ("WTRBCK", "codes", 1)
    assert pd.isna(one(survey(("NTHNGHR", {})), workflows=None).label)


def test_filters_are_ignored():
    said = [{"task": "T0", "value": [{"choice": "COD", "answers": {}, "filters": {"COLOUR": "RED"}}]}]
    assert "filters" not in json.loads(one(said).raw)


@pytest.mark.parametrize("shortcut", ["T5", "T99"])
def test_nothing_here_beside_an_empty_survey_is_said_once(shortcut):
    said = [{"task": "T0", "value": []}, {"task": "T2", "value": "Yes"}, {"task": shortcut, "value": ["Nothing here"]}]
    rows = many(said)
    assert rows.task.tolist() == ["T0", "T2"]
    assert rows.label.isna().tolist() == [True, False]


def test_nothing_here_in_two_tasks_is_said_once():
    said = [*survey(("NOTHINGHERE", {})), {"task": "T2", "value": "Yes"}, {"task": "T5", "value": [1]}]
    assert many(said).task.tolist() == ["T0", "T2"]


def test_a_shortcut_that_says_something():
    assert many([{"task": "T0", "value": []}, {"task": "T5", "value": [0]}]).label.fillna("-").tolist() == ["-", "No"]


@pytest.mark.parametrize(
    ("value", "label", "source"),
    [
        ([{"select_label": "Where", "option": True, "value": "b2", "label": "Strand"}], "Shore", "workflow"),
        ({"select_label": "Where", "option": True, "value": 1, "label": "Strand"}, "Shore", "workflow"),
        ({"selection": 1, "option": True}, "Shore", "workflow"),
        ([{"select_label": "Where", "option": True, "value": "zz", "label": "Strand"}], "Strand", "export"),
        ([{"select_label": "Where", "option": False, "value": "my pond"}], "my pond", "export"),
        ({"select_label": "Where", "option": False, "value": "my pond"}, "my pond", "export"),
        ({"selection": 9, "option": True}, "9", "codes"),
    ],
)
def test_lists_to_choose_from(value, label, source):
    row = one([{"task": "T4", "value": value}])
    assert (row.label, row.labels_from) == (label, source)
    assert json.loads(row.raw) == (value[0] if isinstance(value, list) else value)


def test_a_list_without_a_choice_is_no_row():
    empty = {"select_label": "Where", "option": False, "value": None}
    row = one([{"task": "T4", "value": [empty, {"select_label": "Sand", "value": "fine", "option": False}]}])
    assert (row.label, row.labels_from) == ("fine", "export")


@pytest.mark.parametrize(("workflows", "label", "source"), [(WORKFLOWS, "No", "workflow"), (None, "1", "codes")])
def test_answers_by_number(workflows, label, source):
    row = one([{"task": "T6", "taskType": "multiple", "value": [1]}], workflows)
    assert (row.label, row.labels_from) == (label, source)


def test_every_answer_of_several_is_a_row():
    assert many([{"task": "T6", "value": ["Yes", None, "No"]}]).label.tolist() == ["Yes", "No"]


@pytest.mark.parametrize("value", [0.5, "0.5", 0])
def test_a_slider_is_raw(value):
    row = one([{"task": "T7", "value": value}])
    assert pd.isna(row.label)
    assert json.loads(row.raw) == value


def test_a_highlight_keeps_its_place():
    value = {"start": 3, "end": 7, "text": "cod", "labelInformation": {"label": "Species", "color": "#f00"}}
    row = one([{"task": "T8", "taskType": "highlighter", "value": [value]}], None)
    assert (row.label, row.labels_from) == ("Species", "export")
    assert json.loads(row.raw) == value


def test_text_that_was_corrected_is_raw():
    row = one([{"task": "T8", "taskType": "textFromSubject", "value": "Gadus"}], None)
    assert json.loads(row.raw) == "Gadus"


def test_combinations_hold_every_kind_of_task():
    mark = {**BOX, "tool": 1, "details": [{"value": 0}]}
    inner = [*survey(("COD", {})), {"task": "T1", "value": [mark]}, {"task": "T3", "value": "a note"}]
    rows = many([{"task": "T9", "task_label": None, "value": inner}])
    assert rows.task.tolist() == ["T0", "T1", "T3"]
    assert rows.label.fillna("-").tolist() == ["Atlantic cod", "Crab", "-"]


def test_no_number_of_a_task_means_anything():
    tasks = json.loads(WORKFLOWS.tasks[0])
    renamed = WORKFLOWS.assign(tasks=json.dumps({"init" if k == "T0" else k: v for k, v in tasks.items()}))
    row = one([{**survey(("COD", {"HOWMANY": "3040"}))[0], "task": "init"}], renamed)
    assert (row.task, row.label, row.how_many) == ("init", "Atlantic cod", 35)
