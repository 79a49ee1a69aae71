"""A Darwin Core archive out of a store: events, occurrences, measurements, and where they come from."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.annotations.darwincore.eml import format_eml
from kso_utils.annotations.darwincore.events import Kind, choose_movies, describe_events, plan_events
from kso_utils.annotations.darwincore.losses import add_new, find_losses
from kso_utils.annotations.darwincore.measurements import measure_events, measure_occurrences
from kso_utils.annotations.darwincore.media import choose_boxes, choose_clips, gather_media
from kso_utils.annotations.darwincore.names import Taxa, find_names
from kso_utils.annotations.darwincore.occurrences import describe_occurrences, say_effort
from kso_utils.annotations.darwincore.packing import Table, format_meta, format_table, write_zip
from kso_utils.annotations.darwincore.terms import EVENT, EXTENDED_MEASUREMENT, MULTIMEDIA, OCCURRENCE
from kso_utils.annotations.sightings import find_sightings, measure_effort
from kso_utils.annotations.volunteers import read_volunteers
from kso_utils.core.errors import MetadataError
from kso_utils.core.paths import sha256_file
from kso_utils.core.report import Finding, Report
from kso_utils.store import queries
from kso_utils.store.provenance import describe_versions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from kso_utils.annotations.darwincore.dataset import Dataset
    from kso_utils.annotations.sightings import Evidence
    from kso_utils.core.report import Severity
    from kso_utils.store.engine import Store

_RUN_KEYS = ("table", "id", "kind", "created_at", "version", "params", "inputs", "parts")


@dataclass(frozen=True)
class Published:
    """What was written.

    Attributes
    ----------
    path, sha256
        The archive.
    events, occurrences, measurements, media
        Its rows, as text.
    report
        What is not in it, and why.
    """

    path: Path
    sha256: str
    events: pd.DataFrame
    occurrences: pd.DataFrame
    measurements: pd.DataFrame
    media: pd.DataFrame
    report: Report


@dataclass(frozen=True)
class _Seen:
    """What one observer contributes."""

    evidence: Evidence
    taxa: Taxa
    effort: pd.DataFrame
    sightings: pd.DataFrame


def write(
    store: Store,
    path: str | Path,
    events: Kind = "movie",
    bin_s: float | None = None,
    *,
    dataset: Dataset,
    detections: Evidence | None = None,
    asked_in_clips: Collection[str] = (),
    asked_in_frames: Collection[str] = (),
    matches: pd.DataFrame | None = None,
) -> Published:
    """Write what volunteers and a model saw as a Darwin Core archive that OBIS and GBIF take.

    The core are events: survey, deployment (a movie), sample (its sampling window, or a period of it). Each sample
    has an occurrence for each taxon and verification status, present or absent, with MaxN as its number of
    individuals, and measurements (MaxN, when it was and when the taxon came, how much was looked at). The media are the
    movies, the clips that volunteers saw, and as regions the boxes of the frame that decides a count. An equal store
    gives equal bytes.

    Parameters
    ----------
    store
        The store; its latest runs of consensus tell what volunteers saw.
    path
        The zip to write.
    events, bin_s
        `movie`: one sample a movie. `bin`: one for each period of `bin_s` seconds.
    dataset
        Title, people, licence.
    detections
        What a model saw, and where it looked.
    asked_in_clips, asked_in_frames
        The labels that the volunteers' workflows offered. Of others it is never said that they are absent.
    matches
        What a register of names says of the species, as `names.find_names` takes it; the store's table alone decides
        where it is None.

    Returns
    -------
    Published
        Its report lists the movies, labels and clips that are not published.

    Raises
    ------
    ConfigError
        If the description of the data set is not complete, or an argument is wrong.
    MetadataError
        If there is nothing that can be published; it carries the report.
    """
    dataset.validate()
    report = Report(f"Publication of {dataset.title}")
    movies, findings = choose_movies(queries.movies_with_sites(store), events)
    report.extend(findings)
    samples = plan_events(movies, events, bin_s, dataset)
    species = store.read("species")
    seen = [
        _look(samples, evidence, find_names(evidence.labels(), species, matches), report)
        for evidence in (read_volunteers(store, asked_in_clips, asked_in_frames), detections)
        if evidence is not None
    ]
    seen, refuted = _drop_refuted(seen)
    report.extend(refuted)
    efforts = _say_efforts(seen)
    samples = samples[samples["event"].isin(efforts)].reset_index(drop=True)
    report.extend(_unseen(movies, samples))
    _require_some(samples, report)
    core = describe_events(samples, efforts, movies, store.read("surveys"), dataset)
    occurrences, measurements, regions = _describe(seen, samples, movies, dataset)
    media = gather_media(samples, movies, _find_clips(store, seen, samples), regions)
    target = Path(path)
    tables = [
        Table("event.csv", EVENT, core),
        Table("occurrence.csv", OCCURRENCE, occurrences),
        Table("extendedmeasurementorfact.csv", EXTENDED_MEASUREMENT, measurements),
        Table("multimedia.csv", MULTIMEDIA, media),
    ]
    _pack(target, tables, seen, dataset, {"events": events, "bin_s": bin_s}, report)
    return Published(target, sha256_file(target), core, occurrences, measurements, media, report)


def _require_some(samples: pd.DataFrame, report: Report) -> None:
    if samples.empty:
        raise MetadataError(
            "There is nothing to publish: no movie with a position and a date was looked at by volunteers or a model.",
            report,
        )


def _find_clips(store: Store, seen: list[_Seen], samples: pd.DataFrame) -> pd.DataFrame:
    looked = pd.concat([one.evidence.looked_clips for one in seen], ignore_index=True)
    return choose_clips(queries.clip_subjects(store), samples, looked)


def _look(samples: pd.DataFrame, evidence: Evidence, taxa: Taxa, report: Report) -> _Seen:
    add_new(report, taxa.findings)
    report.extend(find_losses(samples, evidence))
    report.extend(_unasked(evidence))
    found = find_sightings(samples, evidence, taxa.of_label)
    effort = measure_effort(samples, evidence)
    # A frame in which something was found was looked at, whatever the movie's rate says of its time.
    marked = effort["event"].isin(found.loc[found["present"], "event"])
    return _Seen(evidence, taxa, effort[(effort["clips"] > 0) | (effort["frames"] > 0) | marked], found)


def _drop_refuted(seen: list[_Seen]) -> tuple[list[_Seen], list[Finding]]:
    """Return the same without a model's absences of taxa that people agreed on: those are known to be wrong."""
    agreed = {
        (row.event, row.taxon)
        for one in seen
        if one.evidence.method == "human"
        for row in one.sightings[one.sightings["present"]].itertuples()
    }
    kept, number = [], 0
    for one in seen:
        found = one.sightings
        wrong = ~found["present"] & pd.Series(
            [pair in agreed for pair in zip(found["event"], found["taxon"], strict=True)], index=found.index, dtype=bool
        )
        kept.append(replace(one, sightings=found[~wrong].reset_index(drop=True)))
        number += int(wrong.sum())
    if not number:
        return kept, []
    message = f"In {number} cases the model missed a taxon that volunteers agreed on; no absence is published there."
    return kept, [_finding("model_annotations", "ABSENCE_REFUTED", "info", number, message, "")]


def _unasked(evidence: Evidence) -> Iterator[Finding]:
    if not (evidence.asked_in_clips or evidence.asked_in_frames):
        message = f"What could be answered is not known; no absence is published of what {evidence.method}s looked for."
        yield _finding("subjects", "ABSENCES_UNKNOWN", "info", evidence.method, message, "")


def _unseen(movies: pd.DataFrame, samples: pd.DataFrame) -> Iterator[Finding]:
    for name in movies.loc[~movies["id"].isin(samples["movie_id"]), "filename"]:
        message = f"Nobody looked at {name}; it is not published."
        yield _finding("movies", "MOVIE_NOT_LOOKED_AT", "info", name, message, "")


def _finding(table: str, code: str, severity: Severity, value: object, message: str, fix: str) -> Finding:
    return Finding(table, None, None, code, severity, str(value), message, fix)


def _say_efforts(seen: list[_Seen]) -> dict[str, str]:
    said: dict[str, list[str]] = {}
    for one in seen:
        for row in one.effort.to_dict("records"):
            said.setdefault(row["event"], []).append(say_effort(one.evidence.method, row))
    return {event: "; ".join(parts) for event, parts in said.items()}


def _describe(
    seen: list[_Seen], samples: pd.DataFrame, movies: pd.DataFrame, dataset: Dataset
) -> tuple[pd.DataFrame, pd.DataFrame, list[pd.DataFrame]]:
    """Return the rows of occurrences and of measurements, in the order of events, and the boxes behind counts."""
    movie_of = samples.set_index("event")["movie_id"]
    occurrences, measurements, regions = [], [], []
    for one in seen:
        found = one.sightings.assign(movie_id=one.sightings["event"].map(movie_of))
        rows = describe_occurrences(found, one.effort, one.evidence, one.taxa.terms, movies, dataset.dataset_id)
        occurrences.append(rows)
        regions.append(choose_boxes(found, rows, one.evidence, one.taxa.of_label))
        measurements += [
            measure_events(one.effort, one.evidence.method),
            measure_occurrences(found, rows, one.evidence.method),
        ]
    place = {event: number for number, event in enumerate(samples["event"])}
    both = []
    for tables, order in ((occurrences, ["eventID", "scientificName"]), (measurements, ["eventID"])):
        table = pd.concat(tables, ignore_index=True)
        both.append(
            table.sort_values(
                order, key=lambda column: column.map(place) if column.name == "eventID" else column, kind="stable"
            ).reset_index(drop=True)
        )
    return both[0], both[1], regions


def _pack(
    path: Path, tables: list[Table], seen: list[_Seen], dataset: Dataset, params: dict[str, Any], report: Report
) -> None:
    contents = {table.name: format_table(table.rows) for table in tables}
    runs = [{key: run.get(key) for key in _RUN_KEYS if key in run} for one in seen for run in one.evidence.runs]
    published = max((str(run.get("created_at", "")) for run in runs), default="")[:10]
    provenance = {"dataset_id": dataset.dataset_id, "params": params, "runs": runs, "versions": describe_versions()}
    digests = {name: sha256(content).hexdigest() for name, content in contents.items()}
    version = sha256("".join(digests.values()).encode()).hexdigest()[:12]
    occurring = set(tables[1].rows["scientificName"])
    terms = {name: row for one in seen for name, row in one.taxa.terms.items() if name in occurring}
    files = {
        "meta.xml": format_meta(tables[0], tables[1:]),
        "eml.xml": format_eml(dataset, tables[0].rows, terms, published, version, provenance),
        **contents,
        "provenance.json": _format_json({**provenance, "files": digests, "not_published": report.rows()}),
    }
    write_zip(path, files)


def _format_json(values: dict[str, Any]) -> bytes:
    text = json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False, default=str)
    return text.encode("utf-8", errors="replace") + b"\n"
