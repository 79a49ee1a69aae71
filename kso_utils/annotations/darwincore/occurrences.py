"""Occurrences: one for each taxon, event and verification status, present or absent.

What is seen in a movie is a machine's observation whoever names it: Darwin Core keeps `HumanObservation` for records
without evidence captured by a machine. Who named it is told by `identificationVerificationStatus` and `identifiedBy`.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.annotations.darwincore.names import TAXON_TERMS
from kso_utils.annotations.darwincore.text import plain, public_address
from kso_utils.core.progress import track

if TYPE_CHECKING:
    from kso_utils.annotations.sightings import Evidence, Method

OCCURRENCE_TERMS = (
    *("eventID", "occurrenceID", "basisOfRecord", "occurrenceStatus", "individualCount"),
    *TAXON_TERMS,
    *("recordedBy", "identifiedBy", "dateIdentified", "identificationVerificationStatus"),
    *("identificationReferences", "identificationRemarks", "associatedMedia"),
)
"""The columns of the extension, in order."""

BASIS = "MachineObservation"
STATUS: dict[Method, str] = {"human": "ValidatedByHuman", "machine": "PredictedByMachine"}


def name_occurrence(dataset_id: str, event: str, taxon: str, method: Method) -> str:
    """Return the occurrenceID: the same for the same taxon, event and verification status in every export."""
    known_by = "\n".join([plain(dataset_id), plain(event), plain(taxon), STATUS[method]])
    return f"{plain(dataset_id)}:{sha256(known_by.encode()).hexdigest()[:24]}"


def describe_occurrences(
    sightings: pd.DataFrame,
    effort: pd.DataFrame,
    evidence: Evidence,
    terms: dict[str, dict[str, str]],
    movies: pd.DataFrame,
    dataset_id: str,
) -> pd.DataFrame:
    """Return the rows of the extension for what one observer saw.

    Parameters
    ----------
    sightings
        As `sightings.find_sightings` gives them, with `movie_id`.
    effort
        As `sightings.measure_effort` gives it.
    evidence
        What was marked.
    terms
        Taxon -> its terms.
    movies
        `id, associatedMedia, recordedBy`.
    dataset_id
        Enters the ids.

    Returns
    -------
    DataFrame
        Text, the columns of `OCCURRENCE_TERMS`, in the order of `sightings`.
    """
    files = movies.set_index("id")[["associatedMedia", "recordedBy"]].to_dict("index")
    looked = effort.set_index("event").to_dict("index")
    day = max((plain(run.get("created_at")) for run in evidence.runs), default="")[:10]
    rows: list[dict[str, Any]] = [
        {
            "eventID": row["event"],
            "occurrenceID": name_occurrence(dataset_id, row["event"], row["taxon"], evidence.method),
            "basisOfRecord": BASIS,
            "occurrenceStatus": "present" if row["present"] else "absent",
            "individualCount": row["individuals"],
            **terms[row["taxon"]],
            "recordedBy": files[row["movie_id"]]["recordedBy"],
            "identifiedBy": _who(evidence, row),
            "dateIdentified": day,
            "identificationVerificationStatus": STATUS[evidence.method],
            "identificationReferences": evidence.references,
            "identificationRemarks": _remark(evidence.method, row, looked[row["event"]]),
            "associatedMedia": public_address(files[row["movie_id"]]["associatedMedia"]),
        }
        for row in track(sightings.to_dict("records"), "Writing occurrences")
    ]
    return pd.DataFrame(rows, columns=list(OCCURRENCE_TERMS)).map(plain)


def say_effort(method: Method, row: dict[Any, Any]) -> str:
    """Return in words what was looked at: `2 clips (6 s) and 4 frames by volunteers`."""
    parts = []
    if row["clips"]:
        parts.append(f"{_count(row['clips'], 'clip')} ({plain(round(float(row['clips_s']), 3))} s)")
    if row["frames"]:
        parts.append(_count(row["frames"], "frame"))
    who = "by volunteers" if method == "human" else "by a model"
    return f"{' and '.join(parts) or 'some frames'} {who}"


def _count(number: int, noun: str) -> str:
    return f"{int(number)} {noun if number == 1 else noun + 's'}"


def _who(evidence: Evidence, row: dict[Any, Any]) -> str:
    if evidence.method == "machine" or pd.isna(row["people"]):
        return evidence.identified_by
    return f"{evidence.identified_by} ({int(row['people'])})"


def _remark(method: Method, row: dict[Any, Any], looked: dict[Any, Any]) -> str:
    if not row["present"]:
        return f"not seen in {say_effort(method, looked)}"
    if pd.isna(row["support"]):
        return ""
    share = f"{float(row['support']):.3g}"
    return f"named by a share of {share} of the people who looked" if method == "human" else f"confidence {share}"
