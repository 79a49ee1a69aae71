"""An archive on a web server, read by byte ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kso_utils.core.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kso_utils.archive.base import Entry, RangeFile
    from kso_utils.core.journal import Journal


class HttpArchive:
    """A folder on a web server."""

    def __init__(self, url: str, journal: Journal | None = None) -> None:
        self.url, self.journal = url, journal

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """See `Archive`."""
        raise ArchiveError("not yet")

    def find(self, name: str) -> Entry:
        """See `Archive`."""
        raise ArchiveError("not yet")

    def open(self, name: str) -> RangeFile:
        """See `Archive`."""
        raise ArchiveError("not yet")

    def fetch(self, name: str, target: str | Path, sha256: str | None = None) -> str:
        """See `Archive`."""
        raise ArchiveError("not yet")

    def push(self, source: str | Path, name: str) -> str:
        """See `Archive`."""
        raise ArchiveError("not yet")

    def link(self, name: str, lifetime_s: float = 86_400.0) -> str:
        """See `Archive`."""
        raise ArchiveError("not yet")

    def clean_up(self, older_than_s: float = 7 * 86_400.0) -> list[str]:
        """See `Archive`."""
        return []
