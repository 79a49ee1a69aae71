"""Measurements of occurrences and events: MaxN, times, and how much was looked at.

Identifiers of types and units are those of the NERC Vocabulary Server; where it has none for what is meant, the
column stays empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.annotations.darwincore.text import plain, seconds

if TYPE_CHECKING:
    from kso_utils.annotations.sightings import Method

MEASUREMENT_TERMS = (
    *("eventID", "occurrenceID", "measurementType", "measurementTypeID", "measurementValue", "measurementValueID"),
    *("measurementUnit", "measurementUnitID", "measurementDeterminedBy", "measurementMethod", "measurementRemarks"),
)
"""The columns of the extension, in order."""

_COUNT = "http://vocab.nerc.ac.uk/collection/P01/current/OCOUNT01/"
_NUMBER = ("Dimensionless", "http://vocab.nerc.ac.uk/collection/P06/current/UUUU/")
_SECONDS = ("Seconds", "http://vocab.nerc.ac.uk/collection/P06/current/UTBB/")
_IN_FRAME = "Most individuals of the taxon in any one frame (MaxN)."
_IN_CLIP = "Largest of the medians of what volunteers answered for one clip; never summed over clips."
_FROM_START = "Seconds from the first frame of the movie."
_WHO: dict[Method, str] = {"human": "volunteers", "machine": "a model"}


def measure_occurrences(sightings: pd.DataFrame, occurrences: pd.DataFrame, method: Method) -> pd.DataFrame:
    """Return the measurements of the taxa that are present.

    Parameters
    ----------
    sightings
        As `sightings.find_sightings` gives them.
    occurrences
        The occurrence of each, row by row.
    method
        Who looked.

    Returns
    -------
    DataFrame
        Text, the columns of `MEASUREMENT_TERMS`.
    """
    rows: list[dict[str, Any]] = []
    ids = occurrences[["eventID", "occurrenceID", "identifiedBy"]].to_dict("records")
    for row, known in zip(sightings.to_dict("records"), ids, strict=True):
        if row["present"]:
            whose = {"eventID": known["eventID"], "occurrenceID": known["occurrenceID"]}
            who = {"measurementDeterminedBy": known["identifiedBy"]}
            rows += [{**whose, **said, **who} for said in _of_sighting(row, method)]
    return _table(rows)


def measure_events(effort: pd.DataFrame, method: Method) -> pd.DataFrame:
    """Return how much of each event was looked at.

    Parameters
    ----------
    effort
        As `sightings.measure_effort` gives it, without the events that nobody looked at.
    method
        Who looked.

    Returns
    -------
    DataFrame
        Text, the columns of `MEASUREMENT_TERMS`.
    """
    rows: list[dict[str, Any]] = []
    for row in effort.to_dict("records"):
        said = []
        if row["clips"]:
            said.append(_say(f"Clips examined by {_WHO[method]}", row["clips"], _NUMBER))
            said.append(_say(f"Footage examined by {_WHO[method]}", seconds(row["clips_s"]), _SECONDS))
        if row["frames"]:
            said.append(_say(f"Frames examined by {_WHO[method]}", row["frames"], _NUMBER))
        rows += [{"eventID": row["event"], **one} for one in said]
    return _table(rows)


def _of_sighting(row: dict[Any, Any], method: Method) -> list[dict[str, Any]]:
    said = []
    in_frame = not pd.isna(row["max_n_s"])
    if not pd.isna(row["individuals"]):
        count = _say("MaxN", row["individuals"], _NUMBER, method=_IN_FRAME if in_frame else _IN_CLIP)
        said.append(count | {"measurementTypeID": _COUNT})
    if not pd.isna(row["first_arrival_s"]):
        said.append(_say("Time of first arrival", seconds(row["first_arrival_s"]), _SECONDS, remark=_FROM_START))
    if in_frame:
        said.append(_say("Time of MaxN", seconds(row["max_n_s"]), _SECONDS, remark=_FROM_START))
        frame = _say("Frame number of MaxN", row["max_n_frame"], _NUMBER, remark="The movie's first frame is number 0.")
        said.append(frame)
    if not pd.isna(row["support"]):
        name = "Share of volunteers who named the taxon" if method == "human" else "Highest confidence of the model"
        said.append(_say(name, f"{float(row['support']):.4g}", _NUMBER))
    return said


def _say(name: str, value: Any, unit: tuple[str, str], method: str = "", remark: str = "") -> dict[str, Any]:
    return {
        "measurementType": name,
        "measurementValue": value,
        "measurementUnit": unit[0],
        "measurementUnitID": unit[1],
        "measurementMethod": method,
        "measurementRemarks": remark,
    }


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(MEASUREMENT_TERMS)).map(plain)
