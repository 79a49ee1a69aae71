"""What may be wrong with a Darwin Core archive: every code with its severity, meaning and fix.

Codes that GBIF has bear GBIF's name (its validator's evaluation types and its occurrence issues); the rest are ours.
An error is what GBIF or OBIS refuse, drop or get wrong; a warning is what they accept with a mark.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from kso_utils.core.report import Finding

if TYPE_CHECKING:
    from kso_utils.core.report import Report, Severity

MAX_ALIKE = 1000
"""So many findings of one code in one column of one file are kept; of the rest only the number is told."""

ONCE = frozenset({"MEASUREMENT_TYPE_ID_MISSING", "SCIENTIFIC_NAME_ID_MISSING"})
"""Codes that are about a kind of measurement or a name, not about a row: each is told once, at its first row."""


class Issue(NamedTuple):
    """What a code means."""

    severity: Severity
    meaning: str
    fix: str


ISSUES: dict[str, Issue] = {
    # The archive and its files.
    "DWCA_UNREADABLE": Issue(
        "error", "The archive is neither a folder nor a whole zip file.", "Make the archive again, or fetch it again."
    ),
    "DWCA_META_XML_NOT_FOUND": Issue(
        "error",
        "There is no meta.xml, which says what the files hold.",
        "Put meta.xml at the top of the archive: zip the files, not the folder around them.",
    ),
    "DWCA_META_XML_SCHEMA": Issue(
        "error", "meta.xml does not describe files as the Darwin Core text guide says.", "Correct meta.xml."
    ),
    "CORE_ROWTYPE_UNSUPPORTED": Issue(
        "error",
        "The core is neither a table of events nor of occurrences.",
        "Use an Event or Occurrence core; checklists (Taxon core) are not checked here.",
    ),
    "UNKNOWN_ROWTYPE": Issue(
        "warning",
        "A table is of a kind that is not known; only its structure is checked.",
        "Look whether the row type is spelled as its vocabulary spells it.",
    ),
    "FILE_NOT_FOUND": Issue(
        "error", "A file that meta.xml names is not in the archive.", "Add the file, or take it out of meta.xml."
    ),
    "FILE_NOT_DESCRIBED": Issue(
        "info", "A file in the archive is named nowhere in meta.xml.", "Describe it in meta.xml, or leave it out."
    ),
    "UNREADABLE_SECTION_ERROR": Issue(
        "error",
        "A part of a file cannot be read.",
        "Look at that line: quotation marks must be closed, and doubled inside a value.",
    ),
    "ENCODING_INVALID": Issue(
        "error",
        "Bytes are not text in the encoding that meta.xml names.",
        "Save the file as UTF-8, and say UTF-8 in meta.xml.",
    ),
    "NO_RECORDS": Issue("error", "The core has no rows.", "Look whether ignoreHeaderLines in meta.xml is right."),
    # Columns.
    "COLUMN_MISMATCH": Issue(
        "error",
        "A line has more or fewer columns than its file.",
        "Quote values that hold the delimiter or a line end; see whether meta.xml names the right delimiter.",
    ),
    "HEADER_MISMATCH": Issue(
        "error",
        "The header names another term than meta.xml does for the same column.",
        "Correct the index of the field in meta.xml.",
    ),
    "REQUIRED_TERM_MISSING": Issue(
        "error",
        "A term is not there, or has no value in any row, without which GBIF or OBIS do not take the data.",
        "Add the column with its values.",
    ),
    "RECOMMENDED_TERM_MISSING": Issue(
        "warning",
        "A term that GBIF or OBIS recommend is not there, or has no value in any row.",
        "Add the column with its values where they are known.",
    ),
    "UNKNOWN_TERM": Issue(
        "warning",
        "A term is in none of the known vocabularies; GBIF and OBIS leave it out.",
        "Spell the term as its vocabulary does.",
    ),
    "DUPLICATED_TERM": Issue("error", "A table has the same term twice.", "Take one of the two out of meta.xml."),
    # Identifiers and links.
    "RECORD_IDENTIFIER_NOT_FOUND": Issue(
        "error", "A row, or a whole table, has no identifier.", "Give every row an identifier that never changes."
    ),
    "RECORD_NOT_UNIQUELY_IDENTIFIED": Issue(
        "error", "Two rows of the core have the same identifier.", "Give each row an identifier of its own."
    ),
    "OCCURRENCE_NOT_UNIQUELY_IDENTIFIED": Issue(
        "error", "Two occurrences have the same occurrenceID.", "Give each occurrence an identifier of its own."
    ),
    "RECORD_REFERENTIAL_INTEGRITY_VIOLATION": Issue(
        "error", "A row points to one that is not there.", "Correct the identifier, or add the row it points to."
    ),
    "PARENT_EVENT_CYCLE": Issue(
        "error", "An event is, by way of its parents, its own parent.", "Correct parentEventID along the way."
    ),
    "EVENT_RELIES_ON_PARENT": Issue(
        "error",
        "An event leaves its date or position to its parent; GBIF does not look there.",
        "Repeat eventDate, decimalLatitude and decimalLongitude on every event.",
    ),
    "REQUIRED_VALUE_EMPTY": Issue("error", "A cell is empty that must have a value.", "Fill in the cell."),
    # Places.
    "ZERO_COORDINATE": Issue(
        "error",
        "Latitude and longitude are both 0.",
        "Give the true position; where it is not known, leave both cells empty.",
    ),
    "COORDINATE_OUT_OF_RANGE": Issue(
        "error",
        "A latitude is beyond 90 degrees, or a longitude beyond 180.",
        "Give decimal degrees: south and west are negative.",
    ),
    "COORDINATE_INVALID": Issue(
        "error",
        "A coordinate is no number, or stands without the other one.",
        "Give both in decimal degrees with a point, as 58.8791.",
    ),
    "PRESUMED_SWAPPED_COORDINATE": Issue("error", "Latitude and longitude seem to be swapped.", "Swap the two values."),
    "COORDINATE_UNCERTAINTY_METERS_INVALID": Issue(
        "error",
        "The uncertainty of the position is no number of metres above 0 and below 5,000,000.",
        "Give metres, or leave the cell empty.",
    ),
    "COORDINATE_PRECISION_INVALID": Issue(
        "warning",
        "The precision of the coordinates is no number of degrees above 0 and up to 1.",
        "Give degrees, as 0.0001, or leave the cell empty.",
    ),
    "GEODETIC_DATUM_INVALID": Issue("warning", "The geodetic datum is not known.", "Give WGS84 or EPSG:4326."),
    "GEODETIC_DATUM_ASSUMED_WGS84": Issue(
        "info", "A position has no geodetic datum; it is read as WGS84.", "Fill in geodeticDatum."
    ),
    "COUNTRY_INVALID": Issue(
        "error",
        "countryCode is no code of ISO 3166-1 alpha-2.",
        "Give two letters, as SE; XZ for waters of no country.",
    ),
    "DEPTH_NON_NUMERIC": Issue("error", "A depth is no number.", "Give metres below the surface, without the unit."),
    "DEPTH_MIN_MAX_SWAPPED": Issue("error", "The smallest depth is larger than the largest.", "Swap the two values."),
    "DEPTH_UNLIKELY": Issue(
        "warning",
        "A depth is negative or beyond 11,000 m.",
        "Give metres below the surface as positive numbers.",
    ),
    # Times.
    "RECORDED_DATE_INVALID": Issue(
        "error",
        "eventDate is no date, time or interval of ISO 8601.",
        "Write 2016-05-21, 2016-05-21T09:30:00Z or 2016-05-21/2016-05-23.",
    ),
    "RECORDED_DATE_UNLIKELY": Issue("warning", "eventDate lies before 1600 or in the future.", "Correct the date."),
    "RECORDED_DATE_MISMATCH": Issue(
        "warning", "year, month or day contradict eventDate.", "Correct one of them, or leave the three out."
    ),
    "IDENTIFIED_DATE_INVALID": Issue("warning", "dateIdentified is no date of ISO 8601.", "Write it as 2016-05-21."),
    "MODIFIED_DATE_INVALID": Issue("warning", "modified is no date of ISO 8601.", "Write it as 2016-05-21."),
    # What was seen.
    "BASIS_OF_RECORD_INVALID": Issue(
        "error",
        "basisOfRecord is not of Darwin Core's list.",
        "Write MachineObservation for what a camera took, HumanObservation for what a person saw on the spot.",
    ),
    "OCCURRENCE_STATUS_UNPARSABLE": Issue(
        "error", "occurrenceStatus is neither present nor absent.", "Write present or absent."
    ),
    "INDIVIDUAL_COUNT_INVALID": Issue(
        "error", "individualCount is no whole number from 0 on.", "Give a whole number, or use organismQuantity."
    ),
    "INDIVIDUAL_COUNT_CONFLICTS_WITH_OCCURRENCE_STATUS": Issue(
        "error", "An absent taxon is counted, or a present one 0 times.", "Correct the count or the status."
    ),
    "TAXON_MATCH_NONE": Issue(
        "error",
        "scientificName is no name of a taxon.",
        "Give a scientific name; leave out what is no organism.",
    ),
    "SCIENTIFIC_NAME_ID_MISSING": Issue(
        "warning",
        "A name has no scientificNameID; OBIS then matches it by its spelling.",
        "Match the names to WoRMS (kso taxa) and give its LSID.",
    ),
    "SCIENTIFIC_NAME_ID_INVALID": Issue(
        "error",
        "scientificNameID is no LSID.",
        "Give the LSID of WoRMS, as urn:lsid:marinespecies.org:taxname:126436.",
    ),
    "SAMPLE_SIZE_INVALID": Issue(
        "error",
        "sampleSizeValue is no number above 0, or stands without sampleSizeUnit, or the unit without it.",
        "Give both: 300 and second.",
    ),
    # Measurements and media.
    "MEASUREMENT_TYPE_ID_MISSING": Issue(
        "info",
        "A kind of measurement has no measurementTypeID; only its name says what it measures.",
        "Give the address of the concept where a vocabulary, as NERC P01, has it.",
    ),
    "MEASUREMENT_ID_INVALID": Issue(
        "warning",
        "An identifier of a measurement's type, value or unit is no address.",
        "Give the whole address, as http://vocab.nerc.ac.uk/collection/P06/current/UTBB/.",
    ),
    "MULTIMEDIA_URI_INVALID": Issue(
        "warning",
        "The place of a medium is no address on the web; nobody can follow it.",
        "Give the whole address, with https://.",
    ),
    "MULTIMEDIA_DATE_INVALID": Issue(
        "warning", "The date of a medium is no date of ISO 8601.", "Write it as 2016-05-21T09:30:00Z."
    ),
    "REGION_INVALID": Issue(
        "error",
        "A region of interest does not lie within its medium.",
        "Give fractions of the picture from 0 to 1, and seconds with the end after the start.",
    ),
    # The document about the dataset.
    "EML_NOT_FOUND": Issue(
        "error",
        "There is no document that describes the dataset.",
        'Add eml.xml, and name it in meta.xml: <archive metadata="eml.xml">.',
    ),
    "EML_GBIF_SCHEMA": Issue(
        "error", "The document about the dataset is not EML that can be read.", "Correct the document."
    ),
    "TITLE_MISSING_OR_TOO_SHORT": Issue(
        "warning", "The title of the dataset has fewer than 10 letters.", "Give a title that says what, where and when."
    ),
    "DESCRIPTION_MISSING_OR_TOO_SHORT": Issue(
        "warning", "The description of the dataset has fewer than 25 letters.", "Describe what was done, and why."
    ),
    "LICENSE_MISSING_OR_UNKNOWN": Issue(
        "error",
        "The licence is none of CC0 1.0, CC-BY 4.0 and CC-BY-NC 4.0.",
        "Name one of the three in intellectualRights, with its address.",
    ),
    "RESOURCE_CONTACTS_MISSING_OR_INCOMPLETE": Issue(
        "warning",
        "The dataset has no contact with a name and an e-mail address.",
        "Name a contact with surname or organisation, and an e-mail address.",
    ),
    "RESOURCE_CREATOR_MISSING_OR_INCOMPLETE": Issue(
        "warning",
        "The dataset has no creator, or one without a name.",
        "Name each creator with given name and surname, or as an organisation.",
    ),
}
"""Code -> severity, meaning and fix."""


class Findings:
    """Adds findings to a report, but not endlessly many of one kind.

    Parameters
    ----------
    report
        Where they go.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._counts: Counter[tuple[str, str | None, str]] = Counter()
        self._told: set[tuple[str, str]] = set()

    def add(
        self, code: str, file: str, message: str, *, line: int | None = None, column: str | None = None, value: str = ""
    ) -> None:
        """Add one finding, unless there are `MAX_ALIKE` of its kind already, or it is told once and was."""
        if code in ONCE:
            if (file, message) in self._told:
                return
            if len(self._told) < MAX_ALIKE:
                self._told.add((file, message))
        kind = (file, column, code)
        self._counts[kind] += 1
        if self._counts[kind] <= MAX_ALIKE:
            issue = ISSUES[code]
            self._report.add(Finding(file, line, column, code, issue.severity, value[:200], message, issue.fix))

    def finish(self) -> None:
        """Add how many findings were left out, one finding a kind."""
        for (file, column, code), count in self._counts.items():
            if count > MAX_ALIKE:
                issue = ISSUES[code]
                message = f"The same on {count - MAX_ALIKE} further lines, which are not listed."
                self._report.add(Finding(file, None, column, code, issue.severity, "", message, issue.fix))
