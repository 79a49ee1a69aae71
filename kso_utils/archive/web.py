"""Requests to web servers: nothing secret is told, nothing unprotected is followed, what may pass is tried again."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urljoin, urlsplit, urlunsplit

from kso_utils.core.errors import (
    ArchiveError,
    ConfigError,
    Denied,
    Interrupted,
    MissingExtra,
    NotFound,
    RequestFailed,
)
from kso_utils.core.retries import again, unless_silent
from kso_utils.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import requests
    from requests.adapters import HTTPAdapter

T = TypeVar("T")

TIMEOUTS_S = (10.0, 60.0)
"""To connect, and without a byte of the answer."""

_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_SHORT_BYTES = 2**16
_MOST_CONNECTIONS = 64
_here = threading.local()
_connections: dict[int, HTTPAdapter] = {}
"""The connections of each process (a fork must not use those of its parent), which all of its threads share."""


def bare(url: str) -> str:
    """Return an address without what may be secret in it: a password, and all behind its `?` or `#`."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def validate_address(url: str) -> str:
    """Return an address that may be asked.

    Raises
    ------
    ConfigError
        If it is not one of a web server, or holds a user name or a password.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"That is not an address ({error}). Give one like https://host/folder.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"'{bare(url)}' is not the address of a web server. Give one like https://host/folder.")
    if "@" in parts.netloc:
        raise ConfigError(f"The address {bare(url)} holds a user name or password. Leave it out; put it into ~/.netrc.")
    return url


def ask(url: str, headers: Mapping[str, str], use: Callable[[requests.Response], T]) -> T:
    """Send a GET request, and again while that may help; return what `use` makes of the answer.

    Parameters
    ----------
    url
        The address.
    headers
        Sent with it; compressed answers are never asked for.
    use
        Gets the answer, of a status below 400 or 412 or 416, before its body has come.

    Raises
    ------
    NotFound, Denied
        If the server says so.
    Interrupted
        If it could not be reached, or the connection broke, each time.
    ArchiveError
        If it sends on to where nothing should be asked, or refuses for another reason.
    MissingExtra
        If requests is not installed.
    """

    def attempt() -> T:
        with _said_plainly(url):
            answer = _follow(url, headers)
            try:
                _refuse(answer)
                return use(answer)
            finally:
                answer.close()

    try:
        return again(attempt, unless_silent())
    except RequestFailed as error:
        raise Interrupted(f"{error} What was done so far is kept: do the same again later.") from None


def read_body(answer: requests.Response, size_bytes: int) -> bytes:
    """Return so many bytes of an answer's body as they were sent.

    Raises
    ------
    RequestFailed
        If the connection broke before.
    """
    blocks, left = [], size_bytes
    while left and (block := answer.raw.read(left, decode_content=False)):
        blocks.append(block)
        left -= len(block)
    if left:
        raise RequestFailed(f"{bare(answer.url)}: the connection broke.")
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def modified_at(answer: requests.Response) -> str | None:
    """Return the time of the last change that an answer tells (ISO 8601, UTC), or None."""
    with suppress(ValueError):
        return _moment(answer.headers.get("Last-Modified", "")).isoformat(timespec="seconds")
    return None


def _moment(text: str) -> datetime:
    return parsedate_to_datetime(text).astimezone(UTC)


def _session() -> requests.Session:
    """Return the session of this thread, made at its first use; a process that was forked makes its own."""
    if getattr(_here, "pid", None) != os.getpid():
        _here.pid, _here.session = os.getpid(), _open_session()
    found: requests.Session = _here.session
    return found


def _open_session() -> requests.Session:
    try:
        import requests
        from requests.adapters import HTTPAdapter
    except ImportError as error:
        raise MissingExtra("requests", "zooniverse") from error

    class Session(requests.Session):
        """Leaves it to us where an answer leads."""

        def get_redirect_target(self, resp: requests.Response) -> None:
            """Return nothing."""

    session = Session()
    adapter = _connections.setdefault(os.getpid(), HTTPAdapter(pool_maxsize=_MOST_CONNECTIONS))
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    session.headers["User-Agent"] = f"kso_utils/{__version__}"
    return session


def _follow(url: str, headers: Mapping[str, str]) -> requests.Response:
    """Return the answer of the place to which an address leads."""
    place = url
    for _ in range(_MOST_REDIRECTS + 1):
        answer = _session().get(
            place,
            headers={"Accept-Encoding": "identity", **headers},
            stream=True,
            timeout=TIMEOUTS_S,
            allow_redirects=False,
        )
        if answer.status_code not in _REDIRECTS or "Location" not in answer.headers:
            return answer
        with answer:
            answer.raw.read(_SHORT_BYTES, decode_content=False)  # so that the connection can be used again
            place = _next_place(place, answer.headers["Location"])
    raise ArchiveError(f"{bare(url)} is sent on more than {_MOST_REDIRECTS} times. Check the address in a browser.")


def _next_place(place: str, location: str) -> str:
    """Return where an answer leads, if that is a place to ask."""
    try:
        following = urljoin(place, location)
        old, new = urlsplit(place), urlsplit(following)
    except ValueError as error:
        raise ArchiveError(f"{bare(place)} sends on to what is no address ({error}). Ask its host.") from None
    if new.scheme not in ("http", "https") or "@" in new.netloc or (old.scheme, new.scheme) == ("https", "http"):
        raise ArchiveError(
            f"{bare(place)} sends on to {bare(following)}, which is not safe to follow. Give the final https address."
        )
    if new.path == f"{old.path}/" and new.netloc == old.netloc:
        raise NotFound(f"{bare(place)} is a folder. Give the name of a file.")
    return following


def _refuse(answer: requests.Response) -> None:
    """Raise what an answer's status means, if it is an error that says nothing about parts or versions."""
    status, place = answer.status_code, bare(answer.url)
    if status in (404, 410):
        raise NotFound(f"There is no file {place}. Check the name.")
    if status in (401, 403):
        raise Denied(
            f"{place} may not be read (status {status}). A signed address may have expired; "
            "a user name and password belong into ~/.netrc."
        )
    failure = RequestFailed(f"{place}: {answer.reason or 'refused'} (status {status}).", status, _wait_s(answer))
    if failure.temporary:
        raise failure
    if not (200 <= status < 300 or status in (412, 416)):
        raise ArchiveError(f"{failure} Check the address in a browser.")


def _wait_s(answer: requests.Response) -> float | None:
    """Return how long the server asks to wait: in seconds, or until a moment."""
    text = answer.headers.get("Retry-After", "")
    if text.isdigit():
        return float(text)
    with suppress(ValueError):
        return (_moment(text) - datetime.now(UTC)).total_seconds()
    return None


@contextmanager
def _said_plainly(url: str) -> Iterator[None]:
    """Turn what requests and urllib3 raise into errors that tell a person what to do; theirs name the whole address."""
    _session()
    from requests import exceptions as failures
    from urllib3 import exceptions as breaks

    place = bare(url)
    try:
        yield
    except (failures.MissingSchema, failures.InvalidSchema, failures.InvalidURL):
        raise ConfigError(f"'{place}' is not an address. Give one like https://host/folder/movie.mp4.") from None
    except (failures.Timeout, breaks.TimeoutError):
        raise RequestFailed(f"{place}: no answer within {TIMEOUTS_S[1]:g} s.") from None
    except (failures.RequestException, breaks.HTTPError) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise ArchiveError(
                f"{place}: the certificate of the server is not trusted. Check the address; where the institute has "
                "an authority of its own, name its file in REQUESTS_CA_BUNDLE."
            ) from None
        raise RequestFailed(
            f"{place}: the server cannot be reached, or the connection broke. Check the address and the network."
        ) from None
