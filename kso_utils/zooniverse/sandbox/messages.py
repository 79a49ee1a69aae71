"""What goes in and out of the sandbox: requests, answers, refusals in the form that Panoptes uses."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LARGEST = 2**63 - 1
API_TYPE = "application/vnd.api+json; version=1"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, read to its end.

    Attributes
    ----------
    base_url
        How the client calls this server, `http://127.0.0.1:8000`; links in answers start with it.
    """

    verb: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base_url: str

    def json(self) -> dict[str, Any]:
        """Return the body as parsed JSON, an object; {} where it is empty.

        Raises
        ------
        Refused
            With status 422 if it is not JSON, or no object.
        """
        try:
            value = json.loads(self.body or b"{}", parse_constant=_no_number)
            if b"\\ud" in self.body.lower():
                json.dumps(value, ensure_ascii=False).encode()  # half a character cannot be kept
        except (ValueError, RecursionError) as error:
            raise Refused(422, "The request's body is not JSON") from error
        return mapping(value, "The request's body")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes = b""
    mime: str = API_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A request that is answered by an error.

    Parameters
    ----------
    status
        The HTTP status.
    message
        The sentence that the client shows.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def answer(self) -> Answer:
        """Return the answer, in the documented form."""
        return json_answer({"errors": [{"message": self.message}]}, self.status)


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return `value` as a JSON answer."""
    return Answer(status, json.dumps(value, ensure_ascii=False).encode(), API_TYPE, headers or {})


def etag(revisions: Iterable[tuple[int, int]]) -> str:
    """Return the ETag of a list of (id, revision); a list of one has the tag of that one."""
    digest = hashlib.sha256(repr(list(revisions)).encode()).hexdigest()[:32]
    return f'W/"{digest}"'


def mapping(value: Any, name: str) -> dict[str, Any]:
    """Return a part of a message that must be an object, {} where it is not given.

    Raises
    ------
    Refused
        With status 422 if it is something else.
    """
    if value is not None and not isinstance(value, dict):
        raise Refused(422, f"{name} must be an object")
    return value or {}


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def number(text: object) -> int:
    """Return an id or a count from a request.

    Raises
    ------
    Refused
        With status 422 if it is not a whole number.
    """
    try:
        value = int(str(text).strip())
    except ValueError as error:
        raise Refused(422, f"Not a number: '{text}'") from error
    if abs(value) > _LARGEST:
        raise Refused(422, f"Out of range: '{text}'")
    return value


def numbers(text: object) -> list[int]:
    """Return the ids of a comma-separated list, or of a JSON list."""
    items = text if isinstance(text, list) else [t for t in str(text).split(",") if t.strip()]
    return [number(t) for t in items]
