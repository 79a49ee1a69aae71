"""A project's place on a sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from kso_utils.core.errors import ConfigError
from kso_utils.project import steps
from kso_utils.project.opening import Project
from kso_utils.project.settings import ZooniverseSettings
from kso_utils.zooniverse.sandbox.server import Sandbox, serve


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serve() as running:
        yield running


@pytest.fixture
def project(reef_project: Path) -> Iterator[Project]:
    with Project.open(reef_project) as opened:
        steps.fill_store(opened)
        yield opened


def test_a_project_has_workflows_of_its_species_there(project: Project, sandbox: Sandbox) -> None:
    joined = steps.join_sandbox(project, sandbox)
    assert Project.open(project.folder).settings.zooniverse == joined
    asked = {w.kind: sandbox.state.get("workflows", w.id) for w in joined.workflows}
    assert "Nothing here" in asked["clip"].body["strings"].values()
    assert "Nothing here" not in asked["frame"].body["strings"].values()
    assert "Atlantic cod" in asked["frame"].body["strings"].values()


@pytest.mark.parametrize(("cut_s", "offered"), [((), 1), ((2.0, 2.6), 3), ((0.4,), 1)])
def test_people_are_asked_about_each_second_of_the_clips(
    project: Project, sandbox: Sandbox, cut_s: tuple[float, ...], offered: int
) -> None:
    if cut_s:
        rows = [{"movie_id": 1, "clip_start_time": 4.0, "clip_end_time": 4 + s, "path": "a.mp4"} for s in cut_s]
        (project.folder / "clips").mkdir()
        pd.DataFrame(rows).assign(sha256="").to_csv(project.folder / "clips" / "clips.csv", index=False)
    (workflow,) = steps.join_sandbox(project, sandbox).workflows[:1]
    asked = sandbox.state.get("workflows", workflow.id)
    assert list(asked.body["tasks"]["T0"]["questions"]["FIRSTSEEN"]["answers"]) == [f"{s}S" for s in range(offered)]


def test_a_second_rehearsal_changes_nothing(project: Project, sandbox: Sandbox) -> None:
    first = steps.join_sandbox(project, sandbox)
    assert steps.join_sandbox(project, sandbox) == first
    assert len(sandbox.state.find("projects")) == 1


def test_a_sandbox_elsewhere_on_this_machine_takes_its_place(project: Project, sandbox: Sandbox) -> None:
    steps.join_sandbox(project, sandbox)
    with serve() as other:
        assert steps.join_sandbox(project, other).endpoint == other.url


@pytest.mark.parametrize("endpoint", ["", "https://www.zooniverse.org"])
def test_a_project_on_zooniverse_is_not_forgotten(project: Project, sandbox: Sandbox, endpoint: str) -> None:
    project.change_settings(zooniverse=ZooniverseSettings(12, endpoint))
    with pytest.raises(ConfigError, match=r"names project 12 at .* Rehearse in a copy"):
        steps.join_sandbox(project, sandbox)
    assert project.settings.zooniverse.project_id == 12


def test_without_species_there_is_nothing_to_ask(tmp_path: Path, sandbox: Sandbox) -> None:
    with Project.create(tmp_path / "empty") as empty, pytest.raises(ConfigError, match="kso movies"):
        steps.join_sandbox(empty, sandbox)
