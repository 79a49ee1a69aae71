"""Real exports of other projects on Zooniverse, from the files to a consensus that a biologist can read."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kso_utils.consensus import VoteRule
from kso_utils.project import steps
from kso_utils.project.opening import Project
from kso_utils.project.settings import (
    AnswerSettings,
    ConsensusSettings,
    Settings,
    WorkflowSettings,
    ZooniverseSettings,
)
from tests.test_cli import kso  # noqa: F401 - fixture

EXPORTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "zooniverse"
pytestmark = pytest.mark.skipif(not EXPORTS.is_dir(), reason="the shared data are not at hand")

MICHIGAN, SUPERNOVA, CLUSTERS, CATS, GORONGOSA = 2276, 10, 3149, 28090, 2649


@pytest.fixture
def take_in(tmp_path: Path) -> Callable[..., Path]:
    """Make a project of one workflow out of some of the exports."""

    def make(name: str, workflow: WorkflowSettings, answers: AnswerSettings, votes: VoteRule, people: int) -> Path:
        folder = tmp_path / "project"
        folder.mkdir()
        joined = ZooniverseSettings(1, workflows=[workflow], answers=answers)
        settings = Settings(name, zooniverse=joined, consensus=ConsensusSettings(min_people=people, votes=votes))
        Project(folder, settings).save_settings(settings)
        there = tmp_path / "there"
        there.mkdir()
        for file in EXPORTS.glob(f"*{name}*.csv"):
            shutil.copy(file, there)
        with Project.open(folder) as project:
            assert steps.pull(project, None, there).report.ok
        return folder

    return make


CASES = {
    "michigan": (
        WorkflowSettings(MICHIGAN, "clip", ["NOTHINGHERE"]),
        AnswerSettings(),
        VoteRule(live_only=False, tasks=("T3",)),
        3,
    ),
    "gorongosa": (WorkflowSettings(GORONGOSA, "clip"), AnswerSettings(how_many=["HWMN"]), VoteRule(), 1),
    "supernova": (WorkflowSettings(SUPERNOVA, "clip", []), AnswerSettings(), VoteRule(tasks=("T0",)), 1),
    "circle": (WorkflowSettings(CLUSTERS, "frame"), AnswerSettings(), VoteRule(gold_standard="keep"), 2),
    "polygon": (WorkflowSettings(CATS, "frame"), AnswerSettings(), VoteRule(live_only=False), 3),
}


@pytest.mark.parametrize(
    ("name", "figures", "agreed"),
    [
        ("michigan", (1960, 30, 1520, 1440), {"DEER": 22, "RACCOON": 13, "DUCKS": 7, "TURKEY": 5, "SQUIRREL": 5}),
        ("gorongosa", (20, 1, 20, 21), {"BBN": 14, "MPL": 4, "LPHNT": 2, "WTRBCK": 1}),
        ("supernova", (7, 1, 7, 7), {"No": 4, "Yes": 3}),
        ("circle", (27, 3, 13, 27), {"Background Galaxy": 13, "Cluster": 10}),
        ("polygon", (148, 19, 30, 76), {"0": 31}),
    ],
)
def test_real_exports_become_a_consensus(
    take_in: Any,
    kso: Any,  # noqa: F811
    name: str,
    figures: tuple[int, int, int, int],
    agreed: dict[str, int],
) -> None:
    folder = take_in(name, *CASES[name])
    kind = CASES[name][0].kind
    code, text, said = kso("aggregate", kind, "--project", folder)
    assert code == 0, said
    looks, people, subjects, rows = figures
    assert text.startswith(f"Run 1: {looks:,} classifications by {people} ")
    assert f" of {subjects:,} {kind}s." in text
    with Project.open(folder) as project:
        assert steps.repeat_run(project, 1).equal
        run = steps.aggregate(project, kind)
    assert run.reused
    assert len(run.rows) == rows
    assert run.rows.loc[run.rows["agreed"], "label"].value_counts().to_dict() == agreed
    assert run.unmatched == sorted(set(run.rows["label"]))
