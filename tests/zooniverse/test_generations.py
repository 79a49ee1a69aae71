"""What people say, put by both classifiers: the rows are the same, and are those that a plain restatement gives."""

import json
import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.report import Report
from kso_utils.zooniverse.answers import flatten
from tests.zooniverse.answering import classifications

# Eighths, so that half a width is exact.
PLACE = st.integers(0, 8000).map(lambda n: n / 8)
SIDE = st.integers(1, 4000).map(lambda n: n / 8)
PATH = st.lists(PLACE, min_size=1, max_size=3)
POINTS = st.lists(st.fixed_dictionaries({"x": PLACE, "y": PLACE}), min_size=1, max_size=3)
SPOT = {"x": PLACE, "y": PLACE}
BOX = {**SPOT, "width": SIDE, "height": SIDE}
TIME = st.floats(0, 1)
SHAPES = {
    "point": SPOT,
    "line": {"x1": PLACE, "y1": PLACE, "x2": PLACE, "y2": PLACE},
    "rectangle": BOX,
    "rotateRectangle": {**BOX, "angle": PLACE},
    "circle": {**SPOT, "r": SIDE},
    "ellipse": {**SPOT, "rx": SIDE, "ry": SIDE, "angle": PLACE},
    "triangle": {**SPOT, "r": SIDE, "angle": PLACE},
    "column": {"x": PLACE, "width": SIDE},
    "fullWidthLine": {"y": PLACE},
    "fullHeightLine": {"x": PLACE},
    "fan": {**SPOT, "radius": SIDE, "spread": PLACE, "rotation": PLACE},
    "polygon": {"points": POINTS},
    "bezier": {"points": POINTS},
    "freehandLine": {"pathX": PATH, "pathY": PATH},
    "temporalPoint": {**SPOT, "displayTime": TIME},
    "temporalRotateRectangle": {**BOX, "angle": PLACE, "displayTime": TIME},
}
# The new classifier names the centre of boxes.
CENTRED = {"rectangle", "rotateRectangle", "temporalRotateRectangle"}
COLUMNS = ["x", "y", "width", "height", "angle"]
CHOICES = {"COD": "Atlantic cod", "EEL": "Eel", "NOTHINGHERE": "Nothing here"}
HOW_MANY = {"1": ("1", 1), "4": ("4+", 4), "2030": ("20-30", 25), "MANY": ("Many", None)}
FIRST_SEEN = {f"{n}S": (f"{n}s", n) for n in range(10)}
PLACES = {"a1": "Deep water", "b2": "Shore"}
ANSWERS = ["Yes", "No", "Perhaps"]
DETAILS = [
    {"type": "single", "question": "Age?", "answers": [{"label": a} for a in ANSWERS]},
    {"type": "multiple", "question": "Doing?", "answers": [{"label": a} for a in ANSWERS]},
    {"type": "text", "question": "Else?"},
]


def labelled(codes):
    return {code: {"label": label} for code, label in codes.items()}


TASKS = {
    "kinds": {
        "type": "survey",
        "choices": labelled(CHOICES),
        "questions": {
            "HOWMANY": {"answers": labelled({code: label for code, (label, _) in HOW_MANY.items()})},
            "FIRSTSEEN": {"answers": labelled({code: label for code, (label, _) in FIRST_SEEN.items()})},
            "DOING": {"answers": labelled({"SWIM": "Swimming"})},
        },
    },
    "marks": {
        "type": "drawing",
        "tools": [{"type": shape, "label": f"a {shape}", "details": DETAILS} for shape in SHAPES],
    },
    "one": {"type": "single", "answers": [{"label": a} for a in ANSWERS]},
    "some": {"type": "multiple", "answers": [{"label": a} for a in ANSWERS]},
    "short": {"type": "shortcut", "answers": [{"label": a} for a in ANSWERS]},
    "place": {
        "type": "dropdown",
        "selects": [{"options": {"*": [{"value": v, "label": label} for v, label in PLACES.items()]}}],
    },
    "words": {"type": "text"},
    "level": {"type": "slider"},
    "all": {"type": "combo"},
}
WORKFLOWS = pd.DataFrame(
    {
        "workflow_id": ["7", "7"],
        "version": ["5", "5"],
        "minor_version": ["9", "10"],
        "tasks": [json.dumps({}), json.dumps(TASKS)],
        "strings": ["{}", "{}"],
    }
)

subsets = st.lists(st.sampled_from([0, 1, 2]), unique=True, max_size=3)
choices = st.fixed_dictionaries(
    {"choice": st.sampled_from([*CHOICES, "ODD"])},
    optional={
        "HOWMANY": st.sampled_from([*HOW_MANY]),
        "FIRSTSEEN": st.sampled_from([*FIRST_SEEN]),
        "DOING": st.just(["SWIM"]),
    },
)


@st.composite
def drawn(draw):
    shape = draw(st.sampled_from([*SHAPES]))
    said = [draw(st.sampled_from([None, 0, 1, 2])), draw(subsets), draw(st.sampled_from(["", "eggs"]))]
    return shape, draw(st.fixed_dictionaries(SHAPES[shape])), draw(st.integers(0, 3)), said


SAYINGS = {
    "kinds": st.lists(choices, max_size=3),
    "marks": st.lists(drawn(), max_size=3),
    "one": st.sampled_from([None, 0, 1, 2]),
    "some": subsets,
    "short": subsets,
    "place": st.sampled_from([None, *PLACES]),
    "words": st.sampled_from(["", "a note"]),
    "level": st.sampled_from([None, 0, 0.5]),
}
sayings = st.fixed_dictionaries({}, optional=SAYINGS)


def survey(said):
    """Put a survey as both classifiers do."""
    return [
        {"choice": c["choice"], "answers": {q: a for q, a in c.items() if q != "choice"}, "filters": {}} for c in said
    ]


def old(task, said):
    """Put what was said in a task as an export of the old classifier does."""
    if task == "kinds":
        return [{"task": task, "value": survey(said)}]
    if task == "marks":
        tools = [*SHAPES]
        value = [
            {**numbers, "tool": tools.index(shape), "frame": frame, "details": [{"value": v} for v in answers]}
            | {"tool_label": f"a {shape}"}
            for shape, numbers, frame, answers in said
        ]
        return [{"task": task, "task_label": "Draw.", "value": value}]
    if task == "place":
        option = {} if said is None else {"option": True, "value": said, "label": PLACES[said]}
        return [{"task": task, "value": [{"select_label": "Where", **option}]}]
    return [{"task": task, "task_label": "?", "value": plain(task, said)}]


def new(task, said):
    """Put what was said in a task as an export of the new classifier does."""
    if task == "kinds":
        return [{"task": task, "taskType": "survey", "value": survey(said)}]
    if task == "marks":
        value, beside = [], []
        for number, (shape, numbers, frame, answers) in enumerate(said):
            index = [*SHAPES].index(shape)
            names = [f"{task}.{index}.{n}" for n in range(len(answers))]
            mark = {
                "frame": frame,
                "toolIndex": index,
                "toolType": shape,
                **centred(shape, numbers),
                "tool_label": None,
            }
            value.append(mark | {"details": [{"task": name} for name in names]})
            beside += [
                {"task": name, "taskType": detail["type"], "markIndex": number, "value": answer}
                for name, detail, answer in zip(names, DETAILS, answers, strict=True)
            ]
        return [{"task": task, "taskType": "drawing", "value": value}, *beside]
    if task == "place":
        index = None if said is None else [*PLACES].index(said)
        option = {} if said is None else {"option": True, "value": index, "label": PLACES[said]}
        return [{"task": task, "task_type": "dropdown-simple", "value": {"select_label": "Where", **option}}]
    return [{"task": task, "task_label": "?", "value": plain(task, said)}]


def plain(task, said):
    if task == "one":
        return None if said is None else ANSWERS[said]
    return [ANSWERS[n] for n in said] if task in ("some", "short") else said


def centred(shape, numbers):
    if shape not in CENTRED:
        return numbers
    rest = {key: value for key, value in numbers.items() if key not in ("x", "y")}
    middle = {"x_center": numbers["x"] + numbers["width"] / 2, "y_center": numbers["y"] + numbers["height"] / 2}
    return middle | rest


def restate(said):
    """Return the rows of a classification, from what was said and not from how it was put; `raw` as parsed JSON."""
    rows = []
    for task, about in said.items():
        rows += list(restate_task(task, about)) or [{"task": task}]
    return rows if any(len(row) > 1 for row in rows) else rows[:1] or [{}]


def restate_task(task, said):
    if task == "kinds":
        for choice in said:
            code = choice["choice"]
            if code != "NOTHINGHERE":
                label = CHOICES.get(code)
                answers = {q: a for q, a in choice.items() if q != "choice"}
                row = {"task": task, "label": label or code, "labels_from": "workflow" if label else "codes"}
                row["how_many"] = HOW_MANY[answers["HOWMANY"]][1] if "HOWMANY" in answers else None
                row["first_seen_s"] = FIRST_SEEN[answers["FIRSTSEEN"]][1] if "FIRSTSEEN" in answers else None
                yield row | {"raw": {"choice": code, "answers": answers}}
    elif task == "marks":
        for shape, numbers, frame, answers in said:
            row = {"task": task, "label": f"a {shape}", "labels_from": "workflow", "frame": frame, "shape": shape}
            row |= {key: value for key, value in numbers.items() if key in COLUMNS}
            row["geometry"] = {key: value for key, value in numbers.items() if key not in COLUMNS} or None
            yield row | {"raw": restate_answers(f"{task}.{[*SHAPES].index(shape)}", answers)}
    elif task == "one":
        yield from [{"task": task, "label": ANSWERS[said], "labels_from": "export"}] if said is not None else []
    elif task in ("some", "short"):
        yield from ({"task": task, "label": ANSWERS[n], "labels_from": "export"} for n in said)
    elif task == "place":
        yield from [{"task": task, "label": PLACES[said], "labels_from": "workflow"}] if said else []
    else:
        yield from [{"task": task, "raw": said}] if said not in (None, "") else []


def restate_answers(tool, answers):
    said = []
    for number, answer in enumerate(answers):
        if answer not in (None, "", []):
            given = {"task": f"{tool}.{number}", "value": answer}
            if not isinstance(answer, str):
                given["label"] = [ANSWERS[n] for n in answer] if isinstance(answer, list) else ANSWERS[answer]
            said.append(given)
    return said or None


def rows_of(table, raw_of=("kinds", "marks", "words", "level")):
    """Return the rows of each classification without what is missing; only tasks of `raw_of` keep their `raw`."""
    columns = [c for c in table.columns if c not in classifications().columns]
    found = {number: [] for number in table.classification_id}
    for row in table.to_dict("records"):
        values = {c: row[c] for c in columns if not missing(row[c])}
        if "raw" in values:
            values["raw"] = json.loads(values["raw"])
        if values.get("task") not in raw_of:
            values.pop("raw", None)
        found[row["classification_id"]].append(values)
    return [*found.values()]


def missing(value):
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def stated(said):
    return [{key: value for key, value in row.items() if value is not None} for row in restate(said)]


def put(way, said):
    return [annotation for task, about in said.items() for annotation in way(task, about)]


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(sayings, max_size=8))
def test_both_classifiers_give_the_rows_of_a_plain_restatement(said):
    expected = [stated(one) for one in said]
    for way in (old, new):
        report = Report("Answers")
        rows = flatten(classifications(*[put(way, one) for one in said]), WORKFLOWS, report=report)
        assert rows_of(rows) == expected
        assert set(report.codes()) <= {"UNKNOWN_CHOICE"}


@settings(derandomize=True, deadline=None, max_examples=20)
@given(sayings)
def test_a_combination_gives_the_rows_of_its_tasks(said):
    alone, combined = (
        flatten(classifications(annotations), WORKFLOWS)
        for annotations in (put(old, said), [{"task": "all", "task_label": None, "value": put(old, said)}])
    )
    assert rows_of(combined) == rows_of(alone) or not said


@settings(derandomize=True, deadline=None, max_examples=20)
@given(said=sayings)
@pytest.mark.parametrize("version", [(5, 11), (6, 10)])
def test_without_the_version_no_label_comes_from_a_workflow(said, version):
    for way in (old, new):
        rows = flatten(classifications(put(way, said), version=version), WORKFLOWS)
        assert not rows.labels_from.eq("workflow").any()
        assert rows[rows.task == "kinds"].labels_from.dropna().eq("codes").all()


@pytest.mark.soak
@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.lists(sayings, max_size=8))
def test_both_classifiers_give_the_rows_of_a_plain_restatement_for_long(said):
    test_both_classifiers_give_the_rows_of_a_plain_restatement.hypothesis.inner_test(said)
