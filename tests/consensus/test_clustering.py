from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus.geometry import clustering
from kso_utils.consensus.geometry.clustering import choose_one_each, join_marks, pairs_within

LEAST = 0.4


def join(likeness, person, linkage, sizes=None):
    """Cluster marks from the full matrix of their likeness; sizes of groups, or all in one."""
    first, second = (np.concatenate(side) for side in zip(*pairs_within(np.array(sizes or [len(person)])), strict=True))
    alike = likeness[first, second] >= LEAST
    if linkage != "components":
        alike &= person[first] != person[second]
    first, second = first[alike], second[alike]
    return join_marks(first, second, likeness[first, second], person, linkage, LEAST).tolist()


def named(clusters, count):
    """Return for each mark the first of its cluster."""
    found = np.zeros(count, dtype=int)
    for members in clusters:
        found[list(members)] = min(members)
    return found.tolist()


def join_complete_slowly(likeness, person):
    """Complete linkage as its definition says: again and again the most alike pair of clusters, the first on ties."""
    clusters = [[mark] for mark in range(len(person))]
    while True:
        best, pair = -np.inf, None
        for a, b in combinations(range(len(clusters)), 2):
            least = likeness[np.ix_(clusters[a], clusters[b])].min()
            apart = {person[mark] for mark in clusters[a]} & {person[mark] for mark in clusters[b]}
            if not apart and least >= LEAST and least > best:
                best, pair = least, (a, b)
        if pair is None:
            return named(clusters, len(person))
        clusters[pair[0]] += clusters.pop(pair[1])


def join_chains_slowly(likeness, person):
    clusters = [{mark} for mark in range(len(person))]
    for a, b in combinations(range(len(person)), 2):
        if likeness[a, b] >= LEAST:
            one, two = (next(c for c in clusters if mark in c) for mark in (a, b))
            if one is not two:
                clusters.remove(two)
                one |= two
    return named(clusters, len(person))


def match_slowly(likeness, person):
    """Every way to give a person's marks to the clusters, and the one with most likeness; one component of marks."""
    people = sorted(set(person.tolist()), key=lambda one: (-np.count_nonzero(person == one), one))
    clusters = []
    for one in people:
        mine = np.flatnonzero(person == one).tolist()
        places = [*range(len(clusters)), *[None] * len(mine)]
        best, chosen = -1.0, None
        for way in set(permutations(places, len(mine))):
            told = [
                min(likeness[mark, m] for m in clusters[place])
                for mark, place in zip(mine, way, strict=True)
                if place is not None
            ]
            if all(value >= LEAST for value in told) and sum(told) > best:
                best, chosen = sum(told), way
        for mark, place in zip(mine, chosen, strict=True):
            if place is None:
                clusters.append([mark])
            else:
                clusters[place].append(mark)
    return named(clusters, len(person))


@st.composite
def crowds(draw, most=9, people=4):
    """Likeness with many ties, and who made each mark."""
    count = draw(st.integers(1, most))
    values = draw(st.lists(st.sampled_from([0.0, 0.3, 0.4, 0.5, 0.5, 0.8, 1.0]), min_size=count**2, max_size=count**2))
    likeness = np.triu(np.array(values).reshape(count, count), 1)
    person = np.array(draw(st.lists(st.integers(0, people - 1), min_size=count, max_size=count)))
    return likeness + likeness.T, person


@settings(derandomize=True, deadline=None, max_examples=150)
@given(crowds(most=12, people=6))
def test_complete_linkage_equals_its_definition_also_on_ties(crowd):
    assert join(*crowd, "complete") == join_complete_slowly(*crowd)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(crowds())
def test_components_are_chains_of_alike_pairs(crowd):
    assert join(*crowd, "components") == join_chains_slowly(*crowd)


@pytest.mark.parametrize("seed", range(60))
def test_matching_finds_the_way_with_most_likeness(seed):
    rng = np.random.default_rng(seed)
    person = rng.permutation(np.repeat(np.arange(3), rng.integers(1, 4, 3)))
    values = np.triu(rng.uniform(0.2, 1, (len(person), len(person))), 1)
    likeness = values + values.T
    # One component, as the definition asks: the first person's marks are alike with all of the second's.
    apart = person[:, None] != person[None, :]
    likeness[apart & ((person == 0)[:, None] | (person == 0)[None, :])] += LEAST
    assert join(likeness, person, "matching") == match_slowly(likeness, person)


@pytest.mark.parametrize("linkage", ["complete", "matching"])
@settings(derandomize=True, deadline=None, max_examples=60)
@given(crowds())
def test_nobody_is_twice_in_a_cluster_whose_marks_are_all_alike(linkage, crowd):
    likeness, person = crowd
    cluster = np.array(join(likeness, person, linkage))
    for a, b in combinations(range(len(person)), 2):
        if cluster[a] == cluster[b]:
            assert likeness[a, b] >= LEAST
            assert person[a] != person[b]


@pytest.mark.parametrize("linkage", ["complete", "components", "matching"])
@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(crowds(), min_size=2, max_size=5))
def test_groups_do_not_touch_each_other(linkage, groups):
    sizes = [len(person) for _, person in groups]
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    likeness = np.zeros((sum(sizes), sum(sizes)))
    for start, (own, _) in zip(starts, groups, strict=True):
        likeness[start : start + len(own), start : start + len(own)] = own
    alone = [start + np.array(join(*group, linkage)) for start, group in zip(starts, groups, strict=True)]
    together = join(likeness, np.concatenate([person for _, person in groups]), linkage, sizes)
    assert together == np.concatenate(alone).tolist()


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_pairs_are_all_of_each_group_and_no_others(monkeypatch, at_once):
    monkeypatch.setattr(clustering, "_PAIRS_AT_ONCE", at_once)
    found = [pair for one, two in pairs_within(np.array([3, 1, 0, 4])) for pair in zip(one, two, strict=True)]
    assert found == [*combinations(range(3), 2), *combinations(range(4, 8), 2)]
    rng = np.random.default_rng(3)
    values = rng.uniform(0, 1, (40, 40))
    likeness, person = np.minimum(values, values.T), rng.integers(0, 6, 40)
    assert join(likeness, person, "complete", [8] * 5) == named(
        [
            8 * group + np.flatnonzero(np.array(own) == name)
            for group in range(5)
            for own in [join_complete_slowly(*_part(likeness, person, group))]
            for name in set(own)
        ],
        40,
    )


def _part(likeness, person, group):
    inside = slice(8 * group, 8 * group + 8)
    return likeness[inside, inside], person[inside]


def test_who_has_two_marks_in_a_cluster_keeps_the_one_most_like_those_of_others():
    person, first, second = np.array([0, 0, 1, 2, 3, 3]), np.array([0, 1, 0, 1]), np.array([2, 2, 3, 3])
    stays = choose_one_each(np.array([0, 0, 0, 0, 4, 4]), person, first, second, np.array([0.5, 0.7, 0.5, 0.6]))
    assert stays.tolist() == [False, True, True, True, True, False]
