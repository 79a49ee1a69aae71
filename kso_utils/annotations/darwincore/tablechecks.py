"""The check of one table of an archive: its header, its terms and its rows."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

from kso_utils.annotations.darwincore.cells import CHECKS
from kso_utils.annotations.darwincore.descriptors import META
from kso_utils.annotations.darwincore.links import (
    EVENT_ID,
    OCCURRENCE_ID,
    PARENT_ID,
    event_checks,
    event_column,
    grow_tree,
    link_check,
    unique_check,
    vague_check,
)
from kso_utils.annotations.darwincore.requirements import needs_of
from kso_utils.annotations.darwincore.rows import Reading
from kso_utils.annotations.darwincore.terms import EVENT, OCCURRENCE, ROW_TYPES, shorten_term

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from kso_utils.annotations.darwincore.cells import CellCheck
    from kso_utils.annotations.darwincore.containers import Container
    from kso_utils.annotations.darwincore.descriptors import Archive, Table
    from kso_utils.annotations.darwincore.issues import Findings
    from kso_utils.annotations.darwincore.links import Known, RowCheck
    from kso_utils.annotations.darwincore.rows import Row


@dataclass
class TableCheck:
    """The check of one table.

    Attributes
    ----------
    container, table, archive
        Where the table is, how it is written, and what stands beside it.
    known
        The identifiers of the tables checked before; those of this one are added.
    found
        Takes the findings.
    """

    container: Container
    table: Table
    archive: Archive
    known: Known
    found: Findings

    def run(self) -> None:
        """Check header, terms and rows."""
        if self.table.row_type not in ROW_TYPES:
            message = f"The row type {self.table.row_type} is not known."
            self.found.add("UNKNOWN_ROWTYPE", self.table.name, message, value=self.table.row_type)
        for file in self.table.files:
            self._check_header(file)
        self._check_terms()
        self._check_rows()

    def _check_header(self, file: str) -> None:
        table = self.table
        header = [cell.strip() for cell in Reading(self.container, table).header(file)]
        if header and len(header) < table.width:
            message = f"{META} names column {table.width}, but the header has {len(header)}."
            self.found.add("COLUMN_MISMATCH", file, message, line=table.header_lines, value=str(len(header)))
        places = {shorten_term(term): place for term, place in table.columns.items()}
        for name, place in places.items():
            written = header[place] if place < len(header) else name
            # A header in words of one's own is no contradiction; one that names another column of this table is.
            if places.get(written, place) != place:
                message = f"{META} takes column {place} as {name}, but its header is {written}."
                self.found.add("HEADER_MISMATCH", file, message, line=table.header_lines, column=name, value=written)

    def _check_terms(self) -> None:
        needs = needs_of(self.table.row_type, self.table.is_core)
        for code, terms in (
            ("REQUIRED_TERM_MISSING", (*needs.filled, *needs.present)),
            ("RECOMMENDED_TERM_MISSING", needs.recommended),
        ):
            for term in terms:
                if not self._has(term):
                    name = shorten_term(term)
                    self.found.add(code, self.table.name, f"There is no column {name}.", column=name)

    def _has(self, term: str) -> bool:
        """Return whether the rows have a term; what events leave out their occurrences may tell."""
        others = (t for t in self.archive.extensions if self.table.is_core and t.row_type == OCCURRENCE)
        return self.table.has(term) or any(t.has(term) for t in others)

    def _check_rows(self) -> None:
        table, columns = self.table, self.table.columns
        reading = Reading(self.container, table, self.found)
        checks = list(self._row_checks())
        needs = needs_of(table.row_type, table.is_core)
        wanted = (*needs.present, *needs.recommended)
        empty = {term: columns[term] for term in wanted if term in columns and not table.defaults.get(term)}
        count = 0
        for row in reading.rows():
            count += 1
            for act in checks:
                act(row)
            if empty:
                empty = {term: place for term, place in empty.items() if not row.cells[place]}
        if not reading.complete:
            self.known.forget(table)
        elif not count and table.is_core:
            self.found.add("NO_RECORDS", table.name, "The file has no rows.")
        for term in empty if count else ():
            code = "REQUIRED_TERM_MISSING" if term in needs.present else "RECOMMENDED_TERM_MISSING"
            name = shorten_term(term)
            self.found.add(code, table.name, f"{name} is empty in every row.", column=name)

    def _row_checks(self) -> Iterator[RowCheck]:
        table = self.table
        yield from self._core_checks() if table.is_core else self._extension_checks()
        for term in needs_of(table.row_type, table.is_core).filled:
            # A row without its identifier is told as such.
            if term in table.columns and term != OCCURRENCE_ID and not table.defaults.get(term):
                yield self._filled_check(term, table.columns[term])
        for cell_check in CHECKS:
            if table.row_type in cell_check.row_types and any(table.has(term) for term in cell_check.terms):
                yield self._cell_check(cell_check)

    def _core_checks(self) -> Iterator[RowCheck]:
        table, known = self.table, self.known
        place, occurrence_place = table.id_index, table.columns.get(OCCURRENCE_ID)
        if place is not None:
            known.core = set()
            is_occurrence = place == occurrence_place
            code = "OCCURRENCE_NOT_UNIQUELY_IDENTIFIED" if is_occurrence else "RECORD_NOT_UNIQUELY_IDENTIFIED"
            yield unique_check(place, table.title(place), known.core, code, self.found)
        else:
            known.core = None
        if table.row_type == EVENT:
            yield from event_checks(table, grow_tree(self._read_parents()), known, self.found)
        elif occurrence_place is not None:
            yield from self._occurrence_checks(occurrence_place)

    def _extension_checks(self) -> Iterator[RowCheck]:
        table, known = self.table, self.known
        place, event_place = table.id_index, table.columns.get(EVENT_ID)
        core = self.archive.core
        if place is not None and known.core is not None:
            what = ROW_TYPES.get(core.row_type, "row") if core else "row"
            yield link_check(place, table.title(place), known.core, what, self.found, optional=False)
        if event_place not in (None, place) and known.events is not None:
            yield link_check(event_place, "eventID", known.events, "event", self.found, optional=True)
        occurrence_place = table.columns.get(OCCURRENCE_ID)
        if table.row_type == OCCURRENCE:
            if occurrence_place is not None:
                yield from self._occurrence_checks(occurrence_place)
            if place is not None:
                yield vague_check(table, place, known.vague, self.found)
        elif occurrence_place not in (None, place) and known.occurrences is not None:
            yield link_check(
                occurrence_place, "occurrenceID", known.occurrences, "occurrence", self.found, optional=True
            )

    def _occurrence_checks(self, place: int) -> Iterator[RowCheck]:
        known = self.known
        if self.table.is_core and place == self.table.id_index:
            known.occurrences = known.core
            return
        known.occurrences = set() if known.occurrences is None else known.occurrences
        code = "OCCURRENCE_NOT_UNIQUELY_IDENTIFIED"
        yield unique_check(place, "occurrenceID", known.occurrences, code, self.found)

    def _read_parents(self) -> Iterator[tuple[str, str]]:
        """Yield each event with its parent; read in silence, for what is wrong is told when the rows are checked."""
        place, parent_place = event_column(self.table), self.table.columns.get(PARENT_ID)
        if place is None:
            return
        for row in Reading(self.container, self.table).rows():
            yield row.cells[place], "" if parent_place is None else row.cells[parent_place]

    def _filled_check(self, term: str, place: int) -> RowCheck:
        name = shorten_term(term)

        def act(row: Row) -> None:
            if row.whole and not row.cells[place]:
                self.found.add("REQUIRED_VALUE_EMPTY", row.file, f"{name} is empty.", line=row.line, column=name)

        return act

    def _cell_check(self, cell_check: CellCheck) -> RowCheck:
        take, find, add = self._taker(cell_check.terms), cell_check.find, self.found.add
        names = {shorten_term(term) for term in (*self.table.columns, *self.table.defaults)}

        def act(row: Row) -> None:
            if row.whole:
                for flaw in find(*take(row.cells)):
                    # That a column is not there at all is told once, not for each row.
                    if flaw.value or flaw.column in names:
                        add(flaw.code, row.file, flaw.message, line=row.line, column=flaw.column, value=flaw.value)

        return act

    def _taker(self, terms: Collection[str]) -> Callable[[list[str]], tuple[str, ...]]:
        """Return what takes the cells of terms out of a row, or the default where a cell is empty."""
        places = [self.table.columns.get(term) for term in terms]
        defaults = [self.table.defaults.get(term, "") for term in terms]
        sure = [place for place in places if place is not None]
        if len(sure) == len(places) > 1 and not any(defaults):
            return itemgetter(*sure)
        pairs = list(zip(places, defaults, strict=True))
        return lambda cells: tuple(default if place is None else cells[place] or default for place, default in pairs)
