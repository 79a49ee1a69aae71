import numpy as np
import pandas as pd
import pytest

from kso_utils.testing import simulate_crowd


def looks(crowd):
    return crowd.rows.drop_duplicates("classification_id")


@pytest.mark.parametrize(("subjects", "votes"), [(300, (2, 8)), (40, 25), (3, 9), (5, 1)])
def test_as_many_different_people_look_as_asked(subjects, votes):
    low, high = (votes, votes) if isinstance(votes, int) else votes
    cast = looks(simulate_crowd(subjects, votes))
    counts = cast.groupby("subject_id").size()
    assert counts.index.tolist() == list(range(1, subjects + 1))
    assert counts.between(low, high).all()
    assert not cast.duplicated(["subject_id", "user"]).any()


def test_people_name_what_is_there_as_often_as_their_skill_says():
    crowd = simulate_crowd(4000, 5, people=60, seed=3)
    careful = crowd.people[~crowd.people["spam"]].set_index("user")["skill"]
    chances = looks(crowd)[["subject_id", "user"]].merge(crowd.truth[["subject_id", "label"]], on="subject_id")
    named = chances.merge(crowd.rows[["subject_id", "user", "label"]].assign(named=True), how="left")
    share = named["named"].notna().groupby(named["user"]).mean()[careful.index]
    assert np.abs(share - careful).mean() < 0.04


def test_spammers_answer_always_and_as_many_as_asked():
    crowd = simulate_crowd(500, 4, people=100, spammers=0.1)
    spam = crowd.people.loc[crowd.people["spam"], "user"]
    assert len(spam) == 10
    assert crowd.rows.loc[crowd.rows["user"].isin(spam), "label"].notna().all()


def test_the_same_seed_gives_the_same_crowd_and_another_one_not():
    one, same, other = (simulate_crowd(50, seed=seed) for seed in (1, 1, 2))
    for name in ("rows", "truth", "people"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(same, name))
    assert not one.rows.equals(other.rows)


def test_one_species_alone_is_possible():
    crowd = simulate_crowd(30, 3, labels=1)
    assert set(crowd.rows["label"].dropna()) == {"species 01"}
    assert not crowd.truth.duplicated(["subject_id", "label"]).any()
