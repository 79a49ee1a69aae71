import json
import math

import pandas as pd
import pytest

from kso_utils.core.errors import MetadataError
from kso_utils.zooniverse.workflows import TaskMap, Tool, Workflows


def export(*versions, tasks=None, strings=None):
    rows = [
        {
            "workflow_id": "7",
            "version": str(major),
            "minor_version": str(minor),
            "tasks": json.dumps(tasks or {"T0": {"type": "single", "answers": [{"label": "T0.answers.0.label"}]}}),
            "strings": json.dumps(strings or {"T0.answers.0.label": f"answer of {major}.{minor}"}),
        }
        for major, minor in versions
    ]
    return pd.DataFrame(rows)


def test_a_version_is_two_whole_numbers():
    workflows = Workflows(export((5, 9), (5, 10)))
    assert workflows.find(7, 5, 10)["T0"].answers == ("answer of 5.10",)
    assert workflows.find(7, 5, 1) is None
    assert workflows.find(8, 5, 10) is None


def test_labels_of_surveys_and_tools():
    tasks = {
        "T0": {
            "type": "survey",
            "choices": {"COD": {"label": "T0.choices.COD.label"}},
            "questions": {"HOWMANY": {"answers": {"3040": {"label": "T0.q.a"}}}},
        },
        "T1": {"type": "drawing", "tools": [{"type": "rectangle", "label": "T1.tools.0.label"}]},
    }
    strings = {"T0.choices.COD.label": "Atlantic cod", "T0.q.a": "30-40", "T1.tools.0.label": "Cod"}
    found = Workflows(export((1, 1), tasks=tasks, strings=strings)).find(7, 1, 1)
    assert found["T0"].choices == {"COD": "Atlantic cod"}
    assert found["T0"].questions == {"HOWMANY": {"3040": "30-40"}}
    assert found["T1"].tools == (Tool("Cod", "rectangle"),)


def test_what_people_could_answer_are_choices_and_tools():
    tasks = {
        "T0": {"type": "survey", "choices": {"COD": {"label": "T0.choices.COD.label"}, "EEL": {"label": ""}}},
        "T1": {"type": "drawing", "tools": [{"type": "rectangle", "label": "Crab"}, {"type": "point", "label": ""}]},
        "T2": {"type": "single", "answers": [{"label": "Yes"}]},
    }
    workflows = Workflows(export((1, 1), tasks=tasks, strings={"T0.choices.COD.label": "Atlantic cod"}))
    assert workflows.offered(7, 1, 1) == {"Atlantic cod", "EEL", "Crab"}
    assert workflows.offered(7, 1, 2) is None


def test_a_label_without_a_translation_stands_for_itself():
    tasks = {"T0": {"type": "single", "answers": [{"label": "Yes"}]}}
    assert Workflows(export((1, 1), tasks=tasks)).find(7, 1, 1)["T0"].answers == ("Yes",)


@pytest.mark.parametrize("missing", [None, "", float("nan")])
def test_a_row_of_an_old_export_stands_for_every_minor_version(missing):
    workflows = Workflows(export((5, 1)).assign(minor_version=missing))
    assert workflows.find(7, 5, 55)["T0"].answers == ("answer of 5.1",)
    assert workflows.find(7, 6, 1) is None


def test_an_old_export_may_lack_the_column_of_minor_versions():
    assert Workflows(export((5, 1)).drop(columns="minor_version")).find(7, 5, 55) is not None


def test_exports_old_and_new_are_joined():
    old = export((5, 1), strings={"T0.answers.0.label": "old"}).drop(columns="minor_version")
    workflows = Workflows(pd.concat([old, export((5, 10), (6, 1))], ignore_index=True))
    answers = [workflows.find(7, *version)["T0"].answers[0] for version in ((5, 10), (5, 3), (6, 1))]
    assert answers == ["answer of 5.10", "old", "answer of 6.1"]


def test_a_classification_without_a_minor_version_belongs_to_the_only_one():
    assert Workflows(export((5, 9))).find(7, 5, 0)["T0"].answers == ("answer of 5.9",)
    assert Workflows(export((5, 9), (5, 10))).find(7, 5, 0) is None


def test_versions_read_as_fractions_are_whole():
    table = export((5, 9)).astype({"workflow_id": float, "version": float, "minor_version": float})
    assert Workflows(table).find(7, 5, 9) is not None


def test_a_label_whose_text_is_missing_is_none():
    tasks = {"T0": {"type": "survey", "choices": {"COD": {"label": "T0.choices.COD.label"}}}}
    assert Workflows(export((1, 1), tasks=tasks)).find(7, 1, 1)["T0"].choices == {"COD": ""}


def test_questions_of_a_tool_and_options_of_a_list():
    detail = {"type": "single", "question": "T1.q", "answers": [{"label": "T1.a"}]}
    options = {"*": [{"value": "a1", "label": "T2.a"}], "else": [{"value": 7, "label": "Seven"}]}
    tasks = {
        "T1": {"type": "drawing", "tools": [{"type": "point", "label": "Fish", "details": [detail]}]},
        "T2": {"type": "dropdown", "selects": [{"title": "Where", "options": options}]},
        "T3": {"type": "dropdown-simple", "options": ["Red", "Blue"]},
    }
    found = Workflows(export((1, 1), tasks=tasks, strings={"T1.a": "Adult", "T2.a": "Here"})).find(7, 1, 1)
    assert found["T1"].tools[0].details[0].answers == ("Adult",)
    assert found["T2"].selects == ((("a1", "Here"), ("7", "Seven")),)
    assert found["T3"].selects == ((("0", "Red"), ("1", "Blue")),)


def test_a_version_that_is_no_number_is_named():
    row = {"workflow_id": ["7"], "version": [""], "minor_version": [""], "tasks": ["{}"], "strings": ["{}"]}
    with pytest.raises(MetadataError, match="workflow '7' with version ''"):
        Workflows(pd.DataFrame(row))


@pytest.mark.parametrize("text", ["{", "[1]", '{"T0": 1}', '{"T0": {"answers": 3}}', "[" * 100_000])
def test_damaged_text_names_the_version(text):
    broken = export((3, 2)).assign(tasks=text)
    with pytest.raises(MetadataError, match=r"workflow 7 version 3\.2"):
        Workflows(broken).find(7, 3, 2)


def test_the_real_workflows_export(zooniverse_data):
    raw = pd.read_csv(zooniverse_data / "workflows_supernova.csv", dtype=str, keep_default_na=False)
    workflows = Workflows(raw)
    for row in raw.itertuples():
        tasks = workflows.find(10, int(row.version), int(row.minor_version))
        assert tasks["T0"].answers == ("Yes", "No")


@pytest.mark.parametrize(
    ("answer", "label", "number"),
    [
        ("6S", None, 6),
        ("1", None, 1),
        ("0S", "0s", 0),
        ("4", "4+", 4),
        ("05S", "0.5 s", 0.5),
        ("3040", "30-40", 35),
        ("35", "3-5", 4),
        ("35", "35", 35),
        ("11", None, 11),
        ("20", None, 20),
        ("100", None, 100),
    ],
)
def test_numbers_of_answers(answer, label, number):
    assert TaskMap().number(answer, label) == number


@pytest.mark.parametrize("answer", ["MANY", "", None, [], {"n": 1}, "35", "3040", "610", "9" * 500, "A" + "9" * 500])
def test_answers_without_a_certain_number_are_missing(answer):
    assert math.isnan(TaskMap().number(answer))


def test_values_of_the_project_come_first():
    assert TaskMap(values={"3040": 36, "MANY": 20}).number("3040", "30-40") == 36
    assert TaskMap(values={"MANY": 20}).number("MANY") == 20


@pytest.mark.parametrize("question", ["HOWMANY", "HOWMANYANIMALSDOYOUSEE", "HWMN"])
def test_questions_are_known_with_and_without_vowels(question):
    assert TaskMap().asks_how_many(question)
    assert not TaskMap().asks_first_seen(question)


@pytest.mark.parametrize("label", ["NOTHINGHERE", "NTHNGHR", "Nothing here", "nothing-here!"])
def test_nothing_is_known_in_every_spelling(label):
    assert TaskMap().means_nothing(label)


@pytest.mark.parametrize("label", ["COD", "Nothing here but cod", ""])
def test_a_label_that_is_something(label):
    assert not TaskMap().means_nothing(label)
