import logging
from dataclasses import fields, replace
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus import (
    ClipRule,
    SkeneRule,
    causes,
    classes,
    clip_labels,
    clips,
    dawid_skene,
    fit_dawid_skene,
    label_probabilities,
)
from kso_utils.consensus.parts import Here
from kso_utils.consensus.votes import Votes, gather, gather_parts
from kso_utils.core.errors import ConfigError
from kso_utils.testing.crowd import simulate_crowd

PLAIN = SkeneRule(exclusive=True, smoothing=0, pool_below=0, iterations=100, tolerance=1e-5)


def rows(*cast):
    """One row a choice: subject, user, label; a person looks at a subject in one classification."""
    table = pd.DataFrame(cast, columns=["subject_id", "user", "label"])
    number = pd.factorize(pd.MultiIndex.from_frame(table[["subject_id", "user"]]))[0]
    return table.assign(classification_id=number + 1)


def cut(votes, pieces):
    """The votes in parts of whole subjects."""
    edges = np.linspace(0, len(votes.subject_ids), pieces + 1).astype(int)
    looks, choices = np.searchsorted(votes.look_subject, edges), np.searchsorted(votes.choice_subject, edges)
    return Here(
        [
            Votes(
                votes.subject_ids[edges[i] : edges[i + 1]],
                votes.people,
                votes.labels,
                votes.look_subject[looks[i] : looks[i + 1]] - edges[i],
                votes.look_person[looks[i] : looks[i + 1]],
                votes.choice_look[choices[i] : choices[i + 1]] - looks[i],
                votes.choice_label[choices[i] : choices[i + 1]],
                votes.how_many[choices[i] : choices[i + 1]],
                votes.first_seen_s[choices[i] : choices[i + 1]],
            )
            for i in range(pieces)
        ]
    )


def crowd_votes(subjects=300, votes=4, seed=1):
    return gather(simulate_crowd(subjects, votes, seed=seed).rows)


def probabilities(table, rule):
    """The probability of each subject and label."""
    found = clips(table, ClipRule("dawid_skene", skene=rule))
    return found.set_index(["subject_id", "label"])["probability"]


def truths(crowd, found):
    """Whether each label of a table is there."""
    there = pd.MultiIndex.from_frame(crowd.truth[["subject_id", "label"]])
    return pd.MultiIndex.from_frame(found[["subject_id", "label"]]).isin(there)


def test_exclusive_labels_without_smoothing_equal_crowd_kit(golden):
    data = golden("crowdkit_1.4.2.json")
    table = rows(*[(int(task[1:]), worker, label) for task, worker, label in data["input"]])
    found = probabilities(table, PLAIN)
    expected = {(int(s[1:]), label): p for s, each in data["DawidSkene_probas"].items() for label, p in each.items()}
    assert found.to_dict() == pytest.approx({pair: expected[pair] for pair in found.index}, abs=1e-6)
    model = fit_dawid_skene(gather(table), PLAIN)
    assert dict(zip(model.labels, model.rates.prior, strict=False)) == pytest.approx(
        data["DawidSkene_priors"], abs=1e-6
    )
    people, labels = model.names.tolist(), model.labels.tolist()
    for key, by_truth in data["DawidSkene_errors"].items():
        person, said = key.split("|")
        for true, rate in by_truth.items():
            here = model.rates.said[model.group[people.index(person)], labels.index(true), labels.index(said)]
            assert here == pytest.approx(rate, abs=1e-6)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("pieces", [2, 7])
def test_parts_give_the_same_model_and_probabilities(exclusive, pieces):
    votes, rule = crowd_votes(), SkeneRule(exclusive=exclusive)
    whole, parted = fit_dawid_skene(votes, rule), fit_dawid_skene(cut(votes, pieces), rule)
    assert whole.iterations == parted.iterations
    for field in fields(whole.rates):
        np.testing.assert_allclose(
            getattr(parted.rates, field.name), getattr(whole.rates, field.name), rtol=0, atol=1e-9
        )
    found = np.concatenate([label_probabilities(part, parted) for part in cut(votes, pieces).parts])
    np.testing.assert_allclose(found, label_probabilities(votes, whole), rtol=0, atol=1e-9)


@pytest.mark.parametrize("exclusive", [False, True])
def test_people_are_known_from_all_parts(monkeypatch, exclusive):
    table, rule = simulate_crowd(200, 4, seed=10).rows, ClipRule("dawid_skene", skene=SkeneRule(exclusive=exclusive))
    whole = clips(table, rule)
    monkeypatch.setattr(clip_labels, "gather_parts", partial(gather_parts, part_rows=100))
    parted = clips(table, rule)
    np.testing.assert_allclose(parted["probability"], whole["probability"], rtol=0, atol=1e-9)
    pd.testing.assert_frame_equal(parted.drop(columns="probability"), whole.drop(columns="probability"))


cast = st.tuples(st.integers(1, 6), st.sampled_from("abcd"), st.sampled_from(["cod", "crab", "eel", None]))


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.lists(cast, min_size=1, max_size=30), st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter_and_probabilities_are_from_0_to_1(cast, exclusive, random):
    table, rule = rows(*cast), ClipRule("dawid_skene", skene=SkeneRule(exclusive=exclusive, iterations=20))
    order = list(range(len(table)))
    random.shuffle(order)
    found = clips(table, rule)
    assert found["probability"].between(0, 1).all()
    pd.testing.assert_frame_equal(found, clips(table.iloc[order], rule))


def test_agreed_is_what_is_probably_there_and_enough_people_looked_at():
    table = simulate_crowd(200, (1, 5), seed=2).rows
    found, shares = clips(table, ClipRule("dawid_skene", agreement=0.7)), clips(table, ClipRule("share"))
    assert found["agreed"].equals((found["probability"] >= 0.7) & (found["people"] >= 3))
    assert 0 < found["agreed"].sum() < len(found)
    same = ["subject_id", "label", "votes", "people", "support", "support_low", "support_high", "evenness"]
    pd.testing.assert_frame_equal(found[same], shares[same])
    assert shares["probability"].isna().all()


@pytest.mark.parametrize("exclusive", [False, True])
def test_who_answers_by_chance_is_found_and_counts_for_little(exclusive):
    crowd = simulate_crowd(600, 5, seed=3, people=40)
    votes = gather(crowd.rows)
    model = fit_dawid_skene(votes, SkeneRule(exclusive=exclusive))
    people = model.describe_people().merge(crowd.people, on="user").query("looks >= 30")
    spammers, others = people[people["spam"]], people[~people["spam"]]
    assert len(spammers) == 2
    assert spammers["sensitivity"].max() < others["sensitivity"].min()
    assert spammers["false_alarms"].min() > others["false_alarms"].max()
    if not exclusive:
        assert model.rates.sight[model.group[np.isin(model.names, spammers["user"])]].max() < 0.2


def test_skills_and_mistakes_are_recovered():
    crowd = simulate_crowd(1500, 6, seed=4, people=60)
    model = fit_dawid_skene(gather(crowd.rows))
    people = model.describe_people().merge(crowd.people, on="user").query("looks >= 60 and not spam")
    assert np.corrcoef(people["skill"], people["sensitivity"])[0, 1] > 0.85
    assert (people["sensitivity"] - people["skill"]).abs().mean() < 0.05
    common = crowd.truth["label"].value_counts(normalize=False).sort_index().to_numpy() / 1500
    np.testing.assert_allclose(model.rates.prior, common, atol=0.03)
    # A species is mostly taken for its neighbour in the list.
    taken = model.rates.mistaken[:4]
    assert taken.argmax(axis=1).tolist() == [1, 2, 3, 4]
    assert (taken.max(axis=1) > 3 * np.sort(taken, axis=1)[:, -2]).all()


def test_probabilities_are_calibrated_and_better_than_shares():
    crowd = simulate_crowd(1500, 4, seed=5)
    found = clips(crowd.rows, ClipRule("dawid_skene"))
    there = truths(crowd, found)
    for low in np.arange(0, 1, 0.2):
        here = found["probability"].between(low, low + 0.2)
        assert found["probability"][here].mean() == pytest.approx(there[here].mean(), abs=0.12)
    assert ((found["probability"] - there) ** 2).mean() < ((found["support"] - there) ** 2).mean() / 2


def test_people_with_few_looks_share_their_rates():
    model = fit_dawid_skene(crowd_votes(), SkeneRule(pool_below=20))
    people = model.describe_people()
    assert people["pooled"].equals(people["looks"] < 20)
    assert people[people["pooled"]]["sensitivity"].nunique() == 1
    assert people[~people["pooled"]]["sensitivity"].nunique() > 1


def some_rates(labels=2):
    mistaken = np.full((labels, labels), 0.08) - 0.08 * np.eye(labels)
    prior, seen, invented = (
        np.array([0.3, 0.2])[:labels],
        np.array([1.4, 0.9])[:labels],
        np.array([0.02, 0.05])[:labels],
    )
    return causes.Rates(prior, seen, invented, mistaken, np.array([1.2, 0.5]), np.array([0.5, 1.5]))


def exact(said, rates):
    """The probability of each label of one clip, over all that may be there; `said[p][l]`: whether p names l."""
    labels, chance = range(len(rates.prior)), {}
    for there in product((0, 1), repeat=len(rates.prior)):
        p = np.prod([rates.prior[i] if there[i] else 1 - rates.prior[i] for i in labels])
        for person, i in product(range(len(said)), labels):
            why = there[i] * rates.seen[i] * rates.sight[person] + rates.invented[i] * rates.fancy[person]
            why += sum(there[k] * rates.mistaken[k, i] for k in labels)
            p *= 1 - np.exp(-why) if said[person][i] else np.exp(-why)
        chance[there] = p
    return [sum(p for there, p in chance.items() if there[i]) / sum(chance.values()) for i in labels]


@pytest.mark.parametrize("said", [("cod", "cod"), ("cod", None), (None, "cod")])
def test_one_label_is_inferred_exactly(said):
    votes, rates = gather(rows(*[(1, user, label) for user, label in zip("ab", said, strict=True)])), some_rates(1)
    assert causes.infer(votes, np.array([0, 1]), rates) == pytest.approx(exact([[s == "cod"] for s in said], rates))


@pytest.mark.parametrize("said", [("cod", "ray"), ("ray", "cod"), ("both", "cod"), ("both", "ray"), ("both", "both")])
def test_two_labels_are_inferred_nearly_as_by_trying_all_that_may_be_there(said):
    names = {"cod": ["cod"], "ray": ["ray"], "both": ["cod", "ray"]}
    cast = [(1, user, label) for user, key in zip("ab", said, strict=True) for label in names[key]]
    votes, rates = gather(rows(*cast)), some_rates()
    expected = exact([[label in names[key] for label in ("cod", "ray")] for key in said], rates)
    assert causes.infer(votes, np.array([0, 1]), rates) == pytest.approx(expected, abs=0.12)


def test_of_two_labels_that_are_taken_for_each_other_one_is_there():
    names, alike = [f"p{n}" for n in range(6)], np.ones(6)
    rates = replace(some_rates(), mistaken=np.array([[0, 0.3], [0.3, 0]]), sight=alike, fancy=alike)
    votes = gather(rows(*[(1, name, label) for name, label in zip(names, ["cod", "ray"] * 3, strict=True)]))
    cod, ray = causes.infer(votes, np.arange(6), rates)
    assert cod < 0.25
    assert ray > 0.95


def test_labels_that_nobody_named_may_be_there_all_the_same():
    votes, rates = gather(rows((1, "a", "cod"), (1, "b", None), (2, "a", None), (2, "b", "ray"))), some_rates()
    group = np.array([0, 1])
    named = causes.infer(votes, group, rates)
    odds = rates.prior / (1 - rates.prior) * np.exp(-rates.seen * 1.7 - 2 * 0.08)
    missed = odds / (1 + odds)
    found = causes.count(votes, group, rates)
    assert found.clips == pytest.approx(named + missed)
    assert found.sights == pytest.approx(1.7 * found.clips)
    assert found.group_sights == pytest.approx([(found.clips * rates.seen).sum()] * 2)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("table", [rows(), rows((1, "a", None), (2, "b", None))])
def test_nothing_named_gives_an_empty_table(table, exclusive):
    rule = SkeneRule(exclusive=exclusive)
    assert clips(table, ClipRule("dawid_skene", skene=rule)).empty
    assert fit_dawid_skene(gather(table), rule).describe_people()["user"].tolist() == sorted(set(table["user"]))


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_single_vote_is_a_probability_and_agreed_on_by_nobody(exclusive):
    found = clips(rows((1, "a", "cod")), ClipRule("dawid_skene", skene=SkeneRule(exclusive=exclusive))).iloc[0]
    assert 0.5 < found["probability"] <= 1
    assert not found["agreed"]


def test_the_same_export_twice_changes_nothing():
    table = simulate_crowd(100, 3, seed=6).rows
    twice = pd.concat([table, table], ignore_index=True)
    pd.testing.assert_frame_equal(clips(twice, ClipRule("dawid_skene")), clips(table, ClipRule("dawid_skene")))


def test_somebody_who_names_everything_everywhere_says_nothing():
    crowd = simulate_crowd(150, 4, seed=7)
    labels = sorted(crowd.truth["label"].unique())
    more = pd.DataFrame([(s, label) for s in range(1, 151) for label in labels], columns=["subject_id", "label"])
    loud = pd.concat([crowd.rows, more.assign(user="loud", classification_id=10_000 + more["subject_id"])])
    before, after = probabilities(crowd.rows, None), probabilities(loud, None)
    assert (after.reindex(before.index) - before).abs().quantile(0.95) < 0.05
    assert after.drop(before.index).mean() < 0.05


def test_exclusive_labels_share_the_vote_of_who_names_several():
    table = rows(*[(s, u, "cod") for s in range(9) for u in "abc"], (9, "a", "cod"), (9, "a", "ray"), (9, "b", "ray"))
    votes = gather(table)
    sums = classes.count(votes, np.zeros(3, dtype=np.int64), 1, None)
    assert sums.clips == pytest.approx([9.25, 0.75, 0])
    assert sums.said.sum() == pytest.approx(29)


def test_a_vote_shared_by_two_exclusive_labels_weighs_half_for_each():
    said = np.array([[[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]])
    rates = classes.Rates(np.array([0.5, 0.3, 0.2]), said)
    votes = gather(rows((1, "a", "cod"), (1, "a", "ray"), (1, "b", "ray")))
    likelihood = rates.prior * np.sqrt(said[0, :, 0] * said[0, :, 1]) * said[0, :, 1]
    found = classes.infer(votes, np.zeros(2, dtype=np.int64), rates)
    assert found == pytest.approx((likelihood / likelihood.sum())[:2])


@pytest.mark.parametrize("exclusive", [False, True])
def test_strong_smoothing_makes_all_people_alike(exclusive):
    model = fit_dawid_skene(crowd_votes(), SkeneRule(exclusive=exclusive, smoothing=1e9, iterations=10))
    assert np.ptp(model.describe_people()["sensitivity"]) < 1e-6


def test_exclusive_labels_and_nothing_are_one_in_all():
    found = probabilities(simulate_crowd(200, 4, seed=8).rows, SkeneRule(exclusive=True))
    assert found.groupby("subject_id").sum().max() <= 1 + 1e-9
    assert found.groupby("subject_id").sum().min() < 0.5


def test_a_fit_that_has_not_settled_says_so(caplog):
    with caplog.at_level(logging.WARNING):
        model = fit_dawid_skene(crowd_votes(), SkeneRule(iterations=2))
    assert (model.converged, model.iterations) == (False, 2)
    assert [record.levelname for record in caplog.records if "settled after 2 rounds" in record.message] == ["WARNING"]


def test_more_rounds_change_nothing_once_it_has_settled():
    votes = crowd_votes()
    model = fit_dawid_skene(votes)
    longer = fit_dawid_skene(votes, replace(model.rule, tolerance=1e-7, iterations=1000))
    assert model.converged
    assert model.iterations < longer.iterations
    assert label_probabilities(votes, longer) == pytest.approx(label_probabilities(votes, model), abs=0.02)


@pytest.mark.parametrize(
    "wrong", [{"smoothing": -1}, {"pool_below": -1}, {"iterations": 0}, {"tolerance": np.nan}, {"smoothing": np.inf}]
)
def test_a_rule_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        SkeneRule(**wrong)


@pytest.mark.parametrize(("exclusive", "said"), [(False, "60 labels"), (True, "60 labels and 30 people")])
def test_more_rates_than_fit_into_memory_are_refused(monkeypatch, exclusive, said):
    votes = gather(rows(*[(s, f"p{s % 30}", f"free text {s}") for s in range(60)]))
    monkeypatch.setattr(dawid_skene, "MOST_RATES", 3_000)
    with pytest.raises(ConfigError, match=said):
        fit_dawid_skene(votes, SkeneRule(exclusive=exclusive, pool_below=0))


def test_a_rule_that_would_be_ignored_is_refused():
    with pytest.raises(ConfigError, match="skene"):
        ClipRule("plurality", skene=SkeneRule())
