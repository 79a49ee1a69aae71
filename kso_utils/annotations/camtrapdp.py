"""Camtrap DP 1.0.2: deployments, media and observations as a data package (https://camtrap-dp.tdwg.org).

The format asks for a time of day with a zone everywhere. Where the store knows less, the earliest and the latest moment
that it allows are written, `timestampIssues` is set, a comment says so, and the report lists the movie: nothing is made
more precise than it is known.
"""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.annotations.audiovisual import guess_format
from kso_utils.annotations.darwincore.events import choose_movies, name_deployment, plan_events
from kso_utils.annotations.darwincore.losses import add_new, find_losses
from kso_utils.annotations.darwincore.names import find_names
from kso_utils.annotations.darwincore.text import plain, public_address, read_moment, seconds
from kso_utils.annotations.regions import to_shares
from kso_utils.annotations.sightings import find_sightings, locate, measure_effort
from kso_utils.annotations.volunteers import read_frame_lengths, read_volunteers
from kso_utils.core.clock import utc_now
from kso_utils.core.errors import MetadataError
from kso_utils.core.paths import write_atomic
from kso_utils.core.report import Finding, Report
from kso_utils.metadata.values import read_days
from kso_utils.store import queries
from kso_utils.version import __version__

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from kso_utils.annotations.darwincore.dataset import Dataset, Person
    from kso_utils.annotations.darwincore.names import Taxa
    from kso_utils.annotations.sightings import Evidence
    from kso_utils.core.report import Severity
    from kso_utils.store.engine import Store

    Row = dict[Any, Any]

ADDRESS = "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0.2/"
"""Where the profile and the schemas of this version are."""

DEPLOYMENT_COLUMNS = (
    *("deploymentID", "locationID", "locationName", "latitude", "longitude", "coordinateUncertainty"),
    *("deploymentStart", "deploymentEnd", "setupBy", "cameraID", "cameraModel", "cameraDelay", "cameraHeight"),
    *("cameraDepth", "cameraTilt", "cameraHeading", "detectionDistance", "timestampIssues", "baitUse"),
    *("featureType", "habitat", "deploymentGroups", "deploymentTags", "deploymentComments"),
)
MEDIA_COLUMNS = (
    *("mediaID", "deploymentID", "captureMethod", "timestamp", "filePath", "filePublic", "fileName"),
    *("fileMediatype", "exifData", "favorite", "mediaComments"),
)
OBSERVATION_COLUMNS = (
    *("observationID", "deploymentID", "mediaID", "eventID", "eventStart", "eventEnd", "observationLevel"),
    *("observationType", "cameraSetupType", "scientificName", "count", "lifeStage", "sex", "behavior"),
    *("individualID", "individualPositionRadius", "individualPositionAngle", "individualSpeed", "bboxX"),
    *("bboxY", "bboxWidth", "bboxHeight", "classificationMethod", "classifiedBy", "classificationTimestamp"),
    *("classificationProbability", "observationTags", "observationComments"),
)
"""The columns of each table: all that the schemas have, in their order, as readers expect."""

_BOX = ("bboxX", "bboxY", "bboxWidth", "bboxHeight")
_FORM = "%Y-%m-%dT%H:%M:%S%z"


@dataclass(frozen=True)
class Package:
    """What was written.

    Attributes
    ----------
    folder
        Holds `datapackage.json` and the three tables.
    deployments, media, observations
        How many rows each has.
    report
        What is not in it, and what had to be assumed.
    """

    folder: Path
    deployments: int
    media: int
    observations: int
    report: Report


@dataclass(frozen=True)
class _Times:
    """When a movie was filmed: since `begin`, or if that is not known some time from `first` to `last`."""

    begin: datetime | None
    first: datetime
    last: datetime
    note: str

    def span(self, start_s: float, end_s: float) -> tuple[str, str]:
        """Return the whole seconds that hold a part of the movie."""
        if self.begin is None:
            return self.first.strftime(_FORM), self.last.strftime(_FORM)
        start = self.begin + timedelta(seconds=math.floor(start_s))
        end = self.begin + timedelta(seconds=math.ceil(end_s if math.isfinite(end_s) else start_s))
        return start.strftime(_FORM), end.strftime(_FORM)


def write(
    store: Store,
    folder: str | Path,
    *,
    dataset: Dataset,
    detections: Evidence | None = None,
    asked_in_clips: Collection[str] = (),
    asked_in_frames: Collection[str] = (),
    matches: pd.DataFrame | None = None,
) -> Package:
    """Write what volunteers and a model saw as a Camtrap DP data package.

    A deployment is a movie. Media are the movies, and the clips and frames on Zooniverse. Observations of an event are
    the taxa seen in a movie's sampling window, with MaxN as count; those of a medium are single boxes. A window in
    which somebody looked and nobody marked anything is blank. The format has no absence of a single taxon.

    Parameters
    ----------
    store
        The store; its latest runs of consensus tell what volunteers saw.
    folder
        Where the four files go; files of the same names are replaced.
    dataset
        Title, people, licence.
    detections
        What a model saw, and where it looked.
    asked_in_clips, asked_in_frames
        The labels that the volunteers' workflows offered.
    matches
        What a register of names says of the species, as `names.find_names` takes it.

    Returns
    -------
    Package
        Its report lists what is not published, and movies whose time is not fully known.

    Raises
    ------
    ConfigError
        If the description of the data set is not complete.
    MetadataError
        If no movie has a position and a date; it carries the report.
    """
    dataset.validate()
    report = Report(f"Camera trap data of {dataset.title}")
    movies, findings = choose_movies(queries.movies_with_sites(store), "movie")
    report.extend(findings)
    if movies.empty:
        raise MetadataError("There is nothing to publish: no movie has a position and a date.", report)
    times = {int(row["id"]): _time_movie(row) for row in movies.to_dict("records")}
    report.extend(_untimed(movies, times))
    names = {int(row["id"]): name_deployment(row, dataset) for row in movies.to_dict("records")}
    told = store.read("surveys", columns=["id", "eventID"])
    surveys = dict(zip(told["id"].astype(int), told["eventID"].astype(str), strict=True))
    deployments = [_describe_deployment(row, names, times, surveys) for row in movies.to_dict("records")]
    media = [*_describe_movies(movies, names, times), *_describe_subjects(store, names, times)]
    samples = plan_events(movies, "movie", None, dataset)
    sources = [one for one in (read_volunteers(store, asked_in_clips, asked_in_frames), detections) if one is not None]
    species = store.read("species")
    taxa = [find_names(one.labels(), species, matches) for one in sources]
    for one, named in zip(sources, taxa, strict=True):
        add_new(report, named.findings)
        report.extend(find_losses(samples, one))
    observations = _observe_sources(movies, samples, list(zip(sources, taxa, strict=True)), names, times)
    taxonomy = {name: terms for named in taxa for name, terms in named.terms.items()}
    seen = {row.get("scientificName") for row in observations}
    described = _describe_package(dataset, deployments, observations, {n: t for n, t in taxonomy.items() if n in seen})
    report.add(_assumed())
    place = Path(folder)
    _save_table(place / "deployments.csv", DEPLOYMENT_COLUMNS, deployments)
    _save_table(place / "media.csv", MEDIA_COLUMNS, media)
    _save_table(place / "observations.csv", OBSERVATION_COLUMNS, observations)
    # The description comes last: a folder that has it has all it names.
    with write_atomic(place / "datapackage.json") as temporary:
        temporary.write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return Package(place, len(deployments), len(media), len(observations), report)


def _observe_sources(
    movies: pd.DataFrame,
    samples: pd.DataFrame,
    sources: list[tuple[Evidence, Taxa]],
    names: dict[int, str],
    times: dict[int, _Times],
) -> list[Row]:
    """Return the observations of each source; people come first: a window is not blank for a model where they saw."""
    observations: list[Row] = []
    for evidence, taxa in sources:
        seen = (row for row in observations if row["observationType"] == "animal")
        inhabited = {row["eventID"] for row in seen if row.get("eventID")}
        observations += _observe_events(samples, evidence, taxa, times, inhabited)
        observations += _observe_boxes(movies, evidence, taxa, names, times)
    return observations


def _time_movie(movie: Row) -> _Times:
    date = plain(movie["eventDate"])
    begin = read_moment(date)
    if begin is None:
        days = read_days(date)
        if days is None:  # such movies were not chosen
            raise MetadataError(f"{movie['filename']} has no date.")
        first, last = (
            datetime.combine(day, at, UTC) for day, at in zip(days, (time(0), time(23, 59, 59)), strict=True)
        )
        note = f"Only the date is known ({date}), neither the time of day nor the time zone."
        return _Times(None, first, last, note)
    note = "" if begin.tzinfo else "The time zone is not known; times are written as if they were UTC."
    begin = begin if begin.tzinfo else begin.replace(tzinfo=UTC)
    return _Times(begin, begin, begin, note)


def _untimed(movies: pd.DataFrame, times: dict[int, _Times]) -> Iterator[Finding]:
    for movie in movies.to_dict("records"):
        known = times[int(movie["id"])]
        if known.note:
            code = "TIME_OF_DAY_MISSING" if known.begin is None else "TIME_ZONE_MISSING"
            fix = "Write eventDate with time and zone, as 2025-05-12T10:00:00+02:00."
            yield _finding("movies", code, "warning", movie["filename"], f"{movie['filename']}: {known.note}", fix)


def _finding(table: str, code: str, severity: Severity, value: object, message: str, fix: str) -> Finding:
    return Finding(table, None, None, code, severity, str(value), message, fix)


def _assumed() -> Finding:
    message = (
        "The format asks for a sampling design and a way of capture, which the store does not know: "
        "opportunistic and timeLapse are written, individual animals are not told apart."
    )
    return _finding("datapackage.json", "PROJECT_ASSUMED", "info", "", message, "Correct them in project.")


def _describe_deployment(
    movie: Row, names: dict[int, str], times: dict[int, _Times], surveys: dict[int, str]
) -> dict[str, str]:
    known = times[int(movie["id"])]
    length = movie["duration_s"]
    measured = length is not None and not pd.isna(length)
    start, end = known.span(0.0, float(length) if measured else 0.0)
    notes = [known.note, "" if measured else "The length of the movie is not known, so it ends where it starts."]
    radius, survey = movie["coordinateUncertaintyInMeters"], movie["survey_id"]
    least, most = movie["minimumDepthInMeters"], movie["maximumDepthInMeters"]
    return {
        "deploymentID": names[int(movie["id"])],
        "locationID": plain(movie["locationID"]),
        "locationName": plain(movie["locality"]),
        "latitude": plain(movie["decimalLatitude"]),
        "longitude": plain(movie["decimalLongitude"]),
        "coordinateUncertainty": "" if radius is None or pd.isna(radius) else str(max(1, math.ceil(radius))),
        "deploymentStart": start,
        "deploymentEnd": end,
        "setupBy": plain(movie["recordedBy"]),
        # A range of depths is that of the site, not of the camera.
        "cameraDepth": plain(least) if plain(least) == plain(most) else "",
        "timestampIssues": "true" if known.note else "false",
        "habitat": plain(movie["habitat"]),
        "deploymentGroups": "" if survey is None or pd.isna(survey) else plain(surveys.get(int(survey))),
        "deploymentComments": " ".join(note for note in notes if note),
    }


def _describe_movies(movies: pd.DataFrame, names: dict[int, str], times: dict[int, _Times]) -> Iterator[dict[str, str]]:
    for movie in movies.to_dict("records"):
        number, name = int(movie["id"]), plain(movie["filename"])
        address = public_address(movie["associatedMedia"])
        yield {
            "mediaID": _movie_medium(names[number]),
            "deploymentID": names[number],
            "timestamp": times[number].span(0.0, 0.0)[0],
            "filePath": _relative(address or name),
            "filePublic": "true" if address else "false",
            "fileName": name,
            "fileMediatype": guess_format(name),
            "mediaComments": times[number].note,
        }


def _describe_subjects(store: Store, names: dict[int, str], times: dict[int, _Times]) -> Iterator[dict[str, str]]:
    """Yield the clips and frames on Zooniverse that have a public address."""
    lengths = read_frame_lengths(store)
    clips, frames = queries.clip_subjects(store), queries.frame_subjects(store)
    starts = frames["frame_number"].astype("Float64") * frames["movie_id"].map(lengths).astype("Float64")
    both = (("video", clips.assign(start_s=clips["clip_start_time"])), ("image", frames.assign(start_s=starts)))
    for kind, subjects in both:
        for subject in subjects.dropna(subset=["movie_id", "start_s"]).to_dict("records"):
            address, number = public_address(subject["https_location"]), int(subject["movie_id"])
            if not address or number not in names:
                continue
            start = float(subject["start_s"])
            where = f"{seconds(start)} s from the start of the movie."
            yield {
                "mediaID": f"{names[number]}:subject:{int(subject['id'])}",
                "deploymentID": names[number],
                "timestamp": times[number].span(start, start)[0],
                "filePath": _relative(address),
                "filePublic": "true",
                "fileName": plain(subject["filename"]),
                "fileMediatype": guess_format(address, kind),
                "mediaComments": f"{where} {times[number].note}".strip(),
            }


def _movie_medium(deployment: str) -> str:
    return f"{deployment}:movie"


def _relative(path: str) -> str:
    """Return a path that the format takes: below the package, or an address; never hidden, at home or upwards."""
    return re.sub(r"\.{2,}", ".", path.replace("\\", "/")).lstrip("./~") or "unnamed"


def _observe_events(
    samples: pd.DataFrame, evidence: Evidence, taxa: Taxa, times: dict[int, _Times], inhabited: set[str]
) -> Iterator[dict[str, str]]:
    """Yield the taxa seen in each window, and the windows looked at in which nothing was, but for the inhabited."""
    found = find_sightings(samples, evidence, taxa.of_label)
    present = found[found["present"]]
    of_event = samples.set_index("event").to_dict("index")
    for row in present.to_dict("records"):
        number = f"{row['event']}:{evidence.method}:{row['taxon']}"
        yield {
            **_observe(number, of_event[row["event"]], row["event"], times, evidence),
            "observationType": "animal",
            "scientificName": row["taxon"],
            "count": plain(row["individuals"]),
            "classificationProbability": _probability(row["support"]),
            "observationComments": "The count is MaxN, the most in any one frame or clip.",
        }
    effort = measure_effort(samples, evidence)
    looked = effort.loc[(effort["clips"] > 0) | (effort["frames"] > 0), "event"]
    marked = {*inhabited, *present["event"], *_marked(samples, evidence, taxa)}
    for event in looked[~looked.isin(marked)]:
        blank = _observe(f"{event}:{evidence.method}:blank", of_event[event], event, times, evidence)
        yield {**blank, "observationType": "blank"}


def _marked(samples: pd.DataFrame, evidence: Evidence, taxa: Taxa) -> set[str]:
    """Return the windows in which something may have been seen: an unnamed label, a doubt, a clip across their border.

    A label that says that nothing is there marks nothing.
    """
    nothing = {finding.value for finding in taxa.findings if finding.code == "LABEL_NOT_A_TAXON"}
    marks = [
        evidence.boxes.assign(start_s=evidence.boxes["pts_s"]),
        evidence.clips.assign(start_s=evidence.clips["clip_start_time"]),
        evidence.clips.assign(start_s=evidence.clips["clip_end_time"]),
        evidence.doubts,
        evidence.doubts.assign(start_s=evidence.doubts["end_s"]),
    ]
    events = samples["event"].to_numpy()
    hit: set[str] = set()
    for mark in marks:
        told = mark[~mark["label"].isin(nothing)].dropna(subset=["start_s"])
        place = locate(samples, told["movie_id"], told["start_s"])
        hit.update(events[place[place >= 0]])
    return hit


def _observe(number: str, sample: Row, event: str, times: dict[int, _Times], evidence: Evidence) -> dict[str, str]:
    start, end = times[int(sample["movie_id"])].span(float(sample["start_s"]), float(sample["end_s"]))
    return {
        "observationID": number,
        "deploymentID": sample["deployment"],
        "eventID": event,
        "eventStart": start,
        "eventEnd": end,
        "observationLevel": "event",
        **_classified(evidence),
    }


def _classified(evidence: Evidence) -> dict[str, str]:
    made = max((plain(run.get("created_at")) for run in evidence.runs), default="")
    moment = read_moment(made)
    return {
        "classificationMethod": evidence.method,
        "classifiedBy": evidence.identified_by,
        "classificationTimestamp": moment.strftime(_FORM) if moment and moment.tzinfo else "",
    }


def _probability(support: Any) -> str:
    return "" if support is None or pd.isna(support) else plain(round(min(max(float(support), 0.0), 1.0), 6))


def _observe_boxes(
    movies: pd.DataFrame,
    evidence: Evidence,
    taxa: Taxa,
    names: dict[int, str],
    times: dict[int, _Times],
) -> Iterator[dict[str, str]]:
    """Yield each box of a taxon that has a place in its picture: one animal in one frame of a movie."""
    boxes = evidence.boxes
    if not {"x", "y", "width", "height"} <= set(boxes.columns):
        return
    known = boxes[boxes["movie_id"].isin(names.keys())]
    known = known.assign(taxon=known["label"].map(taxa.of_label)).dropna(subset=["taxon", "pts_s"])
    size = movies.set_index("id")[["width", "height"]].astype("float64").reindex(known["movie_id"])
    shares = to_shares(known[["x", "y", "width", "height"]].to_numpy(float), size["width"], size["height"])
    classified = _classified(evidence)
    for nth, (box, place) in enumerate(zip(known.to_dict("records"), shares.tolist(), strict=True)):
        if math.isnan(place[0]):
            continue
        number, moment = int(box["movie_id"]), float(box["pts_s"])
        start, end = times[number].span(moment, moment)
        yield {
            "observationID": f"{names[number]}:{evidence.method}:box:{nth}",
            "deploymentID": names[number],
            "mediaID": _movie_medium(names[number]),
            "eventStart": start,
            "eventEnd": end,
            "observationLevel": "media",
            "observationType": "animal",
            "scientificName": box["taxon"],
            "count": "1",
            **{name: f"{share:.9g}" for name, share in zip(_BOX, place, strict=True)},
            **classified,
            "classificationProbability": _probability(box["support"]),
            "observationComments": f"Frame {int(box['frame_number'])}, {seconds(moment)} s from the movie's start.",
        }


def _describe_package(
    dataset: Dataset, deployments: list[dict[str, str]], observations: list[Row], taxa: dict[str, dict[str, str]]
) -> dict[str, Any]:
    levels = sorted({row["observationLevel"] for row in observations}) or ["event"]
    positions = sorted({(float(d["longitude"]), float(d["latitude"])) for d in deployments})
    return {
        "profile": f"{ADDRESS}camtrap-dp-profile.json",
        "name": re.sub(r"[^a-z0-9._-]+", "-", plain(dataset.dataset_id).lower()).strip("-") or "camera-trap-data",
        "id": plain(dataset.dataset_id),
        "created": utc_now(),
        "title": dataset.title,
        "description": dataset.description,
        "contributors": [*_contributors(dataset)],
        "sources": [{"title": "kso_utils", "version": __version__}],
        "licenses": [
            {"name": dataset.spdx, "path": dataset.licence_url, "scope": scope} for scope in ("data", "media")
        ],
        "project": {
            "title": dataset.title,
            "samplingDesign": "opportunistic",
            "captureMethod": ["timeLapse"],
            "individualAnimals": False,
            "observationLevel": levels,
        },
        "spatial": {"type": "MultiPoint", "coordinates": [list(position) for position in positions]},
        "temporal": {
            "start": min(d["deploymentStart"] for d in deployments)[:10],
            "end": max(d["deploymentEnd"] for d in deployments)[:10],
        },
        "taxonomic": [_describe_taxon(name, terms) for name, terms in sorted(taxa.items())],
        "resources": [
            {
                "name": name,
                "path": f"{name}.csv",
                "profile": "tabular-data-resource",
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "schema": f"{ADDRESS}{name}-table-schema.json",
            }
            for name in ("deployments", "media", "observations")
        ],
    }


_RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species", "subspecies")


def _describe_taxon(name: str, terms: dict[str, str]) -> dict[str, Any]:
    rank = terms.get("taxonRank", "").lower()
    told = {
        "scientificName": name,
        "taxonID": terms.get("scientificNameID", ""),
        "taxonRank": rank if rank in _RANKS else "",
        **{higher: terms.get(higher, "") for higher in _RANKS[:6]},
    }
    return {key: value for key, value in told.items() if value}


def _contributors(dataset: Dataset) -> Iterator[dict[str, str]]:
    people = [(dataset.answering, "contact")]
    if dataset.creator != dataset.answering:
        people.append((dataset.creator, "contributor"))
    for person, role in people:
        yield _describe_person(person, role)
    if dataset.rights_holder:
        yield {"title": dataset.rights_holder, "role": "rightsHolder"}


def _describe_person(person: Person, role: str) -> dict[str, str]:
    told = {"title": person.name or person.organisation, "email": person.email, "role": role}
    told["organization"] = person.organisation
    return {key: value for key, value in told.items() if value}


def _save_table(path: Path, columns: Collection[str], rows: Collection[Row]) -> None:
    with write_atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(columns), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
