import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus import ClipRule, clips, subjects
from kso_utils.consensus.clip_labels import COLUMNS, SUBJECT_COLUMNS, label_parts
from kso_utils.consensus.votes import gather_parts
from kso_utils.core.errors import ConfigError
from kso_utils.testing.crowd import simulate_crowd
from tests.consensus.polls import golden_rows, one, poll, rows


@pytest.mark.parametrize(
    ("agreement", "min_people"),
    [(0.8, 3), (0.6, 3), (0.5, 2), (0.8, 1)],
)
def test_the_published_rule_keeps_the_same_labels(golden, agreement, min_people):
    found = clips(golden_rows(golden), ClipRule(agreement=agreement, min_people=min_people)).query("agreed")
    kept = golden("kso_rule.json")[f"labels agg_users={agreement} min_users={min_people}"]
    expected = {(k["subject_ids"], k["label"]): (k["class_n"], k["n_users"], k["aggreg"]) for k in kept}
    assert {(r.subject_id, r.label): (r.votes, r.people, r.support) for r in found.itertuples()} == expected


def test_a_missing_answer_is_not_zero(golden):
    cod = clips(golden_rows(golden)).query("subject_id == 3 and label == 'COD'").iloc[0]
    assert cod["first_seen_s"] == 6
    assert cod["how_many"] == 2.5


def test_blanks_stay_in_the_denominator():
    found = one(clips(poll("cod", "cod", "cod", None, None)))
    assert (found["votes"], found["people"], found["support"], found["agreed"]) == (3, 5, 0.6, False)


def test_one_person_three_times_is_one_vote():
    again = rows(*[(i, "ann", "cod", None, None) for i in range(3)], (9, "bob", None, None, None))
    found = one(clips(again))
    assert (found["votes"], found["people"]) == (1, 2)


def test_a_thousand_marks_of_one_person_are_one_vote():
    found = one(clips(rows(*[(1, "ann", "cod", 2, 1)] * 1000)))
    assert (found["votes"], found["people"], found["agreed"]) == (1, 1, False)


def test_answers_do_not_leak_from_one_label_to_another():
    found = clips(rows((1, "ann", "cod", 7, 3), (1, "ann", "crab", None, None)))
    assert np.isnan(one(found, "crab")[["how_many", "first_seen_s"]].astype(float)).all()


def test_medians_are_over_people_who_answered():
    found = one(
        clips(rows((1, "a", "cod", 1, 9), (2, "b", "cod", 2, None), (3, "c", "cod", 7, 1), (4, "d", "cod", None, None)))
    )
    assert (found["how_many"], found["first_seen_s"]) == (2, 5)


def test_answers_may_be_missing_as_columns_or_be_text():
    found = clips(poll("cod").drop(columns="first_seen_s").assign(how_many="many"))
    assert np.isnan(found.loc[0, ["how_many", "first_seen_s"]].astype(float)).all()


def test_too_few_people_agree_on_nothing():
    assert not one(clips(poll("cod", "cod")))["agreed"]


def test_agreement_at_the_threshold_is_enough():
    assert one(clips(poll("cod", "cod", "cod", "cod", None)))["agreed"]


def kinds(table):
    return {name: str(kind) for name, kind in table.dtypes.items()}


@pytest.mark.parametrize("empty", [poll(), poll(None, None, None), []])
def test_no_labels_give_an_empty_table_with_the_columns(empty):
    found = clips(empty)
    assert found.empty
    assert kinds(found) == kinds(clips(poll("cod"))) == COLUMNS


def test_subjects_have_a_row_also_where_nobody_named_anything():
    found = subjects(poll(None, None))
    assert found.values.tolist() == [[1, 2, 2, 0, 0, 0.0, 0.0, True]]
    assert kinds(found) == kinds(subjects(poll())) == SUBJECT_COLUMNS


def test_half_blank_is_not_blank():
    assert not subjects(poll(None, "cod")).loc[0, "blank"]


def test_any_text_is_a_label():
    found = clips(poll("", "Ünknown \U0001f41f", 7))
    assert found["label"].tolist() == ["", "7", "Ünknown \U0001f41f"]


@pytest.mark.parametrize("answer", [np.nan, np.inf, -np.inf, None, "", "4+"])
def test_what_is_no_number_is_no_answer(answer):
    found = one(clips(rows((1, "a", "cod", 2, 3), (2, "b", "cod", answer, answer))))
    assert found[["votes", "how_many", "how_many_spread", "first_seen_s"]].tolist() == [2, 2, 0, 3]


def test_a_single_vote():
    found = one(clips(poll("cod")))
    assert (found["votes"], found["people"], found["support"], found["evenness"]) == (1, 1, 1.0, 0.0)


def test_the_leading_label_comes_first():
    assert clips(poll("eel", "cod", "cod", "bass"))["label"].tolist() == ["cod", "bass", "eel"]


@pytest.mark.parametrize("case", ["unanimous", "mixed", "two species", "blank majority", "tie"])
def test_plurality_gives_what_its_source_gives(golden, case):
    data = golden("plurality.json")[case]
    expected = data["output"]
    cast = [(i, f"u{i}", label, n, None) for i, said in enumerate(data["input"]) for label, n in said or [(None, None)]]
    found = clips(rows(*cast), ClipRule("plurality", min_people=1))
    subject = subjects(rows(*cast)).iloc[0]
    assert dict(zip(found["label"], found["votes"], strict=True)) == expected["votes"]
    assert found["evenness"].tolist() == pytest.approx([expected["evenness"]] * len(found))
    assert subject[["people", "blanks", "species"]].tolist() == [
        expected[name] for name in ("n_classifications", "n_blank", "n_species")
    ]
    seen = 1 - expected["fraction_blanks"]
    winners = found.head(expected["n_species"])
    assert winners[["label", "votes", "how_many"]].values.tolist() == [
        [w["species"], w["votes"], w["count_median"]] for w in expected["species"]
    ]
    # The source leaves blanks out of the denominator, and names a winner also where most people saw nothing.
    assert (winners["support"] / seen).tolist() == pytest.approx([w["fraction_support"] for w in expected["species"]])
    assert found["agreed"].tolist() == [place < len(winners) and seen >= 0.5 for place in range(len(found))]
    assert subject["blank"] == (seen < 0.5)


def plurality(*said):
    """The labels that each person named -> (label, agreed, tied)."""
    cast = [(i, f"u{i}", label, 1, None) for i, labels in enumerate(said) for label in labels or [None]]
    found = clips(rows(*cast), ClipRule("plurality"))
    return found[["label", "agreed", "tied"]].values.tolist()


def test_of_labels_with_as_many_votes_the_first_by_name_wins_and_all_are_tied():
    assert plurality(["eel"], ["cod"], ["bass"], ["bass", "cod", "eel", "ray"]) == [
        ["bass", True, True],
        ["cod", False, True],
        ["eel", False, True],
        ["ray", False, False],
    ]


def test_who_wins_by_votes_is_not_tied():
    assert plurality(["eel", "cod"], ["cod", "eel"], ["cod", "bass"]) == [
        ["cod", True, False],
        ["eel", True, False],
        ["bass", False, False],
    ]


def test_nobody_is_tied_where_all_win_or_most_saw_nothing():
    assert plurality(["eel", "cod"], ["eel", "cod"], ["eel", "cod"]) == [["cod", True, False], ["eel", True, False]]
    assert plurality(["eel"], ["cod"], [], [], []) == [["cod", False, False], ["eel", False, False]]


def test_where_half_saw_nothing_the_others_decide():
    assert plurality(["eel"], ["eel"], [], []) == [["eel", True, False]]


def test_half_a_species_is_rounded_up():
    assert [row[1] for row in plurality(["eel", "cod"], ["eel", "cod"], ["eel"], ["eel"])] == [True, True]


def test_half_an_animal_is_rounded_up_in_plurality_alone():
    cast = rows((1, "a", "cod", 1, None), (2, "b", "cod", 2, None))
    assert one(clips(cast, ClipRule("plurality")))["how_many"] == 2
    assert one(clips(cast))["how_many"] == 1.5


def test_plurality_may_ask_for_a_share_too():
    found = clips(poll("cod", "cod", "eel", "ray", "bass"), ClipRule("plurality", agreement=0.5))
    assert not found["agreed"].any()


def test_people_are_counted_not_choices(golden):
    choices = golden("panoptes_aggregation_5.3.1.json")["survey_reducer 3 users, user1 reported 2 species"]
    found = clips(
        rows(
            (1, "u1", "cod", 1, None), (1, "u1", "crab", 2, None), (2, "u2", "cod", 1, None), (3, "u3", "cod", 3, None)
        )
    )
    assert dict(zip(found["label"], found["votes"], strict=True)) == {c["choice"]: c["choice_count"] for c in choices}
    assert set(found["people"]) == {3}


votes = st.tuples(
    st.integers(1, 12),
    st.sampled_from(["ann", "bob", "cat", "dan", None]),
    st.sampled_from(["cod", "crab", "eel", None]),
    st.sampled_from([None, 1, 2, 5]),
    st.sampled_from([None, 0, 3, 9]),
)


def three_clips(cast):
    table = rows(*cast)
    return table.assign(subject_id=table["classification_id"] % 3)


@pytest.mark.parametrize("rule", [ClipRule(), ClipRule("plurality")], ids=["share", "plurality"])
@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.lists(votes, max_size=30), st.randoms(use_true_random=False), st.lists(st.integers(0, 30)))
def test_the_order_of_the_rows_their_parts_and_repeats_do_not_matter(rule, cast, random, cuts):
    table, mixed = three_clips(cast), list(cast)
    random.shuffle(mixed)
    parts = [table.iloc[a:b] for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), len(table)], strict=True)]
    found, described = clips(table, rule), subjects(table)
    for same in (three_clips(mixed), parts, [table, table]):
        pd.testing.assert_frame_equal(found, clips(same, rule))
        pd.testing.assert_frame_equal(described, subjects(same))


@pytest.mark.parametrize("method", ["share", "plurality", "gold", "dawid_skene"])
def test_what_votes_are_worth_is_found_from_all_parts(method):
    crowd = simulate_crowd(300, seed=2)
    gold = crowd.truth[::7] if method == "gold" else None
    expected = clips(crowd.rows, ClipRule(method), gold)
    parts = gather_parts(crowd.rows, part_rows=150)
    assert len(parts.parts) > 5
    pd.testing.assert_frame_equal(label_parts(parts, ClipRule(method), gold), expected, rtol=0, atol=1e-9)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.lists(votes, min_size=1, max_size=30))
def test_shares_and_counts_stay_in_range(cast):
    found = clips(rows(*cast))
    assert (found["votes"].between(1, found["people"])).all()
    assert found["evenness"].between(0, 1).all()
    assert (found["support_low"] <= found["support"]).all()
    assert (found["support"] <= found["support_high"]).all()


@pytest.mark.parametrize("wrong", [{"agreement": 1.2}, {"agreement": math.nan}, {"agreement": -0.1}, {"min_people": 0}])
def test_a_rule_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ClipRule(**wrong)
