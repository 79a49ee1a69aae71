"""Whether what is said of a subject's place can be: its movie, its stretch of it, its frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kso_utils.core.report import Severity
    from kso_utils.store.engine import Store


class PlaceFault(NamedTuple):
    """What is wrong, as a `Finding` tells it; `emptied` are the columns that are worth nothing by it."""

    column: str
    code: str
    value: str
    message: str
    emptied: tuple[str, ...] = ()
    severity: Severity = "warning"


def read_references(store: Store) -> dict[str, set[int]]:
    """Return the ids of movies and species that subjects may name, by the column that names them."""
    tables = {"movie_id": "movies", "frame_exp_sp_id": "species"}
    return {column: set(store.read(table, ["id"])["id"]) for column, table in tables.items()}


def find_place_faults(place: Mapping[Any, Any], references: Mapping[str, set[int]]) -> Iterator[PlaceFault]:
    """Yield what cannot be.

    Parameters
    ----------
    place
        `movie_id, frame_exp_sp_id, clip_start_time, clip_end_time` (seconds), `frame_number`; what is not known is None
        or absent.
    references
        As `read_references` gives them.
    """
    for column, ids in references.items():
        value = place.get(column)
        if value is not None and value not in ids:
            message = f"The store has no {column} {value}."
            yield PlaceFault(column, "UNKNOWN_REFERENCE", str(value), message, (column,))
    start, end, frame = (place.get(column) for column in ("clip_start_time", "clip_end_time", "frame_number"))
    if (start is not None and start < 0) or (start is not None and end is not None and end <= start):
        message = f"The clip goes from {start} s to {end} s."
        yield PlaceFault("clip_start_time", "BAD_CLIP", str(start), message, ("clip_start_time", "clip_end_time"))
    if frame is not None and frame < 0:
        message = "The number of a frame cannot be negative."
        yield PlaceFault("frame_number", "BAD_FRAME", str(frame), message, ("frame_number",))
