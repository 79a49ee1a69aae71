"""Events: survey, deployment (a movie), and sample (the part of a movie that was looked at).

GBIF does not let an event inherit from its parent, so place, date, depth and protocol are repeated on each. A survey
of several places is their centre with the radius that holds them all as its uncertainty (which is how Darwin Core
defines it), and the places themselves as footprint.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from kso_utils.annotations.darwincore.text import plain, say_days, say_interval, seconds, split_date
from kso_utils.core.errors import ConfigError
from kso_utils.core.report import Finding, Severity
from kso_utils.metadata.values import read_days

if TYPE_CHECKING:
    from kso_utils.annotations.darwincore.dataset import Dataset

Kind = Literal["movie", "bin"]
Row = dict[Any, Any]

EVENT_TERMS = (
    *("eventID", "parentEventID", "eventType", "eventDate", "year", "month", "day"),
    *("samplingProtocol", "sampleSizeValue", "sampleSizeUnit", "samplingEffort"),
    *("locationID", "locality", "waterBody", "countryCode", "decimalLatitude", "decimalLongitude", "geodeticDatum"),
    *("coordinateUncertaintyInMeters", "footprintWKT", "minimumDepthInMeters", "maximumDepthInMeters", "habitat"),
    *("datasetID", "datasetName", "institutionCode", "license", "rightsHolder", "language"),
)
"""The columns of the core, in order."""

PROTOCOL = "Underwater video"
EARTH_RADIUS_M = 6_371_008.8
MOST_UNCERTAIN_M = 5_000_000
"""GBIF takes no larger uncertainty."""

_PLACE = (
    *("locationID", "locality", "waterBody", "countryCode", "decimalLatitude", "decimalLongitude", "geodeticDatum"),
    *("coordinateUncertaintyInMeters", "footprintWKT", "minimumDepthInMeters", "maximumDepthInMeters", "habitat"),
)
_COMMON = ("locality", "locationID", "waterBody", "countryCode", "geodeticDatum", "habitat")


def choose_movies(movies: pd.DataFrame, kind: Kind) -> tuple[pd.DataFrame, list[Finding]]:
    """Return the movies whose observations can be published, and why the others cannot.

    Parameters
    ----------
    movies
        As `queries.movies_with_sites` gives them.
    kind
        Periods can only be cut from a movie whose length is known.
    """
    latitude, longitude = (pd.to_numeric(movies[name]) for name in ("decimalLatitude", "decimalLongitude"))
    dated = movies["eventDate"].map(lambda text: read_days(plain(text)) is not None).astype(bool)
    reasons: list[tuple[str, Severity, Any, str, str]] = [
        ("BAD_DEPLOYMENT", "info", movies["is_bad_deployment"].astype(bool), "is a bad deployment", ""),
        (
            *("COORDINATES_MISSING", "warning", latitude.isna() | longitude.isna()),
            *("has no position", "Fill in the position of its site."),
        ),
        ("ZERO_COORDINATE", "warning", latitude.eq(0) & longitude.eq(0), "is at 0, 0", "Correct the site's position."),
        ("RECORDED_DATE_INVALID", "warning", ~dated, "has no date, or one that is not ISO 8601", "Fill in its date."),
    ]
    if kind == "bin":
        open_end = movies["sampling_end_s"].isna()
        reasons.append(("DURATION_MISSING", "warning", open_end, "has no known length", "Give its duration."))
    kept = pd.Series(True, index=movies.index)
    findings = []
    for code, severity, wrong, said, fix in reasons:
        for name in movies.loc[kept & wrong, "filename"]:
            message = f"{name} {said}; it is not published."
            findings.append(Finding("movies", None, None, code, severity, str(name), message, fix))
        kept &= ~wrong
    return movies[kept].reset_index(drop=True), findings


def plan_events(movies: pd.DataFrame, kind: Kind, bin_s: float | None, dataset: Dataset) -> pd.DataFrame:
    """Return the samples: the window of each movie, or its periods on the grid of `counts.max_n`.

    Parameters
    ----------
    movies
        As `choose_movies` gives them.
    kind, bin_s
        Whole windows, or periods of so many seconds, counted from the movie's start; the first and last of them end
        where the window does.
    dataset
        Its id begins the events' names.

    Returns
    -------
    DataFrame
        `event` (its eventID), `deployment` (that of its movie), `movie_id, start_s, end_s`.

    Raises
    ------
    ConfigError
        If `bin_s` does not fit `kind` or is no positive number.
    """
    if kind not in ("movie", "bin"):
        raise ConfigError(f"events is {kind!r}; give 'movie' or 'bin'.")
    if kind == "bin" and (bin_s is None or not 0 < bin_s < math.inf):
        raise ConfigError(f"bin_s is {bin_s}; for events of a period give its seconds, above 0.")
    if kind == "movie" and bin_s is not None:
        raise ConfigError("bin_s is given, but events is 'movie'. Give events='bin' to cut movies into periods.")
    rows = []
    for movie in movies.to_dict("records"):
        deployment = name_deployment(movie, dataset)
        start, end = float(movie["sampling_start_s"] or 0.0), movie["sampling_end_s"]
        start = 0.0 if math.isnan(start) else start
        end = math.inf if end is None or pd.isna(end) else float(end)
        for name, low, high in _cut(start, end, bin_s):
            rows.append((f"{deployment}:{name}", deployment, int(movie["id"]), low, high))
    return pd.DataFrame(rows, columns=["event", "deployment", "movie_id", "start_s", "end_s"])


def _cut(start: float, end: float, bin_s: float | None) -> list[tuple[str, float, float]]:
    if bin_s is None:
        return [("sample", start, end)]
    tiny = 1e-9
    first, last = math.floor(start / bin_s + tiny), math.ceil(end / bin_s - tiny)
    return [
        (f"{seconds(k * bin_s)}-{seconds((k + 1) * bin_s)}s", max(start, k * bin_s), min(end, (k + 1) * bin_s))
        for k in range(first, last)
    ]


def name_deployment(movie: Row, dataset: Dataset) -> str:
    """Return the eventID of a movie: its own, else one made of the data set's id and the file's name."""
    return plain(movie["eventID"]) or f"{plain(dataset.dataset_id)}:{plain(movie['filename'])}"


def describe_events(
    samples: pd.DataFrame, efforts: dict[str, str], movies: pd.DataFrame, surveys: pd.DataFrame, dataset: Dataset
) -> pd.DataFrame:
    """Return the rows of the core: surveys, deployments, samples.

    Parameters
    ----------
    samples
        As `plan_events` gives them; those that nobody looked at left out.
    efforts
        Sample -> what was done there, in words.
    movies
        As `choose_movies` gives them.
    surveys
        The store's table.
    dataset
        The data set.

    Returns
    -------
    DataFrame
        Text, the columns of `EVENT_TERMS`, parents before children.

    Raises
    ------
    ConfigError
        If two events bear one id.
    """
    shared = {
        "datasetID": dataset.dataset_id,
        "datasetName": dataset.title,
        "license": dataset.licence_url,
        "rightsHolder": dataset.rights_holder,
        "language": dataset.language,
    }
    by_id = {int(row["id"]): row for row in surveys.to_dict("records")}
    groups: dict[int | None, list[Row]] = {}
    rows: list[Row] = []
    parts = dict(list(samples.groupby("movie_id", sort=False)))
    for movie in movies[movies["id"].isin(parts)].to_dict("records"):
        survey = None if pd.isna(movie["survey_id"]) else by_id[int(movie["survey_id"])]
        deployment = _describe_deployment(movie, survey, parts[movie["id"]], dataset)
        children = [
            _describe_sample(deployment, movie, sample, efforts[sample["event"]])
            for sample in parts[movie["id"]].to_dict("records")
        ]
        rows += [deployment, *children]
        if survey is not None:
            groups.setdefault(int(survey["id"]), []).append(deployment)
    above = [_describe_survey(by_id[number], members) for number, members in groups.items() if number is not None]
    table = pd.DataFrame([{**shared, **row} for row in [*above, *rows]], columns=list(EVENT_TERMS))
    twice = table.loc[table["eventID"].duplicated(), "eventID"]
    if len(twice):
        raise ConfigError(f"Two events bear the id {twice.iloc[0]!r}. Give surveys and movies eventIDs of their own.")
    for place, name in enumerate(("year", "month", "day")):
        table[name] = table["eventDate"].map(lambda text, at=place: split_date(text)[at])
    return table.map(plain)


def _describe_deployment(movie: Row, survey: Row | None, samples: pd.DataFrame, dataset: Dataset) -> Row:
    protocols = (movie["samplingProtocol"], survey and survey["samplingProtocol"], PROTOCOL)
    length = movie["duration_s"]
    known = length is not None and not pd.isna(length)
    own_size = plain(movie["sampleSizeValue"]) and plain(movie["sampleSizeUnit"])
    size = (movie["sampleSizeValue"], movie["sampleSizeUnit"]) if own_size else (length, "second" if known else "")
    looked = f"{len(samples)} {'part was' if len(samples) == 1 else 'parts were'} looked at"
    return {
        "eventID": name_deployment(movie, dataset),
        "parentEventID": survey["eventID"] if survey else "",
        "eventType": "Deployment",
        "eventDate": say_interval(plain(movie["eventDate"]), 0.0, float(length) if known else math.inf),
        "samplingProtocol": next(text for text in map(plain, protocols) if text),
        "sampleSizeValue": size[0],
        "sampleSizeUnit": size[1],
        "samplingEffort": plain(movie["samplingEffort"]) or looked,
        "institutionCode": survey["institutionCode"] if survey else "",
        **{term: movie[term] for term in _PLACE},
    }


def _describe_sample(deployment: Row, movie: Row, sample: Row, effort: str) -> Row:
    start, end = float(sample["start_s"]), float(sample["end_s"])
    known = math.isfinite(end)
    return {
        **deployment,
        "eventID": sample["event"],
        "parentEventID": deployment["eventID"],
        "eventType": "Sample",
        "eventDate": say_interval(plain(movie["eventDate"]), start, end),
        "sampleSizeValue": seconds(end - start) if known else "",
        "sampleSizeUnit": "second" if known else "",
        "samplingEffort": effort,
    }


def _describe_survey(survey: Row, deployments: list[Row]) -> Row:
    frame = pd.DataFrame(deployments)
    own = plain(survey["eventDate"])
    common = {name: _only(frame[name]) for name in _COMMON}
    number = len(frame)
    shallow, deep = (pd.to_numeric(frame[f"{name}DepthInMeters"]) for name in ("minimum", "maximum"))
    return {
        **common,
        "eventID": survey["eventID"],
        "eventType": "Survey",
        "eventDate": own if read_days(own) else say_days(frame["eventDate"]),
        "samplingProtocol": plain(survey["samplingProtocol"]) or _only(frame["samplingProtocol"]) or PROTOCOL,
        "sampleSizeValue": number,
        "sampleSizeUnit": "deployment",
        "samplingEffort": f"{number} {'deployment' if number == 1 else 'deployments'}",
        "minimumDepthInMeters": shallow.min(),
        "maximumDepthInMeters": deep.max(),
        "institutionCode": survey["institutionCode"],
        **(_enclose(frame) if common["geodeticDatum"] or frame["geodeticDatum"].map(plain).eq("").all() else {}),
    }


def _only(values: pd.Series[Any]) -> str:
    found = set(values.map(plain))
    return found.pop() if len(found) == 1 else ""


def _enclose(places: pd.DataFrame) -> Row:
    """Return the centre of places and the radius around it that holds them all, each with its own uncertainty."""
    points = places[["decimalLongitude", "decimalLatitude"]].astype("float64").drop_duplicates()
    own = pd.to_numeric(places["coordinateUncertaintyInMeters"]).astype("float64").max()
    if len(points) == 1:
        longitude, latitude = points.iloc[0]
        uncertainty = own
        footprint = _only(places["footprintWKT"])
    else:
        longitude, latitude, radius = find_circle(points.to_numpy())
        # The centre is rounded to some centimetres, hence a metre more.
        uncertainty = math.ceil(radius + 1.0 + (0.0 if math.isnan(own) else own))
        listed = ", ".join(f"({plain(x)} {plain(y)})" for x, y in sorted(map(tuple, points.to_numpy().tolist())))
        footprint = f"MULTIPOINT ({listed})"
    if uncertainty > MOST_UNCERTAIN_M:
        return {"footprintWKT": footprint}
    return {
        "decimalLatitude": round(float(latitude), 6),
        "decimalLongitude": round(float(longitude), 6),
        "coordinateUncertaintyInMeters": uncertainty,
        "footprintWKT": footprint,
    }


def find_circle(points: Any) -> tuple[float, float, float]:
    """Return longitude and latitude of the centre of places on the globe, and the largest distance to one of them.

    The centre is the mean of the directions from the middle of the Earth, which is right across the date line too.

    Parameters
    ----------
    points
        (n, 2) longitude and latitude in degrees.

    Returns
    -------
    longitude, latitude, radius_m
        Degrees and metres, on a sphere of the Earth's mean radius.
    """
    longitude, latitude = np.radians(np.asarray(points, dtype=np.float64)).T
    directions = np.column_stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    )
    mean = directions.mean(axis=0)
    length = float(np.linalg.norm(mean))
    if length < 1e-9:  # places on opposite sides of the globe have no centre
        return 0.0, 0.0, math.pi * EARTH_RADIUS_M
    centre = mean / length
    apart = np.arctan2(np.linalg.norm(np.cross(directions, centre), axis=1), directions @ centre)
    where = math.degrees(math.atan2(centre[1], centre[0])), math.degrees(math.asin(float(np.clip(centre[2], -1, 1))))
    return where[0], where[1], float(apart.max()) * EARTH_RADIUS_M
