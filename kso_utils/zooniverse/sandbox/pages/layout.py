"""What all pages share: their frame, tables, style, scripts, and what a browser may do with them."""

from __future__ import annotations

from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from kso_utils.zooniverse.sandbox.messages import Answer, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kso_utils.zooniverse.sandbox.state import Resource

# Whatever an upload smuggled in, the browser runs only the sandbox's own scripts and asks nobody else.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_MIME = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


def document(title: str, under: str, body: str, script: str | None = None) -> str:
    """Return a whole page.

    Parameters
    ----------
    title
        What the page is about, as text.
    under
        A line under the sandbox's name, as text.
    body
        HTML.
    script
        The file of `static` that runs on it.
    """
    run = "" if script is None else f'<script type="module" src="/assets/{script}"></script>'
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)} | sandbox</title><link rel="icon" href="/assets/icon.svg">'
        f'<link rel="stylesheet" href="/assets/style.css">{run}</head><body>'
        f'<header><div><h1><a href="/">Sandbox</a></h1><p>{escape(under)}</p></div></header>'
        f"<main>{body}</main></body></html>"
    )


def table(heads: Iterable[str], rows: Iterable[list[str]]) -> str:
    """Return a table; heads that start with # stand over numbers, cells are HTML."""
    kinds = [' class="number"' if head.startswith("#") else "" for head in heads]
    top = "".join(f"<th{kind}>{head.lstrip('#')}</th>" for kind, head in zip(kinds, heads, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def count(number: int, noun: str) -> str:
    """Return a number with its noun, `1 subject`, `2 subjects`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def trail(project: Resource, name: str) -> str:
    """Return the way from a page, called `name`, back to its project."""
    whole = escape(str(project.body["display_name"]))
    return f'<p class="trail"><a href="/projects/{project.id}">{whole}</a> / {escape(name)}</p>'


def html_answer(text: str, status: int = 200) -> Answer:
    """Return a page as the answer to a request, under a strict content security policy."""
    headers = {
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return Answer(status, text.encode(), "text/html; charset=utf-8", headers)


def asset_answer(name: str) -> Answer:
    """Return a style sheet, script or picture of `static` as the answer to a request.

    Raises
    ------
    Refused
        With status 404 if there is no such file.
    """
    file = resources.files(__package__).joinpath("static", name)
    if not file.is_file():
        raise Refused(404, "There is no such file")
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return Answer(200, file.read_bytes(), _MIME[name.rpartition(".")[2]], headers)
