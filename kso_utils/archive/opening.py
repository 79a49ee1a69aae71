"""Which archive an address names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from kso_utils.archive.local import LocalArchive, LocalFile
from kso_utils.core.errors import ConfigError
from kso_utils.core.paths import find_inside

if TYPE_CHECKING:
    from kso_utils.archive.base import Archive, RangeFile
    from kso_utils.core.journal import Journal

WEB = ("http", "https")
"""Schemes of web servers."""


def is_remote(address: object) -> bool:
    """Whether a text names a file in a bucket or on a web server."""
    return isinstance(address, str) and _scheme(address) in ("s3", *WEB)


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
    scheme = _scheme(text)
    if not scheme:
        return LocalArchive(url)
    if scheme == "file":
        return LocalArchive(_local(text))
    if scheme == "s3":
        if "@" in text.partition("://")[2].partition("/")[0]:
            raise ConfigError("The address of an archive holds a password. Leave it out; set it in the environment.")
        from kso_utils.archive.s3 import S3Archive

        return S3Archive(text, journal, endpoint=endpoint, region=region)
    if scheme in WEB:
        from kso_utils.archive.http import HttpArchive

        return HttpArchive(text, journal)
    raise ConfigError(f"{scheme}:// is no archive that is known here. Give a folder, s3://bucket/prefix or https://...")


def open_file(address: str | Path) -> RangeFile:
    """Open one file by its path, `file://`, `s3://` or `https://` address, a signed one too.

    Raises
    ------
    ConfigError, MissingExtra
        As `open_archive`.
    ArchiveError
        As `Archive.open`.
    """
    text = str(address)
    scheme = _scheme(text)
    if scheme in WEB:
        from kso_utils.archive.http import HttpFile

        return HttpFile(text)
    if scheme == "s3":
        place, _, name = text.rpartition("/")
        return open_archive(place).open(name)
    path = _local(text) if scheme == "file" else Path(text).expanduser()
    path = path.absolute()
    return LocalFile(path if path.exists() else find_inside(path.parent, path.name))


def _scheme(address: str) -> str:
    scheme, mark, _ = address.partition("://")
    return scheme.lower() if mark else ""


def _local(address: str) -> Path:
    """Return the path that a `file://` address means on this system."""
    parts = urlsplit(address)
    if parts.netloc not in ("", "localhost") and os.name != "nt":
        raise ConfigError(f"{address} names a file of the computer {parts.netloc}. Give file:///folder/movie.mp4.")
    return Path(url2pathname(f"//{parts.netloc}{parts.path}" if parts.netloc and os.name == "nt" else parts.path))
