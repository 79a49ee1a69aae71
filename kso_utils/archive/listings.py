"""The index pages that web servers make of their folders."""

from __future__ import annotations

from contextlib import suppress
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from kso_utils.archive.web import ask, bare
from kso_utils.core.errors import ArchiveError, Denied

if TYPE_CHECKING:
    import requests

_LARGEST_BYTES = 2**26
_BLOCK_BYTES = 2**16


class _Links(HTMLParser):
    """The addresses to which a page leads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def list_folder(url: str) -> set[str]:
    """Return the names that the index page of a folder links to; those of folders end with `/`.

    What lies elsewhere (the folder above, the same page in another order) is left out.

    Parameters
    ----------
    url
        The address of the folder, with a `/` at its end.

    Raises
    ------
    ArchiveError
        If the server gives no such page.
    """
    try:
        place, page = ask(url, {}, _read_page)
    except Denied as error:
        raise Denied(_no_list(url)) from error
    here = urlsplit(place)
    near = [address.path for address in _links(place, page) if address[:2] == here[:2]]
    if not any(path.startswith(here.path) or here.path.startswith(path) for path in near):
        raise ArchiveError(_no_list(url))
    return {name for path in near if path.startswith(here.path) and (name := _name(path[len(here.path) :]))}


def _links(place: str, page: str) -> list[SplitResult]:
    """Return where a page leads, as far as its links are addresses."""
    reader = _Links()
    with suppress(AssertionError):  # this is how the parser refuses a declaration; what came before it counts
        reader.feed(page)
    addresses = []
    for link in reader.found:
        with suppress(ValueError):
            addresses.append(urlsplit(urljoin(place, link)))
    return addresses


def _read_page(answer: requests.Response) -> tuple[str, str]:
    """Return the address from which a page came in the end, and its text."""
    if answer.status_code != 200 or not answer.headers.get("Content-Type", "").startswith("text/html"):
        raise ArchiveError(_no_list(answer.url))
    blocks, size_bytes = [], 0
    while block := answer.raw.read(_BLOCK_BYTES, decode_content=False):
        blocks.append(block)
        size_bytes += len(block)
        if size_bytes > _LARGEST_BYTES:
            raise ArchiveError(f"{bare(answer.url)}: its list is larger than {_LARGEST_BYTES >> 20} MiB. Make folders.")
    return answer.url, b"".join(blocks).decode(errors="replace")


def _name(rest: str) -> str:
    """Return the file or folder that the rest of a path means; nothing where it lies deeper or is no name."""
    name = unquote(rest.removesuffix("/"), errors="surrogateescape")
    return "" if "/" in name or name in ("", ".", "..") else name + "/" * rest.endswith("/")


def _no_list(url: str) -> str:
    return (
        f"{bare(url)}: the server gives no list of its files. Name each file in the tables, "
        "or ask its host to switch the index pages of that folder on."
    )
