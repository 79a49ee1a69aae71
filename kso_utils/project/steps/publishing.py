"""What was seen, out of the project: a Darwin Core archive for OBIS and GBIF."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.annotations import camtrapdp
from kso_utils.annotations.darwincore.checking import check
from kso_utils.annotations.darwincore.dataset import Dataset, Person
from kso_utils.annotations.darwincore.writing import Published, write
from kso_utils.annotations.sightings import Evidence
from kso_utils.core.errors import ConfigError
from kso_utils.core.paths import safe_name
from kso_utils.metadata.taxa import match_species
from kso_utils.ml.detection import open_run
from kso_utils.project.steps.consensus import digest_votes
from kso_utils.store import queries
from kso_utils.zooniverse.exports import find_exports, read_files
from kso_utils.zooniverse.workflows import Workflows

if TYPE_CHECKING:
    from kso_utils.annotations.darwincore.events import Kind as EventKind
    from kso_utils.core.report import Report
    from kso_utils.project.opening import Project
    from kso_utils.project.settings import Kind, PersonSettings, Settings


@dataclass(frozen=True)
class Publication:
    """An archive that was written and then checked.

    Attributes
    ----------
    archive
        What is in it, and what is not and why.
    findings
        What OBIS and GBIF will find in it.
    """

    archive: Published
    findings: Report

    @property
    def ok(self) -> bool:
        """Whether OBIS and GBIF will take it."""
        return self.findings.ok


_RUN = ["id", "kind", "created_at", "version", "params", "inputs", "versions", "model_id"]


def publish(
    project: Project,
    path: str | Path | None = None,
    events: EventKind = "movie",
    bin_s: float | None = None,
    run_id: int | None = None,
) -> Publication:
    """Write what volunteers and the model saw as a Darwin Core archive, and check it as OBIS and GBIF will.

    Parameters
    ----------
    project
        The project; `[publish]` in its settings describes the data.
    path
        The zip, by default `published/` in the project's folder, named after the data set.
    events, bin_s
        `movie`: the sampling window of each movie is one sample. `bin`: each period of `bin_s` seconds is.
    run_id
        The detection run, by default the latest.

    Returns
    -------
    Publication
        The archive with the report on what is not in it, and the findings of the check.

    Raises
    ------
    ConfigError
        If the data are not described in the settings, or classifications came after the latest consensus.
    MetadataError
        If there is nothing that can be published; it carries the report.
    NotFound
        If there is no such detection run.
    """
    dataset = describe_dataset(project.settings)
    dataset.validate()
    target = Path(path) if path is not None else project.folder / "published" / f"{safe_name(dataset.dataset_id)}.zip"
    archive = write(
        project.store,
        target,
        events,
        bin_s,
        dataset=dataset,
        detections=read_detections(project, run_id),
        asked_in_clips=find_offered(project, "clip"),
        asked_in_frames=find_offered(project, "frame"),
        matches=match_species(project.store, offline=True, endpoint=project.settings.taxonomy.url),
    )
    return Publication(archive, check(archive.path))


def publish_camtrapdp(
    project: Project, folder: str | Path | None = None, run_id: int | None = None
) -> camtrapdp.Package:
    """Write what volunteers and the model saw as a Camtrap DP data package.

    Parameters
    ----------
    project
        The project; `[publish]` in its settings describes the data.
    folder
        Where the package goes, by default in `published/` in the project's folder, named after the data set.
    run_id
        The detection run, by default the latest.

    Returns
    -------
    camtrapdp.Package
        With the report on what is not in it and what had to be assumed.

    Raises
    ------
    ConfigError, MetadataError, NotFound
        As for `publish`.
    """
    dataset = describe_dataset(project.settings)
    dataset.validate()
    default = project.folder / "published" / f"{safe_name(dataset.dataset_id)}_camtrapdp"
    return camtrapdp.write(
        project.store,
        default if folder is None else folder,
        dataset=dataset,
        detections=read_detections(project, run_id),
        asked_in_clips=find_offered(project, "clip"),
        asked_in_frames=find_offered(project, "frame"),
        matches=match_species(project.store, offline=True, endpoint=project.settings.taxonomy.url),
    )


def describe_dataset(settings: Settings) -> Dataset:
    """Return what the settings say of the data."""
    told = settings.publish
    return Dataset(
        told.title,
        told.description,
        told.licence,
        _person(told.creator),
        told.dataset_id or settings.name,
        _person(told.contact),
        told.rights_holder,
        told.language,
    )


def _person(told: PersonSettings) -> Person:
    return Person(told.name, told.email, told.organisation)


def find_offered(project: Project, kind: Kind) -> list[str]:
    """Return the labels that volunteers could answer in every version of the workflows that they used.

    Returns
    -------
    list of str
        Sorted; none where nothing was agreed on, or a version is not among the exports.

    Raises
    ------
    ConfigError
        If there are classifications that the latest consensus does not know: what they saw would be called absent.
    """
    run = queries.latest_run(project.store, "agg_runs", kind)
    if run is None:
        return []
    told: dict[Any, Any] = project.store.read("agg_runs", where={"id": run}).to_dict("records")[0]
    votes = queries.votes(project.store, kind, told["params"].get("workflows") or None)
    if digest_votes(votes) != told["inputs"].get("votes_sha256"):
        raise ConfigError(
            f"There are classifications that the latest consensus does not know. Run: kso aggregate {kind}"
        )
    folder = project.folder / "exports"
    files = find_exports(folder) if folder.is_dir() else []
    export = read_files([file for file in files if file.name.startswith("workflows")]).workflows
    if export.empty:
        return []
    workflows = Workflows(export)
    used = votes[["workflow_id", "version_major", "version_minor"]].drop_duplicates()
    offered = [workflows.offered(*map(int, version)) for version in used.itertuples(index=False, name=None)]
    known = [labels for labels in offered if labels is not None]
    return sorted(frozenset.intersection(*known)) if known and len(known) == len(offered) else []


def read_detections(project: Project, run_id: int | None = None) -> Evidence | None:
    """Return what a model saw and where it looked.

    Parameters
    ----------
    project
        The project.
    run_id
        The detection run, by default the latest.

    Returns
    -------
    Evidence or None
        None where there is no such run at all.

    Raises
    ------
    NotFound
        If there is no run `run_id`, or its files are gone.
    """
    chosen = run_id if run_id is not None else queries.latest_run(project.store, "model_runs", "detect")
    if chosen is None:
        return None
    run = open_run(project.store, chosen)
    told: dict[Any, Any] = project.store.read("model_runs", _RUN, where={"id": chosen}).to_dict("records")[0]
    model: dict[Any, Any] = project.store.read("models", where={"id": told.pop("model_id")}).to_dict("records")[0]
    files = project.store.read(
        "model_artifacts", ["movie_id", "sha256"], where={"run_id": chosen, "kind": "detections"}
    )
    versions = told.pop("versions") or {}
    software = [f"kso_utils {told['version']}", *(f"ultralytics {v}" for v in [versions.get("ultralytics")] if v)]
    boxes = run.read().rename(columns={"confidence": "support"})
    return Evidence(
        "machine",
        asked_in_frames=tuple(map(str, model["classes"])),
        boxes=boxes.assign(people=pd.array([pd.NA] * len(boxes), dtype="Int64")),
        looked_frames=_frames_looked_at(project, run.status, int(told["params"]["stride"])),
        identified_by=f"{model['name']} ({model['architecture']})",
        references=f"{'; '.join(software)}; weights sha256 {model['weights_sha256']}",
        runs=(
            {
                "table": "model_runs",
                **told,
                "parts": dict(zip(map(str, files["movie_id"]), files["sha256"], strict=True)),
            },
        ),
    )


def _frames_looked_at(project: Project, status: pd.DataFrame, stride: int) -> pd.DataFrame:
    """Return each movie's frames as a series: every `stride`-th from the first on, at the movie's mean rate."""
    movies = project.store.read("movies", columns=["id", "fps_num", "fps_den"]).set_index("id")
    length = (movies["fps_den"].astype("Float64") / movies["fps_num"].astype("Float64")).astype("float64")
    step = status["movie_id"].map(length) * stride
    people = pd.array([pd.NA] * len(status), dtype="Int64")
    return status[["movie_id", "frames"]].assign(first_s=0.0, step_s=step, people=people)
