"""Subjects as a table for people and for Zooniverse's own import (`subject_set_imports`)."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import ConfigError
from kso_utils.core.paths import write_atomic
from kso_utils.zooniverse.delivery.media_checks import mime_of
from kso_utils.zooniverse.subjects import KEY, key_subject, plain

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 10_000
"""How many rows Zooniverse takes in from one manifest."""

_LOCATION = "location:1"
_METADATA = "metadata:"


def write_manifest(subjects: pd.DataFrame, subject_set: str, project_id: int | str, path: str | Path) -> None:
    """Write subjects as a CSV file, each once, whole or not at all.

    The columns are `external_id` (the key), `location:1` (the address; of a file its path relative to the manifest),
    `mime`, `bytes`, `sha256`, and `metadata:<name>` for each name, `metadata:#kso_key` among them. Values that are no
    text are JSON. Zooniverse's import reads `external_id`, `location:` and `metadata:` and passes over the others.

    Parameters
    ----------
    subjects
        As `plan_subjects` gives them.
    subject_set, project_id
        Where they are to go.
    path
        The file.

    Raises
    ------
    ConfigError
        If a name in the metadata holds a colon, which the import would cut off.
    """
    target = Path(path)
    rows: dict[str, dict[str, Any]] = {}
    names: dict[str, None] = {}
    for row in subjects.to_dict("records"):
        key = key_subject(row, subject_set, project_id)
        metadata = {**row["metadata"], KEY: key}
        names |= dict.fromkeys(metadata)
        rows[key] = {"external_id": key, **_describe(row, target.parent)} | {
            _METADATA + name: as_text(value) for name, value in metadata.items()
        }
    if bad := [name for name in names if ":" in name]:
        raise ConfigError(f"The name {bad[0]!r} in the metadata holds a colon. Give it another name in project.toml.")
    columns = ["external_id", _LOCATION, "mime", "bytes", "sha256", *(_METADATA + name for name in names)]
    target.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())


def read_places(path: str | Path) -> dict[str, str]:
    """Return where each subject of a manifest lies, by its key.

    Raises
    ------
    ConfigError
        If it is no manifest.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as handle:
            return {row["external_id"]: row[_LOCATION] for row in csv.DictReader(handle)}
    except (KeyError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is no manifest: it lacks external_id or {_LOCATION}. Write it anew.") from error


def _describe(row: dict[Any, Any], folder: Path) -> dict[str, Any]:
    url, sha256 = plain(row.get("url")), plain(row.get("sha256")) or ""
    if url is not None:
        return {_LOCATION: url, "mime": mime_of(url), "bytes": "", "sha256": sha256}
    file = Path(row["path"])
    place = Path(os.path.relpath(file, folder)).as_posix()
    return {_LOCATION: place, "mime": mime_of(file), "bytes": file.stat().st_size, "sha256": sha256}


def as_text(value: Any) -> str:
    """Return a value of the metadata as a manifest holds it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
