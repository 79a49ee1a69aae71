"""Which archive an address names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from kso_utils.archive.local import LocalArchive
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from kso_utils.archive.base import Archive, RangeFile
    from kso_utils.core.journal import Journal

WEB = ("http", "https")
"""Schemes of web servers."""


def is_remote(address: object) -> bool:
    """Whether a text names a file in a bucket or on a web server."""
    return isinstance(address, str) and address.partition("://")[0] in ("s3", *WEB) and "://" in address


def open_archive(
    url: str | Path, journal: Journal | None = None, *, endpoint: str | None = None, region: str | None = None
) -> Archive:
    """Open the archive that an address names.

    Parameters
    ----------
    url
        A folder, `s3://bucket/prefix` or `https://host/folder`.
    journal
        Where copies under way are remembered; by default a file beside what is copied.
    endpoint, region
        Of the service that holds the bucket, where it is not Amazon's or the environment does not say
        (`AWS_ENDPOINT_URL_S3`, `AWS_REGION`).

    Raises
    ------
    ConfigError
        If the address is of another kind, or holds a password.
    MissingExtra
        If what speaks to that kind is not installed.
    """
    text = str(url)
    scheme = text.partition("://")[0] if "://" in text else ""
    if not scheme:
        return LocalArchive(url)
    if scheme == "file":
        return LocalArchive(unquote(urlsplit(text).path))
    if urlsplit(text).password:
        raise ConfigError("The address of an archive holds a password. Leave it out; set it in the environment.")
    if scheme == "s3":
        from kso_utils.archive.s3 import S3Archive

        return S3Archive(text, journal, endpoint=endpoint, region=region)
    if scheme in WEB:
        from kso_utils.archive.http import HttpArchive

        return HttpArchive(text, journal)
    raise ConfigError(f"{scheme}:// is no archive that is known here. Give a folder, s3://bucket/prefix or https://...")


def open_file(address: str | Path) -> RangeFile:
    """Open one file by its path, `s3://` or `https://` address.

    Raises
    ------
    ConfigError, MissingExtra
        As `open_archive`.
    ArchiveError
        As `Archive.open`.
    """
    text = str(address)
    if is_remote(text):
        place, _, name = text.rpartition("/")
        return open_archive(place).open(name)
    path = Path(unquote(urlsplit(text).path) if text.startswith("file://") else text)
    return LocalArchive(path.absolute().parent).open(path.name)
