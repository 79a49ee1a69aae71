"""A mark: one row of what a classification says, and the JSON text that it is read from."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

_DEEPEST = 32
_SHORT = 80
# JSON may hold what text may not: halves of a pair of UTF-16, and NUL, which PostgreSQL refuses.
_NON_CHARACTER = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
_decoder = json.JSONDecoder(parse_constant=lambda _: None)


class Mark(NamedTuple):
    """One row of `flatten`, less the columns of its classification."""

    task: str | None
    label: str | None = None
    labels_from: str | None = None
    how_many: float | None = None
    first_seen_s: float | None = None
    frame: int | None = None
    shape: str | None = None
    x: float | None = None
    y: float | None = None
    width: float | None = None
    height: float | None = None
    angle: float | None = None
    geometry: dict[str, Any] | None = None
    raw: str | None = None

    @property
    def empty(self) -> bool:
        """Whether the row says that nothing was marked."""
        return self.label is None and self.shape is None and self.raw is None


class Problem(NamedTuple):
    """What in a classification is not as its task says: a stable code and a sentence."""

    code: str
    message: str


class SubAnswer(NamedTuple):
    """The answer to a question that a tool asks about a mark; its task is `T0.1.0`: task, tool, question."""

    task: str
    value: Any


def decode(text: str) -> list[Any]:
    """Return annotations from their JSON text; `null` is an empty list.

    `NaN` and `Infinity`, which are not JSON, become null; half a pair of UTF-16 or NUL in a text a question mark.

    Raises
    ------
    ValueError
        If the text is not JSON, not a list, or nested far deeper than any task.
    RecursionError
        If it is nested deeper than JSON can be read at all.
    """
    annotations = _decoder.decode(text)
    if annotations is None:
        return []
    if not isinstance(annotations, list):
        raise ValueError("they are not a list")
    if text.count("[") + text.count("{") > _DEEPEST and _deeper_than(_DEEPEST, annotations):
        raise ValueError(f"they are nested more than {_DEEPEST} deep")
    if _NON_CHARACTER.search(text):
        plain = json.dumps(annotations, ensure_ascii=False).replace("\\u0000", "?")
        annotations = _decoder.decode(plain.encode("utf-8", "replace").decode("utf-8"))
    return list(annotations)


def _deeper_than(depth: int, value: Any) -> bool:
    level = [value]
    for _ in range(depth):
        inner = (v.values() if isinstance(v, dict) else v for v in level)
        level = [v for values in inner for v in values if isinstance(v, list | dict)]
    return bool(level)


def compact(value: Any) -> str:
    """Return a value as JSON text without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def shorten(value: Any) -> str:
    """Return a value as JSON text that fits into a sentence."""
    text = compact(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


def is_blank(value: Any) -> bool:
    """Return whether a value is no answer at all."""
    return value is None or value in ("", [], {})
