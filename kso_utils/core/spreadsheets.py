"""Text that a spreadsheet would take for a formula: made harmless on the way out, and read back as it was."""

from __future__ import annotations

import re

_STARTS = re.compile(r"[\s']*[=+\-@\t\r\n]")
_DEFUSED = re.compile(r"'[\s']*[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")


def defuse(text: str) -> str:
    """Return text with an apostrophe in front where a spreadsheet would run it as a formula; numbers stay."""
    return f"'{text}" if _STARTS.match(text) and not _NUMBER.fullmatch(text) else text


def defuse_cell(value: object) -> object:
    """Return a cell that no spreadsheet runs: text defused, its lines ended alike; all else as it is."""
    if not isinstance(value, str):
        return value
    # A lone carriage return would begin a new row in a spreadsheet; line feeds are quoted by the writer.
    return defuse(value).replace("\r\n", "\n").replace("\r", "\n")


def restore(text: str) -> str:
    """Return text as it was before `defuse`."""
    return text[1:] if text.startswith("'") and _DEFUSED.match(text) else text
