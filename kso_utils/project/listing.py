"""`projects_list.csv`: the table of projects that KSO users know, read into settings."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from kso_utils.core.errors import ConfigError
from kso_utils.project.settings import ArchiveSettings, Settings, TableSettings, ZooniverseSettings, require_store

FILE_NAME = "projects_list.csv"
_NAME = "Project_name"


@dataclass(frozen=True, slots=True)
class ListedProject:
    """One row of a list: the folder of the project, its store (a file, or a database's address) and its settings."""

    folder: Path
    store: Path | str | None
    settings: Settings


def find_list(start: Path) -> Path | None:
    """Return the nearest `projects_list.csv`: in `start` or the first folder above that holds one."""
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    return None


def load_list(path: str | Path) -> dict[str, ListedProject]:
    """Read a `projects_list.csv`.

    Paths in it are relative to the file. The word `None` stands for an empty cell. A bucket is kept as an
    `s3://bucket/key` archive.

    Raises
    ------
    ConfigError
        If the file has no column `Project_name`, names a project twice, holds a number that is none, or
        is not CSV text.
    """
    file = Path(path)
    try:
        with file.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle)
            if _NAME not in (reader.fieldnames or []):
                raise ConfigError(f"{file} has no column {_NAME}; it is not a list of projects.")
            return _read_rows(reader, file)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{file} is not a CSV file in UTF-8. Save it as one.") from error


def _read_rows(reader: csv.DictReader[str], file: Path) -> dict[str, ListedProject]:
    projects: dict[str, ListedProject] = {}
    for row in reader:
        values = {k: "" if v is None or v.strip() == "None" else v.strip() for k, v in row.items() if k}
        name = values[_NAME]
        if not name or name in projects:
            raise ConfigError(f"{file}, line {reader.line_num}: the project name {name!r} is empty or occurs twice.")
        projects[name] = _read_row(values, file, reader.line_num)
    return projects


def _read_row(values: dict[str, str], file: Path, line: int) -> ListedProject:
    number = values.get("Zooniverse_number") or "0"
    if not number.isdecimal():
        raise ConfigError(f"{file}, line {line}: Zooniverse_number is {number!r}; give the number of the project.")
    folder = (file.parent / (values.get("csv_folder") or values[_NAME])).resolve()
    url = str((file.parent / values["movie_folder"]).resolve()) if values.get("movie_folder") else "movies"
    if values.get("bucket"):
        url = f"s3://{values['bucket']}/{values.get('key', '')}".rstrip("/")
    address = values.get("db_path") or ""
    require_store(address, f"{file}, line {line}: db_path")
    store = address if "://" in address else (file.parent / address).resolve() if address else None
    settings = Settings(
        name=values[_NAME],
        tables=TableSettings(),
        archive=ArchiveSettings(url),
        zooniverse=ZooniverseSettings(project_id=int(number)),
    )
    return ListedProject(folder, store, settings)
