"""Identifiers of rows, and what points to them: events to their parents, tables to the core and to occurrences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kso_utils.annotations.darwincore.requirements import WHEN_AND_WHERE
from kso_utils.annotations.darwincore.terms import OCCURRENCE, expand_term

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from kso_utils.annotations.darwincore.descriptors import Table
    from kso_utils.annotations.darwincore.issues import Findings
    from kso_utils.annotations.darwincore.rows import Row

    RowCheck = Callable[[Row], None]

EVENT_ID, PARENT_ID, OCCURRENCE_ID = map(expand_term, ("eventID", "parentEventID", "occurrenceID"))
_WHEN, _LATITUDE, _LONGITUDE = map(expand_term, WHEN_AND_WHERE)


@dataclass
class Known:
    """The identifiers met so far; None where a table could not be read whole, so that nobody knows what it lacks."""

    core: set[str] | None = field(default_factory=set)
    events: Collection[str] | None = None
    occurrences: set[str] | None = None
    vague: set[str] = field(default_factory=set)
    """Events at the top that have no date or no position of their own."""

    def forget(self, table: Table) -> None:
        """Forget the identifiers of a table that was not read whole."""
        if table.is_core:
            self.core = self.events = None
        if table.row_type == OCCURRENCE:
            self.occurrences = None


@dataclass(frozen=True)
class Tree:
    """Which event belongs to which.

    Attributes
    ----------
    parents
        Event -> its parent, empty where it has none.
    children_of
        The events that others belong to.
    cycles
        The events that are their own parents, by way of others or directly.
    """

    parents: dict[str, str]
    children_of: frozenset[str]
    cycles: frozenset[str]


def grow_tree(pairs: Iterable[tuple[str, str]]) -> Tree:
    """Return the tree of events from pairs of event and parent (empty where it has none)."""
    parents: dict[str, str] = {}
    for event, parent in pairs:
        if event:
            parents.setdefault(event, parent)
    return Tree(parents, frozenset(parents.values()) - {""}, frozenset(_find_cycles(parents)))


def _find_cycles(parents: Mapping[str, str]) -> Iterator[str]:
    settled: set[str] = set()
    for event in parents:
        way: dict[str, int] = {}
        while event in parents and event not in settled and event not in way:
            way[event] = len(way)
            event = parents[event]
        if event in way:
            yield from list(way)[way[event] :]
        settled.update(way)


def event_checks(table: Table, tree: Tree, known: Known, found: Findings) -> Iterator[RowCheck]:
    """Yield the checks of a core of events: their identifiers, parents, dates and positions."""
    known.events = tree.parents.keys()
    place = event_column(table)
    if place is None:
        return
    parent_place = table.columns.get(PARENT_ID)
    column = table.title(place)

    def check_parent(row: Row) -> None:
        event, parent = row.cells[place], "" if parent_place is None else row.cells[parent_place]
        if parent and parent not in tree.parents:
            message = f"There is no event {parent}."
            found.add(VIOLATION, row.file, message, line=row.line, column="parentEventID", value=parent)
        if event in tree.cycles:
            message = f"{event} is its own parent, by way of {parent}."
            found.add("PARENT_EVENT_CYCLE", row.file, message, line=row.line, column="parentEventID", value=parent)

    def check_whole(row: Row) -> None:
        missing = _missing(table, row)
        if not missing or not row.whole:
            return
        event, parent = row.cells[place], "" if parent_place is None else row.cells[parent_place]
        if parent:
            message = f"{event} has no {' and no '.join(missing)} of its own."
            found.add("EVENT_RELIES_ON_PARENT", row.file, message, line=row.line, column=missing[0], value=event)
        elif event in tree.children_of:
            known.vague.add(event)
        else:
            for name in missing:
                found.add("REQUIRED_VALUE_EMPTY", row.file, f"{name} is empty.", line=row.line, column=name)

    yield check_parent
    yield check_whole
    if place != table.id_index:
        yield unique_check(place, column, set(), "RECORD_NOT_UNIQUELY_IDENTIFIED", found)


def _missing(table: Table, row: Row) -> list[str]:
    """Return which of date, latitude and longitude a row leaves out; half a position is told elsewhere."""

    def is_empty(term: str) -> bool:
        return term in table.columns and not table.defaults.get(term) and not row.cells[table.columns[term]]

    missing = ["eventDate"] if is_empty(_WHEN) else []
    if is_empty(_LATITUDE) and is_empty(_LONGITUDE):
        missing += ["decimalLatitude", "decimalLongitude"]
    return missing


def unique_check(place: int, column: str, ids: set[str], code: str, found: Findings) -> RowCheck:
    """Return the check that a column identifies rows; it gathers the identifiers in `ids`."""

    def act(row: Row) -> None:
        value = row.cells[place]
        if not value:
            message = f"The row has no {column}."
            found.add("RECORD_IDENTIFIER_NOT_FOUND", row.file, message, line=row.line, column=column)
        elif value in ids:
            message = f"{value} identifies an earlier row too."
            found.add(code, row.file, message, line=row.line, column=column, value=value)
        else:
            ids.add(value)

    return act


def link_check(place: int, column: str, ids: Collection[str], what: str, found: Findings, optional: bool) -> RowCheck:
    """Return the check that a column points to rows that are there."""

    def act(row: Row) -> None:
        value = row.cells[place]
        if value not in ids and (value or not optional):
            message = f"There is no {what} {value}." if value else f"The row points to no {what}."
            found.add(VIOLATION, row.file, message, line=row.line, column=column, value=value)

    return act


def vague_check(table: Table, place: int, vague: Collection[str], found: Findings) -> RowCheck:
    """Return the check that an occurrence has a date and position, if its event at the top has none."""
    own = all(table.has(term) for term in (_WHEN, _LATITUDE, _LONGITUDE))

    def act(row: Row) -> None:
        if not own and row.cells[place] in vague:
            message = f"The event {row.cells[place]} has no date or no position, so the occurrence has none."
            found.add(
                "REQUIRED_VALUE_EMPTY", row.file, message, line=row.line, column="eventID", value=row.cells[place]
            )

    return act


def event_column(table: Table) -> int | None:
    """Return the column that parents are named by: eventID, else the identifier of the row."""
    return table.columns.get(EVENT_ID, table.id_index)


VIOLATION = "RECORD_REFERENTIAL_INTEGRITY_VIOLATION"
