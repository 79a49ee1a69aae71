import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.zooniverse.sandbox.perception import Rates, answer_clip, answer_frame

LABELS = ["Atlantic cod", "Edible crab", "Moon jellyfish"]
PERFECT = Rates(miss=0, invent=0, confuse=0, edge=0, recount=0, delay_s=0)


def seen(*rows):
    return pd.DataFrame(rows, columns=["label", "how_many", "first_seen_s"])


def boxes(*rows):
    return pd.DataFrame(rows, columns=["label", "x", "y", "width", "height"])


def ask(answer, rows, rates, people=2000, seed=0):
    rng = np.random.default_rng(seed)
    return [answer(rows, LABELS, rng, rates)[0]["value"] for _ in range(people)]


def test_a_perfect_person_reports_the_truth_of_a_clip():
    answer = answer_clip(seen(("Atlantic cod", 2, 3.4)), LABELS, np.random.default_rng(0), PERFECT)
    choice = {"choice": "ATLANTICCOD", "answers": {"HOWMANY": "2", "FIRSTSEEN": "3S"}, "filters": {}}
    assert answer == [{"task": "T0", "value": [choice]}]


def test_nothing_seen_in_a_clip_is_an_answer():
    answer = answer_clip(seen(), LABELS, np.random.default_rng(0), PERFECT, task="T4")
    assert answer == [{"task": "T4", "value": [{"choice": "NOTHINGHERE", "answers": {}, "filters": {}}]}]


def test_a_perfect_person_draws_the_true_boxes():
    answer = answer_frame(boxes(("Edible crab", 10, 20, 30, 40)), LABELS, np.random.default_rng(0), PERFECT)
    mark = {"tool": 1, "tool_label": "Edible crab", "frame": 0, "details": [], "x": 10, "y": 20}
    assert answer == [{"task": "T0", "value": [{**mark, "width": 30, "height": 40}]}]


def test_nothing_seen_in_a_frame_is_an_empty_value():
    assert answer_frame(boxes(), LABELS, np.random.default_rng(0)) == [{"task": "T0", "value": []}]


def test_species_are_missed_at_the_rate_of_misses():
    answers = ask(answer_clip, seen(("Edible crab", 1, 0)), Rates(invent=0, confuse=0))
    assert np.mean([a[0]["choice"] == "NOTHINGHERE" for a in answers]) == pytest.approx(0.10, abs=0.02)


def test_species_are_confused_at_the_rate_of_confusions():
    answers = ask(answer_clip, seen(("Edible crab", 1, 0)), Rates(invent=0, miss=0))
    assert np.mean([a[0]["choice"] != "EDIBLECRAB" for a in answers]) == pytest.approx(0.05, abs=0.015)


def test_species_are_invented_at_the_rate_of_inventions():
    answers = ask(answer_clip, seen(), Rates())
    assert np.mean([a[0]["choice"] != "NOTHINGHERE" for a in answers]) == pytest.approx(0.10, abs=0.02)


def test_invented_species_are_absent_ones():
    answers = ask(answer_clip, seen(("Edible crab", 1, 0)), Rates(miss=0, confuse=0, invent=1), people=50)
    assert {a[1]["choice"] for a in answers} == {"ATLANTICCOD", "MOONJELLYFISH"}


def test_edges_are_off_by_the_share_of_their_side():
    marks = [a[0] for a in ask(answer_frame, boxes(("Edible crab", 100, 100, 200, 50)), Rates(miss=0, confuse=0))]
    left, bottom = ([m["x"] for m in marks], [m["y"] + m["height"] for m in marks])
    assert np.std(left) == pytest.approx(12, rel=0.08)
    assert np.std(bottom) == pytest.approx(3, rel=0.08)


def test_a_confused_species_is_confused_in_all_its_boxes():
    two = boxes(("Edible crab", 10, 10, 50, 50), ("Edible crab", 200, 10, 50, 50))
    tools = {tuple(m["tool_label"] for m in a) for a in ask(answer_frame, two, Rates(), people=500)}
    assert tools == {(), *((label, label) for label in LABELS)}


def test_counts_are_near_and_never_below_one():
    answers = ask(answer_clip, seen(("Edible crab", 1, 0)), Rates(miss=0, invent=0, confuse=0))
    assert {a[0]["answers"]["HOWMANY"] for a in answers} == {"1", "2"}


@pytest.mark.parametrize(("overcount", "expected"), [(0.5, "15"), (-0.5, "5")])
def test_counts_are_too_high_or_too_low_on_the_whole(overcount, expected):
    biased = replace(PERFECT, overcount=overcount)
    (answer,) = answer_clip(seen(("Edible crab", 10, 0)), LABELS, np.random.default_rng(0), biased)[0]["value"]
    assert answer["answers"]["HOWMANY"] == expected


def test_boxes_are_too_large_and_beside_the_animal():
    biased = replace(PERFECT, enlarge=0.2, shift=0.1)
    (mark,) = answer_frame(boxes(("Edible crab", 100, 100, 50, 20)), LABELS, np.random.default_rng(0), biased)[0][
        "value"
    ]
    assert [mark[name] for name in ("x", "y", "width", "height")] == [100, 100, 60, 24]


@given(seed=st.integers(0, 2**32), n=st.integers(0, 3))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_answers_are_the_same_for_the_same_seed_and_are_json(seed, n):
    rows = seen(*[(label, 2, 1.5) for label in LABELS[:n]])
    first, again = (answer_clip(rows, LABELS, np.random.default_rng(seed)) for _ in range(2))
    assert json.loads(json.dumps(first)) == again


@given(seed=st.integers(0, 2**32))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_boxes_never_vanish(seed):
    rows = boxes(("Edible crab", 5, 5, 12, 12))
    (task,) = answer_frame(rows, LABELS, np.random.default_rng(seed), Rates(edge=2.0))
    assert all(m["width"] >= 1 and m["height"] >= 1 for m in task["value"])
    assert json.dumps(task)
