"""What every archive can do, wherever it keeps its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from kso_utils.core.errors import UnsafeInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OLD_S = 7 * 86_400.0
"""A copy that was interrupted longer ago than a week will hardly be gone on with."""


def validate_name(name: str) -> str:
    """Return the name of a file of an archive, without empty parts; what is no such name on some system is refused.

    Raises
    ------
    UnsafeInput
        If the name is empty or absolute, goes up with `..`, or holds a backslash, a NUL or another control character.
    """
    if "\\" in name or any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise UnsafeInput(f"The name {name!r} holds a backslash or a control character. Rename the file.")
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or PureWindowsPath(name).drive:
        raise UnsafeInput(f"The name {name!r} leads outside the archive. Give a name inside it.")
    return str(path)


def is_hidden(name: str) -> bool:
    """Whether a file or one of its folders begins with a dot, as copies under way do: those are no part of it."""
    return any(part.startswith(".") for part in name.split("/"))


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of an archive.

    Attributes
    ----------
    name
        Relative to the archive, its parts divided by `/`, in the spelling of the archive.
    size_bytes
        Its size.
    modified_at
        When it was last changed (ISO 8601, UTC), or None where the archive does not say.
    identity
        Changes when the content does: an ETag, else size and time of the last change.
    """

    name: str
    size_bytes: int
    modified_at: str | None
    identity: str


@runtime_checkable
class RangeFile(Protocol):
    """A file of which parts can be read, from any thread.

    Attributes
    ----------
    address
        Where it is: a path, `s3://bucket/key` or `https://...`, without anything secret in it.
    size_bytes
        Its size.
    identity
        As in `Entry`; of the file as it was when it was opened.
    """

    address: str
    size_bytes: int
    identity: str

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`, by one request.

        Raises
        ------
        ArchiveError
            If the file is gone, may not be read, has changed since it was opened, or the connection broke for good.
        """


class Archive(Protocol):
    """A place of files, known by names relative to it.

    Every method raises `NotFound`, `Denied`, `Interrupted` or another `ArchiveError`, and `UnsafeInput` where
    `validate_name` refuses a name. `testing.archive_contract.ArchiveContract` says what all of this means.

    Attributes
    ----------
    url
        A folder, `s3://bucket/prefix` or `https://host/folder`, without anything secret in it.
    """

    url: str

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Yield the files whose names begin with `prefix`, in the order of their names; hidden ones are left out."""

    def find(self, name: str) -> Entry:
        """Return what is known of a file, in whatever Unicode form the archive has its name."""

    def open(self, name: str) -> RangeFile:
        """Open a file, to read parts of it."""

    def fetch(self, name: str, target: str | Path, sha256: str | None = None) -> str:
        """Copy a file to a local path and return its sha256.

        `target` appears when it is complete and has the given sha256; a copy that was interrupted is gone on with.

        Raises
        ------
        ChecksumMismatch
            If what arrived has another sha256.
        """

    def push(self, source: str | Path, name: str) -> str:
        """Copy a local file into the archive and return its sha256, verified at the place where it arrived.

        The file appears when it is complete; a copy that was interrupted is gone on with. One that is there already
        with the same content stays; another content of the same name is refused.

        Raises
        ------
        ConfigError
            If the archive has another file of that name.
        """

    def link(self, name: str, lifetime_s: float = 86_400.0) -> str:
        """Return an address at which a browser can see the file; whoever has it can, until it expires."""

    def clean_up(self, older_than_s: float = OLD_S, dry_run: bool = False) -> list[str]:
        """Remove what interrupted copies into the archive left behind longer ago than that, and return the names.

        With `dry_run` they are told, and stay.
        """
