"""What volunteers said and agreed on, as tables for other programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from kso_utils.annotations.volunteers import read_run
from kso_utils.consensus.behaviours import answers
from kso_utils.consensus.votes import counting_rows
from kso_utils.core.errors import ConfigError, MissingExtra
from kso_utils.core.paths import sha256_file, write_atomic
from kso_utils.core.progress import track
from kso_utils.core.spreadsheets import defuse_cell
from kso_utils.project.steps.consensus import TABLES, digest_votes, read_votes, restore_rule
from kso_utils.store import queries
from kso_utils.version import __version__
from kso_utils.zooniverse.delivery.sensitive import Secrets, may_tell, require_sites

if TYPE_CHECKING:
    from kso_utils.project.opening import Project
    from kso_utils.project.settings import Kind

Format = Literal["csv", "parquet"]

_SUBJECT = ["movie_id", "filename", "clip_start_time", "clip_end_time", "frame_number"]
_SITE = ["locality", "locationID", "decimalLatitude", "decimalLongitude", "geodeticDatum"]
_SITE += ["coordinateUncertaintyInMeters", "minimumDepthInMeters", "maximumDepthInMeters", "countryCode", "waterBody"]
_SPECIES = ["vernacularName", "scientificName", "scientificNameID", "taxonRank"]


@dataclass(frozen=True)
class Export:
    """Tables that were written.

    Attributes
    ----------
    run_id
        The run of consensus that they tell of.
    folder
        Where they are.
    files
        One row a file: `file, rows, sha256`.
    provenance
        The file that tells where the tables come from: run, rule, versions, input, files.
    same_votes
        Whether the classifications are those that the run read.
    """

    run_id: int
    folder: Path
    files: pd.DataFrame
    provenance: Path
    same_votes: bool


def export(
    project: Project,
    kind: Kind,
    folder: str | Path,
    form: Format = "csv",
    run_id: int | None = None,
    names: bool = False,
) -> Export:
    """Write what volunteers said and agreed on: `votes_clip`, `agreed_clip` and `subjects_clip`, or so of frames.

    Of clips `answers_clip` counts what people answered about what they saw, as behaviours.

    Every row has the movie and the site of its subject, of sensitive sites no more than Zooniverse is told. People are
    numbered, by their first classification; the same person has the same number in all rows of one export. In CSV, text
    that a spreadsheet would run as a formula has an apostrophe before it. The same store gives the same bytes.

    Parameters
    ----------
    project
        The project.
    kind
        Of clips or of frames.
    folder
        Where the files go; those of an earlier export there are replaced.
    form
        `csv` or `parquet`.
    run_id
        The run of consensus; the latest of that kind by default.
    names
        Write the names of people on Zooniverse instead of numbers.

    Raises
    ------
    ConfigError
        If there is no such run, classifications came after the latest one, or the settings name a sensitive site that
        the store does not have.
    MetadataError
        If a movie does not say from which site it is while some are sensitive.
    """
    run = read_run(project.store, kind, run_id)
    if run is None:
        which = f"is no run {run_id} of {kind}s" if run_id is not None else "is no consensus yet"
        raise ConfigError(f"There {which}. Make one with: kso aggregate {kind}")
    votes = read_votes(project, kind, run["params"].get("workflows") or [])
    same = digest_votes(votes) == run["inputs"].get("votes_sha256")
    if not same and run_id is None:
        raise ConfigError(
            f"There are classifications that the latest consensus does not know. Run: kso aggregate {kind}"
        )
    places = _describe_places(project, kind)
    tables = {
        f"votes_{kind}": _describe_votes(votes, run, names),
        f"agreed_{kind}": _describe_rows(project, TABLES[kind], run["id"]),
        f"subjects_{kind}": project.store.read("agg_subjects", where={"run_id": run["id"]}, order_by="id"),
    }
    if kind == "clip":
        tables["answers_clip"] = answers(votes, restore_rule(run).votes)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    files = []
    for name, table in track(tables.items(), "Export"):
        whole = table.drop(columns=["id", "run_id"], errors="ignore").merge(places, on="subject_id", how="left")
        path = target / f"{name}.{form}"
        write_table(whole, path, form)
        files.append({"file": path.name, "rows": len(whole), "sha256": sha256_file(path)})
    about = {**run, "written_by": f"kso_utils {__version__}", "same_votes": same, "names": names, "files": files}
    provenance = target / f"export_{kind}.json"
    with write_atomic(provenance) as temporary:
        temporary.write_text(json.dumps(about, indent=1, ensure_ascii=False, default=str), encoding="utf-8")
    return Export(run["id"], target, pd.DataFrame(files), provenance, same)


def _describe_places(project: Project, kind: Kind) -> pd.DataFrame:
    """Return `subject_id` and what may be told of its movie and site."""
    settings = project.settings.metadata
    require_sites(settings.sensitive_sites, project.store.read("sites", ["locality", "locationID"]))
    subjects = queries.clip_subjects(project.store) if kind == "clip" else queries.frame_subjects(project.store)
    movies = queries.movies_with_sites(project.store)[["id", "filename", "eventDate", *_SITE]]
    movies = movies.rename(columns={"id": "movie_id"})
    secrets = Secrets(settings.sensitive_sites, movies)
    for place, movie in enumerate(movies.to_dict("records")):
        hidden = secrets.of(movie)
        if hidden is not None:
            secret = [name for name in movies.columns[1:] if not may_tell(str(name), movie[name], hidden)]
            movies.loc[place, secret] = None
    placed = subjects.rename(columns={"id": "subject_id"})[["subject_id", *(c for c in _SUBJECT if c != "filename")]]
    whole = placed.merge(movies, on="movie_id", how="left")
    return whole[["subject_id", *_SUBJECT, "eventDate", *_SITE]].astype({"movie_id": "Int64", "frame_number": "Int64"})


def _describe_votes(votes: pd.DataFrame, run: dict[str, Any], names: bool) -> pd.DataFrame:
    """Return the votes with who gave them as a number, and whether they count by the rule of a run."""
    counted = counting_rows(votes, restore_rule(run).votes)["classification_id"].unique()
    who = votes["user"].where(
        votes["user_kind"] != "anonymous", votes["user"] + " " + votes["source_sha256"].fillna("")
    )
    ordered = votes.assign(who=who).sort_values("classification_id", kind="stable")["who"].drop_duplicates()
    number = {name: f"person {place:0{len(str(len(ordered)))}d}" for place, name in enumerate(ordered, 1)}
    person = votes["user"] if names else who.map(number)
    told = votes.assign(person=person, counted=votes["classification_id"].isin(counted))
    told["geometry"] = told["geometry"].map(lambda shape: json.dumps(shape, sort_keys=True), na_action="ignore")
    first = ["classification_id", "subject_id", "person", "user_kind", "counted"]
    return told[[*first, *(c for c in votes.columns if c not in {*first, "user", "source_sha256"})]]


def _describe_rows(project: Project, table: str, run_id: int) -> pd.DataFrame:
    """Return what was agreed on with the names of the species."""
    rows = project.store.read(table, where={"run_id": run_id}, order_by="id")
    if "geometry" in rows:
        rows["geometry"] = rows["geometry"].map(lambda shape: json.dumps(shape, sort_keys=True), na_action="ignore")
    species = project.store.read("species", ["id", *_SPECIES]).rename(columns={"id": "species_id"})
    typed = species.astype({"species_id": "Int64"})
    return rows.astype({"species_id": "Int64"}).merge(typed, on="species_id", how="left")


def write_table(table: pd.DataFrame, path: Path, form: Format) -> None:
    """Write a table; in CSV, text that a spreadsheet would run as a formula has an apostrophe before it.

    Raises
    ------
    MissingExtra
        If Parquet is asked for, and pyarrow is not installed.
    """
    with write_atomic(path) as temporary:
        if form == "csv":
            safe = table.apply(lambda column: column.map(defuse_cell) if _is_text(column) else column)
            safe.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n")
            return
        try:
            table.to_parquet(temporary, index=False)
        except ImportError as error:
            raise MissingExtra("pyarrow", "ml") from error


def _is_text(column: pd.Series[Any]) -> bool:
    return not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column))
