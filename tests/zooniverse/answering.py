"""Classifications as an export gives them, to be flattened."""

import json

import numpy as np
import pandas as pd

from kso_utils.zooniverse.answers import flatten

AGE = {"type": "single", "question": "T1.age", "answers": [{"label": "T1.adult"}, {"label": "T1.young"}]}
SEEN = {"type": "multiple", "question": "T1.seen", "answers": [{"label": "T2.yes"}, {"label": "T2.no"}]}
PLACES = [{"value": "a1", "label": "T4.deep"}, {"value": "b2", "label": "T4.shore"}]
TASKS = {
    "T0": {
        "type": "survey",
        "choices": {"COD": {"label": "T0.cod"}, "NOTHINGHERE": {"label": "T0.nothing"}},
        "questions": {"HOWMANY": {"answers": {"3040": {"label": "T0.many"}}}},
    },
    "T1": {
        "type": "drawing",
        "tools": [
            {"type": "rectangle", "label": "T1.fish"},
            {"type": "rectangle", "label": "T1.crab", "details": [AGE, SEEN, {"type": "text", "question": "T1.note"}]},
        ],
    },
    "T2": {"type": "single", "answers": [{"label": "T2.yes"}, {"label": "T2.no"}]},
    "T3": {"type": "text"},
    "T4": {
        "type": "dropdown",
        "selects": [
            {
                "title": "Where",
                "options": {"*": [{"value": "a1", "label": "T4.deep"}, {"value": "b2", "label": "T4.shore"}]},
            },
            {"title": "Sand", "options": {"*": []}, "allowCreate": True},
        ],
    },
    "T5": {"type": "shortcut", "answers": [{"label": "T2.no"}, {"label": "T0.nothing"}]},
    "T6": {"type": "multiple", "answers": [{"label": "T2.yes"}, {"label": "T2.no"}]},
    "T7": {"type": "slider", "min": "0", "max": "1"},
    "T8": {"type": "volumetric"},
    "T9": {"type": "combo", "tasks": ["T0", "T2"]},
}
STRINGS = {
    **{"T0.cod": "Atlantic cod", "T0.nothing": "Nothing here", "T0.many": "30-40"},
    **{"T4.deep": "Deep water", "T4.shore": "Shore", "T1.adult": "Adult", "T1.young": "Young"},
    **{"T1.fish": "Fish", "T1.crab": "Crab", "T2.yes": "Yes", "T2.no": "No"},
}
WORKFLOWS = pd.DataFrame(
    {
        "workflow_id": ["7"],
        "version": ["5"],
        "minor_version": ["10"],
        "tasks": [json.dumps(TASKS)],
        "strings": [json.dumps(STRINGS)],
    }
)


def classifications(*annotations, version=(5, 10)):
    number = np.arange(len(annotations))
    return pd.DataFrame(
        {
            "classification_id": number + 1,
            "user": [f"volunteer {n}" for n in number],
            "user_kind": "registered",
            "subject_id": number + 100,
            "workflow_id": 7,
            "version_major": version[0],
            "version_minor": version[1],
            "created_at": "2026-01-01T00:00:00Z",
            "seen_before": False,
            "live": True,
            "gold_standard": False,
            "expert": False,
            "annotations": [a if isinstance(a, str) else json.dumps(a) for a in annotations],
        }
    )


def survey(*choices):
    return [{"task": "T0", "value": [{"choice": c, "answers": a, "filters": {}} for c, a in choices]}]


def one(annotations, workflows=WORKFLOWS, tasks=None):
    """Flatten one classification that has one row."""
    rows = many(annotations, workflows, tasks)
    assert len(rows) == 1
    return rows.iloc[0]


BOX = {"x": 10.5, "y": 20, "width": 30, "height": 40.25, "frame": 0, "details": []}


def many(annotations, workflows=WORKFLOWS, tasks=None, report=None):
    """Flatten one classification."""
    return flatten(classifications(annotations), workflows, tasks, report)
