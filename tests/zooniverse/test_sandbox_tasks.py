import pytest

from kso_utils.core.errors import ConfigError
from kso_utils.zooniverse.sandbox.tasks import drawing_task, extract_strings, inject_strings, survey_task


def test_labels_that_share_a_code_are_refused():
    with pytest.raises(ConfigError, match="share one: Cod, cod!"):
        survey_task(["Cod", "cod!"])


def test_survey_names_each_choice_in_order():
    tasks, strings = survey_task(["Zebra fish", "Cod"])
    assert tasks["T0"]["choicesOrder"] == ["ZEBRAFISH", "COD"]
    assert strings["T0.choices.ZEBRAFISH.label"] == "Zebra fish"


def test_survey_asks_how_many_and_when():
    task = survey_task(["Cod"], length_s=3, most=2).tasks["T0"]
    assert task["questionsOrder"] == ["HOWMANY", "FIRSTSEEN"]
    assert task["questions"]["HOWMANY"]["answersOrder"] == ["1", "2"]
    assert task["questions"]["FIRSTSEEN"]["answersOrder"] == ["0S", "1S", "2S"]


def test_drawing_has_a_rectangle_for_each_label():
    tasks, strings = drawing_task(["Cod", "Crab"], key="T2")
    tools = tasks["T2"]["tools"]
    assert [(t["type"], strings[t["label"]]) for t in tools] == [("rectangle", "Cod"), ("rectangle", "Crab")]


def test_texts_taken_out_and_put_back_are_the_same():
    shown = {
        "T0": {"type": "single", "question": "Fish?", "answers": [{"label": "Yes", "next": "T1"}, {"label": "No"}]}
    }
    kept = extract_strings(shown)
    assert kept.tasks["T0"]["answers"][1] == {"label": "T0.answers.1.label"}
    assert kept.strings == {"T0.question": "Fish?", "T0.answers.0.label": "Yes", "T0.answers.1.label": "No"}
    assert inject_strings(*kept) == shown
