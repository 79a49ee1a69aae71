"""Scores against a known truth."""

import math

import pandas as pd

from kso_utils.testing.scores import Found, compare_rows, count_hits, count_max_n, match_boxes

BOX = ["filename", "frame_number", "label", "x", "y", "width", "height"]


def boxes(*rows: tuple[str, int, str, float, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=BOX)


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    found = Found(hits=6, invented=2, missed=4)
    precision, recall = 6 / 8, 6 / 10
    assert math.isclose(found.f1, 2 * precision * recall / (precision + recall))
    assert found.recall == recall


def test_nothing_found_of_nothing_is_perfect() -> None:
    assert Found(0, 0, 0).f1 == 1
    assert math.isnan(Found(0, 3, 0).recall)


def test_rows_are_compared_as_sets() -> None:
    ours = pd.DataFrame({"clip": [1, 1, 2, 3], "label": ["a", "a", "b", "c"], "more": [9, 8, 7, 6]})
    truth = pd.DataFrame({"clip": [1, 2, 2], "label": ["a", "b", "c"]})
    assert compare_rows(ours, truth, ["clip", "label"]) == Found(hits=2, invented=1, missed=1)


def test_each_true_box_is_given_once_best_overlap_first() -> None:
    truth = boxes(("m", 1, "cod", 0, 0, 10, 10))
    found = boxes(("m", 1, "cod", 2, 0, 10, 10), ("m", 1, "cod", 0, 0, 10, 10))
    assert match_boxes(found, truth, ["filename", "frame_number", "label"]).tolist() == [0.0, 1.0]


def test_boxes_of_another_frame_or_label_do_not_match() -> None:
    truth = boxes(("m", 1, "cod", 0, 0, 10, 10))
    found = boxes(("m", 2, "cod", 0, 0, 10, 10), ("m", 1, "crab", 0, 0, 10, 10), ("n", 1, "cod", 0, 0, 10, 10))
    assert match_boxes(found, truth, ["filename", "frame_number", "label"]).sum() == 0


def test_hits_need_the_overlap_asked_for() -> None:
    truth = boxes(("m", 1, "cod", 0, 0, 10, 10), ("m", 1, "cod", 50, 50, 10, 10))
    found = boxes(("m", 1, "cod", 0, 0, 10, 6))
    by = ["filename", "frame_number", "label"]
    assert count_hits(found, truth, by, at_least=0.5) == Found(1, 0, 1)
    assert count_hits(found, truth, by, at_least=0.7) == Found(0, 1, 2)


def test_max_n_is_the_most_boxes_in_one_frame() -> None:
    marks = pd.DataFrame(
        {"movie_id": [1, 1, 1, 1, 2], "frame_number": [5, 5, 6, 5, 5], "label": ["cod", "cod", "cod", "crab", "cod"]}
    )
    assert count_max_n(marks) == {(1, "cod"): 2, (1, "crab"): 1, (2, "cod"): 1}
