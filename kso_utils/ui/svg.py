"""Markup by hand: escaped text, tags, and the few sums that every drawing needs."""

from __future__ import annotations

import html
import math
import unicodedata

TEXT_SIZE = 13.0
_VOID = {"img"}
DASH = "\u2013"
"""What stands where there is no value."""


def escape(value: object) -> str:
    """Return a value as text that is safe in HTML and SVG, in content and in attributes."""
    return html.escape(str(value).encode("utf-8", "replace").decode("utf-8").replace("\0", ""), quote=True)


def tag(name: str, /, *children: str, **attributes: object) -> str:
    """Return an element.

    Parameters
    ----------
    name
        The element's name.
    *children
        Markup; escape text before.
    **attributes
        `class_` becomes `class`, `stroke_width` becomes `stroke-width`; floats are written with two decimals; values
        are escaped; None leaves the attribute out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(format_coordinate(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return f"<{name}{written}>"
    return f"<{name}{written}>{''.join(children)}</{name}>"


def format_coordinate(value: object) -> object:
    """Return a float as text with at most two decimals, anything else as it is."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def label(x: float, y: float, content: object, **attributes: object) -> str:
    """Return a line of text at a place, escaped."""
    return tag("text", escape(content), x=x, y=y, **attributes)


def drawing(width: float, height: float, description: str, *children: str) -> str:
    """Return an `svg` element that fills its column, with a description for those who cannot see it."""
    return tag("svg", *children, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=description)


def text_width(text: str, size: float = TEXT_SIZE) -> float:
    """Return about how wide a line of text is, in the unit of `size`; rather too much than too little."""
    return size * sum(map(_advance, text))


def _advance(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF" or letter in "mwMW@%…":
        return 1.0
    return 0.68 if letter.isupper() or letter.isdigit() else 0.58


def noun(count: float, name: str) -> str:
    """Return the noun as it stands after a number: `site` after 1, else `sites`."""
    return name if count == 1 else f"{name}s"


def shorten(text: str, width: float, size: float = TEXT_SIZE) -> str:
    """Return the text, cut with an ellipsis if it is wider than `width`."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text + "…"


def nice_step(span: float, parts: int) -> float:
    """Return 1, 2 or 5 times a power of ten: the smallest that cuts `span` into at most `parts` pieces."""
    raw = span / parts
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * factor for factor in (1.0, 2.0, 5.0, 10.0) if power * factor >= raw * (1 - 1e-9))


def ticks(low: float, high: float, parts: int = 5, least_step: float = 0.0) -> list[float]:
    """Return round numbers from `low` to `high`, at most `parts` + 1 of them, `least_step` apart at least."""
    if not high > low:
        return [low]
    step = max(nice_step(high - low, parts), least_step)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) + 0.0 for i in range(first, math.floor(high / step + 1e-9) + 1)]


def format_number(value: object) -> str:
    """Return a number as people write it: whole where it is whole, else three digits that matter; a dash for none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return DASH
    number = float(value)  # type: ignore[arg-type]
    if math.isinf(number):
        return "∞" if number > 0 else "-∞"
    if number == round(number) and abs(number) < 1e15:
        return f"{round(number):,}"
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"
