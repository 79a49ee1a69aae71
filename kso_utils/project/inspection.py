"""What is in a project, and whether it and the installation are sound."""

from __future__ import annotations

import importlib.util
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.archive.local import LocalArchive
from kso_utils.core.errors import ArchiveError, ConfigError, MissingExtra, StoreError
from kso_utils.core.paths import sha256_file
from kso_utils.core.progress import track
from kso_utils.core.report import Finding, Report, Severity
from kso_utils.media.safety import find_ffmpeg
from kso_utils.metadata.table_files import find_changed
from kso_utils.project.steps.footage import read_manifest
from kso_utils.project.steps.keeping import BACKUPS
from kso_utils.store import queries
from kso_utils.store.connection import is_network_path
from kso_utils.store.locks import is_stale, lock_path, read_holder
from kso_utils.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kso_utils.project.opening import Project

_COUNTED = ("sites", "movies", "species", "subjects", "classifications", "agg_runs", "models", "model_runs")
_EXTRAS = {"av": "media", "cv2": "media", "panoptes_client": "zooniverse", "ultralytics": "ml", "pyarrow": "ml"}
_PRODUCTS = ("clips", "frames", "detections", "models")
_LOW_DISK_BYTES = 2 * 1024**3
_OLD_BACKUP_S = 30 * 86_400
_UNDER_WAY_S = 3_600


def describe(project: Project) -> dict[str, Any]:
    """Return name, folder, store, software version and the number of rows of the main tables."""
    rows = {table: len(project.store.read(table, columns=["id"])) for table in _COUNTED}
    place = {"project": project.settings.name, "folder": str(project.folder), "store": project.store.name}
    return {**place, "version": __version__, **rows}


def diagnose_installation() -> Report:
    """Examine what is installed."""
    report = Report(f"Installation of kso_utils {__version__}")
    report.extend(_missing_extras())
    try:
        find_ffmpeg()
    except (ConfigError, MissingExtra) as error:
        fix = "Install it with: pip install 'kso_utils[media]'"
        report.add(_finding("installation", "FFMPEG_MISSING", "error", "", str(error), fix))
    return report


def diagnose(project: Project, deep: bool = False) -> Report:
    """Examine the installation, the store, the files that belong to it, unfinished work, the archive and the disk.

    Parameters
    ----------
    project
        The project.
    deep
        Read every file that the store or a list of products names, and compare its content with its sha256.
    """
    report = Report(f"Project {project.settings.name}", diagnose_installation().findings)
    path = project.store_path
    if path is not None and not path.exists():
        message = f"There is no store at {path}."
        fix = "Fill one from the tables with: kso movies, or bring a copy back with: kso restore"
        report.add(_finding("store", "STORE_MISSING", "error", str(path), message, fix))
    else:
        report.extend(_content(project, deep))
    report.extend(_leftovers(project.folder))
    report.extend(_interrupted_copies(project))
    report.extend(_disk(project.folder))
    if path is not None:
        report.extend(_place(path))
        report.extend(_backups(project))
    return report


def _missing_extras() -> list[Finding]:
    missing = {extra for package, extra in _EXTRAS.items() if importlib.util.find_spec(package) is None}
    return [
        _finding(
            "installation",
            "EXTRA_MISSING",
            "info",
            extra,
            f"The extra '{extra}' is not installed.",
            f"Where you need it: pip install 'kso_utils[{extra}]'",
        )
        for extra in sorted(missing)
    ]


def _content(project: Project, deep: bool) -> Report:
    """Examine the store and what it names."""
    report = Report("store")
    try:
        report.extend(project.store.check())
        report.extend(_unfinished(project))
        report.extend(_tables(project))
        report.extend(_files(project, deep))
    except (StoreError, ConfigError) as error:
        fix = "Do what the message says; a copy of the store comes back with: kso restore"
        name = "" if project.store_path is None else str(project.store_path)
        report.add(_finding("store", "STORE_UNUSABLE", "error", name, str(error), fix))
    return report


def _unfinished(project: Project) -> Iterator[Finding]:
    uploads = len(queries.unfinished_uploads(project.store))
    if uploads:
        message = f"{uploads} uploads were begun and not finished."
        yield _finding("upload_journal", "UPLOAD_UNFINISHED", "warning", str(uploads), message, "Run: kso upload")
    for key in project.store.read("transfer_journal", columns=["key"])["key"]:
        name = key.replace("\x1f", " ")
        message, fix = f"The transfer {name} was begun and not finished.", "Run the step that began it once more."
        yield _finding("transfer_journal", "TRANSFER_UNFINISHED", "warning", name, message, fix)
    running = project.store.read("model_runs", columns=["id", "kind"], where={"state": "running"}, order_by="id")
    for number, kind in running.itertuples(index=False):
        message = f"The run {number} ({kind}) was begun and not finished."
        fix = f"If it does not run now, go on with it: kso {kind}"
        yield _finding("model_runs", "RUN_UNFINISHED", "warning", str(number), message, fix)


def _tables(project: Project) -> Iterator[Finding]:
    """Find tables whose files are not as the store knows them."""
    for change in find_changed(project.store, project.tables):
        fix = "Take it in with: kso movies, or go back to what the store knows with: kso edit --set-aside"
        yield _finding(change.table, "TABLE_CHANGED", "warning", str(change.file), str(change), fix)
    last = queries.last_edits(project.store)
    for table, file in last.loc[~last["written"].astype(bool), ["table_name", "file"]].itertuples(index=False):
        path = project.tables_folder / file
        message = f"An edit of {table} is in the store, and not yet in {path}."
        fix = "Make room, or allow writing there; then run: kso movies"
        yield _finding(table, "TABLE_UNWRITTEN", "warning", str(path), message, fix)


def _files(project: Project, deep: bool) -> Iterator[Finding]:
    """Compare the files that are named with those that are there."""
    named = _named_files(project)
    for table, path, sha256 in track(named, "Files") if deep else named:
        # The store's own check tells of the missing files of model runs.
        if not path.exists() and table != "model_artifacts":
            message, fix = f"The file {path} is not there.", "Put it back, or make it again with the step that made it."
            yield _finding(table, "FILE_MISSING", "error", str(path), message, fix)
        elif deep and path.is_file() and sha256_file(path) != sha256:
            message, fix = f"The content of {path} is not what was written.", "Take it from a copy, or make it again."
            yield _finding(table, "FILE_CHANGED", "error", str(path), message, fix)
    known = {path.resolve() for _, path, _ in named}
    for folder in _PRODUCTS:
        for path in sorted((project.folder / folder).rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(project.folder).parts)
            if path.is_file() and not hidden and path.suffix != ".csv" and path.resolve() not in known:
                message = f"Nothing names the file {path}; the step that made it was cut off, or its list was deleted."
                fix = "Remove it if you do not know it; the step makes it again where it is needed."
                yield _finding(folder, "FILE_ORPHAN", "warning", str(path), message, fix)


def _named_files(project: Project) -> list[tuple[str, Path, str]]:
    """Return table, path and sha256 of every product that the store, or a list beside the products, names."""
    # On a server, the store names files by their whole path.
    home = project.folder if project.store_path is None else project.store_path.absolute().parent
    rows = [
        *project.store.read("model_artifacts", ["path", "sha256"]).itertuples(index=False, name=None),
    ]
    models = project.store.read("models", ["weights_path", "weights_sha256"]).itertuples(index=False, name=None)
    found = [("model_artifacts", home / name, sha256) for name, sha256 in rows]
    found += [("models", home / name, sha256) for name, sha256 in models]
    for kind in ("clip", "frame"):
        listed: pd.DataFrame = read_manifest(project, kind)
        found += [
            (f"{kind}s", Path(path), sha256) for path, sha256 in zip(listed["path"], listed["sha256"], strict=True)
        ]
    return found


def _leftovers(folder: Path) -> Iterator[Finding]:
    """Find what killed runs left half-written; what is younger than an hour may be being written."""
    for path in sorted(folder.rglob(".*.part*")):
        if time.time() - path.stat().st_mtime > _UNDER_WAY_S:
            message = f"{path} was left half-written by a run that was cut off."
            yield _finding("files", "FILE_LEFTOVER", "info", str(path), message, "Remove it; nothing needs it.")


def _interrupted_copies(project: Project) -> Iterator[Finding]:
    """Find what interrupted copies left in the archive; in the project's own folder, `_leftovers` tells of it."""
    try:
        archive = project.archive
        if isinstance(archive, LocalArchive) and archive.folder.is_relative_to(project.folder):
            return
        names = archive.clean_up(dry_run=True)
    except (ArchiveError, ConfigError, MissingExtra) as error:
        message = f"What interrupted copies left in the archive could not be looked for: {error}"
        fix = "Whoever may write there can look with: kso doctor"
        yield _finding("archive", "ARCHIVE_NOT_EXAMINED", "info", project.settings.archive.url, message, fix)
        return
    for name in names:
        message = f"A copy of {name} into {archive.url} was interrupted more than a week ago; its parts take room."
        fix = "If nobody goes on with it, remove them with: kso doctor --clean-up"
        yield _finding("archive", "COPY_INTERRUPTED", "warning", name, message, fix)


def _disk(folder: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    if free < _LOW_DISK_BYTES:
        message = f"Only {free / 1024**3:.1f} GiB are free on the disk of {folder}."
        yield _finding("disk", "DISK_NEARLY_FULL", "warning", str(free), message, "Make room before the next step.")


def _place(store: Path) -> Iterator[Finding]:
    if is_network_path(store):
        message = f"{store} is on a network disk, where it is slower and one process writes at a time."
        yield _finding(
            "store", "STORE_ON_NETWORK", "warning", str(store), message, "Keep it on a local disk if you can."
        )
    holder = read_holder(lock_path(store))
    if holder is not None:
        state = "no longer runs; the next writer takes the lock over" if is_stale(holder) else "may be writing now"
        message = f"The store is locked by process {holder.pid} on {holder.host} since {holder.since}, which {state}."
        fix = f"If that process no longer runs and writing is refused, remove {lock_path(store)}"
        yield _finding("store", "STORE_LOCKED", "info", holder.host, message, fix)


def _backups(project: Project) -> Iterator[Finding]:
    made = [path.stat().st_mtime for path in (project.folder / BACKUPS).glob("*.db")]
    if made and time.time() - max(made) < _OLD_BACKUP_S:
        return
    message = "The last backup of the store is older than 30 days." if made else "There is no backup of the store."
    fix = "Make one with: kso backup, and keep it on another disk."
    yield _finding("store", "BACKUP_OLD" if made else "BACKUP_MISSING", "info", "", message, fix)


def _finding(table: str, code: str, severity: Severity, value: str, message: str, fix: str) -> Finding:
    return Finding(table, None, None, code, severity, value, message, fix)
