"""Are the tables right? Every check is a small function, registered with what it means and what to do about it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.core.clock import utc_now
from kso_utils.core.report import Report
from kso_utils.metadata.footage import DURATION_TOLERANCE_S, match_footage
from kso_utils.metadata.rules import CHECKS, Hit, check, each_column, hits, lines
from kso_utils.metadata.taxa import find_taxa, label_species
from kso_utils.metadata.terms import COUNTRIES, DATUMS, MOVIES, NON_TAXON_LABELS, SITES, TABLES
from kso_utils.metadata.values import (
    is_empty,
    is_mark,
    is_placeholder,
    known_numbers,
    read_days,
    to_flags,
    to_numbers,
    to_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kso_utils.metadata.rules import Tables
    from kso_utils.metadata.terms import Table
    from kso_utils.metadata.values import Cells

_MAIN_TABLES = ("sites", "movies", "species")
_FIRST_FOOTAGE = date(1850, 1, 1)
_WINDOW_TOLERANCE_S = 0.05


def check_tables(tables: Mapping[str, pd.DataFrame], footage: pd.DataFrame | None = None) -> Report:
    """Run every check.

    Parameters
    ----------
    tables
        Table -> rows, as `load_tables` gives them or made otherwise with the same columns.
    footage
        The files that there are, one row each: `filename` and any of `fps_num`, `fps_den`, `duration_s`, `error`
        (a text, where the file could not be read). Without it, nothing is said about files.

    Returns
    -------
    Report
        Findings with the line of the file; an `error` would make the store wrong, a `warning` is suspicious or
        cannot be published.
    """
    known = {name: tables[name] for name in TABLES if name in tables}
    report = Report("Tables")
    for rule in CHECKS.values():
        report.extend(rule.run(known, footage))
    return report


@check(
    "TABLE_MISSING",
    "warning",
    "One of the tables sites, movies and species is not there.",
    "Add the table, or name its file in the settings.",
)
def _table_missing(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for name in _MAIN_TABLES:
        if name not in tables:
            yield Hit(name, None, None, "", f"There is no table of {name}.")


@check(
    "FILE_NOT_UTF8",
    "warning",
    "The file is not UTF-8; it was read as Windows-1252, which may have changed letters.",
    "Save it as CSV UTF-8 and look at names with letters such as å, ä, ö.",
)
def _file_not_utf8(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for name, frame in tables.items():
        if frame.attrs.get("encoding", "utf-8") != "utf-8":
            yield Hit(name, None, None, str(frame.attrs["encoding"]), f"{frame.attrs.get('file', name)} is not UTF-8.")


@check(
    "REQUIRED_COLUMN_MISSING",
    "error",
    "A column is missing without which no row can be stored.",
    "Add the column, or say in the settings which header stands for it.",
)
def _required_column(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _missing_columns(tables, "required")


@check(
    "RECOMMENDED_COLUMN_MISSING",
    "warning",
    "A column is missing without which observations cannot be published.",
    "Add the column, or say in the settings which header stands for it.",
)
def _recommended_column(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _missing_columns(tables, "recommended")


def _missing_columns(tables: Tables, need: str) -> Iterator[Hit]:
    for name, frame in tables.items():
        for column in TABLES[name].columns:
            if column.need == need and column.name not in frame:
                also = f" (or {' or '.join(column.headers)})" if column.headers else ""
                yield Hit(name, None, column.name, "", f"There is no column {column.name}{also}.")


@check(
    "REQUIRED_VALUE_MISSING",
    "error",
    "A cell is empty that identifies the row or the site it belongs to.",
    "Fill in the cell, or remove the row.",
)
def _required_value(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables):
        if column.need == "required":
            wrong = is_empty(frame[column.name]) | is_mark(frame[column.name])
            yield from hits(table.name, frame, column.name, wrong, "{column} has no value.")


@check(
    "RECOMMENDED_VALUE_MISSING",
    "warning",
    "A cell is empty without which observations of this row cannot be published.",
    "Fill in the cell if the value is known.",
)
def _recommended_value(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables):
        if column.need != "recommended":
            continue
        wrong = is_empty(frame[column.name])
        if table.name == "species" and "vernacularName" in frame:
            wrong &= ~label_species(frame).isin(NON_TAXON_LABELS)
        yield from hits(table.name, frame, column.name, wrong, "{column} has no value.")


@check(
    "PLACEHOLDER_VALUE",
    "warning",
    "A value only stands for one that is not known (NA, unknown, 99 frames a second).",
    "Give the true value, or leave the cell empty if it is not known.",
)
def _placeholder(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables):
        wrong = is_placeholder(frame[column.name], column)
        if column.need == "required":
            wrong &= ~is_mark(frame[column.name])
        yield from hits(table.name, frame, column.name, wrong, "{column} is {value}, which looks like a placeholder.")


@check(
    "NOT_A_NUMBER",
    "error",
    "A value is not a number, or not a whole one where it must be.",
    "Write digits with a decimal point, without unit.",
)
def _not_a_number(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "number", "integer"):
        if column.name == "id":
            continue
        cells = frame[column.name]
        numbers = to_numbers(cells)
        wrong = numbers.isna() & ~is_empty(cells) & ~is_placeholder(cells, column)
        if column.kind == "integer":
            wrong |= (numbers % 1).fillna(0).ne(0)
        yield from hits(table.name, frame, column.name, wrong, "{column} is {value}, which is not a number.")


@check("NOT_YES_OR_NO", "error", "A value is neither yes nor no.", "Write true or false.")
def _not_a_flag(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "flag"):
        cells = frame[column.name]
        wrong = to_flags(cells).isna() & ~is_empty(cells) & ~is_placeholder(cells, column)
        yield from hits(table.name, frame, column.name, wrong, "{column} is {value}, which is neither true nor false.")


@check(
    "DUPLICATE_KEY",
    "error",
    "Two rows have the same name in a column that identifies them.",
    "Remove one of the rows, or give it a name of its own.",
)
def _duplicate_key(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables):
        if column.name in (table.key, *table.unique):
            cells = to_text(frame[column.name]).mask(is_mark(frame[column.name]))
            yield from _repeated(table.name, frame, column.name, cells, "{column} {value} stands on line {_first} too.")


@check(
    "DUPLICATE_LABEL",
    "error",
    "Two names become the same label on Zooniverse, where only letters and digits count.",
    "Rename one of them.",
)
def _duplicate_label(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    species = tables.get("species")
    if species is None or "vernacularName" not in species:
        return
    names = to_text(species["vernacularName"])
    labels = label_species(species).mask(names.duplicated() | is_mark(names))
    yield from _repeated("species", species, "vernacularName", labels, "{value} has the same label as line {_first}.")
    blank = labels.eq("") & names.notna()
    yield from hits("species", species, "vernacularName", blank, "{value} holds no letter and no digit.")


@check(
    "DUPLICATE_SCIENTIFIC_NAME",
    "warning",
    "Two species have the same scientific name.",
    "Correct the name, or merge the two rows; otherwise their observations are counted apart.",
)
def _duplicate_scientific_name(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    species = tables.get("species")
    if species is None or not {"vernacularName", "scientificName"} <= set(species):
        return
    names = to_text(species["scientificName"]).str.lower().where(find_taxa(species))
    message = "{vernacularName} has the scientific name {value}, as line {_first} has."
    yield from _repeated("species", species, "scientificName", names, message)


def _repeated(table: str, frame: pd.DataFrame, column: str, cells: Cells, message: str) -> Iterator[Hit]:
    """Yield the rows whose cell (not empty) stands in an earlier row, whose line is `{_first}` in the message."""
    known = cells.notna() & cells.ne("")
    again = known & cells.duplicated()
    if again.any():
        numbers = pd.Series(lines(frame).to_numpy(), index=frame.index)
        first = dict(zip(cells[known & ~again], numbers[known & ~again], strict=True))
        yield from hits(table, frame.assign(_first=cells.map(first)), column, again, message)


@check(
    "ID_UNUSABLE",
    "warning",
    "The ids of a table are not unique whole numbers, so that new ones are given.",
    "Give every row a whole number of its own, or remove the column.",
)
def _id_unusable(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "integer"):
        if column.name == "id":
            ids = to_numbers(frame["id"])
            wrong = ids.isna() | (ids % 1).fillna(0).ne(0) | ids.le(0) | ids.duplicated()
            yield from hits(table.name, frame, "id", wrong, "{column} is {value}, empty, or stands on two lines.")


@check(
    "UNKNOWN_SITE",
    "error",
    "A movie or photo names a site that the table of sites does not have.",
    "Add the site, or correct its name; spelling and capitals count.",
)
def _unknown_site(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _unknown(tables, "locality", "sites", "locality")


@check(
    "UNKNOWN_SURVEY",
    "error",
    "A movie or photo names a survey that the table of surveys does not have.",
    "Add the survey, or correct its name.",
)
def _unknown_survey(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _unknown(tables, "parentEventID", "surveys", "eventID")


def _unknown(tables: Tables, column: str, target: str, key: str) -> Iterator[Hit]:
    there = tables.get(target)
    known = set(to_text(there[key]).dropna()) if there is not None and key in there else set()
    for name in ("movies", "photos"):
        if name in tables and column in tables[name]:
            cells = to_text(tables[name][column])
            wrong = cells.notna() & ~cells.isin(known) & ~is_mark(cells)
            yield from hits(
                name, tables[name], column, wrong, f"{{column}} is {{value}}, which is not among the {target}."
            )


def _positions(tables: Tables) -> tuple[pd.DataFrame, pd.Series[float], pd.Series[float]] | None:
    sites = tables.get("sites")
    if sites is None or not {"decimalLatitude", "decimalLongitude"} <= set(sites):
        return None
    return sites, to_numbers(sites["decimalLatitude"]), to_numbers(sites["decimalLongitude"])


@check(
    "COORDINATE_OUT_OF_RANGE",
    "error",
    "A latitude is not within -90 to 90, or a longitude not within -180 to 180.",
    "Give decimal degrees; look whether latitude and longitude were swapped.",
)
def _coordinate_range(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for _table, column, sites in each_column({k: v for k, v in tables.items() if k == "sites"}, "number"):
        limit = {"decimalLatitude": 90, "decimalLongitude": 180}.get(column.name)
        if limit:
            wrong = to_numbers(sites[column.name]).abs().gt(limit)
            yield from hits("sites", sites, column.name, wrong, "{column} is {value}, which is not on Earth.")


@check(
    "ZERO_COORDINATE",
    "error",
    "A site lies at latitude 0, longitude 0, in the Gulf of Guinea.",
    "Give its position; leave both empty if the position is unknown.",
)
def _zero_coordinate(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    if found := _positions(tables):
        sites, latitude, longitude = found
        wrong = latitude.eq(0) & longitude.eq(0)
        yield from hits("sites", sites, "decimalLatitude", wrong, "The site {locality} lies at (0, 0).")


@check(
    "COORDINATE_INCOMPLETE",
    "error",
    "A site has a latitude without a longitude, or the other way round.",
    "Give both; leave both empty if the position is unknown.",
)
def _coordinate_incomplete(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    sites = tables.get("sites", pd.DataFrame())
    pair = [c for c in ("decimalLatitude", "decimalLongitude") if c in sites]
    if not pair:
        return
    missing = [known_numbers(sites, SITES, name).isna() for name in pair]
    wrong = missing[0] != missing[1] if len(pair) == 2 else ~missing[0]
    yield from hits("sites", sites, pair[0], wrong, "The site has only one of latitude and longitude.")


@check(
    "COORDINATE_UNCERTAINTY_METERS_INVALID",
    "error",
    "The uncertainty of a position is not above 0 m.",
    "Give metres above 0, or leave it empty.",
)
def _uncertainty(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _not_positive(tables, SITES, "coordinateUncertaintyInMeters")


@check(
    "DEPTH_MIN_MAX_SWAPPED",
    "error",
    "The least depth of a site is more than its greatest.",
    "Swap the two; depths count downwards from the surface.",
)
def _depths(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    sites = tables.get("sites")
    if sites is not None and {"minimumDepthInMeters", "maximumDepthInMeters"} <= set(sites):
        wrong = to_numbers(sites["minimumDepthInMeters"]).gt(to_numbers(sites["maximumDepthInMeters"]))
        message = "{column} is {value}, more than maximumDepthInMeters {maximumDepthInMeters}."
        yield from hits("sites", sites, "minimumDepthInMeters", wrong, message)


@check(
    "GEODETIC_DATUM_INVALID",
    "warning",
    "The datum of a position is not one that is known.",
    "Write EPSG:4326 (which is WGS84, what GPS gives), or the EPSG code of the geographic system that was used.",
)
def _datum(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "datum"):
        cells = to_text(frame[column.name])
        wrong = cells.notna() & ~cells.str.upper().str.replace(r"[\s_-]", "", regex=True).isin(DATUMS)
        yield from hits(table.name, frame, column.name, wrong, "{column} is {value}, which is not a known datum.")


@check(
    "COUNTRY_INVALID",
    "error",
    "A country code is not one of the two-letter codes of ISO 3166.",
    "Write two capital letters (SE, NZ); leave it empty on the high seas.",
)
def _country(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "country"):
        cells = to_text(frame[column.name])
        wrong = cells.notna() & ~cells.isin(COUNTRIES)
        yield from hits(table.name, frame, column.name, wrong, "{column} is {value}, which is no country code.")


@check(
    "RECORDED_DATE_INVALID",
    "error",
    "A date is not a date of the calendar in ISO 8601 (2021-08-13, 2021-08-13T10:30:00Z).",
    'Write year-month-day, or say how dates are written in the settings (dates = "DD/MM/YYYY").',
)
def _date_invalid(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "date"):
        cells = to_text(frame[column.name])
        wrong = cells.notna() & cells.map(read_days, na_action="ignore").isna() & ~is_placeholder(cells, column)
        yield from hits(table.name, frame, column.name, wrong, "{column} is {value}, which is not a date in ISO 8601.")


@check(
    "RECORDED_DATE_UNLIKELY",
    "warning",
    "A date lies in the future, or before there were cameras.",
    "Look the date up; day and month may be swapped.",
)
def _date_unlikely(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    today = date.fromisoformat(utc_now()[:10])

    def unlikely(text: str) -> bool:
        days = read_days(text)
        return days is not None and (days[0] < _FIRST_FOOTAGE or days[0] > today)

    for table, column, frame in each_column(tables, "date"):
        wrong = to_text(frame[column.name]).map(unlikely, na_action="ignore").eq(True)
        yield from hits(
            table.name, frame, column.name, wrong, "{column} is {value}, when nothing can have been filmed."
        )


@check(
    "VALUE_NOT_POSITIVE",
    "error",
    "A frame rate or duration is 0 or less.",
    "Give the true value, or leave the cell empty: it is then read from the file.",
)
def _value_not_positive(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for column in ("fps", "duration_s"):
        yield from _not_positive(tables, MOVIES, column)


def _not_positive(tables: Tables, table: Table, column: str) -> Iterator[Hit]:
    frame = tables.get(table.name)
    if frame is not None and column in frame:
        wrong = known_numbers(frame, table, column).le(0)
        yield from hits(table.name, frame, column, wrong, "{column} is {value}; it must be above 0.")


def _window(movies: pd.DataFrame) -> tuple[pd.Series[float], pd.Series[float]]:
    start, end = (known_numbers(movies, MOVIES, name) for name in ("sampling_start_s", "sampling_end_s"))
    return start.fillna(0.0), end


@check(
    "SAMPLING_WINDOW_INVALID",
    "error",
    "A sampling window starts before the movie, or does not end after it starts.",
    "Give seconds since the start of the movie; leave both empty if the whole movie was sampled.",
)
def _window_invalid(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    start, end = _window(movies)
    if "sampling_start_s" in movies:
        yield from hits("movies", movies, "sampling_start_s", start.lt(0), "{column} is {value}, before the movie.")
    if "sampling_end_s" in movies:
        message = "{column} is {value}, not after the start of the sampling."
        yield from hits("movies", movies, "sampling_end_s", end.le(start), message)


@check(
    "SAMPLING_WINDOW_BEYOND_MOVIE",
    "error",
    "A sampling window reaches beyond the end of the movie.",
    "Correct the window or the duration.",
)
def _window_beyond(tables: Tables, footage: pd.DataFrame | None) -> Iterator[Hit]:
    movies = tables.get("movies", pd.DataFrame())
    start, end = _window(movies)
    listed = known_numbers(movies, MOVIES, "duration_s")
    found = match_footage(movies, footage)
    measured = found["duration_s"].astype("float64") if "duration_s" in found else listed
    limit = (listed + _WINDOW_TOLERANCE_S).fillna(measured + DURATION_TOLERANCE_S)
    message = "{column} is {value} s, which is beyond the end of the movie."
    if "sampling_start_s" in movies:
        yield from hits("movies", movies, "sampling_start_s", start.ge(listed) | start.ge(measured), message)
    if "sampling_end_s" in movies:
        yield from hits("movies", movies, "sampling_end_s", end.gt(limit), message)
