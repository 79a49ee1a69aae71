"""Runs of consensus: what they store, that they can be repeated, and how two of them compare."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus import ClipRule, MarkRule, SkeneRule, VoteRule
from kso_utils.core.errors import ConfigError, NotFound
from kso_utils.project import steps
from kso_utils.project.opening import Project
from kso_utils.project.settings import ConsensusSettings
from kso_utils.project.steps.consensus import digest_votes, find_gold, read_run, read_votes, restore_rule
from kso_utils.store import queries
from tests.project.crowded import CLIPS, FRAMES, add_answers


@pytest.fixture
def project(crowd_project: Path) -> Iterator[Project]:
    with Project.open(crowd_project) as opened:
        yield opened


@pytest.mark.parametrize(("kind", "subjects", "looks", "people"), [("clip", CLIPS, 200, 10), ("frame", FRAMES, 12, 3)])
def test_everybody_who_looked_is_written_down(
    project: Project, kind: str, subjects: int, looks: int, people: int
) -> None:
    run = steps.aggregate(project, kind)
    stored = project.store.read("agg_subjects", where={"run_id": run.run_id})
    assert (len(stored), stored["people"].sum(), run.classifications) == (subjects, looks, looks)
    assert run.people == people
    assert stored["blanks"].tolist() == run.subjects["blanks"].tolist()


def test_marks_of_every_shape_are_agreed_on(project: Project) -> None:
    run = steps.aggregate(project, "frame")
    stored = project.store.read("agg_annotations_frame", where={"run_id": run.run_id})
    assert stored[["subject_id", "shape"]].values.tolist() == [[901, "rectangle"], [902, "rectangle"], [903, "point"]]
    assert stored["agreed"].all()
    assert stored["species_id"].eq(2).all()


def test_an_outline_has_the_place_of_the_box_around_it(project: Project) -> None:
    corners = [{"x": 0.0, "y": 0.0}, {"x": 40.0, "y": 0.0}, {"x": 40.0, "y": 30.0}, {"x": 0.0, "y": 30.0}]
    outline = {"subject_id": 904, "label": "Cod", "frame": 0, "shape": "polygon", "geometry": {"points": corners}}
    rows = [outline | {"classification_id": 9900 + n, "user": f"drawer {n}"} for n in range(4)]
    add_answers(project.store, pd.DataFrame(rows), 8)
    found = steps.aggregate(project, "frame").rows.query("shape == 'polygon'")
    assert found[["x", "y", "width", "height"]].values.tolist() == [pytest.approx([0, 0, 40, 30])]
    assert steps.repeat_run(project, 1).equal


def test_what_counts_is_set_in_the_project(project: Project) -> None:
    first = str(
        project.store.read("classifications", ["user"], where={"workflow_id": 7}, order_by="id")["user"].iloc[0]
    )
    project.change_settings(consensus=ConsensusSettings(votes=VoteRule(not_users=(first,))))
    run = steps.aggregate(project, "clip")
    assert run.people == 9
    assert read_run(project, run.run_id)["params"]["rule"]["votes"]["not_users"] == [first]


@pytest.mark.parametrize("method", ["share", "plurality", "dawid_skene", "kso"])
def test_a_run_tells_the_share_that_its_method_asks_for(project: Project, method: str) -> None:
    run = steps.aggregate(project, "clip", method=method)
    asked = {"share": 0.8, "plurality": 0.0, "dawid_skene": 0.5, "kso": 0.8}
    assert read_run(project, run.run_id)["params"]["rule"]["agreement"] == asked[method]


def test_a_gold_standard_in_the_store_weighs_people(project: Project) -> None:
    experts = pd.DataFrame({"subject_id": [1, 2, 3], "label": ["species 01", None, "species 02"]})
    rows = experts.assign(classification_id=[9901, 9902, 9903], user="expert")
    add_answers(project.store, rows, 7)
    project.store.upsert(
        "classifications", rows[["classification_id"]].set_axis(["id"], axis=1).assign(gold_standard=True), "id"
    )
    run = steps.aggregate(project, "clip", method="gold")
    assert run.rows["support"].between(0, 1).all()
    assert steps.repeat_run(project, run.run_id).equal


def test_of_a_gold_standard_only_the_tasks_count_that_count_for_everybody(project: Project) -> None:
    truth = pd.DataFrame({"label": ["species 01", "snow"], "task": ["T0", "T1"]})
    add_answers(project.store, truth.assign(subject_id=1, classification_id=9901, user="expert"), 7)
    project.store.upsert("classifications", pd.DataFrame({"id": [9901], "gold_standard": True}), "id")
    votes = read_votes(project, "clip", [7])
    asked = VoteRule(tasks=("T0",))
    assert find_gold(votes, ClipRule("gold", votes=asked))["label"].tolist() == ["species 01"]
    assert find_gold(votes, ClipRule("gold"))["label"].tolist() == ["snow", "species 01"]


def test_whose_votes_weigh_nothing_have_not_looked(project: Project) -> None:
    lots = pd.DataFrame({"subject_id": range(1, CLIPS + 1)})
    truth = lots.assign(label="species 03", classification_id=lots["subject_id"] + 9900, user="expert")
    add_answers(project.store, truth, 7)
    gold = pd.DataFrame({"id": truth["classification_id"], "gold_standard": True})
    project.store.upsert("classifications", gold, "id")
    blind = lots.head(3).assign(label="species 01", classification_id=[9801, 9802, 9803], user="blind")
    again = pd.concat([blind.assign(label=name) for name in ("species 01", "species 02")])
    add_answers(project.store, again, 7)
    run = steps.aggregate(project, "clip", method="gold")
    people = run.subjects.set_index("subject_id")["people"]
    named = run.rows.set_index("subject_id")["people"]
    assert people.lt(steps.aggregate(project, "clip").subjects.set_index("subject_id")["people"]).any()
    assert named.eq(people.reindex(named.index)).all()
    assert steps.repeat_run(project, run.run_id).equal


def test_a_method_for_clips_is_none_for_frames(project: Project) -> None:
    with pytest.raises(ConfigError, match="one for clips"):
        steps.aggregate(project, "frame", method="plurality")


@pytest.mark.parametrize(
    ("kind", "method"),
    [("clip", "share"), ("clip", "plurality"), ("clip", "dawid_skene"), ("clip", "kso"), ("frame", None)],
)
def test_a_run_is_repeated_bit_for_bit(project: Project, kind: str, method: str | None) -> None:
    run = steps.aggregate(project, kind, method=method)
    project.change_settings(consensus=ConsensusSettings(agreement=0.1, min_people=1))
    again = steps.repeat_run(project, run.run_id)
    assert (again.equal, again.same_votes, again.same_species) == (True, True, True)
    assert again.differences["stored"].tolist() == [len(run.rows), len(run.subjects)]
    assert len(project.store.read("agg_runs")) == 1


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("agg_annotations_clip", "support", 0.123),
        ("agg_annotations_clip", "how_many", None),
        ("agg_annotations_clip", "label", "other"),
        ("agg_subjects", "blank", True),
    ],
)
def test_a_row_that_was_changed_is_found(project: Project, table: str, column: str, value: object) -> None:
    run = steps.aggregate(project, "clip")
    stored = project.store.read(table, where={"run_id": run.run_id}, order_by="id")
    other = stored[stored[column].notna() & (stored[column] != value)].tail(1)
    project.store.upsert(table, other[["id"]].assign(**{column: value}), "id")
    again = steps.repeat_run(project, run.run_id)
    assert not again.equal
    assert again.differences.set_index("table")["different"][table] == 1


@pytest.mark.parametrize("method", ["share", "dawid_skene"])
def test_a_run_is_repeated_bit_for_bit_when_more_classifications_came(project: Project, method: str) -> None:
    run = steps.aggregate(project, "clip", method=method)
    rows = pd.DataFrame({"classification_id": [9998, 9999], "subject_id": [1, 2], "label": ["species 01", "new"]})
    add_answers(project.store, rows.assign(user="late"), 7)
    again = steps.repeat_run(project, run.run_id)
    assert (again.equal, again.same_votes, again.same_species, again.later) == (True, True, True, 2)


def test_changed_answers_and_species_are_told_when_a_run_is_repeated(project: Project) -> None:
    run = steps.aggregate(project, "clip")
    first = project.store.read("annotations", ["classification_id", "position"], where={"subject_id": 1}).head(1)
    project.store.upsert("annotations", first.assign(label="species 09"), ["classification_id", "position"])
    project.store.upsert("species", pd.DataFrame({"id": [1], "zoo_label": ["ELSE"], "vernacularName": ["Else"]}), "id")
    again = steps.repeat_run(project, run.run_id)
    assert (again.equal, again.same_votes, again.same_species) == (False, False, False)


def test_a_run_of_another_rule_than_this_version_knows_is_said(project: Project) -> None:
    run = project.store.record_run("clip", {"rule": {"agreement": 0.8, "telepathy": True}}, {}, {})
    with pytest.raises(ConfigError, match="does not know"):
        steps.repeat_run(project, run)


def test_a_run_whose_classifications_are_gone_is_said(project: Project) -> None:
    run = steps.aggregate(project, "clip")
    known = project.store.read("agg_runs", ["id", "inputs"])
    inputs = [{**known["inputs"].iloc[0], "newest": 0}]
    project.store.upsert("agg_runs", known.assign(inputs=inputs), "id")
    with pytest.raises(ConfigError, match="none of the classifications of run 1"):
        steps.repeat_run(project, run.run_id)


def test_a_run_that_is_not_there_is_said(project: Project) -> None:
    with pytest.raises(NotFound, match="no run 7"):
        steps.repeat_run(project, 7)


@pytest.mark.parametrize(
    "rule",
    [
        ClipRule(agreement=0.8),
        ClipRule("plurality", 0.0, 5, VoteRule(tasks=("T0",), first_version=(3, 1), users=("a", "b"))),
        ClipRule(agreement=0.8, compat="kso"),
        ClipRule("dawid_skene", 0.5, skene=SkeneRule(exclusive=True)),
    ],
)
def test_a_rule_comes_back_out_of_a_run(project: Project, rule: ClipRule) -> None:
    project.change_settings(
        consensus=ConsensusSettings(rule.agreement, rule.min_people, rule.method, True, votes=rule.votes)
    )
    run = steps.aggregate(project, "clip", method="kso" if rule.compat else None)
    assert restore_rule(read_run(project, run.run_id)) == rule


def test_the_rule_of_frames_comes_back_too(project: Project) -> None:
    assert restore_rule(read_run(project, steps.aggregate(project, "frame").run_id)) == MarkRule()


def test_two_runs_differ_in_what_one_alone_agrees_on(project: Project) -> None:
    first, second = (steps.aggregate(project, "clip", agreement=share) for share in (0.5, 0.9))
    found = steps.compare_runs(project, first.run_id, second.run_id)
    lost = first.rows["agreed"] & ~second.rows["agreed"]
    assert found.settings.values.tolist() == [["rule.agreement", 0.5, 0.9]]
    assert found.same_votes
    assert len(found.rows) == lost.sum() == found.labels["only_first"].sum() > 0
    assert found.labels["only_second"].sum() == 0
    assert found.labels["agreed_first"].sum() == first.rows["agreed"].sum()


def test_counts_that_changed_are_told(project: Project) -> None:
    first = steps.aggregate(project, "clip")
    told = first.rows[first.rows["agreed"]].dropna(subset=["how_many"]).iloc[0]
    rows = project.store.read("annotations", ["id"], where={"subject_id": int(told["subject_id"])})
    project.store.upsert("annotations", rows.assign(how_many=77.0), "id")
    found = steps.compare_runs(project, first.run_id, steps.aggregate(project, "clip").run_id)
    assert not found.same_votes
    assert found.rows[["how_many_first", "how_many_second"]].iloc[0].tolist() == [told["how_many"], 77.0]
    assert found.labels["other_count"].sum() == len(found.rows)


def test_marks_of_frames_are_counted_in_a_comparison(project: Project) -> None:
    first = steps.aggregate(project, "frame")
    second = steps.aggregate(project, "frame", min_people=4)
    found = steps.compare_runs(project, first.run_id, second.run_id)
    assert found.rows[["subject_id", "how_many_first"]].values.tolist() == [[901, 1], [902, 1], [903, 1]]
    assert not found.rows["agreed_second"].any()


def test_runs_of_two_kinds_are_not_compared(project: Project) -> None:
    runs = [steps.aggregate(project, kind).run_id for kind in ("clip", "frame")]
    with pytest.raises(ConfigError, match="two of one kind"):
        steps.compare_runs(project, *runs)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(order=st.permutations(range(6)), place=st.integers(0, 5))
def test_a_digest_knows_what_is_said_not_in_which_order(order: list[int], place: int) -> None:
    rows = pd.DataFrame(
        {
            "classification_id": range(6),
            "label": ["a", None, "b", "a", "c", "c"],
            "x": [1.0, np.nan, 3.0, 4.0, 5.0, 6.0],
            "live": [True, False] * 3,
            "geometry": [{"r": 1.0, "q": 2}, None, {"q": 2, "r": 1.0}, None, None, {"r": 2.0}],
            "raw": list("uvwxyz"),
        }
    )
    digest = digest_votes(rows)
    assert digest_votes(rows.iloc[order].assign(raw="other")) == digest
    for column, value in {"label": "z", "x": 9.0, "geometry": {"r": 3.0}, "classification_id": 99}.items():
        other = rows.astype({column: "object"})
        other.at[place, column] = value
        assert digest_votes(other.astype({column: rows[column].dtype})) != digest


def test_who_was_not_logged_in_is_known_within_one_file_only(project: Project) -> None:
    votes = queries.votes(project.store, "clip", [7])
    someone = str(votes["user"].iloc[0])
    looks = project.store.read("classifications", ["id"], where={"user": someone, "workflow_id": 7}, order_by="id")
    files = ["first" if n % 2 else "second" for n in range(len(looks))]
    project.store.upsert("classifications", looks.assign(user_kind="anonymous", source_sha256=files), "id")
    assert steps.aggregate(project, "clip").people == 11
