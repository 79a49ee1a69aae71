"""Files on their way into a project: each is known by its content, copied, and given its row, once and in this order.

What was done is remembered in `.kso/intake.jsonl`, so that work that was interrupted goes on where it stood, and a file
that was added before is known again, whatever was made of it. What is made on the way lies in `.kso/incoming`.
"""

from __future__ import annotations

import hashlib
import shutil
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pandas as pd

from kso_utils.archive.local import LocalArchive, LocalFile
from kso_utils.archive.opening import WEB
from kso_utils.core.errors import ConfigError, KsoError, MediaError, MetadataError, NotFound
from kso_utils.core.journal import FileJournal
from kso_utils.core.paths import sha256_file, write_atomic
from kso_utils.metadata import edits
from kso_utils.metadata.changes import Change, records
from kso_utils.metadata.terms import PHOTOS
from kso_utils.project.steps.tables import fill_store
from kso_utils.store import queries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kso_utils.archive.base import Entry
    from kso_utils.metadata.edits import Edit
    from kso_utils.project.opening import Project

_TRIED = {"movies": "a-new-file.mp4", "photos": "a-new-file.jpg"}
"""Table -> the name of a row with which the values for all rows are tried before anything is done."""


@dataclass(slots=True)
class Arrival:
    """A file that is to become a row of a table.

    Attributes
    ----------
    sources
        The files that it comes from; they stay as they are.
    filename
        Its name in the archive.
    key
        What it is known by: the content of its sources, and what is made of them.
    state
        `planned`; `added`; `there` if it was before; `failed`.
    error
        Why it failed.
    notes
        What a person should know of it.
    cells
        Column -> value of its row.
    facts
        What the file says of itself, as `edits.apply` takes it.
    file
        The file that goes into the archive: the source, or what was made of the sources; None where it is there.
    """

    sources: list[Path]
    filename: str = ""
    key: str = ""
    state: str = "planned"
    error: str | None = None
    notes: list[str] = field(default_factory=list)
    cells: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    file: Path | None = None

    def note(self, text: str) -> None:
        """Keep what a person should know, once."""
        if text not in self.notes:
            self.notes.append(text)

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Take what goes wrong in the block for this file's failure, so that the others go on."""
        try:
            yield
        except (KsoError, OSError) as error:
            self.state, self.error = "failed", _tell(error)


def _tell(error: KsoError | OSError) -> str:
    if isinstance(error, KsoError) or error.strerror is None:
        return str(error)
    place = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror}{place}. Mend that and run the same command again."


class Intake:
    """One run that adds files to a table.

    Parameters
    ----------
    project
        An open project.
    table
        `movies` or `photos`.
    cells
        Column -> value, for every row.
    dry_run
        Whether nothing is to be changed.

    Raises
    ------
    ConfigError, NotFound
        If the archive cannot be written.
    MetadataError
        If a row with these values would be refused.
    """

    def __init__(self, project: Project, table: str, cells: Mapping[str, Any], dry_run: bool) -> None:
        self.project, self.table, self.cells, self.dry_run = project, table, dict(cells), dry_run
        self.journal = FileJournal(project.folder / ".kso" / "intake.jsonl")
        self.incoming = project.folder / ".kso" / "incoming"
        self.require_archive()
        self.prepare_table()
        self.stored = {_plain(row["filename"]): row for row in records(project.store.read(table))}
        self.tables = project.tables.load()
        self.listed = {_plain(name) for name in self.tables[table]["filename"]} if table in self.tables else set()
        self.coming: dict[str, str] = {}
        if table in self.tables:
            self.edit([Arrival([], _TRIED[table])], dry_run=True)

    def require_archive(self) -> None:
        """Refuse an archive that cannot be written, or whose folder is gone.

        Raises
        ------
        ConfigError
            If it is on a web server.
        NotFound
            If it is a folder that is not there: a disk that is not connected must not be taken for an empty one.
        """
        archive = self.project.archive
        if urlsplit(archive.url).scheme in WEB:
            raise ConfigError(
                f"{archive.url} is read over the web and cannot be written. Set archive.url in project.toml to a "
                "folder or an s3:// address, or ask those who keep that server to add the files."
            )
        if isinstance(archive, LocalArchive) and not archive.folder.is_dir():
            raise NotFound(f"There is no folder {archive.url}. Connect its disk, or set archive.url in project.toml.")

    def prepare_table(self) -> None:
        """Take the tables in where that was never done, for rows can only be added to what the store knows."""
        project = self.project
        if self.dry_run:
            return
        taken = queries.tables_taken_in(project.store)
        if self.table == "photos" and "photos" not in project.tables.load():
            with write_atomic(project.tables_folder / "photos.csv") as temporary:
                temporary.write_text(",".join(column.name for column in PHOTOS.columns) + "\n", encoding="utf-8")
        if "movies" not in taken:
            fill_store(project)
        elif self.table not in taken:
            edits.take_in(project.store, project.tables)

    def name(self, path: Path, folder: str) -> str:
        """Return the name that a file gets in the archive: what it is called, in a folder; its own if it is there."""
        archive, found = self.project.archive, path.resolve()
        if isinstance(archive, LocalArchive) and found.is_relative_to(archive.folder):
            return _plain(found.relative_to(archive.folder).as_posix())
        return _plain("/".join(part for part in (folder.strip("/"), path.name) if part))

    def sha256(self, path: Path) -> str:
        """Return the sha256 of a file, which is read again only when its size or time changed."""
        if not path.is_file():
            raise NotFound(f"There is no file {path}. Check the name and the folder.")
        identity = f"{path.resolve()}\x1f{LocalFile(path).identity}"
        known = self.journal.get(identity)
        if known is None:
            known = {"sha256": sha256_file(path)}
            if not self.dry_run:
                self.journal.put(identity, known)
        return str(known["sha256"])

    def recognise(self, arrival: Arrival, way: str = "") -> dict[str, Any]:
        """Give an arrival its key and return what the journal knows of it; `way` says what is made of its sources.

        An arrival that is in the project already, under whatever name, is `there` then.
        """
        contents = [self.sha256(path) for path in arrival.sources]
        arrival.key = hashlib.sha256("\n".join([self.table, way, *contents]).encode()).hexdigest()
        known = self.journal.get(arrival.key) or {}
        content = known.get("facts", {}).get("sha256") or (contents[0] if len(contents) == 1 else None)
        there = next((name for name, row in self.stored.items() if content and row["sha256"] == content), None)
        if there is not None:
            self.require_file(there, arrival)
            arrival.state = "there"
            if _stem(there) != _stem(arrival.filename):
                arrival.note(f"It is in the project already, as {there}.")
            arrival.filename, arrival.facts = there, self.stored[there]
        elif arrival.key in self.coming:
            arrival.state, arrival.filename = "there", self.coming[arrival.key]
            arrival.note(f"It was given twice; it is {arrival.filename}.")
        return known

    def require_file(self, name: str, arrival: Arrival) -> None:
        """Put back a file that is gone from the archive, though the table has its row."""
        if self.find(name) is not None:
            return
        path, *others = arrival.sources
        if others or self.sha256(path) != self.stored[name]["sha256"]:
            raise NotFound(f"{name} is in the table, but no longer in {self.project.archive.url}. Put it back there.")
        if not self.dry_run:
            self.project.archive.push(path, name)
        arrival.note(f"{name} was gone from the archive, and is put back.")

    def claim(self, arrival: Arrival, is_made: bool) -> None:
        """Take the name of an arrival for it; `is_made` tells whether its file is another than its source.

        Raises
        ------
        ConfigError
            If another file has the name: in the table, in the archive, or among those added with it.
        """
        name, plain = arrival.filename, _plain(arrival.filename)
        advice = "Give the file another name, or put it into a folder of the archive (--into)."
        if plain in self.listed or plain in self.stored:
            raise ConfigError(f"The table of {self.table} has {name} already, of another file. {advice}")
        if plain in map(_plain, self.coming.values()):
            raise ConfigError(f"Two of the files would be {name}. {advice}")
        if is_made and self.journal.get(arrival.key) is None and self.find(name) is not None:
            raise ConfigError(f"{self.project.archive.url} has a file {name} already. {advice}")
        self.coming[arrival.key] = name

    def find(self, name: str) -> Entry | None:
        """Return what the archive knows of a file, None where it has none."""
        try:
            return self.project.archive.find(name)
        except NotFound:
            return None

    def folder(self, arrival: Arrival) -> Path:
        """Return the folder in which things are made for an arrival."""
        return self.incoming / arrival.key[:16]

    def resume(self, arrival: Arrival, known: Mapping[str, Any]) -> bool:
        """Go on with an arrival where an earlier run stood; return whether it had found or made its file."""
        facts, name = known.get("facts"), known.get("file")
        if facts is None:
            return False
        suffix = PurePosixPath(known["filename"]).suffix
        filename = PurePosixPath(arrival.filename).with_suffix(suffix).as_posix()
        there, file = self.find(filename), self.folder(arrival) / name if name else arrival.sources[0]
        is_copied = there is not None and (known["filename"], known.get("identity")) == (filename, there.identity)
        if not is_copied and not (file.is_file() and file.stat().st_size == facts["size_bytes"]):
            return False
        arrival.filename, arrival.facts, arrival.notes = filename, facts, list(known["notes"])
        arrival.file = None if is_copied else file
        self.claim(arrival, is_made=False)
        return True

    def remember(self, arrival: Arrival, **more: Any) -> None:
        """Keep what an arrival has come to."""
        state = {"filename": arrival.filename, "notes": arrival.notes, "facts": arrival.facts}
        self.journal.put(arrival.key, {**state, **more})

    def draft(self, arrivals: Sequence[Arrival]) -> None:
        """Try the rows of arrivals, note what is found with them, and fail those that would be refused."""
        if self.table not in self.tables or not arrivals:
            return
        try:
            tried = self.edit(arrivals, dry_run=True)
        except MetadataError as error:
            if len(arrivals) == 1:
                arrivals[0].state, arrivals[0].error = "failed", str(error)
                return
            self.draft(arrivals[: len(arrivals) // 2])
            self.draft(arrivals[len(arrivals) // 2 :])
            return
        for finding in tried.report:
            name = tried.rows[self.table].get(finding.row or 0)
            if finding.severity == "warning" and finding.table == self.table:
                for arrival in (one for one in arrivals if one.filename == name):
                    arrival.note(f"{finding.message} {finding.fix}".rstrip())

    def edit(self, arrivals: Sequence[Arrival], **options: Any) -> Edit:
        """Add the rows of arrivals, to the table and to the store."""
        changes = [
            Change(self.table, arrival.filename, column, value, "add")
            for arrival in arrivals
            for column, value in {**arrival.cells, **self.cells}.items()
        ]
        facts = [{"filename": arrival.filename, **arrival.facts} for arrival in arrivals if arrival.facts]
        files = {self.table: pd.DataFrame(facts)} if facts else None
        return edits.apply(self.project.store, self.project.tables, changes, files=files, **options)

    def copy(self, arrival: Arrival) -> None:
        """Copy the file of an arrival into the archive, unless that was done already.

        Raises
        ------
        ArchiveError
            If the archive cannot be reached, has no room, or what arrived is not what was sent.
        MediaError
            If the file was changed meanwhile.
        """
        if arrival.file is None:
            return
        self.require_archive()
        archive = self.project.archive
        if archive.push(arrival.file, arrival.filename) != arrival.facts["sha256"]:
            raise MediaError(
                f"{arrival.file} was changed while it was added. Look what {arrival.filename} is in the archive."
            )
        made = None if arrival.file in arrival.sources else arrival.file.name
        self.remember(arrival, file=made, identity=archive.find(arrival.filename).identity)
        self.clean(arrival)

    def clean(self, arrival: Arrival) -> None:
        """Remove what was made for an arrival, and the folder of all where it was the last."""
        shutil.rmtree(self.folder(arrival), ignore_errors=True)
        if self.incoming.is_dir() and not any(self.incoming.iterdir()):
            self.incoming.rmdir()

    def finish(self, arrivals: Sequence[Arrival], who: str | None, reason: str | None) -> str | None:
        """Write the rows of all that have arrived as one edit, and return its id."""
        new = [arrival for arrival in arrivals if arrival.state == "planned"]
        edit_id = self.edit(new, who=who, reason=reason).edit_id if new else None
        for arrival in new:
            arrival.state = "added"
        for arrival in arrivals:
            if arrival.state in ("added", "there"):
                self.clean(arrival)
        return edit_id


def _plain(name: object) -> str:
    return unicodedata.normalize("NFC", str(name))


def _stem(name: str) -> PurePosixPath:
    return PurePosixPath(_plain(name)).with_suffix("")
