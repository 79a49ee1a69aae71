"""Rows of classifications, made by hand."""

import pandas as pd


def rows(*cast):
    """One row a choice: classification, user, label, how many, first seen."""
    table = pd.DataFrame(cast, columns=["classification_id", "user", "label", "how_many", "first_seen_s"])
    return table.assign(subject_id=1)


def poll(*labels):
    """One person for each label."""
    return rows(*[(i, f"u{i}", label, None, None) for i, label in enumerate(labels)])


def one(frame, label="cod"):
    """The only row of a label."""
    found = frame[frame["label"] == label]
    assert len(found) == 1
    return found.iloc[0]


def golden_rows(golden):
    """The choices whose outcome under KSO's rule is known."""
    table = pd.DataFrame(golden("kso_rule.json")["labels_input"])
    return table.rename(columns={"subject_ids": "subject_id", "user_name": "user", "first_seen": "first_seen_s"})
