"""Whether a store is sound: its file, its references, and the files that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from kso_utils.core.report import Finding, Report
from kso_utils.store.migrations import HEAD, read_version
from kso_utils.store.schema import ModelArtifact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection


def check_store(connection: Connection, path: Path | None) -> Report:
    """Look through a store and report what is wrong with it.

    Parameters
    ----------
    connection
        A connection to it.
    path
        Its file, or None for another database, where only the version is looked at.
    """
    where = "The database" if path is None else str(path)
    report = Report(where)
    version = read_version(connection, where)
    if version != HEAD:
        report.add(
            Finding(
                "schema_version",
                None,
                "version_num",
                "SCHEMA_VERSION",
                "error",
                str(version),
                f"The store has schema version {version}, this software {HEAD}.",
                "Open it for writing once.",
            )
        )
    if path is not None:
        report.extend(_damage(connection))
        report.extend(_broken_references(connection))
        report.extend(_missing_files(connection, path.absolute().parent))
    return report


def damaged(said: str) -> Finding:
    """Return the finding for a damaged file, with what SQLite said of it."""
    message, fix = f"The file is damaged: {said}", "Restore it from a copy."
    return Finding("store", None, None, "STORE_DAMAGED", "error", said, message, fix)


def _damage(connection: Connection) -> Iterator[Finding]:
    for (said,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if said != "ok":
            yield damaged(said)


def _broken_references(connection: Connection) -> Iterator[Finding]:
    for table, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield Finding(
            table,
            None,
            None,
            "REFERENCE_BROKEN",
            "error",
            str(row),
            f"The row with rowid {row} points to a row of {parent} that is not there.",
            f"Restore the row of {parent}, or remove this one.",
        )


def _missing_files(connection: Connection, folder: Path) -> Iterator[Finding]:
    for name in connection.scalars(select(ModelArtifact.path).order_by(ModelArtifact.id)):
        if not (folder / name).exists():
            yield Finding(
                "model_artifacts",
                None,
                "path",
                "FILE_MISSING",
                "error",
                name,
                f"The file {name} of a model run is not there.",
                f"Put it back into {folder}, or run that step again.",
            )
