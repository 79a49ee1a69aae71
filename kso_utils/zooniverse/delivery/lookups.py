"""The subjects that Zooniverse has of a project or a set, newest first."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kso_utils.core.retries import again
from kso_utils.zooniverse.session import BATCH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kso_utils.zooniverse.session import Session


def list_newest(session: Session, **filters: Any) -> Iterator[dict[str, Any]]:
    """Yield subjects (`id, created_at, metadata, locations, links`), the newest first, 100 a request.

    Zooniverse API: subjects can be sorted by id. The last page of a server that does not sort them is the newest.

    Parameters
    ----------
    session
        The login.
    **filters
        `project_id` or `subject_set_id`.

    Raises
    ------
    ApiError
        If the server refuses, or fails for longer than a few attempts.
    """
    first, pages = _fetch_page(session, filters, 1)
    ids = [int(subject["id"]) for subject in first]
    if pages <= 1 or ids[0] > ids[-1]:
        yield from sorted(first, key=lambda subject: -int(subject["id"]))
        number = 2
        while number <= pages:
            subjects, pages = _fetch_page(session, filters, number)
            yield from subjects
            number += 1
        return
    for number in range(pages, 1, -1):
        yield from reversed(_fetch_page(session, filters, number)[0])
    yield from reversed(first)


def count_subjects(session: Session, **filters: Any) -> int:
    """Return how many subjects there are, in one request.

    Raises
    ------
    ApiError
        If the server refuses, or fails for longer than a few attempts.
    """
    answer = again(lambda: session.fetch("/subjects", {**filters, "page_size": 1}))
    return int(answer["meta"]["subjects"]["count"])


def location_of(subject: dict[str, Any]) -> str | None:
    """Return the address of the first medium of a subject; None where it has none."""
    return next((str(url) for place in subject["locations"] for url in place.values() if url), None)


def unsigned(url: str) -> str:
    """Return an address without what follows its `?`, which may be the right to write there."""
    return url.partition("?")[0]


def is_same_medium(url: str, other: str) -> bool:
    """Return whether two addresses are of one medium.

    Zooniverse takes media in at another host, and in another folder, than those that it shows them from; their names
    are random and stay.
    """
    return PurePosixPath(urlsplit(url).path).name == PurePosixPath(urlsplit(other).path).name


def _fetch_page(session: Session, filters: dict[str, Any], number: int) -> tuple[list[dict[str, Any]], int]:
    query = {**filters, "sort": "-id", "page_size": BATCH, "page": number}
    answer = again(lambda: session.fetch("/subjects", query))
    return answer["subjects"], int(answer["meta"]["subjects"]["page_count"])
