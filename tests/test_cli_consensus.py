"""Commands about what volunteers agree on: what they print, for people and for machines."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kso_utils.cli.followup import judge_alpha
from kso_utils.consensus import VoteRule
from kso_utils.project.opening import Project
from kso_utils.project.settings import ConsensusSettings, ZooniverseSettings
from kso_utils.testing.crowd import simulate_crowd
from kso_utils.zooniverse import sandbox as local
from tests.project.crowded import CLIPS
from tests.test_cli import kso  # noqa: F401 - fixture


@pytest.fixture
def ask(kso: Any, crowd_project: Path) -> Any:  # noqa: F811
    """Run a command in the project that must go well; returns what it printed."""

    def run(*argv: object, code: int = 0) -> str:
        done, text, said = kso(*argv, "--project", crowd_project)
        assert done == code, said
        return str(text if code == 0 else said)

    return run


@pytest.fixture
def experts(tmp_path: Path) -> Path:
    truth = simulate_crowd(CLIPS, votes=5, labels=3, seed=1).truth
    every = pd.DataFrame({"subject_id": range(1, CLIPS + 1)}).merge(truth, on="subject_id", how="left")
    every.to_csv(tmp_path / "experts.csv", index=False)
    return tmp_path / "experts.csv"


def test_a_run_is_told_in_words(ask: Any) -> None:
    text = ask("aggregate", "clip")
    assert text.startswith(
        "Run 1: 200 classifications by 10 people of 40 clips. Rule: 80% of the people named the same"
    )
    counts = [int(line.split()[0]) for line in text.splitlines()[1:5]]
    assert sum(counts) == CLIPS
    assert "label       clips  support  median count  largest count" in text
    assert "Labels that name no species of the store, or several: species 02, species 03." in text
    for following in ("kso unsure", "kso frames", "kso export clip"):
        assert following in text
    assert ask("aggregate", "clip").startswith("Run 1 (as before)")


def test_frames_are_told_by_marks(ask: Any) -> None:
    text = ask("aggregate", "frame")
    assert "Rule: 40% of the people marked the same" in text
    assert "  3 frames in which people agree on an animal\n  1 in which most people saw nothing" in text
    assert "Cod         3      3     100%            1" in text


@pytest.mark.parametrize(
    ("method", "says"),
    [("plurality", "as many species as the median person named"), ("kso", "as KSO published it, 80%")],
)
def test_every_method_is_told_in_words(ask: Any, method: str, says: str) -> None:
    assert says in ask("aggregate", "clip", "--method", method)


def test_nothing_that_counts_is_said(ask: Any, crowd_project: Path) -> None:
    with Project.open(crowd_project) as project:
        project.change_settings(consensus=ConsensusSettings(votes=VoteRule(since="2099-01-01")))
    assert "No classification counts." in ask("aggregate", "clip")
    assert "alpha is not known" in ask("quality")
    assert ask("unsure").strip() == "0 of 0 clips are unsure."
    assert "0 of 0 looks" in ask("retirement", "serengeti")
    assert "all 0 rows are equal" in ask("aggregate", "clip", "--repeat", "1")


def test_a_method_that_is_none_is_said(ask: Any) -> None:
    assert "give one of share, plurality, gold, dawid_skene, kso." in ask(
        "aggregate", "clip", "--method", "dice", code=1
    )


def test_a_run_is_repeated_and_two_are_compared(ask: Any, crowd_project: Path) -> None:
    ask("aggregate", "clip")
    ask("aggregate", "clip", "--agreement", "0.5")
    assert "agg_subjects: all 40 rows are equal" in ask("aggregate", "clip", "--repeat", "1")
    compared = ask("aggregate", "clip", "--compare", "1", "2")
    assert "rule.agreement: 0.8 and 0.5" in compared
    assert "only 2" in compared
    ask("aggregate", "clip", "--method", "dawid_skene")
    assert "rule.skene.pool_below: not set and 10" in ask("aggregate", "clip", "--compare", "1", "3")
    assert "They agree on the same." in ask("aggregate", "clip", "--compare", "1", "1")
    assert "one at a time" in ask("aggregate", "clip", "--compare", "1", "1", "--repeat", "1", code=1)
    assert "keeps its rule" in ask("aggregate", "clip", "--repeat", "1", "--method", "plurality", code=1)
    assert "Run 1 is of clips. Say: kso aggregate clip" in ask("aggregate", "frame", "--repeat", "1", code=1)
    with Project.open(crowd_project) as project:
        first = project.store.read("agg_subjects", ["id"]).head(1)
        project.store.upsert("agg_subjects", first.assign(people=9), "id")
    assert ask("aggregate", "clip", "--repeat", "1", code=1) == ""


def test_quality_is_told_in_words(ask: Any, experts: Path) -> None:
    text = ask("quality")
    assert text.startswith("10 people gave 200 answers about 40 clips.")
    assert "Krippendorff's alpha is" in text
    assert "People agree least on: " in text
    assert "most of the others say" in text
    ask("aggregate", "clip")
    beside = ask("quality", "--experts", experts)
    assert "Beside experts, 40 clips that both saw" in beside
    assert "all together" in beside
    told = json.loads(ask("quality", "--experts", experts, "--json"))
    assert told["comparison"]["subjects"] == CLIPS
    assert len(told["quality"]["people"]) == 10
    experts.write_text("subject_id,label\n777,species 01\n")
    assert "saw no clip in common: 40 were seen by volunteers alone" in ask("quality", "--experts", experts)
    assert "Say what they see with: --experts" in ask("quality", "--run", "1", code=1)


@pytest.mark.parametrize(
    ("alpha", "says"), [(0.8, "reliable"), (0.7, "tentative"), (0.6, "too low"), (float("nan"), "no two people")]
)
def test_alpha_is_judged_by_its_author(alpha: float, says: str) -> None:
    assert says in judge_alpha(alpha)


def test_unsure_clips_are_listed_and_settled_ones_written(ask: Any, tmp_path: Path) -> None:
    text = ask("unsure", "--limit", "2", "--settled", tmp_path / "settled.csv")
    listed = [line for line in text.splitlines() if line.startswith("  ")]
    assert len(listed) == 2
    assert f"kso retire WORKFLOW --file {tmp_path}/settled.csv" in text
    assert (tmp_path / "settled.csv").read_text().startswith("subject_id,labels,")
    told = json.loads(ask("unsure", "--json"))
    assert len(told["unsure"]) + told["settled"] == CLIPS


def test_unsure_clips_go_to_experts(ask: Any, crowd_project: Path) -> None:
    with local.serve() as sandbox:
        number, _ = sandbox.add_project("demo/crowd", "Crowd", {"clip": local.survey_task(["Cod"])})
        with Project.open(crowd_project) as project:
            project.change_settings(zooniverse=ZooniverseSettings(number, sandbox.url))
        text = ask("unsure", "--limit", "3", "--subject-set", "For experts", "--dry-run")
    assert "3 clips would be put in the subject set 'For experts'." in text
    assert "kso link 'For experts' WORKFLOW" in text


def test_retirement_is_tried(ask: Any, experts: Path) -> None:
    text = ask("retirement", "3", "--experts", experts)
    assert text.startswith("By the rules 3, 120 of 200 looks would have been needed: 40% saved.")
    assert "40 of 40 clips would be retired" in text
    assert "beside experts: F1" in text
    assert "names no retirement rules" in ask("retirement", "whenever", code=1)


def test_tables_are_exported(ask: Any, tmp_path: Path) -> None:
    ask("aggregate", "clip")
    text = ask("export", "clip", "--out", tmp_path / "out")
    assert "agreed_clip.csv: " in text
    assert "numbered, not named" in text
    assert (tmp_path / "out" / "export_clip.json").is_file()
