"""Text that a spreadsheet would take for a formula: made harmless on the way out, and read back as it was."""

from __future__ import annotations

import re

_STARTS = re.compile(r"[\s']*[=+\-@\t\r\n]")
_DEFUSED = re.compile(r"'[\s']*[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")


def defuse(text: str) -> str:
    """Return text with an apostrophe in front where a spreadsheet would run it as a formula; numbers stay."""
    return f"'{text}" if _STARTS.match(text) and not _NUMBER.fullmatch(text) else text


def restore(text: str) -> str:
    """Return text as it was before `defuse`."""
    return text[1:] if text.startswith("'") and _DEFUSED.match(text) else text
