"""A project's own place on a sandbox, where everything can be tried before anything is on Zooniverse."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kso_utils.core.errors import ConfigError
from kso_utils.metadata.taxa import find_taxa
from kso_utils.project.settings import WorkflowSettings, ZooniverseSettings
from kso_utils.project.steps.footage import read_manifest
from kso_utils.zooniverse.sandbox.tasks import NOTHING_HERE, drawing_task, survey_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kso_utils.project.opening import Project
    from kso_utils.zooniverse.sandbox.server import Sandbox

_HERE = ("127.0.0.1", "localhost", "::1")


def join_sandbox(
    project: Project,
    sandbox: Sandbox,
    labels: Sequence[str] | None = None,
    length_s: float | None = None,
    retire_after: int = 5,
) -> ZooniverseSettings:
    """Give a project its place on a sandbox, and note it in `project.toml`; a second call changes nothing.

    There it has a workflow for clips, a survey of its species, and one for frames, with a tool for each species.

    Parameters
    ----------
    project
        The project.
    sandbox
        A running sandbox.
    labels
        What people may choose; by default the species of the store.
    length_s
        Seconds a clip, which people are asked about; by default those of the longest clip that was cut, or of the
        settings where none was.
    retire_after
        How many people look at each subject.

    Returns
    -------
    ZooniverseSettings
        What was noted.

    Raises
    ------
    ConfigError
        If the project is on another server already, which a rehearsal must not forget, or has no species.
    """
    now = project.settings.zooniverse
    if now.project_id and urlsplit(now.endpoint).hostname not in _HERE:
        raise ConfigError(
            f"{project.folder}/project.toml names project {now.project_id} at {now.endpoint or 'Zooniverse'}, and a "
            "rehearsal would write over it. Rehearse in a copy of the folder, without zooniverse.project_id."
        )
    if labels is None:
        species = project.store.read("species")
        labels = species.loc[find_taxa(species), "vernacularName"].dropna().drop_duplicates().tolist()
    if not labels:
        raise ConfigError(f"{project.folder} has no species to ask people about. Fill in its tables, then: kso movies")
    tasks = {
        "clip": survey_task([*labels, NOTHING_HERE], length_s=math.ceil(length_s or _longest_s(project))),
        "frame": drawing_task(labels),
    }
    name = project.settings.name
    number, workflows = sandbox.add_project(f"rehearsal/{name}", name, tasks, retire_after)
    joined = ZooniverseSettings(
        project_id=number,
        endpoint=sandbox.url,
        workflows=[WorkflowSettings(workflows["clip"], "clip"), WorkflowSettings(workflows["frame"], "frame")],
        answers=now.answers,
    )
    if joined != now:
        project.change_settings(zooniverse=joined)
    return joined


def _longest_s(project: Project) -> float:
    cut = read_manifest(project, "clip")
    if cut.empty:
        return project.settings.clips.length_s
    return float((cut["clip_end_time"] - cut["clip_start_time"]).max())
