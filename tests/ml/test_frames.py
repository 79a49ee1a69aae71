"""Which frames teach."""

from __future__ import annotations

import pandas as pd
import pytest

from kso_utils.core.errors import ConfigError
from kso_utils.ml.frames import choose_frames, choose_labels

SUBJECTS = pd.DataFrame({"id": [1, 2, 3, 4], "movie_id": [9, 9, 9, 9], "frame_number": [0, 10, 20, 30]})
DRAWN = pd.DataFrame({"subject_id": [1, 2, 3], "people": [3, 2, 1], "agreed": [True, False, False], "width": 9.0})


def test_agreed_and_confirmed_empty_frames_are_chosen() -> None:
    """1 is agreed, 2 is doubtful, in 3 one person saw a ghost, 4 was empty for all."""
    found = choose_frames(SUBJECTS, DRAWN, pd.Series({1: 3, 2: 5, 3: 5, 4: 3}))

    assert found["subject_id"].tolist() == [1, 3, 4]


def test_a_frame_that_too_few_saw_is_not_empty() -> None:
    found = choose_frames(SUBJECTS, DRAWN, pd.Series({1: 3}))

    assert found["subject_id"].tolist() == [1]


def test_of_two_subjects_of_one_frame_the_one_more_people_saw_stays() -> None:
    subjects = pd.DataFrame({"id": [1, 5], "movie_id": [9, 9], "frame_number": [0, 0]})
    drawn = pd.DataFrame({"subject_id": [1, 5], "people": [3, 6], "agreed": [True, True], "width": 9.0})

    assert choose_frames(subjects, drawn, pd.Series({1: 3, 5: 6}))["subject_id"].tolist() == [5]


def test_a_subject_without_movie_is_left_out() -> None:
    subjects = SUBJECTS.astype({"movie_id": "Int64"})
    subjects.loc[0, "movie_id"] = pd.NA

    assert choose_frames(subjects, DRAWN, pd.Series(dtype="int64")).empty


def test_a_frame_with_an_animal_without_a_box_is_left_out() -> None:
    marks = pd.DataFrame({"subject_id": [1, 1], "people": [3, 3], "agreed": [True, True], "width": [9.0, None]})

    assert choose_frames(SUBJECTS, marks, pd.Series({1: 3, 4: 3}))["subject_id"].tolist() == [4]


def test_labels_are_sorted_and_distinct() -> None:
    boxes = pd.DataFrame({"label": ["crab", "cod", "crab"]})

    assert choose_labels(boxes, None) == ("cod", "crab")
    assert choose_labels(boxes, ["crab", "crab"]) == ("crab",)


def test_nothing_agreed_is_said() -> None:
    with pytest.raises(ConfigError, match="No box is agreed"):
        choose_labels(pd.DataFrame({"label": []}), None)
