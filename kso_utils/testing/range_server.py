"""A web server on this computer that serves parts of files, and goes wrong in the ways that a test asks for."""

from __future__ import annotations

import gzip
import math
import os
import re
import socket
import threading
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, unquote, urlsplit

from kso_utils.core.errors import UnsafeInput
from kso_utils.core.paths import inside

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from typing import BinaryIO

Validators = Literal["etag", "weak", "date", "none"]
"""How the server tells versions of a file apart: a strong or a weak ETag, `Last-Modified` alone, or not at all."""

Listing = Literal["apache", "nginx", "caddy"]
"""Whose index pages the folders have."""

_CHUNK_BYTES = 2**18
# A line that was free no longer than this was not: the thread that fills it was woken late.
_LATE_S = 0.001
_INVERTED = bytes(range(255, -1, -1))
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_PAGES = {
    "apache": '<html><body><h1>Index of {place}</h1><pre><a href="?C=N;O=D">Name</a> <a href="?C=M;O=A">Last modified'
    '</a><hr><a href="{above}">Parent Directory</a>\n{links}<hr></pre></body></html>',
    "nginx": '<html><body><h1>Index of {place}</h1><hr><pre><a href="../">../</a>\n{links}</pre><hr></body></html>',
    "caddy": '<html><body><a href="/">/</a><table><tr><td><a href="..">Up</a></td></tr>{links}</table></body></html>',
}


@dataclass(frozen=True)
class Fault:
    """How one answer goes wrong; what is not set goes well.

    Attributes
    ----------
    status
        Answered in place of the file.
    retry_after_s
        Sent along with `status`.
    location
        Where the answer sends the client instead: a path, or an address of any host.
    whole
        The whole file and status 200, whatever part was asked for.
    drop_after
        After so many bytes of the body, or before the status line where it is -1, the connection is cut.
    stall_after
        After so many bytes of the body, or before the status line where it is -1, nothing more comes.
    changed
        The file has another version: another ETag, a later date, and every byte of it differs.
    shift
        The part begins so many bytes later than the one that was asked for, and says so.
    short
        The part is so many bytes shorter than the one that was asked for, and says so.
    packed
        The body is compressed, whatever the client accepts.
    """

    status: int | None = None
    retry_after_s: float | None = None
    location: str | None = None
    whole: bool = False
    drop_after: int | None = None
    stall_after: int | None = None
    changed: bool = False
    shift: int = 0
    short: int = 0
    packed: bool = False


@dataclass
class Request:
    """A request that came in.

    Attributes
    ----------
    method, path
        As they were sent, the query included.
    headers
        Their names in small letters.
    status
        What was answered; 0 where nothing was.
    start, stop
        The bytes of the file that were answered with.
    sent_bytes
        How much of the body was handed to the network.
    """

    method: str
    path: str
    headers: dict[str, str]
    status: int = 0
    start: int = 0
    stop: int = 0
    sent_bytes: int = 0


@dataclass
class RangeServer:
    """A running server; everything that can be set may be changed at any time.

    Attributes
    ----------
    folder
        What it serves; hidden files too.
    url
        Its address, without a slash at the end.
    requests
        What was asked for, oldest first, failures included.
    faults
        How the next requests go wrong, one each; None lets one go well.
    always
        How every request goes wrong that takes nothing from `faults`.
    latency_s
        How long each answer is kept back.
    bytes_per_s
        How much of files goes over the line in a second, which all connections share; None for as much as can.
    validators, listing
        How versions are told apart; whose index pages the folders have that hold no `index.html`, or None for none
        (status 403).
    ranges
        Whether parts are served at all; if not, every answer is a whole file.
    query
        What the address must end with after its `?`, as a presigned one does; else the status is 403.
    hang_up_after
        After so many bytes of bodies in all, every connection is cut.
    connections
        How many were opened.
    """

    folder: Path
    url: str
    requests: list[Request] = field(default_factory=list)
    faults: deque[Fault | None] = field(default_factory=deque)
    always: Fault | None = None
    latency_s: float = 0.0
    bytes_per_s: float | None = None
    validators: Validators = "etag"
    listing: Listing | None = "nginx"
    ranges: bool = True
    query: str = ""
    hang_up_after: int | None = None
    connections: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    _line: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _free_at_s: float = field(default=-math.inf, init=False, repr=False)

    @property
    def sent_bytes(self) -> int:
        """The bytes of all bodies."""
        return sum(request.sent_bytes for request in self.requests)

    def address(self, name: str) -> str:
        """Return the address of a file."""
        return f"{self.url}/{quote(name)}" + (f"?{self.query}" if self.query else "")

    def next_fault(self) -> Fault:
        """Take how the next request goes wrong."""
        with suppress(IndexError):
            return self.faults.popleft() or Fault()
        return self.always or Fault()

    def take(self, request: Request, count: int) -> int:
        """Count bytes as sent, at most so many, and return how many may be sent before the connections are cut."""
        with self._line:
            if self.hang_up_after is not None:
                count = min(count, max(0, self.hang_up_after - self.sent_bytes))
            request.sent_bytes += count
            return count

    def cross_line(self, count: int) -> None:
        """Wait until so many bytes are over the line, behind those that are on it already."""
        if self.bytes_per_s is None:
            return
        with self._line:
            now = monotonic()
            start = self._free_at_s if now - self._free_at_s < _LATE_S else now
            self._free_at_s = over = start + count / self.bytes_per_s
        self.stopping.wait(over - now)


@contextmanager
def serve_ranges(folder: str | Path, tls: ssl.SSLContext | None = None) -> Iterator[RangeServer]:
    """Serve a folder for the length of a block.

    Parameters
    ----------
    folder
        What is served.
    tls
        Makes it an `https` server, with the certificate of this context.
    """
    with _Server(("127.0.0.1", 0), _Handler) as listener:
        scheme = "https" if tls else "http"
        if tls:
            listener.socket = tls.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
        server = RangeServer(Path(folder).resolve(), f"{scheme}://127.0.0.1:{listener.server_port}")
        listener.state = server
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            listener.shutdown()
            thread.join()
            listener.hang_up()


class _Server(ThreadingHTTPServer):
    """Knows its open connections, so that none outlives it."""

    daemon_threads = True
    request_queue_size = 64
    state: RangeServer

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        self.state.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients go away when they like."""


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self._answer()

    def do_GET(self) -> None:
        """Answer with a file, a part of one, an index page, or a fault."""
        self._answer()

    def _answer(self) -> None:
        state = self.server.state
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.asked = Request(self.command, self.path, headers)
        state.requests.append(self.asked)
        fault = state.next_fault()
        state.stopping.wait(state.latency_s)
        if -1 in (fault.drop_after, fault.stall_after):
            self._go_silent(fault)
        elif fault.status or fault.location:
            self._refuse(fault.status or 302, fault)
        elif state.query and urlsplit(self.path).query != state.query:
            self._refuse(403)
        else:
            self._serve(state, fault)

    def _serve(self, state: RangeServer, fault: Fault) -> None:
        try:
            name = unquote(urlsplit(self.path).path, errors="surrogateescape").lstrip("/")
            path = inside(state.folder, name) if name else state.folder
        except UnsafeInput:
            return self._refuse(400)
        if path.is_dir():
            return self._list(path, name, state.listing)
        if not path.is_file() or name.endswith("/"):
            return self._refuse(404)
        with path.open("rb") as handle:
            self._send_file(handle, state, fault)
        return None

    def _list(self, folder: Path, name: str, listing: Listing | None) -> None:
        if name and not name.endswith("/"):
            return self._refuse(301, Fault(location=f"/{quote(name)}/"))
        if (folder / "index.html").is_file():
            return self._refuse(200, body=(folder / "index.html").read_bytes())
        if listing is None:
            return self._refuse(403)
        start = "./" if listing == "caddy" else ""
        names = [path.name + "/" * path.is_dir() for path in sorted(folder.iterdir())]
        links = "".join(f'<a href="{start}{escape(quote(n))}">{escape(n)}</a>\n' for n in names)
        above = f"/{quote(name.rstrip('/').rpartition('/')[0])}"
        page = _PAGES[listing].format(place=escape(f"/{name}"), above=above, links=links)
        return self._refuse(200, body=page.encode(errors="surrogateescape"))

    def _send_file(self, handle: BinaryIO, state: RangeServer, fault: Fault) -> None:
        stat = os.fstat(handle.fileno())
        headers = _validate(stat, state.validators, fault.changed)
        if not self._matches(headers):
            return self._refuse(412)
        size = stat.st_size
        part = None if fault.whole or not state.ranges else self._part(size, headers)
        if part and part[0] >= part[1]:
            return self._refuse(416, extra={"Content-Range": f"bytes */{size}"})
        start, stop = part or (0, size)
        if part:
            start, stop = start + fault.shift, min(size, stop + fault.shift) - fault.short
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        if state.ranges:
            headers["Accept-Ranges"] = "bytes"
        self.asked.start, self.asked.stop = start, stop
        return self._send(206 if part else 200, headers, handle, fault)

    def _matches(self, validators: dict[str, str]) -> bool:
        """Whether the file is the version that the client wants; a weak ETag never is (RFC 9110, 13.1.1)."""
        if wanted := self.headers.get("If-Match"):
            etag = validators.get("ETag", "W/")
            return wanted == "*" or (not etag.startswith("W/") and etag in wanted)
        if (moment := self.headers.get("If-Unmodified-Since")) and "Last-Modified" in validators:
            return parsedate_to_datetime(validators["Last-Modified"]) <= parsedate_to_datetime(moment)
        return True

    def _part(self, size: int, validators: dict[str, str]) -> tuple[int, int] | None:
        """Return the first byte asked for and the one after the last, or None for the whole file."""
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        if asked is None or asked.groups() == ("", ""):
            return None
        version = self.headers.get("If-Range")
        if version and version not in (validators.get("ETag"), validators.get("Last-Modified")):
            return None
        first, last = asked.groups()
        if not first:
            return max(0, size - int(last)), size
        return int(first), min(size, int(last) + 1) if last else size

    def _send(self, status: int, headers: dict[str, str], handle: BinaryIO, fault: Fault) -> None:
        state, line = self.server.state, self.asked
        length = line.stop - line.start
        body = b""
        if fault.packed:
            handle.seek(line.start)
            body = gzip.compress(handle.read(length))
            headers, length = headers | {"Content-Encoding": "gzip"}, len(body)
        self._head(status, headers | {"Content-Length": str(length), "Content-Type": "application/octet-stream"})
        if self.command == "HEAD":
            return
        limit = min((n for n in (fault.drop_after, fault.stall_after) if n is not None), default=length)
        handle.seek(line.start)
        while (wanted := min(_CHUNK_BYTES, min(length, limit) - line.sent_bytes)) > 0:
            first = line.sent_bytes
            count = state.take(line, wanted)
            chunk = body[first:][:count] if body else handle.read(count)
            state.cross_line(count)
            self.wfile.write(chunk.translate(_INVERTED) if fault.changed else chunk)
            if count < wanted:
                break
        if line.sent_bytes < length:
            self._go_silent(fault)

    def _refuse(
        self, status: int, fault: Fault | None = None, body: bytes = b"", extra: dict[str, str] | None = None
    ) -> None:
        headers = {"Content-Length": str(len(body)), "Content-Type": "text/html; charset=utf-8", **(extra or {})}
        if fault and fault.retry_after_s is not None:
            headers["Retry-After"] = f"{fault.retry_after_s:g}"
        if fault and fault.location:
            headers["Location"] = fault.location
        self._head(status, headers)
        if self.command != "HEAD":
            self.asked.sent_bytes = len(body)
            self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.asked.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _go_silent(self, fault: Fault) -> None:
        if fault.stall_after is not None:
            self.server.state.stopping.wait()
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class has
        """Say nothing."""


def _validate(stat: os.stat_result, validators: Validators, changed: bool) -> dict[str, str]:
    """Return the headers that tell a file's version."""
    etag = f'"{stat.st_size:x}-{stat.st_mtime_ns:x}{"-new" * changed}"'
    date = {"Last-Modified": formatdate(stat.st_mtime + 60 * changed, usegmt=True)}
    if validators == "none":
        return {}
    if validators == "date":
        return date
    return {"ETag": f"W/{etag}" if validators == "weak" else etag, **date}
