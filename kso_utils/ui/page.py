"""A page of HTML that stands alone: nothing is fetched, nothing runs."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.ui.svg import DASH, escape, format_number, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def build_page(title: str, body: str) -> str:
    """Return the whole document.

    A content security policy forbids every request and every script, and allows the page's own style by its hash.

    Parameters
    ----------
    title
        The document's title, as text.
    body
        The markup between `<body>` and `</body>`.
    """
    style = resources.files("kso_utils.ui").joinpath("report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>{body}</body></html>\n"
    )


def section(name: str, heading: str, lead: str, *body: str) -> str:
    """Return a section with a heading in plain language and a sentence of introduction.

    Parameters
    ----------
    name
        The anchor, lower-case letters.
    heading, lead
        Text.
    *body
        Markup.
    """
    head = tag("h2", escape(heading), id=f"{name}-h") + tag("p", escape(lead), class_="lead")
    return tag("section", head, *body, id=name, aria_labelledby=f"{name}-h")


def card(heading: str, content: str, reading: str) -> str:
    """Return a drawing with its heading and one sentence that says how to read it; `content` is markup."""
    return tag(
        "figure",
        tag("h3", escape(heading)),
        content,
        tag("figcaption", escape(reading)),
        class_="card",
    )


def grid(cards: Iterable[str], kind: str = "cards") -> str:
    """Return cards side by side where the screen is wide enough; `beside` makes them wider than `cards`."""
    return tag("div", *cards, class_=kind)


def nothing(sentence: str) -> str:
    """Return a sentence that says that a step gave nothing."""
    return tag("p", escape(sentence), class_="nothing")


def scroll(content: str, name: str) -> str:
    """Return wide markup in a frame that scrolls by itself, so that the page never does."""
    return tag("div", content, class_="scroll", tabindex="0", role="region", aria_label=name)


def fold(summary: str, content: str) -> str:
    """Return markup that opens on a click, without a script."""
    return tag("details", tag("summary", escape(summary)), content)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """Return a table whose cells are markup and whose first column heads its row.

    Parameters
    ----------
    head
        Headings, as text.
    rows
        Markup, a cell each.
    caption
        What the table holds, as text.
    """
    titles = "".join(tag("th", escape(title), scope="col") for title in head)
    lines = [
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) if row else "" for row in rows
    ]
    made = tag(
        "table",
        tag("caption", escape(caption)),
        tag("thead", tag("tr", titles)),
        tag("tbody", *lines),
    )
    return scroll(made, caption)


def frame_table(frame: pd.DataFrame, caption: str) -> str:
    """Return a DataFrame as a table, its values written by `show_value`."""
    rows = ([show_value(value) for value in row] for row in frame.itertuples(index=False, name=None))
    return table([str(column) for column in frame.columns], rows, caption)


def show_value(value: Any) -> str:
    """Return any value as escaped text: numbers short, dictionaries and lists as JSON."""
    if isinstance(value, dict | list | tuple):
        return tag("code", escape(json.dumps(value, default=str, ensure_ascii=False)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if pd.api.types.is_number(value):
        return escape(format_number(value))
    return escape(DASH if pd.isna(value) else value)
