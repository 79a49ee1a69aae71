import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kso_utils.consensus import ClipRule, VoteRule, assess, clips
from kso_utils.consensus.judging.flags import ENOUGH_LOOKS
from kso_utils.consensus.judging.mistakes import NOTHING
from kso_utils.consensus.judging.reference import ask_others
from kso_utils.consensus.judging.skill import judge, measure_pace
from kso_utils.consensus.votes import gather
from kso_utils.core.errors import ConfigError
from kso_utils.testing.crowd import simulate_crowd

COD = dict.fromkeys(("bob", "cat", "dan", "eve"), "cod")
TABLES = ("labels", "subjects", "confusion", "people", "learning")


def rows(*cast):
    """One row a choice: subject, user, label; one classification a person and subject."""
    table = pd.DataFrame(cast, columns=["subject_id", "user", "label"])
    return table.assign(classification_id=table.groupby(["subject_id", "user"], dropna=False).ngroup() + 1)


def poll(subject, **said):
    """What each person said to a subject; several labels divided by a blank, `-` for nothing."""
    return [
        (subject, user, None if label == "-" else label) for user, labels in said.items() for label in labels.split()
    ]


def person(quality, user):
    found = quality.people[quality.people["user"] == user]
    assert len(found) == 1
    return found.iloc[0]


def confusions(quality):
    return {(row.label, row.said): (row.votes, row.looks) for row in quality.confusion.itertuples()}


def equal(one, two):
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name))
    scalars = [
        np.array([q.looks, q.agreement, q.alpha, q.kappa, q.presence_alpha], dtype=np.float64) for q in (one, two)
    ]
    np.testing.assert_array_equal(*scalars)
    assert one.suspects == two.suspects


def with_experts(crowd):
    """The truth of a crowd as experts would give it: also where nothing is."""
    empty = np.setdiff1d(crowd.rows["subject_id"], crowd.truth["subject_id"])
    return pd.concat([crowd.truth, pd.DataFrame({"subject_id": empty, "label": None})], ignore_index=True)


def test_nobody_is_measured_by_the_own_vote():
    found = assess(rows(*poll(1, ann="cod", bob="cod", cat="eel")))
    # Of bob and cat one named cod, which is no more than half; ann and bob agree against cat.
    assert found.people["judged"].tolist() == [0, 0, 1]
    assert (person(found, "cat")["right"], person(found, "cat")["false_alarms"]) == (0, 1)


def test_a_person_is_right_who_names_all_that_is_there_and_no_more():
    said = rows(*poll(1, ann="cod eel", bob="cod eel", cat="cod eel", dan="cod", eve="cod eel ray"))
    found = assess(said)
    assert dict(zip(found.people["user"], found.people["right"], strict=True)) == {
        **{"ann": 1, "bob": 1, "cat": 1},
        **{"dan": 0, "eve": 0},
    }
    assert found.people["sensitivity"].tolist() == [1, 1, 1, 0.5, 1]
    assert found.people["false_alarms"].tolist() == [0, 0, 0, 0, 1]


def test_a_blank_is_right_where_the_others_saw_nothing():
    found = assess(rows(*poll(1, ann="-", bob="-", cat="-", dan="cod")))
    assert found.people["right"].tolist() == [1, 1, 1, 0]
    assert found.people["blanks"].tolist() == [1, 1, 1, 0]
    assert found.people["sensitivity"].isna().all()


def test_more_others_are_asked_where_the_rule_asks_for_more_people():
    said = rows(*poll(1, ann="cod", bob="cod", cat="cod"))
    assert assess(said, ClipRule(min_people=3)).people["judged"].tolist() == [1, 1, 1]
    assert assess(said, ClipRule(min_people=4)).people["judged"].tolist() == [0, 0, 0]


def test_confusions_say_what_was_named_instead():
    mixed = poll(1, a="cod", b="cod", c="cod", d="cod", e="cod", f="eel", g="-")
    found = assess(rows(*mixed, *poll(2, a="-", b="-", c="-")))
    assert confusions(found) == {
        ("cod", "cod"): (5, 7),
        ("cod", "eel"): (1, 7),
        ("cod", NOTHING): (1, 7),
        (NOTHING, NOTHING): (3, 3),
    }
    assert found.confusion["share"].tolist() == pytest.approx([5 / 7, 1 / 7, 1 / 7, 1])


def test_what_is_named_besides_is_a_false_alarm_and_no_confusion():
    found = assess(rows(*poll(1, a="cod", b="cod", c="cod", d="cod eel"), *poll(2, a="-", b="-", c="-", d="ray")))
    assert confusions(found) == {("cod", "cod"): (4, 4), (NOTHING, NOTHING): (3, 4), (NOTHING, "ray"): (1, 4)}
    assert person(found, "d")["false_alarms"] == 1


def test_experts_are_the_measure_where_they_have_looked():
    said = rows(*poll(1, ann="cod", bob="cod", cat="cod"), *poll(2, ann="cod"), *poll(3, ann="eel"))
    gold = pd.DataFrame({"subject_id": [1, 2, 2, 9], "label": ["eel", None, None, "ray"]})
    found = assess(said, gold=gold)
    assert found.reference == "experts"
    assert found.people["judged"].tolist() == [2, 1, 1]
    assert found.people["right"].tolist() == [0, 0, 0]
    assert confusions(found) == {("eel", "cod"): (3, 3), (NOTHING, "cod"): (1, 1)}


@pytest.mark.parametrize("seen", [[], [8, 9], [None]])
def test_experts_who_saw_none_of_the_subjects_measure_nobody(seen):
    found = assess(rows(*poll(1, ann="cod", bob="cod")), gold=pd.DataFrame({"subject_id": seen, "label": None}))
    assert found.people["judged"].tolist() == [0, 0]
    assert found.people["skill"].isna().all()
    assert found.confusion.empty and found.learning.empty


def test_a_label_that_only_experts_know_was_missed():
    found = assess(rows(*poll(1, ann="-", bob="cod")), gold=pd.DataFrame({"subject_id": [1], "label": ["blenny"]}))
    assert confusions(found) == {("blenny", NOTHING): (1, 2), ("blenny", "cod"): (1, 2)}
    assert found.people["sensitivity"].tolist() == [0, 0]


answers = st.lists(
    st.tuples(st.integers(1, 5), st.sampled_from("uvwxyz"), st.sampled_from(["cod", "crab", "eel", None])), max_size=40
)


def judge_slowly(cast):
    """Return of each person the judged looks, those that were right, labels there, and those of them named."""
    said = {}
    for subject, user, label in cast:
        said.setdefault((subject, user), set()).update({label} - {None})
    found = {user: [0, 0, 0, 0] for _, user in said}
    for (subject, user), mine in said.items():
        others = [names for (s, u), names in said.items() if s == subject and u != user]
        share = {name: sum(name in names for names in others) / max(len(others), 1) for name in ("cod", "crab", "eel")}
        if len(others) < 2 or 0.5 in share.values():
            continue
        there = {name for name, part in share.items() if part > 0.5}
        found[user] = [
            n + m for n, m in zip(found[user], (1, mine == there, len(there), len(mine & there)), strict=True)
        ]
    return found


@settings(derandomize=True, deadline=None, max_examples=100)
@given(answers)
def test_people_are_judged_as_a_plain_loop_judges_them(cast):
    votes = gather(rows(*cast))
    reference = ask_others(votes, 2)
    of = [
        votes.look_person[reference.judged],
        votes.look_person[judge(votes, reference)],
        votes.look_person[reference.look],
        votes.choice_person[reference.named_rightly],
    ]
    found = zip(*(np.bincount(person, minlength=len(votes.people)).tolist() for person in of), strict=True)
    assert dict(zip(votes.people, map(list, found), strict=True)) == judge_slowly(cast)


@settings(derandomize=True, deadline=None, max_examples=10)
@given(answers, st.randoms(use_true_random=False), st.integers(0, 40))
def test_neither_order_nor_parts_matter(cast, random, cut):
    table = rows(*cast)
    places = list(range(len(table)))
    random.shuffle(places)
    mixed = table.iloc[places]
    equal(assess(table), assess([mixed.iloc[:cut], mixed.iloc[cut:]]))


def test_the_same_export_twice_changes_nothing():
    table = simulate_crowd(60, votes=4, people=8).rows
    equal(assess(table), assess([table, table]))


def test_a_thousand_labels_of_one_person_are_one_answer():
    many = [(1, "ann", f"label {n:04d}") for n in range(1000)]
    found = assess(rows(*many, *many, *poll(1, bob="cod", cat="cod")))
    assert (found.looks, person(found, "ann")["named"], person(found, "ann")["false_alarms"]) == (3, 1000, 1000)
    assert confusions(found)["cod", "label 0000"] == (1, 1)


@pytest.mark.parametrize(
    "table", [rows(), rows(*poll(1, ann="cod")), rows(*poll(1, ann="-", bob="-", cat="-")), rows((1, None, None))]
)
def test_few_votes_or_none_give_tables_with_the_same_columns(table):
    found, full = assess(table), assess(simulate_crowd(30, votes=4, people=8).rows)
    for name in TABLES:
        one, two = getattr(found, name), getattr(full, name)
        assert {c: str(kind) for c, kind in one.dtypes.items()} == {c: str(kind) for c, kind in two.dtypes.items()}
    assert np.isnan([found.alpha, found.kappa, found.presence_alpha]).all()
    assert found.suspects == ()


def test_no_parts_are_no_votes():
    assert assess([]).looks == 0


def test_a_column_that_is_missing_is_named():
    with pytest.raises(ConfigError, match="user"):
        assess(rows().drop(columns="user"))
    with pytest.raises(ConfigError, match=r"gold standard.*label"):
        assess(rows(), gold=pd.DataFrame({"subject_id": [1]}))


def test_the_rule_says_who_counts():
    table = rows(*poll(1, ann="cod", bob="cod", cat="cod"))
    found = assess(table, ClipRule(votes=VoteRule(not_users=("ann",))))
    assert found.people["user"].tolist() == ["bob", "cat"]


def test_the_spammers_of_a_crowd_are_found_and_nobody_else():
    for seed in range(3):
        crowd = simulate_crowd(1000, people=100, seed=seed)
        found = assess(crowd.rows)
        seen = set(found.people.loc[found.people["judged"] >= ENOUGH_LOOKS, "user"])
        assert set(found.suspects) == set(crowd.people.loc[crowd.people["spam"], "user"]) & seen


def test_without_its_suspects_a_crowd_agrees_more():
    crowd = simulate_crowd(1000, people=60, spammers=0.2, seed=1)
    found = assess(crowd.rows)
    assert found.suspects
    rule = ClipRule(votes=VoteRule(not_users=found.suspects))
    assert assess(crowd.rows, rule).alpha > found.alpha + 0.02
    assert set(clips(crowd.rows, rule)["people"]) <= set(range(9))


def test_the_interval_of_the_sensitivity_holds_the_skill():
    held = []
    for seed in range(5):
        crowd = simulate_crowd(1000, people=80, seed=seed)
        found = assess(crowd.rows, gold=with_experts(crowd)).people.merge(crowd.people.query("not spam"), on="user")
        found = found[found["sensitivity"].notna()]
        held.extend(found["skill_y"].between(found["sensitivity_low"], found["sensitivity_high"]))
    assert 0.9 <= np.mean(held) <= 0.99


def test_a_crowd_that_does_not_learn_has_a_flat_curve():
    crowd = simulate_crowd(3000, people=150, spammers=0, seed=4)
    found = assess(crowd.rows, gold=with_experts(crowd))
    everybody = found.people["right"].sum() / found.people["judged"].sum()
    curve = found.learning
    assert curve["looks"].sum() == found.people["judged"].sum()
    assert curve["first"].tolist() == sorted(curve["first"])
    known = curve[curve["people"] > 1]
    assert ((known["skill_low"] < everybody) & (everybody < known["skill_high"])).mean() > 0.8


def test_who_is_wrong_five_times_and_then_right_has_learned():
    found = assess(rows(*[row for n in range(10) for row in poll(n, ann="eel" if n < 5 else "cod", **COD)])).learning
    assert found[["first", "last", "people", "looks"]].values.tolist() == [[1, 5, 5, 25], [6, 10, 5, 25]]
    assert found["skill"].tolist() == [0.8, 1]
    # Five people differ by 4^2 + 4 * 1^2, which is 5 * 20 / (4 * 25 * 0.8 * 0.2) times as much as 25 looks would.
    draws = 25 / 6.25 * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 4)) ** 2
    ends = stats.beta.ppf([0.025, 0.975], 0.8 * draws + 0.5, 0.2 * draws + 0.5)
    assert found.loc[0, ["skill_low", "skill_high"]].tolist() == pytest.approx(ends)


def odd(n, said, truth):
    """Ann says one thing, four others another, to n subjects."""
    return rows(*[row for i in range(n) for row in poll(i, ann=said(i), **dict.fromkeys(COD, truth(i)))])


@pytest.mark.parametrize(
    ("said", "truth", "words"),
    [
        (lambda i: "-", lambda i: "cod" if i % 2 else "eel", "named nothing in any of 24 looks"),
        (lambda i: "ray", lambda i: "cod" if i % 2 else "-", "gave the same answer in all 24 looks"),
        (lambda i: ["ray", "eel"][i % 2], lambda i: "-", "never saw nothing, though the others did in 24 of 24 looks"),
        (lambda i: ["ray", "eel"][i % 2], lambda i: "cod", "right in 0 of 24 looks, no more than by chance"),
    ],
)
def test_odd_answers_are_flagged_with_the_reason(said, truth, words):
    found = assess(odd(24, said, truth))
    assert words in person(found, "ann")["flag"]
    assert found.suspects == ("ann",)
    assert not assess(odd(ENOUGH_LOOKS - 1, said, truth)).suspects


@pytest.mark.parametrize("truth", [lambda i: "-", lambda i: "cod"])
def test_who_says_the_same_where_all_is_the_same_is_not_flagged(truth):
    assert not assess(odd(40, truth, truth)).suspects


@pytest.mark.parametrize(("gap_s", "flagged"), [(1, True), (8, False)])
def test_who_answers_within_a_second_is_flagged(gap_s, flagged):
    table = rows(*[row for n in range(30) for row in poll(n, ann="cod", bob="cod", cat="cod")])
    start = pd.Timestamp("2024-05-01T12:00:00Z")
    late = table["user"].map({"ann": gap_s, "bob": 20, "cat": 30})
    made = (start + pd.to_timedelta(late * table["subject_id"], unit="s")).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    found = assess(table.assign(created_at=made))
    assert found.people["gap_s"].tolist() == [gap_s, 20, 30]
    assert (found.suspects == ("ann",)) is flagged


def test_pauses_and_unknown_times_are_no_gaps():
    moments = ["2024-05-01T12:00:00", "2024-05-01T12:00:05", "2024-05-01T23:00:00", "NaT", "2024-05-02T12:00:00"]
    found = measure_pace(np.array([0, 0, 0, 0, 1]), np.array(moments, dtype="datetime64[ms]"), 3)
    np.testing.assert_array_equal(found, [5, np.nan, np.nan])


def test_what_a_person_named_in_two_workflows_is_one_answer():
    table = pd.concat([rows(*poll(1, ann=label, bob=label, cat=label)) for label in ("cod", "eel")])
    table = table.assign(classification_id=range(1, 7), workflow_id=[7, 7, 7, 8, 8, 8])
    found = assess(table)
    assert (found.looks, found.people["named"].tolist(), found.people["right"].tolist()) == (3, [2] * 3, [1] * 3)
    assert assess(table.assign(workflow_id=7)).people["named"].tolist() == [1] * 3


def test_a_suspect_without_a_login_is_named_as_the_rule_names_people():
    table = odd(24, lambda i: "ray", lambda i: "cod" if i % 2 else "eel")
    table = table.assign(source_sha256="ab", user_kind=np.where(table["user"] == "ann", "anonymous", "registered"))
    found = assess(table)
    assert found.suspects == ("ann",)
    assert not assess(table, ClipRule(votes=VoteRule(not_users=found.suspects))).suspects
