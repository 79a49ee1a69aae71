"""Damage to text: wrong letters, what spreadsheets leave behind, and what does not belong into a public table."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from kso_utils.metadata.rules import advise, check, each_column, hits
from kso_utils.metadata.values import CONTROL, is_mark, map_distinct, matches, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from kso_utils.metadata.rules import Hit, Tables

_NAMES = frozenset(
    {
        *("filename", "locality", "vernacularName", "scientificName", "recordedBy", "institutionCode"),
        *("datasetName", "waterBody", "habitat"),
    }
)
_SHARED_WORDS = frozenset({"recordedBy", "institutionCode", "waterBody", "habitat", "samplingProtocol", "license"})
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>|&[A-Za-z]{2,8};|&#\d{1,6};|(?i:https?://|\bwww\.)")
_TAGS = re.compile(r"</?[A-Za-z][^<>]*>")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u00a0\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
_SPREADSHEET = re.compile(
    r"^(?:#(?:REF!|NAME\?|VALUE!|DIV/0!|NUM!|NULL!|SPILL!|CALC!)|#{3,}|-?\d(?:[.,]\d+)?E[+-]\d{2,3}"
    r"|\d{1,2}-(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?:-\d\d)?)$",
    re.IGNORECASE,
)
_MAIL = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;]+")
_PHONE = re.compile(r"(?<![\w-])(?:\+|00|0)\d(?:[ ()/.-]{0,2}\d){6,12}(?![\w-])")
_LICENCES = re.compile(
    r"cc0(1\.0)?(universal)?|(ccby|creativecommonsattribution)(nc|noncommercial)?(\d(\.\d)?)?(international)?|"
    r"https?://creativecommons\.org/(publicdomain/zero|licenses/by(nc)?)/\d\.\d(/(legalcode|deed)?(\.\w+)?)?"
)


@check(
    "TEXT_GARBLED",
    "warning",
    "Letters were lost or changed when the file was saved or opened in another encoding (Ã¤ for ä).",
    "Correct the text, and save the file as CSV UTF-8.",
)
def _garbled(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    message = "{column} is {value}, whose letters are damaged."
    yield from _damaged(tables, None, _NOT_ASCII, message, mend_letters)


def mend_letters(text: str) -> str | None:
    """Return text whose UTF-8 was once read as Windows-1252, as it was before (`SÃ¤cken`: Säcken), None if it is sound.

    The answer is empty where letters are lost for good (U+FFFD).
    """
    if "\ufffd" in text:
        return ""
    mended = _NOT_ASCII.sub(lambda found: _reread(found[0]), text)
    return mended if mended != text else None


def _reread(letters: str) -> str:
    try:
        return b"".join(_as_byte(letter) for letter in letters).decode("utf-8")
    except UnicodeError:
        return letters


def _as_byte(letter: str) -> bytes:
    try:
        return letter.encode("cp1252")
    except UnicodeEncodeError:
        return letter.encode("latin-1")


@check(
    "SPREADSHEET_DAMAGE",
    "warning",
    "A text is what a spreadsheet made of it: an error (#REF!), a power of ten (1.23E+05), a date (01-Mar).",
    "Type the text again, in a column that is formatted as text.",
)
def _spreadsheet(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    message = "{column} is {value}, which a spreadsheet seems to have made."
    yield from _damaged(tables, None, _SPREADSHEET, message)


@check(
    "INVISIBLE_CHARACTER",
    "warning",
    "A text holds a character that nobody sees (line break, no-break space), so that it equals no other.",
    "Type the text again.",
)
def _invisible(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    message = "{column} is {value}, with an invisible character in it."
    yield from _damaged(tables, None, _INVISIBLE, message, _drop_invisible)


def _drop_invisible(text: str) -> str | None:
    if CONTROL.search(text):
        return None  # CONTROL_CHARACTER tells of this cell.
    return " ".join(re.sub(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]", "", text).split())


@check(
    "MARKUP_IN_NAME",
    "warning",
    "A name holds HTML or an address of the web.",
    "Write the name alone; addresses have columns of their own (associatedMedia, scientificNameID).",
)
def _markup(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _damaged(tables, _NAMES, _MARKUP, "{column} is {value}, which is more than a name.", _drop_markup)


def _drop_markup(text: str) -> str:
    plain = html.unescape(_TAGS.sub("", text)).strip()
    return "" if _MARKUP.search(plain) else plain


def _damaged(
    tables: Tables,
    columns: frozenset[str] | None,
    pattern: re.Pattern[str],
    message: str,
    mend: Callable[[str], str | None] | None = None,
) -> Iterator[Hit]:
    """Yield the text cells that hold a pattern, and of which `mend`, if there is one, makes something (not None)."""
    for table, column, frame in each_column(tables, "text"):
        if columns is not None and column.name not in columns:
            continue
        cells = to_text(frame[column.name])
        wrong = matches(cells, pattern)
        if mend is None:
            yield from hits(table.name, frame, column.name, wrong, message)
        elif wrong.any():
            mended = map_distinct(cells.where(wrong), mend)
            advised = frame.assign(_fix=advise(mended))
            yield from hits(table.name, advised, column.name, wrong & mended.notna(), message, "{_fix}")


@check(
    "SPELLED_VARIOUSLY",
    "warning",
    "One person, institution, place or licence is spelled in several ways, and would be counted as several.",
    "Choose one spelling for the whole column.",
)
def _spelled_variously(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "text"):
        if column.name not in _SHARED_WORDS:
            continue
        cells = to_text(frame[column.name]).mask(is_mark(frame[column.name]))
        counts = cells.value_counts().sort_values(ascending=False, kind="stable")
        folded = {str(text): "".join(c for c in str(text).casefold() if c.isalnum()) for text in counts.index}
        usual: dict[str, str] = {}
        for text in counts.index:
            usual.setdefault(folded[text], text)
        variants = {text: usual[key] for text, key in folded.items() if key and usual[key] != text}
        wrong = cells.isin(variants) & ~cells.duplicated()
        advised = frame.assign(_usual=cells.map(variants))
        message = "{column} is {value}, elsewhere spelled {_usual}."
        yield from hits(table.name, advised, column.name, wrong, message, "Write {_usual} in every row.")


@check(
    "PERSONAL_DATA",
    "warning",
    "A mail address or telephone number stands where names are published.",
    "Write the name alone, or an ORCID.",
)
def _personal_data(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "text"):
        if column.name == "recordedBy":
            cells = to_text(frame[column.name])
            wrong = matches(cells, _MAIL) | matches(cells, _PHONE)
            message = "{column} holds a mail address or telephone number, which would be published."
            yield from hits(table.name, frame, column.name, wrong, message)


@check(
    "LICENSE_MISSING_OR_UNKNOWN",
    "warning",
    "The licence of a survey is none of those that GBIF takes.",
    "Write CC0, CC BY 4.0 or CC BY-NC 4.0, or the address of one of them at creativecommons.org.",
)
def _licence(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    surveys = tables.get("surveys")
    if surveys is not None and "license" in surveys:
        cells = to_text(surveys["license"])
        plain = cells.str.lower().str.replace(r"[\s_-]|licen[cs]e$", "", regex=True)
        known = map_distinct(plain, lambda text: _LICENCES.fullmatch(text) is not None).eq(True)
        wrong = cells.notna() & ~known & ~is_mark(cells)
        yield from hits("surveys", surveys, "license", wrong, "{column} is {value}, which GBIF does not take.")
