from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus import accumulate_species, votes_over_time
from kso_utils.consensus.votes import VoteRule
from kso_utils.core.errors import ConfigError


def cast(*votes, **columns):
    table = pd.DataFrame(votes, columns=["classification_id", "user", "created_at"])
    return table.assign(**{"subject_id": table["classification_id"], "label": None, **columns})


def seen(*pairs):
    return pd.DataFrame(pairs, columns=["subject_id", "label"])


def test_classifications_and_people_are_counted_day_by_day():
    found = votes_over_time(
        cast((1, "ann", "2024-05-01T23:59:59Z"), (2, "ann", "2024-05-02T00:00:00Z"), (3, "bob", "2024-05-02"))
    )
    assert found["day"].dt.strftime("%m-%d").tolist() == ["05-01", "05-02"]
    assert found[["classifications", "people", "new_people", "total"]].to_numpy().tolist() == [
        [1, 1, 1, 1],
        [2, 2, 1, 3],
    ]


def test_a_classification_of_two_rows_counts_once():
    assert votes_over_time(cast((1, "ann", "2024-05-01"), (1, "ann", "2024-05-01")))["total"].tolist() == [1]


def test_only_classifications_that_count_are_counted():
    rows = cast((1, "ann", "2024-05-01"), (2, "bob", "2024-05-01"))
    assert votes_over_time(rows, VoteRule(not_users=("bob",)))["people"].tolist() == [1]


def test_classifications_without_a_date_are_left_out():
    assert votes_over_time(cast((1, "ann", None), (2, "bob", "some day"))).empty


def test_a_table_without_dates_is_refused():
    with pytest.raises(ConfigError, match="created_at"):
        votes_over_time(cast((1, "ann", "2024-05-01")).drop(columns="created_at"))


def test_labels_that_are_not_agreed_are_no_species():
    named = seen((1, "cod"), (1, "crab"), (2, "eel")).assign(agreed=[True, False, None])
    pd.testing.assert_frame_equal(accumulate_species(named, 4), accumulate_species(seen((1, "cod")), 4))


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.sets(st.tuples(st.integers(0, 5), st.sampled_from("abcd")), min_size=1), st.integers(0, 2))
def test_the_curve_is_the_mean_over_all_draws(pairs, empty):
    subjects = 6 + empty
    curve = accumulate_species(seen(*pairs), subjects).set_index("subjects")
    for size in curve.index:
        draws = [
            len({label for subject, label in pairs if subject in drawn})
            for drawn in combinations(range(subjects), size)
        ]
        assert curve.loc[size, "species"] == pytest.approx(np.mean(draws))


def test_all_subjects_show_all_species():
    curve = accumulate_species(seen((1, "cod"), (2, "cod"), (3, "crab")), 10)
    assert curve["species"].iloc[-1] == pytest.approx(2)
    assert (curve["low"] <= curve["species"]).all() and (curve["species"] <= curve["high"]).all()


def test_the_interval_of_all_subjects_is_that_of_the_species_still_unseen():
    """Two species seen once and one twice in ten subjects: Chao 2 is 3 + 9 / 10 * 2 * 1 / (2 * 2) = 3.45."""
    curve = accumulate_species(seen((1, "cod"), (2, "cod"), (3, "crab"), (4, "eel")), 10)
    assert curve["high"].iloc[-1] == pytest.approx(3 + 1.959964 * (3 - 3**2 / 3.45) ** 0.5)


def test_the_curve_never_falls_and_has_few_points():
    rng = np.random.default_rng(0)
    many = pd.DataFrame({"subject_id": rng.integers(0, 90_000, 5000), "label": rng.zipf(1.6, 5000).astype(str)})
    curve = accumulate_species(many, 100_000)
    assert len(curve) <= 60
    assert (np.diff(curve["species"]) > -1e-9).all()


def test_no_species_and_no_subjects():
    assert accumulate_species(seen(), 5)["species"].tolist() == [0] * 5
    assert accumulate_species(seen(), 0).empty


def test_more_subjects_with_labels_than_were_looked_at_is_refused():
    with pytest.raises(ConfigError, match="more than the 1"):
        accumulate_species(seen((1, "cod"), (2, "cod")), 1)
