"""Addresses of media: where a subject's lies, and whether the browsers of volunteers can fetch it there."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXPIRING = frozenset(
    (
        *("x-amz-signature", "x-amz-expires", "x-goog-signature", "x-goog-expires", "temp_url_sig", "temp_url_expires"),
        *("signature", "expires", "sig", "se"),
    )
)
"""Parameters of links signed for a time: Amazon S3 and CloudFront, Google Cloud Storage, OpenStack Swift, Azure."""


def expires(url: str) -> bool:
    """Whether a link is signed for a time only, after which it leads nowhere."""
    return any(name.lower() in _EXPIRING for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True))


def find_fault(url: str) -> str | None:
    """Return why browsers cannot fetch a medium from an address, None where they can."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return "is no address"
    if parts.username or parts.password:
        return "holds a password, which everybody would see"
    if parts.scheme == "https" and host:
        return None
    if parts.scheme == "http" and host and _is_here(host):
        return None
    return "does not begin with https://, which pages of Zooniverse demand"


def _is_here(host: str) -> bool:
    """Whether a host is this computer, where a sandbox may be."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_address(place: str) -> bool:
    """Whether the journal's path of a medium is an address, where it lies for everybody to fetch, and not a file."""
    return place.startswith(("https://", "http://"))


def location_of(subject: Mapping[str, Any]) -> str | None:
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
