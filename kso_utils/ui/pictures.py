"""Pictures inside the page, with boxes drawn over them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kso_utils.core.errors import ConfigError, MediaCorrupt
from kso_utils.ui.svg import drawing, escape, label, shorten, tag, text_width

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

KINDS = {"model": "found by the model", "people": "agreed by people", "truth": "the truth"}
"""The kinds of box and what they are called in the legend."""

_SIDES = ["x", "y", "width", "height"]
_NO_SIZE = {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, *range(0xD0, 0xD8)}


def data_url(jpeg: bytes) -> str:
    """Return the picture as a `data:` URL, so that the page needs no other file."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def jpeg_size(jpeg: bytes) -> tuple[int, int]:
    """Return width and height in pixels from a JPEG's frame header (ITU-T T.81, B.2.2).

    Raises
    ------
    MediaCorrupt
        If the bytes are no JPEG or end before the header.
    """
    at = 2 if jpeg[:3] == b"\xff\xd8\xff" else len(jpeg)
    while at + 9 <= len(jpeg) and jpeg[at] == 0xFF:
        marker = jpeg[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _ALONE:
            at += 2
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_SIZE:
            return int.from_bytes(jpeg[at + 7 : at + 9]), int.from_bytes(jpeg[at + 5 : at + 7])
        else:
            at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    raise MediaCorrupt("A picture for the report is not a readable JPEG. Give the bytes of a JPEG file.")


def draw_boxes(jpeg: bytes, boxes: pd.DataFrame, caption: str) -> str:
    """Return a picture as SVG with boxes over it.

    Parameters
    ----------
    jpeg
        The bytes of a JPEG file.
    boxes
        `x, y, width, height` in pixels, `label`, `confidence` (may be missing), `kind` (see `KINDS`). Where the
        model drew boxes only they carry their label, else all do.
    caption
        What the picture is, for those who cannot see it.

    Raises
    ------
    MediaCorrupt
        If the bytes are no JPEG.
    ConfigError
        If a box is of another kind.
    """
    width, height = jpeg_size(jpeg)
    image = tag("image", href=data_url(jpeg), width=width, height=height)
    real = boxes[np.isfinite(boxes[_SIDES].to_numpy(dtype=np.float64)).all(axis=1)]
    unknown = sorted({str(kind) for kind in boxes["kind"]} - set(KINDS))
    if unknown:
        raise ConfigError(f"The boxes of {caption!r} are of kind {unknown[0]!r}. Give one of {', '.join(KINDS)}.")
    drawn = sorted(real.to_dict("records"), key=lambda box: list(KINDS).index(box["kind"]))
    halos = [tag("rect", **{side: float(box[side]) for side in _SIDES}, class_="box-halo") for box in drawn]
    outlines = [
        tag("rect", **{side: float(box[side]) for side in _SIDES}, class_=f"box box-{box['kind']}") for box in drawn
    ]
    by_model = [box for box in drawn if box["kind"] == "model"]
    titles = ", ".join(_title(box) for box in by_model or drawn) or "no boxes"
    names = _name_tags(by_model or drawn, width, height)
    return drawing(width, height, f"{caption}: {titles}", image, *halos, *outlines, *names)


def _title(box: Mapping[Hashable, Any]) -> str:
    confidence = box.get("confidence")
    return str(box["label"]) if pd.isna(confidence) else f"{box['label']} {confidence:.2f}"


def _name_tags(boxes: list[dict[Hashable, Any]], width: int, height: int) -> Iterator[str]:
    """Yield the boxes' names, each above or below its box; one that would cover another is left out."""
    unit = width / 640
    high = 21 * unit
    taken: list[tuple[float, float, float, float]] = []
    for box in boxes:
        text = shorten(_title(box), width - 10 * unit, 15 * unit)
        wide = text_width(text, 15 * unit) + 10 * unit
        x, y, right, bottom = box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]
        wanted = [(x, y - high), (right - wide, y - high), (x, bottom), (right - wide, bottom)]
        places = [(float(min(max(a, 0), width - wide)), float(min(max(b, 0), height - high))) for a, b in wanted]
        free = [p for p in places if not any(_meets((*p, wide, high), other) for other in taken)]
        if not free:
            continue
        left, top = free[0]
        taken.append((left, top, wide, high))
        back = tag("rect", x=left, y=top, width=wide, height=high, rx=3 * unit, class_="name-back")
        yield back + label(left + 5 * unit, top + 15.5 * unit, text, class_="name", font_size=15 * unit)


def _meets(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


def legend(kinds: set[str]) -> str:
    """Return a line that says how the boxes of each kind look."""
    return "".join(
        tag("span", _sample(kind) + escape(text), class_="key") for kind, text in KINDS.items() if kind in kinds
    )


def _sample(kind: str) -> str:
    water = tag("rect", width=38, height=22, rx=3, class_="water")
    box = tag("rect", x=5, y=5, width=28, height=12, class_=f"box box-{kind}")
    return tag("svg", water, box, viewBox="0 0 38 22", aria_hidden="true")
