"""What is found out about answers, and about clips that somebody should look at again."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from kso_utils.consensus import CaesarRules, InformationRule
from kso_utils.core.errors import ConfigError, MetadataError
from kso_utils.project import steps
from kso_utils.project.opening import Project
from kso_utils.project.settings import ConsensusSettings, ZooniverseSettings
from kso_utils.project.steps.followup import choose_rules, load_labels, speak_alike
from kso_utils.testing.crowd import simulate_crowd
from kso_utils.zooniverse import sandbox as local
from kso_utils.zooniverse.visibility import list_members, load_subject_ids
from tests.project.crowded import CLIPS, add_answers


@pytest.fixture
def project(crowd_project: Path) -> Iterator[Project]:
    with Project.open(crowd_project) as opened:
        yield opened


@pytest.fixture
def experts() -> pd.DataFrame:
    """What is really in the clips."""
    truth = simulate_crowd(CLIPS, votes=5, labels=3, seed=1).truth
    every = pd.DataFrame({"subject_id": range(1, CLIPS + 1)})
    return every.merge(truth, on="subject_id", how="left")[["subject_id", "label", "how_many"]]


def test_people_are_measured_by_each_other_or_by_experts(project: Project, experts: pd.DataFrame) -> None:
    alone, beside = steps.assess(project), steps.assess(project, experts)
    assert (alone.reference, beside.reference) == ("others", "experts")
    assert len(alone.people) == len(beside.people) == 10


def test_what_was_agreed_is_held_against_experts(project: Project, experts: pd.DataFrame) -> None:
    steps.aggregate(project, "clip", method="plurality")
    found = steps.compare_with_experts(project, experts)
    assert (found.subjects, found.only_people, found.only_experts) == (CLIPS, 0, 0)
    assert found.overall["f1"].between(0.6, 1).all()


def test_experts_may_use_names_of_their_own(project: Project, experts: pd.DataFrame) -> None:
    steps.aggregate(project, "clip")
    latin = experts.assign(label=experts["label"].replace({"species 01": "Unus unus"}))
    spoken = project.store.read("annotations", ["label"])["label"]
    assert speak_alike(project, latin, spoken)["label"].equals(experts["label"])
    ours, theirs = (steps.compare_with_experts(project, table).labels for table in (experts, latin))
    pd.testing.assert_frame_equal(ours, theirs)


def test_there_is_nothing_to_hold_against_experts_before_a_consensus(project: Project, experts: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match="kso aggregate clip"):
        steps.compare_with_experts(project, experts)


def test_every_clip_is_unsure_or_settled(project: Project, tmp_path: Path) -> None:
    unsure, settled = steps.find_unsure(project), steps.find_settled(project, tmp_path / "settled.csv")
    assert sorted([*unsure["subject_id"], *settled["subject_id"]]) == list(range(1, CLIPS + 1))
    assert load_subject_ids(tmp_path / "settled.csv") == settled["subject_id"].tolist()
    assert steps.find_unsure(project, 3)["subject_id"].tolist() == unsure["subject_id"].tolist()[:3]


@pytest.mark.parametrize("method", ["plurality", "dawid_skene", "gold"])
def test_every_method_that_counts_people_says_what_is_unsure(project: Project, method: str) -> None:
    truth = pd.DataFrame({"subject_id": [1, 2, 3], "label": ["species 01", None, "species 02"]})
    add_answers(project.store, truth.assign(classification_id=[9901, 9902, 9903], user="expert"), 7)
    gold = pd.DataFrame({"id": [9901, 9902, 9903], "gold_standard": True})
    project.store.upsert("classifications", gold, "id")
    found = [steps.find_unsure(project, method=method), steps.find_settled(project, method=method)]
    assert sum(map(len, found)) == CLIPS
    assert steps.simulate_retirement(project, "3", method=method).votes > 0


def test_a_rule_that_counts_no_people_is_refused(project: Project) -> None:
    project.change_settings(consensus=ConsensusSettings(method="kso"))
    for step in (steps.find_unsure, steps.find_settled):
        with pytest.raises(ConfigError, match="The method kso counts classifications"):
            step(project)
    with pytest.raises(ConfigError, match="--method plurality"):
        steps.simulate_retirement(project, "information")


def test_subjects_are_put_into_a_set_for_experts_once(project: Project) -> None:
    with local.serve() as sandbox:
        number, _ = sandbox.add_project("demo/crowd", "Crowd", {"clip": local.survey_task(["Cod"])})
        project.change_settings(zooniverse=ZooniverseSettings(number, sandbox.url))
        with project.zooniverse("demo", "demo") as session:
            ids = [session.create_subject(number, "video/mp4", {})[0] for _ in range(3)]
            planned = steps.ask_experts(project, session, ids[:2], "For experts", dry_run=True)
            assert planned["state"].eq("planned").all()
            assert session.find_subject_set(number, "For experts") is None
            assert steps.ask_experts(project, session, ids[:2], "For experts")["act"].tolist() == ["link", "link"]
            again = steps.ask_experts(project, session, [*ids, ids[0]], "For experts")
            assert again["act"].tolist() == ["none", "none", "link"]
            assert sorted(list_members(session, number, "For experts")) == ids


@pytest.mark.parametrize("rules", ["information", "serengeti", "3"])
def test_retirement_is_tried_on_past_votes(project: Project, experts: pd.DataFrame, rules: str) -> None:
    found = steps.simulate_retirement(project, rules, truth=experts)
    assert found.votes == 200
    assert 0 <= found.saved < 1
    assert found.f1 is not None
    if rules == "3":
        assert found.used == 3 * CLIPS


def test_a_model_looks_first(project: Project, experts: pd.DataFrame) -> None:
    seen = experts[["subject_id", "label"]].assign(confidence=0.9)
    assert steps.simulate_retirement(project, "3", predictions=seen).used == 2 * CLIPS


def test_rules_are_read_by_name_by_number_or_from_a_file(tmp_path: Path) -> None:
    assert choose_rules("information", 3) == InformationRule(min_people=3)
    assert isinstance(choose_rules("serengeti"), CaesarRules)
    assert isinstance(choose_rules("12"), CaesarRules)
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ConfigError, match="is not JSON"):
        choose_rules(str(tmp_path / "bad.json"))
    with pytest.raises(ConfigError, match="names no retirement rules"):
        choose_rules("whenever")
    (tmp_path / "other.json").write_text(json.dumps([1]))
    with pytest.raises(ConfigError, match=r"^(?!.*is not JSON).*other\.json: "):
        choose_rules(str(tmp_path / "other.json"))


def test_nobody_is_retired_before_as_many_looked_as_the_project_asks_for(project: Project) -> None:
    project.change_settings(consensus=ConsensusSettings(min_people=4))
    assert steps.simulate_retirement(project, "information").subjects["used"].min() == 4


def test_labels_of_experts_are_read_from_a_table(tmp_path: Path) -> None:
    (tmp_path / "experts.csv").write_text("Subject_ID,Label,how_many,note\n3,Cod,2,x\n4,,,\n")
    found = load_labels(tmp_path / "experts.csv")
    assert found["subject_id"].tolist() == [3, 4]
    assert found["label"].tolist() == ["Cod", None]
    assert found["how_many"].tolist() == [2.0, pytest.approx(float("nan"), nan_ok=True)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("subject_id\n3\n", "no column label"),
        ("subject_id,label\nx,Cod\n", "line 2"),
        ("subject_id,label\n99999999999999999999,Cod\n", "is not the id of a subject"),
        ("subject_id,label,how_many\n3,Cod,many\n", "'many' is not a number"),
    ],
)
def test_a_wrong_table_of_experts_is_said(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "experts.csv").write_text(text)
    with pytest.raises(MetadataError, match=says):
        load_labels(tmp_path / "experts.csv")
