"""An archive on a web server, read by byte ranges."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING
from unicodedata import normalize
from urllib.parse import quote, urlsplit, urlunsplit

from kso_utils.archive.base import OLD_S, Entry, is_hidden, validate_name
from kso_utils.archive.fetching import fetch_file
from kso_utils.archive.listings import list_folder
from kso_utils.archive.web import ask, bare, modified_at, read_body, validate_address
from kso_utils.core.errors import ArchiveError, Denied, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import requests

    from kso_utils.core.journal import Journal

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_WORKERS = 8
_DEEPEST = 32


class HttpFile:
    """A file on a web server of which parts are read.

    Parameters
    ----------
    url
        Its address; what is behind the `?` is used, and never told.

    Attributes
    ----------
    modified_at
        When it was last changed (ISO 8601, UTC), or None where the server does not say.

    Raises
    ------
    ArchiveError
        If the server has no such file, does not give it, or cannot serve parts of it.
    """

    def __init__(self, url: str) -> None:
        self._url = self._place = validate_address(url)
        self.address = bare(url)
        self.size_bytes, self.identity = 0, ""
        self.modified_at: str | None = None
        self._conditions: dict[str, str] = {}
        ask(url, {"Range": "bytes=0-0"}, self._open)

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`, by one request."""
        if not 0 <= start <= stop <= self.size_bytes:
            raise ArchiveError(f"{self.address} has {self.size_bytes} bytes; {start} to {stop} were asked for.")
        if start == stop:
            return b""
        try:
            return self._read(start, stop)
        except (Denied, NotFound):
            if self._place == self._url:
                raise
            self._place = self._url  # where it was sent on to has expired
            return self._read(start, stop)

    def _read(self, start: int, stop: int) -> bytes:
        headers = {"Range": f"bytes={start}-{stop - 1}", **self._conditions}
        return ask(self._place, headers, lambda answer: self._take(answer, start, stop))

    def _open(self, answer: requests.Response) -> None:
        """Learn what the file is from the answer to a request for its first byte."""
        etag = answer.headers.get("ETag", "")
        self.modified_at = modified_at(answer)
        self._place = answer.url
        if not _is_empty(answer):
            self.size_bytes = self._part(answer, 0, 1)
            read_body(answer, 1)
        self.identity = _identify(answer, self.size_bytes)
        # A weak ETag never matches (RFC 9110, 13.1.1), so such a file is known by what the answer says of it.
        if etag and not etag.startswith("W/"):
            self._conditions = {"If-Match": etag}

    def _take(self, answer: requests.Response, start: int, stop: int) -> bytes:
        """Return the part that an answer holds, if it is the one that was asked for, of the file that was opened."""
        if answer.status_code == 412:
            raise self._changed()
        size_bytes = self._part(answer, start, stop)
        if (size_bytes, _identify(answer, size_bytes)) != (self.size_bytes, self.identity):
            raise self._changed()
        data = read_body(answer, stop - start)
        self._place = answer.url
        return data

    def _part(self, answer: requests.Response, start: int, stop: int) -> int:
        """Return the size of the file, if the answer holds the part that was asked for and nothing else."""
        encoding = answer.headers.get("Content-Encoding", "identity")
        if answer.status_code == 200:
            page = answer.headers.get("Content-Type", "").startswith("text/html")
            reason = "It may be a page that wants a login." if page else "Ask its host to serve byte ranges, or fetch"
            raise ArchiveError(
                f"{self.address}: the server gives whole files only, so no part of it can be read, and nothing was. "
                + (reason if page else f"{reason} the file with a browser.")
            )
        told = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if answer.status_code != 206 or told is None or encoding != "identity":
            raise ArchiveError(
                f"{self.address}: the answer holds no plain part of the file (status {answer.status_code}, "
                f"{answer.headers.get('Content-Range', 'no range')}, {encoding}). Check the server."
            )
        first, last, size_bytes = map(int, told.groups())
        if (first, last + 1) != (start, stop):
            raise ArchiveError(
                f"{self.address}: bytes {first} to {last + 1} came in place of {start} to {stop}. Check the server."
            )
        return size_bytes

    def _changed(self) -> ArchiveError:
        return ArchiveError(f"{self.address} was changed while it was read. Begin again when it is complete.")


class HttpArchive:
    """A folder on a web server.

    Parameters
    ----------
    url
        Its address; what is behind a `?` is sent along with every request for a file, and never told.
    journal
        Where fetches under way are remembered; by default a file beside what is fetched.

    Raises
    ------
    ConfigError
        If it is no such address, or holds a user name or a password.
    """

    def __init__(self, url: str, journal: Journal | None = None) -> None:
        self._parts = urlsplit(validate_address(url))
        self.url, self.journal = bare(url).rstrip("/"), journal

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Yield the files whose names begin with `prefix`, as the index pages of the server list them.

        Each costs a request; hidden files are left out.

        Raises
        ------
        ArchiveError
            If the server has no such pages.
        """
        with ThreadPoolExecutor(_WORKERS) as pool:
            names = self._names("", prefix)
            while some := list(islice(names, 8 * _WORKERS)):
                yield from pool.map(self._describe, some)

    def find(self, name: str) -> Entry:
        """Return what is known of a file, in whichever Unicode form the server has its name."""
        spelled, file = self._find(name)
        return Entry(spelled, file.size_bytes, file.modified_at, file.identity)

    def open(self, name: str) -> HttpFile:
        """Open a file, to read parts of it."""
        return self._find(name)[1]

    def fetch(self, name: str, target: str | Path, sha256: str | None = None) -> str:
        """Copy a file to a local path and return its sha256; see `fetch_file`."""
        return fetch_file(self.open(name), target, sha256, self.journal)

    def push(self, source: str | Path, name: str) -> str:
        """Refuse: a web server cannot be written to."""
        raise Denied(f"{self.url} is a web server: {name} cannot be pushed to it. Push to a folder or a bucket.")

    def link(self, name: str, lifetime_s: float = 86_400.0) -> str:
        """Return the address of a file, as long as the server has it."""
        return self._address(self._find(name)[0])

    def clean_up(self, older_than_s: float = OLD_S, dry_run: bool = False) -> list[str]:
        """Return nothing: a fetch leaves nothing on the server."""
        return []

    def _find(self, name: str) -> tuple[str, HttpFile]:
        plain = validate_name(name)
        *first, last = dict.fromkeys((plain, normalize("NFC", plain), normalize("NFD", plain)))
        for spelled in first:
            try:
                return spelled, HttpFile(self._address(spelled))
            except NotFound:
                continue
        return last, HttpFile(self._address(last))

    def _describe(self, name: str) -> Entry:
        file = HttpFile(self._address(name))
        return Entry(name, file.size_bytes, file.modified_at, file.identity)

    def _names(self, place: str, prefix: str, depth: int = 0) -> Iterator[str]:
        """Yield the names of the files below a folder of the archive, in their order."""
        if depth > _DEEPEST:
            raise ArchiveError(f"{self.url}: its folders have no end at {place}. Give the folder of the footage.")
        for name in sorted(f"{place}{below}" for below in list_folder(self._address(place))):
            if is_hidden(name.rstrip("/")):
                continue
            if name.endswith("/") and (name.startswith(prefix) or prefix.startswith(name)):
                yield from self._names(name, prefix, depth + 1)
            elif name.startswith(prefix) and not name.endswith("/"):
                yield name

    def _address(self, name: str) -> str:
        scheme, host, path, query, _ = self._parts
        return urlunsplit((scheme, host, f"{path.rstrip('/')}/{quote(name, errors='surrogateescape')}", query, ""))


def _is_empty(answer: requests.Response) -> bool:
    """Whether an answer to a request for the first byte says that the file has none."""
    whole = answer.status_code == 200 and answer.headers.get("Content-Length") == "0"
    return whole or (answer.status_code == 416 and answer.headers.get("Content-Range", "bytes */0") == "bytes */0")


def _identify(answer: requests.Response, size_bytes: int) -> str:
    """Return what tells versions of a file apart; a weak ETag may become a strong one when the file is older."""
    etag = answer.headers.get("ETag", "").removeprefix("W/").strip('"')
    return etag or f"{size_bytes}-{answer.headers.get('Last-Modified', '')}"
