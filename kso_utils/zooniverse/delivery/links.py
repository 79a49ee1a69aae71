"""Addresses at which the browsers of volunteers fetch media."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import parse_qsl, urlsplit

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
