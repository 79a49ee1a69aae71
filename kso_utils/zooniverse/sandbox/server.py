"""The sandbox as an HTTP server on this computer."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from kso_utils.core.errors import ZooniverseError
from kso_utils.core.log import logger
from kso_utils.zooniverse.sandbox import resources
from kso_utils.zooniverse.sandbox.api import Api
from kso_utils.zooniverse.sandbox.background import Background
from kso_utils.zooniverse.sandbox.exports import Exporter
from kso_utils.zooniverse.sandbox.faults import Chance, Fault
from kso_utils.zooniverse.sandbox.imports import Importer
from kso_utils.zooniverse.sandbox.messages import Answer, Refused, Request
from kso_utils.zooniverse.sandbox.simulation import rehearse
from kso_utils.zooniverse.sandbox.state import State

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from kso_utils.zooniverse.sandbox.tasks import Tasks

_log = logger(__name__)

DEFAULT_USERS = {"demo": "demo"}
DAY_S = 86_400.0
_BLOCK = 1 << 16
_TRICKLES = 20


class Sandbox:
    """A running server; a context manager that stops it.

    Attributes
    ----------
    url
        Its address, `http://127.0.0.1:40123`.
    state
        What it knows.
    faults
        Errors that it makes on purpose; append to it at any time.
    """

    def __init__(self, server: _Server, state: State, background: Background) -> None:
        host, port = server.server_address[:2]
        self.url = f"http://{host if isinstance(host, str) else host.decode()}:{port}"
        self.state = state
        self.faults = server.chance.faults
        self._server = server
        self._background = background
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="sandbox", daemon=True)
        self._thread.start()

    @property
    def hits(self) -> Counter[str]:
        """How often each route was asked for: `POST /api/<kind>` -> number."""
        return self._server.api.hits

    def close(self) -> None:
        """Stop the server and close its file; everything confirmed is kept."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server.hang_up()
            self._background.close()
            self.state.close()

    def add_project(
        self, slug: str, name: str, workflows: Mapping[str, Tasks], retire_after: int = 5
    ) -> tuple[int, dict[str, int]]:
        """Add a project with its workflows, or bring the one of that slug up to date; a second call changes nothing.

        Parameters
        ----------
        slug
            `owner/name`.
        name
            The name that people see.
        workflows
            Name of a workflow -> its tasks (`survey_task`, `drawing_task`).
        retire_after
            How many classifications a subject gets.

        Returns
        -------
        int
            The project's id.
        dict
            Name of a workflow -> its id.
        """
        return resources.add_project(self.state, slug, name, workflows, retire_after)

    def __enter__(self) -> Self:
        """Return the running server."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.close()


def serve(
    state_path: str | Path | None = None,
    port: int = 0,
    host: str = "127.0.0.1",
    users: Mapping[str, str] | None = None,
    latency_s: float = 0.0,
    subject_limit: int = 10_000,
    export_delay_s: float = 0.0,
    faults: list[Fault] | None = None,
    *,
    jitter_s: float = 0.0,
    seed: int = 0,
    throttle_s: float = 0.0,
    upload_link_s: float = 10_800.0,
    max_body_bytes: int = 1 << 28,
) -> Sandbox:
    """Start a sandbox in the background.

    Parameters
    ----------
    state_path
        The SQLite file that it keeps everything in; None forgets everything at the end.
    port
        0 takes any free one.
    host
        The address to listen on; the default is reachable from this computer only.
    users
        User name -> password; by default `demo` with password `demo`.
    latency_s
        Waits so long before each answer.
    subject_limit
        How many subjects each user may upload; `state.set_quota` gives one of them another limit.
    export_delay_s
        How long an export takes at least.
    faults
        Errors to make on purpose.
    jitter_s
        Waits up to so much longer, at random.
    seed
        Of everything that is random: jitter, and faults with a probability.
    throttle_s
        An export of the same resource and kind is made so often at most; the Zooniverse makes one a day. One that is
        asked for earlier stays `creating`, and the one before it stays where it was.
    upload_link_s
        How long a link is good for to which a medium is sent: by default 180 minutes, as on the Zooniverse.
    max_body_bytes
        A larger request is refused with status 413.

    Raises
    ------
    ZooniverseError
        If the port is taken, or the file cannot be opened.
    """
    state, background = _open_state(state_path), Background()
    exporter = Exporter(state, background, export_delay_s, throttle_s)
    importer = Importer(state, background, subject_limit)
    logins = DEFAULT_USERS if users is None else users
    api = Api(state, logins, subject_limit, exporter, importer, upload_link_s)
    try:
        server = _Server((host, port), _Handler)
    except OSError as error:
        state.close()
        raise ZooniverseError(
            f"The sandbox cannot listen on {host}:{port}: {error.strerror}. Choose another port."
        ) from error
    server.api, server.max_body_bytes = api, max_body_bytes
    server.chance = Chance([] if faults is None else faults, latency_s, jitter_s, seed)
    sandbox = Sandbox(server, state, background)
    exporter.resume(sandbox.url)
    importer.resume()
    return sandbox


def run(
    state_path: str | Path | None,
    port: int = 8910,
    report: Callable[[Sandbox], None] | None = None,
    users: Mapping[str, str] | None = None,
    latency_s: float = 0.0,
    throttle_s: float = 0.0,
    volunteers: int = 0,
) -> None:
    """Run a sandbox until it is interrupted (Ctrl-C).

    Parameters
    ----------
    state_path
        The SQLite file that it keeps everything in.
    port
        Where it listens on this computer.
    report
        Called with the sandbox when it is ready.
    users, latency_s, throttle_s
        As for `serve`.
    volunteers
        How many simulated people classify what is uploaded, by chance.
    """
    with serve(state_path, port, users=users, latency_s=latency_s, throttle_s=throttle_s) as sandbox:
        if report is not None:
            report(sandbox)
        try:
            if volunteers:
                rehearse(sandbox, volunteers)
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            _log.info("sandbox stopped")


def _open_state(path: str | Path | None) -> State:
    try:
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        return State(path)
    except (OSError, sqlite3.Error) as error:
        raise ZooniverseError(
            f"{path} cannot be used as the sandbox's file: {error}. Give another path, or move the file away."
        ) from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True
    api: Api
    chance: Chance
    max_body_bytes: int

    def __init__(self, *args: Any) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Take a connection, and remember it."""
        connection, address = super().get_request()
        with self._lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """End a connection, and forget it."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that clients keep open."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about clients that went away."""
        _log.debug("a connection from %s broke", client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet for head and body
    server: _Server

    def _serve(self) -> None:
        try:
            request = self._receive()
        except Refused as refusal:
            self.close_connection = True
            self._send(refusal.answer())
            return
        if request is None:
            self.close_connection = True
            return
        time.sleep(self.server.chance.wait_s())
        fault = self.server.chance.hit(request)
        if fault is None:
            self._send(self._answer(request))
            return
        answer = self._answer(request) if fault.done else fault.answer()
        if fault.kind == "reset":
            self._reset()
        elif fault.kind == "slow":
            self._send(answer, wait_s=fault.wait_s)
        elif fault.kind == "truncated":
            self._send(answer, whole=False)
        elif fault.status:
            self._send(fault.answer())
        else:
            self.close_connection = True

    def _receive(self) -> Request | None:
        """Return the request, or None if the client went away before its end: nothing of it may be done then."""
        if "Transfer-Encoding" in self.headers:
            raise Refused(411, "Length required: send Content-Length")
        told = self.headers.get("Content-Length") or "0"
        if not told.isdecimal():
            raise Refused(400, f"Content-Length is not a number: '{told}'")
        left = length = int(told)
        if length > self.server.max_body_bytes:
            while left > 0 and (block := self.rfile.read(min(left, _BLOCK))):
                left -= len(block)
            raise Refused(413, f"{length} bytes are more than the {self.server.max_body_bytes} that are taken")
        body = self.rfile.read(length) if length else b""
        if len(body) < length:
            return None
        parts = urlsplit(self.path)
        return Request(
            self.command,
            parts.path.rstrip("/") or "/",
            dict(parse_qsl(parts.query)),
            self.headers,  # type: ignore[arg-type]  # a Message has the methods of a Mapping that are used
            body,
            f"http://{self.headers.get('Host') or 'localhost'}",
        )

    def _answer(self, request: Request) -> Answer:
        try:
            return self.server.api.answer(request)
        except Exception as error:  # the boundary: one bad request must not stop the server
            _log.exception("%s %s failed", request.verb, request.path)
            return Refused(500, f"The sandbox failed: {type(error).__name__}: {error}").answer()

    def _send(self, answer: Answer, wait_s: float = 0.0, whole: bool = True) -> None:
        """Send an answer: at once, or over `wait_s`, or (`whole=False`) with less of its body than it announces."""
        time.sleep(wait_s / 2)
        self.send_response(answer.status)
        body = answer.body
        if answer.status != 204:
            self.send_header("Content-Type", answer.mime)
            self.send_header("Content-Length", str(len(body) if whole else max(1, len(body))))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if not whole:
            body = body[: len(body) // 2]
            self.close_connection = True
        if self.command != "HEAD":
            self._write(body, wait_s / 2)
        self.wfile.flush()

    def _write(self, body: bytes, wait_s: float) -> None:
        if not wait_s:
            self.wfile.write(body)
            return
        step = -(-len(body) // _TRICKLES) or 1
        for start in range(0, len(body), step):
            self.wfile.write(body[start : start + step])
            self.wfile.flush()
            time.sleep(wait_s / _TRICKLES)

    def _reset(self) -> None:
        """Break the connection off without the usual goodbye."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        """Log a request, for those who listen closely."""
        _log.debug(format, *args)
