"""CSV files of sites, movies, species, surveys and photos, read as people write them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.core.errors import ConfigError, MetadataError, NotFound
from kso_utils.core.paths import inside
from kso_utils.metadata.sheets import load_sheet
from kso_utils.metadata.terms import TABLES, Column, Table, known_headers
from kso_utils.metadata.values import to_flags, to_iso_dates, to_numbers, to_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kso_utils.metadata.values import Cells

ISO_DATES = "YYYY-MM-DD"
LINE = "line"
"""The name of the index of a loaded table: the line of the file, where the header is line 1."""


def load_tables(
    folder: str | Path,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    files: Mapping[str, str] | None = None,
    dates: str | None = None,
) -> dict[str, pd.DataFrame]:
    """Read the tables of a project from CSV files.

    A table is found by the stem of its file: `movies.csv`, `movies_reef.csv`, `reef_movies.csv`. Files may be
    UTF-8 or, with a finding later on, Windows-1252; separated by commas, semicolons or tabs. Text is stripped and
    normalised (NFC), known headers become this software's columns, other columns stay as text. A value that cannot
    be read as its column's kind stays in the table as text, for `check_tables` to report.

    Parameters
    ----------
    folder
        Where the files are.
    columns
        Table -> {header in the file: column}, for headers that are not known.
    files
        Table -> file name in the folder, where the stem does not tell.
    dates
        How dates are written (`DD/MM/YYYY`); ISO 8601 by default, and always understood.

    Returns
    -------
    dict
        Table -> DataFrame, only of the files that there are. The index `line` is the line of the file as a
        spreadsheet counts it. Numbers are float64 (`id` and other whole ones Int64), flags boolean, all else text;
        a column with an unreadable value is `object`. `attrs` holds `file`, `encoding` and `headers` (column -> header
        in the file).

    Raises
    ------
    NotFound
        If the folder, a named file, or every table is missing.
    MetadataError
        If a file is empty, binary, ragged or without a known header, or two files could be the same table.
    ConfigError
        If `columns`, `files` or `dates` name what does not exist.
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
    renames = columns or {}
    return {name: _load(found[name], TABLES[name], renames.get(name, {}), dates) for name in TABLES if name in found}


def _find_files(folder: Path, files: Mapping[str, str]) -> dict[str, Path]:
    there = sorted(p for p in folder.iterdir() if p.suffix.lower() == ".csv" and p.name[0] != "." and p.is_file())
    found: dict[str, Path] = {}
    for name in TABLES:
        if name in files:
            found[name] = inside(folder, files[name])
            if not found[name].is_file():
                raise NotFound(
                    f"There is no file {found[name]} for the table {name}. Correct its name in the settings."
                )
            continue
        candidates = [p for p in there if _is_stem(p.stem.lower(), name)]
        if len(candidates) > 1:
            listed = " and ".join(p.name for p in candidates)
            raise MetadataError(
                f"Several files in {folder} could be the table {name}: {listed}. "
                f'Say which one: files = {{ {name} = "{candidates[0].name}" }} in the settings, or remove the others.'
            )
        if candidates:
            found[name] = candidates[0]
    return found


def _is_stem(stem: str, name: str) -> bool:
    return stem == name or stem.startswith(f"{name}_") or stem.endswith(f"_{name}")


def _load(path: Path, table: Table, renames: Mapping[str, str], dates: str | None) -> pd.DataFrame:
    sheet = load_sheet(path)
    names = _name_columns(sheet.header, table, renames, path)
    frame = pd.DataFrame(sheet.rows, columns=names, index=pd.Index(sheet.lines, name=LINE), dtype="str")
    typed = {name: _convert(frame[name], table.column(name), dates) for name in names}
    result = pd.DataFrame(typed, index=frame.index)
    headers = dict(zip(names, sheet.header, strict=True))
    result.attrs = {"file": path.name, "encoding": sheet.encoding, "headers": headers}
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
    for written in header:
        name = given.get(written) or known_names.get(written.casefold(), written)
        # A header that the project gives to another column is not also taken for this one.
        names.append(written if written not in given and name in given.values() else name)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        both = " and ".join(repr(h) for h, n in zip(header, names, strict=True) if n == twice[0])
        raise MetadataError(f"{path}: the headers {both} both name the column {twice[0]!r}. Rename or remove one.")
    if not any(table.column(name) for name in names):
        known = ", ".join(table.template or [c.name for c in table.columns])
        raise MetadataError(
            f"{path} has no known column; it has: {', '.join(header)}. A table {table.name} has: {known}."
        )
    return names


def _convert(cells: Cells, column: Column | None, dates: str | None) -> Cells:
    text = to_text(cells)
    if column is None or column.kind in ("text", "country", "datum"):
        return text
    if column.kind == "date":
        return to_iso_dates(text, dates) if dates and dates != ISO_DATES else text
    read: Cells = to_flags(text) if column.kind == "flag" else to_numbers(text)
    if not (read.isna() & text.notna()).any():
        whole = column.kind == "integer" and bool((read.dropna() % 1 == 0).all())
        return read.astype("Int64") if whole else read
    return text.astype("object").mask(read.notna(), read.astype("object"))
