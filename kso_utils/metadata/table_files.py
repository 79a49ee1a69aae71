"""Files of tables and the store: what the store last knew of each file, and writing what it knows and the file lacks.

Beside the tables, `.kso/tables` keeps a copy of each file as it was last taken in or written, so that changes by hand
can be shown and undone.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.core.errors import KsoError, MetadataError
from kso_utils.core.paths import write_atomic
from kso_utils.metadata.changes import compare, describe_difference, records
from kso_utils.metadata.rewriting import rewrite
from kso_utils.metadata.tables import load_tables
from kso_utils.store import queries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kso_utils.store.engine import Store

COPIES = Path(".kso") / "tables"


@dataclass(frozen=True, slots=True)
class TableFolder:
    """A folder of tables and how they are read; the parameters are those of `load_tables`."""

    folder: Path
    columns: Mapping[str, Mapping[str, str]] | None = None
    files: Mapping[str, str] | None = None
    dates: str | None = None
    decimal: str = "."
    time_zone: str | None = None
    renames: str | None = None

    def load(self) -> dict[str, pd.DataFrame]:
        """Read the tables; see `load_tables`."""
        return self._load(self.folder, self.files)

    def load_file(self, table: str, path: Path) -> pd.DataFrame:
        """Read another file as one of the tables; messages name it as if it lay in the folder."""
        with tempfile.TemporaryDirectory(prefix="kso-") as place:
            staged = Path(place) / path.name
            shutil.copyfile(path, staged)
            if self.renames:
                shutil.copyfile(self.folder / self.renames, Path(place, self.renames))
            _, mark, sheet = (self.files or {}).get(table, "").rpartition("#")
            named = f"{staged.name}#{sheet}" if mark and staged.suffix.lower() == ".xlsx" else staged.name
            try:
                return self._load(Path(place), {table: named}, {table: (self.columns or {}).get(table, {})})[table]
            except MetadataError as error:
                raise MetadataError(str(error).replace(place, str(self.folder)), error.report) from error

    def path(self, table: str, frame: pd.DataFrame) -> Path:
        """Return the file that a table was read from."""
        file: str = frame.attrs["file"]
        named = self.folder / (self.files or {}).get(table, file)
        return named if named.is_file() else named.with_name(file)

    def copy_of(self, table: str, file: str) -> Path:
        """Return where the copy of a table's file is kept."""
        return self.folder / COPIES / table / Path(file).name

    def _load(
        self,
        folder: Path,
        files: Mapping[str, str] | None,
        columns: Mapping[str, Mapping[str, str]] | None = None,
    ) -> dict[str, pd.DataFrame]:
        return load_tables(
            folder, columns or self.columns, files, self.dates, self.decimal, self.time_zone, self.renames
        )


@dataclass(frozen=True, slots=True)
class HandChange:
    """A file that is not as the store knows it.

    Attributes
    ----------
    table, file
        The table and its file.
    since
        When the file was last taken in or written.
    difference
        What changed, as `compare` gives it; empty where that cannot be told.
    problem
        Why it cannot be told, empty where it can.
    """

    table: str
    file: Path
    since: str
    difference: pd.DataFrame
    problem: str = ""

    def __str__(self) -> str:
        """Return what changed as text."""
        shown = describe_difference(self.difference) or self.problem
        return f"{self.file.name} was changed by hand since {self.since}:\n{shown}"


@contextmanager
def staged(name: str, content: bytes) -> Iterator[Path]:
    """Give a temporary file with a name and content."""
    with tempfile.TemporaryDirectory(prefix="kso-") as place:
        path = Path(place) / name
        path.write_bytes(content)
        yield path


def sha256_of(path: Path) -> str | None:
    """Return the sha256 of a file, None where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def find_changed(store: Store, place: TableFolder) -> list[HandChange]:
    """Return the files that were changed by hand since the store took them in, or wrote them.

    A file that holds the same values in another spelling is not changed: other quotation marks, order or encoding.
    """
    found = []
    taken = queries.tables_taken_in(store)
    for known in (row for row in _known(store) if row["table_name"] in taken):
        path = place.folder / known["file"]
        now = sha256_of(path)
        expected = {known["sha256_after"]} if known["written"] else {known["sha256_after"], known["sha256_before"]}
        if now not in expected:
            change = _look_at(place, known, path, now)
            if change.problem or len(change.difference):
                found.append(change)
    return found


def _look_at(place: TableFolder, known: dict[str, Any], path: Path, now: str | None) -> HandChange:
    table, none = known["table_name"], compare({}, {})
    copy = place.copy_of(table, known["file"])
    if now is None:
        return HandChange(table, path, known["created_at"], none, f"There is no file {path} any more.")
    if sha256_of(copy) != known["sha256_after"]:
        return HandChange(
            table, path, known["created_at"], none, f"There is no copy of it in {COPIES} to compare with."
        )
    try:
        before, after = place.load_file(table, copy), place.load_file(table, path)
    except KsoError as error:
        return HandChange(table, path, known["created_at"], none, str(error))
    return HandChange(table, path, known["created_at"], compare({table: before}, {table: after}))


def require_unchanged(store: Store, place: TableFolder) -> None:
    """Refuse files that were changed by hand.

    Raises
    ------
    MetadataError
        With the first changes of each file, and what to do.
    """
    changed = find_changed(store, place)
    if changed:
        listed = "\n".join(map(str, changed))
        raise MetadataError(
            f"{listed}\nTake it in with: kso movies, or set it aside and go back to what the store knows with: "
            "kso edit --set-aside"
        )


def settle(store: Store, place: TableFolder) -> None:
    """Write the files that committed edits changed and that were not written yet; again and again does no harm.

    A file that was changed by hand meanwhile is left alone.

    Raises
    ------
    OSError
        If a file cannot be written; the store knows what is to be written, and the next call writes it.
    MetadataError
        If what was written is not what the edit made.
    """
    if all(known["written"] for known in _known(store)):
        return
    with store.atomic():
        for known in _known(store):
            if not known["written"] and _write_out(place, known):
                done = {"edit_id": known["edit_id"], "table_name": known["table_name"], "written": True}
                store.upsert("edit_log", pd.DataFrame([done]), ["edit_id", "table_name"])


def _write_out(place: TableFolder, known: dict[str, Any]) -> bool:
    """Write the copy, then the file; return whether both are as the store knows them, or the file is another's."""
    before, after = known["sha256_before"], known["sha256_after"]
    target = place.folder / known["file"]
    copy = place.copy_of(known["table_name"], known["file"])
    there = {sha256_of(path): path for path in (target, copy) if path.is_file()}
    if after in there:
        content = there[after].read_bytes()
    elif before in there and known["kind"] in ("edit", "undo"):
        content = rewrite(there[before], known["changes"], known["edit_id"])
        if hashlib.sha256(content).hexdigest() != after:
            raise MetadataError(
                f"{target} cannot be written as edit {known['edit_id']} made it: another version of the software made "
                "that edit. Open the project once with that version."
            )
    else:
        return False
    if sha256_of(copy) != after:
        with write_atomic(copy) as temporary:
            temporary.write_bytes(content)
    if sha256_of(target) == before and before != after:
        with write_atomic(target) as temporary:
            temporary.write_bytes(content)
    return True


def _known(store: Store) -> list[dict[str, Any]]:
    """Return the last row of the log of each table."""
    return records(queries.last_edits(store))
