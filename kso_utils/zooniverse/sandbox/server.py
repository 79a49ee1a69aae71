"""The sandbox as an HTTP server on this computer."""

from __future__ import annotations

import contextlib
import re
import socket
import sqlite3
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from kso_utils.core.errors import ZooniverseError
from kso_utils.core.log import logger
from kso_utils.zooniverse.sandbox import resources
from kso_utils.zooniverse.sandbox.api import Api
from kso_utils.zooniverse.sandbox.exports import Exporter
from kso_utils.zooniverse.sandbox.messages import Answer, Refused, Request
from kso_utils.zooniverse.sandbox.state import State

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from kso_utils.zooniverse.sandbox.tasks import Tasks

_log = logger(__name__)

DEFAULT_USERS = {"demo": "demo"}


@dataclass(slots=True)
class Fault:
    """An error that the server makes on purpose, for tests.

    Attributes
    ----------
    match
        A regular expression on `VERB path`, `POST /api/subjects$`.
    status
        The status to answer with; 0 breaks the connection without an answer.
    times
        How many requests it hits; it is counted down.
    after
        Do what was asked and then answer with the error: a lost answer.
    """

    match: str
    status: int = 503
    times: int = 1
    after: bool = False


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

    def __init__(self, server: _Server, state: State, api: Api, exporter: Exporter) -> None:
        host, port = server.server_address[:2]
        self.url = f"http://{host if isinstance(host, str) else host.decode()}:{port}"
        self.state = state
        self.faults = server.faults
        self._server = server
        self._api = api
        self._exporter = exporter
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="sandbox", daemon=True)
        self._thread.start()

    @property
    def hits(self) -> Counter[str]:
        """How often each route was asked for: `POST /api/<kind>` -> number."""
        return self._api.hits

    def close(self) -> None:
        """Stop the server and close its file; everything confirmed is kept."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server.hang_up()
            self._exporter.close()
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
        How many subjects each user may upload.
    export_delay_s
        How long an export takes at least.
    faults
        Errors to make on purpose.

    Raises
    ------
    ZooniverseError
        If the port is taken, or the file cannot be opened.
    """
    state = _open_state(state_path)
    exporter = Exporter(state, export_delay_s)
    api = Api(state, DEFAULT_USERS if users is None else users, subject_limit, exporter)
    try:
        server = _Server((host, port), _Handler)
    except OSError as error:
        state.close()
        raise ZooniverseError(
            f"The sandbox cannot listen on {host}:{port}: {error.strerror}. Choose another port."
        ) from error
    server.api, server.latency_s = api, latency_s
    server.faults = [] if faults is None else faults
    sandbox = Sandbox(server, state, api, exporter)
    exporter.resume(sandbox.url)
    return sandbox


def run(state_path: str | Path | None, port: int = 8910, report: Callable[[str], None] | None = None) -> None:
    """Run a sandbox until it is interrupted (Ctrl-C).

    Parameters
    ----------
    state_path
        The SQLite file that it keeps everything in.
    port
        Where it listens on this computer.
    report
        Called with the sandbox's address when it is ready.
    """
    with serve(state_path, port) as sandbox:
        if report is not None:
            report(sandbox.url)
        try:
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
    latency_s: float
    faults: list[Fault]

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

    def fault_for(self, request: Request) -> Fault | None:
        """Return the fault that hits a request, and count it down."""
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.match, f"{request.verb} {request.path}"):
                    fault.times -= 1
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet for head and body
    server: _Server

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        parts = urlsplit(self.path)
        request = Request(
            self.command,
            parts.path.rstrip("/") or "/",
            dict(parse_qsl(parts.query)),
            self.headers,  # type: ignore[arg-type]  # a Message has the methods of a Mapping that are used
            self.rfile.read(length) if length else b"",
            f"http://{self.headers.get('Host') or 'localhost'}",
        )
        if self.server.latency_s:
            time.sleep(self.server.latency_s)
        fault = self.server.fault_for(request)
        if fault is None:
            self._send(self._answer(request))
            return
        if fault.after:
            self._answer(request)
        if fault.status:
            self._send(Refused(fault.status, "A fault made on purpose").answer())
        else:
            self.close_connection = True

    def _answer(self, request: Request) -> Answer:
        try:
            return self.server.api.answer(request)
        except Exception as error:  # the boundary: one bad request must not stop the server
            _log.exception("%s %s failed", request.verb, request.path)
            return Refused(500, f"The sandbox failed: {type(error).__name__}: {error}").answer()

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        if answer.status != 204:
            self.send_header("Content-Type", answer.mime)
            self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        """Log a request, for those who listen closely."""
        _log.debug(format, *args)
