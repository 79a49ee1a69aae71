"""The World Register of Marine Species (WoRMS), asked through its REST service."""

from __future__ import annotations

import json
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from kso_utils.core.errors import ArchiveError, ConfigError, Denied, Interrupted, NotFound, RequestFailed
from kso_utils.core.retries import again
from kso_utils.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from http.client import HTTPMessage
    from typing import IO, NoReturn

Record = dict[str, str | int | None]
"""An AphiaRecord: one name in the register, under the service's own keys (`AphiaID`, `scientificname`, `lsid`, ...)."""

WORMS = "https://www.marinespecies.org/rest"
TIMEOUT_S = 30.0
MOST_NAMES = 50
_MOST_QUERY = 6_000
_MOST_BYTES = 32 * 1024**2
_MOST_ID = 2**63
_LOCAL = {"localhost", "127.0.0.1", "::1"}
_NAME = "scientificnames[]="
_TEXTS = (
    *("url", "scientificname", "authority", "status", "unacceptreason", "rank", "valid_name", "valid_authority"),
    *("kingdom", "phylum", "class", "order", "family", "genus", "citation", "lsid", "match_type", "modified"),
)
_NUMBERS = (
    *("AphiaID", "taxonRankID", "valid_AphiaID", "parentNameUsageID"),
    *("isMarine", "isBrackish", "isFreshwater", "isTerrestrial", "isExtinct"),
)


def lsid(aphia_id: int) -> str:
    """Return the identifier under which the name with that AphiaID is published."""
    return f"urn:lsid:marinespecies.org:taxname:{aphia_id}"


def batches(names: Sequence[str]) -> Iterator[list[str]]:
    """Yield the names in groups that fit into one request: at most 50, in an address of bounded length."""
    batch: list[str] = []
    length = 0
    for name in names:
        needed = len(_NAME) + len(quote(name, safe="")) + 1
        if batch and (len(batch) == MOST_NAMES or length + needed > _MOST_QUERY):
            yield batch
            batch, length = [], 0
        batch.append(name)
        length += needed
    if batch:
        yield batch


def fetch_matches(names: Sequence[str], endpoint: str = WORMS) -> list[list[Record]]:
    """Ask for what names may mean, marine or not, in one request.

    Parameters
    ----------
    names
        At most 50 scientific names.
    endpoint
        The address of the service.

    Returns
    -------
    list
        For each name, in order, the records that it matches: exactly, or nearly (`match_type` tells); none where
        there is nothing like it.

    Raises
    ------
    Interrupted
        If the service cannot be reached, or goes on failing.
    ArchiveError
        If it refuses (`Denied`, `NotFound`), or answers with something else than records.
    ConfigError
        If the address is not one that may be asked.
    """
    query = "&".join(_NAME + quote(name, safe="") for name in names)
    answer = _fetch(endpoint, f"AphiaRecordsByMatchNames?{query}&marine_only=false")
    if answer is None:
        return [[] for _ in names]
    if not isinstance(answer, list) or len(answer) != len(names):
        _refuse(endpoint, f"{len(names)} names were asked, and the answer is not a list of as many")
    return [[_read_record(raw, endpoint) for raw in _require_list(found, endpoint)] for found in answer]


def fetch_record(aphia_id: int, endpoint: str = WORMS) -> Record | None:
    """Ask for the record of an AphiaID; None where there is none. Raises as `fetch_matches` does."""
    answer = _fetch(endpoint, f"AphiaRecordByAphiaID/{int(aphia_id)}")
    return None if answer is None else _read_record(answer, endpoint)


def require_endpoint(endpoint: str) -> None:
    """Refuse an address that is not https (http on this computer only), or that holds a password.

    Raises
    ------
    ConfigError
        If it is such a one, or no address at all.
    """
    try:
        parts = urlsplit(endpoint)
        host = (parts.hostname or "").encode("idna").decode()
        safe = parts.scheme == "https" or (parts.scheme == "http" and host in _LOCAL)
        plain = endpoint.isascii() and endpoint.isprintable() and " " not in endpoint and "@" not in parts.netloc
        whole = bool(host) and parts.port != 0 and not parts.query and not parts.fragment
    except ValueError:
        safe = plain = whole = False
    if not (safe and plain and whole):
        raise ConfigError(f"A taxonomic service cannot be asked at {endpoint!r}. Give an address like {WORMS}.")


class _Redirects(HTTPRedirectHandler):
    """Follows a redirect only to where it is as safe as before."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """Return the next request."""
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if new.scheme != "https" and (new.scheme, new.netloc) != (old.scheme, old.netloc):
            raise ArchiveError(
                f"{old.netloc} sends its visitors on to {new.scheme}://{new.netloc}, which is not safe. "
                "Correct the address of the taxonomic service."
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(endpoint: str, path: str) -> Any:
    """Return the JSON at a path of the service, None where it says that there is nothing."""
    require_endpoint(endpoint)
    url = f"{endpoint.rstrip('/')}/{path}"
    host = urlsplit(endpoint).netloc
    try:
        body = again(lambda: _ask(url, host))
    except RequestFailed as error:
        if error.temporary:
            raise Interrupted(
                f"{error} What was answered before is kept: try again later, or work offline from what is kept."
            ) from error
        kind = {401: Denied, 403: Denied, 404: NotFound}.get(error.status or 0, ArchiveError)
        raise kind(f"{error} Look whether the address of the service is right.") from error
    if body is None:
        return None
    try:
        return json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        _refuse(endpoint, "the answer is no JSON; a login page of the network may stand in between")


def _ask(url: str, host: str) -> bytes | None:
    """Return the answer to one request, None where it is that there is no content."""
    request = Request(  # noqa: S310 - require_endpoint has seen the address
        url, headers={"User-Agent": f"kso_utils/{__version__}", "Accept": "application/json"}
    )
    try:
        with build_opener(_Redirects).open(request, timeout=TIMEOUT_S) as answer:
            body: bytes = answer.read(_MOST_BYTES + 1)
            status, missing = answer.status, answer.length
    except HTTPError as error:
        with error:
            asked = error.headers.get("Retry-After", "")
        wait_s = float(asked) if asked.isascii() and asked.isdigit() else None
        raise RequestFailed(f"{host} answered with status {error.code}.", error.code, wait_s) from error
    except (OSError, HTTPException) as error:
        why = getattr(error, "reason", None) or error or type(error).__name__
        raise RequestFailed(f"{host} could not be reached, or the connection broke ({why}).") from error
    if len(body) > _MOST_BYTES:
        raise ArchiveError(f"{host} answered with more than {_MOST_BYTES} bytes. Correct the address of the service.")
    if missing:
        # Reading a part of the answer, as here, is not told of a connection that broke before the end.
        raise RequestFailed(f"{host} broke off in the middle of an answer.")
    return None if status == HTTPStatus.NO_CONTENT else body


def _require_list(found: Any, endpoint: str) -> list[Any]:
    if found is None:
        return []
    if not isinstance(found, list):
        _refuse(endpoint, "the matches of a name are not a list")
    return found


def _read_record(raw: Any, endpoint: str) -> Record:
    """Return the known fields of a record; one without a number and a name is refused."""
    if not isinstance(raw, dict):
        _refuse(endpoint, "a record is not an object")
    texts = {key: raw[key] for key in _TEXTS if isinstance(raw.get(key), str) and _is_storable(raw[key])}
    numbers = {key: int(raw[key]) for key in _NUMBERS if isinstance(raw.get(key), int) and abs(raw[key]) < _MOST_ID}
    if numbers.get("AphiaID", 0) < 1 or not texts.get("scientificname"):
        _refuse(endpoint, "a record has no AphiaID or no scientificname")
    return dict.fromkeys((*_TEXTS, *_NUMBERS)) | texts | numbers


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _refuse(endpoint: str, why: str) -> NoReturn:
    raise ArchiveError(
        f"{urlsplit(endpoint).netloc} does not answer like WoRMS: {why}. "
        "Look whether its address is right, and try again later."
    )
