"""Splits by whole groups."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import ConfigError
from kso_utils.ml.splits import assign_splits, choose_group, count_classes, describe_splits, stand_in

sizes = st.dictionaries(st.integers(0, 10_000), st.integers(1, 500), min_size=3, max_size=40).map(pd.Series)
seeds = st.integers(0, 1000)
quick = settings(derandomize=True, deadline=None, max_examples=60)


@quick
@given(sizes, seeds)
def test_every_group_is_in_one_split_and_none_is_empty(sizes: pd.Series, seed: int) -> None:
    found = assign_splits(sizes, seed=seed)

    assert set(found) == set(sizes.index)
    assert set(found.values()) == {"train", "val", "test"}


@quick
@given(sizes, seeds, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(sizes: pd.Series, seed: int, random: object) -> None:
    order = list(sizes.index)
    random.shuffle(order)

    assert assign_splits(sizes.loc[order], seed=seed) == assign_splits(sizes, seed=seed)


@quick
@given(sizes, seeds)
def test_no_split_exceeds_its_share_by_more_than_its_largest_group(sizes: pd.Series, seed: int) -> None:
    found = assign_splits(sizes, (0.7, 0.15, 0.15), seed)

    for name, share in {"train": 0.7, "val": 0.15, "test": 0.15}.items():
        mine = sizes[[g for g, s in found.items() if s == name]]
        assert mine.sum() - mine.max() <= share * sizes.sum() + 1e-9


def test_six_equal_sites_are_four_one_and_one() -> None:
    found = pd.Series(assign_splits(pd.Series(26, index=range(6))))

    assert found.value_counts().to_dict() == {"train": 4, "val": 1, "test": 1}


def test_the_largest_group_teaches() -> None:
    assert assign_splits(pd.Series({1: 5, 2: 100, 3: 5}))[2] == "train"


def test_another_seed_holds_out_another_of_equal_groups() -> None:
    held = {
        g
        for seed in range(20)
        for g, s in assign_splits(pd.Series(10, index=range(6)), seed=seed).items()
        if s == "test"
    }

    assert len(held) > 2


@pytest.mark.parametrize(("groups", "filled"), [(1, ["train"]), (2, ["train", "val"])])
def test_few_groups_fill_the_first_splits(groups: int, filled: list[str]) -> None:
    assert sorted(assign_splits(pd.Series(10, index=range(groups))).values()) == filled


@pytest.mark.parametrize(
    ("split", "filled"), [((0.8, 0.2, 0), {"train", "val"}), ((0.8, 0, 0.2), {"train", "test"}), ((1, 0, 0), {"train"})]
)
def test_a_split_without_share_gets_nothing(split: tuple[float, ...], filled: set[str]) -> None:
    assert set(assign_splits(pd.Series(10, index=range(5)), split).values()) == filled


@pytest.mark.parametrize("split", [(0.7, 0.3), (0, 0.5, 0.5), (-1, 1, 1), (float("nan"), 1, 1)])
def test_shares_that_make_no_sense_are_refused(split: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="shares"):
        assign_splits(pd.Series({1: 1}), split)


@pytest.mark.parametrize(
    ("sites", "asked", "chosen"), [(6, "auto", "site_id"), (5, "auto", "movie_id"), (2, "site", "site_id")]
)
def test_sites_are_kept_whole_where_there_are_enough(sites: int, asked: str, chosen: str) -> None:
    assert choose_group(pd.DataFrame({"site_id": range(sites), "movie_id": range(sites)}), asked) == chosen


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(ConfigError, match="auto"):
        choose_group(pd.DataFrame({"site_id": [1]}), "frame")


FRAMES = pd.DataFrame(
    {"subject_id": [1, 2, 3], "movie_id": [1, 2, 2], "site_id": [1, 1, 1], "split": ["train", "val", "val"]}
)
BOXES = pd.DataFrame({"subject_id": [1, 1, 2, 3], "label": ["cod", "crab", "cod", "cod"]})


def test_boxes_are_counted_by_class_and_split() -> None:
    counts = count_classes(FRAMES, BOXES, ["cod", "crab", "eel"])

    assert counts.loc["cod"].to_dict() == {"train": 1, "val": 2, "test": 0}
    assert counts.loc["eel"].sum() == 0


def test_what_a_split_lacks_is_said() -> None:
    counts = count_classes(FRAMES, BOXES, ["cod", "crab"])

    found = [(f.code, f.severity, f.value) for f in describe_splits(FRAMES, counts, "movie_id", "auto")]

    assert ("SPLIT_BY_MOVIE", "info", "movie") in found
    assert ("SPLIT_SHARED", "warning", "test") in found
    assert ("CLASS_ABSENT", "warning", "crab") in found
    assert ("CLASS_ABSENT", "warning", "cod") not in found


def test_a_set_that_holds_nothing_out_does_not_claim_to() -> None:
    frames = FRAMES.assign(split="train")

    found = describe_splits(frames, count_classes(frames, BOXES, ["cod", "crab"]), "movie_id", "auto")

    assert (found[0].code, found[0].message) == ("SPLIT_NONE", "Nothing was held out: 1 sites, 2 movies.")
    assert [f.value for f in found if f.code == "SPLIT_SHARED"] == ["val", "test"]


@pytest.mark.parametrize(
    ("filled", "used"), [(["train"], "train"), (["train", "val"], "val"), (["train", "val", "test"], "test")]
)
def test_an_empty_test_split_borrows(filled: list[str], used: str) -> None:
    assert stand_in("test", filled) == used
