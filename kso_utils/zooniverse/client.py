"""The official client, opened with time limits; what its and the server's errors mean, in one place.

Nothing else knows panoptes_client, and nothing here writes down a password, a token or a signature.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import (
    ConfigError,
    Denied,
    MissingExtra,
    QuotaExceeded,
    RequestFailed,
    ZooniverseError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests
    from requests.adapters import HTTPAdapter

    from kso_utils.core.credentials import Login

ZOONIVERSE = "https://www.zooniverse.org"
TIMEOUTS_S = (5.0, 60.0)
# One for each worker of an upload, for who links, and for who looks up.
_POOL = 18
_STALE = (409, 412)


class ApiError(RequestFailed, ZooniverseError):
    """A request to Zooniverse that failed."""


def may_pass(error: RequestFailed) -> bool:
    """Whether a change is worth another attempt: also where somebody else changed the resource in this moment."""
    return error.temporary or error.status in _STALE


class Unauthorised(Exception):
    """The token, or the password, was not accepted; `said_plainly` makes it `Denied`."""


def open_client(url: str, login: Login) -> Any:
    """Log in and return the official client; any number of threads may use it.

    Parameters
    ----------
    url
        The address of the server, without a slash at its end.
    login
        A person's name and password, or the id and secret of an application.

    Raises
    ------
    Denied
        If the login is wrong.
    ApiError
        If the server cannot be reached, or is not a Zooniverse.
    ConfigError
        If the address is not one.
    MissingExtra
        If the official client is not installed.
    """
    panoptes = _load_client()

    class Shared(panoptes):  # type: ignore[misc, valid-type]
        """Renews its token in one thread while the others wait; left alone, each that finds it expired renews it."""

        bearer_token: str | None

        def __init__(self) -> None:
            self._renewing = threading.RLock()
            # Empty names keep the client from logging in by itself, before the time limits are in place.
            super().__init__(endpoint=url, username="", password="")
            # What stands in the environment is chosen before; here it could only be mixed up with what was given.
            known = panoptes._endpoint_client_ids
            self.client_id = login.user if login.is_client else known.get(url, known["default"])
            self.client_secret = login.password if login.is_client else None

        def get_bearer_token(self) -> str | None:
            with self._renewing:
                token: str | None = super().get_bearer_token()
                return token

        def forget(self, token: str | None) -> None:
            """Ask for a new login with the next request, unless another thread has a new token already."""
            with self._renewing:
                if self.bearer_token == token:
                    self.bearer_token = None
                    self.logged_in = False

    with said_plainly(url):
        client = Shared()
        client.session.hooks["response"].append(lambda answer, *_args, **_kw: _refuse(answer))
        _limit(client.session)
        try:
            if login.is_client:
                client.get_bearer_token()
            else:
                client.login(login.user, login.password)
        except KeyError as error:
            raise ApiError(f"{url} does not answer like the Zooniverse. Check the address.", 502) from error
    return client


def open_media_connection() -> requests.Session:
    """Return what fetches and sends media and exports.

    Their links carry their own rights, so no login goes along.

    Raises
    ------
    MissingExtra
        If requests is not installed.
    """
    try:
        import requests
    except ImportError as error:
        raise MissingExtra("requests", "zooniverse") from error
    session = requests.Session()
    _limit(session)
    _keep_signatures_out_of_logs()
    return session


def _load_client() -> Any:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        from panoptes_client import Panoptes
    except ImportError as error:
        raise MissingExtra("panoptes_client", "zooniverse") from error
    finally:
        # The client configures the root logger when it is imported; that is for the application to do.
        root.handlers[:] = handlers
        root.setLevel(level)
    return Panoptes


def _limit(session: requests.Session) -> None:
    """Give every request of a session the time limits, and connections for as many threads as may share it."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, _limited_adapter())


def _limited_adapter() -> HTTPAdapter:
    from requests.adapters import HTTPAdapter

    class Limited(HTTPAdapter):
        """Never waits without end."""

        def send(self, *args: Any, **kwargs: Any) -> requests.Response:
            """Send a request, with the time limits where it has none."""
            kwargs["timeout"] = kwargs.get("timeout") or TIMEOUTS_S
            return super().send(*args, **kwargs)

    return Limited(pool_connections=4, pool_maxsize=_POOL)


class _WithoutQueries(logging.Filter):
    """Cuts what follows the path of an address: the signature of a link is a right to write."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(a.partition("?")[0] if isinstance(a, str) and "?" in a else a for a in record.args)
        return True


_WITHOUT_QUERIES = _WithoutQueries()


def _keep_signatures_out_of_logs() -> None:
    # A filter that is there already is not added again.
    for name in ("urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_WITHOUT_QUERIES)


def _refuse(answer: requests.Response) -> None:
    """Raise what an API answer's status means, if it is an error."""
    if answer.status_code < 400:
        return
    message = _sentence(answer)
    if answer.status_code == 401:
        raise Unauthorised(message)
    if answer.status_code == 403 and "maximum" in message:
        raise QuotaExceeded(f"{message}. Ask Zooniverse to raise the limit of this account, or use another one.")
    if answer.status_code == 403:
        raise Denied(f"{_place(answer)}: this account may not do that ({message}).")
    raise _failure(answer, message)


def refuse_media(answer: requests.Response) -> None:
    """Raise what the status of a medium's or export's answer means, if it is an error.

    Raises
    ------
    ApiError
        If it is.
    """
    if answer.status_code >= 400:
        raise _failure(answer, answer.reason or "refused")


def _failure(answer: requests.Response, message: str) -> ApiError:
    wait = answer.headers.get("Retry-After", "")
    retry_after_s = float(wait) if wait.isdigit() else None
    return ApiError(f"{_place(answer)}: {message} (status {answer.status_code}).", answer.status_code, retry_after_s)


def _place(answer: requests.Response) -> str:
    # Without the query: it may hold a signature.
    return f"{answer.request.method} {str(answer.url).partition('?')[0]}"


def _sentence(answer: requests.Response) -> str:
    """Return the reason that an error's body gives, in one line."""
    try:
        body = answer.json()
        errors = body.get("errors", body.get("error"))
        if isinstance(errors, list):
            errors = "; ".join(str(e.get("message", e)) for e in errors)
        return str(errors or answer.reason)
    except (ValueError, AttributeError):
        return str(answer.reason)


@contextmanager
def said_plainly(url: str) -> Iterator[None]:
    """Turn what the client and requests raise into errors that tell a person what to do; `url` names the server.

    Raises
    ------
    Denied
        If the login was not accepted.
    ConfigError
        If `url` is no address.
    ZooniverseError
        If what was to be sent is not JSON.
    ApiError
        If anything else failed.
    """
    from panoptes_client.panoptes import PanoptesAPIException
    from requests import exceptions as failures

    try:
        yield
    except Unauthorised as error:
        raise Denied(
            f"{url} does not accept this login ({error}). Check the user name and the password, or the client id and "
            "its secret."
        ) from error
    except (failures.MissingSchema, failures.InvalidSchema, failures.InvalidURL) as error:
        raise ConfigError(f"'{url}' is not an address. Give one like {ZOONIVERSE}.") from error
    except failures.ReadTimeout:
        raise ApiError(f"{url} did not answer within {TIMEOUTS_S[1]:g} s. Try again later.") from None
    except (failures.ConnectionError, failures.ChunkedEncodingError, failures.ContentDecodingError) as error:
        # Not "from" it: its text holds the signature of a link, and its request the password of a login.
        raise ApiError(
            f"Cannot reach {url}, or the connection broke{_cause(error)}. Check the address and the network; "
            "a sandbox must be running."
        ) from None
    except failures.JSONDecodeError as error:
        raise ApiError(f"{url} gave an answer that is not of the Zooniverse's API. Check the address.", 502) from error
    except failures.InvalidJSONError as error:
        raise ZooniverseError(f"What was to be sent is not plain JSON: {error}. Leave out NaN.") from error
    except (failures.RequestException, PanoptesAPIException) as error:
        raise ApiError(f"{url}: {error}", 500) from error


def _cause(error: BaseException) -> str:
    """Return what the system says of a broken connection, in brackets; nothing where it does not say."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return f" ({seen.strerror})"
        seen = seen.__cause__ or seen.__context__
    return ""
