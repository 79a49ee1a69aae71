"""Files of sites, movies, species, surveys and photos, read as people write them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.core.clock import find_zone
from kso_utils.core.errors import ConfigError, MetadataError, NotFound
from kso_utils.core.paths import find_inside
from kso_utils.metadata.renames import apply_renames
from kso_utils.metadata.sheets import OTHER_SUFFIXES, SUFFIXES, load_sheet
from kso_utils.metadata.terms import TABLES, Column, Table, known_headers
from kso_utils.metadata.values import (
    to_flags,
    to_iso_dates,
    to_numbers,
    to_point_decimals,
    to_text,
    to_zoned_times,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from kso_utils.metadata.values import Cells

ISO_DATES = "YYYY-MM-DD"
LINE = "line"
"""The name of the index of a loaded table: the line of the file, where the header is line 1."""


@dataclass(frozen=True, slots=True)
class _Habits:
    """How values are written: the pattern of dates, the decimal sign, the zone of clocks."""

    dates: str | None
    decimal: str
    zone: ZoneInfo | None


def load_tables(
    folder: str | Path,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    files: Mapping[str, str] | None = None,
    dates: str | None = None,
    decimal: str = ".",
    time_zone: str | None = None,
    renames: str | None = None,
) -> dict[str, pd.DataFrame]:
    """Read the tables of a project from CSV files and Excel workbooks.

    A table is found by the stem of its file: `movies.csv`, `movies_reef.xlsx`, `reef_movies.tsv`. CSV files may be
    UTF-8, UTF-16 or, with a finding later on, Windows-1252; separated by commas, semicolons or tabs. Text is stripped
    and normalised (NFC), known headers become this software's columns, other columns stay as text. A value that
    cannot be read as its column's kind stays in the table as text, for `check_tables` to report.

    Parameters
    ----------
    folder
        Where the files are.
    columns
        Table -> {header in the file: column}, for headers that are not known.
    files
        Table -> file name in the folder, where the stem does not tell; `survey.xlsx#Sheet2` names a sheet.
    dates
        How dates are written (`DD/MM/YYYY`), a time of day may follow; ISO 8601 by default, and always understood.
    decimal
        `","` where numbers have a decimal comma. A comma is read without it too, with a finding, where it is certain.
    time_zone
        The zone of the clocks (`Europe/Stockholm`): its offset is added to times of day that have none.
    renames
        File in the folder with the columns OLD and NEW: names of movies that were replaced.

    Returns
    -------
    dict
        Table -> DataFrame, only of the files that there are. The index `line` is the line of the file as a
        spreadsheet counts it. Numbers are float64 (`id` and other whole ones Int64), flags boolean, all else text;
        a column with an unreadable value is `object`. `attrs` holds `file`, `encoding`, `headers` (column -> header
        in the file), `decimal_commas` (column -> line and value of the first, and their number) and, where given,
        `time_zone`, `old_names` and `unknown_renames`.

    Raises
    ------
    NotFound
        If the folder, a named file, or every table is missing.
    MetadataError
        If a file is empty, binary, ragged or without a known header, or two files could be the same table.
    ConfigError
        If a setting names what does not exist.
    """
    place = Path(folder)
    if not place.is_dir():
        raise NotFound(f"There is no folder {place}. Give the folder that holds the tables.")
    for setting in (columns or {}, files or {}):
        unknown = sorted(set(setting) - set(TABLES))
        if unknown:
            raise ConfigError(f"There is no table {unknown[0]!r}. Tables are: {', '.join(TABLES)}.")
    found = _find_files(place, files or {})
    if not found:
        names = ", ".join(f"{name}.csv" for name in ("sites", "movies", "species"))
        raise NotFound(f"There are no tables in {place}. Put {names} there, or name the files in the settings.")
    habits = _Habits(dates, decimal, find_zone(time_zone) if time_zone else None)
    tables = {
        name: _load(*found[name], TABLES[name], (columns or {}).get(name, {}), habits)
        for name in TABLES
        if name in found
    }
    if renames:
        listed = find_inside(place, renames)
        if not listed.is_file():
            raise NotFound(f"There is no file {listed} of renamed movies. Correct its name in the settings.")
        if "filename" in tables.get("movies", ()):
            tables["movies"] = apply_renames(tables["movies"], listed)
    return tables


def _find_files(folder: Path, files: Mapping[str, str]) -> dict[str, tuple[Path, str | None]]:
    """Return the file of each table, and the sheet where the settings name one."""
    there = [p for p in sorted(folder.iterdir()) if p.is_file() and not p.name.startswith((".", "~$"))]
    found: dict[str, tuple[Path, str | None]] = {}
    for name in TABLES:
        if name in files:
            found[name] = _named_file(folder, name, files[name])
            continue
        alike = [p for p in there if _is_stem(p.stem.lower(), name)]
        candidates = [p for p in alike if p.suffix.lower() in SUFFIXES]
        # A file of another kind is taken only to say that it is not read.
        candidates = candidates or [p for p in alike if p.suffix.lower() in OTHER_SUFFIXES][:1]
        if len(candidates) > 1:
            listed = " and ".join(p.name for p in candidates)
            raise MetadataError(
                f"Several files in {folder} could be the table {name}: {listed}. "
                f'Say which one: files = {{ {name} = "{candidates[0].name}" }} in the settings, or remove the others.'
            )
        if candidates:
            found[name] = (candidates[0], None)
    return found


def _named_file(folder: Path, name: str, setting: str) -> tuple[Path, str | None]:
    path, sheet = find_inside(folder, setting), ""
    if not path.is_file() and "#" in setting:
        file, _, sheet = setting.rpartition("#")
        path = find_inside(folder, file)
        if path.suffix.lower() != ".xlsx":
            raise ConfigError(f"{setting!r} names a sheet, but only .xlsx files have sheets. Name the file alone.")
    if not path.is_file():
        raise NotFound(f"There is no file {path} for the table {name}. Correct its name in the settings.")
    return path, sheet or None


def _is_stem(stem: str, name: str) -> bool:
    return stem == name or stem.startswith(f"{name}_") or stem.endswith(f"_{name}")


def _load(
    path: Path, sheet_name: str | None, table: Table, renames: Mapping[str, str], habits: _Habits
) -> pd.DataFrame:
    sheet = load_sheet(path, sheet_name)
    names = _name_columns(sheet.header, table, renames, path)
    index = pd.Index(sheet.lines, name=LINE)
    typed, commas = {}, {}
    for place, name in enumerate(names):
        cells: Cells = pd.Series([row[place] for row in sheet.rows], index=index, dtype="str")
        column = table.column(name)
        if column is not None and column.kind == "number":
            cells, changed = to_point_decimals(cells, habits.decimal)
            if changed.any() and habits.decimal != ",":
                first = int(changed.to_numpy().argmax())
                commas[name] = (sheet.lines[first], sheet.rows[first][place], int(changed.sum()))
        typed[name] = _convert(cells, column, habits)
    result = pd.DataFrame(typed, index=index)
    headers = dict(zip(names, sheet.header, strict=True))
    result.attrs = {"file": path.name, "encoding": sheet.encoding, "headers": headers, "decimal_commas": commas}
    if habits.zone is not None:
        result.attrs["time_zone"] = habits.zone.key
    return result


def _name_columns(header: list[str], table: Table, renames: Mapping[str, str], path: Path) -> list[str]:
    """Return this software's name of each header; the project's own map comes before the known headers."""
    lost = sorted(set(renames) - set(header))
    if lost:
        raise ConfigError(f"{path} has no column {lost[0]!r}, which the settings rename. It has: {', '.join(header)}.")
    known_names = known_headers(table)
    given = {written: known_names.get(target.casefold(), "") for written, target in renames.items()}
    if not all(given.values()):
        wrong = next(renames[written] for written, target in given.items() if not target)
        known = ", ".join(c.name for c in table.columns)
        raise ConfigError(f"The table {table.name} has no column {wrong!r}. Columns are: {known}.")
    names = []
    for place, written in enumerate(header, 1):
        if not written:
            names.append(f"column_{place}")
            continue
        name = given.get(written) or known_names.get(written.casefold(), written)
        # A header that the project gives to another column is not also taken for this one.
        names.append(written if written not in given and name in given.values() else name)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        both = " and ".join(repr(h) for h, n in zip(header, names, strict=True) if n == twice[0])
        raise MetadataError(
            f"{path}, line 1: the headers {both} both name the column {twice[0]!r}. Rename or remove one."
        )
    if not any(table.column(name) for name in names):
        known = ", ".join(table.template or [c.name for c in table.columns])
        raise MetadataError(
            f"{path} has no known column; it has: {', '.join(header)}. A table {table.name} has: {known}."
        )
    return names


def _convert(cells: Cells, column: Column | None, habits: _Habits) -> Cells:
    text = to_text(cells)
    if column is None or column.kind in ("text", "country", "datum", "names"):
        return text
    if column.kind == "date":
        dates = to_iso_dates(text, habits.dates) if habits.dates and habits.dates != ISO_DATES else text
        return to_zoned_times(dates, habits.zone) if habits.zone else dates
    read: Cells = to_flags(text) if column.kind == "flag" else to_numbers(text)
    if not (read.isna() & text.notna()).any():
        whole = column.kind == "integer" and bool((read.dropna() % 1 == 0).all())
        return read.astype("Int64") if whole else read
    return text.astype("object").mask(read.notna(), read.astype("object"))
