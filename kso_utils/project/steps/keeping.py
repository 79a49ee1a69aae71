"""Copies of a project's store, and the way back to one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kso_utils.project.opening import STORE_NAME
from kso_utils.store.backups import backup_name, restore_backup

if TYPE_CHECKING:
    from kso_utils.project.opening import Project

BACKUPS = "backups"


def clean_up(project: Project) -> list[str]:
    """Remove from the project's archive what copies into it left that were interrupted more than a week ago.

    Returns
    -------
    list of str
        The names of the files that those copies were to be, or of what they left.

    Raises
    ------
    ArchiveError
        If the archive cannot be asked, or does not allow it.
    """
    return project.archive.clean_up()


def back_up(project: Project, path: str | Path | None = None) -> Path:
    """Copy the project's store, as it is now, into a new file; others may go on writing to it.

    Parameters
    ----------
    project
        The project. Its tables, footage and products are files already, and not copied.
    path
        The copy, by default `backups/kso-<UTC time>.db` in the project's folder.

    Raises
    ------
    StoreError
        If there is such a file, it cannot be written, or a database server keeps the store.
    IntegrityFailed
        If the store is damaged.
    """
    name = project.store.path.name if project.store.path else STORE_NAME
    return project.store.backup(project.folder / BACKUPS / backup_name(name) if path is None else path)


def restore(project: Project, path: str | Path, replace: bool = False) -> Path | None:
    """Put a copy of the store into its place; a store that is there is kept under another name.

    Parameters
    ----------
    project
        The project; its store is closed.
    path
        The copy.
    replace
        Put aside the store that is there.

    Returns
    -------
    Path or None
        The store that was put aside.

    Raises
    ------
    StoreError
        If the copy is damaged or none, or there is a store already and `replace` is not given.
    """
    project.close()
    return restore_backup(path, project.store_address, replace)
